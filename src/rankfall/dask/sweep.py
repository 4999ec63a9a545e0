"""One pass over all blocks: rows given the columns, and what the rows say about the columns.

Each block's rows are computed and forgotten; what remains of a block are sums over its cells for every
column, ``sum_i w_ij E[u_i u_i^T]`` and ``sum_i w_ij x_ij E[u_i]``, n (K (K + 1) / 2 + K) numbers, and the
errors at its held-out cells. They are added up in a tree that depends on the number of blocks only.

References
----------
Y. Zhou, D. Wilkinson, R. Schreiber and R. Pan, "Large-scale parallel collaborative filtering for the Netflix
Prize", AAIM 2008. X. Qin, P. Blomstedt, E. Leppaaho, P. Parviainen and S. Kaski, "Distributed Bayesian matrix
factorization with limited communication", Machine Learning 108 (2019).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ..completion.solvers.kernels import variational as kernels
from ..completion.solvers.kernels.column_sums import add_sums
from .blocks import Block, Cells, Layout, read_block
from .state import Loaded, loaded

# rounds between the factors of a row and its noise scale, where rows have one, as in memory
_ROUNDS = 3
# cells of scale 1 by which the noise scales of intervals are drawn towards 1, as in memory
PRIOR_CELLS = 10.0
# rows whose factors are there at a time, and numbers that their moments may take
_ROWS, _NUMBERS = 8192, 4_000_000


@dataclass(frozen=True)
class Source:
    """What tasks of a pass share.

    Attributes
    ----------
    folder, state : str
        Of the blocks, and of the file with the state.
    stamp : int
        Tells versions of this file apart.
    layout : Layout
    center, scale : float
        Values are ``center + scale`` times the standardised ones.
    """

    folder: str
    state: str
    stamp: int
    layout: Layout
    center: float
    scale: float

    def loaded(self) -> Loaded:
        """The state."""
        return loaded(self.state, self.stamp)

    def block(self, block: int) -> Block:
        """The cells of a block, as they are stored."""
        return read_block(Path(self.folder), block, self.layout)

    def standardised(self, cells: Cells) -> Cells:
        """The same cells in the units of the fit."""
        return Cells(cells.indptr, cells.indices, (cells.values - self.center) / self.scale, cells.weights)


@dataclass(frozen=True, eq=False)
class Rows:
    """Posterior of some rows.

    Attributes
    ----------
    mean, second : ndarray, shapes (m, K), (m, K (K + 1) / 2)
    cov : ndarray
    noise : ndarray, shape (m, 2)
        Noise scales and expected misfits.
    spread : ndarray, shape (m,)
        Noise scales for intervals.
    """

    mean: np.ndarray
    second: np.ndarray
    cov: np.ndarray
    noise: np.ndarray
    spread: np.ndarray


def fold(cells: Cells, columns: Loaded) -> Rows:
    """The posterior of rows from their cells (standardised) and the columns, each by itself."""
    state = columns.state
    m, free = cells.indptr.size - 1, state.row_free
    mean, noise = np.zeros((m, state.size)), np.ones((m, 2))
    if state.row_fixed >= 0:
        mean[:, state.row_fixed] = 1.0
    cov = np.zeros((m, free.size * (free.size + 1) // 2))
    weights = columns.weight[cells.indices]
    if cells.weights is not None:
        weights = weights * cells.weights
    rounds = 1 if state.noise_model.is_equal else _ROUNDS
    kernels.update_rows(
        cells.indptr, cells.indices, cells.values, weights, state.mean, columns.second, free, state.row_fixed,
        state.row_prior, np.zeros(free.size), state.noise, state.prior_cells, rounds, mean, cov, noise,
    )  # fmt: skip
    # the expected misfit is noise row_scale_i sum_j (scale_j of the interval / scale_j of the fit)
    due = np.add.reduceat(np.append((state.spread * columns.weight)[cells.indices], 0.0), cells.indptr[:-1])
    due = np.where(np.diff(cells.indptr) > 0, due, 0.0)
    spread = (noise[:, 1] / state.noise + PRIOR_CELLS) / (due + PRIOR_CELLS)
    return Rows(mean, kernels.second_moments(mean, cov, free), cov, noise, spread)


def chunks(cells: Cells, K: int) -> Iterator[tuple[int, Cells]]:
    """Neighbouring rows, as many as may be there at a time, and the first of each."""
    size = max(1, min(_ROWS, _NUMBERS // max(K * (K + 1), 1)))
    m = cells.indptr.size - 1
    for first in range(0, m, size):
        yield first, cells.slice(first, min(first + size, m))


@dataclass(frozen=True, eq=False)
class Sums:
    """What a pass says about the columns, and how well it predicts.

    Attributes
    ----------
    second, first, squares : ndarray, shapes (n, K (K + 1) / 2), (n, K), (n,)
        As :func:`~rankfall.completion.solvers.kernels.column_sums.update_from_sums` takes them.
    cells, due : ndarray, shape (n,)
        Fitted cells of each column; and its sums of the noise scales of their rows.
    gram : ndarray, shape (K (K + 1) / 2,)
        ``sum_i E[u_i u_i^T]``
    totals : ndarray, shape (3,)
        Misfit over the noise scales, fitted cells, and rows.
    by_group : ndarray, shape (n_groups, 3)
        Held-out cells, sums of their squared and absolute errors.
    """

    second: np.ndarray
    first: np.ndarray
    squares: np.ndarray
    cells: np.ndarray
    due: np.ndarray
    gram: np.ndarray
    totals: np.ndarray
    by_group: np.ndarray

    @classmethod
    def zeros(cls, n: int, K: int, n_groups: int) -> Sums:
        P = K * (K + 1) // 2
        shapes = ((n, P), (n, K), (n,), (n,), (n,), (P,), (3,), (n_groups, 3))
        return cls(*map(np.zeros, shapes))


def add(one: Sums, other: Sums) -> Sums:
    """The sums of both."""
    return Sums(*(getattr(one, field.name) + getattr(other, field.name) for field in fields(Sums)))


def group_sums(numbered: tuple[int, list[int], int], source: Source, everything: bool) -> Sums:
    """The sums of neighbouring blocks, one after the other; of all cells, or of those not held out."""
    group, blocks, n_groups = numbered
    columns = source.loaded()
    state = columns.state
    n, K = state.mean.shape
    sums = Sums.zeros(n, K, n_groups)
    for number in blocks:
        block = source.block(number)
        fitted = source.standardised(block.cells(None if everything else False))
        held = source.standardised(block.cells(True))
        for first, cells in chunks(fitted, K):
            rows = fold(cells, columns)
            _take_in(sums, cells, rows)
            if not everything:
                m = cells.indptr.size - 1
                _judge(sums, group, held.slice(first, first + m), rows, columns)
    return sums


def _take_in(sums: Sums, cells: Cells, rows: Rows) -> None:
    at, n = cells.rows, sums.cells.size
    scale = 1 / rows.noise[:, 0]
    weights = scale[at] if cells.weights is None else scale[at] * cells.weights
    add_sums(
        cells.indptr, cells.indices, cells.values, weights, rows.mean, rows.second,
        sums.second, sums.first, sums.squares,
    )  # fmt: skip
    sums.cells[:] += np.bincount(cells.indices, minlength=n)
    sums.due[:] += np.bincount(cells.indices, (rows.spread * scale)[at], n)
    sums.gram[:] += rows.second.sum(axis=0)
    sums.totals[:] += np.sum(rows.noise[:, 1] * scale), cells.indices.size, scale.size


def _judge(sums: Sums, group: int, held: Cells, rows: Rows, columns: Loaded) -> None:
    """Errors at held-out cells of these rows."""
    if not held.indices.size:
        return
    errors = held.values - kernels.cell_products(held.rows, held.indices, rows.mean, columns.state.mean)
    weights = np.ones(errors.size) if held.weights is None else held.weights
    sums.by_group[group] += weights.sum(), np.sum(weights * errors**2), np.sum(weights * np.abs(errors))


def held_out_scores(block: int, source: Source) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What intervals are calibrated on, and the errors of every column of the source.

    Returns
    -------
    scores, errors : ndarray, shape (n_held,)
        Absolute errors at the held-out cells of a block over their local scales, and without.
    by_column : ndarray, shape (k, 5)
        Held-out cells and sums of their squared errors; cells, sums of their values and of their squares. For
        every column of the layout; if these are rows of the source, for every row of the block.
    """
    columns, layout = source.loaded(), source.layout
    stored = source.block(block)
    fitted, held = (source.standardised(stored.cells(which)) for which in (False, True))
    scores, errors = [np.empty(0)], [np.empty(0)]
    for first, cells in chunks(fitted, columns.state.size):
        here = held.slice(first, first + cells.indptr.size - 1)
        if here.indices.size:
            predicted, spread = predictions(here.rows, here.indices, fold(cells, columns), columns)
            errors.append(here.values - predicted)
            scale = 1.0 if here.weights is None else np.sqrt(here.weights)
            scores.append(np.abs(errors[-1]) * scale / spread)
    wrong = np.concatenate(errors)
    size = stored.n_rows if layout.swapped else layout.n_cols
    everything = source.standardised(stored.cells(None))
    at_held, at = (each.rows if layout.swapped else each.indices for each in (held, everything))
    by_column = [
        np.bincount(at_held, minlength=size),
        np.bincount(at_held, wrong**2, size),
        np.bincount(at, minlength=size),
        np.bincount(at, everything.values, size),
        np.bincount(at, everything.values**2, size),
    ]
    return np.concatenate(scores), np.abs(wrong), np.column_stack(by_column).astype(np.float64)


Scores = tuple[np.ndarray, np.ndarray, np.ndarray]


def both_scores(one: Scores, other: Scores, swapped: bool) -> Scores:
    """The scores of neighbouring blocks; if `swapped`, each has columns of the source of its own."""
    scores, errors = (np.concatenate([one[k], other[k]]) for k in (0, 1))
    return scores, errors, np.concatenate([one[2], other[2]]) if swapped else one[2] + other[2]


def predictions(
    rows: np.ndarray, cols: np.ndarray, folded: Rows, columns: Loaded
) -> tuple[np.ndarray, np.ndarray]:
    """Fitted values at some cells, standardised, and the local scales of their errors.

    The scale is the square root of ``noise row_scale_i col_scale_j + Var[u_i . v_j]``.
    """
    state = columns.state
    moments = (rows, cols, folded.mean, folded.second, state.mean, columns.second)
    variance = kernels.cell_variances(*moments)
    variance += state.noise * folded.spread[rows] * state.spread[cols]
    return kernels.cell_products(rows, cols, folded.mean, state.mean), np.sqrt(variance)
