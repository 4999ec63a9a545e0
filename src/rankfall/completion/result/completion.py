"""The result of a completion: what was delivered, how it was reached, and what to beware of."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, cast

import numpy as np

from ...argument_checks import one_of, whole
from ...declared_arguments import declared
from ...errors import InputError, Outcome
from ...scale import scaled
from ..descent.watched_run import WatchedRun, sentence
from ..options import EFFECTS_IN_WORDS
from .column_errors import column_errors, places_of, standard_error
from .comparison import Comparison, compare
from .drawn_matrix import DrawnMatrix
from .in_words import (
    as_html,
    error_line,
    held_out_error,
    order_line,
    rank_choices,
    rounding_note,
    suspects_line,
)
from .intervals import checked_coverage
from .storage import write
from .suspects import suspects

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ...theory import Certificate


@dataclass(frozen=True, eq=False, kw_only=True)
class Completion(DrawnMatrix):
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
        One row per rank tried, by rank: rank, oversampling, ridge (of the SGD stage), sgd_train and
        sgd_validation (RMSE of the SGD network alone), train and validation (RMSE after the refit or the
        least-squares fit), validation_mae (mean absolute error there), relative, refit_ridge (geometric mean
        over the factors), steps, chosen. Errors are on the scale of the fit; validation errors are NaN when
        no cell was held out (exact data). Ranks are compared by `relative`: the geometric mean of root mean
        square and mean absolute error, both in units of each column's spread, which may order them
        differently than `validation`. Of small tables, which are split several times, ranks far worse than
        the best are judged on one split. Ranks that cannot be chosen have variational fits, the others
        means of draws. ``path.attrs["rule"]``: that of the choice.
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
    bounds : (low, high) or None
        Predictions and intervals are kept within: two numbers, or two arrays of shape (n,) where columns have
        bounds of their own; infinite where there is no bound.
    limits : LimitCells or None
        Cells that are known only to lie below or above a limit, with the mean and standard deviation of their
        posterior draws on the scale of the fit. In `problem` they hold what they are filled with.
    watched : WatchedRun, Certificate or None
        What `certificate` is made of.
    """

    outcome: Outcome
    warnings: tuple[str, ...]
    path: pd.DataFrame
    history: dict[str, np.ndarray]
    seconds: float
    versions: dict[str, str]
    watched: WatchedRun | Certificate | None = None

    def __post_init__(self) -> None:
        self.path.attrs["rule"] = self.settings.get("rule")

    # -- facts -----------------------------------------------------------------------------------

    @cached_property
    def effects(self) -> dict[str, np.ndarray] | None:
        """ "mean", "rows" (m,), "cols" (n,) that are added to the low-rank part; None if there are none."""
        return self.model.effects()

    @cached_property
    def certificate(self) -> Certificate | None:
        """Why the rank is believed to stay: what is proved about the SGD chain that met it, while it goes on
        for a while.

        By Theorem 6 for the stretch of steps that it names, where that covers the end of the run; else by
        Theorem 3 up to the monitor's first violation, with evidence only between its visits. The chain goes
        on when this is first asked for (or the result printed or saved), which takes a tenth of a second to
        seconds. A statement about that run (its assumptions say of what), not about the refit or the
        least-squares fit that was delivered; of a tall table, about a chain on the sample of its rows.
        ``holds`` is False if neither certifies this rank; None if no chain met it.
        """
        return self.watched.certificate() if isinstance(self.watched, WatchedRun) else self.watched

    @property
    def train_rmse(self) -> float:
        """Root mean square misfit at the observed cells, on the scale of the fit (but see `mixed_units`)."""
        problem = scaled(self.exactly_observed, self.scale)
        misfit = (self.model.at(problem.rows, problem.cols) - problem.values) / self.units[problem.cols]
        largest = float(np.max(np.abs(misfit))) or 1.0  # squares may leave the range of floats
        return float(np.sqrt(np.average((misfit / largest) ** 2, weights=problem.weights)) * largest)

    @cached_property
    def comparison(self) -> Comparison | None:
        """Other methods at the cells that were held out: column means, nearest rows, ridge regression and a
        small forest for each column on the others; None if nothing was held out, as for an exact fit.

        Computed when first asked for, in seconds: the others get a part of a large table, and ``scope`` says
        which. ``table`` holds the errors, and ``advice`` is a sentence if one of them is better than this
        completion by more than chance.
        """
        folds, seed = (self.settings.get(name, default) for name, default in (("folds", 1), ("seed", 0)))
        matrix, sizes, held = self, self.settings.get("held_out_by_split"), self.model.held_out
        if sizes and held is not None:  # in gaps: the cells of one split are hidden together
            first = int(cast("Sequence[int]", sizes)[0])
            matrix = replace(self, model=replace(self.model, held_out=held.first(first)))
            folds = 1
        return compare(matrix, int(str(folds)), int(str(seed)), self.seconds)

    @property
    def validation_rmse(self) -> float:
        """Held-out error of the chosen rank; NaN when no cell was held out."""
        chosen = self.path[self.path["chosen"]]
        return float(chosen["validation"].iloc[0]) if len(chosen) else float("nan")

    @cached_property
    def validation_standard_error(self) -> float:
        """Standard error of `validation_rmse`, from the scatter of the errors at the held-out cells of
        different rows; NaN when no cell was held out.
        """
        held = self.model.held_out
        if held is None or not held.rows.size:
            return float("nan")
        problem = self.fitted_problem
        at = places_of(problem, held.rows, held.cols)
        errors = (held.predicted - problem.values[at]) / self.units[held.cols]
        return standard_error(errors, held.rows, None if problem.weights is None else problem.weights[at])

    @cached_property
    def errors(self) -> pd.DataFrame:
        """Errors at held-out cells: one row per column of the matrix, by its label or position.

        Returns
        -------
        DataFrame
            error: root mean square, in the unit of the column; relative: this over the column's spread, below
            1 where predictions are better than the column's mean; spread: standard deviation of the observed
            cells; n_held_out: number of cells. NaN and 0 where no cell was held out (exact data, or results
            of rankfall 0.1).
        """
        held = self.model.held_out
        if held is None:
            rows, cols, predicted = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        else:
            rows, cols, predicted = held.rows, held.cols, self.in_data_units(held.predicted, held.cols)
        return column_errors(self.problem, rows, cols, predicted, self._layout.cols)

    @cached_property
    def suspects(self) -> pd.DataFrame:
        """Observed cells that the fit distrusts, where the noise has heavy tails; no row otherwise.

        Returns
        -------
        DataFrame
            row, column: labels or positions; value: as given; predicted: what the model has there; weight:
            how much the cell counts beside one that fits, below 0.2, smallest first.
        """
        return suspects(self._values, self.fitted_problem, self._layout, self.limits)

    # -- new rows and columns ----------------------------------------------------------------------

    @declared
    def transform(self, new_rows: object, *, follow: bool = True) -> np.ndarray:
        """Complete rows that were not there before, each by itself.

        A row's factors and effect are the ridge regression of its entries on the column factors, with the
        ridges of the fit (each column counting for what is known of it); the rows of the fit are such
        regressions too, so rows that were fitted are completed as they were then (without `weights`, which
        new rows do not have). A row without entries gets the average row of the fit (effects only), and a
        warning. Cells that the row's entries do not determine (columns without entries, or in components that
        the row does not meet) are NaN, or row and column effects if the completion was made with
        ``fill="effects"``. Where the rows have an order (``settings["ordered"]``), new ones come after the
        last one, each one step after the one before, and what is known of it is used.

        Parameters
        ----------
        new_rows : array, data frame, or scipy.sparse of shape (k, n)
            NaN (or not stored) = missing. The columns of a data frame must be those of the completed one.
        follow : bool
            Where the rows have an order: False makes the new ones a series of their own.

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
        return self._fold_in.rows(new_rows, one_of("follow", follow, (True, False)))

    @declared
    def forecast(self, n_rows: int, coverage: float = 0.9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows that come after the last one, nothing of them being known: the filter goes on.

        Their intervals are wider the farther they are ahead; they are calibrated on the held-out cells of
        this completion, which lie between observed ones.

        Parameters
        ----------
        n_rows : int
            How many, each one step (the median distance of two rows) after the one before.
        coverage : float
            Of the intervals, between 0 and 1.

        Returns
        -------
        values, lower, upper : ndarray, shape (n_rows, n)
            In the units of the data, within the bounds.

        Raises
        ------
        InputError
            If the rows of the completion have no order.
        """
        n_rows = whole("n_rows", n_rows, least=1)
        if self.model.posterior.rows.chain is None or self.model.exact:
            raise InputError(
                "forecast needs rows that follow each other, and this completion uses no order of rows: "
                'complete with ordered="rows".'
            )
        return self._values.ahead(n_rows, checked_coverage(coverage))

    def fold_columns(self, new_columns: object) -> np.ndarray:
        """Complete columns that were not there before, each by itself: the counterpart of :meth:`transform`.

        A pair of bounds for all columns holds for new ones, too; bounds of single columns do not.

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

    @declared
    def summary(self, *, certificate: bool = False) -> str:
        """A few lines for a person.

        Parameters
        ----------
        certificate : bool
            Also what the certificate says, which is computed for it.
        """
        (m, n), problem = self.shape, self.exactly_observed
        beside = EFFECTS_IN_WORDS[str(self.settings.get("effects", "none"))]
        lines = [
            f"{m} x {n} matrix, {problem.n_observed} cells observed ({problem.n_observed / (m * n):.1%})"
            + ("." if self.limits is None else f", {len(self.limits)} known by a limit only."),
            f"Rank {self.rank}{f' with {beside}' if beside else ''} ({self.outcome.value}): "
            f"{self.outcome.advice}",
            f"RMSE at the observed cells {self.train_rmse:.4g}"
            + held_out_error(
                self.validation_rmse,
                self.validation_standard_error,
                in_gaps="held_out_by_split" in self.settings,
            )
            + (" (in columns' standard deviations)" if self.mixed_units else "")
            + ("" if self.scale == "linear" else " (of the logarithms)")
            + f"; {self.seconds:.1f} s.",
            *error_line(self.errors),
            *order_line(self.model.posterior),
            *suspects_line(self.suspects, problem.n_observed, self.model.posterior),
            *rank_choices(self.rank, self.settings.get("rank_choices")),
        ]
        certified = sentence(self.certificate) if one_of("certificate", certificate, (False, True)) else None
        lines += [certified] if certified else []
        lines += [*rounding_note(problem), *(f"Warning: {text}" for text in self.warnings)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return as_html(self.summary().splitlines(), self.path, self.errors)

    def __repr__(self) -> str:
        m, n = self.shape
        return f"Completion({m} x {n}, rank {self.rank}, {self.outcome.value})"

    @declared
    def save(self, path: str | PathLike[str]) -> None:
        """Write everything to one .npz file; :func:`rankfall.load` reads it back."""
        write(path, self.contents())

    def contents(self) -> dict[str, object]:
        """What a file holds, by the names of the attributes."""
        return {
            **{field.name: getattr(self, field.name) for field in fields(self)},
            "watched": self.certificate,
        }
