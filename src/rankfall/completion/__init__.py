"""Completion: diagnose, descend through the ranks, choose, polish, deliver."""

from .complete import complete
from .result.completion import Completion
from .result.storage import load
from .session import Progress

__all__ = ["Completion", "Progress", "complete", "load"]
