"""The settings of the generic runner (:mod:`.training`): which there are, and what each may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ..errors import InputError
from .training import optimiser_of, record_of, widths_of


@dataclass(frozen=True)
class _Kind:
    """Values that a setting may have, and how a sentence calls them."""

    name: str
    holds: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and int(value) == value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _at_least(least: int) -> _Kind:
    return _Kind(f"a whole number, {least} or more", lambda value: _is_whole(value) and value >= least)


def _one_of(*choices: str) -> _Kind:
    return _Kind(" or ".join(f'"{choice}"' for choice in choices), lambda value: value in choices)


_ANYTHING = _Kind("anything", lambda _: True)
_COUNT = _at_least(1)
_NUMBER = _Kind("a number", _is_number)
_TEXT = _Kind("a text", lambda value: isinstance(value, str))
_YES_NO = _Kind("true or false", lambda value: isinstance(value, bool))
_SHAPE = _Kind(
    "two whole numbers, rows and columns",
    lambda value: isinstance(value, list) and len(value) == 2 and all(map(_COUNT.holds, value)),
)
_WIDTHS = _Kind(
    "a list of at least three whole numbers, 1 or more",
    lambda value: isinstance(value, list) and len(value) > 2 and all(map(_COUNT.holds, value)),
)
_RATE = _Kind("a number or a table of a schedule", lambda value: _is_number(value) or isinstance(value, dict))

_TABLES: dict[str, dict[str, _Kind]] = {
    "problem": {
        "shape": _SHAPE,
        "rank": _COUNT,
        "observed": _NUMBER,
        "oversampling": _NUMBER,
        "noise": _NUMBER,
        "condition": _NUMBER,
        "min_per_line": _at_least(0),
        "mask": _one_of("uniform", "guaranteed"),
        "seed": _at_least(0),
        "path": _TEXT,
        "triplets": _YES_NO,
        "sha256": _TEXT,
    },
    "network": {
        "widths": _WIDTHS,
        "depth": _at_least(2),
        "width": _COUNT,
        "scale": _NUMBER,
        "common_start": _YES_NO,
        "seed": _at_least(0),
    },
    "optimiser": {
        "method": _one_of("SGD", "GD"),
        "lr": _RATE,
        "ridge": _RATE,
        "n_steps": _at_least(0),
        "batch_size": _COUNT,
        "sampling": _one_of("replacement", "distinct", "epochs"),
    },
    "record": {"every": _COUNT, "rank_tol": _NUMBER, "leading": _COUNT},
}
_SINGLE: dict[str, _Kind] = {
    "chains": _COUNT,
    "repeat": _ANYTHING,
    "deflate": _Kind("a number between 0 and 1", lambda value: _is_number(value) and 0 < value < 1),
    "dtype": _one_of("float64", "float32"),
}
_FROM_FILE = ("path", "triplets", "sha256")


def is_setting(name: str) -> bool:
    """Whether a dotted name is a setting of this runner."""
    table, _, rest = name.partition(".")
    return name in _SINGLE or rest.split(".")[0] in _TABLES.get(table, ())


def check_settings(settings: dict[str, Any], place: str) -> None:
    """Refuse unknown and missing settings, and values that a run would refuse.

    What only the data can tell is left to the run: whether a mask can be drawn, what a file holds.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    for name, value in settings.items():
        if name not in (*_TABLES, *_SINGLE):
            choices = ", ".join((*_TABLES, *_SINGLE))
            raise InputError(f"{place}: there is no setting {name!r}; known are {choices}.")
        if name in _SINGLE:
            _must_be(_SINGLE[name], name, value, place)
            continue
        if not isinstance(value, dict):
            raise InputError(f"{place}: {name} must be a table, not {value!r}.")
        for item, inner in value.items():
            if item not in _TABLES[name]:
                choices = ", ".join(_TABLES[name])
                raise InputError(f"{place}: there is no setting {name}.{item}; known are {choices}.")
            _must_be(_TABLES[name][item], f"{name}.{item}", inner, place)
    problem, network, optimiser = (settings.get(name, {}) for name in ("problem", "network", "optimiser"))
    _check_source(problem, place)
    if ("widths" in network) == ("depth" in network):
        raise InputError(f"{place}: the network needs either widths (of all layers) or depth.")
    if "widths" in network and "width" in network:
        raise InputError(f"{place}: network.width goes with depth; widths names every layer's.")
    _need(optimiser, ("lr", "ridge", "n_steps"), "optimiser", place)
    if optimiser.get("method") == "GD" and {"batch_size", "sampling"} & set(optimiser):
        raise InputError(f"{place}: gradient descent uses all entries; it has no batch_size and no sampling.")
    _check_together(settings, place)


def _must_be(kind: _Kind, name: str, value: Any, place: str) -> None:
    if not kind.holds(value):
        raise InputError(f"{place}: {name} must be {kind.name}, not {value!r}.")


def _check_source(problem: dict[str, Any], place: str) -> None:
    if "path" not in problem:
        _need(problem, ("shape", "rank"), "problem", place)
        return
    if PurePath(problem["path"]).is_absolute():
        raise InputError(
            f"{place}: problem.path must start from the study's folder, since results must not depend on where "
            "that is; it is absolute."
        )
    other = [name for name in problem if name not in _FROM_FILE]
    if other:
        raise InputError(f"{place}: problem.{other[0]} has no meaning beside problem.path.")


def _need(table: dict[str, Any], names: tuple[str, ...], place: str, file: str) -> None:
    for name in names:
        if name not in table:
            raise InputError(f"{file}: the setting {place}.{name} is missing.")


def _check_together(settings: dict[str, Any], place: str) -> None:
    """What the library itself says of the values."""
    from ..datasets.synthetic import check_low_rank

    problem, network, optimiser = (settings.get(name, {}) for name in ("problem", "network", "optimiser"))
    try:
        moving = optimiser_of(optimiser)
        record_of(settings.get("record", {}))
        if "path" in problem:
            return
        shape = (int(problem["shape"][0]), int(problem["shape"][1]))
        arguments = {name: value for name, value in problem.items() if name not in ("seed", *_FROM_FILE)}
        n_observed = check_low_rank(**{**arguments, "shape": shape})
        moving.check(n_observed)
        widths = widths_of(network, shape)
        if (widths[-1], widths[0]) != shape:
            raise InputError(
                f"network.widths makes matrices of shape {(widths[-1], widths[0])}, the problem has {shape}."
            )
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
