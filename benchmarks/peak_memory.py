"""The largest memory that this process has had."""

from __future__ import annotations

import math
import sys


def peak_megabytes() -> float:
    """So far; NaN where the system does not count it (Windows)."""
    try:
        import resource
    except ImportError:
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
