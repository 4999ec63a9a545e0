"""Runs on rank-one measurements: the twin, completion as a special case, bits, files, recovery, refusals."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import rankfall as rf
from dynamics.problems import gap, holed, same_bits
from rankfall.dynamics import Geometric
from rankfall.dynamics.engine.stability import residual_limits, typical_network
from rankfall.dynamics.kernels import reference

STEPS = 25


def gaussian(
    shape: tuple[int, int], n: int, rank: int = 2, seed: int = 0
) -> tuple[rf.Measurements, np.ndarray]:
    """Values of a low-rank matrix with entries of unit size, under random vectors of unit length."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
    A *= np.sqrt(A.size) / np.linalg.norm(A)
    U, V = (rng.standard_normal((n, size)) for size in shape)
    U, V = (X / np.linalg.norm(X, axis=1, keepdims=True) for X in (U, V))
    return rf.Measurements(U, V, np.einsum("ki,ij,kj->k", U, A, V)), A


# -- the twin ------------------------------------------------------------------------------------------


@st.composite
def runs(draw: st.DrawFn) -> tuple[rf.Measurements, rf.Network, rf.SGD | rf.GD, int, int]:
    depth = draw(st.integers(2, 5))
    widths = draw(st.lists(st.integers(1, 12), min_size=depth + 1, max_size=depth + 1))
    n = draw(st.integers(1, 20))
    measurements, _ = gaussian((widths[-1], widths[0]), n, seed=draw(st.integers(0, 99)))
    network = rf.Network.gaussian(
        widths, scale=draw(st.sampled_from([0.3, 0.7])), seed=draw(st.integers(0, 99))
    )
    lr, ridge = draw(st.sampled_from([(0.01, 0.0), (0.01, 5.0), (np.linspace(0.005, 0.02, STEPS), 0.1)]))
    if draw(st.integers(0, 4)) == 0:
        return measurements, network, rf.GD(lr=lr, ridge=ridge, n_steps=STEPS), 0, 0
    sgd = rf.SGD(
        lr=lr,
        ridge=ridge,
        n_steps=STEPS,
        batch_size=draw(st.sampled_from([1, min(3, n), n])),
        sampling=draw(st.sampled_from(["replacement", "distinct", "epochs"])),
        momentum=draw(st.sampled_from([0.0, 0.0, 0.8])),
        label_noise=draw(st.sampled_from([0.0, 0.3])),
    )
    return measurements, network, sgd, draw(st.integers(0, 5)), draw(st.integers(0, 9))


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(runs())
def test_kernel_agrees_with_its_twin(run):
    measurements, network, optimiser, chain, seed = run
    expected = reference.train(measurements, network, optimiser, chain, seed)
    assume(max(np.abs(W).max() for W in expected.weights) < 4)
    trace = rf.train(measurements, network, optimiser, chains=[chain], seed=seed)
    assert gap(trace.final(0), expected) < 1e-12


def test_gradients_of_the_twin_agree_with_differences():
    measurements, _ = gaussian((4, 5), 6, seed=3)
    network = rf.Network.gaussian((5, 3, 4, 4), seed=1)
    G = reference.measured_gradients(list(network), measurements.U, measurements.V, measurements.values)

    def loss(weights):
        return float(rf.measures.data_loss(measurements, rf.Network(tuple(weights))))

    for layer, W in enumerate(network.weights):
        for cell in np.ndindex(*W.shape):
            moved = [[V.copy() for V in network.weights] for _ in range(2)]
            moved[0][layer][cell] += 1e-5
            moved[1][layer][cell] -= 1e-5
            slope = (loss(moved[0]) - loss(moved[1])) / 2e-5
            assert G[layer][cell] == pytest.approx(slope, abs=1e-7, rel=1e-6)


# -- completion as a special case --------------------------------------------------------------------------


OPTIMISERS = {
    "single": rf.SGD(lr=0.03, ridge=1e-2, n_steps=1500),
    "epochs": rf.SGD(lr=0.03, ridge=1e-2, n_steps=1500, sampling="epochs"),
    "batch": rf.SGD(lr=0.03, ridge=1e-2, n_steps=1500, batch_size=5, sampling="distinct"),
    "label noise": rf.SGD(lr=0.03, ridge=1e-2, n_steps=1500, label_noise=0.1),
    "momentum": rf.SGD(lr=0.003, ridge=1e-2, n_steps=1500, momentum=0.9),
    "gradient descent": rf.GD(lr=0.1, ridge=1e-2, n_steps=1500),
}


