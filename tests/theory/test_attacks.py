"""Attacks on Theorem 1: no certified step leaves B_r, however the point, the batch and the data are chosen.

These are searches, not samples: they have no false-alarm rate. A ratio above 1 would be a counterexample. So
that the attack means something it must come close to every bound before the step and stay close after it. For
that the ridge is the one at which (B) is sharp: C^(L/2) = a sqrt(b) / 2, where a balanced network of rank one
with norms C does not move. Slack is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import rankfall as rf
from rankfall.theory import AbsorbingSet
from theory.attacks import Batches, blocks, climb, drawn, ratios, start, step, together

pytestmark = pytest.mark.stat
ROUNDING = 1e-12


@dataclass(frozen=True)
class Case:
    """An architecture, r, which fraction of the largest certified lr, and the block that a batch fills.

    A step takes q off the norms and q^2 off the imbalances, so that for 0.98 after the step it must not be
    too long. At r = 0, where no direction may be large, nothing replenishes norms and imbalances in one step.
    """

    widths: tuple[int, ...]
    rank: int
    fraction: float
    block: tuple[int, int] = (1, 1)
    within_reach: str = "CVT"
    ridge: float | None = None

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.widths))} r={self.rank} b={self.block[0]}x{self.block[1]}"

    @property
    def inside(self) -> AbsorbingSet:
        depth, size = len(self.widths) - 1, int(np.prod(self.block))
        ridge = self.ridge or 1 / (8 * (0.5 * size**0.5) ** (2 / depth))
        largest = rf.theory.solve(depth, ridge, 1.0, size, "distinct", slack=0.0)
        return AbsorbingSet(self.rank, largest.at_lr(self.fraction * largest.lr))

    def batches(self) -> Batches:
        return blocks((self.widths[-1], self.widths[0]), 1.0, self.block)


SINGLE = [
    Case((3, 3, 3, 3), 1, 1.0),
    Case((4, 3, 5, 3), 2, 1.0),
    Case((6, 6, 6, 6), 0, 0.25),
    Case((2, 4, 3, 3), 0, 0.25, within_reach="VT"),  # two directions below delta cannot make up norm C
    Case((3, 3, 3, 3, 3), 1, 0.5),
    Case((4, 3, 3, 3, 4), 2, 0.5),
    Case((4, 5, 4, 5, 4), 0, 0.2),
    Case((2, 3, 3, 2, 3, 2), 1, 0.5),
    Case((3, 3, 3, 3, 3, 3), 2, 1.0, ridge=0.1),
]
BATCHES = [
    Case((3, 3, 3, 3), 1, 0.1, (2, 2)),
    Case((4, 3, 4, 4), 1, 0.3, (1, 2)),
    Case((4, 4, 4, 4), 0, 0.02, (2, 2), within_reach="VT"),
    Case((3, 3, 3, 3, 3), 1, 0.08, (2, 2)),
    Case((2, 3, 3, 2, 3, 2), 1, 0.3, (2, 1)),
]


def attack(case: Case, goal: str, batches: Batches, rounds: int, seed: int = 0) -> None:
    inside = case.inside
    assert rf.theory.check_constants(inside.constants).holds
    rng = np.random.default_rng(seed)
    found = climb(inside, start(inside, case.widths, goal, case.block), goal, batches, rounds, rng)
    assert found.after <= 1 + ROUNDING
    if goal in case.within_reach:
        assert found.before >= 0.99
        assert found.after >= 0.98


@pytest.mark.parametrize("goal", ["C", "V", "T"])
@pytest.mark.parametrize("case", SINGLE, ids=str)
def test_no_single_entry_leaves(case, goal):
    attack(case, goal, case.batches(), rounds=40)


@pytest.mark.parametrize("goal", ["C", "V", "T"])
@pytest.mark.parametrize("case", BATCHES, ids=str)
def test_no_batch_of_different_entries_leaves(case, goal):
    shape, size = (case.widths[-1], case.widths[0]), int(np.prod(case.block))
    random = drawn(shape, 1.0, size, "distinct", 20, np.random.default_rng(1))
    attack(case, goal, together(case.batches(), random), rounds=25)


@pytest.mark.parametrize("goal", ["C", "V", "T"])
def test_no_batch_with_repeats_leaves(goal):
    """With replacement all entries of a batch may coincide: that is the single entry."""
    case = Case((3, 3, 3, 3), 1, 1.0)
    random = drawn((3, 3), 1.0, 4, "replacement", 40, np.random.default_rng(1))
    attack(case, goal, together(case.batches(), random), rounds=25)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("goal", ["C", "V", "T"])
@pytest.mark.parametrize("case", [*SINGLE, *BATCHES], ids=str)
def test_long_attacks(case, goal, seed):
    attack(case, goal, case.batches(), rounds=400, seed=seed)


@pytest.mark.parametrize("case", SINGLE, ids=str)
def test_a_hundred_times_longer_steps_can_leave(case):
    """What breaks is (V), and (C) where norms are large, never the tail."""
    inside = case.inside
    k = inside.constants
    lr = min(100 * k.lr, 0.45 / k.ridge)
    rng = np.random.default_rng(0)
    broken = {}
    for goal in "CVT":
        found = climb(
            inside, start(inside, case.widths, goal), goal, case.batches(), rounds=10, rng=rng, lr=lr
        )
        for name, ratio in ratios(inside, step(found.layers, lr, k.ridge, case.batches())).items():
            broken[name] = max(broken.get(name, 0.0), float(ratio.max()))
    assert broken["V"] > 2
    if case.rank > 0:
        assert broken["C"] > 1.2
    assert broken["T"] < 1


@pytest.mark.parametrize("case", [SINGLE[0], SINGLE[4], SINGLE[7]], ids=str)
def test_an_adversary_who_picks_every_entry(case):
    """Greedy: at each step the entry and the value that leave the tail, or the imbalance, largest."""
    inside = case.inside
    k = inside.constants
    for goal in "VT":
        layers = start(inside, case.widths, goal)
        for _ in range(200):
            after = step(layers, k.lr, k.ridge, case.batches())
            found = ratios(inside, after)
            assert max(ratio.max() for ratio in found.values()) <= 1 + ROUNDING
            worst = int(found[goal].argmax())
            layers = tuple(W[worst : worst + 1] for W in after)
