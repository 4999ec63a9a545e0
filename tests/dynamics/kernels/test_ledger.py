"""The ledger of Theorem 3(c) against its literal twin; recording it changes no bit, however it is read."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import holed, same_bits
from rankfall.dynamics.kernels import reference

WIDTHS = {2: (9, 5, 8), 3: (9, 5, 6, 8), 4: (9, 7, 5, 6, 8), 5: (9, 3, 4, 6, 5, 8)}
WHAT = ("train_loss", "ledger")


def optimisers(n_steps: int) -> dict[str, rf.SGD]:
    lr = np.linspace(0.01, 0.06, n_steps)
    return {
        "single": rf.SGD(lr=lr, ridge=0.05, n_steps=n_steps),
        "batch": rf.SGD(lr=lr, ridge=0.05, n_steps=n_steps, batch_size=4, sampling="replacement"),
        "short batches": rf.SGD(lr=lr, ridge=0.05, n_steps=n_steps, batch_size=9, sampling="epochs"),
    }


@pytest.mark.parametrize("depth", WIDTHS)
@pytest.mark.parametrize("name", ["single", "batch", "short batches"])
def test_kernel_keeps_the_ledger_of_its_twin(name, depth):
    problem = holed((8, 9), seed=2)
    network = rf.Network.gaussian(WIDTHS[depth], scale=0.9, seed=1)
    optimiser = optimisers(60)[name]
    charges = reference.ledger(problem, network, optimiser, 0, 3)
    trace = rf.train(problem, network, optimiser, seed=3, record=rf.Record(every=20, what=WHAT))
    assert trace.ledger.shape == (1, 4, 2, depth - 1)
    np.testing.assert_array_equal(trace.ledger[0, 0], 0)
    for part in range(3):
        sums = np.cumsum(charges[20 * part : 20 * (part + 1)], axis=0)
        np.testing.assert_allclose(trace.ledger[0, part + 1, 0], sums[-1], rtol=1e-10, atol=1e-12)
        highest = np.maximum(sums.max(axis=0), 0)
        np.testing.assert_allclose(trace.ledger[0, part + 1, 1], highest, rtol=1e-10, atol=1e-12)


def test_products_beyond_the_range_of_numbers_are_folded():
    """Enough decay for 1e-600, on the way over the grid on which weights are folded."""
    problem = holed((8, 9), seed=2)
    network = rf.Network.gaussian(WIDTHS[3], scale=0.5, seed=1)
    trace = rf.train(
        problem, network, rf.SGD(lr=0.02, ridge=5.0, n_steps=6500), record=rf.Record(every=6500, what=WHAT)
    )
    assert np.all(trace.ledger[0, -1, 0] < np.log(1e-300) * 2)
    assert np.all(trace.ledger[0, -1, 0] >= 6500 * np.log(0.8) - 1e-9)


@pytest.mark.parametrize("name", ["single", "batch", "short batches"])
def test_keeping_a_ledger_changes_no_bit(name):
    problem = holed((12, 17), seed=1)
    network = rf.Network.gaussian((17, 13, 11, 12), scale=1.0, seed=0)
    optimiser = optimisers(5000)[name]
    plain = rf.train(problem, network, optimiser, chains=3)
    kept = rf.train(problem, network, optimiser, chains=3, record=rf.Record(every=777, what=WHAT))
    assert all(same_bits(kept.final(k), plain.final(k)) for k in range(3))
    twice = rf.train(
        problem, network, optimiser, chains=3, record=rf.Record(every=777, what=WHAT), n_threads=1
    )
    np.testing.assert_array_equal(kept.ledger, twice.ledger)


def test_the_ledger_survives_a_checkpoint_and_a_file(tmp_path):
    problem = holed((8, 9), seed=2)
    network = rf.Network.gaussian(WIDTHS[3], scale=0.9, seed=1)
    optimiser, record = optimisers(3000)["single"], rf.Record(every=2000, what=WHAT)
    straight = rf.train(problem, network, optimiser, record=record)
    path = tmp_path / "run.npz"
    calls = []

    def stop(progress):
        calls.append(progress.step)
        return True

    rf.train(problem, network, optimiser, record=record, checkpoint=path, callback=stop)
    assert calls[0] < 2000
    resumed = rf.train(problem, network, optimiser, record=record, checkpoint=path)
    np.testing.assert_array_equal(resumed.ledger, straight.ledger)
    straight.save(tmp_path / "trace.npz")
    np.testing.assert_array_equal(rf.Trace.load(tmp_path / "trace.npz").ledger, straight.ledger)


def test_gradient_descent_keeps_none():
    problem = holed((8, 9))
    network = rf.Network.gaussian(WIDTHS[3], scale=0.9, seed=1)
    with pytest.raises(rf.InputError, match="for SGD only"):
        rf.train(
            problem, network, rf.GD(lr=0.01, ridge=0.1, n_steps=10), record=rf.Record(every=5, what=WHAT)
        )


def test_not_recorded_is_said():
    problem = holed((8, 9))
    trace = rf.train(
        problem, rf.Network.gaussian(WIDTHS[3], scale=0.9, seed=1), rf.SGD(lr=0.01, ridge=0.1, n_steps=10)
    )
    with pytest.raises(rf.InputError, match="'ledger' was not recorded"):
        _ = trace.ledger
