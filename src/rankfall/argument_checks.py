"""The vocabulary of argument checks: each returns the value converted, or raises one sentence.

Where a check stands
    At the top of the function, in the order of the signature, the name bound to what the check returns::

        problem = instance("problem", problem, Problem)
        seed = whole("seed", seed, least=0)
        deflate = optional(fraction, "deflate", deflate)

    What follows may rely on the types. Checks of several arguments together come after these. Where the
    annotations say it all, :func:`rankfall.declared_arguments.declared` above the function is enough.

    A data class of settings declares the check of each field beside its default, and runs them when made::

        every: int = checked(whole, least=1, default=1000)

        def __post_init__(self) -> None:
            check_fields(self)

What is said
    ``NAME must be WANTED, not VALUE.`` A wrong object names what makes a right one.

What passes
    Numbers of any type (Python's, NumPy's, arrays of no dimension), but no booleans and no texts; whole
    numbers may be written as floats. Numbers are finite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import MISSING, field, fields
from math import inf, isfinite
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np

from .errors import InputError

T = TypeVar("T")

_CHECK = "check"
_LONGEST = 60
# letters whose names begin with a vowel, for the article of "SGD"
_SPOKEN_WITH_A_VOWEL = "AEFHILMNORSX"
MAKERS = {
    "Problem": "rf.Problem.from_dense makes one from an array",
    "Measurements": "rf.Measurements(U, V, values) makes one",
    "Network": "rf.Network.gaussian makes one",
    "SGD": "rf.SGD(lr=..., ridge=..., n_steps=...) makes one",
    "GD": "rf.GD(lr=..., ridge=..., n_steps=...) makes one",
    "Record": "rf.Record(every=...) makes one",
    "Trace": "rf.train returns one",
    "Completion": "rf.complete returns one",
    "Jumps": "rf.find_jumps returns one",
    "Splitting": "rf.splitting returns one",
}


# -- numbers ---------------------------------------------------------------------------------------------


def whole(name: str, value: object, *, least: int | None = None, most: int | None = None) -> int:
    """A whole number from `least` to `most`.

    Raises
    ------
    InputError
        If it is none, or out of this range.
    """
    found = real(value)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    low, high = -inf if least is None else least, inf if most is None else most
    if not isinstance(found, int) or not low <= found <= high:
        raise _refusal(name, wanted("whole number", least=low, most=high), value)
    return found


def wholes(
    name: str, value: object, *, length: int | None = None, shortest: int = 0, least: int | None = None
) -> tuple[int, ...]:
    """Whole numbers, `length` of them or at least `shortest`, each `least` or more.

    Raises
    ------
    InputError
        If they are not, or the value is no sequence.
    """
    try:
        found = tuple(whole(name, item, least=least) for item in value)  # type: ignore[attr-defined]
    except (TypeError, InputError):
        found = None
    if found is None or len(found) < shortest or length not in (None, len(found)):
        count = f"{_counted(length)} " if length is not None else _at_least(shortest)
        kind = {None: "", 0: "non-negative ", 1: "positive "}.get(least)
        more = f" of {least} or more" if kind is None else ""
        raise _refusal(name, f"{count}{kind or ''}whole numbers{more}", value)
    return found


def number(
    name: str,
    value: object,
    *,
    least: float = -inf,
    above: float = -inf,
    most: float = inf,
    below: float = inf,
    unit: str = "",
) -> float:
    """A finite number, ``least <= value <= most`` and ``above < value < below``.

    `unit` is a word for the sentence: "a positive number of seconds".

    Raises
    ------
    InputError
        If it is none, or out of this range.
    """
    found = real(value)
    if found is not None and least <= found <= most and above < found < below:
        with suppress(OverflowError):  # a whole number beyond the range of floats
            found = float(found)
            if isfinite(found):
                return found
    raise _refusal(name, wanted("number", least=least, above=above, most=most, below=below, unit=unit), value)


def positive(name: str, value: object, *, unit: str = "") -> float:
    """A positive, finite number."""
    return number(name, value, above=0, unit=unit)


def not_negative(name: str, value: object, *, unit: str = "") -> float:
    """A finite number, 0 or more."""
    return number(name, value, least=0, unit=unit)


def fraction(name: str, value: object) -> float:
    """A number between 0 and 1, the ends excluded."""
    return number(name, value, above=0, below=1)


# -- words, switches, functions, objects -----------------------------------------------------------------


def one_of(name: str, value: object, allowed: Sequence[T], *, also: str = "") -> T:
    """One of a few values, compared with their types.

    `also` says in the sentence what else the caller takes.
    """
    for choice in allowed:
        if type(value) is type(choice) and value == choice:
            return choice
    raise _refusal(name, either(allowed, also), value)


def flag(name: str, value: object) -> bool:
    """True or False."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise _refusal(name, "True or False", value)


def text(name: str, value: object) -> str:
    """A text."""
    if isinstance(value, str):
        return str(value)
    raise _refusal(name, "a text", value)


def function(name: str, value: T) -> T:
    """Something that can be called."""
    if callable(value):
        return value
    raise _refusal(name, "a function", value)


def instance(name: str, value: object, kind: type[T] | tuple[type[T], ...]) -> T:
    """An object of a class, or of one of several."""
    if isinstance(value, kind):
        return value
    kinds = kind if isinstance(kind, tuple) else (kind,)
    maker = MAKERS.get(kinds[0].__name__)
    names = " or ".join(with_article(each.__name__) for each in kinds)
    raise InputError(f"{name} must be {names}, not {shown(value)}{f'; {maker}' if maker else ''}.")


