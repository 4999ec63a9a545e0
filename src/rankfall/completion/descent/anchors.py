"""Why the rank is believed to stay: the chain that met it goes on for a while, watched by the monitor of Theorem 3."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil, log
from typing import TYPE_CHECKING

import numpy as np

from ...analysis import monitor
from ...compute.threads import threads_without_blas
from ...dynamics import SGD
from ...errors import Outcome
from ...network import Network
from ...problem import Problem
from ...theory import Certificate, Condition, phi_threshold, tail_table

if TYPE_CHECKING:
    from ..session import Session
    from .descend import Stage

P_FAIL = 1e-3
# hidden directions kept beside those of the rank: the tail whose fate is watched
TAIL = 8
# numbers that all kept networks may hold together
_MOST_NUMBERS = 4_000_000
# looks of the monitor, share of them that is left to be seen after it should have fired
_LOOKS, _SPARE = 20, 1.2
# SGD work that a certificate may cost, as a share of that of all chains so far; steps that are always allowed, and
# more per row and column (about a tenth of a second, of half a second that the smallest tables take); and the width
# whose hidden-layer work is that of the rest of a step
_SHARE, _ALWAYS, _PER_LINE, _FIXED_WIDTH = 0.1, 400_000, 500, 28
# exact data are met at a ridge at which a tail takes forever to shrink: then the ridge at which the weakest kept
# singular value loses about this share
_SHRINKAGE = 0.2
# values without which :func:`sentence` cannot say what a certificate that holds is about
NEEDED = ("step", "visits", "violations")
# name of the condition that refuses a run before it is made
_COST = "cost"
# phases of the search (see `descend`) whose chains a certificate is about
EXACT_PHASE, FALL_PHASE = "looking for an exact fit", "falling through the ranks"


@dataclass(frozen=True, eq=False)
class Anchor:
    """A chain where it first met a rank, its hidden layers cut to a few directions more (Theorem 4).

    Attributes
    ----------
    problem : Problem
        The standardised cells it was trained on, without weights: SGD does not use them.
    network : Network
    ridge, lr : float
        Of the stage.
    width : int
        Of the hidden layers before they were cut.
    weighted : bool
        Whether the cells had weights.
    """

    problem: Problem
    network: Network
    ridge: float
    lr: float
    width: int
    weighted: bool = False


@dataclass
class Anchors:
    """The ranks that the chains of one descent met. Filled in place by :func:`note`.

    Attributes
    ----------
    width : int
        Of the hidden layers when the descent began.
    by_rank : dict
        Rank -> the best chain that had it when it was first met; its layers may still have to be cut.
    last : (Problem, Network, Stage), or None
        The chains as they are now, for a rank that was found in a spectrum before it was met.
    """

    width: int = 0
    by_rank: dict[int, Anchor] = field(default_factory=dict)
    last: tuple[Problem, Network, Stage] | None = None

    def of(self, rank: int) -> Anchor | None:
        """A chain at this rank; else the present one whose spectrum has the widest gap there."""
        if rank in self.by_rank:
            return _cut(self.by_rank[rank], rank)
        if self.last is None:
            return None
        problem, chains, stage = self.last
        s = stage.s
        if rank >= s.shape[1]:
            return None
        best = int(np.argmax(s[:, rank - 1] / np.maximum(s[:, rank], 1e-300)))
        return _cut(self._anchor(problem, chains.chain(best), stage), rank)

    def note(self, problem: Problem, chains: Network, stage: Stage) -> None:
        """Keep the chains that met a rank for the first time, small errors first; large ranks go first."""
        self.last = (problem, chains, stage)
        for chain in np.argsort(stage.train_rmse).tolist():
            rank = int(stage.ranks[chain])
            if 0 < rank < min(chains.widths) and rank not in self.by_rank:
                alone = Network(tuple(W.copy() for W in chains.chain(chain)))  # the other chains may go
                self.by_rank[rank] = self._anchor(problem, alone, stage)
                self._cut_if_too_many()
        self._cut_if_too_many()
        while self._too_many():
            del self.by_rank[max(self.by_rank)]

    def _cut_if_too_many(self) -> None:
        """Cutting takes decompositions, and waits until somebody asks or there is no room."""
        if self._too_many():
            self.by_rank = {rank: _cut(anchor, rank) for rank, anchor in self.by_rank.items()}

    def _too_many(self) -> bool:
        return sum(anchor.network.n_parameters for anchor in self.by_rank.values()) > _MOST_NUMBERS

    def _anchor(self, problem: Problem, network: Network, stage: Stage) -> Anchor:
        alike, weighted = replace(problem, weights=None), problem.weights is not None
        return Anchor(alike, network, stage.ridge, stage.lr, self.width or network.widths[1], weighted)


def _cut(anchor: Anchor, rank: int) -> Anchor:
    """The same with hidden layers of the rank and a few directions more."""
    if max(anchor.network.widths[1:-1]) <= rank + TAIL:
        return anchor
    return replace(anchor, network=anchor.network.compress(rank + TAIL).network)


@dataclass(frozen=True, eq=False)
class Watch:
    """A certificate that can be made: the run that decides is made when somebody asks.

    Attributes
    ----------
    anchor : Anchor
    rank : int
        The rank delivered.
    exact : bool
        Whether it fits exactly; the chain then goes on at a larger ridge (see `_raised`).
    sgd_steps : int
        Steps of all chains so far, in proportion to which the run may cost.
    seed : int
    """

    anchor: Anchor
    rank: int
    exact: bool
    sgd_steps: int
    seed: int

    def certificate(self) -> Certificate:
        """Run the chain that met the rank a while longer, watched.

        The run is at the learning rate and the ridge of the stage, on the standardised cells, with the hidden layers
        cut to the rank and eight more directions. It is as long as the tail needs until the monitor fires, if it
        shrinks by ``1 - 4 lr ridge`` a step, and some time more.
        """
        with threads_without_blas(None):
            return self._watched()

    def _watched(self) -> Certificate:
        anchor = _raised(self.anchor, self.rank) if self.exact else self.anchor
        n_steps = _steps(anchor, self.rank)
        share = _SHARE * _step_work(anchor.width) / _step_work(anchor.network.widths[1])
        allowed = max(int(share * self.sgd_steps), _ALWAYS + _PER_LINE * sum(anchor.problem.shape))
        if n_steps > allowed:
            return _refused(
                Condition(_COST, "SGD steps needed <= steps allowed", n_steps, allowed, "completion")
            )
        found = monitor(
            anchor.problem,
            anchor.network,
            SGD(lr=anchor.lr, ridge=anchor.ridge, n_steps=n_steps),
            seed=self.seed,
            p_fail=P_FAIL,
            every=ceil(n_steps / _LOOKS),
            n_threads=1,  # there is one chain
        ).certificate
        if found.rank is None:
            return replace(found, assumptions=_about(anchor))
        if found.rank == self.rank:
            return replace(found, assumptions=(*_about(anchor), *found.assumptions))
        same = Condition(
            "same rank", "delivered rank = rank at which SGD stays", self.rank, found.rank, "completion"
        )
        if found.rank > self.rank:
            same = replace(same, left=found.rank, right=self.rank)
        return replace(found, conditions=(*found.conditions, same), rank=None, assumptions=_about(anchor))


def watch(rank: int, outcome: Outcome, session: Session, seed: int) -> Watch | None:
    """The run that a certificate of the delivered rank needs; None where no chain met it."""
    phase = {Outcome.EXACT: EXACT_PHASE, Outcome.CHOSEN: FALL_PHASE}.get(outcome)
    anchors = session.anchors.get(phase or "")
    anchor = None if anchors is None or not rank else anchors.of(rank)
    if anchor is None:
        return None
    return Watch(anchor, rank, outcome is Outcome.EXACT, session.sgd_steps, seed)


def _raised(anchor: Anchor, rank: int) -> Anchor:
    """The same with the ridge ``delta s^(2-2/L) / (2 m n)``, s being the weakest kept singular value, if that is more."""
    (m, n), depth = anchor.problem.shape, anchor.network.depth
    weakest = float(anchor.network.singular_values()[rank - 1])
    return replace(anchor, ridge=max(anchor.ridge, _SHRINKAGE * weakest ** (2 - 2 / depth) / (2 * m * n)))


def _steps(anchor: Anchor, rank: int) -> int:
    """Steps after which the monitor should have fired, and some more."""
    threshold = phi_threshold(anchor.problem, anchor.network.depth, anchor.ridge)
    table = tail_table(anchor.problem, anchor.network, ridge=anchor.ridge, lr=anchor.lr)
    tail = float(table.phi[:, rank].sum())
    needed = log(max(tail / (P_FAIL / 2 * threshold), 2.0)) / (4 * anchor.lr * anchor.ridge)
    return ceil(_SPARE * needed)


def _step_work(width: int) -> float:
    return width**2 + _FIXED_WIDTH**2


def _refused(condition: Condition) -> Certificate:
    return Certificate(
        "Theorem 3, monitored", "SGD stays at the delivered rank.", (condition,), p_fail=P_FAIL
    )


def _about(anchor: Anchor) -> tuple[str, ...]:
    about = (
        f"This is about SGD (lr {anchor.lr:.3g}, ridge {anchor.ridge:.3g}, one entry a step) that goes on from the chain "
        f"which met this rank, on the standardised cells, hidden layers cut from {anchor.width} to "
        f"{anchor.network.widths[1]} directions; it is not about the refit or polish that was delivered.",
    )
    if anchor.weighted:
        about += ("The weights of the cells are not used: in this run all observed cells count alike.",)
    return about


def sentence(certificate: Certificate | None) -> str | None:
    """One line for a person; None without a certificate."""
    if certificate is None:
        return None
    if not certificate.holds:
        worst, opening = certificate.tightest, "Rank not certified (which refutes nothing):"
        if worst.name == _COST:
            return (
                f"{opening} the SGD run would need {worst.left:.0f} steps, and {worst.right:.0f} are allowed."
            )
        return f"{opening} {worst.statement} fails in the watched SGD run."
    values = certificate.values
    looks = f"every {values['every']:.0f} steps" if "every" in values else "now and then"
    return (
        f"Certificate: from step {values['step']:.0f} of a watched run of the SGD chain that met the rank, with "
        f"probability at least {1 - (certificate.p_fail or 0):g} its hidden layers do not exceed rank {certificate.rank} "
        "(singular values of Z_l at or above sqrt(Phi_thr)) before the monitor's first violation (Theorem 3). Lambda "
        f"was looked at {looks}; {values['violations']:.0f} of {values['visits']:.0f} later "
        "looks violated."
    )
