"""What an archive must hold, stated once: all of it is checked before anything else sees it.

A compiled kernel trusts the indices and the shapes that it is given; a file deserves no trust. So whatever is
loaded states its :class:`Schema` and reads through it. Lengths of axes are letters, bound by the metadata or
by the first array that has them; every later array must agree::

    Schema(
        kind="things",
        meta=record({"shape": listed(partial(whole, least=1), length=2)}),
        binds={"shape": ("m", "n")},
        fields=(
            Field("rows", "index", ("N",), of="m"),
            Field("values", "float", ("N",)),
            Field("weights", "float", ("N",), above=0, optional="weights"),
        ),
    ).read(path)["rows"]

A file that breaks its schema is refused in one sentence that names the file, the array and what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from os import PathLike
from types import EllipsisType, MappingProxyType
from typing import Any, Literal

import numpy as np

from ..argument_checks import either, wanted
from ..errors import InputError
from .archive import load_archive, save_archive
from .plain_values import Check, anything

Kind = Literal["float", "whole", "index", "flag", "number", "text"]
# kinds of NumPy's dtypes that each kind of field may be stored as, and what a sentence calls them
_STORED = {
    "float": ("f", "floats"),
    "whole": ("iu", "whole numbers"),
    "index": ("iu", "whole numbers"),
    "flag": ("b", "booleans"),
    "number": ("biuf", "real numbers"),
    "text": ("SU", "text"),
}


@dataclass(frozen=True)
class Length:
    """The length of an axis that follows from what was read before.

    Attributes
    ----------
    of : function of Saved
    """

    of: Callable[[Saved], int]


Shape = tuple[int | str | Length | EllipsisType, ...]


@dataclass(frozen=True)
class Field:
    """One array of an archive, or all whose names begin alike.

    Attributes
    ----------
    name : str
        ``"path_*"`` stands for all names that begin with ``"path_"`` and that no other field has.
    kind : str
        "float"; "whole" (numbers); "index" (positions along an axis, that of length `of`); "flag";
        "number" (any of these, kept as it is); "text".
    shape : tuple
        Lengths: numbers, letters, :class:`Length`; ``...`` at one end stands for any further axes.
    of : str or int
        Length of the axis that an index is a position of.
    least, above, most : float
        Limits of the numbers; an index is 0 or more unless `least` says -1, for "none".
    allowing : tuple of "nan", "inf"
        What floats may be beside finite.
    order : {"ascending", "increasing"}, optional
        Along the first axis; increasing numbers are all different.
    dtype : str or None
        Of floats; None for single, double or half precision, as stored.
    choices : tuple of str
        What a text may be.
    default : float, optional
        What an array that is not there is full of: in files of earlier versions.
    optional : str
        Fields with the same word here are all there, or none is.
    binds : str
        The letter that stands for this whole number in shapes from here on.
    """

    name: str
    kind: Kind
    shape: Shape = ()
    of: str | int | None = None
    least: float = -inf
    above: float = -inf
    most: float = inf
    allowing: tuple[Literal["nan", "inf"], ...] = ()
    order: Literal["ascending", "increasing"] | None = None
    dtype: str | None = "float64"
    choices: tuple[str, ...] = ()
    default: float | None = None
    optional: str = ""
    binds: str = ""

    @property
    def prefix(self) -> str | None:
        """What the names begin with, if the field stands for many."""
        return self.name[:-1] if self.name.endswith("*") else None


@dataclass(frozen=True, eq=False)
class Saved(Mapping[str, np.ndarray]):
    """What a file holds, checked: a mapping of names to arrays, with the metadata.

    Attributes
    ----------
    arrays : mapping of str to ndarray
        Rows one after the other, in the byte order of this machine; whole numbers and indices are int64.
    meta : mapping
    lengths : mapping of str to int
        What the letters of the shapes stand for.
    """

    arrays: Mapping[str, np.ndarray]
    meta: Mapping[str, Any]
    lengths: Mapping[str, int]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def group(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays whose names begin so, by the rest of their names."""
        return {
            name.removeprefix(prefix): array for name, array in self.arrays.items() if name.startswith(prefix)
        }


Rule = Callable[[Saved], str | None]


