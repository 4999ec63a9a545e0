"""Where results go: checked before anything is computed."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError
from ..files import check_writable

STDOUT = Path("-")
# endings of files in which nobody would look for a page of HTML
_NO_PAGES = {".csv", ".docx", ".jpg", ".json", ".md", ".npz", ".pdf", ".png", ".svg", ".txt", ".xlsx"}


def check_outputs(inputs: dict[str, Path | None], outputs: dict[str, Path | None]) -> None:
    """Refuse outputs that cannot be written, or would overwrite an input or one another.

    Parameters
    ----------
    inputs, outputs : dict
        What each path is called on the command line; None and stdout are skipped.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    taken = {name: path for name, path in inputs.items() if path is not None}
    for name, path in outputs.items():
        if path is None or path == STDOUT:
            continue
        for other, at in taken.items():
            if _same(path, at):
                raise InputError(
                    f"{name} and {other} are the same file, {path}; choose another name for {name}."
                )
        if name == "PAGE" and path.suffix.lower() in _NO_PAGES:
            raise InputError(f"The report is a page of HTML; write it to {path.with_suffix('.html')}.")
        check_writable(path)
        taken[name] = path


@contextmanager
def stdout_or(path: Path) -> Iterator[Path]:
    """A path to write to; for stdout, a temporary .csv file that is copied there once it is complete."""
    if path != STDOUT:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stdout.csv"
        yield file
        sys.stdout.flush()
        with open(file, "rb") as stream:
            shutil.copyfileobj(stream, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _same(a: Path, b: Path) -> bool:
    # hard links and other spellings of a path, and two names that do not exist yet
    return os.path.realpath(a) == os.path.realpath(b) or (
        a.exists() and b.exists() and os.path.samefile(a, b)
    )
