"""Positions of cells that somebody asks for, and how many of them are answered at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from ...argument_checks import one_of
from ...errors import InputError
from ...frames.labels import are_positions, find

if TYPE_CHECKING:
    import pandas as pd

# what is needed beside an answer is in proportion to the cells that are worked on at a time
CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class Axis:
    """Rows or columns that are asked for by position or by label.

    Attributes
    ----------
    what : {"row", "column"}
    size : int
    labels : pandas.Index or None
    """

    what: Literal["row", "column"]
    size: int
    labels: pd.Index | None

    @cached_property
    def _has_numbers(self) -> bool:
        """Whether a whole number may be a label, and not that of its position."""
        index = self.labels
        if index is None or are_positions(index):
            return False
        return index.dtype.kind in "iuf" or (
            index.dtype == object and any(isinstance(label, Real) for label in index)
        )

    def find(self, asked: object, numbers_are_labels: bool | None) -> np.ndarray:
        """Positions: whole numbers as they are, and those of everything else, which is labels.

        Where labels are numbers, too, `numbers_are_labels` says what whole numbers are.

        Raises
        ------
        InputError
            If they are neither, could be both, or are not there.
        """
        numbers = _whole_numbers(asked, self.labels)
        if numbers is None and self.labels is None:
            raise InputError(
                f"The {self.what}s must be whole numbers, counted from zero: this table has no labels for "
                "them."
            )
        if numbers is not None and self._has_numbers and numbers_are_labels is None:
            raise InputError(
                f"The {self.what}s have numbers as labels: say labels=True if these are labels, labels=False "
                "if they are positions."
            )
        if numbers is None or (self._has_numbers and numbers_are_labels):
            return find(cast("pd.Index", self.labels), asked, self.what)
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < self.size):
            raise InputError(
                f"A {self.what} lies outside the matrix, which has {self.size} (positions count from zero)."
            )
        # one type of whole numbers: kernels are compiled once more for every other
        return numbers.astype(np.int64)


def _whole_numbers(asked: object, labels: pd.Index | None) -> np.ndarray | None:
    """Whole numbers as an array; None if these are none, or tuples where labels are tuples."""
    if labels is not None and labels.nlevels > 1:
        inner = asked[:1] if isinstance(asked, list) else [asked]
        if any(isinstance(label, tuple) for label in inner):
            return None
    try:
        array = np.asarray(asked)
    except ValueError:  # tuples of different lengths, say
        return None
    return array if array.dtype.kind in "iu" else None


def positions(
    axes: tuple[Axis, Axis], rows: object, cols: object, labels: bool | None
) -> tuple[np.ndarray, np.ndarray]:
    """Positions broadcast against each other: views, which may be much larger than what they are made of.

    Raises
    ------
    InputError
        As :meth:`Axis.find`, and if they do not go together.
    """
    labels = one_of("labels", labels, (None, True, False))
    found = (axes[0].find(rows, labels), axes[1].find(cols, labels))
    try:
        return np.broadcast_arrays(*found)  # type: ignore[return-value]
    except ValueError as error:
        raise InputError(f"rows and cols do not go together ({error}).") from error


def cells_of(cells: object) -> tuple[object, object]:
    """Rows and columns of a pair.

    Raises
    ------
    InputError
        If it is none.
    """
    if not isinstance(cells, (tuple, list)) or len(cells) != 2:
        raise InputError("cells must be a pair (rows, cols).")
    return cells[0], cells[1]


def chunks(size: int) -> Iterator[slice]:
    """Consecutive parts of a flat array."""
    return (slice(start, start + CHUNK) for start in range(0, size, CHUNK))
