"""Tall tables: columns are learned from a sample of the rows, and the other rows are folded in.

Given the columns, the factors of a row depend on its own entries alone. With N entries in a column the
variance of its r factors adds about r / N of the noise variance to that of a prediction, so that beyond a few
thousand entries more rows teach the columns nothing that could be measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..seeds import Stream, generator
from ..solvers.chain import Chain
from ..solvers.posterior import Posterior, Side
from ..standardise import NoisyCells
from .folds import Fold

# entries that every column of a sample has on average, at least: with ten factors the error grows by about a
# thousandth. Learned from all rows, the error was smaller by 0.04% on 20,000 x 8 (rank 2, noise 0.5) and by
# 0.05% on 30,000 x 30 (rank 5, noise 0.3)
_ENTRIES = 4000
# tables are sampled if that leaves at most this fraction of the rows
_WORTHWHILE = 0.5
# runs of neighbours that a sample of rows in their order consists of
_RUNS = 4


@dataclass(frozen=True, eq=False)
class RowSample:
    """Some rows of a table, or all.

    Attributes
    ----------
    rows : ndarray of int64, shape (k,)
        Which rows, in ascending order.
    cells : NoisyCells
        Their cells alone, k x n; columns keep the location and spread that they have in the whole table.
    whole : NoisyCells
        The cells of all rows.
    """

    rows: np.ndarray
    cells: NoisyCells
    whole: NoisyCells

    @classmethod
    def of(cls, cells: NoisyCells, seed: int) -> RowSample:
        """As many rows of a table as its columns need; all of them unless that is far fewer."""
        problem = cells.problem
        m = problem.n_rows
        counts = problem.col_counts[problem.col_counts > 0]
        fewest = float(counts.min()) if counts.size else 0.0
        # what is known of cells in part is drawn in a chain of all rows
        if _WORTHWHILE * fewest < _ENTRIES or cells.augmentation is not None:
            return cls(np.arange(m), cells, cells)
        size = int(np.ceil(m * _ENTRIES / fewest))
        rows = np.sort(generator(seed, Stream.ROW_SAMPLE).choice(m, size, replace=False))
        return cls(rows, replace(cells, problem=problem.of(rows, np.arange(problem.n_cols))), cells)

    @classmethod
    def of_runs(cls, cells: NoisyCells, order: np.ndarray, size: int) -> RowSample:
        """About so many rows in a few runs of neighbours, spread evenly over their order."""
        m = order.size
        length = -(-size // _RUNS)
        firsts = np.linspace(0, m - length, _RUNS).astype(int)
        rows = np.unique(np.concatenate([order[first : first + length] for first in firsts]))
        part = cells.problem.of(rows, np.arange(cells.problem.n_cols))
        return cls(rows, replace(cells, problem=part), cells)

    @property
    def is_all(self) -> bool:
        """Whether no row is left out."""
        return self.cells is self.whole

    def with_all_rows(self, fold: Fold, fit: Posterior, chain: Chain | None) -> tuple[Fold, Posterior]:
        """A fit to the sample for the whole table: columns as they are, every row folded in.

        `chain` is the order of all rows, where the fit knows that of the sample.
        """
        if self.is_all:
            return fold, fit
        problem = self.whole.problem
        fitter = fold.model.fitter(problem)
        nothing = fitter.problem.subset(np.zeros(problem.n_observed, bool))
        whole = replace(fold, training=fitter.problem, held=nothing, fitter=fitter, cells=self.whole)
        if fit.rows.chain is not None and chain is not None:
            chain = replace(chain, coefficients=fit.rows.chain.coefficients)
        start = replace(fit, rows=replace(_sized_like(fit.rows, problem.n_rows), chain=chain))
        return whole, replace(fitter.adopt(start), sweeps=fit.sweeps, converged=fit.converged)


def _sized_like(side: Side, size: int) -> Side:
    """A side of so many rows that are to be folded in, with the priors of another."""
    mean = np.zeros((size, side.mean.shape[1]))
    if side.has_known:
        mean[:, side.fixed] = side.mean[0, side.fixed]
    return replace(
        side,
        mean=mean,
        cov=np.zeros((size, side.cov.shape[1])),
        axis_noise=np.ones((size, 2)),
        chain=None,
    )
