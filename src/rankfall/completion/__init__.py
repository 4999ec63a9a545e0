"""Completing a matrix: ask exactly, then with noise, then deliver."""

from .complete import complete
from .result.completion import Completion, load
from .session import Progress

__all__ = ["Completion", "Progress", "complete", "load"]
