"""Fewer terms in a sum of products with positive coefficients: Caratheodory's theorem, numerically stable.

Terms ``a_i b_i^T`` are scaled to unit length. One singular value decomposition finds all their linear
relations; after that every step goes along a relation to the boundary, where a coefficient is 0, and an
orthogonal transformation takes that term out of the remaining relations.
"""

# NumPy does not say what einsum and lstsq return
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import numpy as np

from .spaces import RANK_TOL, row_space, unit_rows

# coefficients of unit terms below this share of their sum are 0: what they add is rounding
_NOTHING = 1e-15
# a term with a smaller part in all relations is in none of them
_UNRELATED = 1e-13


def fewer_terms(left: np.ndarray, right: np.ndarray, cost: np.ndarray, tol: float = RANK_TOL) -> np.ndarray:
    """``c >= 0`` with ``sum c_i a_i b_i^T = sum a_i b_i^T``, ``cost . c <= sum cost``, and few positive ones.

    Parameters
    ----------
    left, right : ndarray, shapes (n, p) and (n, s)
        Rows ``a_i`` and ``b_i``, none of them 0.
    cost : ndarray, shape (n,)
        Not negative, and such that no combination with ``c >= 0`` of terms that adds up to 0 costs nothing.
    tol : float
        Singular values of the unit terms up to this times the largest count as 0.

    Returns
    -------
    ndarray, shape (n,)
        The terms with ``c_i > 0`` are linearly independent. The first steps go along steepest descent of the
        cost among the relations: where any change of c lowers the cost, this one does.
    """
    n = left.shape[0]
    if not n:
        return np.zeros(0)
    terms = _unit_terms(left, right, tol)
    relations = _relations(terms, tol)
    if not relations.shape[1]:
        return np.ones(n)
    sizes = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    kept, weight = _descend(relations, sizes, cost / sizes)
    target = terms.T @ sizes
    polished: np.ndarray = np.linalg.lstsq(terms[kept].T, target, rcond=None)[0]
    before, after = (np.linalg.norm(terms[kept].T @ w - target) for w in (weight, polished))
    if np.all(polished > 0) and after <= before:
        weight = polished
    c = np.zeros(n)
    c[kept] = weight / sizes[kept]
    return c


def _unit_terms(left: np.ndarray, right: np.ndarray, tol: float) -> np.ndarray:
    """The terms at unit length as rows: all their entries, or a sketch where these are many more than terms.

    The sketch takes 2 n random functionals ``(a . g)(b . g')``: independent terms stay independent with
    probability one. The random numbers are fixed.
    """
    n = left.shape[0]
    A, B = (unit_rows(rows) @ row_space(rows, tol) for rows in (left, right))
    if A.shape[1] * B.shape[1] <= 2 * n:
        return np.einsum("np,ns->nps", A, B).reshape(n, -1)
    rng = np.random.default_rng(0)
    G, G2 = (rng.standard_normal((rows.shape[1], 2 * n)) for rows in (A, B))
    return (A @ G) * (B @ G2) / np.sqrt(2 * n)


def _relations(terms: np.ndarray, tol: float) -> np.ndarray:
    """Orthonormal basis, as columns, of the x with ``sum x_i term_i = 0``."""
    n, m = terms.shape
    U, s, _ = np.linalg.svd(terms, full_matrices=n > m)
    return U[:, int(np.count_nonzero(s > tol * s[0])) :]


def _descend(relations: np.ndarray, weight: np.ndarray, price: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Terms that stay, and their weights, after as many steps as there are relations."""
    kept = np.arange(weight.size)
    while relations.shape[1]:
        pull = relations.T @ price
        # where all directions cost the same, any one will do
        direction = -relations @ pull if np.any(pull) else relations[:, 0].copy()
        direction /= np.abs(direction).max()
        if price @ direction > 0 or not np.any(direction < 0):
            direction = -direction
        falling = np.flatnonzero(direction < 0)
        lengths = weight[falling] / -direction[falling]
        first = falling[np.argmin(lengths)]
        weight = weight + lengths.min() * direction
        weight[first] = 0.0
        gone = weight <= _NOTHING * weight.sum()
        for index in np.flatnonzero(gone):
            relations = _without(relations, int(index))
        kept, weight, price, relations = kept[~gone], weight[~gone], price[~gone], relations[~gone]
    return kept, weight


def _without(relations: np.ndarray, index: int) -> np.ndarray:
    """The relations without one term: a reflection collects its part in one column, which goes."""
    row = relations[index].copy()
    size = float(np.linalg.norm(row))
    if size <= _UNRELATED:
        return relations
    row[0] += np.copysign(size, row[0])
    row /= np.linalg.norm(row)
    return (relations - 2 * np.outer(relations @ row, row))[:, 1:]
