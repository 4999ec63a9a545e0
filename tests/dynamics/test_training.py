"""train() as a whole: schedules, divergence, subnormals, deflation, what is recorded and kept."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import gap, holed, same_bits
from rankfall.dynamics import Constant, Geometric, Linear, Piecewise
from rankfall.dynamics.engine.deflation import EVERY
from rankfall.dynamics.engine.recorder import products_within_range
from rankfall.dynamics.engine.run import smallest_weight
from rankfall.dynamics.engine.stability import tangent_diagonal
from rankfall.dynamics.engine.state import pack
from rankfall.dynamics.kernels import reference
from rankfall.dynamics.kernels.passes import absorb_scale
from rankfall.dynamics.record import measure


@pytest.fixture(scope="module")
def problem():
    return holed((14, 11), seed=3, rank=2, observed=0.7)


@pytest.fixture(scope="module")
def network():
    return rf.Network.gaussian((11, 10, 9, 14), scale=1.0, seed=0)


# -- what is recorded --------------------------------------------------------------------------------


def test_records_are_what_they_say(problem, network):
    record = rf.Record(
        every=40,
        what=("singular_values", "train_loss", "rank", "imbalance", "weights"),
        extra={"norm": _norm},
        rank_tol=0.1,
    )
    trace = rf.train(problem, network, rf.SGD(lr=0.03, ridge=1e-2, n_steps=100), chains=3, record=record)
    assert trace.steps.tolist() == [0, 40, 80, 100]
    assert trace.singular_values.shape == (3, 4, 9)
    for chain in range(3):
        for k in range(4):
            recorded = trace.weights(chain, k)
            A = recorded.product()
            s = np.linalg.svd(A, compute_uv=False)
            np.testing.assert_allclose(trace.singular_values[chain, k], s[:9], atol=1e-12)
            assert trace.rank[chain, k] == np.count_nonzero(s > 0.1 * s[0])
            rho = A[problem.rows, problem.cols] - problem.values
            assert trace.train_loss[chain, k] == pytest.approx(0.5 * np.mean(rho**2), rel=1e-12)
            assert trace.train_rmse[chain, k] == pytest.approx(np.sqrt(np.mean(rho**2)), rel=1e-12)
            W = recorded.weights
            D = [W[1].T @ W[1] - W[0] @ W[0].T, W[2].T @ W[2] - W[1] @ W[1].T]
            assert trace.imbalance[chain, k] == pytest.approx(max(np.linalg.norm(d, 2) for d in D))
            assert trace.measured["norm"][chain, k] == pytest.approx(_norm(recorded))
    assert same_bits(trace.weights(0, 0), network)
    assert same_bits(trace.weights(2, 3), trace.final(2))


@pytest.mark.parametrize("what", [(), ("weights",), ("ledger",)])
def test_own_observables_need_no_built_in_one(problem, network, what):
    record = rf.Record(every=40, what=what, extra={"norm": _norm})
    trace = rf.train(problem, network, rf.SGD(lr=0.03, ridge=1e-2, n_steps=100), record=record)
    assert trace.measured["norm"].shape == (1, 4)
    assert trace.measured["norm"][0, -1] == pytest.approx(_norm(trace.final()))


def test_long_tables_are_within_the_range_of_single_precision():
    """The bound takes what a layer can be, not the longest side for all: a million rows are no overflow."""
    widths = np.array([[20, 20, 20, 10**6]])
    ones = np.ones(1)
    for largest, inside in ((1.2, True), (10.0, True), (1e4, False), (np.nan, False)):
        flat = np.full((1, 8), largest, np.float32)
        assert products_within_range(flat, ones, widths)[0] == inside
        assert products_within_range(flat.astype(np.float64), ones, widths)[0] == (largest < np.inf)


def test_what_is_within_the_range_can_be_measured():
    """Layers of one sign, all weights alike, are as large as the bound says."""
    problem = holed((30, 20), observed=1.0)
    for largest in np.geomspace(1.0, 1e12, 40):
        network = rf.Network(
            tuple(np.full(shape, largest, np.float32) for shape in ((9, 20), (8, 9), (30, 8)))
        )
        flat, widths = pack([network], np.dtype(np.float32))
        if products_within_range(flat, np.ones(1), widths)[0]:
            assert np.isfinite(network.product()).all()
            measured = measure(problem, rf.Network.stack([network]), rf.Record())
            assert all(np.isfinite(values).all() for values in measured.values())


def _norm(network):
    return sum(np.sum(W**2) for W in network.weights)


def test_a_dead_network_has_rank_zero(problem):
    network = rf.Network.gaussian((11, 5, 5, 14), scale=1e-8, seed=0)
    trace = rf.train(problem, network, rf.SGD(lr=0.01, ridge=0.1, n_steps=10))
    assert trace.rank.tolist() == [[0, 0]]


def test_no_steps_is_a_run(problem, network):
    trace = rf.train(problem, network, rf.SGD(lr=0.01, ridge=0.1, n_steps=0))
    assert trace.steps.tolist() == [0]
    assert same_bits(trace.final(), network)


# -- schedules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule",
    [
        Linear(0.01, 0.04, 50),
        Geometric(0.04, 0.01, 200),
        Piecewise((0, 30, 60), (0.04, 0.0, 0.02)),
        Constant(0.02),
    ],
)
def test_a_schedule_is_the_array_of_its_values(problem, network, schedule):
    values = np.concatenate([schedule.values(t, t + 1) for t in range(100)])
    listed = rf.train(problem, network, rf.SGD(lr=values, ridge=1e-2, n_steps=100), record=rf.Record(every=7))
    assert same_bits(
        rf.train(problem, network, rf.SGD(lr=schedule, ridge=1e-2, n_steps=100)).final(), listed.final()
    )
    assert (
        gap(listed.final(), reference.train(problem, network, rf.SGD(lr=schedule, ridge=1e-2, n_steps=100)))
        < 1e-12
    )


def test_ends_of_schedules():
    assert Linear(1.0, 2.0, 11).values(0, 13).tolist() == pytest.approx([*np.linspace(1, 2, 11), 2, 2])
    assert Geometric(1.0, 4.0, 3).values(0, 4).tolist() == pytest.approx([1, 2, 4, 4])
    assert Piecewise((0, 2), (1.0, 3.0)).values(0, 4).tolist() == [1, 1, 3, 3]


# -- divergence --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimiser",
    [
        rf.SGD(lr=2.0, ridge=0.0, n_steps=20_000),
        rf.SGD(lr=2.0, ridge=0.0, n_steps=20_000, batch_size=3),
        rf.GD(lr=50.0, ridge=0.0, n_steps=20_000),
    ],
)
def test_divergence_stops_the_chain(problem, network, optimiser):
    trace = rf.train(problem, network, optimiser, chains=2, record=rf.Record(every=5000))
    assert trace.diverged.all()
    assert (trace.n_steps < 5000).all()
    assert np.isnan(trace.train_loss[:, 1:]).all()
    assert np.isnan(trace.singular_values[:, 1:]).all()
    assert (trace.rank[:, 1:] == -1).all()
    assert all(np.isfinite(W).all() for network in trace.networks for W in network.weights)
    assert (trace.stable_lr > 0).all()
    calmer = type(optimiser)(lr=trace.stable_lr[0], ridge=0.0, n_steps=20_000)
    again = rf.train(problem, network, calmer)
    assert not again.diverged.any()
    assert np.isnan(again.stable_lr).all()
    assert again.train_loss[0, -1] < again.train_loss[0, 0]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_leaving_the_number_range_in_one_step_is_divergence(problem, network, dtype):
    trace = rf.train(
        problem, network, rf.SGD(lr=1e200, ridge=0.0, n_steps=20), record=rf.Record(every=1), dtype=dtype
    )
    assert trace.diverged.all()
    assert trace.n_steps[0] <= 3
    assert np.isfinite(trace.train_loss[0, 0])
    assert np.isnan(trace.train_loss[0, 4:]).all()


def test_folding_keeps_what_is_not_a_number():
    weights = np.array([1.0, 1e-120, np.nan, -1e-90, np.inf])
    absorb_scale(weights, 0.5, 1e-100)
    np.testing.assert_array_equal(weights, [0.5, 0.0, np.nan, -5e-91, np.inf])


def test_one_chain_may_diverge_and_the_others_go_on(problem):
    networks = rf.Network.gaussian((11, 10, 9, 14), scale=1.0, seed=0, chains=3)
    weights = [W.copy() for W in networks.weights]
    for W in weights:
        W[1] *= 20
    trace = rf.train(problem, rf.Network(tuple(weights)), rf.SGD(lr=0.02, ridge=1e-3, n_steps=3000), seed=5)
    assert trace.diverged.tolist() == [False, True, False]
    assert trace.n_steps.tolist()[::2] == [3000, 3000]
    alone = rf.train(
        problem, networks.chain(2), rf.SGD(lr=0.02, ridge=1e-3, n_steps=3000), seed=5, chains=[2]
    )
    assert same_bits(trace.final(2), alone.final())
    again = rf.replay(trace, chain=1, start=0, stop=int(trace.n_steps[1]) + 5)
    assert again.diverged[0]
    assert again.n_steps[0] == trace.n_steps[1]


def test_tangent_diagonal_is_the_squared_gradient(problem, network):
    K = tangent_diagonal(network, problem.rows, problem.cols)
    for e in (0, 5, 17):
        at = problem.rows[[e]], problem.cols[[e]]
        # with x_ij = A_ij - 1 the residual is one and the gradient is that of A_ij
        G = reference.gradients(list(network.weights), *at, network.product()[at] - 1)
        assert K[e] == pytest.approx(sum(np.sum(g**2) for g in G))


# -- numbers near the end of the range ---------------------------------------------------------------


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_no_subnormal_number_survives(depth, dtype):
    """A network on its way to zero passes the subnormal range quickly and ends at exact zeros."""
    problem = holed((8, 9)).with_values(np.zeros(holed((8, 9)).n_observed))
    network = rf.Network.gaussian((9, *(7,) * (depth - 1), 8), scale=1.0, seed=0)
    for optimiser in (
        rf.SGD(lr=0.01, ridge=5.0, n_steps=12_000),
        rf.SGD(lr=0.01, ridge=5.0, n_steps=12_000, batch_size=3),
        rf.GD(lr=0.01, ridge=5.0, n_steps=12_000),
    ):
        trace = rf.train(
            problem, network, optimiser, record=rf.Record(every=500, what=("weights",)), dtype=dtype
        )
        smallest = np.finfo(dtype).tiny
        for k in range(trace.steps.size):
            for W in trace.weights(0, k).weights:
                assert not ((W != 0) & (np.abs(W) < smallest)).any()
        assert all(not W.any() for W in trace.final().weights)


def test_rows_that_are_never_seen_decay_to_zero():
    """One row of the matrix has no entry: its weights only decay, while the others stay."""
    rng = np.random.default_rng(0)
    X = np.outer(rng.standard_normal(8), rng.standard_normal(9)) * 3
    X[5] = np.nan
    problem = rf.Problem.from_dense(X)
    network = rf.Network.gaussian((9, 7, 7, 8), scale=1.0, seed=0)
    trace = rf.train(
        problem, network, rf.SGD(lr=0.05, ridge=2e-2, n_steps=200_000), record=rf.Record(every=50_000)
    )
    assert not trace.final().weights[-1][5].any()
    assert trace.rank[0, -1] == 1
    assert smallest_weight(np.dtype(np.float64), 3) == pytest.approx(1e-100)


# -- deflation ---------------------------------------------------------------------------------------


def test_deflation_stays_within_its_bound(problem):
    """At the moment of deflation the product moves by at most the bound of Theorem 4."""
    network = rf.Network.gaussian((11, 10, 10, 14), scale=1.0, seed=0)
    optimiser = rf.SGD(lr=0.05, ridge=5e-3, n_steps=EVERY)
    plain = rf.train(problem, network, optimiser, chains=4)
    deflated = rf.train(problem, network, optimiser, chains=4, deflate=0.03)
    for chain in range(4):
        small = deflated.final(chain)
        assert max(small.widths[1:-1]) < 10
        moved = np.linalg.norm(small.product() - plain.final(chain).product(), 2)
        assert 0 < moved <= deflated.deflation_bound[chain] < 1
    assert not plain.deflation_bound.any()


def test_a_deflated_run_goes_on_and_replays(problem):
    network = rf.Network.gaussian((11, 10, 10, 14), scale=1.0, seed=0)
    optimiser = rf.SGD(lr=0.05, ridge=5e-3, n_steps=3 * EVERY + 500)
    record = rf.Record(every=3000, what=("singular_values", "train_loss", "weights"))
    trace = rf.train(problem, network, optimiser, chains=3, deflate=0.03, record=record)
    assert trace.singular_values.shape == (3, 12, 10)
    assert (trace.singular_values[:, -1, 8:] == 0).all()
    plain = rf.train(problem, network, optimiser, chains=3, record=record)
    np.testing.assert_allclose(trace.singular_values[:, -1], plain.singular_values[:, -1], atol=1e-2)
    for start in (0, 9000, EVERY, 2 * EVERY - 1):
        again = rf.replay(trace, chain=1, start=start, stop=optimiser.n_steps, record=rf.Record(every=10**6))
        assert same_bits(again.final(), trace.final(1))
        assert again.deflation_bound[0] == trace.deflation_bound[1]


# -- the verb ----------------------------------------------------------------------------------------


def test_a_callback_sees_progress_and_may_stop(problem, network):
    seen = []

    def callback(progress):
        seen.append((progress.step, progress.network(0).widths, progress.n_steps))
        return progress.step >= 300

    trace = rf.train(
        problem,
        network,
        rf.SGD(lr=0.01, ridge=0.1, n_steps=1000),
        record=rf.Record(every=100),
        callback=callback,
    )
    assert [step for step, *_ in seen] == [100, 200, 300]
    assert seen[0][1:] == (network.widths, 1000)
    assert trace.steps.tolist() == [0, 100, 200]
    assert trace.n_steps.tolist() == [300]


def test_ctrl_c_carries_the_trace(problem, network):
    def callback(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        rf.train(
            problem,
            network,
            rf.SGD(lr=0.01, ridge=0.1, n_steps=1000),
            record=rf.Record(every=100),
            callback=callback,
        )
    assert caught.value.trace.steps.tolist() == [0]


@pytest.mark.parametrize("name", ["sgd", "gd", "entries", "schedule"])
def test_a_trace_comes_back_from_its_file(problem, network, tmp_path, name):
    optimiser = {
        "sgd": rf.SGD(lr=0.05, ridge=1e-3, n_steps=12_000, sampling="epochs"),
        "gd": rf.GD(lr=Linear(0.05, 0.01, 300), ridge=Piecewise((0, 100), (1e-3, 1e-2)), n_steps=300),
        "entries": rf.SGD(lr=0.05, ridge=1e-3, n_steps=40, entries=np.arange(80).reshape(40, 2)),
        "schedule": rf.SGD(
            lr=np.linspace(0.01, 0.02, 300),
            ridge=Geometric(1e-2, 1e-3, 300),
            n_steps=300,
            batch_size=3,
            sampling="distinct",
        ),
    }[name]
    record = rf.Record(every=5000, what=("rank", "train_loss", "weights"))
    trace = rf.train(problem, network, optimiser, chains=2, seed=4, deflate=0.1, record=record)
    path = tmp_path / "trace.npz"
    trace.save(path)
    back = rf.Trace.load(path)
    assert back.settings == trace.settings
    assert back.seconds == trace.seconds
    np.testing.assert_array_equal(back.rank, trace.rank)
    np.testing.assert_array_equal(back.train_loss, trace.train_loss)
    assert all(same_bits(a, b) for a, b in zip(back.finals(), trace.finals(), strict=True))
    again = rf.replay(back, chain=1, start=0, stop=optimiser.n_steps, record=rf.Record(every=10**6))
    assert same_bits(again.final(), trace.final(1))


BAD = {
    "negative lr": lambda p, n: rf.SGD(lr=-0.1, ridge=0.1, n_steps=10),
    "infinite ridge": lambda p, n: rf.SGD(lr=0.1, ridge=np.inf, n_steps=10),
    "NaN in a list": lambda p, n: rf.SGD(lr=[0.1, np.nan], ridge=0.1, n_steps=2),
    "short list": lambda p, n: rf.SGD(lr=[0.1, 0.1], ridge=0.1, n_steps=3),
    "text": lambda p, n: rf.SGD(lr="fast", ridge=0.1, n_steps=3),
    "decay past zero": lambda p, n: rf.SGD(lr=1.0, ridge=0.5, n_steps=3),
    "n_steps": lambda p, n: rf.GD(lr=0.1, ridge=0.1, n_steps=-1),
    "batch_size": lambda p, n: rf.SGD(lr=0.1, ridge=0.1, n_steps=3, batch_size=0),
    "sampling": lambda p, n: rf.SGD(lr=0.1, ridge=0.1, n_steps=3, sampling="random"),
    "entries shape": lambda p, n: rf.SGD(lr=0.1, ridge=0.1, n_steps=3, entries=np.arange(4)),
    "entries range": lambda p, n: rf.train(p, n, rf.SGD(lr=0.1, ridge=0.1, n_steps=3, entries=[0, 1, 10**6])),
    "large batch": lambda p, n: rf.train(
        p, n, rf.SGD(lr=0.1, ridge=0.1, n_steps=3, batch_size=10**4, sampling="distinct")
    ),
    "what": lambda p, n: rf.Record(what=("loss",)),
    "every": lambda p, n: rf.Record(every=0),
    "rank_tol": lambda p, n: rf.Record(rank_tol=1.0),
    "extra": lambda p, n: rf.Record(extra={"rank": _norm}),
    "shape": lambda p, n: rf.train(p.T, n, rf.SGD(lr=0.1, ridge=0.1, n_steps=3)),
    "dtype": lambda p, n: rf.train(p, n, rf.SGD(lr=0.1, ridge=0.1, n_steps=3), dtype=np.int32),
    "deflate": lambda p, n: rf.train(p, n, rf.SGD(lr=0.1, ridge=0.1, n_steps=3), deflate=2.0),
    "chains": lambda p, n: rf.train(p, n, rf.SGD(lr=0.1, ridge=0.1, n_steps=3), chains=0),
    "no such chain": lambda p, n: rf.train(
        p, rf.Network.stack([n]), rf.SGD(lr=0.1, ridge=0.1, n_steps=3), chains=[1]
    ),
    "weights": lambda p, n: rf.train(p, n, rf.SGD(lr=0.1, ridge=0.1, n_steps=3)).weights(0, 0),
    "unrecorded": lambda p, n: rf.train(p, n, rf.SGD(lr=0.1, ridge=0.1, n_steps=3)).imbalance,
    "replay range": lambda p, n: rf.replay(
        rf.train(p, n, rf.SGD(lr=0.1, ridge=0.1, n_steps=3)), chain=0, start=0, stop=4
    ),
    "replay chain": lambda p, n: rf.replay(
        rf.train(p, n, rf.SGD(lr=0.1, ridge=0.1, n_steps=3)), chain=1, start=0, stop=3
    ),
    "infinite weights": lambda p, n: rf.train(
        p, rf.Network(tuple(np.inf * W for W in n)), rf.SGD(lr=0.1, ridge=0.1, n_steps=3)
    ),
    "piecewise": lambda p, n: Piecewise((0, 5, 5), (1.0, 2.0, 3.0)),
    "geometric": lambda p, n: Geometric(0.0, 1.0, 5),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_settings_are_refused(name, problem, network):
    with pytest.raises(rf.InputError):
        BAD[name](problem, network)
