"""What settings say: the figures of docs/memory.md, and an attack on the norm ball."""

from __future__ import annotations

import numpy as np
import pytest

from rankfall.errors import InputError
from rankfall.memory import cross_entropy_ball, cross_entropy_constant, norm_ball, predict


@pytest.mark.parametrize(
    ("settings", "bound"),
    [
        ((0.1, 5e-4, 1), 46_051),
        ((0.1, 5e-4, 128), 5_894_528),
        ((0.5, 6e-3, 4), 3068),
        ((0.5, 0.05, 1), 91),
    ],
)
def test_the_bound_of_galanti_et_al(settings: tuple[float, float, int], bound: int) -> None:
    found = predict(*settings, shape=(512, 512))
    assert found.bound == bound
    assert found.vacuous == (bound >= 512) and found.rank == (None if bound >= 512 else bound)
    assert found.summary().startswith("Vacuous" if found.vacuous else "Rank at most 91 of 512")


def test_predictions_of_other_layers() -> None:
    # a convolution with as many positions as its matrix has rows is always vacuous, whatever the settings
    assert predict(0.5, 1.9, 1, shape=(64, 576), positions=64).vacuous
    nothing = predict(0.1, 0.0, shape=(512, 512))
    assert nothing.bound == np.inf and nothing.rank is None and "without weight decay" in nothing.summary()
    # momentum .9 forgets ten times as fast, unless the decay is decoupled
    plain, fast = (predict(0.1, 5e-4, momentum=mu, shape=(9, 9)).window for mu in (0, 0.9))
    assert plain / fast == pytest.approx(10, rel=0.01)
    assert predict(0.1, 5e-4, momentum=0.9, decoupled=True, shape=(9, 9)).window == plain
    # a norm that was larger takes longer to forget
    assert predict(0.5, 0.05, shape=(512, 512), norm_ratio=10).window == 182
    with pytest.raises(InputError, match="tolerance must lie between 0 and 1"):
        predict(0.1, 0.1, shape=(9, 9), tolerance=2)


def test_the_least_balls() -> None:
    two = norm_ball(0.1, 0.05, 2)
    assert two is not None and two.radius_squared == pytest.approx(2.917, abs=5e-4)
    assert two.window(0.1) == 283 and two.rank(0.1, 2) == 566 and two.rank(0.1, 2, (512, 600)) is None
    assert norm_ball(0.1, 0.05, 3) is None
    three = norm_ball(0.04, 0.05, 3)
    assert three is not None and three.radius_squared == pytest.approx(3.084, abs=5e-4)
    assert three.window(0.1) == 715
    assert norm_ball(0.1, 0.003, 3) is None
    slow = norm_ball(1e-4, 0.003, 3)
    assert slow is not None and slow.radius_squared == pytest.approx(46.79, abs=5e-3)
    assert slow.window(0.3) == pytest.approx(5.2e6, rel=0.01)
    with pytest.raises(InputError, match="2 lr ridge < 1"):
        norm_ball(1.0, 0.5, 2)


def test_no_batch_leaves_the_ball() -> None:
    """Hill-climbing over weights, inputs and targets on the edge: no step leaves the ball."""
    rng = np.random.default_rng(0)
    lr, ridge, L = 0.04, 0.05, 3
    ball = norm_ball(lr, ridge, L)
    assert ball is not None
    C, widths = ball.radius_squared, (4, 5, 5, 3)

    def worst(point: np.ndarray) -> float:
        """The largest ``|W_l'|^2 / C`` after a step from a point that is put into the ball first."""
        cuts = np.cumsum([widths[l] * widths[l + 1] for l in range(L)])
        blocks = np.split(point, [*cuts, cuts[-1] + widths[0]])
        W = [block.reshape(widths[l + 1], widths[l]) for l, block in enumerate(blocks[:L])]
        W = [w * min(1.0, np.sqrt(C) / np.linalg.norm(w)) for w in W]
        x, y = (v / max(1.0, np.linalg.norm(v)) for v in blocks[L:])
        h = [x]
        for w in W[:-1]:
            h.append(np.maximum(w @ h[-1], 0))
        delta, after = W[-1] @ h[-1] - y, []
        for l in range(L - 1, -1, -1):
            after.append((1 - 2 * lr * ridge) * W[l] - lr * np.outer(delta, h[l]))
            delta = (W[l].T @ delta) * (h[l] > 0)
        return max(float(np.sum(w**2)) for w in after) / C

    size = sum(widths[l] * widths[l + 1] for l in range(L)) + widths[0] + widths[-1]
    best = 0.0
    for _ in range(4):
        point = 3 * rng.standard_normal(size)
        value = worst(point)
        for _ in range(1500):
            moved = point + rng.standard_normal(size) * 10 ** rng.uniform(-4, 0)
            if (now := worst(moved)) > value:
                point, value = moved, now
        best = max(best, value)
    assert 0.98 < best <= 1


def test_cross_entropy() -> None:
    assert cross_entropy_constant(2) == pytest.approx(0.27846, abs=5e-6)
    assert cross_entropy_constant(10) == pytest.approx(1.1010030, abs=5e-8)
    # max over f of f_y - sum_j p_j f_j, by its own equation: (K - 1) exp(-v - 1) = v
    for K in (2, 5, 1000):
        v = cross_entropy_constant(K)
        assert (K - 1) * np.exp(-v - 1) == pytest.approx(v)
        logits = np.concatenate([[0.0], np.full(K - 1, -1 - v)])
        p = np.exp(logits) / np.exp(logits).sum()
        assert -(p @ logits) == pytest.approx(v)
    ball = cross_entropy_ball(0.1, 0.01, 10, gradient_norm=2.0, start_norm=1.0)
    q = 1 - 0.002
    assert ball.radius_squared == pytest.approx((2 * q * 0.1 * 1.1010030 + 0.04) / (1 - q * q), rel=1e-6)
    assert cross_entropy_ball(0.1, 0.01, 10, 2.0, 99.0).radius_squared == 99**2
