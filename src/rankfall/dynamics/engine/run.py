"""A run in progress: the steps divided into kernel calls, with deflations between them on a fixed grid."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...compute.threads import parallel_for, uninterrupted
from ...measurements import Measurements
from ...problem import Problem
from ..kernels import batches, dense
from ..kernels import single as kernels
from ..kernels.streams import shuffle_ahead, stream_key
from ..optimisers import GD, SGD
from .deflation import EVERY, deflate
from .state import State
from .watched import WatchedChains

# target duration of a call in seconds: between calls, Ctrl-C and callbacks take effect
CALL_SECONDS = 0.5
LONGEST_CALL = 1 << 20

_CODES = {"replacement": kernels.REPLACEMENT, "distinct": kernels.DISTINCT, "epochs": kernels.EPOCHS}


@dataclass
class Engine:
    """Advances a :class:`State`.

    Attributes
    ----------
    watched : WatchedChains, optional
        Of a run under a certificate.
    """

    problem: Problem | Measurements
    optimiser: SGD | GD
    state: State
    seed: int
    deflate: float | None = None
    watched: WatchedChains | None = None

    def __post_init__(self) -> None:
        state, optimiser = self.state, self.optimiser
        self.key = stream_key(self.seed)
        # copies, because numba would compile everything again for read-only arrays
        self.rows, self.cols = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.left, self.right = np.zeros((0, 0)), np.zeros((0, 0))
        if isinstance(self.problem, Measurements):
            self.left, self.right = np.array(self.problem.U), np.array(self.problem.V)
        else:
            self.rows, self.cols = (np.array(at, np.int64) for at in (self.problem.rows, self.problem.cols))
        self.values = np.array(self.problem.values, np.float64)
        self.tiny = smallest_weight(state.buffer.dtype, state.widths.shape[1] - 1)
        self.sampling = kernels.PRESCRIBED
        if isinstance(optimiser, SGD) and optimiser.entries is None:
            self.sampling = _CODES[optimiser.sampling]
            if self.sampling == kernels.DISTINCT and optimiser.batch_size == 1:
                self.sampling = kernels.REPLACEMENT
        n_orders = self.values.size if self.sampling == kernels.EPOCHS else 0
        state.orders = np.zeros((state.n_chains, n_orders), np.int32)
        self.call_steps = 1000

    def resume(self) -> None:
        """Rebuild what the clock determines: the part of the current epoch that is already shuffled."""
        state = self.state
        if self.sampling == kernels.EPOCHS and isinstance(self.optimiser, SGD):
            batch = self.optimiser.batch_size
            epoch, position = divmod(self.step, -(-self.values.size // batch))
            for k, chain in enumerate(state.chains):
                shuffle_ahead(state.orders[k], self.key, chain, epoch, 0, position * batch)

    @property
    def step(self) -> int:
        """Steps done by the chains that still run; `n_steps` if none does."""
        running = self.state.clock[self.state.running]
        return int(running[0]) if running.size else self.optimiser.n_steps

    def advance(self, stop: int) -> None:
        """Advance every running chain towards step `stop`, by one kernel call."""
        start = self.step
        stop = min(stop, start + self.call_steps)
        if self.deflate is not None:
            stop = min(stop, (start // EVERY + 1) * EVERY)
        began = time.perf_counter()
        if self.watched is None:
            self._call(start, stop)
        else:
            self.watched.advance(stop, self._move_chain)
        fraction = (time.perf_counter() - began) / CALL_SECONDS
        if stop - start == self.call_steps or fraction > 1:
            wanted = int((stop - start) / max(fraction, 0.25))
            self.call_steps = min(max(wanted, 1), LONGEST_CALL)
        self.deflate_if_due()

    def deflate_if_due(self) -> None:
        """Deflate if the current step is on the grid and it has not happened yet."""
        step = self.step
        if self.deflate is not None and step % EVERY == 0 and self.state.deflated[0] < step:
            tol = self.deflate

            def all_chains() -> None:
                deflate(self.state, tol)
                self.state.deflated[0] = step

            uninterrupted(all_chains)

    def move(self, n_steps: int) -> None:
        """Advance every running chain by `n_steps` from its own clock, in one call.

        For chains at different steps; lr and ridge must be constant.
        """
        self._call(0, n_steps)

    def _call(self, start: int, stop: int) -> None:
        kernel, arguments = self._prepared(start, stop)
        parallel_for(kernel, self.state.n_chains, *arguments)

    def _move_chain(self, k: int, n_steps: int) -> None:
        """Advance chain `k` alone by `n_steps`, or until it leaves its ball; lr and ridge are constant."""
        kernel, arguments = self._prepared(0, n_steps)
        kernel(k, k + 1, *arguments)

    def _prepared(self, start: int, stop: int) -> tuple[Callable[..., None], tuple[object, ...]]:
        """The kernel that makes these steps, and its arguments after the range of chains."""
        state, optimiser = self.state, self.optimiser
        lr, ridge = (np.array(s.values(start, stop)) for s in (optimiser.lr, optimiser.ridge))
        weights = (state.buffer, state.widths, state.scales)
        fate = (state.clock, state.running, state.limits, self.tiny)
        data = (self.rows, self.cols, self.values)
        entries = np.zeros((0, 1), np.int64)
        if isinstance(optimiser, GD):
            if not self.left.size:
                return batches.advance_full, (*weights, *fate, *data, lr, ridge, stop - start)
            sampling, settings, batch_size = batches.ALL, (0.0, 0.0), self.values.size
        else:
            sampling, settings = self.sampling, (optimiser.momentum, optimiser.label_noise)
            batch_size = optimiser.batch_size
            if optimiser.entries is not None:
                entries = np.array(optimiser.entries[start:stop])
        if isinstance(optimiser, GD) or optimiser.momentum or self.left.size:
            return dense.advance_dense, (
                state.buffer, state.velocities, state.widths, *fate, *data, self.left, self.right,
                state.orders, entries, lr, ridge, *settings, stop - start, self.key, state.chains, sampling,
                state.ledgers, batch_size,
            )  # fmt: skip
        arguments = (
            *weights, *fate, *data, state.orders, entries, lr, ridge, stop - start, self.key,
            state.chains, self.sampling, state.ledgers, state.balls, state.anchors,
        )  # fmt: skip
        if optimiser.batch_size == 1 and not optimiser.label_noise:
            return kernels.advance_single, arguments
        return batches.advance_batches, (*arguments, optimiser.label_noise, optimiser.batch_size)


def smallest_weight(dtype: np.dtype, depth: int) -> float:
    """Weights smaller than this become zero when the decay scalar is absorbed.

    A product of `depth` of them would be subnormal, which makes every step many times slower. In single
    precision the range is so short that the threshold is fixed.
    """
    return 1e-18 if np.dtype(dtype) == np.float32 else 10.0 ** (-300.0 / depth)
