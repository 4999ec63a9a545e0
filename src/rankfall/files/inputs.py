"""Opening what is read: files, compressed ones, and stdin."""

from __future__ import annotations

import gzip
import io
import math
import os
import sys
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path, PurePath
from typing import IO

from ..errors import InputError

STDIN = Path("-")
PACKED = (".gz", ".zip")
ZIP = b"PK\3\4"
_PIECE = 2**22
# what a compressed file may unpack to without being asked: so much, or so many times its size. Tables of
# mostly empty cells shrink to a 30th, and what is read of text takes up to eight times its length in memory
LIMIT_VARIABLE = "RANKFALL_LARGEST_UNPACKED"
_LARGEST_UNPACKED, _USUAL_RATIO = 2**28, 100
# deflate cannot shrink further than this, so a member that claims more is lying
LARGEST_RATIO = 1032
_DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, LookupError)


@dataclass(frozen=True)
class Unpacked:
    """Bytes that do not stand in a file of their own: from stdin, or out of a compressed file.

    Attributes
    ----------
    name : str
        What messages call it; its suffix tells the format, where there is one.
    data : bytes
    """

    name: str
    data: bytes

    def __str__(self) -> str:
        return self.name


Source = str | PathLike[str] | Unpacked


def open_input(path: Source) -> IO[bytes]:
    """Open a file for reading; an InputError says why if it cannot be."""
    if isinstance(path, Unpacked):
        return io.BytesIO(path.data)
    try:
        stream = open(path, "rb")  # noqa: SIM115
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder, not a file.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error
    if stream.seekable():
        return stream
    # a pipe: its size is known when it has ended
    with stream, readable(path):
        return io.BytesIO(stream.read())


@contextmanager
def readable(path: object) -> Generator[None]:
    """While a file is read: what the system refuses is said with its name."""
    try:
        yield
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error


def check_unpacked(total: int, packed: int, path: object) -> None:
    """Refuse to unpack what is out of proportion to its file, before anything is unpacked.

    Raises
    ------
    InputError
        If `total` bytes are more than the environment variable RANKFALL_LARGEST_UNPACKED allows (by default
        256 MB, or a hundred times the `packed` bytes), or more than this computer's memory.
    """
    said = os.environ.get(LIMIT_VARIABLE, "").strip()
    try:
        limit = float(said) if said else max(_LARGEST_UNPACKED, _USUAL_RATIO * packed)
    except ValueError:
        raise InputError(f"{LIMIT_VARIABLE} must be a number of bytes (4e9, say), not {said!r}.") from None
    if total > memory():
        raise InputError(f"{path} would unpack to {total / 1e9:.0f} GB, more than this computer's memory.")
    if not total <= limit:
        raise InputError(
            f"{path} would unpack to {total / 1e6:,.0f} MB, {total / max(packed, 1):,.0f} times its size; if "
            f"you trust it, set the environment variable {LIMIT_VARIABLE}={_rounded_up(total)} (bytes)."
        )


def _rounded_up(count: int) -> str:
    return f"{math.ceil(count / 1e8) / 10:g}e9"


def size_of(stream: IO[bytes]) -> int:
    """Number of bytes in a stream that was just opened."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return size


def unpacked(path: Source) -> Source:
    """What a path leads to: stdin's bytes for ``-``, the one file in a .gz or .zip, else the path itself.

    Raises
    ------
    InputError
        If a compressed file is damaged, does not hold exactly one file, or would not fit into memory.
    """
    if isinstance(path, Unpacked):
        return path
    if Path(path) == STDIN:
        if sys.stdin is None:
            raise InputError("There is no stdin to read from: it was closed.")
        with readable("stdin"):
            data = sys.stdin.buffer.read()
        if data.startswith(b"\x1f\x8b"):
            return Unpacked("stdin", _gunzipped(io.BytesIO(data), "stdin"))
        if data.startswith(ZIP) and zipped_kind(io.BytesIO(data)) == ".zip":
            return _the_one_member(io.BytesIO(data), "stdin")
        return Unpacked("stdin", data)
    suffix = PurePath(path).suffix.lower()
    if suffix == ".gz":
        with open_input(path) as stream:
            return Unpacked(str(path)[: -len(suffix)], _gunzipped(stream, str(path)))
    if suffix == ".zip":
        with open_input(path) as stream:
            return _the_one_member(stream, path)
    return path


def zipped_kind(stream: IO[bytes]) -> str:
    """Whether a zip archive is an Excel workbook, an .npz, or an archive of something else."""
    try:
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return ".zip"
    if any(name.startswith("xl/") for name in names):
        return ".xlsx"
    return ".npz" if names and all(name.endswith(".npy") for name in names) else ".zip"


def check_members(members: list[zipfile.ZipInfo], file_size: int, path: Source) -> None:
    """Refuse a directory that no honest writer produces, and contents that do not fit into memory."""
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise InputError(f"{path} is damaged: two of its arrays have the same name.")
    # members that overlap share their compressed bytes: the best known zip bomb
    overlapping = sum(member.compress_size for member in members) > file_size
    if overlapping or any(m.file_size > LARGEST_RATIO * m.compress_size + 1024 for m in members):
        raise InputError(f"{path} is damaged: its contents claim to be larger than the file can hold.")
    check_unpacked(sum(member.file_size for member in members), file_size, path)


def memory() -> int:
    """Physical memory in bytes; a guess where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 16 * 2**30


def _gunzipped(stream: IO[bytes], name: str) -> bytes:
    pieces: list[bytes] = []
    total, packed = 0, size_of(stream)
    try:
        with gzip.GzipFile(fileobj=stream) as content:
            while piece := content.read(_PIECE):
                total += len(piece)
                # its header promises nothing
                check_unpacked(total, packed, name)
                pieces.append(piece)
    except InputError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{name} is damaged or not a .gz file ({_line(error)}).") from error
    return b"".join(pieces)


def _the_one_member(stream: IO[bytes], path: Source) -> Unpacked:
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            check_members(members, size_of(stream), path)
            files = [member for member in members if not member.is_dir() and not _hidden(member.filename)]
            if len(files) != 1:
                listed = ", ".join(member.filename for member in files[:5]) or "none"
                raise InputError(f"{path} must hold exactly one table, not {len(files)} files ({listed}).")
            return Unpacked(f"{path}/{files[0].filename}", archive.read(files[0]))
    except InputError:
        raise
    except _DAMAGED_ZIP as error:
        raise InputError(f"{path} is damaged or not a .zip file ({_line(error)}).") from error


def _hidden(name: str) -> bool:
    # what macOS adds to every archive
    return name.startswith("__MACOSX/") or PurePath(name).name.startswith(".")


def _line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
