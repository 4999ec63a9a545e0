"""What kind each column of a table is, and its cells as numbers and levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...argument_checks import either, shown
from ...errors import InputError
from ...files.level_cells import CELLS_EACH, FEW_LEVELS
from ...files.missing_marks import equals_any
from ...frames import FrameLayout, is_frame
from ...problem import Problem

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("number", "boolean", "ordinal", "category", "count")
# levels that a column may have
_MOST_LEVELS = 100


@dataclass(frozen=True)
class ColumnKind:
    """The kind of a column.

    Attributes
    ----------
    kind : {"number", "boolean", "ordinal", "category", "count"}
    levels : tuple
        What its cells hold, in order (of "ordinal" from low to high): text, numbers or booleans; empty of
        numbers and counts.
    dtype : str
        What the library of the frame calls its type.
    categories : tuple
        Levels that the type knows, those that no cell holds among them; empty of other types.
    """

    kind: str
    levels: tuple[Any, ...] = ()
    dtype: str = "float64"
    categories: tuple[Any, ...] = ()

    @property
    def has_levels(self) -> bool:
        """Whether its cells hold levels."""
        return self.kind in ("boolean", "ordinal", "category")


@dataclass(frozen=True, eq=False)
class KindsTable:
    """A table with columns of several kinds.

    Attributes
    ----------
    problem : Problem
        Numbers, and of columns with levels the place of each among them, counted from 0.
    kinds : tuple of ColumnKind
        One for each column.
    """

    problem: Problem
    kinds: tuple[ColumnKind, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column labels as text, or positions."""
        layout = self.problem.layout
        names = None if layout is None else layout.col_names
        return tuple(map(str, range(self.problem.n_cols))) if names is None else names

    def numbers(self) -> Problem:
        """The cells of the columns of numbers alone."""
        return self.problem.subset(np.isin(self.problem.cols, self.where("number")))

    def without(self, missing: Sequence[float]) -> KindsTable:
        """Without the numbers and counts that stand for missing values."""
        marked = equals_any(self.problem.values, missing)
        marked &= np.isin(self.problem.cols, self.where("number", "count"))
        return replace(self, problem=self.problem.subset(~marked)) if marked.any() else self

    def where(self, *kinds: str) -> np.ndarray:
        """Positions of the columns of some kinds."""
        return np.array([j for j, one in enumerate(self.kinds) if one.kind in kinds], dtype=np.int64)


def read_kinds(X: object, kinds: object) -> KindsTable | None:
    """The kinds of a table's columns; None if all are numbers.

    Parameters
    ----------
    X : frame, array, or Problem
    kinds : "auto" or mapping
        Kinds by label, or by position where there are no labels; columns that are not named, and all with
        "auto", are read by their type: booleans, ordered and unordered categories, and text with few
        different values. Numbers stay numbers.

    Raises
    ------
    InputError
        If a kind or a column is not known, or the cells do not fit it.
    """
    asked = _asked(kinds)
    frame = _as_pandas(X, bool(asked))
    if frame is None:
        return None
    frame, origin = frame
    names = [str(name) for name in frame.columns]
    by_place = _by_place(asked, names, origin.cols is not None, frame.shape[1])
    found: list[ColumnKind] = []
    columns: dict[int, Any] = {}
    for j in range(frame.shape[1]):
        column = frame.iloc[:, j]
        kind = by_place.get(j) or _guessed(column)
        dtype = str(column.dtype) if origin.dtypes is None else origin.dtypes[j]
        if kind == "number":
            found.append(ColumnKind("number", dtype=dtype))
            columns[j] = column
            continue
        one, codes = _with_levels(column, kind, names[j]) if kind != "count" else _counts(column, names[j])
        found.append(replace(one, dtype=dtype))
        columns[j] = codes
    if all(one.kind == "number" for one in found):
        return None
    import pandas as pd

    plain = pd.DataFrame(columns, index=frame.index)
    plain.columns = frame.columns
    problem = Problem.from_frame(plain)
    dtypes = tuple(one.dtype if one.kind in ("number", "count") else "float64" for one in found)
    return KindsTable(replace(problem, layout=replace(origin, dtypes=dtypes)), tuple(found))


def _asked(kinds: object) -> Mapping[Any, str]:
    if isinstance(kinds, str) and kinds == "auto":
        return {}
    if not isinstance(kinds, Mapping):
        raise InputError(f'kinds must be "auto" or a mapping of columns to kinds, not {shown(kinds)}.')
    for key, kind in kinds.items():
        if kind not in KINDS:
            raise InputError(f"The kind of column {key} must be {either(KINDS)}, not {shown(kind)}.")
    return kinds


def _by_place(asked: Mapping[Any, str], names: Sequence[str], labelled: bool, n_cols: int) -> dict[int, str]:
    """Kinds by position."""
    out: dict[int, str] = {}
    for key, kind in asked.items():
        if labelled:
            places = [j for j, name in enumerate(names) if name == str(key)]
        else:
            whole = isinstance(key, (int, np.integer)) and not isinstance(key, bool)
            places = [int(key)] if whole and 0 <= int(key) < n_cols else []
        if not places:
            raise InputError(f"kinds names column {shown(key)}, which the table does not have.")
        out |= dict.fromkeys(places, kind)
    return out


