"""Why the rank is believed to stay.

The chain that met it goes on for a while, under a rolling certificate (Theorem 6), which proves what it says
about the steps it trusts, and watched by the monitor of Theorem 3, whose evidence counts where it does not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, log

from ...analysis import Monitored, monitor
from ...compute.threads import threads_without_blas
from ...dynamics import SGD
from ...theory import Certificate, Condition, RollingCertificate, phi_threshold, tail_table
from ...theory.rolling.ledger import THEOREM as ROLLING
from .certificate_anchors import Anchor

P_FAIL = 1e-3
# checks of the monitor, and steps as a multiple of those after which it should have fired
_CHECKS, _SPARE = 20, 1.2
# e-foldings by which the tail must shrink further until the rolling certificate trusts its looks; it fired
# after 1.5 to 3 more in the runs of benchmarks/rolling.py
_FURTHER = 3.0
# SGD work that a certificate may cost, as a fraction of that of all chains so far; steps that are always
# allowed, and more per row and column (about a tenth of a second, of half a second that the smallest tables
# take); and the width whose hidden-layer work is that of the rest of a step
_FRACTION, _ALWAYS, _PER_AXIS, _FIXED_WIDTH = 0.1, 400_000, 500, 28
# exact data are met at a ridge at which a tail takes forever to shrink: then the ridge at which the weakest
# kept singular value loses about this fraction
_SHRINKAGE = 0.2
# name of the condition that refuses a run before it is made
_COST = "cost"


@dataclass(frozen=True, eq=False)
class WatchedRun:
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

        The run is at the learning rate and the ridge of the stage, on the standardised cells, with the hidden
        layers cut to the rank and eight more directions. It is as long as the tail needs until the monitor
        fires, if it shrinks by ``1 - 4 lr ridge`` a step, and some time more; long enough for the rolling
        certificate as well, if that many steps are allowed.
        """
        with threads_without_blas(None):
            return self._watched()

    def _watched(self) -> Certificate:
        anchor = _raised(self.anchor, self.rank) if self.exact else self.anchor
        n_steps, longer = _steps(anchor, self.rank, 0.0), _steps(anchor, self.rank, _FURTHER)
        fraction = _FRACTION * _step_work(anchor.width) / _step_work(anchor.network.widths[1])
        allowed = max(int(fraction * self.sgd_steps), _ALWAYS + _PER_AXIS * sum(anchor.problem.shape))
        if n_steps > allowed:
            return _refused(
                Condition(_COST, "SGD steps needed <= steps allowed", n_steps, allowed, "completion")
            )
        n_steps = min(longer, allowed)
        seen = monitor(
            anchor.problem,
            anchor.network,
            SGD(lr=anchor.lr, ridge=anchor.ridge, n_steps=n_steps),
            seed=self.seed,
            p_fail=P_FAIL,
            every=ceil(n_steps / _CHECKS),
            n_threads=1,  # there is one chain
            certificate=RollingCertificate(budget=P_FAIL),
        )
        return self._stated(anchor, seen)

    def _stated(self, anchor: Anchor, seen: Monitored) -> Certificate:
        """What is proved, if the rolling certificate covers the end of the run; else what was monitored."""
        rolling, found = seen.ledgers[0].certificate(), seen.certificate
        if rolling.holds and rolling.rank == self.rank:
            return replace(rolling, assumptions=(*_about(anchor), *rolling.assumptions))
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


def _raised(anchor: Anchor, rank: int) -> Anchor:
    """The same with the ridge ``delta s^(2-2/L) / (2 m n)``, s being the weakest kept singular value, if
    that is more.
    """
    (m, n), depth = anchor.problem.shape, anchor.network.depth
    weakest = float(anchor.network.singular_values()[rank - 1])
    return replace(anchor, ridge=max(anchor.ridge, _SHRINKAGE * weakest ** (2 - 2 / depth) / (2 * m * n)))


def _steps(anchor: Anchor, rank: int, further: float) -> int:
    """Steps after which the monitor should have fired and the tail shrunk by ``e^-further``, and more."""
    threshold = phi_threshold(anchor.problem, anchor.network.depth, anchor.ridge)
    table = tail_table(anchor.problem, anchor.network, ridge=anchor.ridge, lr=anchor.lr)
    tail = float(table.phi[:, rank].sum())
    foldings = log(max(tail / (P_FAIL / 2 * threshold), 2.0)) + further
    return ceil(_SPARE * foldings / (4 * anchor.lr * anchor.ridge))


def _step_work(width: int) -> float:
    return width**2 + _FIXED_WIDTH**2


def _refused(condition: Condition) -> Certificate:
    return Certificate(
        "Theorem 3, monitored", "SGD stays at the delivered rank.", (condition,), p_fail=P_FAIL
    )


def _about(anchor: Anchor) -> tuple[str, ...]:
    about = (
        f"This is about SGD (lr {anchor.lr:.3g}, ridge {anchor.ridge:.3g}, one entry a step) that goes on "
        "from the chain which met this rank, on the standardised cells, hidden layers cut from "
        f"{anchor.width} to {anchor.network.widths[1]} directions; it is not about the refit or the "
        "least-squares fit that was delivered.",
    )
    if anchor.weighted:
        about += ("The weights of the cells are not used: in this run all observed cells count alike.",)
    return about


def needed_values(certificate: Certificate) -> tuple[str, ...]:
    """Values without which :func:`sentence` cannot say what a certificate that holds is about."""
    return (
        ("step", "last_step", "spent") if certificate.theorem == ROLLING else ("step", "visits", "violations")
    )


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
    values, likely = certificate.values, 1 - (certificate.p_fail or 0)
    if certificate.theorem == ROLLING:
        return (
            f"Certificate: a watched run of the SGD chain that met the rank is trusted to stay at rank "
            f"{certificate.rank} from step {values['step']:.0f} to its last, {values['last_step']:.0f}; with "
            f"probability at least {likely:g} over such runs, no trusted step has a watched hidden layer of "
            "a larger rank (singular values of Z_l at or above sqrt(Phi_thr)). Proved (Theorem 6), for the "
            f"trusted steps alone; charges {values['spent']:.2g} of the budget {certificate.p_fail:g}."
        )
    looks = f"every {values['every']:.0f} steps" if "every" in values else "now and then"
    return (
        f"Certificate: from step {values['step']:.0f} of a watched run of the SGD chain that met the rank, "
        f"with probability at least {likely:g} its hidden layers do not exceed rank "
        f"{certificate.rank} (singular values of Z_l at or above sqrt(Phi_thr)) before the monitor's first "
        f"violation (Theorem 3). Lambda was looked at {looks}; {values['violations']:.0f} of "
        f"{values['visits']:.0f} later looks violated."
    )
