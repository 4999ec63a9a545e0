"""The rolling certificate (Theorem 6): proofs between looks, at practical learning rates.

``growth_in_ball`` has :func:`look`, which bounds how fast the tail of a hidden layer can grow around a
network (``leading`` makes it cheap), ``plan`` chooses what to promise there, ``certificate`` holds the
settings and watches a run, ``ledger`` is what it leaves behind.
"""

from __future__ import annotations

from .certificate import Interval, RollingCertificate, RollingWatch
from .growth_in_ball import Look, look
from .ledger import RollingLedger

__all__ = ["Interval", "Look", "RollingCertificate", "RollingLedger", "RollingWatch", "look"]
