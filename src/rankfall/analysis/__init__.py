"""Where theory and dynamics meet: runs that are watched.

``monitoring`` runs SGD with the certificate of Theorem 3 riding along.
"""

from __future__ import annotations

from .monitoring import Monitored, monitor

__all__ = ["Monitored", "monitor"]
