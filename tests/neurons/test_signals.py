"""One step of SGD: the identities (I1-NL) and (I2-NL), and what follows from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from neurons.attack import ACTIVATIONS, network
from rankfall.errors import InputError
from rankfall.neurons import HomogeneousNetwork, live_neurons, neuron_step_matrices, rays, sgd_step

LR, RIDGE = 0.07, 0.03
Q = 1 - 2 * LR * RIDGE


def some(seed: int, biases: str = "penalised", depth: int = 3, outputs: int = 3, batch: int = 4):
    rng = np.random.default_rng(seed)
    widths = [4, *rng.integers(3, 8, depth - 1).tolist(), outputs]
    net = network(rng, widths, ACTIVATIONS[seed % 6], biases)
    return net, rng.standard_normal((batch, 4)), rng.random((batch, outputs))


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("loss", ["squared", "cross-entropy"])
def test_identities(seed: int, loss: str) -> None:
    biases = ("none", "penalised")[seed % 2]
    net, X, Y = some(seed, biases, depth=2 + seed % 3, batch=1 + seed % 4)
    Y = Y / Y.sum(axis=1, keepdims=True)
    after = sgd_step(net, X, Y, lr=LR, ridge=RIDGE, loss=loss)
    for l in net.hidden:
        B = neuron_step_matrices(net, X, Y, l, loss=loss)
        n, m, d = B.shape
        z, d_before, d_after = net.neurons(l), [], []
        scale = 1 + max(np.abs(z).max(), np.abs(after.neurons(l)).max()) ** 2
        for i in range(n):
            K = Q * np.eye(d + m)
            K[:d, d:] -= LR * B[i].T
            K[d:, :d] -= LR * B[i]
            assert np.abs(z[i] @ K - after.neurons(l)[i]).max() <= 1e-12 * scale  # (I2-NL)
            w, v = z[i, :d], z[i, d:]
            new = after.neurons(l)[i]
            d_before.append(w @ w - v @ v)
            d_after.append(new[:d] @ new[:d] - new[d:] @ new[d:])
            rest = LR**2 * (np.sum((B[i].T @ v) ** 2) - np.sum((B[i] @ w) ** 2))
            assert abs(d_after[-1] - Q**2 * d_before[-1] - rest) <= 1e-12 * scale  # (I1-NL)


@pytest.mark.parametrize("biases", ["none", "penalised", "free"])
@pytest.mark.parametrize("loss", ["squared", "cross-entropy"])
def test_the_step_is_that_of_the_gradient(biases: str, loss: str) -> None:
    net, X, Y = some(3, biases)
    Y = Y / Y.sum(axis=1, keepdims=True)

    def unpacked(x: np.ndarray) -> HomogeneousNetwork:
        parts, at = [], 0
        for array in (*net.weights, *(b for b in net.biases if b is not None)):
            parts.append(x[at : at + array.size].reshape(array.shape))
            at += array.size
        return replace(net, weights=tuple(parts[:3]), biases=tuple(parts[3:]) if biases != "none" else None)

    def packed(one: HomogeneousNetwork) -> np.ndarray:
        return np.concatenate([*(W.ravel() for W in one.weights), *(b for b in one.biases if b is not None)])

    def value(x: np.ndarray) -> float:
        one = unpacked(x)
        f = one(X)
        if loss == "squared":
            fit = np.sum((f - Y) ** 2) / 2
        else:
            fit = -np.sum(Y * (f - np.log(np.exp(f).sum(axis=1, keepdims=True))))
        return fit / len(X) + RIDGE * one.squared_norm

    start = packed(net)
    moved = (start - packed(sgd_step(net, X, Y, lr=LR, ridge=RIDGE, loss=loss))) / LR
    np.testing.assert_allclose(moved, approx_fprime(start, value, 1e-7), atol=2e-4)


def test_a_zero_neuron_stays_zero_and_rays_do_not_multiply() -> None:
    rng = np.random.default_rng(0)
    W, V = rng.standard_normal((6, 3)), rng.standard_normal((2, 6))
    W[0], V[:, 0] = 0, 0
    W[1:3], V[:, 1:3] = W[3:5] * 2, V[:, 3:5] * 2  # powers of two keep the bits
    net = HomogeneousNetwork((W, V))
    assert [r.n_rays for r in rays(net)] == [3]
    X, Y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    for k in rng.integers(0, 20, 300):
        net = sgd_step(net, X[k : k + 1], Y[k : k + 1], lr=0.05, ridge=0.01)
        assert not live_neurons(net, threshold=0)[0][0]
        assert rays(net, tol=1e-9)[0].n_rays <= 3


def test_the_rank_of_z_can_rise() -> None:
    net = HomogeneousNetwork(([[1, 0], [-1, 0]], [[1, -1]]))
    after = sgd_step(net, [[1, 0.7]], [[3]], lr=0.1, ridge=0.01)
    assert [np.linalg.matrix_rank(one.neurons(1)) for one in (net, after)] == [1, 2]
    assert [rays(one)[0].n_rays for one in (net, after)] == [2, 2]
    assert rays(net, opposite=True)[0].n_rays == 1


# -- Lemma 1-NL -------------------------------------------------------------------------------------------


def gap(C: float, depth: int, lr: float, ridge: float) -> float:
    """Positive where Lemma 1-NL holds for the ball of squared radius C, X = Y = 1."""
    q = 1 - 2 * lr * ridge
    room = 2 * q - lr * C ** (depth - 1)
    return 4 * ridge * (1 - lr * ridge) * C - q**2 / room if room > 0 else -np.inf


def least_ball(depth: int, lr: float, ridge: float) -> float | None:
    radii = np.linspace(0, 60, 600_001)[1:]
    good = [C for C in radii if gap(C, depth, lr, ridge) >= 0]
    return float(good[0]) if good else None


@pytest.mark.parametrize(("depth", "lr", "found"), [(2, 0.1, 2.917), (3, 0.1, None), (3, 0.04, 3.084)])
def test_the_least_ball_is_that_of_the_text(depth: int, lr: float, found: float | None) -> None:
    C = least_ball(depth, lr, 0.05)
    assert C is None if found is None else pytest.approx(found, abs=6e-4) == C


@pytest.mark.parametrize(("depth", "lr"), [(2, 0.1), (3, 0.04)])
@pytest.mark.parametrize("slope", [0.0, -1.0, 0.3, 1.0])
def test_no_step_leaves_the_norm_ball(depth: int, lr: float, slope: float) -> None:
    """Hill-climbing of ``|W_l'|^2 / C`` over states, samples and targets."""
    C = least_ball(depth, lr, 0.05)
    rng = np.random.default_rng(int(10 * slope) % 7)
    name = {0.0: "relu", -1.0: "absolute", 1.0: "identity"}.get(slope, "leaky_relu")

    def ratio(parts: list[np.ndarray]) -> float:
        *weights, x, y = (p * min(1, r / np.linalg.norm(p)) for p, r in zip(parts, radii, strict=True))
        net = HomogeneousNetwork(tuple(weights), None, name)
        after = sgd_step(net, x, y, lr=lr, ridge=0.05)
        return max(float(np.sum(W**2)) for W in after.weights) / C

    shapes = [(2, 2), *[(2, 2)] * (depth - 2), (1, 2), (1, 2), (1, 1)]
    radii = [np.sqrt(C)] * depth + [1.0, 1.0]
    worst = 0.0
    for _ in range(6):
        parts = [rng.standard_normal(shape) for shape in shapes]
        parts = [p * r / np.linalg.norm(p) for p, r in zip(parts, radii, strict=True)]
        best, size = ratio(parts), 0.5
        for _ in range(250):
            other = [p + size * rng.standard_normal(p.shape) for p in parts]
            if (now := ratio(other)) > best:
                parts, best, size = other, now, size * 1.5
            else:
                size *= 0.93
        worst = max(worst, best)
    assert 0.9 < worst <= 1


