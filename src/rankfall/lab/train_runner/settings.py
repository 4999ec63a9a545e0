"""The settings of the generic runner (:mod:`.run`): which there are, and what each may be."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ...errors import InputError
from .run import optimiser_of, record_of, widths_of


@dataclass(frozen=True)
class _Kind:
    """Values that a setting may have, and how a sentence calls them."""

    name: str
    holds: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    # integers of TOML may be beyond the range of floats
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    )


def _is_whole(value: Any) -> bool:
    return _is_number(value) and int(value) == value


def _at_least(least: int) -> _Kind:
    return _Kind(f"a whole number, {least} or more", lambda value: _is_whole(value) and value >= least)


def _list_of(kind: _Kind, shortest: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) >= shortest and all(map(kind.holds, value))


def _one_of(*choices: str) -> _Kind:
    *most, last = (f'"{choice}"' for choice in choices)
    return _Kind(f"{', '.join(most)} or {last}", lambda value: value in choices)


_ANYTHING = _Kind("anything", lambda _: True)
_COUNT, _SEED, _NUMBER = _at_least(1), _at_least(0), _Kind("a number", _is_number)
_TEXT = _Kind("a text", lambda value: isinstance(value, str))
_YES_NO = _Kind("true or false", lambda value: isinstance(value, bool))
_SHAPE = _Kind(
    "two whole numbers, rows and columns", lambda value: _list_of(_COUNT, 2)(value) and len(value) == 2
)
_DEPTH = _Kind("a whole number from 2 to 1000", lambda value: _is_whole(value) and 2 <= value <= 1000)
_WIDTHS = _Kind("a list of at least three whole numbers, 1 or more", _list_of(_COUNT, 3))
_RATE = _Kind(
    "a number, a list of them or the table of a schedule",
    lambda value: _is_number(value) or isinstance(value, dict) or _list_of(_NUMBER, 0)(value),
)

TABLES: dict[str, dict[str, _Kind]] = {
    "problem": {
        "shape": _SHAPE,
        "rank": _COUNT,
        "observed": _NUMBER,
        "oversampling": _NUMBER,
        "noise": _NUMBER,
        "condition": _NUMBER,
        "min_entries": _at_least(0),
        "mask": _one_of("uniform", "guaranteed"),
        "seed": _SEED,
        "path": _TEXT,
        "triplets": _YES_NO,
        "sha256": _TEXT,
    },
    "network": {
        "widths": _WIDTHS,
        "depth": _DEPTH,
        "width": _COUNT,
        "scale": _NUMBER,
        "common_start": _YES_NO,
        "seed": _SEED,
    },
    "optimiser": {
        "method": _one_of("SGD", "GD"),
        "lr": _RATE,
        "ridge": _RATE,
        "n_steps": _at_least(0),
        "batch_size": _COUNT,
        "sampling": _one_of("replacement", "distinct", "epochs"),
        "momentum": _NUMBER,
        "label_noise": _NUMBER,
    },
    "record": {"every": _COUNT, "rank_tol": _NUMBER, "leading": _at_least(0)},
}
_SINGLE: dict[str, _Kind] = {
    "chains": _COUNT,
    "repeat": _ANYTHING,
    "deflate": _Kind("a number between 0 and 1", lambda value: _is_number(value) and 0 < value < 1),
    "dtype": _one_of("float64", "float32"),
}
FROM_FILE = ("path", "triplets", "sha256")
# longer values are cut in sentences
_SHOWN = 60


def is_setting(name: str) -> bool:
    """Whether a dotted name is a setting of this runner."""
    table, _, rest = name.partition(".")
    return name in _SINGLE or rest.split(".")[0] in TABLES.get(table, ())


def check_settings(settings: dict[str, Any], place: str) -> None:
    """Refuse unknown and missing settings.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    for name, value in settings.items():
        if name not in (*TABLES, *_SINGLE):
            choices = ", ".join((*TABLES, *_SINGLE))
            raise InputError(f"{place}: there is no setting {name!r}; known are {choices}.")
        if name in TABLES:
            if not isinstance(value, dict):
                raise InputError(f"{place}: {name} must be a table, not {value!r}.")
            for item in value:
                if item not in TABLES[name]:
                    choices = ", ".join(TABLES[name])
                    raise InputError(f"{place}: there is no setting {name}.{item}; known are {choices}.")
    problem, network, optimiser = (settings.get(name, {}) for name in ("problem", "network", "optimiser"))
    _check_source(problem, place)
    if ("widths" in network) == ("depth" in network):
        raise InputError(f"{place}: the network needs either widths (of all layers) or depth.")
    if "widths" in network and "width" in network:
        raise InputError(f"{place}: network.width goes with depth; widths names every layer's.")
    _need(optimiser, ("lr", "ridge", "n_steps"), "optimiser", place)
    of_sgd = [name for name in ("batch_size", "sampling", "momentum", "label_noise") if name in optimiser]
    if optimiser.get("method") == "GD" and of_sgd:
        raise InputError(f"{place}: gradient descent uses all entries as they are; it has no {of_sgd[0]}.")


