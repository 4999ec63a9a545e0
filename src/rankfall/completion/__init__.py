"""Completion: diagnose, descend through the ranks, choose, polish, deliver."""

from .result import Completion
from .run import complete
from .session import Progress
from .storage import load

__all__ = ["Completion", "Progress", "complete", "load"]
