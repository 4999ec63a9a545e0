"""What ``--bounds`` asks for: a range for all columns, for single ones, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any, Literal

from ..bounds import BoundsLike, columns_in_words
from ..errors import InputError
from ..files import Table

_Range = Literal["observed"] | tuple[float | None, float | None]


@dataclass(frozen=True)
class AskedBounds:
    """The ranges that were asked for; which columns there are is not known yet.

    Attributes
    ----------
    everywhere : "observed", pair or None
        That of all columns without one of their own.
    of_columns : dict
        Those of single columns, by label.
    """

    everywhere: _Range | None = None
    of_columns: dict[str, _Range] = field(default_factory=dict)

    @classmethod
    def read(cls, texts: Sequence[str]) -> AskedBounds:
        """From the words on the command line.

        Raises
        ------
        InputError
            If one of them is no range, or a column (or all of them) is given two.
        """
        everywhere: _Range | None = None
        of_columns: dict[str, _Range] = {}
        for text in texts:
            column, named, side = text.rpartition("=")  # names may hold an equals sign, ranges do not
            found = _range(side, text)
            if not named:
                if everywhere is not None:
                    raise InputError(
                        f"--bounds {text} is a second range for all columns; --bounds COLUMN={text} is that "
                        "of one column."
                    )
                everywhere = found
            elif column in of_columns:
                raise InputError(f"--bounds gives column {column} two ranges.")
            else:
                of_columns[column] = found
        return cls(everywhere, of_columns)

    def of(self, table: Table) -> BoundsLike | None:
        """As :func:`rankfall.complete` takes them.

        Raises
        ------
        InputError
            If the table has no column of a name.
        """
        if not self.of_columns:
            return self.everywhere
        n_cols = table.shape[1]
        keys: Sequence[str | int] = range(n_cols) if table.col_names is None else table.col_names
        labels = {table.col_label(col): keys[col] for col in range(n_cols)}
        for column in self.of_columns:
            if column not in labels:
                raise InputError(
                    f"--bounds names column {column!r}, but the table has "
                    f"{columns_in_words(range(n_cols), [*labels])}."
                )
        everywhere = self.everywhere
        found: dict[Any, _Range] = {} if everywhere is None else dict.fromkeys(keys, everywhere)
        for column, its in self.of_columns.items():
            found[labels[column]] = its
        return found


def _range(side: str, text: str) -> _Range:
    """One range: the word observed, or LOW,HIGH."""
    if side.strip() == "observed":
        return "observed"
    try:
        low, high = (float(each) if each.strip() else None for each in side.split(","))
    except ValueError:
        low = high = None
    if all(each is None or isnan(each) for each in (low, high)):
        raise InputError(
            "--bounds takes the word observed, or LOW,HIGH of which one may be empty (0, or ,5), for one "
            f"column COLUMN=LOW,HIGH, not {text!r}."
        )
    if low is not None and high is not None and not low < high:
        raise InputError(f"--bounds needs a LOW below HIGH, not {text!r}.")
    return low, high
