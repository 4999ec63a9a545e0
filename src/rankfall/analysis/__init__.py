"""What runs show: watched by theory, counted, and measured where it is too rare to count.

``monitored_run`` runs SGD with the certificate of Theorem 3 riding along; ``jumps`` finds where the rank
fell or rose and stayed; ``survival`` has the statistics of such events. ``splitting`` measures
probabilities too small to sample (``multilevel_splitting`` is the algorithm for any Markov chain,
``branching_sgd`` makes SGD one), ``first_passage`` mean times; ``slowest_mode`` says how long a run must be
for either. ``stationary_descent`` follows gradient descent to where it ends.
"""

from __future__ import annotations

from .first_passage import FirstPassage, Growth, first_passage, passage_growth
from .jumps import Jumps, find_jumps
from .monitored_run import Monitored, monitor
from .slowest_mode import slowest_mode
from .splitting import Path, Splitting, splitting
from .stationary_descent import Descended, descend
from .survival import Rate, kaplan_meier, poisson_rate

__all__ = [
    "Descended",
    "FirstPassage",
    "Growth",
    "Jumps",
    "Monitored",
    "Path",
    "Rate",
    "Splitting",
    "descend",
    "find_jumps",
    "first_passage",
    "kaplan_meier",
    "monitor",
    "passage_growth",
    "poisson_rate",
    "slowest_mode",
    "splitting",
]
