"""Columns of every kind: encoded into a latent table, completed, and decoded."""

from .columns import ColumnKind, KindsTable, read_kinds
from .draws import MixedDraws
from .mixed_completion import MixedCompletion

__all__ = ["ColumnKind", "KindsTable", "MixedCompletion", "MixedDraws", "read_kinds"]
