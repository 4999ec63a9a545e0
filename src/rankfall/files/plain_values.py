"""What JSON holds, checked against a declaration: lists, records and mappings of checked values.

A declaration is a function of a name and a value, as those of :mod:`rankfall.argument_checks` are: it returns
the value converted, or raises one sentence that begins with the name. The functions below make declarations
of others, and say where in the whole the wrong value is: ``cases[2].rank must be a whole number, not 'x'``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from numbers import Real
from types import MappingProxyType
from typing import Any, TypeGuard

from ..argument_checks import one_of, shown, text
from ..errors import InputError

Check = Callable[[str, Any], Any]

_DEEPEST = 50
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def read_json(name: str, text: str | bytes) -> Any:
    """The value that a text in JSON holds; `name` is what a sentence calls the text.

    Raises
    ------
    InputError
        If it is no JSON, or nested beyond what the reader can follow.
    """
    try:
        return json.loads(text)
    # numbers of thousands of digits and wrong encodings are ValueErrors, too
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{name} cannot be read as JSON ({reason}).") from error


def anything(name: str, value: Any) -> Any:
    """Whatever JSON holds, but nested no deeper than a program may follow by calling itself."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [item for outer in level for item in _inside(outer)]
        if not level:
            return value
    raise InputError(f"{name} is nested too deeply.")


def _inside(value: Any) -> Iterable[Any]:
    if _is_table(value):
        return value.values()
    return value if _is_list(value) else ()


def _is_table(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, (list, tuple))


def is_table(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a value of JSON is a table of names and values; tells it to the type checker, too."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Whether a value of JSON is a list; tells it to the type checker, too."""
    return isinstance(value, (list, tuple))


def any_number(name: str, value: object) -> float:
    """A number; NaN and infinities are numbers."""
    if not isinstance(value, bool) and isinstance(value, Real):
        try:
            return float(value)
        except OverflowError:
            pass
    raise InputError(f"{name} must be a number, not {shown(value)}.")


def nullable(check: Check) -> Check:
    """None (null), or what the check makes of the value."""

    def run(name: str, value: Any) -> Any:
        return None if value is None else check(name, value)

    return run


def listed(check: Check, length: int | None = None, least: int = 0) -> Check:
    """A list of checked values as a tuple, of a given or of a least length."""

    def run(name: str, value: Any) -> tuple[Any, ...]:
        if not _is_list(value):
            raise InputError(f"{name} must be a list, not {shown(value)}.")
        if len(value) != length if length is not None else len(value) < least:
            wanted = length if length is not None else f"{least} or more"
            raise InputError(f"{name} must have {wanted} entries, not {len(value)}.")
        return tuple(check(f"{name}[{k}]", item) for k, item in enumerate(value))

    return run


def mapping(check: Check) -> Check:
    """Names with checked values."""
    return record(_NOTHING, others=check)


def record(
    needed: Mapping[str, Check],
    optional: Mapping[str, Check] = _NOTHING,
    defaults: Mapping[str, Any] = _NOTHING,
    others: Check | None = None,
) -> Check:
    """Named values, each with its check.

    Parameters
    ----------
    needed, optional : mapping of str to check
        Names that must be there, and names that may.
    defaults : mapping
        What stands for optional names that are not there; one without a default stays away.
    others : check, optional
        For all other names, which are left out by default.

    Returns
    -------
    check
        It returns a new dict.
    """

    def run(name: str, value: Any) -> dict[str, Any]:
        if not _is_table(value):
            raise InputError(f"{name} must be a table of names and values, not {shown(value)}.")
        found: dict[str, Any] = {**defaults}
        for key in needed:
            if key not in value:
                raise InputError(f"{name} lacks {key!r}.")
        for key, item in value.items():
            check = needed.get(key) or optional.get(key) or others
            if check is not None:
                found[key] = check(f"{name}.{key}", item)
        return found

    return run


def tagged(tag: str, records: Mapping[str, Mapping[str, Check]]) -> Check:
    """A record whose names depend on what it says under `tag`."""

    def run(name: str, value: Any) -> dict[str, Any]:
        kind = record({tag: partial(one_of, allowed=tuple(records))})(name, value)[tag]
        return record({tag: text, **records[kind]})(name, value)

    return run
