"""The error for a text table with cells that are no numbers: all of its troubles at once, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from os import PathLike

from ..errors import InputError
from .tables_text import is_missing, number, unquote

# as many columns as can be read in one message
_SHOWN = 5


def bad_cell(
    body: list[list[str]],
    line: int,
    at: str,
    names: tuple[str, ...] | None,
    decimal: str,
    path: str | PathLike[str],
    remedy: str = "",
) -> InputError:
    """The error that names a cell which is not a finite number, the other columns with such cells, and the
    remedy.

    Parameters
    ----------
    body : list of list of str
        Raw cells of the data columns.
    line : int
        The first of the lines with such a cell.
    at : str
        What it is called.
    names : tuple of str, or None
        Of the columns.
    decimal : str
        The decimal mark.
    path : path
        Of the file.
    remedy : str
        What to do, if that is known; otherwise it is guessed from the cells.
    """
    j, problem = next(_problems(body[line], decimal), (None, ""))
    if j is None:
        return InputError(f"{path}: {at} holds a cell that is not a number.")
    first = unquote(body[line][j])
    text = f"{path}: the cell in {at}, column {_name(j, names)} {problem}"
    if remedy or problem.startswith("is infinite"):
        return InputError(f"{text}{'; ' * bool(remedy)}{remedy}.")
    others: dict[int, str] = {}
    for cells in body[line:]:
        for k, _ in _problems(cells, decimal):
            if k != j:
                others.setdefault(k, unquote(cells[k]))
    if others:
        listed = [f"{_name(k, names)} ({_short(others[k])!r})" for k in sorted(others)]
        more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
        text += f"; the same is wrong in column {', '.join(listed[:_SHOWN])}{more}"
    wordy = [k for k in sorted({j, *others}) if names is not None and _is_text(body, k)]
    if wordy:
        aside = " ".join(f"--aside {_option(names[k])}" for k in wordy)  # type: ignore[index]
        text += f"; {aside} keeps what is no measurement as it is"
    if len(wordy) < 1 + len(others):
        remedy = _remedy([first, *others.values()])
        text += f"; {remedy}" if remedy else ""
    return InputError(f"{text}.")


def _problems(cells: list[str], decimal: str) -> Iterator[tuple[int, str]]:
    """Which cells of a line are no finite numbers, and why."""
    for j, cell in enumerate(cells):
        try:
            value = number(cell, decimal)
        except ValueError:
            yield j, f"is not a number: {_short(unquote(cell))!r}"
        else:
            if math.isinf(value):
                yield j, f"is infinite: {_short(unquote(cell))!r}"


def _is_text(body: list[list[str]], k: int) -> bool:
    """Whether no cell of a column begins like a measurement: words, or dates such as 2024-01-31."""
    present = [unquote(cells[k]) for cells in body if not is_missing(cells[k])]
    return bool(present) and all(not _begins_as_number(cell) for cell in present)


def _begins_as_number(text: str) -> bool:
    head = text.lstrip("+-.<>~ ")[:1]
    parts = text.replace("/", "-").replace(":", "-").replace(".", "-").split("-")
    dated = len(parts) > 2 and all(part[:1].isdigit() for part in parts)
    return head.isdigit() and not dated


def _remedy(texts: list[str]) -> str:
    """What to do about measurements that are written in another way."""
    if any(any(mark.isdigit() for mark in text) for text in texts):
        return "write numbers without units, percent signs and separators of thousands"
    if all(not any(mark.isalpha() for mark in text) for text in texts):
        return "if it stands for a missing value, leave the cell empty"
    return ""


def _name(j: int, names: tuple[str, ...] | None) -> str:
    return repr(names[j]) if names is not None else str(j + 1)


def _option(name: str) -> str:
    return name if name.isidentifier() else f'"{name}"'


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
