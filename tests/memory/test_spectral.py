"""Theorem S1 on recursions and on a trained network: no singular value is above its bound."""

from __future__ import annotations

import numpy as np
import pytest

from memory import digits
from rankfall.errors import InputError
from rankfall.memory import FactorMemory, certified_rank, spectral_bound
from rankfall.memory.momentum import KINDS, inflow, step_matrix
from rankfall.memory.spectral import WeightSigns

SHAPE = (8, 11)


def signals(rng: np.random.Generator, b: int) -> tuple[np.ndarray, np.ndarray]:
    """Backward signals and features with steep spectra."""
    D, H = (rng.standard_normal((b, size)) * 0.5 ** np.arange(size) for size in SHAPE)
    return D, H


@pytest.mark.parametrize("weighted", [False, True])
def test_plain_sgd(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    memory, W = FactorMemory(SHAPE), rng.standard_normal(SHAPE)
    start = np.linalg.svd(W, compute_uv=False)
    for _ in range(200):
        a, lr, b = float(rng.choice([0.95, 1.01, -0.9, 0.9])), rng.uniform(0.01, 0.1), int(rng.integers(1, 5))
        D, H = signals(rng, b)
        t = np.linalg.norm(H, axis=1) / np.linalg.norm(D, axis=1) if weighted else None
        W = a * W - lr / b * D.T @ H
        memory.advance(a, lr, D, H, t)
        s = np.linalg.svd(W, compute_uv=False)
        assert np.all(s <= memory.bound(start) * (1 + 1e-12))
    bound = memory.bound(start)
    # it is not vacuous: the bounds fall as fast as the signals'
    assert np.all(np.diff(bound) <= 0) and bound[-1] < 1e-2 * bound[0]


@pytest.mark.parametrize("kind", KINDS)
def test_momentum(kind: str) -> None:
    rng = np.random.default_rng(1)
    memory, W, V = FactorMemory(SHAPE), rng.standard_normal(SHAPE), np.zeros(SHAPE)
    start = np.linalg.svd(W, compute_uv=False)
    for step in range(200):
        lr, wd, mu = 0.1 / (1 + step / 100), 0.02, 0.8
        tau = 0.1 if kind in ("heavy ball", "decoupled") else 0.0
        matrix, into = step_matrix(lr, wd, mu, tau, kind), inflow(lr, mu, tau, kind)
        D, H = signals(rng, 3)
        G, (a, b, c, d) = D.T @ H / 3, matrix
        W, V = a * W + b * V - into[0] * G, c * W + d * V + into[1] * G
        memory.advance_momentum(matrix, into, D, H)
        assert memory.valid
        assert np.all(np.linalg.svd(W, compute_uv=False) <= memory.bound(start) * (1 + 1e-12))


def test_signs_against_enumeration() -> None:
    """The cone says "kept" only if the weight of every gradient at every time is of one sign."""
    rng = np.random.default_rng(2)
    outcomes = []
    for _ in range(200):
        signs, weights = WeightSigns(), np.empty((0, 2))
        true, kind = True, str(rng.choice(KINDS))
        scale = 10 ** rng.uniform(-2, 1)
        for _ in range(30):
            lr, wd, mu = rng.uniform(0, 0.5), scale * rng.uniform(0, 1), rng.uniform(0.5, 0.95)
            a, b, c, d = matrix = step_matrix(lr, wd, mu, 0.0, kind)
            new = inflow(lr, mu, 0.0, kind)
            weights = weights @ np.array([[a, -c], [-b, d]])
            weights = np.vstack([weights, new])
            signs.advance(matrix, new)
            true = true and bool(np.all(weights[:, 0] >= 0))
            assert true or not signs.kept
        outcomes.append((true, signs.kept))
    assert outcomes.count((True, True)) > 50 and (False, False) in outcomes
    # and it gives up on few that it could keep
    assert outcomes.count((True, False)) <= 10


def test_signs_that_change_are_refused() -> None:
    memory, rng = FactorMemory(SHAPE), np.random.default_rng(3)
    # complex roots: the weight of a gradient oscillates
    for _ in range(30):
        memory.advance_momentum(
            step_matrix(0.5, 1.0, 0.9, 0.0, "heavy ball"),
            inflow(0.5, 0.9, 0.0, "heavy ball"),
            *signals(rng, 2),
        )
    assert not memory.valid
    with pytest.raises(InputError, match="both signs"):
        memory.bound()


def test_bad_factors() -> None:
    with pytest.raises(InputError, match="backward must have shape"):
        spectral_bound(np.ones((2, 3)), np.eye(3))
    with pytest.raises(InputError, match="every sample has one of each"):
        FactorMemory(SHAPE).advance(0.9, 0.1, np.ones((2, 8)), np.ones((3, 11)))


@pytest.mark.parametrize(
    ("lr", "decay", "b", "ranks", "bounds", "window"),
    [(0.05, 0.05, 1, (4, 4, 4), (5, 4, 6), 929), (0.05, 0.02, 4, (10, 10, 10), (30, 19, 10), 9208)],
)
def test_the_table_of_the_text(
    lr: float, decay: float, b: int, ranks: tuple[int, ...], bounds: tuple[int, ...], window: int
) -> None:
    """Table 1.4: ranks at a tenth of sigma_1 and their bounds, within 1; directions in the window, within 2%.

    The first singular value fluctuates by some percent along the run, so the window depends on the seed.
    """
    run = digits.train(lr, decay, b, 20_000, log=100 + window // b)
    for l, (W, factors, start) in enumerate(zip(run.weights, run.factors, run.start, strict=True)):
        s, bound = np.linalg.svd(W, compute_uv=False), factors.bound(start)
        assert np.all(s <= bound * (1 + 1e-9))
        assert abs(np.count_nonzero(s > 0.1 * s[0]) - ranks[l]) <= 1
        assert abs(np.count_nonzero(bound > 0.1 * s[0]) - bounds[l]) <= 1
    norms = run.last_norms[:, 0]
    steps = len(norms) - 1
    found = certified_rank(np.full(steps, np.log(run.a)), np.full(steps, b), norms, 0.1)
    assert found.rank == pytest.approx(window, rel=0.02)