def _check_source(problem: dict[str, Any], place: str) -> None:
    if "path" not in problem:
        _need(problem, ("shape", "rank"), "problem", place)
        if "triplets" in problem:
            raise InputError(f"{place}: problem.triplets has no meaning without problem.path.")
        return
    if not isinstance(problem["path"], str):
        raise InputError(f"{place}: problem.path must be a text, not {problem['path']!r}.")
    if PurePath(problem["path"]).is_absolute():
        raise InputError(
            f"{place}: problem.path must start from the study's folder, since results must not depend on "
            "where that is; it is absolute."
        )
    other = [name for name in problem if name not in FROM_FILE]
    if other:
        raise InputError(f"{place}: problem.{other[0]} has no meaning beside problem.path.")


def _need(table: dict[str, Any], names: tuple[str, ...], place: str, file: str) -> None:
    for name in names:
        if name not in table:
            raise InputError(f"{file}: the setting {place}.{name} is missing.")


def check_values(settings: dict[str, Any]) -> None:
    """Refuse values that no run could use, each by itself.

    Raises
    ------
    InputError
        With the first of them.
    """
    for name, value in settings.items():
        if name in _SINGLE:
            _must_be(_SINGLE[name], name, value)
        for item, inner in value.items() if name in TABLES else ():
            _must_be(TABLES[name][item], f"{name}.{item}", inner)
    optimiser_of(settings["optimiser"])
    record_of(settings.get("record", {}))


def _must_be(kind: _Kind, name: str, value: Any) -> None:
    if not kind.holds(value):
        text = repr(value)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        raise InputError(f"{name} must be {kind.name}, not {shown}.")


def check_together(settings: dict[str, Any]) -> None:
    """Refuse values that do not fit each other: some corners of a grid may be impossible.

    What only the data can tell is left to the run: whether a mask can be drawn, what a file holds.

    Raises
    ------
    InputError
        In the library's own words.
    """
    from ...datasets.synthetic import check_low_rank

    problem = settings["problem"]
    if "path" in problem:
        return
    rows, columns = map(int, problem["shape"])
    arguments = {name: value for name, value in problem.items() if name not in ("seed", *FROM_FILE)}
    arguments.update(shape=(rows, columns), rank=int(problem["rank"]))
    _, _, n_observed, _ = check_low_rank(**arguments)
    optimiser_of(settings["optimiser"]).check(n_observed)
    widths = widths_of(settings["network"], (rows, columns))
    if (widths[-1], widths[0]) != (rows, columns):
        raise InputError(
            f"network.widths makes matrices of {widths[-1]} x {widths[0]}, the problem has {rows} x "
            f"{columns}."
        )
