"""Arguments of public functions, checked against what their signatures declare.

The annotation is the declaration of the kind; what it cannot say, a range or a shape, stands beside it::

    @declared(events=partial(whole, least=0), exposure=positive)
    def poisson_rate(events: int, exposure: float, level: float = 0.95) -> Rate: ...

What is wrong is refused with one sentence of :mod:`rankfall.argument_checks` before the function sees it;
what passes is converted as there: numbers of NumPy become Python's own, so that no small integer wraps
around, and lists become arrays where arrays are declared.

Annotations
    ``int``, ``float``, ``bool``, ``str``, paths, ``Literal``, arrays, sequences and tuples of these,
    functions, mappings, classes (by name, so that nothing is imported for a check), and unions of all of
    these. A type variable, ``object`` and ``Any`` declare nothing.
Names
    Some names mean the same wherever they stand, and have a range of their own: see `RANGES`.
Arguments together
    What NumPy refuses inside, indices and shapes that do not fit each other, becomes a sentence, too, with
    NumPy's reason. Functions name the argument themselves where they can. Where nothing was given that has a
    shape or a place (words, switches, paths), and in functions of the user's own, such an error is a bug, and
    keeps its traceback.
Results out of range
    Numbers that are sound one by one can lead out of the range of floats together. What then raises an
    OverflowError, a division by zero or a failed decomposition is the fault of the arguments, too.
"""

from __future__ import annotations

import ast
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from itertools import islice
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, get_args, get_origin, overload

import numpy as np

from .argument_checks import (
    MAKERS,
    flag,
    fraction,
    function,
    number,
    one_of,
    shown,
    text,
    whole,
    with_article,
)
from .errors import InputError

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)
Check = Callable[[str, Any], Any]
# the names that annotations of a function can use
Scope = Mapping[str, Any]

RANGES: Mapping[str, Check] = {
    "seed": partial(whole, least=0),
    "n_threads": partial(whole, least=1),
    "level": fraction,
    "coverage": fraction,
    # beyond it a typing error is meant: nothing would come back
    "depth": partial(whole, most=10_000),
}
# packages whose errors come from what they were given
_KNOWN = {"rankfall", "numpy", "scipy", "pandas", "numba", "narwhals", "matplotlib", "torch", ""}
_ANYTHING = {"object", "Any", "Iterable", "T", "Self"}
_ARRAYS = {"ndarray", "ArrayLike", "NDArray"}
_PATHS: Mapping[str, Any] = {"PathLike": os.PathLike, "Path": Path}
_SEQUENCES = {"Sequence", "tuple", "list"}
_MAPPINGS = {"Mapping", "dict"}


@overload
def declared(call: C, /) -> C: ...
@overload
def declared(call: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def declared(**ranges: Check) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def declared(call: Any = None, /, **ranges: Check) -> Any:
    """A function whose arguments are checked against its annotations, and against `ranges` by name.

    Raises
    ------
    InputError
        When it is called with something else.
    """
    return _declared(call, ranges) if call is not None else lambda later: _declared(later, ranges)


def _declared(call: Any, ranges: Mapping[str, Check]) -> Any:
    """A checked function, or a class that is made with checked arguments."""
    if isinstance(call, type):
        call.__init__ = _checked_call(call.__init__, ranges, call.__name__)
        return call
    return _checked_call(call, ranges, call.__name__)


def _checked_call(call: Callable[..., Any], ranges: Mapping[str, Check], called: str) -> Callable[..., Any]:
    checks: dict[str, Check | None] = {}
    parameters = inspect.signature(call).parameters
    names = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in parameters.values() if p.kind is p.VAR_POSITIONAL), None)

    def find(name: str) -> Check | None:
        if name not in checks:
            found = parameters.get(name)
            checks[name] = None if found is None else _check_of(found, ranges.get(name), call.__globals__)
        return checks[name]

    own = 1 if next(iter(parameters), "") in ("self", "cls") else 0

    def fit_together(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        # words, switches and paths have no size and no place that could be wrong
        given = (*args[own:], *kwargs.values())
        return any(not isinstance(value, (str, bool, os.PathLike, type(None))) for value in given)

    @wraps(call)
    def checked(*args: Any, **kwargs: Any) -> Any:
        given: list[Any] = []
        for k, value in enumerate(args):
            name = names[k] if k < len(names) else rest
            check = None if name is None else find(name)
            given.append(value if check is None or name is None else check(name, value))
        for name, value in kwargs.items():
            check = find(name)
            if check is not None:
                kwargs[name] = check(name, value)
        try:
            return call(*given, **kwargs)
        except InputError:
            raise
        except (OverflowError, ZeroDivisionError, np.linalg.LinAlgError) as error:
            if _of_a_users_function(error):
                raise
            raise InputError(
                f"{called} leaves the range of floating-point numbers with these arguments ({error}); "
                "they are too large or too small."
            ) from error
        except (IndexError, ValueError) as error:
            if not fit_together(args, kwargs) or _of_a_users_function(error):
                raise
            reason = " ".join(str(error).split()).rstrip(".")
            raise InputError(f"{called}: these arguments do not fit each other ({reason}).") from error
        except MemoryError as error:
            raise InputError(f"{called} needs more memory with these arguments than there is.") from error

    return checked


def _of_a_users_function(error: BaseException) -> bool:
    """Whether a function that was handed in (a callback, a subclass) raised this: its errors are its own."""
    first = error.__traceback__
    trace = first and first.tb_next and first.tb_next.tb_next  # below what is checked
    while trace is not None:
        top = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if top not in _KNOWN and top not in sys.stdlib_module_names:
            return True
        trace = trace.tb_next
    return False


def _check_of(parameter: inspect.Parameter, given: Check | None, scope: Scope) -> Check | None:
    """What a parameter is checked with; None for nothing."""
    if parameter.name in ("self", "cls"):
        return None
    annotation = parameter.annotation
    parts = _alternatives(annotation) if isinstance(annotation, str) else []
    named = RANGES.get(parameter.name) if {"int", "float"} & set(map(_name, parts)) else None
    check = given or named or (_of_union(parts, scope) if parts else None)
    if check is None:
        return None
    default = parameter.default
    may_be_none = any(_name(part) == "None" for part in parts)

    def run(name: str, value: Any) -> Any:
        # a default is right as it stands
        if value is default or (value is None and may_be_none):
            return value
        return check(name, value)

    return run


def _alternatives(annotation: str) -> list[ast.expr]:
    """The members of a union."""
    found: list[ast.expr] = []
    waiting: list[ast.expr] = [ast.parse(annotation, mode="eval").body]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.BinOp):
            waiting[:0] = [node.left, node.right]
        else:
            found.append(node)
    return found


