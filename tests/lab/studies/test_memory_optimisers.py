"""Study memory-optimisers: optimisers against recursions, verdicts at their boundaries, small cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.lab.studies.memory_optimisers import AdamW, Sgd

NAME = "memory-optimisers"
SGD = ("sgd", "momentum", "nesterov")


def results(n: int = 6, adam: dict | None = None, strong: dict | None = None, weak: dict | None = None,
            plain: dict | None = None, **changes: object) -> pd.DataFrame:  # fmt: skip
    """Last looks at the square layer, with some numbers replaced by optimiser or decay."""
    rows = []
    for optimiser in (*SGD, "adamw"):
        for rate in (0.001, 0.025):
            facts = {"optimiser": optimiser, "rate": rate, "b": 1, "step": 100, "layer": 2, "right": 0.5,
                     "last": 1, "limit": 128, "rank": 10, "allowed": 20, "certified": -1, "violation": 0.5,
                     "update_rank": 0}  # fmt: skip
            if optimiser == "adamw":
                facts |= {"update_rank": 90, "allowed": 128, **(adam or {})}
            else:
                facts |= changes
                facts |= {"certified": 80, **(strong or {})} if rate == 0.025 else weak or {}
                facts |= plain or {} if optimiser == "sgd" else {}
            rows += [{**facts, "repeat": repeat} for repeat in range(n)]
    return pd.DataFrame(rows)


def on(part: str, **changes: object) -> str:
    return verdict_on(NAME, results(**changes), part)


def test_violations():
    assert on("No certified rank") == "supported"
    assert on("No certified rank", strong={"rank": 81}) == "not supported"
    assert on("No certified rank", strong={"certified": -1}) == "undecided"
    assert on("No bound of Theorem S1") == "supported"
    assert on("No bound of Theorem S1", violation=1.001) == "not supported"
    assert on("No sum bound") == "supported"
    assert on("No sum bound", adam={"violation": 1.001}) == "not supported"


def test_what_is_certified():
    # Clopper-Pearson: 18 of 18 from 0.81, 3 of 3 from 0.29
    assert on("strongest decay") == "supported"
    assert on("strongest decay", strong={"certified": -1}) == "not supported"
    assert on("strongest decay", n=1) == "undecided"
    assert on("weaker decays") == "supported"
    assert on("weaker decays", weak={"certified": 100}) == "not supported"
    assert on("sharper") == "supported"
    assert on("sharper", strong={"allowed": 81}) == "not supported"
    assert on("sharper", strong={"certified": -1}) == "undecided"


def test_clock():
    assert on("matched clock") == "supported"
    assert on("matched clock", plain={"rank": 12}) == "supported"
    assert on("matched clock", plain={"rank": 13}) == "not supported"


def test_adamw():
    assert on("larger rank than the batch") == "supported"
    assert on("larger rank than the batch", adam={"update_rank": 1}) == "not supported"
    assert on("says nothing") == "supported"
    assert on("says nothing", adam={"allowed": 127}) == "not supported"


def signals(rng: np.random.Generator, n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(rng.standard_normal((2, 4)), rng.standard_normal((2, 5))) for _ in range(n)]


@pytest.mark.parametrize("kind", ["heavy ball", "nesterov"])
def test_sgd(kind: str):
    """The weights are those of torch's recursion, whose first velocity is the gradient."""
    rng = np.random.default_rng(0)
    W = rng.standard_normal((4, 5))
    ours, lr, decay, mu = Sgd(W.copy(), 0.1, 0.05, 0.7, kind), 0.1, 0.05, 0.7
    V = None
    for deltas, features in signals(rng, 6):
        g = deltas.T @ features / 2 + decay * W
        V = g.copy() if V is None else mu * V + g
        W = W - lr * (g + mu * V if kind == "nesterov" else V)
        ours.step(deltas, features)
    np.testing.assert_allclose(ours.W, W, rtol=1e-12)
    assert np.all(np.linalg.svd(W, compute_uv=False) <= ours.bounds() * (1 + 1e-9))


def test_adamw_steps():
    """By Kingma and Ba's sums, written out: averages with weights that add up to one."""
    rng = np.random.default_rng(1)
    W = rng.standard_normal((4, 5))
    ours, lr, decay = AdamW(W.copy(), 0.01, 2.0), 0.01, 2.0
    gradients: list[np.ndarray] = []
    for deltas, features in signals(rng, 5):
        gradients.append(deltas.T @ features / 2)
        back = np.arange(len(gradients))[::-1]
        mean = np.average(gradients, axis=0, weights=0.9**back)
        square = np.average(np.square(gradients), axis=0, weights=0.999**back)
        W = (1 - lr * decay) * W - lr * mean / (np.sqrt(square) + 1e-8)
        ours.step(deltas, features)
    np.testing.assert_allclose(ours.W, W, rtol=1e-9)
    assert np.all(np.linalg.svd(W, compute_uv=False) <= ours.bounds() * (1 + 1e-9))
    assert ours.update_rank == 4 and ours.certified(0.1) == -1


# in the quick version every optimiser has two decays of two repeats
@pytest.mark.parametrize("number", [2, 6, 10, 14])
def test_small_cells(number: int):
    cell = small_cell(NAME, number, samples=50, widths=[12, 12], n_steps=30, looks=3)
    rows = check_rows(
        cell, {"step", "layer", "rank", "allowed", "certified", "violation", "last", "optimiser"}
    )
    assert len(rows) == 9 and rows["violation"].max() <= 1 + 1e-9
