"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from ..errors import InputError

# Windows replaces no file that another program has open, be it a virus scanner that looks at it once
_PAUSES = (0.01, 0.03, 0.1, 0.3, 1.0) if sys.platform == "win32" else ()


# names of half-written files: nothing else may be cleared away
_TEMPORARY = re.compile(r"\.rankfall-[0-9a-f]{12}\.tmp(\.\w+)?")


def is_temporary(name: str) -> bool:
    """Whether a file of this name is one that :func:`atomic_path` made."""
    return _TEMPORARY.fullmatch(name) is not None


@contextmanager
def atomic_path(path: str | PathLike[str]) -> Generator[Path]:
    """A temporary file in the same folder, which becomes `path` when the block ends well.

    If the block raises, whatever was at `path` before is still there, and nothing else is left behind.

    Parameters
    ----------
    path : path
        Where the file shall be. A symbolic link is followed; an existing file keeps its permissions.

    Yields
    ------
    Path
        Write here; the name ends as `path` does.

    Raises
    ------
    InputError
        If there cannot be a file at `path`.
    """
    target = _ordinary(path)
    temporary = _create(target)
    try:
        yield temporary
        # on disk before the name is, or a crash could leave an empty file under the right name
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o7777)
        _replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        # a full disk names no file; trouble with another file is the block's own affair
        if isinstance(error, OSError) and error.filename in (None, str(temporary), str(target)):
            raise _cannot(target, error) from error
        raise


def check_writable(path: str | PathLike[str]) -> None:
    """Make sure that :func:`atomic_path` can write here, before the work whose result it shall hold.

    Raises
    ------
    InputError
        With the reason why it cannot.
    """
    _create(_ordinary(path)).unlink()


def _replace(temporary: Path, target: Path) -> None:
    for pause in _PAUSES:
        try:
            os.replace(temporary, target)
            return
        except PermissionError:
            time.sleep(pause)
    os.replace(temporary, target)


def _ordinary(path: str | PathLike[str]) -> Path:
    """The file behind a path, links followed."""
    target = Path(path)
    try:
        target = Path(os.path.realpath(path))
        mode = target.stat().st_mode
    except FileNotFoundError:
        return target
    except (OSError, ValueError) as error:
        raise _cannot(Path(path), error) from error
    if stat.S_ISDIR(mode):
        raise InputError(f"Cannot write {target}: it is a folder.")
    if not stat.S_ISREG(mode):
        raise InputError(f"Cannot write {target}: it is not an ordinary file.")
    # replacing the file would succeed, but its owner protected it
    if not os.access(target, os.W_OK):
        raise InputError(f"Cannot write {target}: the file is read-only.")
    return target


def _create(target: Path) -> Path:
    """An empty file with a name of its own beside the target, with the permissions that new files get."""
    temporary = target.with_name(f".rankfall-{secrets.token_hex(6)}.tmp{target.suffix}")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise _cannot(target, error) from error
    return temporary


def _cannot(target: Path, error: OSError | ValueError) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"Cannot write {target}: the folder {target.parent} does not exist.")
    return InputError(f"Cannot write {target}: {getattr(error, 'strerror', None) or error}.")
