"""Compile the kernels once, by completing tiny matrices; numba keeps the result on disk."""

from __future__ import annotations

import numpy as np

import rankfall as rf
from rankfall.completion.solvers.kernels.column_sums import add_sums, update_from_sums

noisy, _ = rf.datasets.low_rank((30, 25), rank=2, observed=0.6, noise=0.1, seed=0)
clean, _ = rf.datasets.low_rank((30, 25), rank=2, oversampling=2.0, seed=0)
# sums over few cells are made by other kernels
sparse, _ = rf.datasets.low_rank((40, 40), rank=2, observed=0.2, noise=0.1, seed=0)
constant = np.where(np.eye(4), np.nan, 7.0)
for table in (noisy, clean, sparse, constant):
    result = rf.complete(table)
    result.interval(0, 0)
    list(result.draws(2))
list(rf.complete(noisy, max_rank=2, noise="student").draws(2))
for table in (noisy, sparse):
    result = rf.complete(table, ordered="both", max_rank=2)
    result.interval(0, 0)
    list(result.draws(2))
# the sums of completions beyond memory
moments, zero = np.ones((2, 3)), np.zeros((2, 3))
start, sums = np.zeros(3, np.int64), (zero, np.zeros((2, 2)), np.zeros(2))
add_sums(start, start[:0], np.empty(0), np.empty(0), np.ones((2, 2)), moments, *sums)
update_from_sums(
    *sums, np.zeros(2), np.arange(2), -1, np.ones(2), np.zeros(2), 1.0, np.inf, 1, np.zeros((2, 2)), zero,
    np.ones((2, 2)),
)  # fmt: skip
# cells that are known by a limit only
low = noisy.to_dense() < np.nanquantile(noisy.to_dense(), 0.1)
limits = np.where(low, np.nanquantile(noisy.to_dense(), 0.1), np.nan)
rf.complete(np.where(low, np.nan, noisy.to_dense()), censored=(None, limits)).interval(0, 0)
# columns of several kinds
levels = np.where(np.isnan(noisy.to_dense()), np.nan, np.digitize(noisy.to_dense(), [-0.5, 0.5]))
rf.complete(levels, kinds={**dict.fromkeys(range(12), "category"), **dict.fromkeys(range(12, 25), "ordinal")})
