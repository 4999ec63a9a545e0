"""What happens inside a worker: one cell, computed and turned into the bytes of its file."""

from __future__ import annotations

import os
import platform
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ...errors import InputError
from ...version import __version__
from .. import runners
from ..cell import Cell
from .cell_file import encode
from .time_limit import TimeLimit, time_limit

_PACKAGES = ("numpy", "scipy", "numba", "pandas", "pyarrow")


@dataclass(frozen=True)
class Result:
    """How a cell ended.

    Attributes
    ----------
    key : str
    payload : bytes or None
        The whole content of the cell's Parquet file; None if the cell failed.
    failure : str
        One sentence; empty if there is none.
    details : str
        The traceback of a failure.
    seconds : float
    peak_mb : float or None
        Largest memory of the worker up to now, in units of 2**20 bytes.
    """

    key: str
    payload: bytes | None
    failure: str = ""
    details: str = ""
    seconds: float = 0.0
    peak_mb: float | None = None


def compute(cell: Cell, folder: Path | None = None) -> Result:
    """Compute a cell; failures are results, so that a worker goes on.

    Parameters
    ----------
    cell : Cell
    folder : Path, optional
        Where relative paths in the settings start.
    """
    started = time.perf_counter()
    payload, failure, details = None, "", ""
    try:
        with one_thread(), time_limit(cell.time_limit):
            frame = runners.find(cell.runner, folder)(cell)
            payload = encode(frame, cell, versions())
    except TimeLimit:
        failure = limit_sentence(cell)
    except InputError as error:
        failure, details = str(error), traceback.format_exc()
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
        details = traceback.format_exc()
    sentence = " ".join(failure.split())
    return Result(cell.key, payload, sentence, details, time.perf_counter() - started, _peak_mb())


def limit_sentence(cell: Cell) -> str:
    """What is recorded when a cell took too long."""
    return f"time limit: the cell had not ended after {cell.time_limit:g} s"


@cache
def versions() -> dict[str, str]:
    """Versions of whatever can change a result."""
    found = {"rankfall": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for numba and for the BLAS: a sweep uses its processors with cells, not within them."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        # the environment of our own processes says so already, and numba takes a second to import
        if os.environ.get("NUMBA_NUM_THREADS") == "1" and "numba" not in sys.modules:
            yield
            return
        from ...compute.threads import threads

        with threads(1):
            yield


def _peak_mb() -> float | None:
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
