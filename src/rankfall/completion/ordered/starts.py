"""Where ordered fits begin: the directions that SGD found, and those of what lies between neighbours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...problem import Problem
from ..noisy.folds import Fold
from ..solvers.chain import Chain
from ..solvers.noise_model import NoiseModel
from ..solvers.posterior import Posterior

# noise variance that fits begin with, as a share of the variance around the effects; and a smaller one, which
# is reached slowly from above
FIRST_NOISE, LITTLE_NOISE = 0.1, 0.01
# size of a column's own factor when a fit begins, relative to the spread of the column
_OWN = 0.3
# singular value of column factors, relative to the largest, that is none
_NOTHING = 1e-8


def interpolated(fold: Fold, rows: Chain | None, cols: Chain | None) -> np.ndarray:
    """What effects leave of the training cells, other cells interpolated between their neighbours, (m, n)."""
    rest, unit = fold.effects_residual()
    if rows is not None:
        return unit * _between(rest, rows)
    assert cols is not None
    return unit * _between(rest.T, cols).T


def _between(rest: Problem, chain: Chain) -> np.ndarray:
    """Every column of a problem interpolated along the rows; series do not see each other."""
    m, n = rest.shape
    starts = np.isinf(chain.steps)
    # series lie far apart, so that their ends are held constant nearly up to the middle between them
    at = np.empty(m)
    at[chain.order] = np.cumsum(np.where(starts, 1.0, chain.steps))
    out = np.zeros((m, n))
    columns = rest.T
    indptr, rows, values = columns.compressed_rows()
    for j in range(n):
        here = rows[indptr[j] : indptr[j + 1]]
        if here.size:
            sort = np.argsort(at[here], kind="stable")
            out[:, j] = np.interp(at, at[here][sort], values[indptr[j] : indptr[j + 1]][sort])
    return out


def directions(known: np.ndarray, filled: np.ndarray, rank: int) -> np.ndarray:
    """Column factors of a rank: those that are known first, then the leading ones of the rest.

    Parameters
    ----------
    known : ndarray, shape (n, r)
    filled : ndarray, shape (m, n)
        The table without its effects, nothing missing.

    Returns
    -------
    ndarray, shape (n, rank)
        Scaled so that the rows' factors have mean square 1.
    """
    m = filled.shape[0]
    vectors, s, _ = np.linalg.svd(known, full_matrices=False)
    kept = vectors.T[: min(rank, int(np.count_nonzero(s > _NOTHING * s.max(initial=0.0))))]
    rest = filled - (filled @ kept.T) @ kept
    vectors = np.linalg.eigh(rest.T @ rest)[1]
    more = vectors[:, ::-1][:, : rank - kept.shape[0]].T
    basis = np.vstack([kept, more])
    sizes = np.linalg.norm(filled @ basis.T, axis=0) / np.sqrt(m)
    return basis.T * np.maximum(sizes, 1e-6)


def scaled_columns(filled: np.ndarray, count: int) -> np.ndarray:
    """Factors of single columns, shape (n, count), for what is not common to several."""
    n = filled.shape[1]
    return _OWN * np.diag(filled.std(axis=0))[:, np.arange(count) % n]


def begun(
    fold: Fold,
    V: np.ndarray,
    noise_model: NoiseModel,
    rows: Chain | None,
    cols: Chain | None,
    first_noise: float = FIRST_NOISE,
) -> Posterior:
    """A fit that begins with some column factors and has chains on these sides."""
    start = fold.start_fit(V, first_noise * fold.effects.noise, noise_model)
    if rows is not None:
        start = replace(start, rows=replace(start.rows, chain=rows.begun(start.rows.free.size)))
    if cols is not None:
        start = replace(start, cols=replace(start.cols, chain=cols.begun(start.cols.free.size)))
    return fold.fitter.fold_rows(start)