# -- arrays ----------------------------------------------------------------------------------------------


def array(name: str, value: object, shape: Sequence[int | str], *, finite: bool = True) -> np.ndarray:
    """Numbers in an array of float64 (a copy only where one is needed).

    Parameters
    ----------
    name : str
    value : array_like
    shape : sequence of int or str
        Lengths of the axes; a letter stands for any length (the same letter for the same one).
    finite : bool
        Refuse NaN and infinities.

    Raises
    ------
    InputError
        If it holds something else, or its shape is another one.
    """
    try:
        found = np.asarray(value)
        if found.dtype.kind == "c":
            raise InputError(f"{name} must be an array of real numbers, not of complex ones.")
        if found.dtype.kind not in "biuf":
            raise TypeError
        found = found.astype(np.float64, copy=False)
    except InputError:
        raise
    except (TypeError, ValueError):
        raise _refusal(name, "an array of numbers", value) from None
    bound: dict[str, int] = {}
    fits = found.ndim == len(shape) and all(
        (bound.setdefault(length, have) if isinstance(length, str) else length) == have
        for length, have in zip(shape, found.shape, strict=True)
    )
    if not fits:
        lengths = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        raise InputError(f"{name} must have shape ({lengths}), not {found.shape}.")
    if finite and not np.all(np.isfinite(found)):
        at = tuple(int(k) for k in np.argwhere(~np.isfinite(found))[0])
        raise InputError(f"{name} must hold finite numbers; at {at} it holds {found[at]}.")
    return found


# -- combinations ----------------------------------------------------------------------------------------


def optional(check: Callable[..., T], name: str, value: object, /, *rest: Any, **settings: Any) -> T | None:
    """None, or what a check makes of the value."""
    return None if value is None else check(name, value, *rest, **settings)


def checked(check: Callable[..., Any], *rest: Any, default: Any = MISSING, **settings: Any) -> Any:
    """A field of a data class with the check of its value; a default of None lets None pass."""

    def run(name: str, value: object) -> object:
        return None if value is None and default is None else check(name, value, *rest, **settings)

    return field(default=default, metadata={_CHECK: run})


def check_fields(settings: Any) -> None:
    """Run the checks that the fields of a data class declare, in their order, and keep what they return."""
    for each in fields(settings):
        if _CHECK in each.metadata:
            converted = each.metadata[_CHECK](each.name, getattr(settings, each.name))
            # as a frozen data class sets its own fields
            object.__setattr__(settings, each.name, converted)


# -- sentences -------------------------------------------------------------------------------------------


def either(choices: Sequence[object], also: str = "") -> str:
    """``"a", "b" or None``."""
    words = [f'"{choice}"' if isinstance(choice, str) else str(choice) for choice in choices]
    words += [also] if also else []
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def shown(value: object) -> str:
    """A value as a sentence shows it: short ones as they are, others by what they are."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if value is None or isinstance(value, (bool, str, Real, complex, list, tuple, dict, set)):
        try:
            words = repr(value)
        except (ValueError, RecursionError):  # whole numbers of thousands of digits; what holds itself
            return with_article(type(value).__name__)
        words = " ".join(words.split()) if isinstance(value, (list, tuple, dict, set)) else words
        return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 3]}..."
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return with_article(type(value).__name__)


def _refusal(name: str, words: str, value: object) -> InputError:
    verb = "lie" if words.startswith("between") else "be"
    return InputError(f"{name} must {verb} {words}, not {shown(value)}.")


def wanted(
    what: str,
    *,
    least: float = -inf,
    above: float = -inf,
    most: float = inf,
    below: float = inf,
    unit: str = "",
) -> str:
    """A range in words: "a positive number", "a whole number, 0 or more", "between 0 and 1"."""
    if above > -inf and below < inf:
        return f"between {_plain(above)} and {_plain(below)}"
    counted = f" of {unit}" if unit else ""
    if above == 0 or (what == "whole number" and least == 1 and most == inf):
        what, above, least = f"positive {what}", -inf, -inf
    words = f"a {what}{counted}"
    if least > -inf and most < inf:
        return f"{words} from {_plain(least)} to {_plain(most)}"
    parts = []
    if least > -inf or above > -inf:
        parts.append(f"{_plain(least)} or more" if least > -inf else f"above {_plain(above)}")
    if most < inf or below < inf:
        parts.append(f"at most {_plain(most)}" if most < inf else f"below {_plain(below)}")
    comma = "," if least > -inf or most < inf else ""
    return f"{words}{comma} {' and '.join(parts)}" if parts else words


def real(value: object) -> int | float | None:
    """A number as Python's own; None for what is no real number."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        with suppress(OverflowError):
            return float(value)
    return None


def _counted(count: int) -> str:
    return {2: "two", 3: "three"}.get(count, str(count))


def _at_least(count: int) -> str:
    return "" if not count else "one or more " if count == 1 else f"at least {_counted(count)} "


def _plain(bound: float) -> str:
    return str(int(bound)) if float(bound).is_integer() else f"{bound:g}"


def with_article(name: str) -> str:
    """A name with its article."""
    vowels = _SPOKEN_WITH_A_VOWEL if name[:3].isupper() else "AEIOUaeiou"
    return f"{'an' if name[:1] in vowels else 'a'} {name}"