def _name(node: ast.expr) -> str:
    """``np.ndarray`` is "ndarray", ``Sequence[int]`` is "Sequence"."""
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else str(getattr(node, "value", ""))


def _of_union(parts: Sequence[ast.expr], scope: Scope) -> Check | None:
    """The check of several alternatives: the first that passes converts; if none does, the first one's
    sentence, or one that names all classes.
    """
    if any(_name(part) == "None" for part in parts):
        inner = _of_union([part for part in parts if _name(part) != "None"], scope)
        return None if inner is None else lambda name, value: None if value is None else inner(name, value)
    if not parts:
        return None
    classes = [_name(part) for part in parts if _is_class(part, scope)]
    if len(classes) == len(parts):
        return partial(_of_class, classes)
    checks: list[Check] = []
    if any(_of_part(part, scope) is path for part in parts):
        parts = [part for part in parts if _name(part) != "str"]
    for part in parts:
        check = _of_part(part, scope)
        if check is None:
            return None
        checks.append(check)
    if len(checks) == 1:
        return checks[0]

    def run(name: str, value: Any) -> Any:
        refused: list[InputError] = []
        for check in checks:
            try:
                return check(name, value)
            except InputError as error:
                refused.append(error)
        # of a number or an array, an array is told what is wrong with it as one
        raise refused[-1 if isinstance(value, np.ndarray) and value.ndim else 0]

    return run


def _is_class(part: ast.expr, scope: Scope) -> bool:
    """Whether a name is that of a class: also of one that only type checkers import."""
    known = {"PathLike", "Callable", "Literal", *_SIMPLE, *_ANYTHING, *_ARRAYS, *_SEQUENCES, *_MAPPINGS}
    if not isinstance(part, (ast.Name, ast.Attribute)) or _name(part) in known:
        return False
    meant = scope.get(_name(part), _PATHS.get(_name(part), type))
    return meant is not Path and isinstance(meant, type) and not getattr(meant, "_is_protocol", False)


def _of_part(part: ast.expr, scope: Scope) -> Check | None:
    name = _name(part)
    meant = scope.get(name)
    if get_origin(meant) is Literal:
        return partial(one_of, allowed=get_args(meant))
    if name in _SIMPLE:
        return _SIMPLE[name]
    if name in _ARRAYS:
        return numbers
    if name in _PATHS and scope.get(name, _PATHS[name]) is _PATHS[name]:
        return path
    if name == "Callable":
        return function
    if name in _MAPPINGS:
        return _mapping
    if name == "Literal" and isinstance(part, ast.Subscript):
        allowed = ast.literal_eval(part.slice)
        return partial(one_of, allowed=allowed if isinstance(allowed, tuple) else (allowed,))
    if name in _SEQUENCES:
        items = part.slice if isinstance(part, ast.Subscript) else None
        several = items.elts if isinstance(items, ast.Tuple) else [items] if items is not None else []
        kinds = [_of_union(_spread(item), scope) for item in several if not isinstance(item, ast.Constant)]
        fixed = len(kinds) if name == "tuple" and len(kinds) == len(several) else None
        return partial(_sequence, kinds, fixed)
    return partial(_of_class, [name]) if _is_class(part, scope) else None


