"""Orbit filling, the baseline of every equivariant completion: copy each cell over its orbit, then complete.

Equivariant training is not more accurate than this; it is cheaper, exactly symmetric, and certified by irrep
(docs/symmetry.md).
"""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

import numpy as np

from ..argument_checks import instance, whole
from ..declared_arguments import declared
from ..problem import Problem
from .averages import Action, check_cells, pair_orbits

# The ridge falls from the largest singular value of the zero-filled cells by this factor in each sweep, down
# to _LAST of it: without the fall, alternating least squares runs off along flat directions (20 x 15 cells of
# rank 2, 60% observed, ended at errors of 100 times the data).
_FALL, _LAST = 0.8, 1e-8
_SWEEPS = 500
_SETTLED = 1e-6  # relative change of the error in a sweep at the last ridge


@declared
def fill_orbits(problem: Problem, rows: Action, columns: Action) -> Problem:
    """Every observed orbit of cells filled with the mean of its observed cells.

    Parameters
    ----------
    problem : Problem
    rows, columns : Representation
        By permutations.

    Returns
    -------
    Problem
        Of the same shape, with all cells of the observed orbits.

    Raises
    ------
    InputError
        If a representation does not permute coordinates, the shapes do not fit, or cells have weights.
    """
    problem = check_cells(problem, rows, columns)
    orbits = pair_orbits(rows, columns)
    at = orbits[problem.rows, problem.cols]
    counts = np.bincount(at, minlength=int(orbits.max()) + 1)
    sums = np.bincount(at, problem.values, minlength=counts.size)
    i, j = np.nonzero(counts[orbits] > 0)
    filled = orbits[i, j]
    return Problem.from_triplets(i, j, sums[filled] / counts[filled], problem.shape)


@declared
def fit_rank(problem: Problem, rank: int, *, seed: int = 0) -> np.ndarray:
    """A plain completion that is told its rank: alternating least squares with a ridge that vanishes.

    Parameters
    ----------
    problem : Problem
    rank : int
    seed : int

    Returns
    -------
    ndarray, shape (n_rows, n_cols)
    """
    instance("problem", problem, Problem)
    rank = whole("rank", rank, least=0, most=min(problem.shape))
    seed = whole("seed", seed, least=0)
    # in units of the largest cell, so that the start fits data of any unit
    unit = float(np.abs(problem.values).max())
    if rank == 0 or unit == 0:
        return np.zeros(problem.shape)
    observed, X = np.zeros(problem.shape), np.zeros(problem.shape)
    observed[problem.rows, problem.cols] = 1.0
    X[problem.rows, problem.cols] = problem.values / unit
    size = float(np.linalg.norm(X))
    top = ridge = float(np.linalg.norm(X, 2))
    rng = np.random.default_rng(seed)
    V = rng.standard_normal((problem.n_cols, rank)) / np.sqrt(rank)
    before = np.inf
    U = np.zeros((problem.n_rows, rank))
    for _ in range(_SWEEPS):
        U = _regressed(observed, X, V, ridge)
        V = _regressed(observed.T, X.T, U, ridge)
        if ridge > _LAST * top:
            ridge *= _FALL
            continue
        error = float(np.linalg.norm((U @ V.T - X) * observed))
        if abs(before - error) <= _SETTLED * max(error, 1e-9 * size):
            break
        before = error
    return unit * (U @ V.T)


def _regressed(observed: np.ndarray, X: np.ndarray, V: np.ndarray, ridge: float) -> np.ndarray:
    """Rows of U that fit ``X = U V^T`` on the observed cells of each row, with a ridge."""
    k = V.shape[1]
    outer = (V[:, :, None] * V[:, None, :]).reshape(-1, k * k)
    normal = (observed @ outer).reshape(-1, k, k)
    return np.linalg.solve(normal + ridge * np.eye(k), (X @ V)[..., None])[..., 0]
