"""Adaptive multilevel splitting of a discrete-time Markov chain, whatever the chain is.

The algorithm and its unbiasedness: Brehier, Gazeau, Goudenege, Lelievre, Rousset, "Unbiasedness of some
generalized adaptive multilevel splitting algorithms", Ann. Appl. Probab. 26 (2016); the idea: Cerou and
Guyader, Stoch. Anal. Appl. 25 (2007). n paths are drawn up to the event, the horizon or a stop. Then, again
and again: the level is the k-th smallest of the paths' largest scores; *all* paths whose largest score is at
most the level are killed (ties would bias the estimate otherwise); each is replaced by a copy of a uniformly
chosen survivor up to the *first* time at which the survivor's score exceeds the level *strictly*, continued
with fresh noise. A path with the event counts as having an infinite score, and the algorithm ends when the
level is infinite. With K_q the number killed in round q,

    estimate = prod_q (1 - K_q / n) * (share of the n paths that have the event)
 is unbiased for any score; a good score makes its variance small. If all paths are killed at once the
estimate is 0.
 Everything random is a function of the seed and of the number of a *stream*, one for each path begun or
continued, so that a repeat does not depend on the repeats that run beside it, and a path can be run again
from its segments.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from ..argument_checks import whole
from ..errors import InputError

STREAMS = 1 << 20
"""Streams of one repeat: path number b of repeat j uses stream ``j STREAMS + b``."""

States = tuple[np.ndarray, ...]
"""States of some replicas: arrays with one leading axis of replicas."""


class Chain(Protocol):
    """A Markov chain, many copies of which move together.

    The noise of a copy's move from time t to t + 1 must be a function of its stream's number and of t only.
    """

    def begin(self, streams: np.ndarray) -> States:
        """States at time 0."""
        ...

    def advance(self, states: States, times: np.ndarray, streams: np.ndarray) -> States:
        """States one move later, in new arrays."""
        ...

    def look(self, states: States) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores (no NaN), where the event has happened, and where the chain can be stopped because it
        never will.
        """
        ...


class Segment(NamedTuple):
    """A stretch of a path: times start to stop, with the noise of one stream."""

    stream: int
    start: int
    stop: int


@dataclass
class Replica:
    """A path while the algorithm works on it.

    Attributes
    ----------
    stream : int
        Whose noise it runs with now.
    past : tuple of Segment
        How it came to `born`, the time at which that stream took over.
    times, scores, states : list
        Where its score was larger than ever before, and the states there: all that copies can begin from.
    end : int
        Time reached.
    happened, stopped : bool
    """

    stream: int
    past: tuple[Segment, ...]
    born: int
    times: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    states: list[States] = field(default_factory=list)
    end: int = 0
    happened: bool = False
    stopped: bool = False

    @property
    def largest(self) -> float:
        return self.scores[-1]

    def segments(self, stop: int) -> tuple[Segment, ...]:
        """The segments that lead from time 0 to `stop`."""
        own = (Segment(self.stream, self.born, stop),) if stop > self.born else ()
        earlier = (part._replace(stop=min(part.stop, stop)) for part in self.past if part.start < stop)
        return (*earlier, *own)

    def branch(self, level: float, stream: int) -> Replica:
        """A copy up to the first time with a score above the level, to be continued with another stream."""
        index = bisect_right(self.scores, level)
        time = self.times[index]
        at_end = time == self.end
        return Replica(
            stream, self.segments(time), time, [time], [self.scores[index]], [self.states[index]], time,
            self.happened and at_end, self.stopped and at_end,
        )  # fmt: skip

    def forget(self, level: float) -> None:
        """Drop what no copy will begin from any more: levels only rise."""
        first = bisect_right(self.scores, level)
        del self.times[:first], self.scores[:first], self.states[:first]


@dataclass(frozen=True, eq=False)
class Repeat:
    """One run of the algorithm.

    Attributes
    ----------
    estimate : float
    levels : ndarray, shape (n_rounds,)
    killed : ndarray of int, shape (n_rounds,)
    extinct : bool
        All paths were killed at once, or the product fell below `smallest`.
    n_moves : int
        Moves of all paths together.
    paths : tuple of tuple of Segment
        The paths that have the event, in the order of the replicas.
    """

    estimate: float
    levels: np.ndarray
    killed: np.ndarray
    extinct: bool
    n_moves: int
    paths: tuple[tuple[Segment, ...], ...]


