"""The generic runner gives what the library's own calls give."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

import rankfall as rf
from rankfall.datasets.synthetic import check_low_rank
from rankfall.errors import InputError
from rankfall.lab import Cell, read_study
from rankfall.lab.sweep.worker import compute
from rankfall.lab.train_runner.run import run
from rankfall.lab.train_runner.settings import FROM_FILE, TABLES, check_together, check_values, is_setting

SETTINGS = {
    "chains": 2,
    "problem": {"shape": [8, 6], "rank": 1, "observed": 0.8},
    "network": {"depth": 3, "width": 4, "scale": 0.9},
    "optimiser": {"lr": 0.05, "ridge": 0.01, "n_steps": 90, "batch_size": 2, "sampling": "distinct"},
    "record": {"every": 40, "leading": 2, "rank_tol": 0.1},
}
CELL = Cell("s", "train", SETTINGS, {}, root_seed=7)


def changed(**tables: object) -> Cell:
    return replace(CELL, settings={**SETTINGS, **tables})


def test_same_as_the_library() -> None:
    frame = run(CELL)
    problem, _ = rf.datasets.low_rank((8, 6), rank=1, observed=0.8, seed=CELL.seed("problem"))
    trace = rf.train(
        problem,
        rf.Network.gaussian((6, 4, 4, 8), scale=0.9, seed=CELL.seed("start"), chains=2),
        rf.SGD(lr=0.05, ridge=0.01, n_steps=90, batch_size=2, sampling="distinct"),
        seed=CELL.seed("noise"),
        record=rf.Record(every=40, rank_tol=0.1),
    )
    assert list(frame) == ["chain", "step", "rank", "train_loss", "s1", "s2"]
    assert frame["chain"].tolist() == [0] * 4 + [1] * 4
    assert frame["step"].tolist() == [0, 40, 80, 90] * 2
    np.testing.assert_array_equal(frame["rank"], trace.rank.ravel())
    np.testing.assert_array_equal(frame["train_loss"], trace.train_loss.ravel())
    np.testing.assert_array_equal(frame["s2"], trace.singular_values[..., 1].ravel())


def test_other_settings() -> None:
    common = run(changed(network={"widths": [6, 3, 8], "common_start": True}))
    first = common[common["step"] == 0]
    assert first["s1"].nunique() == 1
    schedule = {"kind": "geometric", "first": 0.1, "last": 0.01, "n_steps": 90}
    descent = run(changed(optimiser={"method": "GD", "lr": schedule, "ridge": 0.01, "n_steps": 90}))
    assert len(descent) == 8
    assert (descent["train_loss"] > 0).all()
    assert is_setting("optimiser.lr.first")
    assert is_setting("optimiser.momentum") and not is_setting("optimiser.nesterov")


def test_momentum_and_label_noise() -> None:
    options = {"momentum": 0.5, "label_noise": 0.3}
    frame = run(changed(optimiser={**SETTINGS["optimiser"], **options}))
    problem, _ = rf.datasets.low_rank((8, 6), rank=1, observed=0.8, seed=CELL.seed("problem"))
    trace = rf.train(
        problem,
        rf.Network.gaussian((6, 4, 4, 8), scale=0.9, seed=CELL.seed("start"), chains=2),
        rf.SGD(lr=0.05, ridge=0.01, n_steps=90, batch_size=2, sampling="distinct", **options),
        seed=CELL.seed("noise"),
        record=rf.Record(every=40),
    )
    np.testing.assert_array_equal(frame["train_loss"], trace.train_loss.ravel())
    with pytest.raises(InputError, match="momentum must be a number, 0 or more and below 1"):
        run(changed(optimiser={**SETTINGS["optimiser"], "momentum": 1.0}))


@pytest.mark.parametrize(
    ("lr", "sentence"),
    [
        ({"kind": "cosine"}, "optimiser.lr: kind must be one of linear, geometric, piecewise, not 'cosine'"),
        ({"kind": "linear", "start": 1}, "optimiser.lr: a linear schedule has kind, first, last, n_steps"),
        (-1.0, "lr must be a number, 0 or more, not -1.0"),
    ],
)
def test_bad_schedules(lr: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        run(changed(optimiser={"lr": lr, "ridge": 0.01, "n_steps": 10}))


def test_a_data_file_is_part_of_the_cell(tmp_path: Path) -> None:
    text = """
    study.name = "file"
    [settings]
    problem.path = "data/table.csv"
    network.depth = 2
    optimiser = { lr = 0.1, ridge = 0.01, n_steps = 20 }
    """
    (tmp_path / "data").mkdir()
    table, file = tmp_path / "data" / "table.csv", tmp_path / "s.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=r"Cannot read .*table\.csv"):
        read_study(file)
    table.write_text("a,b,c\n1,2,3\n2,,6\n3,6,9\n")
    study = read_study(file)
    (cell,) = study.cells
    frame = run(cell, study.folder)
    assert frame["rank"].iloc[0] <= 3
    table.write_text("a,b,c\n1,2,3\n2,,6\n3,6,8\n")
    (other,) = read_study(file).cells
    assert other.key != cell.key
    with pytest.raises(InputError, match=r"data/table\.csv is not the file that it was"):
        run(cell, study.folder)
    # where the folder is does not matter
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert read_study(moved / "s.toml").cells == (other,)
    (moved / "s.toml").write_text(text.replace('"data/', '"/data/'))
    with pytest.raises(InputError, match=r"problem\.path must start from the study's folder"):
        read_study(moved / "s.toml")
    (moved / "s.toml").write_text(text + "problem.rank = 1\n")
    with pytest.raises(InputError, match=r"problem\.rank has no meaning beside problem\.path"):
        read_study(moved / "s.toml")


@pytest.mark.parametrize(("n_threads", "timers"), [(0, True), (0, False), (1, True)])
def test_a_time_limit_ends_training(n_threads: int, timers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a signal in the main thread; by an asynchronous exception elsewhere and on a system without timers.

    Both come between two kernel calls.
    """
    if not timers:
        monkeypatch.delattr(signal, "setitimer", raising=False)
        monkeypatch.delattr(signal, "SIGALRM", raising=False)
    run(CELL)  # compiled before, if this test runs alone
    endless = {**SETTINGS["optimiser"], "n_steps": 10**11}
    cell = replace(changed(optimiser=endless, record={"every": 10**10}), time_limit=0.3)
    if n_threads:
        with ThreadPoolExecutor(1) as executor:
            result = executor.submit(compute, cell).result()
            # the thread is as good as new
            assert executor.submit(compute, CELL).result().payload is not None
    else:
        result = compute(cell)
    assert result.payload is None
    assert result.failure == "time limit: the cell had not ended after 0.3 s"
    assert 0.3 <= result.seconds < 30