def _spread(node: ast.expr) -> list[ast.expr]:
    return _alternatives(ast.unparse(node))


# -- kinds ------------------------------------------------------------------------------------------------


def path(name: str, value: Any) -> Any:
    """A path of a file or folder."""
    if isinstance(value, (str, os.PathLike)):
        words = os.fspath(value)
        if isinstance(words, str) and words and "\0" not in words:
            return value
    raise InputError(f"{name} must be a path, not {shown(value)}.")


def numbers(name: str, value: Any, *, finite: bool = True) -> np.ndarray:
    """Real numbers in an array of any shape; whole ones become 64 bits wide.

    Raises
    ------
    InputError
        If it holds something else (dates, texts, objects), or numbers that are not `finite`.
    """
    try:
        # a mask stays
        found = np.asanyarray(value)
    except Exception:  # an object's own __array__ may raise anything
        found = np.empty(0, object)
    if found.dtype.kind == "c":
        raise InputError(f"{name} must be an array of real numbers, not of complex ones.")
    if found.dtype.kind not in "biuf":
        what = f"an array of {found.dtype}" if isinstance(value, np.ndarray) else shown(value)
        raise InputError(f"{name} must be an array of numbers, not {what}.")
    if found.dtype.kind in "iu" and found.dtype != np.int64:
        if found.dtype == np.uint64 and found.size and int(found.max()) > np.iinfo(np.int64).max:
            raise InputError(f"{name} holds {found.max()}, which is too large for a whole number of 64 bits.")
        found = found.astype(np.int64)
    if finite and found.dtype.kind == "f" and not np.isfinite(found).all():
        at = tuple(int(k) for k in np.argwhere(~np.isfinite(found))[0])
        raise InputError(f"{name} must hold finite numbers; at {at} it holds {found[at]}.")
    return found


def positions(name: str, value: Any, size: int) -> np.ndarray:
    """Positions along an axis of `size`, counted from 0, in an array of int64 with one axis."""
    found = np.atleast_1d(numbers(name, value))
    found = found if found.size else np.empty(0, np.int64)
    whole_ones = found.dtype.kind == "f" and (found == np.rint(found)).all()
    if found.ndim != 1 or (found.dtype.kind != "i" and not whole_ones):
        raise InputError(f"{name} must be a list of positions, not {shown(value)}.")
    wrong = (found < 0) | (found >= size)
    if wrong.any():
        raise InputError(f"{name} holds {found[wrong][0]}, which is no position among {size}.")
    return found.astype(np.int64)


def chosen(name: str, value: Any, size: int) -> np.ndarray | slice:
    """Some of `size` entries: a mask, positions or a slice."""
    if isinstance(value, slice):
        return value
    if isinstance(value, np.ndarray) and value.dtype == bool:
        if value.shape != (size,):
            raise InputError(f"{name} must have shape ({size},), not {value.shape}.")
        return value
    return positions(name, value, size)


any_numbers = partial(numbers, finite=False)


def itself(_name: str, value: Any) -> Any:
    """For an argument that the function checks itself, because it takes more than its annotation says."""
    return value


def _mapping(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return value
    raise InputError(f"{name} must be a Mapping, not {shown(value)}.")


def _sequence(kinds: Sequence[Check | None], length: int | None, name: str, value: Any) -> tuple[Any, ...]:
    """A tuple of checked values; of one kind, or of as many as there are kinds."""
    if isinstance(value, (str, bytes, Mapping)) or not _is_iterable(value):
        raise InputError(f"{name} must be a sequence, not {shown(value)}.")
    items = list(value if length is None else islice(value, length + 1))
    if length is not None and len(items) != length:
        raise InputError(f"{name} must have {length} entries, not {shown(value)}.")
    found: list[Any] = []
    for k, item in enumerate(items):
        check = kinds[k if length is not None else 0] if kinds else None
        found.append(item if check is None else check(f"{name}[{k}]", item))
    return tuple(found)


def _is_iterable(value: Any) -> bool:
    try:
        iter(value)
    except Exception:  # arrays of no dimension, and objects that only look like sequences
        return False
    return True


def _of_class(names: Sequence[str], name: str, value: Any) -> Any:
    """An object of a class of one of these names."""
    if any(each.__name__ in names for each in type(value).__mro__):
        return value
    maker = MAKERS.get(names[0])
    # what users make; measurements are for those who know them
    words = names[:1] if names[0] == "Problem" else names
    wanted = " or ".join(map(with_article, words))
    raise InputError(f"{name} must be {wanted}, not {shown(value)}{f'; {maker}' if maker else ''}.")


_SIMPLE: Mapping[str, Check] = {"int": whole, "float": number, "bool": flag, "str": text}
