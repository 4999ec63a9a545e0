"""The result of a completion: what was delivered, how it was reached, and what to beware of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import InputError, Outcome
from ..problem import Problem

if TYPE_CHECKING:
    import pandas as pd

    from ..geometry import Identifiability

_CHUNK = 1_000_000
# shrinkage of the line effects that fill cells which the model leaves open
_PLAIN_DAMPING = 1.0


@dataclass(frozen=True, eq=False)
class Completion:
    """A completed matrix, ``x_ij = mean + rows_i + cols_j + (U diag(s) Vt)_ij``.

    Attributes
    ----------
    problem : Problem
        The observed cells.
    rank : int
        Number of factors delivered, without row and column effects.
    outcome : Outcome
        How the run ended; ``outcome.advice`` is a sentence for the user.
    warnings : tuple of str
        One sentence each.
    factors : tuple of ndarray
        U (m, rank), s (rank,), Vt (rank, n): orthonormal frames and singular values of the low-rank part.
    effects : dict or None
        "mean", "rows" (m,), "cols" (n,) that are added to it; None when there are none.
    path : DataFrame
        One row per rank visited, by rank: rank, oversampling, ridge (of the SGD stage), sgd_train and
        sgd_validation (RMSE of the SGD network alone), train and validation (RMSE after the refit or
        polish), refit_ridge, steps, chosen. Errors are in the units of the data; validation errors are
        NaN when no cell was held out (exact data).
    history : dict of ndarray
        Records along one chain: step, ridge, rank, singular_values (of the standardised data),
        train_rmse, validation_rmse.
    settings : dict
        Everything that was chosen: seed, data model, ridge, tolerances, the rule of choice.
    seconds : float
        Wall-clock time of the run.
    versions : dict
        Versions of rankfall and of what it stands on.
    fold : dict
        What predictions are made from: "scores" (m, rank) and "loadings" (n, rank), whose product is the
        low-rank part (as precise in small columns as in large ones, which one SVD is not); for
        :meth:`transform`, "ridge" and "weights" (n,) of the row regressions (the weights multiply the
        cells, not their squares), "damping" of the row effect and "row_effects", 1 if there are any;
        "units" (n,), what the errors of each column are counted in.
    certificate : None
        Why the rank is believed to stay; not computed by this version.
    """

    problem: Problem
    rank: int
    outcome: Outcome
    warnings: tuple[str, ...]
    factors: tuple[np.ndarray, np.ndarray, np.ndarray]
    effects: dict[str, np.ndarray] | None
    path: pd.DataFrame
    history: dict[str, np.ndarray]
    settings: dict[str, object]
    seconds: float
    versions: dict[str, str]
    fold: dict[str, np.ndarray]
    fill: Literal["effects"] | None = None
    row_names: tuple[str, ...] | None = None
    col_names: tuple[str, ...] | None = None
    certificate: None = None

    # -- facts -----------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        return self.problem.shape

    @cached_property
    def identifiability(self) -> Identifiability:
        """What the observed cells determine at this rank; local uniqueness is computed when asked."""
        from ..geometry import identifiability

        U, s, Vt = self.factors
        root = np.sqrt(s)
        return identifiability(self.problem, self.rank, U * root, Vt.T * root)

    @property
    def mixed_units(self) -> bool:
        """Whether the columns have different units; errors are then in columns' standard deviations."""
        return bool(np.any(self.fold["units"] != 1))

    @property
    def train_rmse(self) -> float:
        """Root mean square misfit at the observed cells, in the units of the data (but see `mixed_units`)."""
        misfit = self._model(self.problem.rows, self.problem.cols) - self.problem.values
        misfit = misfit / self.fold["units"][self.problem.cols]
        largest = float(np.max(np.abs(misfit))) or 1.0  # squares may leave the range of floats
        return float(np.sqrt(np.mean((misfit / largest) ** 2)) * largest)

    @property
    def validation_rmse(self) -> float:
        """Held-out error of the chosen rank; NaN when no cell was held out."""
        chosen = self.path[self.path["chosen"]]
        return float(chosen["validation"].iloc[0]) if len(chosen) else float("nan")

    # -- values ----------------------------------------------------------------------------------

    def _model(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """The fitted model at some cells, whether they are determined or not."""
        left, right = self.fold["scores"], self.fold["loadings"]
        out = np.empty(rows.size)
        for a in range(0, rows.size, _CHUNK):
            part = slice(a, a + _CHUNK)
            out[part] = np.einsum("ij,ij->i", left[rows[part]], right[cols[part]])
        if self.effects is not None:
            out += self.effects["mean"] + self.effects["rows"][rows] + self.effects["cols"][cols]
        return out

    def _effects(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """What stands in for a cell that the data do not determine: line effects, or lines' means."""
        effects = self.effects if self.effects is not None else self._plain_effects
        return effects["mean"] + effects["rows"][rows] + effects["cols"][cols]

    @cached_property
    def _plain_effects(self) -> dict[str, np.ndarray]:
        from .models import fit_effects

        mean, rows, cols = fit_effects(self.problem, _PLAIN_DAMPING, with_rows=True)
        return {"mean": np.asarray(mean), "rows": rows, "cols": cols}

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
        try:
            rows, cols = np.broadcast_arrays(np.asarray(rows), np.asarray(cols))
        except ValueError as error:
            raise InputError(f"rows and cols do not go together ({error}).") from error
        if rows.dtype.kind not in "iu" or cols.dtype.kind not in "iu":
            raise InputError("Positions must be whole numbers.")
        m, n = self.shape
        if rows.size and not (rows.min() >= 0 and rows.max() < m and cols.min() >= 0 and cols.max() < n):
            raise InputError(f"A position lies outside the {m} x {n} matrix (positions count from zero).")
        shape, rows, cols = rows.shape, rows.ravel(), cols.ravel()
        out = self._model(rows, cols)
        row_labels, col_labels = self.problem.components
        lost = (row_labels[rows] != col_labels[cols]) | (row_labels[rows] < 0)
        if np.any(lost):
            out[lost] = self._effects(rows[lost], cols[lost]) if self.fill == "effects" else np.nan
        return out.reshape(shape)

    def to_dense(self, observed: Literal["given", "fitted"] = "given") -> np.ndarray:
        """The completed matrix, shape (m, n).

        Parameters
        ----------
        observed : {"given", "fitted"}
            Observed cells as they were given, or the model everywhere.
        """
        if observed not in ("given", "fitted"):
            raise InputError(f'observed must be "given" or "fitted", not {observed!r}.')
        out = self.fold["scores"] @ self.fold["loadings"].T
        if self.effects is not None:
            out += self.effects["mean"] + self.effects["rows"][:, None] + self.effects["cols"]
        lost = ~self.problem.determined()
        if np.any(lost):
            rows, cols = np.nonzero(lost)
            out[lost] = self._effects(rows, cols) if self.fill == "effects" else np.nan
        if observed == "given":
            out[self.problem.rows, self.problem.cols] = self.problem.values
        return out

    def transform(self, new_rows: object) -> np.ndarray:
        """Complete rows that were not there before, each by itself.

        The row effect is the damped mean of what is left by the column effects; the row's factors are
        the ridge regression of the rest on the column factors, with the ridge of the fit. A row without
        entries gets mean and column effects only (NaN where there are none). Cells that the row's entries
        do not determine (columns without entries, or in components that the row does not meet) are NaN, or
        line effects if the completion was made with ``fill="effects"``.

        Parameters
        ----------
        new_rows : array, data frame, or scipy.sparse of shape (k, n)
            NaN (or not stored) = missing. The columns of a data frame must be those of the completed one.

        Returns
        -------
        ndarray, shape (k, n)
            Observed cells as they were given.
        """
        n = self.shape[1]
        if self.col_names is not None and hasattr(new_rows, "columns"):
            names = tuple(map(str, new_rows.columns))  # type: ignore[attr-defined]
            if names != self.col_names:
                raise InputError(
                    "The columns of the new rows must have the completed table's names and order."
                )
        out, given = _rows_like(new_rows, n)
        for k in range(out.shape[0]):
            known = given[k]
            fitted = self._fold_row(out[k, known], known)
            out[k, ~known] = fitted[~known]
        return out

    def _fold_row(self, values: np.ndarray, known: np.ndarray) -> np.ndarray:
        labels = self.problem.components[1]
        lost = (labels < 0) | ~np.isin(labels, labels[known])
        if self.effects is None:
            base = np.zeros(known.size)
        else:
            base = self._row_base(self.effects, values, known)
            if not values.size:
                lost = labels < 0
        out = base
        if self.rank and values.size:
            loadings, weights = self.fold["loadings"], self.fold["weights"][known]
            target = (values - base[known]) * weights
            out = base + loadings @ _ridge(
                loadings[known] * weights[:, None], target, float(self.fold["ridge"])
            )
        if self.fill == "effects":
            stand_in = (
                base if self.effects is not None else self._row_base(self._plain_effects, values, known)
            )
            return np.where(lost, stand_in, out)
        return np.where(lost, np.nan, out)

    def _row_base(self, effects: dict[str, np.ndarray], values: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Mean, column effects and, where the model has them, the effect of a new row."""
        base = effects["mean"] + effects["cols"]
        own = effects is self.effects
        if not values.size or (own and not self.fold["row_effects"]):
            return base
        damping = float(self.fold["damping"]) if own else _PLAIN_DAMPING
        return base + np.sum(values - base[known]) / (values.size + damping)

    # -- words and files ---------------------------------------------------------------------------

    def summary(self) -> str:
        """A few lines for a person."""
        m, n = self.shape
        lines = [
            f"{m} x {n} matrix, {self.problem.n_observed} cells observed ({self.problem.n_observed / (m * n):.1%}).",
            f"Rank {self.rank} ({self.outcome.value}): {self.outcome.advice}",
            f"RMSE at the observed cells {self.train_rmse:.4g}"
            + ("" if np.isnan(self.validation_rmse) else f", at held-out cells {self.validation_rmse:.4g}")
            + (" (in columns' standard deviations)" if self.mixed_units else "")
            + f"; {self.seconds:.1f} s.",
        ]
        lines += [f"Warning: {text}" for text in self.warnings]
        return "\n".join(lines)

    def __repr__(self) -> str:
        m, n = self.shape
        return f"Completion({m} x {n}, rank {self.rank}, {self.outcome.value})"

    def save(self, path: object) -> None:
        """Write everything to one .npz file; :func:`rankfall.load` reads it back."""
        from .storage import save

        save(self, path)


def _rows_like(new_rows: object, n: int) -> tuple[np.ndarray, np.ndarray]:
    """New rows as a dense array and the mask of their given cells."""
    if hasattr(new_rows, "tocoo"):
        coo = new_rows.tocoo()  # type: ignore[attr-defined]
        out = np.full(coo.shape, np.nan)
        out[coo.row, coo.col] = coo.data
    else:
        try:
            if np.ma.isMaskedArray(new_rows):
                new_rows = np.ma.filled(np.ma.asarray(new_rows).astype(float), np.nan)
            elif hasattr(new_rows, "iloc"):  # pandas has missing values of its own kinds
                new_rows = new_rows.to_numpy(dtype=np.float64, na_value=np.nan)  # type: ignore[attr-defined]
            if np.iscomplexobj(new_rows):  # type: ignore[arg-type]
                raise TypeError("complex cells")
            out = np.array(new_rows, dtype=np.float64, ndmin=2)
        except (TypeError, ValueError) as error:
            raise InputError(f"The new rows hold something that is not a number ({error}).") from error
    if out.ndim != 2 or out.shape[-1] != n:
        raise InputError(f"New rows must have {n} columns, not shape {out.shape}.")
    if np.any(np.isinf(out)):
        raise InputError("The new rows hold an infinite cell.")
    return out, ~np.isnan(out)


def _ridge(loadings: np.ndarray, target: np.ndarray, ridge: float) -> np.ndarray:
    """Ridge regression by the singular value decomposition; the least-norm solution at ridge 0."""
    u, s, vt = np.linalg.svd(loadings, full_matrices=False)
    if ridge > 0:
        shrink = s / (s**2 + ridge)
    else:
        kept = s > 1e-10 * s.max(initial=0.0)
        shrink = np.where(kept, 1 / np.where(kept, s, 1.0), 0.0)
    return vt.T @ (shrink * (u.T @ target))
