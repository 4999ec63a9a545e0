"""Studies from TOML files, checked strictly: whatever cannot be meant is refused in one sentence."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import replace
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any

from ...declared_arguments import declared
from ...errors import InputError
from ...files.plain_values import anything
from .. import runners
from ..cell import Cell, lookup
from .study import Study, put

_STUDY = ("name", "runner", "seed", "seed_axes", "time_limit")
_TOP = ("study", "settings", "grid", "cases", "quick")
_QUICK = ("settings", "grid", "cases")
_MISSING = object()


@declared
def read_study(path: str | PathLike[str], quick: bool = False) -> Study:
    """Read a study from a TOML file.

    Parameters
    ----------
    path : path
    quick : bool
        Put in the overrides below ``[quick]``.

    Returns
    -------
    Study

    Raises
    ------
    InputError
        If the file cannot be read, or says something that cannot be meant: an unknown name, an empty grid,
        a setting that does not exist, a value that no run could use. One sentence, with the place.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"Cannot read {path}: it is not text in UTF-8.") from error
    # numbers of thousands of digits are ValueErrors, as what is no TOML is
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).partition(";")[0]
        raise InputError(f"{path} is not a TOML file: {reason}.") from error
    anything(str(path), content)
    check_values(content, str(path))
    versions = {v: make_study(content, str(path), v) for v in sorted({False, quick, "quick" in content})}
    for is_quick, version in versions.items():
        _check_usable(version, f"{path}, [quick]" if is_quick else str(path))
    study = versions[quick]
    data: dict[str, str] = {}
    for cell in study.cells:
        data.update(runners.data_files(cell, path.parent, data))
    return replace(study, data=data, folder=path.parent)


def make_study(content: dict[str, Any], place: str, quick: bool = False, importing: bool = True) -> Study:
    """Make a study of tables as a TOML file holds them.

    Parameters
    ----------
    content : dict
    place : str
        What messages call the source.
    quick : bool
        Put in the overrides below "quick".
    importing : bool
        Make sure that the runner can be imported. Whoever only looks at results does not run the code that a
        folder names, and may not have it.

    Raises
    ------
    InputError
        With the first thing that is wrong, and where.
    """
    _known(content, _TOP, place)
    if "study" not in content:
        raise InputError(f"{place}: the table [study] is missing; it names the study and its runner.")
    head = _table(content, "study", place)
    _known(head, _STUDY, f"{place}, [study]")
    settings = deepcopy(_table(content, "settings", place))
    _no_dots(settings, f"{place}, [settings]")
    grid = _flat(_table(content, "grid", place))
    cases = _cases(content, place)
    faster = _table(content, "quick", place)
    _known(faster, _QUICK, f"{place}, [quick]")
    changes = _table(faster, "settings", f"{place}, [quick]")
    shorter = _flat(_table(faster, "grid", f"{place}, [quick]"))
    fewer = _cases(faster, f"{place}, [quick]")
    # the quick version is checked even when the full one is wanted: a typing error is one today
    for name in shorter:
        if name not in grid:
            raise InputError(f"{place}, [quick.grid]: {name} is not in [grid]{_meant(name, grid)}.")
    for name in _flat(changes):
        if lookup(settings, name, _MISSING) is _MISSING:
            raise InputError(
                f"{place}, [quick.settings]: {name} is not in [settings]{_meant(name, _flat(settings))}."
            )
    _check_axes(grid, cases, settings, f"{place}, [grid]")
    _check_axes({**grid, **shorter}, fewer or cases, settings, f"{place}, [quick.grid]")
    if quick:
        for name, value in _flat(changes).items():
            put(settings, name, value)
        grid.update(shorter)
        cases = fewer or cases
    study = Study(
        name=_name(head, place),
        runner=_runner(head, place, importing),
        settings=settings,
        grid=grid,
        cases=cases,
        root_seed=_seed(head, place),
        seed_axes=_names(head, "seed_axes", place),
        time_limit=_limit(head, place),
        quick=quick,
    )
    _check_cells(study, place)
    return study


# -- the tables of the file ---------------------------------------------------------------------------


def _table(content: dict[str, Any], name: str, place: str) -> dict[str, Any]:
    table = content.get(name, {})
    if not isinstance(table, dict):
        raise InputError(f"{place}: {name} must be a table, not {table!r}.")
    return table


def _cases(content: dict[str, Any], place: str) -> tuple[dict[str, Any], ...]:
    cases = content.get("cases", [])
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise InputError(f"{place}: cases must be a list of tables, each headed [[cases]].")
    if "cases" in content and not all(cases):
        raise InputError(f"{place}, [[cases]]: a case without a setting says nothing.")
    return tuple(_flat(case) for case in cases)