@dataclass(frozen=True)
class Schema:
    """What the archives of one kind hold.

    Attributes
    ----------
    kind : str
    fields : sequence of Field, or function of the metadata that returns one
        In the order in which they bind lengths.
    meta : check
        Of the metadata as a whole; see :mod:`.plain_values`.
    refuses : function of the metadata as stored, optional
        Says, before anything is checked, why a sound file is not read: "... was written by another run.".
    binds : mapping of str to str or tuple of str
        Letters for numbers, or for lists of numbers, of the metadata.
    not_empty : sequence of str
        Letters of lengths that are 1 or more.
    rules : sequence of functions of Saved
        What holds between arrays. Each returns None, or what is wrong as the end of "... is damaged: ".
    """

    kind: str
    fields: Sequence[Field] | Callable[[Mapping[str, Any]], Sequence[Field]]
    meta: Check = anything
    refuses: Callable[[Mapping[str, Any]], str | None] | None = None
    binds: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict[str, str | tuple[str, ...]])
    not_empty: Sequence[str] = ()
    rules: Sequence[Rule] = ()

    def write(self, path: str | PathLike[str], arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Write an archive of this kind, whole or not at all; see :func:`rankfall.files.save_archive`.

        Raises
        ------
        InputError
            If the file cannot be written.
        TypeError
            If no field stands for one of the arrays: it would be lost on the way back.
        """
        fields = self.fields(meta) if callable(self.fields) else self.fields
        undeclared = set(arrays) - {name for each in fields for name in _names(each, fields, arrays)}
        if undeclared:
            raise TypeError(f"The schema of {self.kind!r} has no field for {sorted(undeclared)}.")
        save_archive(path, arrays, meta, self.kind)

    def read(self, path: str | PathLike[str]) -> Saved:
        """Read an archive of this kind; arrays that no field stands for are left out.

        Raises
        ------
        InputError
            If there is no such file, it is of another kind, or it is not what the schema says.
        """
        arrays, meta = load_archive(path, self.kind)
        reason = None if self.refuses is None else self.refuses(meta)
        if reason is not None:
            raise InputError(f"{path} {reason}")
        with blamed_on(path):
            meta = self.meta("metadata", meta)
            lengths: dict[str, int] = {}
            for name, letters in self.binds.items():
                several = isinstance(letters, tuple)
                lengths |= zip(letters, meta[name], strict=True) if several else [(letters, meta[name])]
            fields = self.fields(meta) if callable(self.fields) else self.fields
            return check_arrays(arrays, fields, meta, lengths, self.not_empty, self.rules)


@contextmanager
def blamed_on(path: object) -> Generator[None]:
    """While objects are made of what a file holds: what they refuse is the fault of the file."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path} is damaged: {error}") from error


def check_arrays(
    arrays: Mapping[str, np.ndarray],
    fields: Sequence[Field],
    meta: Mapping[str, Any] = MappingProxyType({}),
    lengths: Mapping[str, int] = MappingProxyType({}),
    not_empty: Sequence[str] = (),
    rules: Sequence[Rule] = (),
) -> Saved:
    """Arrays, checked against their fields and rules.

    Raises
    ------
    InputError
        The sentence begins with the name of the array that is wrong.
    """
    found: dict[str, np.ndarray] = {}
    known = dict(lengths)
    saved = Saved(MappingProxyType(found), MappingProxyType(meta), MappingProxyType(known))
    present = {
        each.optional for each in fields if each.optional and any(_names(each, fields, arrays, strict=True))
    }
    for each in fields:
        for name in _names(each, fields, arrays):
            if name in arrays:
                found[name] = _checked(each, name, arrays[name], saved, known)
                if any(known.get(letter) == 0 for letter in not_empty):
                    raise InputError(f"{name} is empty.")
            elif each.default is not None:
                shape = _lengths(each.shape, saved)
                found[name] = np.full(shape, each.default)  # type: ignore[arg-type]
            elif not each.optional or each.optional in present:
                raise InputError(f"{name} is missing.")
    for rule in rules:
        reason = rule(saved)
        if reason is not None:
            raise InputError(reason)
    return saved


def _names(
    each: Field, fields: Sequence[Field], arrays: Mapping[str, np.ndarray], strict: bool = False
) -> list[str]:
    """Names of the arrays that a field stands for; a single one also if it is not there, unless `strict`."""
    if each.prefix is None:
        return [each.name] if not strict or each.name in arrays else []
    taken = {other.name for other in fields}
    return [name for name in arrays if name.startswith(each.prefix) and name not in taken]


