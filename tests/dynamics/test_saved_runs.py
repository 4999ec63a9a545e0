"""No file of a trace or checkpoint, however it was damaged, ends in another error than ours, or in a
kernel.
"""

from __future__ import annotations

import warnings
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

import rankfall as rf
from damage import damaged_archives
from rankfall.files import load_archive, save_archive

N_STEPS = 60
MOVING = rf.SGD(lr=0.01, ridge=1e-3, n_steps=N_STEPS, momentum=0.5, label_noise=0.1)
RECORD = rf.Record(every=20, what=("weights", "singular_values", "rank", "train_loss", "ledger"))


@cache
def setting() -> tuple[rf.Problem, rf.Network, rf.SGD]:
    problem, _ = rf.datasets.low_rank((6, 5), rank=2, observed=0.8, seed=0)
    network = rf.Network.gaussian((5, 4, 3, 6), seed=0)
    lr = np.linspace(0.02, 0.01, N_STEPS)
    entries = np.random.default_rng(0).integers(0, problem.n_observed, (N_STEPS, 2))
    return problem, network, rf.SGD(lr=lr, ridge=1e-3, n_steps=N_STEPS, batch_size=2, entries=entries)


@cache
def measured() -> rf.Trace:
    """A run on measurements, with momentum and label noise."""
    problem, network, _ = setting()
    data = rf.Measurements.from_problem(problem)
    return rf.train(data, network, MOVING, chains=2, record=rf.Record(every=20, what=("weights", "rank")))


def run(checkpoint: Path | None = None) -> rf.Trace:
    return rf.train(*setting(), chains=3, seed=0, record=RECORD, checkpoint=checkpoint)


@cache
def sound(name: str) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "it.npz"
        if name != "checkpoint":
            (run() if name == "trace" else measured()).save(path)
        else:
            # half done, so that resuming has something to do
            def stop(progress: object) -> bool:
                return progress.step >= N_STEPS // 2  # type: ignore[attr-defined]

            problem, network, optimiser = setting()
            rf.train(
                problem, network, optimiser, chains=3, seed=0, record=RECORD, checkpoint=path, callback=stop
            )
        return path.read_bytes()


def use(name: str, path: Path) -> None:
    with warnings.catch_warnings():
        # numbers that have left the range of floats are sound: of chains that diverged
        warnings.simplefilter("ignore", RuntimeWarning)
        if name == "checkpoint":
            run(path)
            return
        trace = rf.Trace.load(path)
        repr(trace)
        if "rank" in trace.measured:
            rf.find_jumps(trace)
        last = trace.steps.size - 1
        rf.replay(trace, chain=0, start=int(trace.steps[min(1, last)]), stop=int(trace.steps[last]))


@pytest.mark.parametrize("part", ["arrays", "headers", "metadata", "file"])
@pytest.mark.parametrize("name", ["trace", "checkpoint", "measured"])
def test_damage(tmp_path: Path, name: str, part: str) -> None:
    path = tmp_path / "it.npz"
    path.write_bytes(sound(name))
    step = {"arrays": 11, "metadata": 3}.get(part, 1)
    for what, content in islice(damaged_archives(path, part), 0, None, step):
        path.write_bytes(content)
        try:
            use(name, path)
        except rf.InputError as error:
            sentence = str(error)
            assert sentence.startswith(str(path)), what
            assert "\n" not in sentence, what
            assert len(sentence) < len(str(path)) + 250, what


def test_what_is_sound_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "it.npz"
    path.write_bytes(sound("trace"))
    trace, again = run(), rf.Trace.load(path)
    assert again.settings == trace.settings
    assert again.optimiser.lr.listed.tobytes() == trace.optimiser.lr.listed.tobytes()  # type: ignore[union-attr]
    for name, values in trace.measured.items():
        assert again.measured[name].tobytes() == values.tobytes()
    path.write_bytes(sound("checkpoint"))
    resumed = run(path)
    for name, values in trace.measured.items():
        assert resumed.measured[name].tobytes() == values.tobytes()


def test_traces_of_earlier_layouts_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "it.npz"
    path.write_bytes(sound("trace"))
    arrays, meta = load_archive(path)
    save_archive(path, arrays, {**meta, "layout": 2}, "rankfall trace")
    with pytest.raises(rf.InputError, match=r"it\.npz was written by an earlier version of rankfall"):
        rf.Trace.load(path)
    # files written before the tolerance was kept
    save_archive(path, arrays, {k: v for k, v in meta.items() if k != "rank_tol"}, "rankfall trace")
    assert rf.Trace.load(path).rank_tol == 1e-2


def test_an_observable_must_keep_its_shape() -> None:
    problem, network, optimiser = setting()
    sizes = iter((2, 2, 3, 3))
    record = rf.Record(every=20, what=(), extra={"it": lambda network: np.zeros(next(sizes))})
    with pytest.raises(
        rf.InputError, match=r"'it' had shape \(2,\) when it was first recorded, and has \(3,\)"
    ):
        rf.train(problem, network, optimiser, record=record)
