"""What stands for a missing value in the data of others: -999, "n.d.", "<0.05"."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from numbers import Real
from typing import cast

import numpy as np

from ..errors import InputError

MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none"})
"""What a missing cell may say, in small letters, without being told."""


@dataclass(frozen=True)
class MissingMarks:
    """What a missing cell may hold.

    Attributes
    ----------
    words : frozenset of str
        In small letters.
    patterns : tuple of str
        Words in which ``*`` stands for any characters, in small letters.
    numbers : tuple of float
        However they are written: -999 and -999.0 are the same.
    given : tuple of str
        The marks that the user named, as they were typed.
    """

    words: frozenset[str] = MISSING
    patterns: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()
    given: tuple[str, ...] = ()

    @classmethod
    def of(cls, marks: Sequence[str], usual: frozenset[str] = MISSING) -> MissingMarks:
        """The usual words, and those that the user names; a ``*`` by itself is that character."""
        words = set(usual)
        patterns: list[str] = []
        numbers: list[float] = []
        for mark in (mark.strip().lower() for mark in marks):
            value = _number(mark)
            if value is not None:
                numbers.append(value)
            elif "*" in mark and mark.strip("*"):
                # [ and ? are meant as they stand
                patterns.append(mark.replace("[", "[[]").replace("?", "[?]"))
            else:
                words.add(mark)
        return cls(frozenset(words), tuple(patterns), tuple(numbers), tuple(marks))

    def say(self, text: str) -> bool:
        """Whether a cell with this text, blanks and quotation marks removed, is missing."""
        small = text.lower()
        return small in self.words or any(fnmatchcase(small, pattern) for pattern in self.patterns)

    def each(self) -> Iterator[tuple[str, MissingMarks]]:
        """Every mark that the user named by itself, as it was typed."""
        for mark in self.given:
            yield mark, MissingMarks.of([mark], frozenset())

    def unused(self, values: np.ndarray) -> list[str]:
        """A note on every mark that none of the values, missing ones included, is."""
        return [unused_note(mark) for mark, alone in self.each() if not alone.among(values).any()]

    def among(self, values: np.ndarray) -> np.ndarray:
        """Which values are one of the numbers; a mask."""
        return equals_any(values, self.numbers)


USUAL = MissingMarks()


def equals_any(values: np.ndarray, numbers: Sequence[float]) -> np.ndarray:
    """Which values are one of some numbers, or are it in single precision; a mask."""
    if not len(numbers):
        return np.zeros(np.shape(values), bool)
    wanted = np.asarray(numbers, dtype=np.float64)
    with np.errstate(over="ignore"):
        # -999.9 in a file of 32-bit floats is read as -999.9000244
        single = wanted.astype(np.float32).astype(np.float64)
    return np.isin(values, np.concatenate([wanted, single]))


def as_missing_values(missing_values: object) -> tuple[float, ...]:
    """Numbers that stand for a missing value, NaN and its other names left out: there is no need to name it.

    Raises
    ------
    InputError
        If it is neither a finite number, NaN, None or pd.NA, nor several of these.
    """
    given: Iterable[object] = [missing_values]
    if isinstance(missing_values, Iterable) and not isinstance(missing_values, (str, bytes)):
        given = cast("Iterable[object]", missing_values)
    found: list[float] = []
    for value in given:
        if is_nan(value):
            continue
        if isinstance(value, bool) or not isinstance(value, Real) or not np.isfinite(float(value)):
            raise InputError(
                "missing_values must be a finite number, nan, None or pd.NA, or several of these, not "
                f"{missing_values!r}."
            )
        found.append(float(value))
    return tuple(found)


def is_nan(value: object) -> bool:
    """Whether this is NaN or one of its other names, None and pd.NA."""
    # pd.NA by its type's name: comparing it with itself gives pd.NA, and pandas need not be imported
    return value is None or type(value).__name__ == "NAType" or (isinstance(value, Real) and value != value)


def unused_note(mark: str) -> str:
    """What is said about a mark that no cell holds."""
    return f"No cell holds {mark}, which --missing names."


def _number(mark: str) -> float | None:
    """The finite number that a mark is; a comma may be its decimal mark."""
    try:
        value = float(mark.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in mark else None
