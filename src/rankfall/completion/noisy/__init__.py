"""Data with noise: held-out cells, data model, candidates of every rank, refits, and the choice."""
