"""Cells of a text table that hold a limit of detection: ``<0.5``, ``> 200``, ``<=5``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .columns_in_words import columns_in_words
from .notation import Notation, unquote

_LIMIT = re.compile(r"(?P<side><=|>=|[<>≤≥])\s*(?P<number>\S+)")


@dataclass(frozen=True, eq=False)
class Limits:
    """Missing cells of a table that are known to lie within a range.

    Attributes
    ----------
    rows, cols : ndarray of int64, shape (k,)
        Positions, sorted by row, then column.
    lower, upper : ndarray of float64, shape (k,)
        In the units of the data; infinite where there is no limit.
    """

    rows: np.ndarray
    cols: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def __len__(self) -> int:
        return int(self.rows.size)

    def by_cell(self) -> dict[tuple[int, int], tuple[float, float]]:
        """(lower, upper) of every cell."""
        parts = (part.tolist() for part in (self.rows, self.cols, self.lower, self.upper))
        return {(i, j): (low, high) for i, j, low, high in zip(*parts, strict=True)}


def as_limit(cell: str, notation: Notation) -> tuple[float, float] | None:
    """(lower, upper) of a raw cell that holds a limit; None of any other."""
    found = _LIMIT.fullmatch(unquote(cell))
    if found is None or not notation.is_number(found["number"]):
        return None
    number = notation.number(found["number"])
    if math.isinf(number):
        return None
    return (-math.inf, number) if found["side"][0] in "<≤" else (number, math.inf)


def take_limits(body: Sequence[list[str]], notation: Notation) -> tuple[list[list[str]], Limits | None]:
    """The raw cells with empty ones in place of limits, and the limits.

    Only of columns in which some cell is a number and every other is a number, missing, or a limit: what
    stands among words is no limit.
    """
    found: list[tuple[int, int, float, float]] = []
    for j in range(len(body[0])):
        in_column: list[tuple[int, int, float, float]] = []
        has_number = False
        for i, row in enumerate(body):
            if notation.is_number(row[j]):
                has_number = True
            elif not notation.is_missing(row[j]):
                limit = as_limit(row[j], notation)
                if limit is None:
                    break
                in_column.append((i, j, *limit))
        else:
            found += in_column if has_number else []
    if not found:
        return list(body), None
    cells = [list(row) for row in body]
    for i, j, _, _ in found:
        cells[i][j] = ""
    found.sort()
    rows, cols, lower, upper = zip(*found, strict=True)
    return cells, Limits(np.array(rows), np.array(cols), np.array(lower), np.array(upper))


def limits_note(limits: Limits, body: Sequence[list[str]], names: Sequence[str]) -> str:
    """What was understood, with an example."""
    cols: list[int] = sorted(set(limits.cols.tolist()))
    example = unquote(body[int(limits.rows[0])][int(limits.cols[0])])
    count = len(limits)
    return (
        f"{count:,} {'cell holds a limit' if count == 1 else 'cells hold limits'} ({example!r}) in "
        f"{columns_in_words([names[j] for j in cols])}: nothing but the limit is taken to be known there."
    )
