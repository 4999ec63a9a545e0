"""SGD as a Markov chain that can be branched: the compiled kernels behind :mod:`.multilevel_splitting`.

One move is `every` steps. The chain observed on that grid is a Markov chain too, so that splitting stays
unbiased for the event *seen on the grid*; a rank that falls and rises again in between is not seen. The state
is the stored weights, the decay scalar, the clock, and for epochs the order of the entries (the part of the
epoch that is still to come is shuffled with the noise of whoever continues).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numba import njit

from ..argument_checks import instance, number, one_of, real, whole
from ..compute.njit_options import LOOP
from ..compute.threads import threads
from ..dynamics import GD, SGD, Constant
from ..dynamics.engine.recorder import products_within_range
from ..dynamics.engine.run import Engine
from ..dynamics.engine.stability import residual_limits
from ..dynamics.engine.state import State, aligned_zeros, pack, unpack
from ..dynamics.kernels.batches import draw_batch
from ..dynamics.optimisers import require_plain
from ..errors import InputError
from ..measurements import require_entries
from ..measures import RANK_TOL, numerical_rank
from ..network import Network
from ..problem import Problem
from .multilevel_splitting import Segment, States

Score = str | Callable[[Network], float]
SCORES = ("singular_value", "relative", "relaxed", "tail")
RELAXATION = 20
"""Steps of gradient descent before a "relaxed" score is taken."""

# about how long a step of a tiny network takes, and the shortest call that is shared among threads
_STEP_SECONDS = 2e-7
_WORTH_THREADS = 5e-3


class SGDChain:
    """Copies of one run of SGD, observed every `every` steps.

    Parameters
    ----------
    problem : Problem
    network : Network
        Where every copy starts.
    optimiser : SGD
        With constant lr and ridge; its `n_steps` plays no part.
    target_rank : int
        The event is a numerical rank of at most this, or of at least this if it lies above the rank of
        `network`.
    every : int
    score : {"singular_value", "relative", "relaxed", "tail"} or function of a Network
    relaxation : int
        See :func:`rankfall.splitting`.
    rank_tol : float
    seed : int
        Stream s uses the noise of chain s of ``rankfall.train(..., seed=seed)``.

    Attributes
    ----------
    upward : bool
        Whether the event is a rise.
    """

    def __init__(
        self,
        problem: Problem,
        network: Network,
        optimiser: SGD,
        target_rank: int,
        every: int,
        score: Score = "singular_value",
        rank_tol: float = RANK_TOL,
        seed: int = 0,
        relaxation: int = RELAXATION,
    ) -> None:
        check_chain(problem, network, optimiser)
        target_rank = whole("target_rank", target_rank, least=0, most=min(network.widths))
        every = whole("every", every, least=1)
        if not callable(score):
            score = one_of("score", score, SCORES, also="a function of a network")
        rank_tol = number("rank_tol", rank_tol, least=0, below=1)
        seed = whole("seed", seed, least=0)
        relaxation = whole("relaxation", relaxation, least=1)
        self.problem, self.network, self.optimiser = problem, network, optimiser
        self.target_rank, self.every = target_rank, every
        self.score, self.rank_tol, self.seed = score, rank_tol, seed
        start = Network(tuple(W.astype(np.float64) for W in network.weights))
        self.limits = residual_limits(problem, [start])
        self.flat, self.widths = pack([start])
        start_rank = int(numerical_rank(start.singular_values(), problem, rank_tol=rank_tol))
        self.upward = self.target_rank > start_rank
        self.engine = Engine(problem, optimiser, self._state(self.begin(np.zeros(1, np.int64))), self.seed)
        self.relaxation = relaxation
        lr, ridge = (float(s.values(0, 1)[0]) for s in (optimiser.lr, optimiser.ridge))
        descent = GD(lr=lr, ridge=ridge, n_steps=self.relaxation)
        self.descent = Engine(problem, descent, self._state(self.begin(np.zeros(1, np.int64))), self.seed)

    # -- the protocol of ams.Chain ------------------------------------------------------------------

    def begin(self, streams: np.ndarray) -> States:
        n = streams.size
        n_orders = self.problem.n_observed if self.optimiser.sampling == "epochs" else 0
        orders = np.zeros((n, n_orders), np.int32)
        return np.repeat(self.flat, n, axis=0), np.ones(n), np.zeros(n, np.int64), np.ones(n, bool), orders

    def advance(self, states: States, times: np.ndarray, streams: np.ndarray) -> States:
        state = self._state(states)
        state.chains = streams
        self.engine.state = state
        self._move(self.engine, self.every, self.optimiser.batch_size)
        return state.buffer[:, : self.flat.shape[1]], state.scales, state.clock, state.running, state.orders

    def look(self, states: States) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        flat, scales, _, running, orders = states
        n = scales.size
        widths = np.repeat(self.widths, n, axis=0)
        scores, happened = np.full(n, -np.inf), np.zeros(n, bool)
        members = np.flatnonzero(running & products_within_range(flat, scales, widths))
        if members.size:
            network = unpack(flat[members], scales[members], widths[members])
            s = network.singular_values()
            rank = numerical_rank(s, self.problem, rank_tol=self.rank_tol)
            happened[members] = rank >= self.target_rank if self.upward else rank <= self.target_rank
            if self.score == "relaxed":
                scores[members] = self._relaxed(flat[members], scales[members], orders[members])
            else:
                scores[members] = self._scores(network, s)
        # a copy that has diverged never comes back
        return scores, happened, ~running

    # -- parts --------------------------------------------------------------------------------------

    def _scores(self, network: Network, s: np.ndarray) -> np.ndarray:
        if callable(self.score):
            values = [real(self.score(network.chain(k))) for k in range(s.shape[0])]
            if any(value is None or value != value for value in values):
                raise InputError("The score must be a number for every network, not NaN or something else.")
            return np.array(values, np.float64)
        # upward, the singular value that has to rise is number target_rank; downward, number target_rank + 1
        below = self.target_rank - 1 if self.upward else self.target_rank
        if self.score == "tail":
            size = largest_tail(network, below)
        elif self.score == "singular_value":
            size = s[:, below]
        else:
            size = s[:, below] / np.maximum(s[:, 0], np.finfo(np.float64).tiny)
        return size if self.upward else -size

    def _relaxed(self, flat: np.ndarray, scales: np.ndarray, orders: np.ndarray) -> np.ndarray:
        """The relative score of copies that gradient descent has taken a few steps further.

        At a large lr the noise moves every entry of A to and fro within a few steps; what remains once that
        has died down is how far the rank has come. Copies that diverge on the way are as far as can be.
        """
        n = scales.size
        # clocks at 0: a score must be a function of the network alone
        begun = (flat, scales, np.zeros(n, np.int64), np.ones(n, bool), orders)
        state = self.descent.state = self._state(begun)
        self._move(self.descent, self.relaxation, self.problem.n_observed)
        scores, widths = np.full(n, -np.inf), np.repeat(self.widths, n, axis=0)
        flat, scales = state.buffer[:, : self.flat.shape[1]], state.scales
        kept = np.flatnonzero(state.running & products_within_range(flat, scales, widths))
        if kept.size:
            network = unpack(flat[kept], scales[kept], widths[kept])
            scores[kept] = self._scores(network, network.singular_values())
        return scores

    def _move(self, engine: Engine, n_steps: int, batch_size: int) -> None:
        """Move the copies in an engine, by one thread if a call is over before others have woken up."""
        steps = engine.state.n_chains * n_steps * batch_size
        seconds = steps * _STEP_SECONDS * (1 + self.flat.shape[1] / 100)
        with threads(1 if seconds < _WORTH_THREADS else None):
            engine.move(n_steps)

    def _state(self, states: States) -> State:
        """Copies as a state of the engine, in memory of its own, with rows on cache lines."""
        flat, scales, clock, running, orders = states
        n = clock.size
        buffer = aligned_zeros(n, flat.shape[1], np.dtype(np.float64))
        buffer[:, : flat.shape[1]] = flat
        return State(
            buffer=buffer, widths=np.repeat(self.widths, n, axis=0), scales=scales.copy(), clock=clock.copy(),
            running=running.copy(), chains=np.zeros(n, np.int64), limits=np.repeat(self.limits, n),
            bounds=np.zeros(n), deflated=np.zeros(1, np.int64), orders=orders.copy(),
            ledgers=np.zeros((n, 4, 0)), balls=np.zeros((n, 0)), anchors=np.zeros((n, 0)),
        )  # fmt: skip

    # -- replay -------------------------------------------------------------------------------------

    def entries(self, segments: Sequence[Segment]) -> np.ndarray:
        """The entries that a path used, shape (n_steps, batch_size): its noise, spelt out."""
        batch, n_entries = self.optimiser.batch_size, self.problem.n_observed
        picked = np.zeros((segments[-1].stop * self.every if segments else 0, batch), np.int64)
        order = np.zeros(n_entries, np.int32)
        for part in segments:
            stretch = picked[part.start * self.every : part.stop * self.every]
            first = part.start * self.every
            _spell_out(stretch, order, first, n_entries, self.engine.key, part.stream, self.engine.sampling)
        return picked


@njit(**LOOP)
def _spell_out(picked, order, first, n_entries, key, chain, sampling):
    """Fill `picked` with the entries of the steps first, first + 1, ... of one stream."""
    table_size = 2
    while table_size < 2 * picked.shape[1]:
        table_size *= 2
    table = np.zeros(table_size, np.int64)
    none = np.zeros((0, 1), np.int64)
    for step in range(picked.shape[0]):
        draw_batch(picked[step], table, order, none, step, first + step, n_entries, key, chain, sampling)


def largest_tail(network: Network, rank: int) -> np.ndarray:
    """``max_l Phi_l`` with ``Phi_l = sum_{k > rank} sigma_k(Z_l)^2`` over the hidden layers, shape
    (n_chains,).
    """
    tails = [
        np.sum(np.linalg.svd(Z, compute_uv=False)[:, rank:] ** 2, axis=1) for Z in network.hidden_spaces()
    ]
    return np.max(tails, axis=0)


def check_chain(problem: Problem, network: Network, optimiser: SGD) -> None:
    """Refuse settings that are not those of a Markov chain that can be branched."""
    require_entries(problem, "Rare events are")
    instance("problem", problem, Problem)
    instance("network", network, Network)
    if not isinstance(instance("optimiser", optimiser, (SGD, GD)), SGD):
        raise InputError("Rare events need SGD; gradient descent has no noise.")
    require_plain(optimiser, "Rare events")
    if optimiser.entries is not None:
        raise InputError("Rare events need entries drawn at random, not prescribed ones.")
    if not (isinstance(optimiser.lr, Constant) and isinstance(optimiser.ridge, Constant)):
        raise InputError("lr and ridge must be constant: copies of a run do not stand at the same step.")
    optimiser.check(problem.n_observed)
    if optimiser.sampling == "epochs" and problem.n_observed % optimiser.batch_size:
        raise InputError("With epochs the batch size must divide the number of observed entries.")
    if network.n_chains is not None:
        raise InputError("All paths start at one network; take chain(k) of the ensemble.")
    if network.shape != problem.shape:
        raise InputError(
            f"The network makes a matrix of shape {network.shape}, the problem has {problem.shape}."
        )
    if not all(np.isfinite(W).all() for W in network.weights):
        raise InputError("The network holds weights that are not finite.")