@pytest.mark.parametrize("widths", [(17, 13, 11, 12), (17, 9, 12), (17, 6, 8, 7, 12)])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_completion_by_unit_vectors(name, widths):
    """The same seed draws the same entries, and the results are those of the kernels for entries.

    The ridge keeps these runs from being chaotic: rounding stays rounding.
    """
    problem, network = holed((12, 17), seed=1), rf.Network.gaussian(widths, scale=1.0, seed=0)
    measurements = rf.Measurements.from_problem(problem)
    what = (
        ("train_loss", "singular_values") if name != "single" else ("train_loss", "singular_values", "ledger")
    )
    record = rf.Record(every=500, what=what)
    one, other = (
        rf.train(data, network, OPTIMISERS[name], chains=2, seed=3, record=record)
        for data in (problem, measurements)
    )
    for k in range(2):
        assert gap(other.final(k), one.final(k)) < 1e-10
    for observable in what:
        np.testing.assert_allclose(
            other.measured[observable], one.measured[observable], rtol=1e-9, atol=1e-10
        )


def test_typical_sizes_are_those_of_the_problem():
    """What residuals count as divergence, and which lr would be stable."""
    problem = holed((9, 8), seed=1)
    measurements = rf.Measurements.from_problem(problem)
    network = rf.Network.gaussian((8, 5, 6, 9), seed=0)
    assert typical_network(measurements, 3).product() == pytest.approx(typical_network(problem, 3).product())
    fast = rf.SGD(lr=3.0, ridge=0.0, n_steps=500)
    one, other = (rf.train(data, network, fast) for data in (problem, measurements))
    assert one.diverged[0] and other.diverged[0]
    np.testing.assert_allclose(other.stable_lr, one.stable_lr, rtol=1e-9)
    limits = [residual_limits(data, [network])[0] for data in (problem, measurements)]
    assert limits[1] <= limits[0] * (1 + 1e-12)


# -- identities that hold for all measurements -----------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 3])
def test_identities_of_balance_and_of_the_hidden_spaces(batch):
    """(I1) and (I2) of docs/theory.md, R the mean of ``rho_k u_k v_k^T``; the rank of G_l is at most b."""
    measurements, _ = gaussian((6, 7), 15)
    network = rf.Network.gaussian((7, 5, 4, 6), scale=1.0, seed=2)
    lr, ridge = 0.05, 0.02
    q = 1 - 2 * lr * ridge
    optimiser = rf.SGD(lr=lr, ridge=ridge, n_steps=30, batch_size=batch)
    trace = rf.train(measurements, network, optimiser, seed=4, record=rf.Record(every=1, what=("weights",)))
    for step in range(30):
        old, new = trace.weights(0, step), trace.weights(0, step + 1)
        picked = reference.batch(optimiser, 15, 4, 0, step)
        U, V, values = measurements.U[picked], measurements.V[picked], measurements.values[picked]
        W, G = list(old.weights), reference.measured_gradients(list(old.weights), U, V, values)
        assert all(np.linalg.matrix_rank(g, tol=1e-10) <= batch for g in G)
        rho = np.einsum("ki,ij,kj->k", U, old.product(), V) - values
        R = np.einsum("k,ki,kj->ij", rho, U, V) / batch
        balances = [[X[k].T @ X[k] - X[k - 1] @ X[k - 1].T for k in (1, 2)] for X in (W, list(new.weights))]
        for k in (1, 2):
            expected = q**2 * balances[0][k - 1] + lr**2 * (G[k].T @ G[k] - G[k - 1] @ G[k - 1].T)
            np.testing.assert_allclose(balances[1][k - 1], expected, atol=1e-13)
            P = reduce(np.matmul, W[:k:-1], np.eye(6))
            Q = reduce(np.matmul, W[k - 2 :: -1] if k > 1 else [], np.eye(W[k - 1].shape[1]))
            B = P.T @ R @ Q.T
            K = q * np.eye(sum(B.shape))
            K[: B.shape[1], B.shape[1] :] -= lr * B.T
            K[B.shape[1] :, : B.shape[1]] -= lr * B
            np.testing.assert_allclose(new.hidden_spaces()[k - 1], old.hidden_spaces()[k - 1] @ K, atol=1e-13)


