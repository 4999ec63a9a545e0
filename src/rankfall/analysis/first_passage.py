"""first_passage(): how long SGD takes to change its rank, and how that time grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..argument_checks import array, fraction, whole
from ..compute.threads import threads
from ..declared_arguments import declared
from ..dynamics import SGD
from ..errors import InputError
from ..measures import RANK_TOL
from ..network import Network
from ..problem import Problem
from .branching_sgd import SGDChain
from .multilevel_splitting import begin, grow
from .splitting import looking
from .survival import garwood, kaplan_meier

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class FirstPassage:
    """Times at which chains first had the event, some of them censored.

    Attributes
    ----------
    times : ndarray of int, shape (n_chains,)
        Steps to the event, or watched without it.
    seen : ndarray of bool, shape (n_chains,)
        Whether the event happened; False: censored at `times`, because `max_steps` was reached or the chain
        diverged.
    diverged : ndarray of bool, shape (n_chains,)
    max_steps, every : int
    """

    times: np.ndarray
    seen: np.ndarray
    diverged: np.ndarray
    max_steps: int
    every: int

    @property
    def n_events(self) -> int:
        return int(self.seen.sum())

    @property
    def mean(self) -> float:
        """Steps watched per event: the maximum-likelihood mean of exponential times.

        Infinite without any event.
        """
        return float(self.times.sum()) / self.n_events if self.n_events else float("inf")

    @declared
    def interval(self, coverage: float = 0.95) -> tuple[float, float]:
        """Interval for the mean of exponential times, from the exact Poisson interval for the number of
        events.

        ``2 T / chi2`` with T the steps watched: the quantiles of 2d + 2 and 2d degrees of freedom for d
        events. It is exact for a watch of fixed total length and slightly too wide here, where chains leave
        at their events.
        """
        coverage = fraction("coverage", coverage)
        low, high = garwood(self.n_events, float(self.times.sum()), coverage)
        return 1 / high, 1 / low if low else float("inf")

    @declared
    def survival(self, *, level: float = 0.95) -> DataFrame:
        """Kaplan and Meier's estimate of the share still without the event.

        See :func:`rankfall.analysis.kaplan_meier`.
        """
        return kaplan_meier(self.times, self.seen, level)

    @property
    def restricted_mean(self) -> float:
        """Area under the survival curve up to the longest time watched.

        The mean of min(time, that), for any law.
        """
        curve = self.survival()
        # constant between the rows, the last of which is the longest time
        heights = np.concatenate([[1.0], curve["survival"].to_numpy()[:-1]])
        return float(np.sum(np.diff(curve["step"].to_numpy(), prepend=0) * heights))


@dataclass(frozen=True)
class Growth:
    """A straight line through the logarithms of mean times: ``log mean = intercept + slope x``.

    Attributes
    ----------
    slope, intercept : float
    slope_error, intercept_error : float
        Standard errors.
    misfit, degrees : float, int
        Weighted sum of squared residuals, and its degrees of freedom: how badly the line fits.
    """

    slope: float
    intercept: float
    slope_error: float
    intercept_error: float
    misfit: float
    degrees: int

    @declared
    def interval(self, coverage: float = 0.95) -> tuple[float, float]:
        """Interval for the slope, normal approximation."""
        from scipy.stats import norm

        coverage = fraction("coverage", coverage)
        reach = float(norm.ppf((1 + coverage) / 2)) * self.slope_error
        return self.slope - reach, self.slope + reach

    @property
    def p_value(self) -> float:
        """Probability of a misfit at least this large if the line is right; NaN for two points."""
        from scipy.stats import chi2

        return float(chi2.sf(self.misfit, self.degrees)) if self.degrees else float("nan")

    @declared
    def mean(self, x: float | np.ndarray) -> np.ndarray:
        """The mean time that the line gives."""
        return np.exp(self.intercept + self.slope * np.asarray(x, dtype=np.float64))


def first_passage(
    problem: Problem,
    network: Network,
    sgd: SGD,
    target_rank: int,
    chains: int = 100,
    max_steps: int = 100_000,
    seed: int = 0,
    *,
    every: int | None = None,
    rank_tol: float = RANK_TOL,
    n_threads: int | None = None,
) -> FirstPassage:
    """Times until the rank of A is at most `target_rank` (at least, if it lies above the rank of `network`).

    Parameters
    ----------
    problem : Problem
    network : Network
        Where all chains start.
    sgd : SGD
        With constant lr and ridge; its `n_steps` plays no part.
    target_rank : int
    chains : int
        Chain k is chain k of ``rankfall.train`` with this seed.
    max_steps : int
        Chains without the event are censored here.
    seed : int
    every : int, optional
        Steps between two looks, by which times are rounded up; must divide `max_steps`. By default about 1000
        looks.
    rank_tol : float
    n_threads : int, optional

    Returns
    -------
    FirstPassage

    Raises
    ------
    InputError
        If an argument is out of range, or the settings are not those of a Markov chain.
    """
    from threadpoolctl import threadpool_limits

    chains, max_steps = whole("chains", chains, least=1), whole("max_steps", max_steps, least=1)
    every = looking(max_steps, every)
    chain = SGDChain(problem, network, sgd, target_rank, every, rank_tol=rank_tol, seed=seed)
    with threads(n_threads), threadpool_limits(limits=1, user_api="blas"):
        replicas = begin(chain, np.arange(chains))
        grow(chain, replicas, max_steps // every, keep=False)
    return FirstPassage(
        np.array([replica.end * every for replica in replicas], np.int64),
        np.array([replica.happened for replica in replicas]),
        np.array([replica.stopped for replica in replicas]),
        max_steps,
        every,
    )


@declared
def passage_growth(x: Sequence[float] | np.ndarray, passages: Sequence[FirstPassage]) -> Growth:
    """How the mean first-passage time grows: a weighted straight line of its logarithm against `x`.

    With noise of strength lr in a potential well, the mean time grows like ``exp(barrier / lr)`` (Kramers,
    Arrhenius): `x` is then 1 / lr, and the slope the barrier in the units of the noise. Any other `x` will
    do, the ridge for example. The logarithm of a mean over d events has variance 1 / d, which gives the
    weights and the errors.

    Parameters
    ----------
    x : array_like, shape (n,)
    passages : sequence of FirstPassage, length n
        Those without events are left out.

    Returns
    -------
    Growth

    Raises
    ------
    InputError
        If events were seen at fewer than two different `x`.
    """
    x = array("x", x, (len(passages),))
    weight = np.array([passage.n_events for passage in passages], dtype=np.float64)
    used = weight > 0
    if np.unique(x[used]).size < 2:
        raise InputError("A line needs events at two different x at least.")
    x, weight = x[used], weight[used]
    y = np.log([passage.mean for passage, taken in zip(passages, used, strict=True) if taken])
    centre = np.average(x, weights=weight)
    spread = float(np.sum(weight * (x - centre) ** 2))
    slope = float(np.sum(weight * (x - centre) * y)) / spread
    intercept = float(np.average(y, weights=weight) - slope * centre)
    return Growth(
        slope,
        intercept,
        float(spread**-0.5),
        float(np.sqrt(1 / weight.sum() + centre**2 / spread)),
        float(np.sum(weight * (y - intercept - slope * x) ** 2)),
        x.size - 2,
    )
