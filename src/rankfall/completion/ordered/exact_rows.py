"""Rows without entries in a table that a matrix of low rank reproduces exactly: filled between their
neighbours.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...problem import Problem
from ..solvers.chain import Chain
from .axis_order import AxisOrder
from .evidence import resemble

# rows with entries from which a process can be learned
_ENOUGH = 10


def chain_of_exact_rows(problem: Problem, U: np.ndarray, order: AxisOrder | None) -> Chain | None:
    """The process that the factors of an exact fit follow; None if nothing needs it, or if rows do not
    resemble their neighbours.

    Parameters
    ----------
    problem : Problem
    U : ndarray, shape (m, r)
        Row factors; those of rows without entries are not used.
    order : AxisOrder or None
    """
    known = np.flatnonzero(problem.row_counts > 0)
    if order is None or not U.shape[1] or known.size in (U.shape[0], *range(_ENOUGH)):
        return None
    if not resemble(problem, order):
        return None
    part = order.some(known)
    factors = U[known][part.order]
    products = np.vstack([np.zeros((1, U.shape[1])), factors[1:] * factors[:-1]])
    chain, _ = part.chain().likeliest(factors**2, products)
    return replace(order.chain(), coefficients=chain.coefficients)


def between_neighbours(U: np.ndarray, known: np.ndarray, chain: Chain) -> np.ndarray:
    """Factors of all rows; those of the others are the mean given the known ones before and after.

    With the coefficients ``p`` and ``q`` of the distances to these, the mean is ``(p (1 - q^2) before + q
    (1 - p^2) after) / (1 - p^2 q^2)``, and ``p before`` or ``q after`` at the end of a series.

    Parameters
    ----------
    U : ndarray, shape (m, r)
    known : ndarray of bool, shape (m,)
    chain : Chain
    """
    out, m = U.copy(), known.size
    starts = np.isinf(chain.steps)
    at = np.cumsum(np.where(starts, 0.0, chain.steps))
    series = np.cumsum(starts)
    there = known[chain.order]
    places = np.arange(m)
    before = np.maximum.accumulate(np.where(there, places, -1))
    after = np.minimum.accumulate(np.where(there, places, m)[::-1])[::-1]
    for t in np.flatnonzero(~there).tolist():
        ends = [
            (chain.coefficients ** abs(at[t] - at[s]), U[chain.order[s]])
            for s in (before[t], after[t])
            if 0 <= s < m and series[s] == series[t]
        ]
        if len(ends) == 2:
            (p, left), (q, right) = ends
            rest = 1 - (p * q) ** 2
            out[chain.order[t]] = (p * (1 - q**2) * left + q * (1 - p**2) * right) / rest
        elif ends:
            out[chain.order[t]] = ends[0][0] * ends[0][1]
    return out