def test_widths_must_fit_the_matrix() -> None:
    with pytest.raises(InputError, match="makes matrices of 8 x 8, the problem has 8 x 6"):
        check_together({**SETTINGS, "network": {"widths": [8, 3, 8]}})
    check_together({**SETTINGS, "network": {"widths": [6, 3, 8]}})


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        (
            {"kind": "linear", "first": "a", "last": 1, "n_steps": 9},
            "optimiser.lr: first of a linear schedule must be a number, not 'a'",
        ),
        (
            {"kind": "linear", "first": 1, "last": 1},
            "optimiser.lr: a linear schedule has kind, first, last, n_steps, and no others",
        ),
        (
            {"kind": "linear", "first": 1, "last": 1, "n_steps": [9]},
            "n_steps of a linear schedule must be a number",
        ),
        (
            {"kind": "geometric", "first": 0, "last": 1, "n_steps": 9},
            "optimiser.lr: first must be a positive number",
        ),
        (
            {"kind": "piecewise", "starts": [0, 5], "levels": [0.1]},
            "optimiser.lr: Piecewise needs as many levels",
        ),
        (
            {"kind": "piecewise", "starts": 0, "levels": [0.1]},
            "starts of a piecewise schedule must be a list",
        ),
        ({"kind": ["linear"]}, "optimiser.lr: kind must be one of linear, geometric, piecewise, not"),
        ({"first": 1}, "optimiser.lr: kind must be one of linear, geometric, piecewise, not None"),
    ],
)
def test_schedules_are_checked_before_a_run(schedule: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_values({**SETTINGS, "optimiser": {**SETTINGS["optimiser"], "lr": schedule}})


def test_values_that_a_run_can_use_pass() -> None:
    """Whole numbers written as 2.0, lists of rates, no singular values at all: checked, and run."""
    settings = {
        "chains": 2.0,
        "problem": {"shape": [8, 6.0], "rank": 1.0, "observed": 0.8, "seed": 3.0},
        "network": {"depth": 3.0, "width": 4.0, "seed": 1.0},
        "optimiser": {"lr": [0.05] * 20, "ridge": 0, "n_steps": 20.0, "batch_size": 2.0},
        "record": {"every": 10.0, "leading": 0},
    }
    check_values(settings)
    check_together(settings)
    frame = run(replace(CELL, settings=settings))
    assert list(frame) == ["chain", "step", "rank", "train_loss"]


def test_every_argument_of_the_library_is_a_setting() -> None:
    arguments = {
        "problem": {*signature(rf.datasets.low_rank).parameters, *FROM_FILE},
        "optimiser": {*signature(rf.SGD).parameters, "method"} - {"entries"},
        "record": {*signature(rf.Record).parameters, "leading"} - {"what", "extra"},
    }
    assert {name: set(TABLES[name]) for name in arguments} == arguments
    assert set(signature(check_low_rank).parameters) == {*signature(rf.datasets.low_rank).parameters} - {
        "seed"
    }
