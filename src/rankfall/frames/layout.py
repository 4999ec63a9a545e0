"""How a data frame was laid out, so that another one can be made like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from ..argument_checks import one_of, text
from ..errors import InputError
from ..files.plain_values import anything, listed, nullable, record
from .labels import from_plain, texts, to_plain

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["pandas", "polars", "pyarrow"]
KINDS = ("pandas", "polars", "pyarrow")


@dataclass(frozen=True, eq=False)
class FrameLayout:
    """Kind, labels and types of a frame.

    Attributes
    ----------
    kind : {"pandas", "polars", "pyarrow"}
        What the frame was; triplets with labels are laid out as a frame of pandas.
    rows, cols : pandas.Index, or None
        Labels with their own types; None if there are none. Rows have labels in pandas only.
    dtypes : tuple of str, or None
        The type of each column, as its library writes it; None: floats.
    """

    kind: Kind
    rows: pd.Index | None
    cols: pd.Index | None
    dtypes: tuple[str, ...] | None = None

    @property
    def T(self) -> FrameLayout:
        """Of the transposed table, whose columns have no types."""
        return FrameLayout("pandas", self.cols, self.rows)

    @property
    def row_names(self) -> tuple[str, ...] | None:
        """Row labels as text."""
        return texts(self.rows)

    @property
    def col_names(self) -> tuple[str, ...] | None:
        """Column labels as text."""
        return texts(self.cols)

    def with_columns(self, kept: Sequence[int]) -> FrameLayout:
        """Of some of the columns."""
        dtypes = None if self.dtypes is None else tuple(self.dtypes[k] for k in kept)
        cols = None if self.cols is None else self.cols[list(kept)]
        return FrameLayout(self.kind, self.rows, cols, dtypes)

    def as_plain(self) -> dict[str, Any]:
        """As what JSON holds; :func:`read_layout` reads it, with the labels as text beside it."""
        return {
            "kind": self.kind,
            "rows": None if self.rows is None else to_plain(self.rows),
            "cols": None if self.cols is None else to_plain(self.cols),
            "dtypes": None if self.dtypes is None else list(self.dtypes),
        }


_LAYOUT = record(
    {
        "kind": partial(one_of, allowed=KINDS),
        "rows": nullable(anything),
        "cols": nullable(anything),
        "dtypes": nullable(listed(text)),
    }
)


def read_layout(
    name: str,
    value: Mapping[str, Any],
    row_names: Sequence[str] | None,
    col_names: Sequence[str] | None,
    n_cols: int,
) -> FrameLayout:
    """The layout that :meth:`FrameLayout.as_plain` made plain.

    Raises
    ------
    InputError
        If it is none, or has not these numbers of labels and types.
    """
    found = _LAYOUT(name, value)
    sides = []
    for side, names in (("rows", row_names), ("cols", col_names)):
        plain = found[side]
        if plain is not None and names is None:
            raise InputError(f"{name}.{side} has labels, but there are no names.")
        sides.append(None if plain is None or names is None else from_plain(f"{name}.{side}", plain, names))
    dtypes = found["dtypes"]
    if dtypes is not None and len(dtypes) != n_cols:
        raise InputError(f"{name}.dtypes has {len(dtypes)} entries, not {n_cols}.")
    return FrameLayout(found["kind"], sides[0], sides[1], dtypes)
