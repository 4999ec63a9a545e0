"""The looks of a run and what was promised between them (Theorem 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from ...declared_arguments import declared
from ..certificate import Certificate, Condition, complement

if TYPE_CHECKING:
    import pandas as pd

THEOREM = "Theorem 6, rolling"
# the columns of the looks, as they are stored, and of the deflations
COLUMNS = (
    "start", "stop", "planned", "rank", "layer", "radius", "norm", "growth", "phi", "charge", "extrapolated",
    "trusted", "left", "missed",
)  # fmt: skip
DEFLATION_COLUMNS = ("step", "rank", "bound")
WHOLE = {"start", "stop", "planned", "rank", "layer"}
FLAGS = {"trusted", "left", "missed"}
# stretches of trusted steps that a summary lists
_SHOWN = 6
_EXACT = "Exact arithmetic; each Phi_l has w_l (1e-15 |Z_l|)^2 added, later rounding is not modelled."


@dataclass(frozen=True, eq=False)
class RollingLedger:
    """Looks, charges and promises of one run under a :class:`~rankfall.theory.RollingCertificate`.

    The promise, to whoever fixed the budget P and ``Phi_thr`` when the run began: with probability at least
    ``1 - P``, *at all trusted steps at once*, the watched layer has at most `rank` singular values of
    ``Z_l = [W_l | W_{l+1}^T]`` with ``sigma^2 >= Phi_thr``, and ``sigma_{rank+1}(A) <= (norm +
    radius)^(L-2) Phi_thr`` before the step that left the ball. It is not conditional on the trust having
    lasted; it says nothing about untrusted steps, other layers, or steps after the last one; and the
    budgets of several runs add up.

    Attributes
    ----------
    looks : mapping of str to ndarray, shape (n_looks,)
        One number for each look: "start" and "stop" (first and last step of the interval that is covered),
        "planned" (T), "rank", "layer" (from 1), "radius", "norm" (omega), "growth" (gamma), "phi" (of that
        layer and rank), "charge" (p), "extrapolated" (sum of this and later charges if ``Phi`` goes on
        shrinking by ``q^2`` a step: observed, not proved), "trusted", "left" (SGD left the ball, which ended
        the interval), "missed" (an exit may have gone unnoticed, which ended the trust).
    deflations : mapping of str to ndarray
        "step", "rank", "bound": where directions beyond a rank were dropped, and how far this moved A at
        most (Theorem 4). From there on no hidden layer has a larger rank, surely.
    budget, phi_threshold : float
    n_steps : int
        The last step of the run.
    depth, batch_size : int
    lr, ridge : float
    """

    looks: Mapping[str, np.ndarray]
    deflations: Mapping[str, np.ndarray]
    budget: float
    phi_threshold: float
    n_steps: int
    depth: int
    lr: float
    ridge: float
    batch_size: int

    @property
    def n_looks(self) -> int:
        return int(self.looks["start"].size)

    @property
    def spent(self) -> float:
        """Sum of the charges of the trusted intervals; never above the budget."""
        return float(np.sum(self.looks["charge"], where=self.looks["trusted"]))

    @property
    def fired(self) -> int | None:
        """Step of the first trusted look, or deflation; None if there is none."""
        trusted = self.looks["start"][self.looks["trusted"]]
        steps = [*trusted[:1].tolist(), *self.deflations["step"][:1].tolist()]
        return min(steps, default=None)

    @property
    def unbroken_from(self) -> int | None:
        """First step from which the rank promised last, or a lower one, is promised at every step.

        None if the last step is not trusted.
        """
        first: int | None = None
        at = self.n_steps
        for k in range(self.n_looks - 1, -1, -1):
            if not self.looks["trusted"][k] or self.looks["stop"][k] < at:
                break
            if self.looks["rank"][k] > self.looks["rank"][-1]:
                break
            first = at = int(self.looks["start"][k])
        return first

    @property
    def sure_rank(self) -> int | None:
        """Largest rank that any hidden layer can have after the last deflation, surely; None without one."""
        ranks = self.deflations["rank"]
        return int(ranks[-1]) if ranks.size else None

    @declared
    def promised(self, steps: np.ndarray) -> np.ndarray:
        """The rank promised at some steps, -1 where none is.

        At a step that ends one interval and begins the next, the smaller rank of the two: both are promised.
        """
        steps = np.asarray(steps)
        out = np.full(steps.shape, -1, np.int64)
        for k in np.flatnonzero(self.looks["trusted"]).tolist():
            rank = int(self.looks["rank"][k])
            inside = (steps >= self.looks["start"][k]) & (steps <= self.looks["stop"][k])
            out[inside & ((out < 0) | (out > rank))] = rank
        return out

    def product_bounds(self) -> np.ndarray:
        """``(norm + radius)^(L-2) Phi_thr``: bounds ``sigma_{rank+1}(A)`` before the exit; (n_looks,).

        Infinite for intervals that are not trusted.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            power = (self.looks["norm"] + self.looks["radius"]) ** (self.depth - 2)
            bound = np.where(power > 0, power * self.phi_threshold, 0.0)
        return np.where(self.looks["trusted"], bound, inf)

    def table(self) -> pd.DataFrame:
        """One row per look."""
        import pandas as pd

        return pd.DataFrame({name: self.looks[name] for name in COLUMNS})

    def certificate(self) -> Certificate:
        """The promise about the trusted steps that end with the last one, or what is sure by deflation.

        ``holds`` is False where the last step is not trusted, although earlier ones may be.
        """
        first, sure = self.unbroken_from, self.sure_rank
        values = {
            "Phi_thr": self.phi_threshold,
            "last_step": float(self.n_steps),
            "spent": self.spent,
            "looks": float(self.n_looks),
        }
        spent = Condition(
            "charges", "sum of the trusted charges <= budget", self.spent, self.budget, "Theorem 6"
        )
        if first is not None:
            last = self.looks["start"] >= first
            rank = int(self.looks["rank"][-1])
            n_last = Condition(
                "trusted to the end", "0 < trusted looks up to the last step", 0.0,
                float(np.count_nonzero(last)), "Theorem 6", strict=True,
            )  # fmt: skip
            return Certificate(
                theorem=THEOREM,
                claim=(
                    f"The steps from {first} to {self.n_steps} are trusted at rank {rank}, by a rule fixed "
                    f"at the start: with probability at least {complement(self.budget)} over runs from "
                    "there, no trusted step has more singular values of the watched Z_l at or above "
                    "sqrt(Phi_thr) than its rank."
                ),
                conditions=(spent, n_last),
                rank=rank,
                p_fail=self.budget,
                assumptions=(f"{self._about()}, its cells uniform given the past, as in this run.", _EXACT),
                values={**values, "step": float(first), "product": float(self.product_bounds()[last].max())},
            )
        if sure is not None:
            step = int(self.deflations["step"][-1])
            width = Condition(
                "width", "width of the hidden layers <= rank", float(sure), float(sure), "identity (I2)"
            )
            return Certificate(
                theorem="Theorem 4 and (I2)",
                claim=f"From step {step} on no hidden layer of the deflated network has a rank above {sure}.",
                conditions=(width,),
                rank=sure,
                values={**values, "step": float(step), "bound": float(self.deflations["bound"].sum())},
            )
        nothing = Condition(
            "trusted to the end", "0 < trusted looks up to the last step", 0.0, 0.0, "Theorem 6", strict=True
        )
        claim = "The last steps of the run are trusted."
        return Certificate(THEOREM, claim, (spent, nothing), p_fail=self.budget, values=values)

    def summary(self) -> str:
        """What is promised, for which steps and with which budget; and what is not."""
        lines = [f"{THEOREM}: {self._about()}."]
        for step, rank, bound in zip(*(self.deflations[name] for name in DEFLATION_COLUMNS), strict=True):
            lines.append(
                f"At step {step} directions beyond rank {rank} were dropped, which moved A by at most "
                f"{bound:.3g}: from there on no hidden layer of the smaller network exceeds rank {rank}, "
                "surely, for any lr and batch."
            )
        stretches = self._stretches()
        if stretches:
            lines.append(
                "Steps are trusted at a rank by a rule that was fixed at the start. With probability at "
                f"least {complement(self.budget)} over runs from there, at all trusted steps at once, the "
                "hidden layer that is watched has no more singular values of Z_l at or above "
                f"{self.phi_threshold**0.5:.3g} than this rank. Trusted:"
            )
            if len(stretches) > _SHOWN:
                lines.append(f"  ({len(stretches) - _SHOWN} earlier stretches of steps are in the table)")
            lines += [
                f"  steps {first} to {last} at rank {rank}; then sigma_{rank + 1}(A) <= {bound:.3g}, but for "
                "the steps that left a ball"
                for first, last, rank, bound in stretches[-_SHOWN:]
            ]
            lines.append(
                f"{int(self.looks['trusted'].sum())} of {self.n_looks} intervals are trusted; their charges "
                f"sum to {self.spent:.3g} of the budget {self.budget:.3g}."
            )
            lines.append(
                "Not promised: anything about other steps, later steps or other layers; any probability "
                "given that the trust lasted so long. The budgets of several runs add up."
            )
        elif not self.deflations["step"].size:
            lines.append(f"No interval was trusted in {self.n_looks} looks: nothing is promised.")
        missed = int(self.looks["missed"].sum())
        if missed:
            lines.append(f"The trust ended {missed} times because an exit may have gone unnoticed.")
        return "\n".join(lines)

    def _stretches(self) -> list[tuple[int, int, int, float]]:
        """Trusted intervals that follow each other at one rank: first and last step, rank, bound on A."""
        out: list[tuple[int, int, int, float]] = []
        bounds = self.product_bounds()
        for k in np.flatnonzero(self.looks["trusted"]).tolist():
            start, stop, rank = (int(self.looks[name][k]) for name in ("start", "stop", "rank"))
            bound = float(bounds[k])
            if out and out[-1][1] >= start and out[-1][2] == rank:
                out[-1] = (out[-1][0], stop, rank, max(out[-1][3], bound))
            else:
                out.append((start, stop, rank, bound))
        return out

    def _about(self) -> str:
        cells = "one cell" if self.batch_size == 1 else f"{self.batch_size} cells"
        return f"SGD with lr {self.lr:.3g}, ridge {self.ridge:.3g} and {cells} a step"

    def __str__(self) -> str:
        return self.summary()

    def stored(self) -> tuple[np.ndarray, np.ndarray]:
        """Looks and deflations as two tables of numbers, for files."""
        return (
            np.stack([self.looks[name].astype(np.float64) for name in COLUMNS], axis=1),
            np.stack([self.deflations[name].astype(np.float64) for name in DEFLATION_COLUMNS], axis=1),
        )


def columns(table: np.ndarray, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The columns of a stored table by their names, in their types."""
    table = table.reshape(-1, len(names))
    kinds = {name: np.int64 if name in WHOLE or name == "step" else np.float64 for name in names}
    return {
        name: table[:, k] != 0 if name in FLAGS else table[:, k].astype(kinds[name])
        for k, name in enumerate(names)
    }
