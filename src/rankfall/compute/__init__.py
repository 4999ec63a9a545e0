"""How compiled loops run: threads, numba options, cache lines, vector loops. Knows no mathematics of rankfall."""
