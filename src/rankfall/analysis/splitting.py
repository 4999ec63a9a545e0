"""splitting(): probabilities of a change of rank that are too small to sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..argument_checks import fraction, not_negative, whole
from ..compute.threads import threads
from ..declared_arguments import declared
from ..dynamics import SGD, Record, Trace, train
from ..errors import InputError
from ..measures import RANK_TOL
from ..network import Network
from ..problem import Problem
from .branching_sgd import RELAXATION, Score, SGDChain
from .multilevel_splitting import Segment, checked_sizes, split
from .slowest_mode import slowest_mode

# by default a path is looked at about this many times
_LOOKS = 1000


@dataclass(frozen=True)
class Path:
    """A run in which the event happened.

    Attributes
    ----------
    repeat : int
        In which repeat it was found.
    n_steps : int
        Steps from the start to the event.
    segments : tuple of (chain, start, stop)
        Its genealogy: the steps start..stop-1 use the noise of that chain number of ``rankfall.train(...,
        seed=seed)``.
    """

    repeat: int
    n_steps: int
    segments: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, eq=False)
class Splitting:
    """A small probability, measured.

    Attributes
    ----------
    estimate : float
        Mean of `repeats`; unbiased.
    repeats : ndarray, shape (n_repeats,)
        The independent estimates.
    paths : tuple of Path
        All paths that have the event. Those of one repeat share stretches and are not independent.
    extinct : ndarray of bool, shape (n_repeats,)
        Repeats in which all paths were killed at once; they count as 0.
    rounds : ndarray of int, shape (n_repeats,)
        How often paths were killed and replaced.
    n_steps : int
        SGD steps of all paths together.
    upward : bool
        Whether the event is a rise of the rank to `target_rank` or more, not a fall to `target_rank` or less.
    target_rank, horizon, every, n_replicas, n_kill, seed, rank_tol, score, relaxation
        As given to :func:`splitting`.
    """

    estimate: float
    repeats: np.ndarray
    paths: tuple[Path, ...]
    extinct: np.ndarray
    rounds: np.ndarray
    n_steps: int
    upward: bool
    target_rank: int
    horizon: int
    every: int
    n_replicas: int
    n_kill: int
    seed: int
    rank_tol: float
    score: Score
    problem: Problem = field(repr=False)
    network: Network = field(repr=False)
    optimiser: SGD = field(repr=False)
    relaxation: int = RELAXATION

    @property
    def standard_error(self) -> float:
        """Of the mean of the repeats; NaN for one repeat."""
        n = self.repeats.size
        return float(np.std(self.repeats, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")

    @property
    def relative_error(self) -> float:
        """Standard error divided by the estimate; NaN if nothing was found."""
        return self.standard_error / self.estimate if self.estimate > 0 else float("nan")

    @declared
    def interval(self, coverage: float = 0.95) -> tuple[float, float]:
        """Interval for the probability, from the spread of the independent repeats; see ``spread_interval``.

        It needs repeats that are not too unlike: where their standard deviation, ``relative_error *
        sqrt(n)``, is above about their mean, fewer intervals hold the truth than they should. More replicas
        help.
        """
        return spread_interval(self.repeats, coverage)

    @declared
    def entries(self, path: Path) -> np.ndarray:
        """The observed entries that a path used, shape (n_steps, batch_size).

        Positions in the problem's list.
        """
        segments = [Segment(s, a // self.every, b // self.every) for s, a, b in path.segments]
        return self._chain().entries(segments)

    @declared
    def replay(self, path: Path, record: Record | None = None) -> Trace:
        """Run a path again, to the same bits, and record what is wanted.

        Parameters
        ----------
        path : Path
            One of `paths`.
        record : Record, optional
            By default what splitting looked at: rank and singular values every `every` steps.
        """
        if record is None:
            record = Record(every=self.every, what=("rank", "singular_values"), rank_tol=self.rank_tol)
        settings = self.optimiser
        again = SGD(lr=settings.lr, ridge=settings.ridge, n_steps=path.n_steps, entries=self.entries(path))
        return train(self.problem, self.network, again, record=record)

    def _chain(self) -> SGDChain:
        return SGDChain(
            self.problem, self.network, self.optimiser, self.target_rank, self.every, self.score,
            self.rank_tol, self.seed, self.relaxation,
        )  # fmt: skip


def splitting(
    problem: Problem,
    network: Network,
    sgd: SGD,
    target_rank: int,
    horizon: int,
    n_replicas: int = 100,
    repeats: int = 20,
    seed: int = 0,
    *,
    score: Score = "singular_value",
    relaxation: int = RELAXATION,
    n_kill: int = 1,
    every: int | None = None,
    rank_tol: float = RANK_TOL,
    smallest: float = 1e-100,
    n_threads: int | None = None,
) -> Splitting:
    """Probability that the rank of A changes to `target_rank` within `horizon` steps of SGD.

    Adaptive multilevel splitting (``rankfall.analysis.multilevel_splitting``): paths that came least far are
    killed and replaced by copies of others from where these came further, until the event is common among
    them. The estimate is unbiased, whatever the score.

    Parameters
    ----------
    problem : Problem
    network : Network
        Where all paths start; one network.
    sgd : SGD
        With constant lr and ridge; its `n_steps` plays no part. For sampling="epochs", `batch_size` must
        divide the number of entries.
    target_rank : int
        The event: the numerical rank of A is at most `target_rank`; or, if `target_rank` is above the rank of
        `network`, at least `target_rank`.
    horizon : int
        Steps of a path at most. The event counts only up to there.
    n_replicas : int
        Paths kept in each repeat. The relative error of a repeat is about ``sqrt(-log(p) / n_replicas)`` with
        the best score, and larger with others.
    repeats : int
        Independent repeats, from whose spread the interval is made. At most 4096.
    seed : int
        Results depend on it, not on the number of threads; those of a repeat not on the other repeats.
    score : {"singular_value", "relative", "relaxed", "tail"} or function of a Network
        How near a network is to the event: minus the (r+1)-th singular value of A, r = `target_rank`; the
        same divided by the largest; that of the network that gradient descent reaches from here in
        `relaxation` steps, which sees through fluctuations that will pass and is the best where lr is large;
        minus ``max_l Phi_l``, the tail of Theorem 3 at rank r; or any function that returns a number. For
        rises the r-th singular value, and the tail at rank r - 1, without the minus.
    relaxation : int
        Steps of gradient descent, with the lr and ridge of `sgd`, for ``score="relaxed"``. They should
        outlast the fluctuations of the observed entries; more than that costs time and changes little.
    n_kill : int
        Paths killed in each round at least (all ties are killed). 1 gives the smallest variance.
    every : int, optional
        Steps between two looks at a path; must divide `horizon`. The event, and the levels, are those of the
        run seen on this grid. Looking often makes the variance smaller: between two looks a path can leap
        ahead of all others. By default the largest divisor of `horizon` for at least about 1000 looks.
    rank_tol : float
        As of :func:`rankfall.measures.numerical_rank`.
    smallest : float
        A repeat gives up, and counts as 0, once it knows that its estimate is below this.
    n_threads : int, optional
        Threads of the kernels; all processors by default, or NUMBA_NUM_THREADS.

    Returns
    -------
    Splitting

    Raises
    ------
    InputError
        If an argument is out of range, or the settings are not those of a Markov chain; if no path fell and
        the horizon is shorter than the slowest mode of the mean dynamics near `network`, in which case an
        estimate of 0 would say nothing about the event (``rankfall.analysis.slowest_mode``).

    Notes ----- A path that diverges cannot have the event any more. Memory: the states at which a path's
    score was larger than ever before, as far as they lie above the present level, at most ``horizon / every``
    for each of ``repeats * n_replicas`` paths.
    """
    from threadpoolctl import threadpool_limits

    sizes = checked_sizes(horizon, n_replicas, repeats, n_kill)
    horizon, n_replicas, repeats, n_kill = sizes
    seed, smallest = whole("seed", seed, least=0), not_negative("smallest", smallest)
    every = looking(horizon, every)
    chain = SGDChain(problem, network, sgd, target_rank, every, score, rank_tol, seed, relaxation)
    # many small decompositions: BLAS threads would only wait for each other, and could change bits
    with threads(n_threads), threadpool_limits(limits=1, user_api="blas"):
        runs = split(chain, horizon // every, n_replicas, repeats, seed, n_kill, smallest)
    estimates = np.array([run.estimate for run in runs])
    if not chain.upward and not estimates.any():
        _check_horizon(problem, network, sgd, horizon)
    paths = [_path(number, segments, every) for number, run in enumerate(runs) for segments in run.paths]
    return Splitting(
        estimate=float(estimates.mean()),
        repeats=estimates,
        paths=tuple(paths),
        extinct=np.array([run.extinct for run in runs]),
        rounds=np.array([run.killed.size for run in runs]),
        n_steps=every * sum(run.n_moves for run in runs),
        upward=chain.upward,
        target_rank=chain.target_rank,
        horizon=horizon,
        every=every,
        n_replicas=n_replicas,
        n_kill=n_kill,
        seed=seed,
        rank_tol=chain.rank_tol,
        score=score,
        problem=problem,
        network=network,
        optimiser=sgd,
        relaxation=chain.relaxation,
    )


def _check_horizon(problem: Problem, network: Network, sgd: SGD, horizon: int) -> None:
    """Raise where no path had the event because none had the time for it."""
    lr, ridge = (float(setting.values(0, 1)[0]) for setting in (sgd.lr, sgd.ridge))
    slowest = slowest_mode(problem, network, lr, ridge)
    if horizon < slowest:
        raise InputError(
            f"No path had the event: the horizon of {horizon:,} steps is too short for the slowest mode "
            f"(about {slowest:,.0f} steps); choose a horizon of several times that."
        )


def spread_interval(estimates: np.ndarray, coverage: float = 0.95) -> tuple[float, float]:
    """Interval for the mean of independent, positive, right-skewed estimates.

    ``mean * exp(+- t s / (sqrt(n) mean))`` with Student's quantile t for n - 1 degrees of freedom: the usual
    interval, made symmetric in the logarithm (delta method). Estimates by splitting are skewed like a
    log-normal variable, whose mean and spread are high or low together; an interval symmetric around the mean
    then lies too low too often.

    Parameters
    ----------
    estimates : ndarray, shape (n,)
        Not negative; n >= 2.
    coverage : float

    Returns
    -------
    (float, float)
        (0, 1) if all estimates are 0.
    """
    from scipy.stats import t

    coverage = fraction("coverage", coverage)
    n, mean = estimates.size, float(np.mean(estimates))
    if n < 2:
        raise InputError("An interval needs at least two repeats.")
    if mean == 0:
        return 0.0, 1.0
    spread = float(t.ppf((1 + coverage) / 2, n - 1) * np.std(estimates, ddof=1) / np.sqrt(n) / mean)
    with np.errstate(over="ignore"):
        return float(mean * np.exp(-spread)), float(min(mean * np.exp(spread), 1.0))


def looking(horizon: int, every: int | None) -> int:
    """Steps between two looks: as given, if it divides the horizon, or one that makes about 1000 looks."""
    if every is None:
        most = max(1, horizon // _LOOKS)
        return next(step for step in range(most, 0, -1) if horizon % step == 0)
    every = whole("every", every, least=1)
    if horizon % every:
        raise InputError(f"every must be a positive whole number that divides {horizon}, not {every}.")
    return every


def _path(repeat: int, segments: Sequence[Segment], every: int) -> Path:
    parts = tuple((part.stream, part.start * every, part.stop * every) for part in segments)
    return Path(repeat, parts[-1][2] if parts else 0, parts)