def _checked(each: Field, name: str, array: np.ndarray, saved: Saved, known: dict[str, int]) -> np.ndarray:
    stored, words = _STORED[each.kind]
    dtype = array.dtype
    if dtype.kind not in stored or (dtype.kind == "f" and dtype.itemsize > 8):
        raise InputError(f"{name} holds {dtype.name}, not {words}.")
    if each.kind == "float" and each.dtype not in (None, dtype.name):
        raise InputError(f"{name} holds {dtype.name}, not {each.dtype}.")
    _check_shape(each, name, array.shape, saved, known)
    if each.kind in ("whole", "index"):
        if dtype == np.uint64 and array.size and int(array.max()) > np.iinfo(np.int64).max:
            raise InputError(f"{name} holds {array.max()}, which no count or position is.")
        dtype = np.dtype(np.int64)
    array = np.ascontiguousarray(array, dtype.newbyteorder("=")).reshape(array.shape)
    if each.kind == "text":
        _check_text(each, name, array)
    elif array.dtype.kind != "b":
        _check_numbers(each, name, array, saved)
    if each.binds:
        known[each.binds] = int(array)
    return array


def _check_shape(each: Field, name: str, shape: tuple[int, ...], saved: Saved, known: dict[str, int]) -> None:
    """Refuse another shape than the field's; letters that were free are bound."""
    lengths, there = _lengths(each.shape, saved), shape
    if ... in lengths:
        rest = len(lengths) - 1
        if lengths[0] is ...:
            lengths, there = lengths[1:], there[max(len(there) - rest, 0) :]
        else:
            lengths, there = lengths[:-1], there[:rest]
    fresh: dict[str, int] = {}
    fits = len(lengths) == len(there) and all(
        (fresh.setdefault(length, have) if isinstance(length, str) else length) == have
        for length, have in zip(lengths, there, strict=True)
    )
    if not fits:
        words = ["..." if length is ... else str(length) for length in _lengths(each.shape, saved)]
        raise InputError(f"{name} has shape {shape}, not ({', '.join(words)}{',' * (len(words) == 1)}).")
    known |= fresh


def _lengths(shape: Shape, saved: Saved) -> tuple[int | str | EllipsisType, ...]:
    """A shape with numbers for letters that are known."""

    def number(length: int | str | Length | EllipsisType) -> int | str | EllipsisType:
        if isinstance(length, Length):
            return length.of(saved)
        return saved.lengths.get(length, length) if isinstance(length, str) else length

    return tuple(map(number, shape))


def _check_text(each: Field, name: str, array: np.ndarray) -> None:
    try:
        words = array.astype(str)
    except UnicodeError as error:
        raise InputError(f"{name} holds text that is not ASCII.") from error
    if each.choices and not np.isin(words, each.choices).all():
        raise InputError(f"{name} must be {either(each.choices)}, not {str(words.flat[0])!r}.")


def _check_numbers(each: Field, name: str, array: np.ndarray, saved: Saved) -> None:
    least, above, most = each.least, each.above, each.most
    if each.kind == "index":
        size = saved.lengths[each.of] if isinstance(each.of, str) else each.of
        assert size is not None
        least, most = -1 if each.least == -1 else 0, min(size, np.iinfo(np.int64).max) - 1
    wrong = np.zeros(array.shape, bool)
    # no bound is no comparison: an infinity that is allowed lies at it
    if least > -inf:
        wrong |= array < least
    if above > -inf:
        wrong |= array <= above
    if most < inf:
        wrong |= array > most
    if array.dtype.kind == "f":
        if "nan" not in each.allowing:
            wrong |= np.isnan(array)
        if "inf" not in each.allowing:
            wrong |= np.isinf(array)
    if wrong.any():
        at: tuple[int, ...] = tuple(np.argwhere(wrong)[0].tolist())
        place = "" if not at else f" at {at[0]}" if len(at) == 1 else f" at {at}"
        what = "whole number" if array.dtype.kind in "iu" else "finite number"
        words = wanted(what, least=least, above=above, most=most)
        words = f"which is no position among {most + 1}" if each.kind == "index" else f"not {words}"
        raise InputError(f"{name} holds {array[at]}{place}, {words}.")
    if each.order and array.shape[0] > 1:
        turns = array[1:] <= array[:-1] if each.order == "increasing" else array[1:] < array[:-1]
        if turns.any():
            raise InputError(f"{name} is not in {each.order} order.")


def cells_in_order(rows: str, cols: str) -> Rule:
    """The rule that cells are sorted by row, then column, and that none is there twice."""

    def check(saved: Saved) -> str | None:
        i, j = saved[rows], saved[cols]
        later = (i[1:] > i[:-1]) | ((i[1:] == i[:-1]) & (j[1:] > j[:-1]))
        return None if later.all() else f"{rows} and {cols} do not name every cell once, sorted by row."

    return check
