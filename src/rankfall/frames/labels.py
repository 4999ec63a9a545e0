"""Labels of rows and columns: text, dates, numbers, tuples; found again, and saved as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..argument_checks import one_of, shown, text, whole
from ..errors import InputError
from ..files.plain_values import anything, listed, nullable, record

if TYPE_CHECKING:
    import pandas as pd

_UNITS = ("s", "ms", "us", "ns")
_BITS = ("8", "16", "32", "64")
# types of numbers that labels are saved in
_NUMBERS = (
    *(f"{name}{bits}" for name in ("int", "uint", "Int", "UInt") for bits in _BITS),
    *(f"{name}{bits}" for name in ("float", "Float") for bits in _BITS[2:]),
    "bool",
    "boolean",
)
_WIDEST = {"i": "int64", "u": "uint64", "f": "float64", "b": "bool"}


def texts(index: pd.Index | None) -> tuple[str, ...] | None:
    """The labels as text."""
    return None if index is None else tuple(map(str, index))


def as_index(labels: object) -> pd.Index:
    """Labels of any container, one-dimensional, with their own type."""
    import pandas as pd

    if isinstance(labels, (list, tuple)):
        return pd.Index(list(labels))  # an array would make 1 and "a" both texts
    if (hasattr(labels, "iloc") and np.ndim(labels) == 1) or isinstance(labels, pd.Index):  # type: ignore[arg-type]
        return pd.Index(labels)  # type: ignore[arg-type]
    try:
        found = np.asarray(labels)
    except Exception:  # an object's own __array__ may raise anything
        found = np.empty(())
    if found.ndim != 1:
        raise InputError(f"Labels must be a list of texts, dates or numbers, not {shown(labels)}.")
    return pd.Index(found)


def categories(labels: object, what: str, of: str) -> tuple[np.ndarray, pd.Index]:
    """Position of every label among the different ones, and these: sorted if they can be, else as they come.

    Parameters
    ----------
    labels : array_like, shape (n,)
    what, of : str
        For the sentence: "row" label of an "entry".

    Raises
    ------
    InputError
        If a label is missing.
    TypeError
        If a label is no possible key.
    """
    codes, different = as_index(labels).factorize()
    if np.any(codes < 0):
        raise InputError(f"The {what} label of {of} {int(np.argmin(codes))} is missing.")
    try:
        order = different.argsort()
    except TypeError:  # numbers and text together
        return codes, different  # type: ignore[return-value]
    position = np.empty_like(order)
    position[order] = np.arange(order.size)
    return position[codes], different[order]  # type: ignore[return-value]


def are_positions(index: pd.Index) -> bool:
    """Whether the labels are 0, 1, 2, ...: then a whole number means the same either way."""
    import pandas as pd

    if isinstance(index, pd.MultiIndex) or index.dtype.kind not in "iu":
        return False
    return bool(np.array_equal(index.to_numpy(), np.arange(index.size)))


def find(index: pd.Index, asked: object, what: str) -> np.ndarray:
    """Positions of labels, in the shape in which they are asked for.

    Parameters
    ----------
    index : Index
        The labels that there are.
    asked : label, or array_like of labels
        Where the labels are dates, texts that say dates are labels, too.
    what : str
        "row" or "column", for the sentence.

    Raises
    ------
    InputError
        If a label is not there, or stands for several rows or columns.
    """
    import pandas as pd

    try:
        flat, shape = _flat(asked, index.nlevels)
        wanted = _like(index, flat)
        if index.is_unique:
            found = index.get_indexer(wanted)
        else:
            once = np.flatnonzero(~index.duplicated(keep=False))
            at = index[once].get_indexer(wanted)
            found = np.where(at >= 0, np.append(once, -1)[at], -1)
    except (TypeError, ValueError, IndexError, pd.errors.ParserError) as error:
        raise InputError(f"The {what} labels {shown(asked)} are not like those of the table.") from error
    if np.any(found < 0):
        first = int(np.argmin(found))
        label = flat[first]
        if wanted[first] in index:
            raise InputError(
                f"The {what} label {said(label)} stands for several {what}s; ask for them by position."
            )
        raise InputError(f"The table has no {what} {said(label)}; its labels are like {said(index[0])}.")
    return found.reshape(shape).astype(np.int64)


def _flat(asked: object, n_levels: int) -> tuple[list[Any], tuple[int, ...]]:
    """Labels one after the other, and their shape; with several levels a label is a tuple."""
    import pandas as pd

    if n_levels > 1:
        if isinstance(asked, tuple) and not any(isinstance(part, tuple) for part in asked):
            return [asked], ()
        rows = list(asked) if isinstance(asked, (list, tuple, np.ndarray, pd.MultiIndex)) else [asked]
        if not all(isinstance(row, tuple) for row in rows):
            raise TypeError("labels of several levels are tuples")
        return rows, (len(rows),)
    if isinstance(asked, (list, tuple)):
        array = np.empty(len(asked), object)
        array[:] = asked
        if asked and all(isinstance(part, (list, tuple, np.ndarray)) for part in asked):
            array = np.array(asked, dtype=object)  # for instance [["a"], ["b"]]
    else:
        array = np.asarray(asked)
        if array.dtype.kind == "M":  # to plain numbers otherwise, where they are counted in nanoseconds
            return list(pd.DatetimeIndex(array.ravel())), array.shape
        if array.dtype.kind == "m":
            return list(pd.TimedeltaIndex(array.ravel())), array.shape
    return array.ravel().tolist(), array.shape


def _like(index: pd.Index, labels: list[Any]) -> pd.Index:
    """Labels in the type of an index."""
    import pandas as pd

    if isinstance(index, pd.MultiIndex):
        return pd.MultiIndex.from_tuples(labels)
    if isinstance(index, pd.DatetimeIndex):
        wanted = pd.DatetimeIndex(pd.to_datetime(labels))
        return wanted.tz_localize(index.tz) if wanted.tz is None and index.tz is not None else wanted
    if isinstance(index, pd.TimedeltaIndex):
        return pd.TimedeltaIndex(pd.to_timedelta(labels))
    if isinstance(index, pd.PeriodIndex):
        return pd.PeriodIndex(
            [label if isinstance(label, pd.Period) else str(label) for label in labels], freq=index.freq
        )
    return pd.Index(labels)


def _plain(label: object) -> object:
    return label.item() if isinstance(label, np.generic) else label


def said(label: object) -> str:
    """A label as a sentence shows it."""
    label = _plain(label)
    return shown(label) if isinstance(label, (str, tuple)) else str(label)


# -- on disk ---------------------------------------------------------------------------------------------


def to_plain(index: pd.Index, level: bool = False) -> dict[str, Any]:
    """Labels as what JSON holds; :func:`from_plain` reads them. Kinds that it has no word for become text.

    Labels that are nothing but text are left out, since the names say them; as one `level` of several they
    are not.
    """
    import pandas as pd

    if isinstance(index, pd.MultiIndex):
        return {
            "kind": "levels",
            "levels": [to_plain(index.get_level_values(k), level=True) for k in range(index.nlevels)],
        }
    out: dict[str, Any] = {"name": index.name if isinstance(index.name, (str, int, float)) else None}
    if index.name is not None and out["name"] is None:
        out["name"] = str(index.name)
    if isinstance(index, pd.RangeIndex):
        return {**out, "kind": "range", "range": [index.start, index.stop, index.step]}
    if isinstance(index, pd.DatetimeIndex):
        zone = None if index.tz is None else str(index.tz)
        return {**out, "kind": "dates", "labels": index.asi8.tolist(), "unit": index.unit, "zone": zone}
    if isinstance(index, pd.TimedeltaIndex):
        return {**out, "kind": "durations", "labels": index.asi8.tolist(), "unit": index.unit}
    if isinstance(index, pd.PeriodIndex):
        return {**out, "kind": "periods", "labels": [str(period) for period in index], "unit": index.freqstr}
    labels = [_plain(label) for label in index]
    text_type = "str" if str(index.dtype) == "str" else "object"
    if not isinstance(index, pd.CategoricalIndex) and index.dtype.kind in "iufb":
        dtype = str(index.dtype) if str(index.dtype) in _NUMBERS else _WIDEST[index.dtype.kind]
        return {**out, "kind": "numbers", "labels": labels, "dtype": dtype}
    if not level and all(isinstance(label, str) for label in labels):
        return {**out, "kind": "text", "dtype": text_type}
    labels = [x if x is None or isinstance(x, (str, int, float)) else str(x) for x in labels]
    return {**out, "kind": "mixed", "labels": labels, "dtype": text_type}


def _scalar(name: str, value: object) -> object:
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise InputError(f"{name} must be text or a number, not {shown(value)}.")


_FIELDS = {
    "levels": {},  # looked at by itself
    "range": {"range": listed(whole, length=3)},
    "dates": {"labels": listed(whole), "unit": partial(one_of, allowed=_UNITS), "zone": nullable(text)},
    "durations": {"labels": listed(whole), "unit": partial(one_of, allowed=_UNITS)},
    "periods": {"labels": listed(text), "unit": text},
    "numbers": {"labels": listed(_scalar), "dtype": partial(one_of, allowed=_NUMBERS)},
    "text": {"dtype": partial(one_of, allowed=("str", "object"))},
    "mixed": {"labels": listed(_scalar), "dtype": partial(one_of, allowed=("str", "object"))},
}


def from_plain(where: str, value: Any, names: Sequence[str]) -> pd.Index:
    """Labels that :func:`to_plain` made plain.

    Parameters
    ----------
    where : str
        What the sentence of an error calls them.
    value
        As read.
    names : sequence of str
        The labels as text.

    Raises
    ------
    InputError
        If they are not what they should be.
    """
    kind = record({"kind": partial(one_of, allowed=tuple(_FIELDS))}, others=anything)(where, value)["kind"]
    try:
        if kind == "levels":
            import pandas as pd

            levels = record({"levels": listed(anything, least=1)})(where, value)["levels"]
            parts = [from_plain(f"{where}.levels[{k}]", level, names) for k, level in enumerate(levels)]
            index = pd.MultiIndex.from_arrays(parts, names=[part.name for part in parts])
        else:
            found = record(_FIELDS[kind], optional={"name": _scalar}, defaults={"name": None})(where, value)
            index = _index(kind, found, names).rename(found["name"])
        size = len(index)  # of a range beyond what memory can hold: an OverflowError
    except InputError:
        raise
    # whatever pandas says of units, time zones, types and numbers that do not go together
    except (ArithmeticError, LookupError, TypeError, ValueError, OSError) as error:
        raise InputError(f"{where} holds no labels of the kind {kind!r}.") from error
    if size != len(names):
        raise InputError(f"{where} has {size} labels, not {len(names)}.")
    return index


def _index(kind: str, found: Mapping[str, Any], names: Sequence[str]) -> pd.Index:
    import pandas as pd

    if kind == "range":
        start, stop, step = found["range"]
        return pd.RangeIndex(start, stop, step)
    if kind == "text":
        return pd.Index(list(names), dtype=found["dtype"])
    labels = list(found["labels"])
    if kind == "dates":
        dates = pd.DatetimeIndex(np.array(labels, np.int64).view(f"M8[{found['unit']}]"))
        return dates if found["zone"] is None else dates.tz_localize("UTC").tz_convert(found["zone"])
    if kind == "durations":
        return pd.TimedeltaIndex(np.array(labels, np.int64).view(f"m8[{found['unit']}]"))
    if kind == "periods":
        return pd.PeriodIndex(labels, freq=found["unit"])
    return pd.Index(labels, dtype=found["dtype"])
