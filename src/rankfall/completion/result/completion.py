"""The result of a completion: what was delivered, how it was reached, and what to beware of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from numbers import Real
from os import PathLike
from typing import TYPE_CHECKING, Literal

import numpy as np

from ...errors import InputError, Outcome
from ...problem import Problem
from ...scale import scaled
from ..descent.watched_run import WatchedRun, sentence
from ..solvers.low_rank import thin_svd
from .fitted_model import FittedModel
from .fold_in import FoldIn
from .intervals import exact_half_widths, noisy_half_widths
from .positions import chunks, positions
from .storage import read, write
from .values import Values

if TYPE_CHECKING:
    import pandas as pd

    from ...geometry import Identifiability
    from ...theory import Certificate


@dataclass(frozen=True, eq=False)
class Completion:
    """A completed matrix, ``x_ij = mean + rows_i + cols_j + (U diag(s) Vt)_ij``.

    Constant columns (twenty equal entries or more) are that constant. With ``scale="log"`` (or "log1p") the
    left side is the logarithm; everything that is called a value, prediction or interval below is in the
    data's own units all the same.

    Attributes
    ----------
    problem : Problem
        The observed cells, as given.
    outcome : Outcome
        How the run ended; ``outcome.advice`` is a sentence for the user.
    warnings : tuple of str
        One sentence each.
    model : FittedModel
        Factors with their uncertainty, noise and calibration; what everything else is computed from.
    path : DataFrame
        One row per rank visited, by rank: rank, oversampling, ridge (of the SGD stage), sgd_train and
        sgd_validation (RMSE of the SGD network alone), train and validation (RMSE after the refit or polish),
        validation_mae (mean absolute error there), refit_ridge (geometric mean over the factors), steps,
        chosen. Errors are on the scale of the fit; validation errors are NaN when no cell was held out (exact
        data). ``path.attrs["rule"]``: that of the choice.
    history : dict of ndarray
        Records along one chain: step, ridge, rank, singular_values (of the standardised data),
        train_rmse, validation_rmse.
    settings : dict
        What was asked for and what was chosen: seed, data model, noise model, ridge, the rule of choice.
    seconds : float
        Wall-clock time of the run.
    versions : dict
        Versions of rankfall and of what it stands on.
    units : ndarray, shape (n,)
        What the errors of each column are counted in; 1 unless columns have very different units.
    scale : {"linear", "log", "log1p"}
        The scale of the fit.
    bounds : (float, float) or None
        Predictions and intervals are kept within.
    watched : WatchedRun, Certificate or None
        What `certificate` is made of.
    """

    problem: Problem
    outcome: Outcome
    warnings: tuple[str, ...]
    model: FittedModel
    path: pd.DataFrame
    history: dict[str, np.ndarray]
    settings: dict[str, object]
    seconds: float
    versions: dict[str, str]
    units: np.ndarray
    scale: Literal["linear", "log", "log1p"] = "linear"
    bounds: tuple[float, float] | None = None
    fill: Literal["effects"] | None = None
    row_names: tuple[str, ...] | None = None
    col_names: tuple[str, ...] | None = None
    watched: WatchedRun | Certificate | None = None

    def __post_init__(self) -> None:
        self.path.attrs["rule"] = self.settings.get("rule")

    # -- facts -----------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        return self.problem.shape

    @property
    def rank(self) -> int:
        """Number of factors delivered, without row and column effects."""
        return self.model.rank

    @cached_property
    def factors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """U (m, rank), s (rank,), Vt (rank, n): frames and singular values of the low-rank part."""
        return thin_svd(*self.model.scores())

    @cached_property
    def effects(self) -> dict[str, np.ndarray] | None:
        """ "mean", "rows" (m,), "cols" (n,) that are added to the low-rank part; None if there are none."""
        return self.model.effects()

    @cached_property
    def identifiability(self) -> Identifiability:
        """What the observed cells determine at this rank; local uniqueness is computed when asked."""
        from ...geometry import identifiability

        U, s, Vt = self.factors
        root = np.sqrt(s)
        return identifiability(self.problem, self.rank, U * root, Vt.T * root)

    @cached_property
    def certificate(self) -> Certificate | None:
        """Why the rank is believed to stay: Theorem 3 for the SGD chain that met it, watched while it goes
        on for a while.

        The chain goes on when this is first asked for (or the result printed or saved), which takes a tenth
        of a second to seconds. A conditional statement about that run (its assumptions say of what), not
        about the refit or polish that was delivered. ``holds`` is False if the monitor did not certify this
        rank; None if no chain met it.
        """
        return self.watched.certificate() if isinstance(self.watched, WatchedRun) else self.watched

    @property
    def mixed_units(self) -> bool:
        """Whether the columns have different units; errors are then in columns' standard deviations."""
        return bool(np.any(self.units != 1))

    @cached_property
    def fitted_problem(self) -> Problem:
        """The observed cells on the scale of the fit."""
        return scaled(self.problem, self.scale)

    @property
    def train_rmse(self) -> float:
        """Root mean square misfit at the observed cells, on the scale of the fit (but see `mixed_units`)."""
        problem = self.fitted_problem
        misfit = (self.model.at(problem.rows, problem.cols) - problem.values) / self.units[problem.cols]
        largest = float(np.max(np.abs(misfit))) or 1.0  # squares may leave the range of floats
        return float(np.sqrt(np.average((misfit / largest) ** 2, weights=problem.weights)) * largest)

    @property
    def validation_rmse(self) -> float:
        """Held-out error of the chosen rank; NaN when no cell was held out."""
        chosen = self.path[self.path["chosen"]]
        return float(chosen["validation"].iloc[0]) if len(chosen) else float("nan")

    # -- values ----------------------------------------------------------------------------------

    @cached_property
    def _values(self) -> Values:
        return Values(self.model, self.problem, self.scale, self.bounds, self.fill, self.mixed_units)

    @cached_property
    def _fold_in(self) -> FoldIn:
        return FoldIn(self._values, self.col_names)

    @property
    def plain_effects(self) -> Mapping[str, np.ndarray]:
        """What stands in for cells that the data do not determine: average rows and columns of the fit.

        ``mean + cols_j`` is the average of column j over the rows of its component (of all columns, for one
        without entries), and ``rows_i`` what row i has above these averages, on average over its columns; 0
        where columns have different units, whose rows cannot be averaged.
        """
        return self._values.averages

    def in_data_units(self, fitted: np.ndarray) -> np.ndarray:
        """From the scale of the fit to the data's units, within the bounds."""
        return self._values.delivered(fitted)

    def predict(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """The model's value at some cells, observed or not.

        Parameters
        ----------
        rows, cols : array_like of int, broadcast against each other
            Positions, counted from zero.

        Returns
        -------
        ndarray
            Values in the units of the data; NaN for cells that the observed ones do not determine (a
            line without entries, or row and column in different components), unless the completion was
            made with ``fill="effects"``.

        Raises
        ------
        InputError
            If a position lies outside the matrix.
        """
        rows, cols = positions(self.shape, rows, cols)
        return self._values.at(rows, cols)

    def interval(
        self, rows: np.ndarray, cols: np.ndarray, coverage: float = 0.9
    ) -> tuple[np.ndarray, np.ndarray]:
        """Intervals that cover a share of missing cells, by split-conformal prediction.

        ``prediction -+ q spread_ij``: the local scale ``spread_ij`` is the standard deviation that the noise
        of row and column and the uncertainty of the factors give together, and q the ``ceil((n + 1)
        coverage)``-th smallest of the n ratios |error| / spread at cells that were held out when they were
        computed. For missing cells that are like the held-out ones (weight 1) the coverage is close to
        `coverage` whatever the errors are distributed like. It is not exactly guaranteed: the held-out cells
        have also chosen the rank and the noise model, lines with few entries give fewer of them, and the
        delivered fit has seen them.

        Parameters
        ----------
        rows, cols : array_like of int, broadcast against each other
            Positions, counted from zero.
        coverage : float
            Between 0 and 1.

        Returns
        -------
        lower, upper : ndarray
            In the units of the data and within the bounds; NaN where :meth:`predict` is NaN. Infinite (or
            the bounds) where nothing is known: too few cells were held out for this coverage, a cell filled
            with effects because the data do not determine it, or a cell that an exact fit leaves free. The
            interval of an exact fit is the largest misfit wide, which is rounding.

        Raises
        ------
        InputError
            If a position lies outside the matrix, or `coverage` not between 0 and 1.

        References
        ----------
        J. Lei, M. G'Sell, A. Rinaldo, R. J. Tibshirani and L. Wasserman, "Distribution-free predictive
        inference for regression", JASA 113 (2018), sections 2.2 and 5.2.
        """
        if not (isinstance(coverage, Real) and 0 < coverage < 1):
            raise InputError(f"coverage must lie between 0 and 1, not {coverage!r}.")
        rows, cols = positions(self.shape, rows, cols)
        lower, upper = np.empty(rows.size), np.empty(rows.size)
        for part in chunks(rows.size):
            i, j = rows.flat[part], cols.flat[part]
            center, half = self.model.at(i, j), self._half_width(i, j, float(coverage))
            half[self._values.undetermined(i, j)] = np.inf if self.fill == "effects" else np.nan
            with np.errstate(invalid="ignore"):
                lower[part], upper[part] = (
                    self._values.delivered(center - half),
                    self._values.delivered(center + half),
                )
        return lower.reshape(rows.shape), upper.reshape(rows.shape)

    @cached_property
    def _largest_misfit(self) -> float:
        problem = self.fitted_problem
        misfit = self.model.at(problem.rows, problem.cols) - problem.values
        return float(np.max(np.abs(misfit), initial=0.0))

    def _half_width(self, rows: np.ndarray, cols: np.ndarray, coverage: float) -> np.ndarray:
        if self.model.exact:
            local = self.identifiability.local if self.rank else None
            return exact_half_widths(self._largest_misfit, local, rows, cols)
        return noisy_half_widths(self.model, self.problem.col_counts, rows, cols, coverage)

    def to_dense(
        self, observed: Literal["given", "fitted"] = "given", *, rows: slice | None = None
    ) -> np.ndarray:
        """The completed matrix, shape (m, n), or some consecutive rows of it.

        Parameters
        ----------
        observed : {"given", "fitted"}
            Observed cells as they were given, or the model everywhere.
        rows : slice, optional
            Rows to make, ``slice(start, stop)``: a large matrix need not be in memory as a whole.
        """
        if observed not in ("given", "fitted"):
            raise InputError(f'observed must be "given" or "fitted", not {observed!r}.')
        start, stop, step = (rows or slice(None)).indices(self.shape[0])
        if step != 1:
            raise InputError("rows must be a slice of consecutive rows.")
        stop = max(start, stop)
        out = self._values.in_rows(start, stop)
        if observed == "given":
            cells = slice(*np.searchsorted(self.problem.rows, [start, stop]))  # they are sorted by row
            out[self.problem.rows[cells] - start, self.problem.cols[cells]] = self.problem.values[cells]
        return out

    def transform(self, new_rows: object) -> np.ndarray:
        """Complete rows that were not there before, each by itself.

        A row's factors and effect are the ridge regression of its entries on the column factors, with the
        ridges of the fit (each column counting for what is known of it); the rows of the fit are such
        regressions too, so rows that were fitted are completed as they were then (without `weights`, which
        new rows do not have). A row without entries gets the average row of the fit (effects only), and a
        warning. Cells that the row's entries do not determine (columns without entries, or in components that
        the row does not meet) are NaN, or line effects if the completion was made with ``fill="effects"``.

        Parameters
        ----------
        new_rows : array, data frame, or scipy.sparse of shape (k, n)
            NaN (or not stored) = missing. The columns of a data frame must be those of the completed one.

        Returns
        -------
        ndarray, shape (k, n)
            Observed cells as they were given.

        Raises
        ------
        InputError
            If the shape does not fit, or a cell is infinite, not a number, or has no logarithm.

        Warns
        -----
        UserWarning
            If a row has no entry.
        """
        return self._fold_in.rows(new_rows)

    def fold_columns(self, new_columns: object) -> np.ndarray:
        """Complete columns that were not there before, each by itself: the counterpart of :meth:`transform`.

        Parameters
        ----------
        new_columns : array, data frame, or scipy.sparse of shape (m, k)
            NaN (or not stored) = missing.

        Returns
        -------
        ndarray, shape (m, k)
            Observed cells as they were given.

        Raises
        ------
        InputError
            As :meth:`transform`.

        Warns
        -----
        UserWarning
            If a column has no entry.
        """
        return self._fold_in.columns(new_columns)

    # -- words and files ---------------------------------------------------------------------------

    def summary(self) -> str:
        """A few lines for a person."""
        m, n = self.shape
        lines = [
            f"{m} x {n} matrix, {self.problem.n_observed} cells observed "
            f"({self.problem.n_observed / (m * n):.1%}).",
            f"Rank {self.rank} ({self.outcome.value}): {self.outcome.advice}",
            f"RMSE at the observed cells {self.train_rmse:.4g}"
            + ("" if np.isnan(self.validation_rmse) else f", at held-out cells {self.validation_rmse:.4g}")
            + (" (in columns' standard deviations)" if self.mixed_units else "")
            + ("" if self.scale == "linear" else " (of the logarithms)")
            + f"; {self.seconds:.1f} s.",
        ]
        certified = sentence(self.certificate)
        lines += [certified] if certified else []
        lines += [f"Warning: {text}" for text in self.warnings]
        return "\n".join(lines)

    def __repr__(self) -> str:
        m, n = self.shape
        return f"Completion({m} x {n}, rank {self.rank}, {self.outcome.value})"

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything to one .npz file; :func:`rankfall.load` reads it back."""
        contents = {field.name: getattr(self, field.name) for field in fields(self)}
        write(path, {**contents, "watched": self.certificate})


def load(path: str | PathLike[str]) -> Completion:
    """Read a completion that :meth:`Completion.save` wrote.

    Raises
    ------
    InputError
        If the file is not one of ours, is damaged, or was written by a later format.
    """
    return Completion(**read(path))