# -- refusals ---------------------------------------------------------------------------------------------


def test_refusals() -> None:
    net, X, Y = some(0, "free")
    with pytest.raises(InputError, match="biases without penalty"):
        neuron_step_matrices(net, X, Y, 1)
    with pytest.raises(InputError, match="layer must be a whole number from 1 to 2"):
        neuron_step_matrices(net, X, Y, 3)
    with pytest.raises(InputError, match="2 lr ridge < 1"):
        sgd_step(net, X, Y, lr=1, ridge=0.5)
    with pytest.raises(InputError, match="loss must be"):
        sgd_step(net, X, Y, lr=0.1, ridge=0.1, loss="hinge")
    with pytest.raises(InputError, match="Y must have shape"):
        sgd_step(net, X, Y[:2], lr=0.1, ridge=0.1)


def test_cross_entropy_is_about_probabilities() -> None:
    """Softmax minus y is the gradient only for rows that add up to 1."""
    net, X, Y = some(0, "none")
    for wrong in (Y + 1, Y - Y.mean(axis=1, keepdims=True) + 1 / Y.shape[1] - 3 * np.eye(*Y.shape)):
        with pytest.raises(InputError, match="probabilities of the 3 classes for cross-entropy, in rows"):
            sgd_step(net, X, wrong, lr=LR, ridge=RIDGE, loss="cross-entropy")
    one_hot = np.eye(3, dtype=np.float32)[np.arange(len(X)) % 3]
    sgd_step(net, X, one_hot, lr=LR, ridge=RIDGE, loss="cross-entropy")
