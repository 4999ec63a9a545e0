"""The fitted model behind a :class:`Completion`: predictions, their spread, rows and columns folded in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...problem import Problem
from ..solvers.posterior import Posterior, Side, compressed
from ..solvers.smoothing import following
from ..solvers.variational import folded
from ..standardise import on_grid

_CHUNK = 500_000
# a local scale never falls below this fraction of the typical one
_LEAST_SPREAD = 1e-3
_ROUNDS = 5
# cells by which the noise scale of a row or column is drawn towards 1 for intervals, which are calibrated
# afterwards
_PRIOR_CELLS = 10.0


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The cells that were held out, as the fit of the chosen rank that had not seen them predicted them.

    Attributes
    ----------
    rows, cols : ndarray of int, shape (n_held,)
        Positions. With folds every cell is there once.
    predicted : ndarray, shape (n_held,)
        On the scale of the fit.
    spread : ndarray, shape (n_held,)
        Local scales, in the same units; an interval is ``predicted -+ q spread``.
    """

    rows: np.ndarray
    cols: np.ndarray
    predicted: np.ndarray
    spread: np.ndarray

    def first(self, count: int) -> HeldOut:
        """The first of them."""
        return HeldOut(*(part[:count] for part in (self.rows, self.cols, self.predicted, self.spread)))


