"""What the report of a network's rank memory shows, as plain arrays and strings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .tables import TextTable


@dataclass(frozen=True, eq=False)
class LayerRanks:
    """Ranks of one layer along a run; NaN where there is none.

    Attributes
    ----------
    name : str
    limit : int
        ``min(m, n)``.
    steps : ndarray of int, shape (n,)
    today, bound, certified : ndarray, shape (n,)
        By an SVD, by Theorem S1, from the log.
    """

    name: str
    limit: int
    steps: np.ndarray
    today: np.ndarray
    bound: np.ndarray
    certified: np.ndarray


@dataclass(frozen=True, eq=False)
class MemoryTables:
    """Everything on the page of a network's rank memory.

    Attributes
    ----------
    title, subtitle, found : str
    headline : tuple of (str, str)
    layers : TextTable
        One row for each layer.
    reasons : tuple of str
        Why nothing is certified, each once.
    curves : tuple of LayerRanks
    settings : tuple of (str, str)
    """

    title: str
    subtitle: str
    found: str
    headline: tuple[tuple[str, str], ...]
    layers: TextTable
    reasons: tuple[str, ...] = ()
    curves: tuple[LayerRanks, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
