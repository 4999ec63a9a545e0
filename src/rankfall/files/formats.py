"""Which format a table has: what the name says, or the first bytes."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path, PurePath

from ..errors import InputError
from .atomic import atomic_path
from .inputs import PACKED, ZIP, Source, Unpacked, open_input, zipped_kind

TEXT = (".csv", ".tsv", ".txt")
FRAMES = (".parquet", ".feather")
EXCEL = (".xlsx", ".xlsm")
SUFFIXES = (*TEXT, *FRAMES, *EXCEL, ".npz", ".npy")
# tables that others write and rankfall does not read
_FOREIGN = (".xls", ".xlsb", ".ods", ".json", ".sav", ".dta", ".sas7bdat", ".rds", ".rdata", ".h5", ".hdf5",
            ".mat", ".nc", ".pkl", ".pickle", ".db", ".sqlite", ".orc", ".avro", ".pdf", ".html", ".doc",
            ".docx", ".zip", ".gz", ".bz2", ".xz", ".7z", ".tar", ".zst")  # fmt: skip
_MAGIC = ((b"PAR1", ".parquet"), (b"ARROW1", ".feather"), (b"FEA1", ".feather"), (b"\x93NUMPY", ".npy"))


def kind_of_input(source: Source) -> str:
    """The suffix of :data:`SUFFIXES` that tells how to read this.

    A file of another name is read as text if it begins like text; for stdin, the first bytes tell.

    Raises
    ------
    InputError
        If it is none of these.
    """
    suffix = PurePath(str(source)).suffix.lower()
    if suffix in SUFFIXES:
        return suffix
    if suffix in _FOREIGN:
        raise _unknown(source)
    with open_input(source) as stream:
        start = stream.read(4096)
    found = next((kind for magic, kind in _MAGIC if start.startswith(magic)), None)
    if found is not None:
        return found
    if start.startswith(ZIP):
        with open_input(source) as stream:
            kind = zipped_kind(stream)
        if kind in SUFFIXES:
            return kind
        raise _unknown(source)
    if b"\0" in start and not start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unknown(source)
    return ".csv"


def kind_of_output(path: str | PathLike[str]) -> tuple[str, str]:
    """The suffix that tells how to write this, and ``.gz``, ``.zip`` or nothing.

    Raises
    ------
    InputError
        If the name tells no format.
    """
    name = PurePath(path)
    packed = name.suffix.lower() if name.suffix.lower() in PACKED else ""
    suffix = PurePath(name.stem).suffix.lower() if packed else name.suffix.lower()
    if packed == ".zip" and not suffix:
        suffix = ".csv"
    if suffix not in SUFFIXES:
        raise _unknown(path)
    return suffix, packed


@contextmanager
def output_path(path: str | PathLike[str]) -> Generator[Path]:
    """A path to write a table to, which becomes `path`, compressed if it says so, when the block ends well.

    Raises
    ------
    InputError
        If the name tells no format, or there cannot be a file at `path`.
    """
    suffix, packed = kind_of_output(path)
    with atomic_path(path) as temporary:
        if not packed:
            yield temporary
            return
        name = PurePath(path).stem
        name = name if PurePath(name).suffix.lower() == suffix else f"{name}{suffix}"
        with tempfile.TemporaryDirectory() as folder:
            inner = Path(folder) / name
            yield inner
            _pack(inner, temporary, packed)


def _pack(inner: Path, outer: Path, packed: str) -> None:
    """Compress a file; the same content gives the same bytes."""
    with open(inner, "rb") as stream:
        if packed == ".gz":
            with open(outer, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as target:
                shutil.copyfileobj(stream, target)
            return
        with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
            info = zipfile.ZipInfo(inner.name)
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as target:
                shutil.copyfileobj(stream, target)


def _unknown(source: Source) -> InputError:
    name = source.name if isinstance(source, Unpacked) else source
    return InputError(
        f"The name of {name} does not tell its format; it must end in {', '.join(SUFFIXES[:-1])} or "
        f"{SUFFIXES[-1]}, and {' or '.join(PACKED)} may follow."
    )
