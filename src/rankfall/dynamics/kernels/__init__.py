"""Compiled loops of SGD, the memory layout of a chain, its random numbers, and a literal twin in NumPy."""