def split(
    chain: Chain,
    horizon: int,
    n_replicas: int,
    repeats: int,
    seed: int,
    n_kill: int = 1,
    smallest: float = 1e-100,
) -> tuple[Repeat, ...]:
    """Independent repeats of adaptive multilevel splitting, moved in lockstep.

    Parameters
    ----------
    chain : Chain
    horizon : int
        Moves of a path at most, at least 1.
    n_replicas, n_kill : int
        n and k; ``1 <= k < n``.
    repeats : int
    seed : int
        For the choice of survivors; the chain has its own.
    smallest : float
        A repeat whose product falls below this gives up and counts as 0; the estimate loses at most this
        much.

    Returns
    -------
    tuple of Repeat
    """
    horizon, n_replicas, repeats, n_kill = checked_sizes(horizon, n_replicas, repeats, n_kill)
    runs = [_Run(seed, number, n_replicas, n_kill, smallest) for number in range(repeats)]
    streams = np.array([run.number * STREAMS + b for run in runs for b in range(n_replicas)])
    newborn = begin(chain, streams)
    for run in runs:
        run.replicas = newborn[run.number * n_replicas : (run.number + 1) * n_replicas]
    while newborn:
        moves = grow(chain, newborn, horizon)
        for stream, count in moves.items():
            runs[stream // STREAMS].n_moves += count
        newborn = [child for run in runs if not run.over for child in run.select()]
    return tuple(run.result() for run in runs)


def begin(chain: Chain, streams: np.ndarray) -> list[Replica]:
    """Paths of length 0."""
    states = chain.begin(streams)
    scores, happened, stopped = chain.look(states)
    scores = np.where(happened, np.inf, scores)
    return [
        Replica(
            int(stream),
            (),
            0,
            [0],
            [float(scores[k])],
            [_row(states, k)],
            0,
            bool(happened[k]),
            bool(stopped[k]),
        )
        for k, stream in enumerate(streams)
    ]


def grow(chain: Chain, replicas: Sequence[Replica], horizon: int, keep: bool = True) -> dict[int, int]:
    """Move paths to the event, the horizon or a stop; returns the moves made by each stream.

    With ``keep=False`` only the last new maximum is kept: nothing will branch off earlier.
    """
    begun = {replica.stream: replica.end for replica in replicas}
    active = [r for r in replicas if not (r.happened or r.stopped or r.end >= horizon)]
    # a path that was branched stands at its last record
    states = tuple(np.stack(columns) for columns in zip(*(r.states[-1] for r in active), strict=True))
    times = np.array([r.end for r in active], np.int64)
    streams = np.array([r.stream for r in active], np.int64)
    largest = np.array([r.largest for r in active])
    while active:
        states = chain.advance(states, times, streams)
        times = times + 1
        scores, happened, stopped = chain.look(states)
        scores = np.where(happened, np.inf, scores)
        for k in np.flatnonzero(scores > largest):
            replica = active[k]
            if not keep:
                replica.forget(np.inf)
            replica.times.append(int(times[k]))
            replica.scores.append(float(scores[k]))
            replica.states.append(_row(states, int(k)))
        largest = np.maximum(largest, scores)
        over = happened | stopped | (times >= horizon)
        if over.any():
            for k in np.flatnonzero(over):
                replica = active[k]
                replica.end = int(times[k])
                replica.happened, replica.stopped = bool(happened[k]), bool(stopped[k])
            kept = np.flatnonzero(~over)
            active = [active[k] for k in kept]
            states = tuple(column[kept] for column in states)
            times, streams, largest = times[kept], streams[kept], largest[kept]
    return {replica.stream: replica.end - begun[replica.stream] for replica in replicas}


def checked_sizes(horizon: int, n_replicas: int, repeats: int, n_kill: int) -> tuple[int, int, int, int]:
    """The same numbers; those with which the algorithm cannot run are refused.

    Each repeat has its own random streams, twice as many as replicas at least.
    """
    n_replicas = whole("n_replicas", n_replicas, least=2, most=STREAMS // 2)
    return (
        whole("horizon", horizon, least=1),
        n_replicas,
        whole("repeats", repeats, least=1, most=(1 << 32) // STREAMS),
        whole("n_kill", n_kill, least=1, most=n_replicas - 1),
    )


class _Run:
    """One repeat in progress."""

    def __init__(self, seed: int, number: int, n_replicas: int, n_kill: int, smallest: float) -> None:
        self.number = number
        self.n_kill = n_kill
        self.smallest = smallest
        # a stream of its own for every repeat: the choice of survivors must not depend on its neighbours
        self.rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([int(seed), number, 1])))
        self.replicas: list[Replica] = []
        self.n_streams = n_replicas
        self.n_moves = 0
        self.product = 1.0
        self.levels: list[float] = []
        self.killed: list[int] = []
        self.over = False
        self.extinct = False

    def select(self) -> list[Replica]:
        """Kill and replace; returns the copies, still to be continued."""
        largest = np.array([replica.largest for replica in self.replicas])
        level = float(np.partition(largest, self.n_kill - 1)[self.n_kill - 1])
        if level == np.inf:
            self.over = True
            return []
        dead = np.flatnonzero(largest <= level)
        survivors = np.flatnonzero(largest > level)
        self.levels.append(level)
        self.killed.append(dead.size)
        self.product *= survivors.size / largest.size
        if not survivors.size or self.product < self.smallest:
            self.over = self.extinct = True
            return []
        if self.n_streams + dead.size > STREAMS:
            raise InputError(f"A repeat needs more than {STREAMS} random streams; use fewer replicas.")
        parents = survivors[self.rng.integers(survivors.size, size=dead.size)]
        children = []
        for place, parent in zip(dead, parents, strict=True):
            child = self.replicas[parent].branch(level, self.number * STREAMS + self.n_streams)
            self.n_streams += 1
            children.append(child)
            self.replicas[place] = child
        for k in survivors:
            self.replicas[k].forget(level)
        return children

    def result(self) -> Repeat:
        winners = [] if self.extinct else [replica for replica in self.replicas if replica.happened]
        return Repeat(
            self.product * len(winners) / len(self.replicas),
            np.array(self.levels),
            np.array(self.killed, np.int64),
            self.extinct,
            self.n_moves,
            tuple(replica.segments(replica.end) for replica in winners),
        )


def _row(states: States, k: int | np.integer) -> States:
    return tuple(np.array(column[k]) for column in states)
