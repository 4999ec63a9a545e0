"""The rolling certificate (Theorem 6): proofs between looks, at practical learning rates.

``growth_in_ball`` has :func:`look`, which bounds how fast the tail of a hidden layer can grow around a
network (``leading`` makes it cheap), ``plan`` chooses what to promise there, ``certificate`` holds the
settings and watches a run, ``ledger`` is what it leaves behind.
"""

from __future__ import annotations

# :class:`RollingCertificate` and :class:`RollingLedger` are given out by :mod:`rankfall.theory`
from .certificate import Interval, RollingWatch
from .certificate import RollingCertificate as RollingCertificate
from .growth_in_ball import Look, look
from .ledger import RollingLedger as RollingLedger

__all__ = ["Interval", "Look", "RollingWatch", "look"]
