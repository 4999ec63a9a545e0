"""Where theory and dynamics meet: runs that are watched, and events that are rare.

``monitoring`` runs SGD with the certificate of Theorem 3 riding along. ``splitting`` measures probabilities too small to
sample (``ams`` is the algorithm for any Markov chain, ``sgd_chain`` makes SGD one), ``first_passage`` mean times.
"""

from __future__ import annotations

from .first_passage import FirstPassage, Growth, first_passage, passage_growth
from .monitoring import Monitored, monitor
from .splitting import Path, Splitting, splitting

__all__ = [
    "FirstPassage",
    "Growth",
    "Monitored",
    "Path",
    "Splitting",
    "first_passage",
    "monitor",
    "passage_growth",
    "splitting",
]
