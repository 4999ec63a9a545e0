"""NumPy's .npy and .npz, read with suspicion: no pickle, and nothing allocated on a header's word alone."""

from __future__ import annotations

import lzma
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from typing import IO

import numpy as np

from ..errors import InputError
from .inputs import Source, check_members, open_input, size_of

_LONGEST_REASON = 120
_READABLE_VERSIONS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    # from headers that describe a type which is none
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    UnicodeError,
    ValueError,
    # from headers that end too early: NumPy tokenizes those it cannot evaluate
    tokenize.TokenError,
)


def read_npy(path: Source) -> np.ndarray:
    """The array in a .npy file.

    Raises
    ------
    InputError
        If there is no such file, it is damaged, it holds Python objects, or its header promises another
        amount of data than there is.
    """
    with open_input(path) as stream:
        return _read_stream(stream, size_of(stream), str(path))


def read_npz(
    path: Source, other: tuple[str, ...] = (), with_arrays: bool = True
) -> tuple[dict[str, np.ndarray], dict[str, bytes]]:
    """The arrays in an .npz file (none without `with_arrays`), and the bytes of its members named in `other`.

    Raises
    ------
    InputError
        As :func:`read_npy`, for any of the arrays.
    """
    arrays: dict[str, np.ndarray] = {}
    raw: dict[str, bytes] = {}
    with open_input(path) as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                members = archive.infolist()
                check_members(members, size_of(stream), path)
                for member in members:
                    if not with_arrays and member.filename not in other:
                        continue
                    with archive.open(member) as content:
                        if member.filename in other:
                            raw[member.filename] = content.read()
                        elif member.filename.endswith(".npy"):
                            name = member.filename.removesuffix(".npy")
                            arrays[name] = _read_stream(content, member.file_size, f"{path} ({name})")
                        else:
                            raise InputError(f"{path} holds {member.filename!r}, which is not a NumPy array.")
        except InputError:
            raise
        except _DAMAGE as error:
            raise InputError(f"{path} is damaged or not an .npz file ({_reason(error)}).") from error
    return arrays, raw


def _read_stream(stream: IO[bytes], size: int, where: str) -> np.ndarray:
    """The array in a stream of `size` bytes."""
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _READABLE_VERSIONS:
            raise ValueError(f"its format {version} is not for plain arrays")
        with warnings.catch_warnings():
            # headers written under Python 2 are fine
            warnings.simplefilter("ignore", UserWarning)
            shape, by_columns, dtype = _READABLE_VERSIONS[version](stream)
    except _DAMAGE as error:
        raise InputError(f"{where} is damaged or not a NumPy array ({_reason(error)}).") from error
    if dtype.hasobject:
        raise InputError(
            f"{where} holds Python objects (a pickle), which are not read: they could run any program."
        )
    count = math.prod(shape)
    header = stream.tell()
    if (
        any(length < 0 for length in shape)
        or count * dtype.itemsize != size - header
        or (count and not dtype.itemsize)
    ):
        raise InputError(
            f"{where} is damaged: its header promises {' x '.join(map(str, shape)) or 'one'} numbers of "
            f"{dtype.itemsize} bytes, but {size - header:,} bytes follow."
        )
    try:
        data = np.empty(count, dtype)
        into = data.view(np.uint8).data
        done = 0
        while done < len(into):
            piece = stream.read(min(len(into) - done, 2**22))
            if not piece:
                raise EOFError("the data end too early")
            into[done : done + len(piece)] = piece
            done += len(piece)
        # the end of a zip member is where its checksum is compared
        stream.read(1)
        return data.reshape(shape[::-1]).T if by_columns else data.reshape(shape)
    except MemoryError as error:
        raise InputError(f"{where} does not fit into the memory that is free.") from error
    except _DAMAGE as error:
        raise InputError(f"{where} is damaged ({_reason(error)}).") from error


def _reason(error: Exception) -> str:
    """What an error says, in a line: NumPy quotes whole headers."""
    line = str(error).strip().partition("\n")[0].rstrip(".")
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 3]}..."
