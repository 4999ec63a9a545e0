"""Damage to a sound file, drawn from a seed: blind to its structure, or along it."""

from __future__ import annotations

import io
import json
import re
import zipfile
from itertools import islice
from typing import Any

import numpy as np

from damage import META, NESTED, WRONG, damaged_arrays

Generator = np.random.Generator
# what readers of text, numbers, JSON and TOML trip over
_WORDS: tuple[bytes, ...] = (
    b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n", b"\n\n", b'"', b"'", b",", b";", b"\t", b"#",
    b"nan", b"inf", b"-inf", b"1e400", b"-0", b"0x10", b"1_000", b"9" * 400, b"1e-400", b"=1+1",
    b"\x1b]0;x\x07", b"\xe2\x80\xae", b"[", b"{", b"[[", b"[" * 3000, b"{\"a\":" * 500, b"null",
    b"true", b"[]", b"{}", b"-1", b"1e18", b"9223372036854775808", b"../../x", b"%s%n",
    b"\xf0\x9f\x8e\xb2", b"a" * 5000, b"1.5.2", b"2024-02-30",
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(\.\d+)?(e-?\d+)?")


def mutated(content: bytes, inside: str, rng: Generator) -> bytes:
    """Damaged content; `inside` as in :class:`fuzz.formats.Format`."""
    along = {"zip": _zip, "members": _members, "json": _json, "text": _text, "toml": _text}
    if inside == "sealed zip":
        # what a digest must see: numbers that are changed, and nothing else
        return _zip(content, rng, keep_digest=True) if rng.random() < 0.7 else _bytes(content, rng)
    if inside in along and rng.random() < 0.75:
        return along[inside](content, rng)
    return _bytes(content, rng)


def _bytes(content: bytes, rng: Generator) -> bytes:
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(data) + 1))
        stop = min(len(data), at + int(rng.integers(1, 60)))
        match int(rng.integers(7)):
            case 0:
                data[at:stop] = rng.bytes(stop - at)
            case 1:
                del data[at:stop]
            case 2:
                data[at:at] = _word(rng)
            case 3:
                data[at:stop] = bytes(stop - at)
            case 4:
                data[at:at] = data[at:stop] * int(rng.integers(1, 30))
            case 5 if at < len(data):
                data[at] ^= 1 << int(rng.integers(8))
            case 6 if rng.random() < 0.3:
                del data[at:]
    return bytes(data)


def _word(rng: Generator) -> bytes:
    return _WORDS[int(rng.integers(len(_WORDS)))]


def _text(content: bytes, rng: Generator) -> bytes:
    """Another word in the place of a number or of a cell."""
    for _ in range(int(rng.integers(1, 3))):
        places = [found.span() for found in _NUMBER.finditer(content)] if rng.random() < 0.5 else []
        places = places or [found.span() for found in re.finditer(rb"[^,;\t\n]+", content)]
        if not places:
            return _bytes(content, rng)
        start, stop = places[int(rng.integers(len(places)))]
        content = content[:start] + _word(rng) + content[stop:]
    return content


def _json(content: bytes, rng: Generator) -> bytes:
    """Another value somewhere in a tree."""
    try:
        tree = json.loads(content)
    except ValueError:
        return _bytes(content, rng)
    for _ in range(int(rng.integers(1, 3))):
        holder: Any = {"": tree}
        key: Any = ""
        while isinstance(holder[key], (dict, list)) and holder[key] and rng.random() < 0.85:
            holder = holder[key]
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            key = keys[int(rng.integers(len(keys)))]
        if isinstance(holder, dict) and rng.random() < 0.2 and key:
            del holder[key]
        else:
            holder[key] = _value(rng)
        tree = holder[""] if key == "" and "" in holder else tree
    text = json.dumps(tree)
    return text.replace('"NESTED"', NESTED).encode()


def _value(rng: Generator) -> Any:
    more = ("NESTED", "\x1b[2J", "a" * 3000, 1e308, -1e308, 2**63, -(2**63), 1e-320, [1e18], [[1]], "\ud800")
    values = (*WRONG, *more)
    return values[int(rng.integers(len(values)))]


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)
    return stream.getvalue()


def _parts(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(parts: dict[str, bytes], rng: Generator) -> bytes:
    stream = io.BytesIO()
    method = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)[int(rng.integers(3))]
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return stream.getvalue()


def _zip(content: bytes, rng: Generator, keep_digest: bool = False) -> bytes:
    """Another array, or other metadata, in an archive that is sound as one."""
    parts = _parts(content)
    names = list(parts)
    for _ in range(1 if keep_digest else int(rng.integers(1, 3))):
        name = names[int(rng.integers(len(names)))]
        if name == META:
            parts[name] = _json(parts[name], rng)
        elif name in parts and rng.random() < 0.08:
            del parts[name]
        elif name in parts:
            try:
                array = np.load(io.BytesIO(parts[name]))
            except Exception:  # what was damaged before is no array any more
                continue
            parts[name] = _other_array(array, parts[name], rng)
    if META in parts and not keep_digest:
        # the schema is what is tried, as a forger would
        parts[META] = re.sub(rb'"digest": "[^"]*",', b"", parts[META])
    return _zipped(parts, rng)


def _other_array(array: np.ndarray, content: bytes, rng: Generator) -> bytes:
    match int(rng.integers(5)):
        case 0:
            return _bytes(content, rng)
        case 1 if array.size and array.dtype.kind in "iuf":
            wrong = array.copy()
            flat = wrong.reshape(-1)
            at = int(rng.integers(flat.size))
            with np.errstate(over="ignore"):
                flat[at] = flat[int(rng.integers(flat.size))] + array.dtype.type(rng.integers(0, 4))
            return _npy(wrong)
        case 2 if array.size:
            return _npy(rng.permutation(array.reshape(-1)).reshape(array.shape))
    if array.dtype.kind not in "biuf":
        return _bytes(content, rng)
    many = list(islice(damaged_arrays(array), 60))
    return _npy(many[int(rng.integers(len(many)))][1])


def _members(content: bytes, rng: Generator) -> bytes:
    """Damage inside a member of a zip file that holds XML."""
    parts = _parts(content)
    names = list(parts)
    name = names[int(rng.integers(len(names)))]
    parts[name] = _text(parts[name], rng) if rng.random() < 0.6 else _bytes(parts[name], rng)
    return _zipped(parts, rng)
