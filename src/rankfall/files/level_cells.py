"""Columns of text with few different values in a text table: categories, as numbers of their levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import InputError
from .limit_cells import as_limit
from .notation import Notation, unquote

# text with so many different values, or fewer cells for each on average, is no category unless that is said
FEW_LEVELS, CELLS_EACH = 20, 5


def take_levels(
    body: Sequence[list[str]], notation: Notation, names: Sequence[str], kinds: Mapping[str, str]
) -> tuple[list[list[str]], dict[int, tuple[str, ...]]]:
    """The raw cells with numbers of levels in place of text, and the levels of such columns, in order.

    Parameters
    ----------
    body : list of list of str
        Raw cells of the data columns.
    names : sequence of str
        Of the columns, or their positions.
    kinds : mapping
        What the user said about columns.

    Raises
    ------
    InputError
        If text is called grades: nobody knows their order.
    """
    found: dict[int, tuple[str, ...]] = {}
    for j, name in enumerate(names):
        cells = [unquote(row[j]) for row in body if not notation.is_missing(row[j])]
        if all(notation.is_number(cell) or as_limit(cell, notation) is not None for cell in cells):
            continue
        asked = kinds.get(name)
        levels = tuple(sorted(set(cells)))
        few = len(levels) <= min(FEW_LEVELS, len(cells) / CELLS_EACH)
        # signs and units beside numbers are read elsewhere
        wordy = not any(any(mark.isdigit() for mark in level) for level in levels)
        if asked == "ordinal":
            raise InputError(
                f"--kinds {name}=ordinal: the column holds text, whose order nobody knows; write grades as "
                "numbers, or say category."
            )
        if asked in ("category", "boolean") or (asked is None and few and wordy):
            found[j] = levels
    if not found:
        return list(body), found
    cells_out = [list(row) for row in body]
    for j, levels in found.items():
        place = {level: str(k) for k, level in enumerate(levels)}
        for row in cells_out:
            if not notation.is_missing(row[j]):
                row[j] = place[unquote(row[j])]
    return cells_out, found
