"""What runs show: watched by theory, and counted.

``monitoring`` runs SGD with the certificate of Theorem 3 riding along; ``jumps`` finds where the rank fell or rose
and stayed; ``survival`` has the statistics of such events.
"""

from __future__ import annotations

from .jumps import Jumps, find_jumps
from .monitoring import Monitored, monitor
from .survival import Rate, kaplan_meier, poisson_rate

__all__ = ["Jumps", "Monitored", "Rate", "find_jumps", "kaplan_meier", "monitor", "poisson_rate"]
