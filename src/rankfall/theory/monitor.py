"""A certificate that rides along with a run: Theorem 3 refreshed now and then, and its ledger in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import inf, log, nan
from typing import TYPE_CHECKING

import numpy as np

from ..declared_arguments import declared
from ..errors import InputError
from ..network import Network
from ..problem import Problem
from .certificate import Certificate, Condition, complement
from .rank_lock import EXACT, UNIFORM, check_probability, rule, rule_conditions
from .requirements import check_depth_and_ridge, check_step, require_alike
from .tail import phi_threshold, tail_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Firing:
    """One moment at which a rank was certified.

    Attributes
    ----------
    step : int
    rank : int
    share : float
        The part of ``p_fail`` that this firing may use up, ``p_k = p_fail / 2^k`` for the k-th.
    conditions : tuple of Condition
        The inequalities that made it fire.
    """

    step: int
    rank: int
    share: float
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, eq=False)
class MonitorLog:
    """What a :class:`Monitor` saw, one entry per visit.

    Attributes
    ----------
    steps : ndarray of int64, shape (n_visits,)
    certified : ndarray of int64, shape (n_visits,)
        The certified rank, -1 where none is.
    numerical_rank : ndarray of int64, shape (n_visits,)
        Largest number of ``sigma(Z_l) > sqrt(Phi_thr)`` in any hidden layer.
    phi, mean_factor : ndarray, shape (n_visits, L - 1)
        ``Phi_l`` and ``Lambda_l`` at the certified rank, or at the numerical one where none is certified.
    violated : ndarray of bool, shape (n_visits,)
        Some ``Lambda_l >= 1`` at the certified rank: this step used up credit.
    ledger : ndarray, shape (n_visits, L - 1)
        Since the visit before: the highest that ``log sigma_{r+1}(Z_l)`` can have been, relative to ``log
        sqrt(Phi_thr)``, by the ledger of Theorem 3(c), r being the rank certified there. Below 0 it is proved
        that the rank did not rise in between; NaN where no ledger was kept or no rank certified.
    firings : tuple of Firing
    phi_threshold : float
    """

    steps: np.ndarray
    certified: np.ndarray
    numerical_rank: np.ndarray
    phi: np.ndarray
    mean_factor: np.ndarray
    violated: np.ndarray
    ledger: np.ndarray
    firings: tuple[Firing, ...]
    phi_threshold: float

    @property
    def proved(self) -> np.ndarray:
        """Whether the ledger proves that the rank did not rise since the visit before, shape (n_visits,)."""
        return np.all(self.ledger < 0, axis=1)

    def table(self) -> pd.DataFrame:
        """One row per visit; the layers' numbers by their worst layer."""
        import pandas as pd

        return pd.DataFrame(
            {
                "step": self.steps,
                "certified": self.certified,
                "numerical_rank": self.numerical_rank,
                "phi": self.phi.sum(axis=1),
                "mean_factor": self.mean_factor.max(axis=1),
                "violated": self.violated,
                "ledger": self.ledger.max(axis=1),
                "proved": self.proved,
            }
        )


@dataclass
class _Standing:
    """A firing whose guarantee has not ended: the products of its ``Lambda_l``, in logarithms."""

    firing: Firing
    credit: np.ndarray
    factors: np.ndarray


# the columns of MonitorLog, from steps to ledger
_Visit = tuple[int, int, int, np.ndarray, np.ndarray, bool, np.ndarray]


