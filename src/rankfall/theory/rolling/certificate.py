"""The rolling certificate: settings that are fixed before a run, and the state of one run under them."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, sqrt
from numbers import Real

import numpy as np

from ...argument_checks import check_fields, checked, flag, fraction, positive, shown, whole
from ...declared_arguments import declared
from ...errors import InputError
from ...network import Network
from ...problem import Problem
from ..requirements import check_depth_and_ridge, check_point, check_step, require_alike
from ..tail import phi_threshold
from .growth_in_ball import Look, measured, require_different_cells, require_range
from .leading import Leading
from .ledger import COLUMNS, DEFLATION_COLUMNS, RollingLedger, columns
from .plan import MOST_STEPS, Plan, plan

# how far a single interval may change the estimate of how fast SGD moves
_SLOWEST = 1e-4


@dataclass(frozen=True)
class RollingCertificate:
    """Settings of Theorem 6: what is promised between looks, fixed before the run begins.

    At a look everything observed is enumerated, and a rank r, a hidden layer l, a radius d and a number T of
    steps are chosen. Until SGD has moved by more than d from there, ``E[Phi_l'] <= (1 + gamma) Phi_l``, so
    that ``Phi_l`` reaches ``Phi_thr`` in the T steps, or until the ball is left, with probability at most
    the charge ``p = (1 + gamma)^T Phi_l / Phi_thr``. Intervals are trusted while their charges sum to at
    most the budget.

    The rule, fixed here: the rank is the numerical one, the largest number of ``sigma(Z_l)^2 >= Phi_thr`` in
    any hidden layer. An interval is trusted if its charge and the later ones, extrapolated with ``Phi_l``
    shrinking by ``(1 - 2 lr ridge)^2`` a step, sum to at most half of what is left of the budget, because a
    lower rank may have to be paid for later; or to three quarters, if the interval before was trusted at this
    rank. Until then looks are rare: the next one comes after half of the steps that the tail needs at this
    rate, but at least after an epoch (a tenth, just after an interval that was trusted). Radius and T are
    those that last longest among those whose extrapolated sum is at most a hundredth of what is left, and
    else those with the smallest charge per step, for which T is about ``1 / gamma``. The estimate of how long
    SGD stays in a ball comes from its own displacement since the previous look. These parts were found with
    ``benchmarks/rolling.py``; how, stands beside them in the code. None of them affects what is proved.

    Momentum, reshuffled epochs and repeated cells are not covered, and cells must be drawn afresh: a run that
    goes on from the end of another needs another seed. Several runs have a budget each; these add up.

    Parameters
    ----------
    budget : float
        P, between 0 and 1: bound on the probability that the promise is broken at any trusted step.
    radius : float, optional
        d; by default it is chosen at every look.
    max_steps : int, optional
        T; by default it is chosen at every look.
    deflate : bool
        Drop the directions beyond the rank at the first trusted look, and at those of lower ranks later
        (Theorem 4). Then it is sure that no hidden layer exceeds that rank again, and the run goes on as
        SGD on the smaller network. This changes the run.
    """

    budget: float = checked(fraction, default=1e-3)
    radius: float | None = checked(positive, default=None)
    max_steps: int | None = checked(whole, least=1, most=MOST_STEPS, default=None)
    deflate: bool = checked(flag, default=False)

    def __post_init__(self) -> None:
        check_fields(self)

    @declared
    def begin(
        self,
        problem: Problem,
        depth: int,
        *,
        lr: float,
        ridge: float,
        batch_size: int = 1,
        sampling: str = "replacement",
    ) -> RollingWatch:
        """Fix ``Phi_thr`` and begin to watch one run.

        Parameters
        ----------
        problem : Problem
        depth : int
            L, at least 3.
        lr, ridge : float
            Positive.
        batch_size : int
        sampling : {"replacement", "distinct"}

        Raises
        ------
        InputError
            For depth 2, settings that are out of range, a weighted problem, a problem with repeated cells, or
            ``sampling="epochs"``.
        """
        require_alike(problem)
        depth, ridge = check_depth_and_ridge(depth, ridge)
        if sampling == "epochs":
            raise InputError(
                'Theorem 6 needs batches that are uniform given the past: sampling="epochs" is not covered; '
                'use "replacement" or "distinct".'
            )
        ridge, lr, batch_size = check_step(problem, ridge, lr, batch_size, sampling)
        if not lr > 0:
            raise InputError(f"lr must be positive, not {lr}.")
        require_different_cells(problem)
        return RollingWatch(self, problem, depth, lr, ridge, batch_size, phi_threshold(problem, depth, ridge))


@dataclass(frozen=True)
class Interval:
    """What to do until the next look.

    Attributes
    ----------
    stop : int
        Step of the next look, if SGD does not leave the ball before.
    radius : float
        Look earlier, at the first step whose displacement exceeds this; infinite where nothing is promised.
    trusted : bool
    rank : int
    network : Network
        To go on from: the one that was looked at, or a smaller one if directions were dropped.
    """

    stop: int
    radius: float
    trusted: bool
    rank: int
    network: Network = field(repr=False)


@dataclass
class RollingWatch:
    """The state of one run under a :class:`~rankfall.theory.RollingCertificate`; made by its ``begin``.

    Call :meth:`look` at the beginning and whenever :meth:`moved` says so, and :meth:`moved` after every step.
    """

    certificate: RollingCertificate
    problem: Problem
    depth: int
    lr: float
    ridge: float
    batch_size: int
    phi_threshold: float
    _looks: list[list[float]] = field(default_factory=list[list[float]], init=False, repr=False)
    _deflations: list[list[float]] = field(default_factory=list[list[float]], init=False, repr=False)
    _spent: float = field(default=0.0, init=False, repr=False)
    _pace: float = field(default=1.0, init=False, repr=False)
    _last: tuple[int, Network, Look] | None = field(default=None, init=False, repr=False)
    _interval: Interval | None = field(default=None, init=False, repr=False)
    _step: int = field(default=-1, init=False, repr=False)
    _leading: Leading | None = field(default=None, init=False, repr=False)
    _kept: int | None = field(default=None, init=False, repr=False)

    @property
    def trusted(self) -> bool:
        """Whether the present step is trusted and a promise stands for the next one."""
        return self._interval is not None and self._interval.trusted

    @property
    def due(self) -> bool:
        """Whether it is time for a look."""
        return self._interval is None

    @declared
    def look(self, step: int, network: Network) -> Interval:
        """Look at the network after `step` steps, and decide what to promise from here on."""
        step = whole("step", step, least=0, most=MOST_STEPS)
        if step < self._step:
            raise InputError(f"Looks come at later and later steps; {step} comes after {self._step}.")
        check_point(self.problem, network)
        if network.depth != self.depth:
            raise InputError(f"This certificate is for depth {self.depth}, not {network.depth}.")
        if self._last is not None and network.widths != self._last[1].widths:
            raise InputError(
                f"The network had the widths {self._last[1].widths} when it was looked at last, and has "
                f"{network.widths} now; go on from the network of the Interval."
            )
        require_range(self.problem, [W.astype(np.float64, copy=False) for W in network.weights])
        self._learn_pace(step, network)
        seen, chosen = self._seen(network)
        rank, dropped = max(chosen.rank, 1), list[list[float]]()
        if self.certificate.deflate and chosen.affordable and rank < max(network.widths[1:-1]):
            small = network.compress(rank)
            dropped.append([step, rank, small.bound])
            network = small.network
            seen, chosen = self._seen(network)
        self._step = step
        self._deflations += dropped
        self._last = step, network, seen
        trusted = chosen.affordable and self._spent + chosen.charge <= self.certificate.budget
        if trusted:
            self._spent += chosen.charge
            stop = step + chosen.n_steps
        else:
            stop = step + chosen.wait
        self._kept = chosen.rank if trusted else None
        self._looks.append(
            [
                step, step, chosen.n_steps, chosen.rank, chosen.layer, chosen.radius, seen.norm,
                chosen.growth, chosen.phi, chosen.charge, chosen.extrapolated, trusted, False, False,
            ]
        )  # fmt: skip
        self._interval = Interval(
            stop, chosen.radius if trusted else inf, trusted, chosen.rank if trusted else -1, network
        )
        return self._interval

    def moved(self, step: int, displacement: float) -> bool:
        """Say how far SGD has moved from the last look; returns whether it is time for the next one.

        Parameters
        ----------
        step : int
            Steps done.
        displacement : float
            ``|theta_s - theta_t|`` in the Frobenius norm over all layers, or an upper bound, at *every* step
            s since the previous call. A step that leaves the ball must be reported by itself: if several
            steps are reported at once and one of them may have left it, the trust ends after the first of
            them. NaN is outside.
        """
        step = whole("step", step, least=0, most=MOST_STEPS)
        if not isinstance(displacement, Real) or displacement < 0:
            raise InputError(f"displacement must be a number, 0 or more, not {shown(displacement)}.")
        if step <= self._step:
            raise InputError(f"Steps are reported in their order; {step} comes after {self._step}.")
        previous, self._step = self._step, step
        interval = self._interval
        if interval is None:
            return True
        entry, looked = {name: k for k, name in enumerate(COLUMNS)}, self._looks[-1]
        inside, reach = displacement <= interval.radius, min(step, interval.stop)
        # a step that starts inside the ball is covered, also if it leaves it
        covered = reach if inside else min(previous + 1, reach)
        looked[entry["stop"]] = covered
        looked[entry["left"]] = not inside
        looked[entry["missed"]] = covered < reach
        if not inside or step >= interval.stop:
            self._interval = None
        return self.due

    def ledger(self) -> RollingLedger:
        """Everything seen so far."""
        looks = np.array(self._looks, np.float64).reshape(-1, len(COLUMNS))
        deflations = np.array(self._deflations, np.float64).reshape(-1, len(DEFLATION_COLUMNS))
        return RollingLedger(
            looks=columns(looks, COLUMNS),
            deflations=columns(deflations, DEFLATION_COLUMNS),
            budget=self.certificate.budget,
            phi_threshold=self.phi_threshold,
            n_steps=max(self._step, 0),
            depth=self.depth,
            lr=self.lr,
            ridge=self.ridge,
            batch_size=self.batch_size,
        )

    def _seen(self, network: Network) -> tuple[Look, Plan]:
        """A look at the network and what it chooses.

        While the rank is trusted, upper bounds from the leading directions will do, and cost a fraction of
        the decompositions; where they do not, everything is computed.
        """
        weights = [W.astype(np.float64, copy=False) for W in network.weights]
        if self._leading is not None and self._leading.fits(weights):
            self._leading = self._leading.refreshed(weights)
            seen = self._measured(weights, self._leading)
            chosen = self._plan(seen)
            if chosen.affordable and chosen.rank == self._leading.rank:
                return seen, chosen
        self._leading = None
        seen = self._measured(weights, None)
        chosen = self._plan(seen)
        if chosen.affordable and 0 < chosen.rank < min(network.widths[1:-1]):
            self._leading = Leading.of(weights, chosen.rank)
        return seen, chosen

    def _measured(self, weights: list[np.ndarray], leading: Leading | None) -> Look:
        radius = self.certificate.radius or 0.0
        return measured(self.problem, weights, self.lr, self.ridge, self.batch_size, radius, leading)

    def _plan(self, seen: Look) -> Plan:
        settings = self.certificate
        left = settings.budget - self._spent
        return plan(
            seen, self.phi_threshold, left, self._pace, settings.radius, settings.max_steps, self._kept
        )

    def _learn_pace(self, step: int, network: Network) -> None:
        """How the squared displacement since the last look compares with what was expected there."""
        if self._last is None:
            return
        start, before, seen = self._last
        steps = step - start
        expected = seen.drift**2 * steps**2 + seen.spread / self.batch_size * steps
        if expected > 0:
            square = sum(
                float(np.sum(np.square(W - V))) for W, V in zip(network.weights, before.weights, strict=True)
            )
            ratio = min(max(square / expected, _SLOWEST), 1.0)
            self._pace = sqrt(self._pace * ratio)
