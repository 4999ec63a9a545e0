"""How messages name columns."""

from __future__ import annotations

from collections.abc import Sequence

_SHOWN = 5


def columns_in_words(names: Sequence[str]) -> str:
    """``column rain``, ``columns rain and sun``, ``columns rain, sun, wind, fog, snow and 3 more``."""
    if len(names) == 1:
        return f"column {names[0]}"
    if len(names) <= _SHOWN:
        return f"columns {', '.join(names[:-1])} and {names[-1]}"
    return f"columns {', '.join(names[:_SHOWN])} and {len(names) - _SHOWN:,} more"
