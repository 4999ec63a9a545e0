"""Data with noise: held-out cells, data model, candidates of every rank, refits, and the choice."""

from .search import NoisyAnswer, search

__all__ = ["NoisyAnswer", "search"]