def _flat(table: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Tables within tables as one table of dotted names; TOML reads ``a.b = 1`` as a table in a table."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict) and value:
            flat.update(_flat(value, f"{above}{name}."))
        else:
            flat[above + name] = value
    return flat


# -- checks -------------------------------------------------------------------------------------------


def _known(table: dict[str, Any], names: Sequence[str], place: str) -> None:
    for name in table:
        if name not in names:
            raise InputError(
                f"{place}: unknown name {name!r}{_meant(name, names)}; known are {', '.join(names)}."
            )


def _meant(name: str, names: Iterable[str]) -> str:
    close = get_close_matches(name, list(names), 1)
    return f" (did you mean {close[0]}?)" if close else ""


def _no_dots(table: dict[str, Any], place: str) -> None:
    for name, value in table.items():
        if "." in name:
            raise InputError(
                f"{place}: {name!r} has a dot in it; write the name without quotes, or as a table."
            )
        if isinstance(value, dict):
            _no_dots(value, place)


def check_values(value: Any, place: str, name: str = "") -> None:
    """Refuse tables that hold what JSON cannot say: it makes the keys.

    Raises
    ------
    InputError
        With the place of the first such value.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            check_values(item, place, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for item in value:
            check_values(item, place, name)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{place}: {name} must be finite, not {value}.")
    elif not isinstance(value, (str, int, float)):
        raise InputError(f"{place}: {name} must be a number, a text, true or false, not {value}.")


def _check_axes(
    grid: dict[str, Any], cases: tuple[dict[str, Any], ...], settings: dict[str, Any], place: str
) -> None:
    for name, values in grid.items():
        if not isinstance(values, list):
            raise InputError(f"{place}: {name} must be a list of values, not {values!r}.")
        if not values:
            raise InputError(f"{place}: {name} is an empty list, which leaves no cells.")
        for k, value in enumerate(values):
            if isinstance(value, dict):
                raise InputError(
                    f"{place}: {name} lists tables; write [[cases]] for values that go together."
                )
            if value in values[:k]:
                raise InputError(f"{place}: {name} lists {value!r} twice.")
    for case in cases:
        for name in case:
            if name in grid:
                raise InputError(f"{place}: {name} is in [[cases]] too; it can be in one of them only.")
    for name in {**grid, **{name: None for case in cases for name in case}}:
        *tables, _ = name.split(".")
        above: Any = settings
        for part in tables:
            above = above.get(part, {}) if isinstance(above, dict) else None
        if not isinstance(above, dict) or isinstance(lookup(settings, name), dict):
            raise InputError(f"{place}: {name} does not name a single setting of [settings].")


def _check_cells(study: Study, place: str) -> None:
    known = _flat(study.settings)
    everywhere = (
        [name for name in study.cases[0] if all(name in case for case in study.cases)] if study.cases else []
    )
    for name in study.axes:
        if name in known or name in everywhere or runners.accepts(study.runner, name):
            continue
        part = "[grid]" if name in study.grid else "[[cases]]"
        raise InputError(f"{place}, {part}: there is no setting {name}{_meant(name, known)}.")
    for name in study.seed_axes:
        if lookup(study.settings, name, _MISSING) is _MISSING and name not in study.axes:
            names = [*known, *study.axes]
            raise InputError(
                f"{place}, [study]: seed_axes names {name}, which is no setting{_meant(name, names)}."
            )
    seen: dict[str, int] = {}
    for number, cell in enumerate(study.cells, 1):
        runners.check(cell, f"{place}, [settings]")
        first = seen.setdefault(cell.key, number)
        if first != number:
            raise InputError(
                f"{place}: cells {first} and {number} are the same; their settings do not differ."
            )


def _check_usable(study: Study, place: str) -> None:
    """Values that no run could use; and values that do not fit each other if that is so in all cells.

    Single corners of a grid may be impossible, a rank with too many cells for the matrix: they fail when they
    are run.
    """
    cells = study.cells
    for check, enough in ((runners.check_values, 1), (runners.check_together, len(cells))):
        wrong = [(cell, error) for cell in cells if (error := _refused(check, cell))]
        if len(wrong) >= enough:
            cell, error = wrong[0]
            named = len(wrong) < len(cells)
            axes = ", ".join(f"{name} = {json.dumps(value)}" for name, value in cell.axes.items())
            raise InputError(f"{place}, {f'cell {axes}' if named else '[settings]'}: {error}")


def _refused(check: Callable[[Cell], None], cell: Cell) -> InputError | None:
    try:
        check(cell)
    except InputError as error:
        return error
    return None


def _name(head: dict[str, Any], place: str) -> str:
    name = head.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise InputError(
            f"{place}, [study]: name must be a word of letters, digits and hyphens, not {name!r}."
        )
    return name


def _runner(head: dict[str, Any], place: str, importing: bool) -> str:
    runner = head.get("runner", "train")
    if not isinstance(runner, str):
        raise InputError(f"{place}, [study]: runner must be a text, not {runner!r}.")
    if not importing:
        return runner
    try:
        runners.find(runner)
    except InputError as error:
        raise InputError(f"{place}, [study]: {error}") from error
    return runner


def _seed(head: dict[str, Any], place: str) -> int:
    seed = head.get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"{place}, [study]: seed must be a whole number, 0 or more, not {seed!r}.")
    return seed


def _names(head: dict[str, Any], key: str, place: str) -> tuple[str, ...]:
    names = head.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{place}, [study]: {key} must be a list of dotted names, not {names!r}.")
    return tuple(names)


def _limit(head: dict[str, Any], place: str) -> float | None:
    limit = head.get("time_limit")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, (int, float)) or limit <= 0):
        raise InputError(f"{place}, [study]: time_limit must be a positive number of seconds, not {limit!r}.")
    return None if limit is None else float(limit)
