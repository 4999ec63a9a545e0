"""Chains under a rolling certificate (Theorem 6): looks between kernel calls, exits noticed inside them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...compute.threads import parallel_for
from ...errors import InputError
from ...problem import Problem
from ...theory.rolling import RollingCertificate, RollingLedger
from ...theory.rolling.growth_in_ball import is_within_range
from ..kernels.displacement import BOUND, HIGHEST, LEVEL, RADIUS
from ..optimisers import GD, SGD, require_plain
from ..schedules import Constant
from .state import State


class WatchedChains:
    """One :class:`~rankfall.theory.rolling.RollingWatch` for every chain of a state.

    Every chain has looks of its own, at steps of its own; they depend on no other chain.
    """

    def __init__(
        self, certificate: RollingCertificate, problem: Problem, optimiser: SGD | GD, state: State
    ) -> None:
        if not isinstance(optimiser, SGD):
            raise InputError("A rolling certificate is about SGD; gradient descent has theorems of its own.")
        require_plain(optimiser, "Rolling certificates")
        if optimiser.entries is not None:
            raise InputError("A rolling certificate needs entries drawn at random, not prescribed ones.")
        for name, schedule in (("lr", optimiser.lr), ("ridge", optimiser.ridge)):
            if not isinstance(schedule, Constant):
                raise InputError(f"A rolling certificate needs a constant {name}; give one number.")
        if state.buffer.dtype != np.float64:
            raise InputError('A rolling certificate needs dtype="float64".')
        self.state, self.problem = state, problem
        state.watch()
        lr, ridge = (float(s.values(0, 1)[0]) for s in (optimiser.lr, optimiser.ridge))
        depth = state.widths.shape[1] - 1
        self.watches = [
            certificate.begin(
                problem,
                depth,
                lr=lr,
                ridge=ridge,
                batch_size=optimiser.batch_size,
                sampling=optimiser.sampling,
            )
            for _ in range(state.n_chains)
        ]
        self.stops = np.zeros(state.n_chains, np.int64)

    def advance(self, stop: int, move: Callable[[int, int], None]) -> None:
        """Advance every running chain to step `stop`; ``move(k, n_steps)`` makes steps of chain k."""

        def some(first: int, last: int) -> None:
            for k in range(first, last):
                self._advance(k, stop, move)

        # a look and what it does to the state belong together
        parallel_for(some, self.state.n_chains, uninterrupted=True)

    def ledgers(self) -> tuple[RollingLedger, ...]:
        """What is promised so far, for every chain."""
        return tuple(watch.ledger() for watch in self.watches)

    def _advance(self, k: int, stop: int, move: Callable[[int, int], None]) -> None:
        state, watch, ball = self.state, self.watches[k], self.state.balls[k]
        while state.running[k] and state.clock[k] < stop:
            before = int(state.clock[k])
            if watch.due and not self._look(k):
                self.stops[k] = stop  # the next step finds that the chain has diverged
            move(k, min(stop, int(self.stops[k])) - before)
            now = int(state.clock[k])
            if now == before:
                return
            if not (ball[BOUND] <= ball[RADIUS]):
                # all steps but the last one ended inside
                if now > before + 1:
                    watch.moved(now - 1, float(ball[RADIUS]))
                watch.moved(now, np.inf)
            else:
                watch.moved(now, float(ball[HIGHEST]))

    def _look(self, k: int) -> bool:
        """Look at one chain; False if its weights are beyond all bounds."""
        state, network = self.state, self.state.network(k)
        if not is_within_range(self.problem, list(network.weights)):
            state.balls[k, LEVEL] = np.inf
            return False
        interval = self.watches[k].look(int(state.clock[k]), network)
        if interval.network is not network:
            state.put(k, interval.network)
            state.bounds[k] = self.watches[k].ledger().deflations["bound"].sum()
        if interval.trusted:
            state.anchor(k, interval.network, radius=interval.radius, level=interval.radius)
        else:
            state.balls[k, [RADIUS, LEVEL]] = np.inf
            state.balls[k, [BOUND, HIGHEST]] = 0.0
        self.stops[k] = interval.stop
        return True