def _as_pandas(X: object, wanted: bool) -> tuple[pd.DataFrame, FrameLayout] | None:
    """A frame of pandas with the same cells, and the layout of the frame that came in; None where columns
    can only be numbers and nothing else was asked for.
    """
    import pandas as pd

    if isinstance(X, Problem):
        if not wanted:
            return None
        layout = X.layout or FrameLayout("pandas", None, None)
        frame = pd.DataFrame(X.to_dense())
        if layout.cols is not None:
            frame.columns = layout.cols
        return frame, layout
    if hasattr(X, "tocoo"):
        return None if not wanted else _as_pandas(Problem.coerce(X), True)
    if not is_frame(X):
        array = X if isinstance(X, np.ndarray) else np.asarray(X, dtype=object)
        is_text = array.ndim == 2 and array.dtype.kind in "OU"
        if not wanted and not (is_text and any(isinstance(x, str) for x in array.ravel()[:10_000])):
            return None
        if array.ndim != 2:
            return None  # refused elsewhere
        if np.ma.isMaskedArray(X):
            array = np.ma.filled(np.ma.asarray(X).astype(float), np.nan)
        return pd.DataFrame(array).infer_objects(), FrameLayout("pandas", None, None)
    if isinstance(X, pd.DataFrame):
        return X, FrameLayout("pandas", X.index, X.columns)
    import narwhals as nw

    try:
        eager = nw.from_native(X, eager_only=True)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return None
    if not wanted and all(dtype.is_numeric() for dtype in eager.schema.values()):
        return None  # large tables are not copied
    frame = eager.to_pandas()
    kind = "polars" if eager.implementation.is_polars() else "pyarrow"
    natives = [column.to_native() for column in eager.iter_columns()]
    dtypes = tuple(str(one.type if hasattr(one, "type") else one.dtype) for one in natives)
    if eager.implementation.is_pandas_like():
        return frame, FrameLayout("pandas", frame.index, frame.columns)
    return frame, FrameLayout(kind, None, frame.columns, dtypes)


def _guessed(column: pd.Series) -> str:
    """The kind that a column's type says."""
    import pandas as pd

    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "ordinal" if dtype.ordered else "category"
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean"
    if not (pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)):
        return "number"
    present = column.dropna()
    if not len(present) or not all(isinstance(value, (str, bool, np.bool_)) for value in present):
        return "number"
    if all(isinstance(value, (bool, np.bool_)) for value in present):
        return "boolean"
    if not any(isinstance(value, str) for value in present) or _are_numbers(present):
        return "number"
    different = present.nunique()
    return "category" if different <= min(FEW_LEVELS, len(present) / CELLS_EACH) else "number"


def _are_numbers(present: pd.Series) -> bool:
    try:
        present.to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _with_levels(column: pd.Series, kind: str, name: str) -> tuple[ColumnKind, np.ndarray]:
    """The levels of a column, and the place of every cell's among them, NaN where it is missing."""
    import pandas as pd

    missing = column.isna().to_numpy()
    present = column[~missing]
    known: tuple[Any, ...] = ()
    if isinstance(column.dtype, pd.CategoricalDtype):
        known = tuple(column.dtype.categories.tolist())
        seen = set(present.tolist())
        levels = [level for level in known if level in seen]
    else:
        different = list(dict.fromkeys(present.tolist()))
        if kind == "ordinal" and any(isinstance(level, str) for level in different):
            raise InputError(
                f"Column {name} holds text, whose order nobody knows: make it an ordered category, or "
                'call it "category".'
            )
        try:
            levels = sorted(different)
        except TypeError:
            levels = sorted(different, key=str)
    if kind == "boolean" and len(levels) > 2:
        raise InputError(
            f'Column {name} holds {len(levels)} different values, and a "boolean" column two; call it '
            '"ordinal" or "category".'
        )
    if len(levels) > _MOST_LEVELS:
        raise InputError(
            f"Column {name} holds {len(levels)} different values, more than the {_MOST_LEVELS} levels that a "
            "column may have; leave it out, or put rare values together."
        )
    place = {level: k for k, level in enumerate(levels)}
    codes = np.full(len(column), np.nan)
    codes[~missing] = [place[value] for value in present.tolist()]
    return ColumnKind(kind, tuple(levels), str(column.dtype), known), codes


def _counts(column: pd.Series, name: str) -> tuple[ColumnKind, np.ndarray]:
    """The cells of a column of counts."""
    try:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        values = np.full(len(column), -1.0)
    known = values[~np.isnan(values)]
    if np.any((known < 0) | (known != np.rint(known))):
        raise InputError(f'Column {name} is called "count", but holds something else than 0, 1, 2, ...')
    return ColumnKind("count", (), str(column.dtype)), values
