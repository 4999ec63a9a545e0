"""The same bits, however a run is cut, threaded, recorded, interrupted or repeated."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import holed, same_bits
from rankfall.compute import threads
from rankfall.dynamics import record
from rankfall.dynamics.engine import checkpoints, recorder
from rankfall.dynamics.engine import run as engine

OPTIMISERS = {
    "single": rf.SGD(lr=0.03, ridge=1e-2, n_steps=5000),
    "epochs": rf.SGD(lr=0.03, ridge=1e-2, n_steps=5000, sampling="epochs"),
    "batch": rf.SGD(lr=0.03, ridge=1e-2, n_steps=5000, batch_size=5, sampling="distinct"),
    "short batches": rf.SGD(lr=0.03, ridge=1e-2, n_steps=5000, batch_size=50, sampling="epochs"),
    "gradient descent": rf.GD(lr=0.03, ridge=1e-2, n_steps=5000),
    "fast decay": rf.SGD(
        lr=0.03, ridge=0.2, n_steps=5000
    ),  # folds the decay scalar after 573 steps, between two updates
    "label noise": rf.SGD(lr=0.03, ridge=1e-2, n_steps=5000, label_noise=0.3),
    "noisy batch": rf.SGD(lr=0.03, ridge=1e-2, n_steps=5000, batch_size=3, label_noise=0.3),
    "momentum": rf.SGD(lr=0.005, ridge=1e-2, n_steps=5000, momentum=0.9, sampling="epochs"),
}


@pytest.fixture(scope="module")
def problem():
    return holed((12, 17), seed=1, rank=2)


@pytest.fixture(scope="module", params=[(13, 11), (70, 67)], ids=["narrow", "wide"])
def network(request):
    """The hidden layer of the wide one is asked for all steps between two updates at once."""
    return rf.Network.gaussian((17, *request.param, 12), scale=1.0, seed=0)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_recording_never_changes_a_bit(name, problem, network):
    optimiser = OPTIMISERS[name]
    straight = rf.train(problem, network, optimiser, record=rf.Record(every=10**6))
    assert all(W.any() for W in straight.final())  # nothing died so far that bits say nothing
    for every in (4999, 777, 250):
        trace = rf.train(problem, network, optimiser, record=rf.Record(every=every))
        assert same_bits(trace.final(), straight.final())
    first = rf.train(problem, network, optimiser, record=rf.Record(every=250))
    coarse = rf.train(problem, network, optimiser, record=rf.Record(every=500))
    np.testing.assert_array_equal(first.singular_values[:, ::2], coarse.singular_values)
    np.testing.assert_array_equal(first.train_loss[:, ::2], coarse.train_loss)


@pytest.mark.parametrize("name", ["single", "epochs", "batch"])
def test_single_steps_make_the_same_run(name, problem, network):
    """Every call to the kernel is one step long."""
    optimiser = OPTIMISERS[name]
    short = rf.SGD(
        lr=optimiser.lr,
        ridge=optimiser.ridge,
        n_steps=300,
        batch_size=optimiser.batch_size,
        sampling=optimiser.sampling,
    )
    trace = rf.train(problem, network, short, record=rf.Record(every=1, what=("train_loss",)))
    assert same_bits(trace.final(), rf.train(problem, network, short).final())


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_chain_alone_and_among_64(name, problem, network):
    optimiser = replace(OPTIMISERS[name], n_steps=1500)
    many = rf.train(problem, network, optimiser, chains=64, seed=7, record=rf.Record(every=300))
    alone = rf.train(problem, network, optimiser, chains=[41], seed=7, record=rf.Record(every=300))
    assert same_bits(many.final(41), alone.final(0))
    np.testing.assert_array_equal(many.singular_values[41], alone.singular_values[0])
    np.testing.assert_array_equal(many.train_loss[41], alone.train_loss[0])
    if name != "gradient descent":
        assert not same_bits(many.final(41), many.final(40))


def test_an_ensemble_gives_each_chain_its_own_start(problem):
    networks = rf.Network.gaussian((17, 9, 8, 12), scale=1.0, seed=0, chains=6)
    many = rf.train(problem, networks, OPTIMISERS["single"], seed=1)
    assert many.n_chains == 6
    assert same_bits(
        many.final(4), rf.train(problem, networks, OPTIMISERS["single"], seed=1, chains=[4]).final()
    )
    assert same_bits(
        many.final(0), rf.train(problem, networks.chain(0), OPTIMISERS["single"], seed=1).final()
    )


@pytest.mark.skipif(
    threads.max_threads() < 2, reason="compares one thread with two, which need two processors"
)
@pytest.mark.parametrize("name", OPTIMISERS)
def test_one_thread_and_two(name, problem, network):
    traces = [rf.train(problem, network, OPTIMISERS[name], chains=5, n_threads=n) for n in (1, 2)]
    assert all(same_bits(a, b) for a, b in zip(traces[0].finals(), traces[1].finals(), strict=True))
    np.testing.assert_array_equal(traces[0].singular_values, traces[1].singular_values)


def test_how_the_records_of_many_chains_are_divided(problem, network, monkeypatch):
    """Portions, blocks and threads divide the chains only: what is measured of each keeps its bits."""
    what = ("singular_values", "rank", "train_loss", "imbalance", "hidden_singular_values")
    sgd, recorded = rf.SGD(lr=0.03, ridge=1e-2, n_steps=600), rf.Record(every=200, what=what)
    expected = rf.train(problem, network, sgd, chains=40, record=recorded)
    monkeypatch.setattr(recorder, "PORTION", 17)
    monkeypatch.setattr(record, "_BLOCK", 3)
    for n_threads in (1, 2):
        trace = rf.train(problem, network, sgd, chains=40, record=recorded, n_threads=n_threads)
        for name in what:
            np.testing.assert_array_equal(trace.measured[name], expected.measured[name])


def test_the_number_of_threads_is_put_back(problem, network):
    before = threads.count()
    rf.train(problem, network, rf.SGD(lr=0.01, ridge=0.0, n_steps=10), n_threads=1)
    assert threads.count() == before


def test_length_of_calls_does_not_matter(problem, network, monkeypatch):
    expected = rf.train(problem, network, OPTIMISERS["epochs"], record=rf.Record(every=10**6))
    monkeypatch.setattr(engine, "LONGEST_CALL", 333)
    monkeypatch.setattr(engine, "CALL_SECONDS", 1e-9)
    trace = rf.train(problem, network, OPTIMISERS["epochs"], record=rf.Record(every=10**6))
    assert same_bits(trace.final(), expected.final())


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("what", [("rank",), ("weights",)])
def test_replay_repeats_a_stretch(name, what, problem, network):
    trace = rf.train(
        problem,
        network,
        OPTIMISERS[name],
        chains=3,
        seed=2,
        record=rf.Record(every=1000, what=(*what, "train_loss")),
    )
    again = rf.replay(
        trace, chain=2, start=2900, stop=3100, record=rf.Record(every=50, what=("train_loss", "weights"))
    )
    assert again.steps.tolist() == [2900, 2950, 3000, 3050, 3100]
    assert again.train_loss[0, 2] == trace.train_loss[2, 3]
    whole = rf.replay(trace, chain=2, start=4000, stop=5000, record=rf.Record(every=1000))
    assert same_bits(whole.final(), trace.final(2))
    if what == ("weights",):
        assert same_bits(again.weights(0, 2), trace.weights(2, 3))


@pytest.mark.parametrize("deflate", [None, 0.05])
def test_stopped_and_resumed(problem, network, tmp_path, deflate):
    """A run left at several moments, by a callback and by Ctrl-C, ends at the same bits."""
    optimiser = rf.SGD(lr=0.03, ridge=1e-2, n_steps=25_000, sampling="epochs")
    settings = {
        "chains": 3,
        "seed": 3,
        "record": rf.Record(every=2500, what=("rank", "train_loss", "weights")),
        "deflate": deflate,
    }
    straight = rf.train(problem, network, optimiser, **settings)
    path = tmp_path / "run.npz"

    def leave_after(step):
        return lambda progress: progress.step >= step

    def interrupt_after(step):
        def callback(progress):
            if progress.step >= step:
                raise KeyboardInterrupt

        return callback

    for callback in (
        leave_after(1000),
        interrupt_after(7000),
        leave_after(10_000),
        interrupt_after(10_500),
        None,
    ):
        try:
            trace = rf.train(problem, network, optimiser, **settings, checkpoint=path, callback=callback)
        except rf.dynamics.Interrupted as interruption:
            trace = interruption.trace
            assert trace.steps.max() < 25_000
    assert_same_trace(trace, straight)
    # the finished run is in the file, too
    assert_same_trace(rf.train(problem, network, optimiser, **settings, checkpoint=path), straight)


CHILD = """
import sys, time
import rankfall as rf
from rankfall.dynamics.engine import checkpoints
from dynamics.test_bits import killed_run
checkpoints.INTERVAL = 0.0
killed_run(sys.argv[1], lambda progress: time.sleep(0.05))
"""


def killed_run(path, callback=None):
    """40 short stretches; the child sleeps in between, so that there is time to kill it."""
    return rf.train(
        holed((12, 17), seed=1),
        rf.Network.gaussian((17, 13, 11, 12), scale=1.0, seed=0),
        rf.SGD(lr=0.03, ridge=1e-2, n_steps=40_000, sampling="epochs"),
        chains=4,
        seed=9,
        record=rf.Record(every=1000),
        deflate=0.05,
        checkpoint=path,
        callback=callback,
    )


def test_killed_and_resumed(tmp_path):
    path = tmp_path / "run.npz"
    here = str(Path(__file__).parents[1])
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([here, *sys.path])},
    )
    try:
        deadline = time.monotonic() + 120
        while not path.exists() and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.3)
        assert child.poll() is None, "the child ended before it could be killed"
    finally:
        child.kill()
        child.wait()
    seen = []
    resumed = killed_run(path, lambda progress: seen.append(progress.step))
    assert seen[0] > 1000, "the run started afresh"
    straight = killed_run(None)
    assert_same_trace(resumed, straight)


def test_a_checkpoint_of_other_settings_is_refused(problem, network, tmp_path):
    path = tmp_path / "run.npz"
    settings = {"record": rf.Record(every=100), "checkpoint": path}
    rf.train(problem, network, rf.SGD(lr=0.03, ridge=1e-2, n_steps=200), **settings)
    before = path.read_bytes()
    for other in (
        lambda: rf.train(problem, network, rf.SGD(lr=0.02, ridge=1e-2, n_steps=200), **settings),
        lambda: rf.train(problem, network, rf.SGD(lr=0.03, ridge=1e-2, n_steps=300), **settings),
        lambda: rf.train(problem, network, rf.SGD(lr=0.03, ridge=1e-2, n_steps=200), seed=1, **settings),
        lambda: rf.train(
            problem.with_values(2 * problem.values),
            network,
            rf.SGD(lr=0.03, ridge=1e-2, n_steps=200),
            **settings,
        ),
        lambda: rf.train(problem, network, rf.SGD(lr=0.03, ridge=1e-2, n_steps=200), deflate=0.1, **settings),
    ):
        with pytest.raises(rf.InputError, match="other settings"):
            other()
    assert path.read_bytes() == before


def test_a_file_that_is_no_checkpoint_is_refused(problem, network, tmp_path):
    path = tmp_path / "run.npz"
    rf.train(problem, network, rf.SGD(lr=0.03, ridge=1e-2, n_steps=20)).save(path)
    with pytest.raises(rf.InputError):
        rf.train(problem, network, rf.SGD(lr=0.03, ridge=1e-2, n_steps=20), checkpoint=path)
    assert checkpoints.INTERVAL > 0


def assert_same_trace(one, other):
    np.testing.assert_array_equal(one.steps, other.steps)
    np.testing.assert_array_equal(one.n_steps, other.n_steps)
    np.testing.assert_array_equal(one.deflation_bound, other.deflation_bound)
    assert one.measured.keys() == other.measured.keys()
    for name in one.measured:
        np.testing.assert_array_equal(one.measured[name], other.measured[name])
    assert all(same_bits(a, b) for a, b in zip(one.finals(), other.finals(), strict=True))