@declared
@dataclass
class Monitor:
    """Pure state: give it the network now and then, it says which rank is certified (Theorem 3).

    It fires when the Rule of section 3 holds at the numerical rank of the moment and this is below what is
    certified already; firing k may fail with probability ``p_fail / 2^k``. A firing stands until a product of
    the ``Lambda_l`` since then exceeds `budget`. These are known only at the visits; in between the larger of
    the two visits' is taken for every step, which is evidence and not proof. What the ledger proves about the
    steps in between is proved without them (Theorem 3(c)).

    Parameters
    ----------
    problem : Problem
    depth : int
        L, at least 3.
    ridge, lr : float
        Positive; constant along the run.
    batch_size : int
    sampling : {"replacement", "distinct"}
    p_fail : float
        Bound on the probability that any firing fails.
    budget : float
        G of Theorem 3(b), at least 1. A larger one makes firings later and lets them stand longer.
    """

    problem: Problem
    depth: int
    ridge: float
    lr: float
    batch_size: int = 1
    sampling: str = "replacement"
    p_fail: float = 1e-3
    budget: float = 1.0
    _visits: list[_Visit] = field(default_factory=list[_Visit], init=False, repr=False)
    _firings: list[Firing] = field(default_factory=list[Firing], init=False, repr=False)
    _standing: list[_Standing] = field(default_factory=list[_Standing], init=False, repr=False)
    _sigma: tuple[np.ndarray, ...] = field(default=(), init=False, repr=False)
    _step: int = field(default=-1, init=False, repr=False)

    def __post_init__(self) -> None:
        require_alike(self.problem)
        self.depth, _ = check_depth_and_ridge(self.depth, self.ridge)
        self.ridge, self.lr, self.batch_size = check_step(
            self.problem, self.ridge, self.lr, self.batch_size, self.sampling
        )
        check_probability(self.p_fail)
        if not self.lr > 0:
            raise InputError(f"lr must be positive, not {self.lr}.")
        if not 1 <= self.budget < inf:
            raise InputError(f"budget must be at least 1, not {self.budget}.")
        self.phi_threshold = phi_threshold(self.problem, self.depth, self.ridge)

    @property
    def rank(self) -> int | None:
        """The rank certified now, None if there is none."""
        return min((standing.firing.rank for standing in self._standing), default=None)

    @property
    def firing(self) -> Firing | None:
        """The firing that certifies the present rank."""
        best = min(self._standing, key=lambda standing: standing.firing.rank, default=None)
        return None if best is None else best.firing

    @declared
    def update(self, step: int, network: Network, ledger: np.ndarray | None = None) -> int | None:
        """Look at the network after `step` steps.

        Parameters
        ----------
        step : int
            Larger than at the visit before.
        network : Network
        ledger : ndarray, shape (L - 1,), optional
            Highest partial sum since the visit before of ``log(|q| + lr |B_l|)`` over the steps (0 or more).

        Returns
        -------
        int or None
            The rank certified now.
        """
        if step <= self._step:
            raise InputError(f"A monitor looks at later and later steps; {step} comes after {self._step}.")
        if network.depth != self.depth:
            raise InputError(f"This monitor was made for depth {self.depth}, not {network.depth}.")
        table = tail_table(
            self.problem,
            network,
            ridge=self.ridge,
            lr=self.lr,
            batch_size=self.batch_size,
            sampling=self.sampling,
        )
        before, bound = self.rank, self._ledger(ledger)
        self._extend(step, table.mean_factor)
        violated = before is not None and bool(np.any(table.mean_factor[:, before] >= 1))
        numerical = table.numerical_rank(self.phi_threshold)
        share = self.p_fail / 2 ** (len(self._firings) + 1)
        found = rule(table, self.phi_threshold, share / self.budget)
        if found is not None and found == numerical and (self.rank is None or found < self.rank):
            conditions = rule_conditions(table, found, self.phi_threshold, share / self.budget)
            self._firings.append(Firing(step, found, share, conditions))
            log_factors = _log(table.mean_factor[:, found])
            self._standing.append(_Standing(self._firings[-1], log_factors, log_factors))
        shown = min(numerical if self.rank is None else self.rank, table.phi.shape[1] - 1)
        self._visits.append(
            (
                step, -1 if self.rank is None else self.rank, numerical, table.phi[:, shown],
                table.mean_factor[:, shown], violated, bound,
            )
        )  # fmt: skip
        self._sigma, self._step = table.singular_values, step
        return self.rank

    def _extend(self, step: int, mean_factor: np.ndarray) -> None:
        """Multiply the factors of the steps since the last visit into every standing firing.

        End those that lapse.
        """
        kept: list[_Standing] = []
        for standing in self._standing:
            now = _log(mean_factor[:, standing.firing.rank])
            # the steps after the last visit up to this one, each taken as bad as the worse end
            standing.credit = standing.credit + (step - self._step) * np.maximum(standing.factors, now)
            standing.factors = now
            if np.all(standing.credit <= log(self.budget)):
                kept.append(standing)
        self._standing = kept

    def _ledger(self, ledger: np.ndarray | None) -> np.ndarray:
        """``max over the steps in between of log(sigma_{r+1}(Z_l) / sqrt(Phi_thr))``, at most."""
        nothing = np.full(self.depth - 1, nan)
        if ledger is None or self.rank is None or not self._sigma:
            return nothing
        ledger = np.asarray(ledger, dtype=np.float64)
        if ledger.shape != nothing.shape:
            raise InputError(
                f"The ledger has one number per hidden layer, {self.depth - 1}, not {ledger.shape}."
            )
        tails = np.array([float(s[self.rank]) if s.size > self.rank else 0.0 for s in self._sigma])
        return _log(tails) + np.maximum(ledger, 0.0) - 0.5 * log(self.phi_threshold)

    def log(self) -> MonitorLog:
        """Everything seen so far."""
        columns = list(zip(*self._visits, strict=True)) or [()] * 7
        layers = (len(self._visits), self.depth - 1)
        return MonitorLog(
            steps=np.array(columns[0], np.int64),
            certified=np.array(columns[1], np.int64),
            numerical_rank=np.array(columns[2], np.int64),
            phi=np.array(columns[3], np.float64).reshape(layers),
            mean_factor=np.array(columns[4], np.float64).reshape(layers),
            violated=np.array(columns[5], bool),
            ledger=np.array(columns[6], np.float64).reshape(layers),
            firings=tuple(self._firings),
            phi_threshold=self.phi_threshold,
        )

    def certificate(self) -> Certificate:
        """What stands now: the firing, and that no product of factors has exceeded the budget since."""
        best = min(self._standing, key=lambda standing: standing.firing.rank, default=None)
        if best is None:
            what = "never fired" if not self._firings else "no firing stands any more"
            lapsed = Condition(
                "standing", "0 < number of standing firings", 0.0, 0.0, "Theorem 3(b)", strict=True
            )
            return Certificate(
                "Theorem 3, monitored",
                f"Some rank is certified (the monitor {what}).",
                (lapsed,),
                p_fail=self.p_fail,
                values={"Phi_thr": self.phi_threshold, "step": self._step},
            )
        firing, log_ = best.firing, self.log()
        later = log_.steps > firing.step
        credit = [
            Condition(f"credit {l + 1}", f"log prod Lambda_{l + 1} <= log G", float(spent), log(self.budget),
                      "Theorem 3(b), at the visits")
            for l, spent in enumerate(best.credit)
        ]  # fmt: skip
        return Certificate(
            theorem="Theorem 3, monitored",
            claim=(
                f"From step {firing.step} on, with probability at least {complement(self.p_fail)}, no hidden "
                f"layer has more than {firing.rank} singular values of Z_l at or above sqrt(Phi_thr) up to "
                "the first step at which a product of the Lambda_l exceeds the budget."
            ),
            conditions=(*firing.conditions, *credit),
            rank=firing.rank,
            p_fail=self.p_fail,
            assumptions=(
                UNIFORM,
                f"Lambda_l between the visits (every {self._interval()} steps) is no larger than at the "
                "worse one of the two; this was not checked.",
                EXACT,
            ),
            values={
                "Phi_thr": self.phi_threshold,
                "step": firing.step,
                "last_step": self._step,
                "every": self._interval(),
                "visits": int(np.count_nonzero(later)),
                "violations": int(np.count_nonzero(log_.violated & later)),
                "proved_by_ledger": int(np.count_nonzero(log_.proved & later)),
            },
        )

    def _interval(self) -> int:
        steps = [int(visit[0]) for visit in self._visits]
        return max((b - a for a, b in pairwise(steps)), default=0)


def _log(x: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(x)