def test_memory_lemma():
    """``sigma_{bk+j+1}(W(t)) <= q^k sigma_{j+1}(W(t-k))`` for every layer, k and j."""
    measurements, _ = gaussian((12, 12), 40)
    network = rf.Network.gaussian((12, 10, 10, 12), scale=1.0, seed=2)
    sgd = rf.SGD(lr=0.1, ridge=0.3, n_steps=12, batch_size=2)
    trace = rf.train(measurements, network, sgd, record=rf.Record(every=1, what="weights"))
    q = 1 - 2 * 0.1 * 0.3
    spectra = [[np.linalg.svd(W, compute_uv=False) for W in trace.weights(0, t)] for t in range(13)]
    for t in range(13):
        for k in range(min(t, 5) + 1):
            for now, before in zip(spectra[t], spectra[t - k], strict=True):
                later = now[2 * k :]
                assert np.all(later <= q**k * before[: later.size] + 1e-13)


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("batch", [1, 4])
def test_the_ledger_bounds_the_growth_of_tails(depth, batch):
    """Theorem 3(c): the kernel's ledger is its twin's, and no singular value of Z_l grows by more."""
    measurements, _ = gaussian((8, 9), 30, rank=1)
    network = rf.Network.gaussian((9, *(6, 5, 7)[: depth - 1], 8), scale=0.8, seed=1)
    sgd = rf.SGD(lr=0.05, ridge=0.02, n_steps=200, batch_size=batch)
    charges = reference.ledger(measurements, network, sgd, 0, 3)
    record = rf.Record(every=200, what=("ledger", "hidden_singular_values"))
    trace = rf.train(measurements, network, sgd, seed=3, record=record)
    np.testing.assert_allclose(trace.ledger[0, 1, 0], charges.sum(axis=0), rtol=1e-9)
    before, after = trace.hidden_singular_values[0]
    assert np.all(after <= before * np.exp(trace.ledger[0, 1, 0])[:, None] * (1 + 1e-9))


def test_a_deflated_run_stays_within_its_bound():
    """Theorem 4 holds for every R; the small network goes on."""
    measurements, _ = gaussian((12, 11), 120)
    network = rf.Network.gaussian((11, 8, 8, 12), scale=1.0, seed=0)
    sgd = rf.SGD(lr=0.05, ridge=2e-3, n_steps=10_000)
    plain, cut = (rf.train(measurements, network, sgd, deflate=tol) for tol in (None, 0.05))
    assert max(cut.final().widths[1:-1]) < 8
    moved = np.linalg.norm(cut.final().product() - plain.final().product(), 2)
    assert 0 < moved <= cut.deflation_bound[0] < 1
    on = rf.train(measurements, network, rf.SGD(lr=0.05, ridge=2e-3, n_steps=12_000), deflate=0.05)
    assert on.final().widths == cut.final().widths


# -- bits, files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["epochs", "batch", "momentum", "label noise", "gradient descent"])
def test_bits(name, tmp_path):
    """The same however a run is cut, threaded, recorded, interrupted, saved or repeated."""
    measurements, _ = gaussian((12, 17), 70)
    network = rf.Network.gaussian((17, 13, 11, 12), scale=0.8, seed=0)
    optimiser = OPTIMISERS[name]
    what = ("train_loss", "singular_values", "weights")
    trace = rf.train(measurements, network, optimiser, chains=5, record=rf.Record(every=500, what=what))
    plain = rf.train(measurements, network, optimiser, chains=5, record=rf.Record(every=10**6), n_threads=1)
    assert all(same_bits(a, b) for a, b in zip(trace.finals(), plain.finals(), strict=True))
    alone = rf.train(
        measurements, network, optimiser, chains=[3], record=rf.Record(every=1, what="train_loss")
    )
    assert same_bits(alone.final(), trace.final(3))
    np.testing.assert_array_equal(alone.train_loss[0, ::500], trace.train_loss[3])
    path = tmp_path / "run.npz"
    for stop in (True, False):
        resumed = rf.train(
            measurements, network, optimiser, chains=5, record=rf.Record(every=500, what=what),
            checkpoint=path, callback=(lambda progress: progress.step >= 700) if stop else None,
        )  # fmt: skip
    assert same_bits(resumed.final(2), trace.final(2))
    np.testing.assert_array_equal(resumed.train_loss, trace.train_loss)
    other = measurements.with_values(2 * measurements.values)
    with pytest.raises(rf.InputError, match="other settings"):
        rf.train(other, network, optimiser, chains=5, record=rf.Record(every=500, what=what), checkpoint=path)
    trace.save(tmp_path / "trace.npz")
    back = rf.Trace.load(tmp_path / "trace.npz")
    assert back.settings == trace.settings and isinstance(back.problem, rf.Measurements)
    again = rf.replay(back, chain=4, start=600, stop=1000, record=rf.Record(every=400, what="weights"))
    assert same_bits(again.weights(0, 1), trace.weights(4, 2))


def test_single_precision_follows_double():
    measurements, _ = gaussian((20, 20), 150)
    network = rf.Network.gaussian((20, 20, 20, 20), scale=0.5, seed=0)
    for optimiser in (
        rf.SGD(lr=0.02, ridge=1e-2, n_steps=300),
        rf.SGD(lr=0.01, ridge=1e-2, n_steps=300, batch_size=5, momentum=0.5),
        rf.GD(lr=0.02, ridge=1e-2, n_steps=300),
    ):
        single, double = (
            rf.train(measurements, network, optimiser, dtype=dtype).final()
            for dtype in (np.float32, np.float64)
        )
        assert single.weights[0].dtype == np.float32
        assert gap(single, double) < 1e-3


