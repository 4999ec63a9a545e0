"""Compiled loops of SGD, where a chain stands in memory, its random numbers, and the literal twin in NumPy."""
