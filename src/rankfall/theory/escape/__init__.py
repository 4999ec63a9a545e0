"""How fast SGD leaves a minimum over a saddle: Eyring and Kramers' law, and the path of least action."""

from __future__ import annotations

from .rate import EscapeRate, escape_rate

__all__ = ["EscapeRate", "escape_rate"]