# -- what it is for --------------------------------------------------------------------------------------


def test_gaussian_rank_one_sensing_is_recovered():
    """30 x 30 of rank 2 (116 degrees of freedom) from 350 random measurements in 60,000 steps of one."""
    measurements, A = gaussian((30, 30), 350)
    network = rf.Network.gaussian((30, 10, 10, 30), scale=1.0, seed=1)
    sgd = rf.SGD(lr=0.1, ridge=Geometric(3e-3, 1e-6, 60_000), n_steps=60_000)
    trace = rf.train(measurements, network, sgd, chains=2, record=rf.Record(every=10_000))
    assert trace.rank[:, 0].tolist() == [10, 10] and (trace.rank[:, 1:] == 2).all()
    for k in range(2):
        assert np.linalg.norm(trace.final(k).product() - A) < 1e-3 * np.linalg.norm(A)
    assert rf.find_jumps(trace).last_rank.tolist() == [2, 2]


def test_regression_by_gradient_descent_is_ridge_regression_of_products():
    """With two layers and one output, the minimum solves the proximal problem of ``2 ridge |a|``.

    ``min 1/(2N) |X a - y|^2 + 2 ridge |a|``: for whitened inputs, ``X^T X = N I``, a is the vector X^T y / N,
    shortened by 2 ridge.
    """
    rng = np.random.default_rng(0)
    X = np.linalg.qr(rng.standard_normal((40, 5)))[0] * np.sqrt(40)
    y = X @ np.array([1.0, -2.0, 0.5, 0.0, 1.5]) + 0.1 * rng.standard_normal(40)
    data = rf.Measurements.from_regression(X, y)
    assert data.shape == (1, 5)
    network = rf.Network.gaussian((5, 4, 1), scale=1.0, seed=0)
    trace = rf.train(data, network, rf.GD(lr=0.1, ridge=0.05, n_steps=3000))
    solution = X.T @ y / 40
    expected = solution * (1 - 2 * 0.05 / np.linalg.norm(solution))
    np.testing.assert_allclose(trace.final().product()[0], expected, atol=1e-9)


# -- what is refused -------------------------------------------------------------------------------------

SGD = {"lr": 0.01, "ridge": 1e-2, "n_steps": 20}
REFUSED = {
    "certificate": lambda d, n: rf.train(
        d, n, rf.SGD(**SGD), certificate=rf.theory.RollingCertificate()
    ),
    "displacement": lambda d, n: rf.train(d, n, rf.SGD(**SGD), record=rf.Record(what="displacement")),
    "monitor": lambda d, n: rf.analysis.monitor(d, n, rf.SGD(**SGD)),
    "splitting": lambda d, n: rf.splitting(d, n, rf.SGD(**SGD), 1, 10),
    "first passage": lambda d, n: rf.first_passage(d, n, rf.SGD(**SGD), 1, 3, 1000),
    "minima": lambda d, n: rf.theory.minima(d, depth=3, ridge=1e-2),
    "certify": lambda d, n: rf.theory.certify(d, n, rank=1, ridge=1e-2, lr=1e-2),
    "lock": lambda d, n: rf.theory.lock(d, n, ridge=1e-2, lr=1e-2),
    "tail factors": lambda d, n: rf.theory.tail_factors(d, n, rank=1, ridge=1e-2, lr=1e-2),
    "threshold": lambda d, n: rf.theory.phi_threshold(d, 3, 1e-2),
    "mean steps": lambda d, n: rf.theory.mean_steps(d, n),
    "effective loss": lambda d, n: rf.theory.effective_loss(d, n.product(), 3, 1e-2),
    "certify_gd": lambda d, n: rf.theory.certify_gd(d, n, 1, 1e-2, 1e-2),
    "monitor of theory": lambda d, n: rf.theory.Monitor(d, 3, ridge=1e-2, lr=1e-2),
    "complete": lambda d, n: rf.complete(d),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_sentence(name):
    measurements, _ = gaussian((6, 7), 15)
    network = rf.Network.gaussian((7, 5, 4, 6), seed=0)
    with pytest.raises(rf.InputError) as caught:
        REFUSED[name](measurements, network)
    sentence = str(caught.value)
    assert "Measurements" in sentence and "\n" not in sentence and len(sentence) < 250


def test_the_shape_must_fit():
    measurements, _ = gaussian((6, 7), 15)
    with pytest.raises(rf.InputError, match=r"network has the shape \(7, 6\), the problem \(6, 7\)"):
        rf.train(measurements, rf.Network.gaussian((6, 5, 7)), rf.SGD(**SGD))
