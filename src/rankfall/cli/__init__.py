"""The command line: parsing and printing only."""

from __future__ import annotations

from .app import app, main

__all__ = ["app", "main"]
