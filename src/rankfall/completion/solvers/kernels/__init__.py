"""Compiled loops of the solvers, and their literal twins in NumPy."""
