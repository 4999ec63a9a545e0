"""A run in progress: cuts the steps into kernel calls and keeps what happens between them on fixed grids."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ..problem import Problem
from . import batches, kernels
from .optimisers import GD, SGD
from .state import State
from .streams import stream_key

# numbers of a schedule that are held in memory at once
LONGEST_CALL = 1 << 20

_CODES = {"replacement": kernels.REPLACEMENT, "distinct": kernels.DISTINCT, "epochs": kernels.EPOCHS}


@dataclass
class Engine:
    """Moves a :class:`State` forward. Everything here is a setting; only `state` changes."""

    problem: Problem
    optimiser: SGD | GD
    state: State
    key: np.uint64

    def __post_init__(self) -> None:
        state, optimiser = self.state, self.optimiser
        self.rows = np.ascontiguousarray(self.problem.rows, np.int64)
        self.cols = np.ascontiguousarray(self.problem.cols, np.int64)
        self.values = np.ascontiguousarray(self.problem.values, np.float64)
        self.tiny = smallest_weight(state.buffer.dtype, state.widths.shape[1] - 1)
        self.sampling = kernels.PRESCRIBED
        if isinstance(optimiser, SGD) and optimiser.entries is None:
            self.sampling = _CODES[optimiser.sampling]
            if self.sampling == kernels.DISTINCT and optimiser.batch_size == 1:
                self.sampling = kernels.REPLACEMENT
        n_orders = self.values.size if self.sampling == kernels.EPOCHS else 0
        state.orders = np.zeros((state.n_chains, n_orders), np.int32)

    def advance(self, stop: int) -> None:
        """Move every running chain to step `stop`."""
        state = self.state
        while state.running.any():
            start = int(state.clock[state.running][0])
            if start >= stop:
                return
            self._call(start, min(stop, start + LONGEST_CALL))

    def _call(self, start: int, stop: int) -> None:
        state, optimiser = self.state, self.optimiser
        lr, ridge = optimiser.lr.values(start, stop), optimiser.ridge.values(start, stop)
        weights = (state.buffer, state.widths)
        fate = (state.clock, state.running, state.limits, self.tiny)
        data = (self.rows, self.cols, self.values)
        if isinstance(optimiser, GD):
            batches.advance_full(*weights, *fate, *data, lr, ridge, stop - start)
            return
        entries = np.zeros((0, 1), np.int64)
        if optimiser.entries is not None:
            entries = optimiser.entries[start:stop]
        arguments = (
            *weights, state.scales, *fate, *data, state.orders, entries, lr, ridge, stop - start, self.key,
            state.chains, self.sampling,
        )  # fmt: skip
        if optimiser.batch_size == 1:
            kernels.advance_single(*arguments)
        else:
            batches.advance_batches(*arguments, optimiser.batch_size)


def make_engine(problem: Problem, optimiser: SGD | GD, state: State, seed: int) -> Engine:
    """An engine whose random streams come from `seed`."""
    return Engine(problem, optimiser, state, stream_key(seed))


def smallest_weight(dtype: np.dtype, depth: int) -> float:
    """Weights smaller than this are dropped when the decay scalar is folded in.

    A product of `depth` of them would leave the range of normal numbers, after which every step is
    many times slower. In single precision the range is so short that the threshold is fixed.
    """
    return 1e-18 if np.dtype(dtype) == np.float32 else 10.0 ** (-300.0 / depth)


@contextmanager
def threads(n_threads: int | None) -> Iterator[None]:
    """Use `n_threads` threads in the kernels, and put the old number back afterwards."""
    import numba

    before = numba.get_num_threads()
    if n_threads is not None:
        numba.set_num_threads(max(1, min(int(n_threads), numba.config.NUMBA_NUM_THREADS, os.cpu_count() or 1)))
    try:
        yield
    finally:
        numba.set_num_threads(before)
