"""Is there an exact fit? Search, precision of the values, uniqueness of the fit."""

from .precision import Precision
from .search import ExactAnswer, search

__all__ = ["ExactAnswer", "Precision", "search"]
