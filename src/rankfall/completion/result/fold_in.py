"""New rows and columns of a :class:`Completion`, each folded in from its own entries."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...scale import check_scale, clip, forward, inverse

if TYPE_CHECKING:
    from .completion import Completion


def fold_in_rows(result: Completion, new_rows: object) -> np.ndarray:
    """See :meth:`Completion.transform`."""
    _check_names(result, new_rows)
    given = lines_like(new_rows, (None, result.shape[1]), "rows")
    values = _on_scale(given, result.scale, "rows")
    col_labels = result.problem.components[1]
    plain = result.plain_effects["mean"] + result.plain_effects["cols"]
    fitted = result.model.fold_rows(values)
    return _assembled(result, given, values, fitted, col_labels, plain, "row")


def fold_in_columns(result: Completion, new_columns: object) -> np.ndarray:
    """See :meth:`Completion.fold_columns`."""
    given = lines_like(new_columns, (result.shape[0], None), "columns")
    values = _on_scale(given, result.scale, "columns")
    plain = result.plain_effects["mean"] + result.plain_effects["rows"]
    fitted = result.model.fold_cols(values, _scales(result, values))
    row_labels = result.problem.components[0]
    return _assembled(result, given.T, values.T, fitted.T, row_labels, plain, "column").T


def _scales(result: Completion, values: np.ndarray) -> np.ndarray:
    """Scales of new columns: the common one, or where columns have their own, that of their entries."""
    scale = result.model.scale
    scale = scale[scale > 0] if np.any(scale > 0) else np.ones(1)
    if np.ptp(scale) == 0:
        return np.full(values.shape[1], scale[0])
    typical = float(np.median(scale))
    rest = np.where(np.isnan(values), 0.0, values - float(np.median(result.model.center)))
    counts = np.count_nonzero(~np.isnan(values), axis=0)
    # drawn towards the typical scale where there are few entries
    return np.sqrt((np.sum(rest**2, axis=0) + 5 * typical**2) / (counts + 5))


def _assembled(
    result: Completion,
    given: np.ndarray,
    values: np.ndarray,
    fitted: np.ndarray,
    labels: np.ndarray,
    plain: np.ndarray,
    name: str,
) -> np.ndarray:
    """Given cells as they are, fitted ones elsewhere; lines run along the first axis."""
    known = ~np.isnan(values)
    empty = ~known.any(axis=1)
    if np.any(empty):
        count = int(np.count_nonzero(empty))
        text = f"{count} new {name}{'s have' if count > 1 else ' has'} no entry: filled with effects only."
        warnings.warn(text, UserWarning, stacklevel=4)
    comparable = not result.mixed_units  # a line's level means nothing where columns have different units
    for line in range(values.shape[0]):
        lost = labels < 0
        if not known[line].any():
            fitted[line] = plain
        else:
            lost = lost | ~np.isin(labels, labels[known[line]])
        fitted[line, lost] = np.nan
        if result.fill == "effects" and np.any(lost):
            level = np.mean(fitted[line, ~lost] - plain[~lost]) if comparable and not lost.all() else 0.0
            fitted[line, lost] = plain[lost] + level
    return np.where(known, given, clip(inverse(fitted, result.scale), result.bounds))


def _check_names(result: Completion, new_rows: object) -> None:
    if result.col_names is not None and hasattr(new_rows, "columns"):
        names = tuple(map(str, new_rows.columns))  # type: ignore[attr-defined]
        if names != result.col_names:
            raise InputError("The columns of the new rows must have the completed table's names and order.")


def _no_dates(frame: object, what: str) -> None:
    """Refuse data frames with dates, which pandas would turn into numbers."""
    kinds = np.ravel(getattr(frame, "dtypes", [])).tolist()
    if any(getattr(kind, "kind", "") in "mM" for kind in kinds):
        raise InputError(f"The new {what} hold dates, not numbers.")


def _on_scale(given: np.ndarray, scale: str, what: str) -> np.ndarray:
    known = given[~np.isnan(given)]
    bad = check_scale(known, scale)
    if bad is not None:
        raise InputError(f"The new {what} hold {known[bad[0]]:g}, which has no logarithm here.")
    return forward(given, scale)


def lines_like(new_lines: object, shape: tuple[int | None, int | None], what: str) -> np.ndarray:
    """New rows or columns as a dense array with NaN; None in `shape` is any number."""
    if hasattr(new_lines, "tocoo"):
        coo = new_lines.tocoo()  # type: ignore[attr-defined]
        if np.unique(coo.row.astype(np.int64) * coo.shape[1] + coo.col).size < coo.nnz:
            raise InputError(f"The new {what} store some entries twice; call sum_duplicates() first.")
        out = np.full(coo.shape, np.nan)
        out[coo.row, coo.col] = coo.data
    else:
        _no_dates(new_lines, what)
        try:
            if np.ma.isMaskedArray(new_lines):
                new_lines = np.ma.filled(np.ma.asarray(new_lines).astype(float), np.nan)
            elif hasattr(new_lines, "iloc"):  # pandas has missing values of its own kinds
                new_lines = new_lines.to_numpy(dtype=np.float64, na_value=np.nan)  # type: ignore[attr-defined]
            if np.iscomplexobj(new_lines):  # type: ignore[arg-type]
                raise TypeError("complex cells")
            out = np.array(new_lines, dtype=np.float64, ndmin=2)
            if out.shape[0] == 1 and shape[0] not in (None, 1):
                out = out.T
        except (TypeError, ValueError) as error:
            raise InputError(f"The new {what} hold something that is not a number ({error}).") from error
    fits = out.ndim == 2 and all(want in (None, have) for want, have in zip(shape, out.shape, strict=True))
    if not fits:
        need = f"{shape[1]} columns" if shape[0] is None else f"{shape[0]} rows"
        raise InputError(f"New {what} must have {need}, not shape {out.shape}.")
    if np.any(np.isinf(out)):
        raise InputError(f"The new {what} hold an infinite cell.")
    return out
