"""Completing a matrix: ask exactly, then with noise, then deliver.

The verb is in :mod:`rankfall.completion.complete`. What is heavy loads on first use, so that the options can
be read without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .clock import Progress
    from .kinds.storage import load
    from .result.completion import Completion
    from .result.draws import Draws

_HOMES = {
    "Completion": ".result.completion",
    "Draws": ".result.draws",
    "Progress": ".clock",
    "load": ".kinds.storage",
}

__all__ = ["Completion", "Draws", "Progress", "load"]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
