"""Damages a sound archive in every kind of way, one at a time: what a reader must refuse, or survive."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

META = "rankfall.json"
# values that stand where others should, in metadata
WRONG: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    0.5,
    10**30,
    float("nan"),
    float("inf"),
    "<script>",
    "",
    [],
    [None],
    [1, 2, 3],
    {},
    {"x": 1},
)
NESTED = "[" * 5000 + "]" * 5000


def damaged_archives(sound: Path, part: str) -> Iterator[tuple[str, bytes]]:
    """Names of damages to one part ("arrays", "headers", "metadata", "file"), and the damaged files'
    bytes.
    """
    with zipfile.ZipFile(sound) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    # as in files of rankfall 0.1: a digest would refuse all damage, and the schema is what is tried
    members[META] = re.sub(rb'"digest": "[^"]*",', b"", members[META])
    if part == "file":
        yield from _cut(sound.read_bytes())
        for name in members:
            yield f"{name} is missing", _zipped({k: v for k, v in members.items() if k != name})
    for name, content in members.items():
        if name == META and part == "metadata":
            for what, text in damaged_texts(content.decode()):
                yield what, _zipped({**members, name: text.encode()})
        elif name != META and part in ("arrays", "headers"):
            array = np.load(io.BytesIO(content))
            damages = damaged_arrays(array) if part == "arrays" else _lying_headers(array)
            for what, damaged in damages:
                new = damaged if isinstance(damaged, bytes) else _npy(damaged)
                yield f"{name}: {what}", _zipped({**members, name: new})


def _cut(whole: bytes) -> Iterator[tuple[str, bytes]]:
    for share in (0.0, 0.3, 0.6, 0.9, 0.999):
        yield f"cut to {share:.1%}", whole[: int(share * len(whole))]


def damaged_arrays(array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """An array with another shape, another type, or other numbers."""
    yield "one more axis", array[None]
    yield "a number", np.asarray(array.ravel()[:1].sum() if array.size else 0, array.dtype)
    yield "empty", array[..., :0] if array.ndim else np.empty(0, array.dtype)
    if array.ndim:
        yield "half the rows", array[: len(array) // 2]
        yield "twice the rows", np.concatenate([array, array])
        yield "backwards", array[::-1]
        yield "the first everywhere", np.repeat(array[:1], len(array), axis=0)
    if array.ndim == 2:
        yield "transposed", array.T
        yield "one column less", array[:, 1:]
    for dtype in ("f4", "f2", "i8", "u1", "c16", "?", "U3", "M8[s]"):
        if np.dtype(dtype) != array.dtype:
            with np.errstate(invalid="ignore", over="ignore"):
                yield f"as {dtype}", np.nan_to_num(array).astype(dtype)
    yield "swapped bytes", array.astype(array.dtype.newbyteorder(">"))
    yield "by columns", np.asfortranarray(array)
    wholes = (-1, -(10**6), 10**6, 2**62, -(2**63))
    floats = (np.nan, np.inf, -np.inf, -1.0, 0.0, 1e300, 5e-324)
    for number in {"i": wholes, "u": wholes, "f": floats}.get(array.dtype.kind, ()):
        fits = array.dtype.kind == "f" or np.iinfo(array.dtype).min <= number <= np.iinfo(array.dtype).max
        for place in (0, -1, slice(None)):
            if array.size and fits:
                wrong = array.copy()
                wrong.reshape(-1)[place] = number
                yield f"{number} at {place}", wrong


def _lying_headers(array: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """An .npy whose header claims another shape than there are data for."""
    for shape in ((10**15,), (2**62, 2**62), (-1,)):
        stream = io.BytesIO()
        described = {"descr": array.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, described)
        yield f"claims {shape}", stream.getvalue() + array.tobytes()


def damaged_texts(text: str) -> Iterator[tuple[str, str]]:
    """A text in JSON with another value in each place in turn."""
    plain = json.loads(text)
    for path in _places(plain):
        for value in WRONG:
            if value == _get(plain, path):
                continue
            yield f"{path} = {value!r}", json.dumps(_put(plain, path, value))
        yield f"{path} nested", json.dumps(_put(plain, path, "HERE")).replace('"HERE"', NESTED)
        yield f"{path} a long number", json.dumps(_put(plain, path, "HERE")).replace('"HERE"', "9" * 5000)
        if isinstance(path[-1], str):
            yield f"{path} missing", json.dumps(_put(plain, path, _Nothing))
    yield "cut", text[: len(text) // 2]
    yield "empty", ""


class _Nothing:
    """Stands for a value that is taken away."""


def _places(plain: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    if isinstance(plain, dict):
        for name, value in plain.items():
            yield from _places(value, (*path, name))
    elif isinstance(plain, list):
        # the members of a list are alike
        for k, value in enumerate(plain[:1]):
            yield from _places(value, (*path, k))


def _get(plain: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        plain = plain[part]
    return plain


def _put(plain: Any, path: tuple[str | int, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(plain))
    at = copy
    for part in path[:-1]:
        at = at[part]
    if value is _Nothing:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return copy


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)
    return stream.getvalue()


def _zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()
