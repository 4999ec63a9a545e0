"""How far chains move: the running bound against its literal twin, exits, and that no bit changes."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import holed, same_bits
from rankfall.dynamics.engine.run import Engine
from rankfall.dynamics.engine.state import State
from rankfall.dynamics.kernels import displacement, reference

WIDTHS = {2: (9, 5, 8), 3: (9, 5, 6, 8), 4: (9, 7, 5, 6, 8), 5: (9, 3, 4, 6, 5, 8)}


def optimisers(n_steps: int) -> dict[str, rf.SGD]:
    lr = np.linspace(0.01, 0.06, n_steps)
    return {
        "single": rf.SGD(lr=lr, ridge=0.05, n_steps=n_steps),
        "batch": rf.SGD(lr=lr, ridge=0.05, n_steps=n_steps, batch_size=4, sampling="replacement"),
        "short batches": rf.SGD(lr=lr, ridge=0.05, n_steps=n_steps, batch_size=9, sampling="epochs"),
    }


def watched(problem, network, optimiser, radius: float, level: float, seed: int = 3) -> Engine:
    state = State.start([network], np.array([0]), np.dtype(np.float64), np.array([1e6]))
    state.watch()
    state.anchor(0, network, radius, level)
    return Engine(problem, optimiser, state, seed)


@pytest.mark.parametrize("depth", WIDTHS)
@pytest.mark.parametrize("name", ["single", "batch", "short batches"])
def test_kernel_keeps_the_bound_of_its_twin(name, depth):
    problem, network = holed((8, 9), seed=2), rf.Network.gaussian(WIDTHS[depth], scale=0.9, seed=1)
    optimiser = optimisers(40)[name]
    for level in (0.0, 0.3, 50.0):
        exact, bounds = reference.displacements(problem, network, optimiser, 0, 3, level)
        assert np.all(exact <= bounds * (1 + 1e-12))
        engine = watched(problem, network, optimiser, radius=1e9, level=level)
        for step in range(40):
            engine._call(step, step + 1)
            assert engine.state.balls[0, displacement.BOUND] == pytest.approx(bounds[step], rel=1e-5)
            assert engine.state.moved(0)[0] == pytest.approx(exact[step], rel=1e-9)
        assert engine.state.moved(0)[1] == pytest.approx(bounds.max(), rel=1e-5)


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("name", ["single", "batch"])
def test_a_chain_stops_at_the_first_step_outside_its_ball_and_goes_on(name, depth):
    problem, network = holed((8, 9), seed=2), rf.Network.gaussian(WIDTHS[depth], scale=0.9, seed=1)
    optimiser = optimisers(60)[name]
    radius = 0.5
    exact, _ = reference.displacements(problem, network, optimiser, 0, 3, 0.0)
    first = int(np.flatnonzero(exact > radius)[0]) + 1
    assert 3 < first < 58
    engine = watched(problem, network, optimiser, radius, radius)
    engine._call(0, 60)
    state = engine.state
    assert state.clock[0] == first and state.running[0]
    assert state.balls[0, displacement.BOUND] > radius
    state.anchor(0, state.network(0), radius=np.inf, level=np.inf)  # nobody watches any more
    engine._call(first, 60)
    plain = rf.train(problem, network, optimiser, seed=3).final()
    assert state.clock[0] == 60 and same_bits(state.network(0), plain)


def test_wide_layers_whose_products_are_computed_ahead():
    problem, network = holed((10, 12), seed=2), rf.Network.gaussian((12, 70, 90, 10), scale=0.7, seed=1)
    optimiser = rf.SGD(lr=2e-3, ridge=0.05, n_steps=50)
    exact, _ = reference.displacements(problem, network, optimiser, 0, 3, 0.0)
    radius = 0.5 * exact.max()
    first = int(np.flatnonzero(exact > radius)[0]) + 1
    engine = watched(problem, network, optimiser, radius, radius)
    engine._call(0, 50)
    assert engine.state.clock[0] == first
    assert engine.state.moved(0)[0] == pytest.approx(exact[first - 1], rel=1e-9)


@pytest.mark.parametrize("name", ["single", "batch", "short batches"])
def test_recording_it_changes_no_bit(name):
    problem = holed((12, 17), seed=1)
    network = rf.Network.gaussian((17, 13, 11, 12), scale=1.0, seed=0)
    optimiser = optimisers(3000)[name]
    plain = rf.train(problem, network, optimiser, chains=3)
    record = rf.Record(every=777, what=("displacement", "weights"))
    kept = rf.train(problem, network, optimiser, chains=3, record=record)
    assert all(same_bits(kept.final(k), plain.final(k)) for k in range(3))
    assert kept.displacement.shape == (3, 5, 2)
    np.testing.assert_array_equal(kept.displacement[:, 0], 0)
    for k in range(3):
        for index in range(1, 5):
            pairs = zip(kept.weights(k, index), kept.weights(k, index - 1), strict=True)
            moved = np.sqrt(sum(np.sum((W - V) ** 2) for W, V in pairs))
            assert kept.displacement[k, index, 0] == pytest.approx(moved, rel=1e-12)
    assert np.all(kept.displacement[:, :, 1] >= kept.displacement[:, :, 0])


def test_the_largest_displacement_is_at_most_a_quarter_too_large():
    problem, network = holed((8, 9), seed=2), rf.Network.gaussian(WIDTHS[3], scale=0.9, seed=1)
    optimiser = rf.SGD(lr=0.05, ridge=0.01, n_steps=400)
    exact, _ = reference.displacements(problem, network, optimiser, 0, 3, 0.0)
    trace = rf.train(problem, network, optimiser, seed=3, record=rf.Record(every=400, what=("displacement",)))
    assert exact.max() <= trace.displacement[0, 1, 1] <= 1.25 * exact.max() * (1 + 1e-6)


def test_it_survives_files_replays_and_deflations(tmp_path):
    problem, network = holed((8, 9), seed=2), rf.Network.gaussian(WIDTHS[3], scale=0.9, seed=1)
    optimiser = rf.SGD(lr=0.05, ridge=0.05, n_steps=300)
    record = rf.Record(every=50, what=("displacement", "weights"))
    stopped = rf.train(
        problem, network, optimiser, record=record, checkpoint=tmp_path / "run.npz",
        callback=lambda progress: progress.step >= 170,
    )  # fmt: skip
    assert stopped.steps.size < 7
    resumed = rf.train(problem, network, optimiser, record=record, checkpoint=tmp_path / "run.npz")
    plain = rf.train(problem, network, optimiser, record=record)
    np.testing.assert_array_equal(resumed.displacement, plain.displacement)
    plain.save(tmp_path / "trace.npz")
    again = rf.Trace.load(tmp_path / "trace.npz")
    np.testing.assert_array_equal(again.displacement, plain.displacement)
    replayed = rf.replay(again, chain=0, start=100, stop=150, record=rf.Record(every=50, what="displacement"))
    assert replayed.displacement[0, 1, 0] == plain.displacement[0, 3, 0]
    with pytest.raises(rf.InputError, match="SGD only"):
        rf.train(problem, network, rf.GD(lr=0.1, ridge=0.1, n_steps=3), record=record)
    cut = rf.train(
        problem, network, rf.SGD(lr=0.05, ridge=5e-3, n_steps=10_100), deflate=0.3,
        record=rf.Record(every=10_050, what="displacement"),
    )  # fmt: skip
    assert cut.final().widths != network.widths and np.isfinite(cut.displacement).all()
