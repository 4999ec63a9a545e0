"""The folder of a sweep.

study.json             the study, so that the folder explains itself
cells/<key>.parquet    one file for each finished cell, written whole
failures/<key>.json    cells that failed; they are tried again by the next run
log.jsonl              when each cell ended, seconds and memory (what differs between runs, kept apart)
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...argument_checks import flag, number, text
from ...errors import InputError
from ...files import atomic_path
from ...files.atomic import is_temporary
from ...files.plain_values import anything, mapping, nullable, read_json, record
from ..cell import Cell
from .cell_file import decode
from .config import check_values, make_study
from .study import Study
from .worker import Result

if TYPE_CHECKING:
    import pandas as pd

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

# the tables of the study itself are checked as those of a TOML file are
_STUDY = record({"data": mapping(text), "quick": flag}, others=anything)
_FAILURE = record({"failure": text})
_LOGGED = record(
    {"key": text, "seconds": partial(number, least=0)},
    {"failure": text, "peak_mb": nullable(partial(number, least=0)), "ended": text},
)
# without locks: seconds after which nobody is still writing a file; each is written at once, when its cell is
# done
_ABANDONED = 3600.0


@dataclass(frozen=True)
class Store:
    """Reads and writes the files of a sweep."""

    folder: Path

    # -- the study --------------------------------------------------------------------------------------

    @classmethod
    def create(cls, folder: str | PathLike[str]) -> Store:
        """A folder for a sweep; it may be there already.

        Raises
        ------
        InputError
            If the folder cannot be made.
        """
        store = cls(Path(folder))
        for path in (store.folder, store.folder / "cells", store.folder / "failures"):
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"Cannot write into {path}: {error.strerror or error}.") from error
        return store

    def adopt(self, study: Study) -> None:
        """Note which study the cells are of.

        Raises
        ------
        InputError
            If the folder belongs to a study of another name, or to the full version of which this is the
            quick one, or cannot be written.
        """
        if (self.folder / "study.json").exists():
            other = self.study()
            if other.name != study.name:
                raise InputError(
                    f"{self.folder} holds the study {other.name!r}; choose another folder for {study.name!r}."
                )
            if study.quick and not other.quick:
                raise InputError(
                    f"{self.folder} holds the full study {other.name!r}; choose another folder for the quick "
                    "one."
                )
        content = {**study.as_dict(), "data": study.data, "quick": study.quick}
        self._write("study.json", json.dumps(content, indent=1) + "\n")

    def study(self) -> Study:
        """The study that was last run into this folder; the function that it names is not imported.

        Raises
        ------
        InputError
            If the folder holds none.
        """
        path = self.folder / "study.json"
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise InputError(f"{self.folder} is not the folder of a sweep: it has no study.json.") from error
        except OSError as error:
            raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
        try:
            tables = _STUDY("the study", read_json("the study", content))
        except InputError as error:
            reason = str(error).rstrip(".")
            raise InputError(f"{path} is damaged ({reason}); delete it and run the sweep again.") from error
        check_values(tables, str(path))
        data, quick = tables.pop("data"), tables.pop("quick")
        return replace(make_study(tables, str(path), importing=False), data=data, quick=quick)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """While a sweep writes here. The first one clears away what a killed one left half-written."""
        if fcntl is None:
            self._clear(untouched_for=_ABANDONED)
            yield
            return
        try:
            lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise InputError(f"Cannot write into {self.folder}: {error.strerror or error}.") from error
        try:
            # without others, temporary files belong to nobody
            with contextlib.suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._clear()
            with contextlib.suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_SH)
            yield
        finally:
            os.close(lock)

    def _clear(self, untouched_for: float = 0.0) -> None:
        for folder in (self.folder, self.folder / "cells", self.folder / "failures"):
            for path in filter(lambda path: is_temporary(path.name), folder.glob(".rankfall-*")):
                # gone by now, or held open by another program
                with contextlib.suppress(OSError):
                    if not untouched_for or time.time() - path.stat().st_mtime > untouched_for:
                        path.unlink()

    # -- cells ------------------------------------------------------------------------------------------

    def path(self, cell: Cell) -> Path:
        """The file of a cell."""
        return self.folder / "cells" / f"{cell.key}.parquet"

    def read(self, cell: Cell) -> tuple[pd.DataFrame, dict[str, Any]]:
        """The rows of a cell and their provenance.

        Raises
        ------
        FileNotFoundError
            If the cell is not finished.
        ValueError
            If its file is damaged.
        """
        frame, provenance = decode(self.path(cell).read_bytes())
        if provenance.get("key") != cell.key:
            raise ValueError("it is the file of another cell")
        return frame, provenance

    def has(self, cell: Cell) -> bool:
        """Whether a cell is finished and its file sound; a damaged one will be made again."""
        return self.versions_of(cell) is not None

    def versions_of(self, cell: Cell) -> dict[str, str] | None:
        """The versions that made a cell; None if it is not finished, or its file is damaged.

        Raises
        ------
        InputError
            If its file cannot be read.
        """
        try:
            return self.read(cell)[1]["versions"]
        except (FileNotFoundError, ValueError):
            return None
        except OSError as error:
            raise InputError(f"Cannot read {self.path(cell)}: {error.strerror or error}.") from error

    def keep(self, cell: Cell, result: Result) -> None:
        """Write the file of a finished cell, or the record of a failure.

        Raises
        ------
        InputError
            If it cannot be written: a full disk, say.
        """
        failure = f"failures/{cell.key}.json"
        if result.payload is not None:
            with atomic_path(self.path(cell)) as temporary:
                temporary.write_bytes(result.payload)
            (self.folder / failure).unlink(missing_ok=True)
        else:
            content = {
                "failure": result.failure,
                "axes": cell.axes,
                "settings": cell.settings,
                "traceback": result.details,
            }
            self._write(failure, json.dumps(content, indent=1) + "\n")
        self._log(cell, result)

    def failures(self, cells: tuple[Cell, ...]) -> dict[str, str]:
        """What went wrong in the cells that failed and have not been finished since, by key.

        Raises
        ------
        InputError
            If a record cannot be read. One that is damaged says no more than that its cell failed.
        """
        finished, failed = self._keys("cells"), self._keys("failures")
        found: dict[str, str] = {}
        for cell in cells:
            if cell.key in failed and cell.key not in finished:
                path = self.folder / "failures" / f"{cell.key}.json"
                try:
                    said = read_json("the record", path.read_bytes())
                    found[cell.key] = _FAILURE("the record", said)["failure"]
                except OSError as error:
                    raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
                except InputError:
                    found[cell.key] = "it failed, but the record of why is damaged"
        return found

    def finished(self, cells: tuple[Cell, ...]) -> int:
        """How many cells have a file that begins and ends as Parquet does (what is in it is not read).

        Raises
        ------
        InputError
            If a file cannot be read.
        """
        there = self._keys("cells")
        return sum(cell.key in there and _looks_whole(self.path(cell)) for cell in cells)

    def _keys(self, folder: str) -> set[str]:
        """Keys of the cells that have a file in a folder."""
        path = self.folder / folder
        try:
            return {name.partition(".")[0] for name in os.listdir(path)}
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error

    # -- the log ----------------------------------------------------------------------------------------

    def log(self) -> list[dict[str, Any]]:
        """The lines of the log: key, failure, seconds, peak_mb, ended.

        Damaged ones (cut by a crash) are skipped.
        """
        path = self.folder / "log.jsonl"
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
        entries = []
        for line in lines:
            with contextlib.suppress(InputError):
                entries.append(_LOGGED("a line", read_json("a line", line)))
        return entries

    def _log(self, cell: Cell, result: Result) -> None:
        line = {
            "key": cell.key,
            "failure": result.failure,
            "seconds": round(result.seconds, 3),
            "peak_mb": result.peak_mb,
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        path = self.folder / "log.jsonl"
        try:
            with open(path, "ab", buffering=0) as stream:
                # a line that a crash cut short must not swallow this one
                start = b"" if not stream.tell() or _ends_a_line(path) else b"\n"
                stream.write(start + json.dumps(line).encode() + b"\n")
        except OSError as error:
            raise InputError(f"Cannot write {path}: {error.strerror or error}.") from error

    def _write(self, name: str, text: str) -> None:
        with atomic_path(self.folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _ends_a_line(path: Path) -> bool:
    with open(path, "rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


def _looks_whole(path: Path) -> bool:
    try:
        with open(path, "rb") as stream:
            head = stream.read(4)
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(size - 4, 0))
            return head == stream.read(4) == b"PAR1"
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
