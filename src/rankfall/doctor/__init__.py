"""Checks of an installation and its computer, for bug reports.

:func:`examine` makes the checks, and ``rankfall doctor`` prints them. Whatever may crash or hang runs in an
interpreter of its own (``child`` starts it, ``probes`` is what it runs); ``checks`` turns its answers into
sentences. This package needs the standard library only, so ``python -m rankfall.doctor`` works where nothing
else does.
"""

from __future__ import annotations

from .checks import examine
from .report import Check, DoctorReport

__all__ = ["Check", "DoctorReport", "examine"]
