"""Sweeps of many cells that survive crashes."""
