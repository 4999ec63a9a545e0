"""Studies as TOML: what they mean, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from rankfall.errors import InputError
from rankfall.lab import Study, read_study
from rankfall.lab.sweep.config import make_study
from rankfall.lab.sweep.run import run_sweep
from rankfall.lab.sweep.status import sweep_status
from rankfall.lab.sweep.store import Store

GOOD = """
[study]
name = "small"
seed = 1
seed_axes = ["problem.noise"]
time_limit = 60
[settings]
chains = 4
[settings.problem]
shape = [8, 6]
rank = 1
observed = 0.9
noise = 0.0
[settings.network]
depth = 3
[settings.optimiser]
lr = 0.1
ridge = 0.01
n_steps = 200
[grid]
problem.noise = [0.0, 0.1]
"network.depth" = [2, 3]
[[cases]]
optimiser.lr = 0.1
[[cases]]
"optimiser.lr" = 0.2
optimiser.ridge = 0.02
[quick.settings]
optimiser.n_steps = 100
[quick.grid]
"network.depth" = [2]
"""


def read(tmp_path: Path, text: str, quick: bool = False) -> Study:
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    return read_study(tmp_path / "s.toml", quick)


def test_cases_times_grid(tmp_path: Path) -> None:
    study = read(tmp_path, GOOD)
    assert study.axes == ("optimiser.lr", "optimiser.ridge", "problem.noise", "network.depth")
    assert [tuple(cell.axes.values()) for cell in study.cells] == [
        (lr, ridge, noise, depth)
        for lr, ridge in ((0.1, 0.01), (0.2, 0.02))
        for noise in (0.0, 0.1)
        for depth in (2, 3)
    ]
    assert all(cell.get(name) == value for cell in study.cells for name, value in cell.axes.items())
    assert {cell.time_limit for cell in study.cells} == {60.0}
    assert len({cell.key for cell in study.cells}) == 8
    assert len({cell.seed("noise") for cell in study.cells}) == 2
    assert study.settings["optimiser"]["lr"] == 0.1, "cells do not share tables"


def test_quick(tmp_path: Path) -> None:
    study = read(tmp_path, GOOD, quick=True)
    assert len(study.cells) == 4
    assert {cell.get("optimiser.n_steps") for cell in study.cells} == {100}
    assert {cell.get("problem.rank") for cell in study.cells} == {1}
    assert study.quick
    assert read(tmp_path, GOOD.replace("optimiser.n_steps =", '"optimiser.n_steps" ='), quick=True) == study


def test_plain_types_and_back(tmp_path: Path) -> None:
    study = read(tmp_path, GOOD)
    again = make_study(study.as_dict(), "again")
    assert again.cells == study.cells


def test_one_cell(tmp_path: Path) -> None:
    start, _, rest = GOOD.partition("[grid]")
    study = read(tmp_path, start)
    assert [cell.axes for cell in study.cells] == [{}]
    assert rest


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[study]", "[studdy]", r"unknown name 'studdy' \(did you mean study\?\)"),
        ("seed = 1", "sead = 1", r"s.toml, \[study\]: unknown name 'sead' \(did you mean seed\?\)"),
        ('name = "small"', "", r"\[study\]: name must be a word of letters, digits and hyphens, not None"),
        ('name = "small"', 'name = "a/b"', r"name must be a word .* not 'a/b'"),
        ("seed = 1", "seed = -1", r"\[study\]: seed must be a whole number, 0 or more, not -1"),
        ("seed = 1", "seed = true", "seed must be a whole number"),
        ("seed = 1", "seed = 2026-01-01", "study.seed must be a number, a text, true or false"),
        ("time_limit = 60", "time_limit = 0", "time_limit must be a positive number of seconds, not 0"),
        ("seed = 1", 'runner = "dept"', r"\[study\]: there is no runner 'dept'; choose from train"),
        ("seed = 1", "runner = 3", "runner must be a text"),
        ("seed = 1", 'runner = "no.such:thing"', r"the runner 'no.such:thing' cannot be imported"),
        ("seed = 1", 'runner = "lab.toys:thing"', "lab.toys has no thing"),
        ("seed = 1", 'runner = "lab.toys:STUDY"', "is not a function"),
        (
            'seed_axes = ["problem.noise"]',
            'seed_axes = ["nose"]',
            "seed_axes names nose, which is no setting",
        ),
        ('seed_axes = ["problem.noise"]', "seed_axes = 3", "seed_axes must be a list of dotted names"),
        ("[2, 3]", "[]", r"\[grid\]: network.depth is an empty list, which leaves no cells"),
        ("[2, 3]", "3", "network.depth must be a list of values, not 3"),
        ("[2, 3]", "[2, 2]", "network.depth lists 2 twice"),
        ("[2, 3]", "[{ a = 1 }]", "network.depth lists tables"),
        (
            '"network.depth" = [2, 3]',
            '"network.dept" = [2]\n"network.depth" = [2]',
            "there is no setting network.dept",
        ),
        ('"optimiser.lr" = 0.2', '"optimizer.lr" = 0.2', r"\[\[cases\]\]: there is no setting optimizer.lr"),
        ('"optimiser.lr" = 0.2', '"network.depth" = 2', r"network.depth is in \[\[cases\]\] too"),
        ("optimiser.lr = 0.1\n[[cases]]", "[[cases]]", "a case without a setting says nothing"),
        ("problem.noise =", "problem =", "problem does not name a single setting"),
        ("problem.noise =", "chains.x =", "chains.x does not name a single setting"),
        (
            "optimiser.n_steps = 100",
            "optimiser.nsteps = 100",
            r"\[quick.settings\]: optimiser.nsteps is not in",
        ),
        (
            '[quick.grid]\n"network.depth"',
            '[quick.grid]\n"network.dept"',
            r"\[quick.grid\]: network.dept is not in",
        ),
        ("[quick.grid]", "[quick.gird]", r"\[quick\]: unknown name 'gird'"),
        ("ridge = 0.01", "ridge = inf", "settings.optimiser.ridge must be finite"),
        ("chains = 4", "chain = 4", r"\[settings\]: there is no setting 'chain'"),
        ("rank = 1\n", "rank = 1\nrnak = 2\n", "there is no setting problem.rnak"),
        ("n_steps = 200", "", r"\[quick.settings\]: optimiser.n_steps is not in \[settings\]"),
        ("rank = 1\n", "", "the setting problem.rank is missing"),
        (
            "lr = 0.1\nridge = 0.01",
            'method = "Adam"\nlr = 0.1\nridge = 0.01',
            'must be "SGD" or "GD", not \'Adam\'',
        ),
        (
            "lr = 0.1\nridge = 0.01",
            'method = "GD"\nbatch_size = 2\nlr = 0.1\nridge = 0.01',
            "has no batch_size",
        ),
        (
            "lr = 0.1\nridge = 0.01",
            'method = "GD"\nmomentum = 0.5\nlr = 0.1\nridge = 0.01',
            "has no momentum",
        ),
        ("depth = 3\n", "depth = 3\nwidths = [6, 4, 8]\n", "either widths"),
        ("chains = 4", '"network.width" = 4', r"\[settings\]: 'network.width' has a dot in it"),
        (
            "chains = 4",
            'chains = "two"',
            r"\[settings\]: chains must be a whole number, 1 or more, not 'two'",
        ),
        (
            "optimiser.n_steps = 100",
            'optimiser.n_steps = "few"',
            r"s.toml, \[quick\], \[settings\]: optimiser.n_steps must",
        ),
        ("rank = 1\n", "rank = 1\ntriplets = true\n", "problem.triplets has no meaning without problem.path"),
        ("ridge = 0.01", f"ridge = {10**400}", "optimiser.ridge must be a number, .* not 1000*[.][.][.]"),
        ("observed = 0.9", "oversampling = 1e308", "oversampling 1e.308 asks for 0 of 48 cells"),
        ("chains = 4", "chains = true", "chains must be a whole number, 1 or more, not True"),
        ("chains = 4", "chains = 0", "chains must be a whole number, 1 or more, not 0"),
        ("chains = 4", 'dtype = "float16"', """dtype must be "float64" or "float32", not 'float16'"""),
        ("chains = 4", "deflate = 1.0", "deflate must be a number between 0 and 1, not 1.0"),
        ("[8, 6]", "[8]", r"problem.shape must be two whole numbers, rows and columns, not \[8\]"),
        ("rank = 1\n", "rank = 7\n", "rank must be a whole number from 1 to 6, not 7"),
        ("observed = 0.9", 'observed = "most"', "problem.observed must be a number, not 'most'"),
        ("observed = 0.9", "observed = 1.1", r"observed must be a positive number, at most 1, not 1.1"),
        ("observed = 0.9", "", r"Give either observed .* or oversampling"),
        ("[0.0, 0.1]", "[-0.2, -0.1]", "noise must be a number, 0 or more, not -0.2"),
        ("[2, 3]", "[1, 3]", "network.depth must be a whole number from 2 to 1000, not 1"),
        (
            "depth = 3\n",
            "depth = 3\nwidth = 2.5\n",
            "network.width must be a whole number, 1 or more, not 2.5",
        ),
        (
            '"optimiser.lr" = 0.2',
            '"optimiser.lr" = -0.2',
            r"s.toml, cell optimiser.lr = -0.2, optimiser.ridge = 0.02, problem.noise = 0.0, "
            "network.depth = 2: lr must be a number, 0 or more",
        ),
        (
            '"optimiser.lr" = 0.2',
            '"optimiser.lr" = "big"',
            "optimiser.lr must be a number, a list of them or the table of a schedule",
        ),
        ("ridge = 0.01", "ridge = 6.0", "2 lr ridge must stay below 1"),
        (
            "n_steps = 200",
            "n_steps = 200.5",
            "optimiser.n_steps must be a whole number, 0 or more, not 200.5",
        ),
        (
            "n_steps = 200",
            'n_steps = 200\nbatch_size = 50\nsampling = "distinct"',
            "cannot draw a batch of 50",
        ),
        (
            "[grid]",
            "[settings.record]\nevery = 0\n[grid]",
            "record.every must be a whole number, 1 or more, not 0",
        ),
        ("optimiser.ridge = 0.02", "", None),
        ("[settings]", "settings = 3\n[a]", "unknown name 'a'"),
        ("[grid]", "grid = ", "is not a TOML file: .*line"),
    ],
)
def test_refused_in_one_sentence(tmp_path: Path, old: str, new: str, sentence: str | None) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if sentence is None:
        read(tmp_path, text)
        return
    with pytest.raises(InputError, match=sentence) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "s.toml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_equal_cells(tmp_path: Path) -> None:
    text = GOOD.replace('"optimiser.lr" = 0.2\noptimiser.ridge = 0.02', "optimiser.lr = 0.1")
    with pytest.raises(InputError, match="cells 1 and 5 are the same"):
        read(tmp_path, text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Cannot read .*: No such file or directory"):
        read_study(tmp_path / "none.toml")
    (tmp_path / "s.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="it is not text in UTF-8"):
        read_study(tmp_path / "s.toml")


def test_the_example() -> None:
    example = Path(__file__).parents[3] / "examples" / "sweep.toml"
    assert len(read_study(example).cells) == 24
    quick = read_study(example, quick=True)
    assert len(quick.cells) == 6
    assert len({cell.seed("noise") for cell in quick.cells}) == 1


def test_a_corner_of_a_grid_may_be_impossible(tmp_path: Path) -> None:
    """It fails when it is run, with the library's sentence; the others do not suffer."""
    study = read(tmp_path, GOOD.replace("[0.0, 0.1]", "[0.0, -0.1]"))
    sweep = run_sweep(study, tmp_path / "out", n_workers=1)
    assert (sweep.done, sweep.failed) == (4, 4)
    assert all("noise must be a number, 0 or more" in sentence for _, sentence in sweep.failures)


def test_a_folder_of_settings_that_are_refused_now_can_be_opened(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "out")
    content = read(tmp_path, GOOD).as_dict()
    content["settings"]["record"] = {"every": 0}
    store.adopt(make_study(content, "before"))
    assert store.study().settings["record"] == {"every": 0}
    run_sweep(read(tmp_path, GOOD), tmp_path / "out", n_workers=1)
    assert sweep_status(tmp_path / "out").done == 8
