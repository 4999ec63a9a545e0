"""How compiled loops run: threads, numba options, cache lines, vector loops. No mathematics of rankfall."""