@dataclass(frozen=True, eq=False)
class FittedModel:
    """``x_ij = center_j + scale_j * (u_i . v_j)``, on the scale on which the model was fitted.

    Attributes
    ----------
    posterior : Posterior
        Factors (and effects, as factors whose partner is known) of rows and columns. The rows are folded
        in: each is a function of its own entries and of the columns. Noise 0 marks an exact fit: then
        there are no covariances, and rows and columns are folded in by least squares.
    center, scale : ndarray, shape (n,)
        Scale 0 marks a column that is its center everywhere.
    row_noise_scale, col_noise_scale : ndarray, shapes (m,), (n,)
        Shares of the noise variance in rows and columns, for the local scale of intervals.
    calibration : ndarray, shape (n_held,)
        Absolute errors at the held-out cells, of the fit that had not seen them, over their local scales;
        ascending.
    held_errors : ndarray, shape (n_held,)
        These absolute errors themselves, ascending, on the scale of the fit (in columns' units where these
        differ): what intervals of one width would be calibrated by.
    held_out : HeldOut or None
        The held-out cells one by one; None if there were none.
    """

    posterior: Posterior
    center: np.ndarray
    scale: np.ndarray
    row_noise_scale: np.ndarray
    col_noise_scale: np.ndarray
    calibration: np.ndarray
    held_errors: np.ndarray
    held_out: HeldOut | None = None

    @property
    def rank(self) -> int:
        return self.posterior.rank

    @property
    def exact(self) -> bool:
        return self.posterior.noise == 0

    @property
    def is_constant(self) -> np.ndarray:
        """Columns that are their center everywhere: a mask of shape (n,)."""
        return self.scale == 0

    def standardised(self, problem: Problem) -> Problem:
        """The cells of the columns that are not constant, as the factors see them; `problem` is on the scale
        of the fit.
        """
        problem = problem.subset(~self.is_constant[problem.cols])
        values = (problem.values - self.center[problem.cols]) / self.scale[problem.cols]
        return problem.with_values(on_grid(values))

    def at(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Fitted values at some cells."""
        return self.center[cols] + self.scale[cols] * self.posterior.at(rows, cols)

    def dense(self, rows: slice = slice(None)) -> np.ndarray:
        """Fitted values everywhere, (m, n), or in some rows."""
        out = self.posterior.rows.mean[rows] @ (self.posterior.cols.mean * self.scale[:, None]).T
        out += self.center
        return out

    def scores(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column factors of the low-rank part alone, in the data's units."""
        U, V = self.posterior.frames()
        return U, V * self.scale[:, None]

    def effects(self) -> dict[str, np.ndarray] | None:
        """Mean, row and column effects in the data's units; None if there are none."""
        rows, cols = self.posterior.rows, self.posterior.cols
        by_row, by_col = np.zeros(rows.mean.shape[0]), np.zeros(self.scale.size)
        if cols.has_known:  # a row's effect is multiplied by a known number that makes up for the scale
            by_row = rows.mean[:, cols.fixed] * self._row_unit()
        if rows.has_known:
            by_col = cols.mean[:, rows.fixed] * self.scale
        if not np.any(self.center) and not cols.has_known and not rows.has_known:
            return None
        mean = self._common_center()
        mean = 0.0 if mean is None else mean
        return {"mean": np.asarray(mean), "rows": by_row, "cols": by_col + (self.center - mean)}

    def axis_averages(
        self, row_labels: np.ndarray, col_labels: np.ndarray, with_rows: bool
    ) -> dict[str, np.ndarray]:
        """Average row and columns of the fit, within the components that the labels (-1: none) say.

        ``mean + cols_j`` is the average of column j, ``rows_i`` that of ``x_ij - mean - cols_j`` over the
        columns; `mean` is the average of the columns, which stands for columns (and rows) without label.
        """
        left, right = self.posterior.rows.mean, self.posterior.cols.mean * self.scale[:, None]
        n = 1 + max(int(row_labels.max()), int(col_labels.max()))
        across, down = _group_means(left, row_labels, n), _group_means(right, col_labels, n)
        known = col_labels >= 0
        columns = self.center + np.einsum("jk,jk->j", across[col_labels], right)
        mean = float(np.mean(columns[known])) if known.any() else 0.0
        by_row = np.einsum("ik,ik->i", left - across[row_labels], down[row_labels])
        return {
            "mean": np.asarray(mean),
            "rows": np.where((row_labels >= 0) & with_rows, by_row, 0.0),
            "cols": np.where(known, columns - mean, 0.0),
        }

    def spread(self, rows: np.ndarray, cols: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Local scale of the error at some cells: noise of row and column, and uncertainty of the factors.

        `weights` are those of the cells, 1 by default.
        """
        out = np.empty(rows.size)
        for a in range(0, rows.size, _CHUNK):
            i, j = rows[a : a + _CHUNK], cols[a : a + _CHUNK]
            noise = self.posterior.noise * self.row_noise_scale[i] * self.col_noise_scale[j]
            noise = noise if weights is None else noise / weights[a : a + _CHUNK]
            out[a : a + _CHUNK] = np.sqrt(noise + self.posterior.variance(i, j)) * self.scale[j]
        return np.maximum(out, _LEAST_SPREAD * np.sqrt(self.posterior.noise) * self.scale[cols])

    def with_row_covariances(self, problem: Problem) -> FittedModel:
        """The same means, with the rows' covariances given the columns and the cells, which are on the scale
        of the fit: what a file does not hold.
        """
        posterior = self.posterior
        again = folded(compressed(self.standardised(problem)), posterior.cols, posterior.rows, posterior)
        return replace(self, posterior=replace(posterior, rows=replace(posterior.rows, cov=again.cov)))

    def fold_rows(self, values: np.ndarray, follow: bool = True) -> np.ndarray:
        """Fitted values of new rows, (k, n) from (k, n) with NaN, each from its own entries.

        Where the rows have an order, new ones come after the last one, or are a series of their own.
        """
        # a constant column has no scale, and tells a row nothing
        rest = (values - self.center) / np.where(self.scale > 0, self.scale, np.nan)
        rows, cols = self.posterior.rows, self.posterior.cols
        fitted = self._folded(rest, cols, rows, np.ones(values.shape[0]), follow).mean @ cols.mean.T
        return self.center + fitted * self.scale

    def of_new_rows(self, values: np.ndarray) -> FittedModel:
        """The model of new rows, (k, n) with NaN, each by itself."""
        rest = (values - self.center) / np.where(self.scale > 0, self.scale, np.nan)
        ones = np.ones(values.shape[0])
        rows = self._folded(rest, self.posterior.cols, self.posterior.rows, ones, False)
        return replace(self, posterior=replace(self.posterior, rows=rows), row_noise_scale=ones)

    def ahead(self, n_rows: int) -> FittedModel:
        """The model of rows after the last one, nothing of them being known."""
        n = self.scale.size
        rows = self._folded(
            np.full((n_rows, n), np.nan), self.posterior.cols, self.posterior.rows, np.ones(n_rows), True
        )
        return replace(self, posterior=replace(self.posterior, rows=rows), row_noise_scale=np.ones(n_rows))

    def fold_cols(self, values: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Fitted values of new columns, (m, k) from (m, k) with NaN; `center` and `scale` (k,) are theirs."""
        cols = self.posterior.cols
        units = np.ones(scale.size)
        if cols.has_known:
            units = self._row_unit() / scale
        rest = ((values - center) / scale).T
        rows = self.posterior.rows
        return center + (self._folded(rest, rows, cols, units, True).mean @ rows.mean.T).T * scale

    def _common_center(self) -> float | None:
        """The mean, if it is one number in the data's units (constant columns aside)."""
        centers = self.center[self.scale > 0]
        return float(centers[0]) if centers.size and np.ptp(centers) == 0 else None

    def _row_unit(self) -> float:
        """What row effects are counted in."""
        cols = self.posterior.cols
        return float((cols.mean[:, cols.fixed] * self.scale)[self.scale > 0].mean())

    def _folded(self, rest: np.ndarray, other: Side, own: Side, units: np.ndarray, follow: bool) -> Side:
        """Factors of new rows (k, n), standardised, given the columns, or the reverse; `units`: the known
        coordinate.
        """
        k = rest.shape[0]
        known = ~np.isnan(rest)
        mean = np.zeros((k, other.mean.shape[1]))
        if self.exact:
            for i in range(k):
                mean[i] = least_norm(other.mean[known[i]], rest[i, known[i]])
            return replace(own, mean=mean)
        if own.has_known:
            mean[:, own.fixed] = units
        rows, cols = np.nonzero(known)
        cells = compressed(Problem(rows, cols, rest[rows, cols], rest.shape))
        if own.chain is not None and follow:
            return following(cells, other, own, self.posterior, units)
        chain = None if own.chain is None else own.chain.of_its_own(k)
        blank = replace(
            own, mean=mean, cov=np.empty((k, own.cov.shape[1])), axis_noise=np.ones((k, 2)), chain=chain
        )
        return folded(cells, other, blank, self.posterior)


def _group_means(values: np.ndarray, labels: np.ndarray, n: int) -> np.ndarray:
    """Means of the rows of `values` with each label, shape (n, K); a label of -1 is left out."""
    kept = labels >= 0
    total = np.zeros((n, values.shape[1]))
    np.add.at(total, labels[kept], values[kept])
    return total / np.maximum(np.bincount(labels[kept], minlength=n), 1)[:, None]


def least_norm(loadings: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The least-squares solution of least norm."""
    return np.linalg.lstsq(loadings, target, rcond=1e-10)[0] if target.size else np.zeros(loadings.shape[1])


def noise_scales(posterior: Posterior, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """How much of the noise each row and column carries: ``noise_ij = noise row_i col_j``.

    Means of the expected squared misfits of each row, then of each column, in turn, drawn towards 1 by a few
    cells.
    """
    squares = (posterior.at(problem.rows, problem.cols) - problem.values) ** 2
    squares = (squares + posterior.entry_variance(problem)) / posterior.noise
    if problem.weights is not None:
        squares = squares * problem.weights
    dof = posterior.noise_model.dof
    by_row, by_col = np.ones(problem.n_rows), np.ones(problem.n_cols)
    for _ in range(_ROUNDS):
        counted = squares
        if posterior.noise_model.is_heavy:  # times expected weights
            shares = by_row[problem.rows] * by_col[problem.cols]
            counted = squares * (dof + 1) / (dof + squares / shares)
        by_row = _noise_scale(problem.rows, counted / by_col[problem.cols], problem.row_counts)
        by_col = _noise_scale(problem.cols, counted / by_row[problem.rows], problem.col_counts)
    return by_row, by_col


def _noise_scale(index: np.ndarray, squares: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return (np.bincount(index, squares, counts.size) + _PRIOR_CELLS) / (counts + _PRIOR_CELLS)
