"""Completion beyond memory and beyond one machine, on Dask: triplets in, a folder out.

:func:`rankfall.dask.complete` reads a folder of Parquet or CSV (or a table, or a frame of Dask) with a row, a
column and a value in every entry, and returns a :class:`DistributedCompletion`, which
:func:`rankfall.dask.load` reads back.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .complete_triplets import complete
    from .result import DistributedCompletion, load

_HOMES = {"complete": ".complete_triplets", "DistributedCompletion": ".result", "load": ".result"}

__all__ = ["DistributedCompletion", "complete", "load"]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
