"""Momentum and label noise: closed forms, files, and what refuses them."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import gap, holed, same_bits
from rankfall.dynamics.kernels import reference

WIDTHS = (11, 10, 9, 14)


@pytest.fixture(scope="module")
def problem():
    return holed((14, 11), seed=3, rank=2, observed=0.7)


@pytest.fixture(scope="module")
def network():
    return rf.Network.gaussian(WIDTHS, scale=1.0, seed=0)


# -- momentum ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("momentum", "rate"), [(0.0, 5.00013e-5), (0.5, 1.00010e-4), (0.9, 5.0240e-4), (0.99, 5.0252e-3)]
)
def test_decay_is_the_power_of_a_matrix(problem, network, momentum, rate):
    """Without a data gradient (W, V) is multiplied by a constant 2 x 2 matrix.

    The first layer is zero, and so are the data: all gradients vanish. The slowest decay of the matrix is
    that of its dominant root.
    """
    lr, ridge, n_steps = 0.1, 2.5e-4, 3000
    dead = rf.Network((0 * network.weights[0], *network.weights[1:]))
    zero = problem.with_values(np.zeros(problem.n_observed))
    sgd = rf.SGD(lr=lr, ridge=ridge, n_steps=n_steps, momentum=momentum, batch_size=2)
    trace = rf.train(zero, dead, sgd, record=rf.Record(every=1000, what="weights"))
    M = np.array([[1 - 2 * lr * ridge, -lr * momentum], [2 * ridge, momentum]])
    for record, step in enumerate(trace.steps):
        kept = np.linalg.matrix_power(M, int(step))[0, 0]
        found = trace.weights(0, record).weights
        np.testing.assert_allclose(found[1], kept * network.weights[1], rtol=1e-10)
        assert not found[0].any()
    assert -np.log(np.abs(np.linalg.eigvals(M)).max()) == pytest.approx(rate, rel=1e-4)


@pytest.mark.parametrize(("batch", "momentum"), [(1, 0.0), (1, 0.8), (2, 0.9)])
def test_few_steps_add_few_directions(problem, network, batch, momentum):
    """The memory lemma: ``W(t) - p_t W(0)`` has rank at most b t, p_t from the powers of that matrix."""
    lr, ridge = 0.02, 0.5
    sgd = rf.SGD(lr=lr, ridge=ridge, n_steps=4, momentum=momentum, batch_size=batch)
    trace = rf.train(problem, network, sgd, record=rf.Record(every=1, what="weights"))
    M = np.array([[1 - 2 * lr * ridge, -lr * momentum], [2 * ridge, momentum]])
    for step in range(1, 5):
        kept = np.linalg.matrix_power(M, step)[0, 0]
        for W, start in zip(trace.weights(0, step), network, strict=True):
            s = np.linalg.svd(W - kept * start, compute_uv=False)
            assert np.all(s[batch * step :] < 1e-13)
            assert s[0] > 1e-3


def test_momentum_moves_with_a_trajectory_of_smaller_steps(problem, network):
    """At small lr the heavy ball follows the gradient flow that lr / (1 - momentum) follows without it."""
    record = rf.Record(every=20_000)
    ball = rf.SGD(lr=1e-4, ridge=1e-2, n_steps=20_000, momentum=0.9, batch_size=20, sampling="epochs")
    plain = rf.SGD(lr=1e-3, ridge=1e-2, n_steps=20_000, batch_size=20, sampling="epochs")
    finals = [rf.train(problem, network, sgd, record=record).final() for sgd in (ball, plain)]
    assert gap(*finals) < 0.02


def test_replay_with_momentum_begins_at_the_start(problem, network):
    sgd = rf.SGD(lr=0.01, ridge=1e-2, n_steps=600, momentum=0.8, label_noise=0.1)
    trace = rf.train(problem, network, sgd, chains=2, record=rf.Record(every=200, what=("weights", "rank")))
    again = rf.replay(trace, chain=1, start=350, stop=400, record=rf.Record(every=50, what="weights"))
    assert same_bits(again.weights(0, 1), trace.weights(1, 2))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_checkpoints_and_files(problem, network, tmp_path, momentum):
    sgd = rf.SGD(lr=0.004, ridge=1e-2, n_steps=2000, momentum=momentum, label_noise=0.2)
    record, path = rf.Record(every=500), tmp_path / "run.npz"
    straight = rf.train(problem, network, sgd, chains=2, record=record)
    rf.train(
        problem, network, sgd, chains=2, record=record, checkpoint=path, callback=lambda p: p.step >= 900
    )
    resumed = rf.train(problem, network, sgd, chains=2, record=record, checkpoint=path)
    assert all(same_bits(a, b) for a, b in zip(resumed.finals(), straight.finals(), strict=True))
    plain = rf.SGD(lr=0.004, ridge=1e-2, n_steps=2000, momentum=momentum)
    with pytest.raises(rf.InputError, match="other settings"):
        rf.train(problem, network, plain, chains=2, record=record, checkpoint=path)
    straight.save(tmp_path / "trace.npz")
    back = rf.Trace.load(tmp_path / "trace.npz")
    assert back.settings == straight.settings
    assert back.optimiser.label_noise == 0.2 and back.optimiser.momentum == momentum
    again = rf.replay(back, chain=1, start=2000, stop=2000)
    assert same_bits(again.final(), straight.final(1))


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_no_subnormal_number_survives(problem, network, dtype, momentum):
    """Networks on their way to zero, under the kernel that changes every weight at every step."""
    zero = problem.with_values(np.zeros(problem.n_observed))
    data = zero if momentum else rf.Measurements.from_problem(zero)
    sgd = rf.SGD(lr=0.01, ridge=5.0, n_steps=6000, momentum=momentum)
    trace = rf.train(data, network, sgd, record=rf.Record(every=250, what=("weights",)), dtype=dtype)
    for record in range(trace.steps.size):
        for W in trace.weights(0, record):
            assert not ((W != 0) & (np.abs(W) < np.finfo(dtype).tiny)).any()
    assert all(not W.any() for W in trace.final())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_divergence_stops_the_chain(problem, network, dtype):
    sgd = rf.SGD(lr=0.5, ridge=0.0, n_steps=5000, momentum=0.9)
    trace = rf.train(problem, network, sgd, chains=2, dtype=dtype, record=rf.Record(every=2500))
    assert trace.diverged.all() and (trace.n_steps < 2500).all()
    assert np.isnan(trace.train_loss[:, 1:]).all() and (trace.stable_lr > 0).all()


# -- label noise ---------------------------------------------------------------------------------------


def test_label_noise_is_that_of_other_values(problem, network):
    """One long batch of all entries: the noise of a step is a change of the values, known from the twin."""
    n = problem.n_observed
    noisy = rf.SGD(lr=0.02, ridge=1e-2, n_steps=1, batch_size=n, sampling="epochs", label_noise=0.7)
    picked = reference.batch(noisy, n, 5, 2, 0)
    values = np.empty(n)
    values[picked] = reference.targets(problem, noisy, picked, 2, 5, 0)
    assert np.std(values - problem.values) == pytest.approx(0.7, rel=0.2)
    moved = rf.train(problem.with_values(values), network, rf.GD(lr=0.02, ridge=1e-2, n_steps=1))
    trace = rf.train(problem, network, noisy, chains=[2], seed=5)
    assert gap(trace.final(), moved.final()) < 1e-12


def test_label_noise_moves_a_network_that_fits(problem, network):
    """Plain SGD stays where all residuals vanish; with label noise they fluctuate about zero."""
    fitted = problem.with_values(network.predict(problem.rows, problem.cols))
    plain, noisy = (
        rf.train(fitted, network, rf.SGD(lr=0.02, ridge=0.0, n_steps=2000, label_noise=noise), chains=4)
        for noise in (0.0, 0.1)
    )
    assert plain.train_rmse.max() < 1e-12
    assert 0.01 < noisy.train_rmse[:, -1].min() < noisy.train_rmse[:, -1].max() < 0.1


# -- what is refused -----------------------------------------------------------------------------------

MOMENTUM = {"lr": 0.01, "ridge": 1e-2, "n_steps": 20, "momentum": 0.5}
NOISE = {"lr": 0.01, "ridge": 1e-2, "n_steps": 20, "label_noise": 0.5}
CERTIFICATE = rf.theory.RollingCertificate()
REFUSED = {
    "momentum of 1": (lambda p, n: rf.SGD(**{**MOMENTUM, "momentum": 1.0}), "momentum must be"),
    "negative noise": (lambda p, n: rf.SGD(**{**NOISE, "label_noise": -1}), "label_noise must be"),
    "deflation": (
        lambda p, n: rf.train(p, n, rf.SGD(**MOMENTUM), deflate=0.1),
        "leave out momentum or deflate",
    ),
    "ledger": (
        lambda p, n: rf.train(p, n, rf.SGD(**MOMENTUM), record=rf.Record(what="ledger")),
        '"ledger" bounds steps of plain SGD',
    ),
    "displacement": (
        lambda p, n: rf.train(p, n, rf.SGD(**MOMENTUM), record=rf.Record(what="displacement")),
        '"displacement" bounds steps of plain SGD',
    ),
    "certificate": (
        lambda p, n: rf.train(p, n, rf.SGD(**MOMENTUM), certificate=CERTIFICATE),
        "Rolling certificates cover plain SGD only; leave out momentum.",
    ),
    "certificate and noise": (
        lambda p, n: rf.train(p, n, rf.SGD(**NOISE), certificate=CERTIFICATE),
        "Rolling certificates cover plain SGD only; leave out label_noise.",
    ),
    "monitor": (lambda p, n: rf.analysis.monitor(p, n, rf.SGD(**NOISE)), "Theorems 3 and 6 cover plain SGD"),
    "splitting": (lambda p, n: rf.splitting(p, n, rf.SGD(**MOMENTUM), 1, 10), "Rare events cover plain SGD"),
    "first passage": (
        lambda p, n: rf.first_passage(p, n, rf.SGD(**NOISE), 1, 3, 1000),
        "Rare events cover plain SGD only; leave out label_noise.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_sentence(name, problem, network):
    wrong, sentence = REFUSED[name]
    with pytest.raises(rf.InputError, match=sentence):
        wrong(problem, network)


def test_the_ledger_covers_label_noise(problem, network):
    """Theorem 3(c) holds for any residuals; those of the noise enter it."""
    sgd = rf.SGD(lr=0.05, ridge=1e-2, n_steps=50, label_noise=2.0)
    charges = reference.ledger(problem, network, sgd, 0, 3)
    trace = rf.train(problem, network, sgd, seed=3, record=rf.Record(every=50, what=("ledger",)))
    np.testing.assert_allclose(trace.ledger[0, 1, 0], charges.sum(axis=0), rtol=1e-10)
