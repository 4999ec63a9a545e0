"""The benchmark on series: its hidden cells, its scores, its time limit, and what it prints and keeps."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rankfall import Problem

BENCHMARK = "series"
OTHERS = ["series_data", "series_methods", "series_runs", "peers"]
OTHERS += ["real", "real_data", "real_methods", "real_scores", "real_tables"]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@pytest.fixture(scope="module", autouse=True)
def modules(script: ModuleType) -> Iterator[None]:
    """What the script imports goes with it: other tests bring their own copies, whose classes differ."""
    yield
    for name in [n for n in sys.modules if n.split(".")[0] in OTHERS]:
        del sys.modules[name]


@pytest.fixture
def values() -> np.ndarray:
    """240 rows, 6 columns of different sizes, a tenth missing."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((240, 6)).cumsum(axis=0) * [1.0, 10.0, 0.1, 1.0, 5.0, 1.0]
    values[rng.random(values.shape) < 0.1] = np.nan
    return values


@pytest.fixture
def run(script: ModuleType, values: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The benchmark on one table, "tiny", whose patterns are singles and rows."""
    source = script.series_data.Source(
        lambda hours: script.series_data.Table(values), "made", patterns=("single-20", "rows")
    )
    monkeypatch.setattr(script, "SOURCES", {"tiny": source})
    for name in THREADS:  # the benchmark sets them: undone afterwards
        monkeypatch.setenv(name, "1")
    return lambda *arguments: script.main(["--only", "tiny", *arguments])


def task_of(script: ModuleType, table: np.ndarray, hidden: np.ndarray):
    rows, cols = np.nonzero(hidden)
    return script.series_runs.Task(Problem.from_dense(np.where(hidden, np.nan, table)), rows, cols)


# -- hiding ------------------------------------------------------------------------------------------------


def test_masks_repeat_and_differ_and_hide_known_cells_only(script: ModuleType, values: np.ndarray) -> None:
    data = script.series_data
    values[:, 3] = np.where(np.isnan(values[:, 3]), np.nan, 7.0)
    table = data.Table(values)
    for pattern in data.PATTERNS:
        first = data.hide("x", table, pattern, 0)
        np.testing.assert_array_equal(first, data.hide("x", table, pattern, 0))
        assert np.any(first != data.hide("x", table, pattern, 1))
        assert np.any(first != data.hide("y", table, pattern, 0))
        assert not np.isnan(values[first]).any()
        # a constant column has no unit of error
        assert not first[:, 3].any()


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_singles_take_a_share_of_the_known_cells(
    script: ModuleType, values: np.ndarray, share: float
) -> None:
    hidden = script.series_data.hide("x", script.series_data.Table(values), f"single-{share * 100:.0f}", 0)
    assert hidden.sum() == round(share * np.count_nonzero(~np.isnan(values)))


def test_a_block_is_one_run_in_each_column(script: ModuleType) -> None:
    table = script.series_data.Table(np.random.default_rng(0).standard_normal((240, 6)))
    hidden = script.series_data.hide("x", table, "block", 0)
    np.testing.assert_array_equal(hidden.sum(axis=0), 24)
    starts = [np.flatnonzero(column) for column in hidden.T]
    assert all(np.all(np.diff(places) == 1) for places in starts)
    assert len({places[0] for places in starts}) > 1


def test_hidden_rows_are_whole_and_have_no_hidden_neighbour(script: ModuleType) -> None:
    table = script.series_data.Table(np.random.default_rng(0).standard_normal((50, 3)))
    ever = np.zeros(50, bool)
    for mask in range(60):
        hidden = script.series_data.hide("x", table, "rows", mask)
        rows = np.flatnonzero(hidden.any(axis=1))
        assert rows.size == 5 and np.all(np.diff(rows) > 1) and hidden[rows].all()
        ever[rows] = True
    assert ever.all()


@pytest.mark.parametrize(("group", "day"), [(1, 24), (3, 24), (3, 1)])
def test_days_of_a_station_are_hidden_together(script: ModuleType, group: int, day: int) -> None:
    table = np.random.default_rng(0).standard_normal((24 * 20 + 5, 6))
    hidden = script.series_data.hide("x", script.series_data.Table(table, group=group, day=day), "days", 0)
    n_days, n_stations = table.shape[0] // day, 6 // group
    blocks = hidden[: n_days * day].reshape(n_days, day, n_stations, group).any(axis=(1, 3))
    assert blocks.sum() == round(0.1 * n_days * n_stations)
    assert hidden.sum() == blocks.sum() * day * group


# -- tables and scores -------------------------------------------------------------------------------------


def test_the_file_of_hours_becomes_tables(script: ModuleType, tmp_path: Path, monkeypatch) -> None:
    """Two hours at two stations, in no order; the file is asked for where nothing has it."""
    data = script.series_data
    names = data._QUANTITIES
    lines = [",".join(["station", "year", "month", "day", "hour", *names])]
    for station, hour in (("B", 1), ("A", 1), ("B", 0), ("A", 0)):
        numbers = [str(100 * (station == "B") + 10 * hour + place / 10) for place in range(len(names))]
        lines.append(",".join([station, "2013", "3", "1", str(hour), *numbers]))
    lines[1] = lines[1].replace("110.0", "")
    file = tmp_path / "beijing.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    assert data.find_hours(file) == file
    table = data.SOURCES["temp-long"].read(file)
    place = names.index("TEMP") / 10
    np.testing.assert_allclose(table.values, [[place, 100 + place], [10 + place, 110 + place]])
    both = data._some_stations(file, (1, 0), first=0)
    assert both.group == 11 and both.values.shape == (2, 22)
    np.testing.assert_allclose(both.values[0, :2], [100, 100.1])
    assert np.isnan(both.values[1, 0])
    six = data.SOURCES["six-long"].read(file)
    assert six.group == 6 and six.values.shape == (2, 12)

    with pytest.raises(SystemExit, match="no such file"):
        data.find_hours(tmp_path / "other.csv")
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: None)
    assert data.find_hours(None) is None
    assert script.usable_tables(("temp", "ar-0"), None) == ("ar-0",)


@pytest.mark.parametrize("coefficient", [0.0, 0.9, 1.0])
def test_factors_follow_themselves(script: ModuleType, coefficient: float) -> None:
    series = script.series_data.factors(coefficient, 20_000, 3, np.random.default_rng(0))
    assert series.var(axis=0) == pytest.approx(np.ones(3), abs=0.1)
    found = np.sum(series[1:] * series[:-1], axis=0) / np.sum(series**2, axis=0)
    # the standard error is sqrt((1 - coefficient**2) / 20,000), at most 0.007
    np.testing.assert_allclose(found, coefficient, atol=0.03)


def test_the_score_by_hand(script: ModuleType) -> None:
    values = np.array([[0.0, 10.0], [2.0, 30.0], [0.0, np.nan], [2.0, 20.0]])
    hidden = np.zeros(values.shape, bool)
    hidden[0, 0] = hidden[1, 0] = hidden[1, 1] = True
    table = script.series_data.Table(values)
    predicted = np.array([3.0, 6.0, 26.0])
    # deviations 1 and sqrt(200 / 3); errors 3, 4 and -4
    expected = np.sqrt((9 + 16 + 16 / (200 / 3)) / 3)
    assert script.series_data.relative_error(table, hidden, predicted) == pytest.approx(expected)
    whole = script.series_data.Table(values, by_column=False)
    assert script.series_data.relative_error(whole, hidden, predicted) == pytest.approx(
        np.sqrt((9 + 16 + 16) / 3) / np.nanstd(values)
    )


def test_standards_are_of_what_is_seen(script: ModuleType) -> None:
    train = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, np.nan]])
    center, scale = script.series_runs.standards(script.series_data.Table(train), train)
    np.testing.assert_allclose(center, [2, 5, 0])
    np.testing.assert_allclose(scale, [1, 1, 1])
    table = script.series_data.Table(train, by_column=False)
    center, scale = script.series_runs.standards(table, train)
    np.testing.assert_allclose(center, 3.5)
    np.testing.assert_allclose(scale, np.std([1, 5, 3, 5]))


def test_intervals_are_judged(script: ModuleType) -> None:
    truth = np.array([0.0, 2.0, 5.0])
    found = script.series_runs.judge_intervals(
        np.array([-1.0, 0.0, np.nan]), np.array([1.0, 1.0, np.nan]), truth
    )
    # widths 2 and 1, and a miss of 1 that counts 2 / 0.1
    assert found == {"coverage": pytest.approx(1 / 3), "score": pytest.approx((2 + 1 + 20) / 2), "without": 1}


def test_interpolation_by_hand(script: ModuleType) -> None:
    table = np.array([[9.0], [1.0], [9.0], [9.0], [4.0], [9.0]])
    hidden = table == 9.0
    fitted = script.series_methods._interpolation(task_of(script, table, hidden), {})
    np.testing.assert_allclose(fitted.values, [1, 2, 3, 4])


# -- running -----------------------------------------------------------------------------------------------


class Scripted:
    """A worker that answers a setting with its error, or raises what stands for it."""

    limit = 1.0

    def __init__(self, script: ModuleType, answers: dict[int, object]) -> None:
        self.fitted, self.answers, self.asked = script.series_methods.Fitted, answers, []

    def fit(self, method: str, task, setting):
        k = setting["n_neighbors"]
        self.asked.append((k, task.train.n_observed))
        answer = self.answers[k]
        if isinstance(answer, Exception):
            raise answer
        return self.fitted(task.train.values.mean() + np.full(task.rows.size, float(answer)), seconds=2.0)  # type: ignore[arg-type]


def test_the_best_setting_is_fitted_to_all_cells(
    script: ModuleType, values: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = script.series_runs
    grid = [{"n_neighbors": k} for k in (1, 2, 3, 4)]
    monkeypatch.setitem(
        runs.METHODS, "nearest-rows", script.series_methods.Method(lambda *_: None, lambda task: grid)
    )
    task = task_of(script, values, np.eye(*values.shape, dtype=bool) & ~np.isnan(values))
    answers = {1: 50.0, 2: 0.0, 3: runs.Failed("no"), 4: 90.0}
    worker = Scripted(script, answers)
    _, seconds = runs.tuned(worker, "nearest-rows", task)
    n = task.train.n_observed
    assert [k for k, _ in worker.asked] == [1, 2, 3, 4, 2] and seconds == 8.0
    assert {count for _, count in worker.asked[:4]} == {n - round(0.1 * n)} and worker.asked[4][1] == n

    # what follows a setting that is over time is not tried
    worker = Scripted(script, {1: 50.0, 2: runs.OverTime(), 3: 0.0, 4: 0.0})
    runs.tuned(worker, "nearest-rows", task)
    assert [k for k, _ in worker.asked] == [1, 2, 1]
    with pytest.raises(runs.Failed, match="no"):
        runs.tuned(Scripted(script, dict.fromkeys(answers, runs.Failed("no"))), "nearest-rows", task)


def test_a_process_fits_fails_is_ended_and_started_again(script: ModuleType, values: np.ndarray) -> None:
    worker = script.series_runs.Worker(limit=60.0)
    task = task_of(script, values, np.eye(*values.shape, dtype=bool) & ~np.isnan(values))
    try:
        fitted = worker.fit("nearest-rows", task, {"n_neighbors": 3})
        assert np.isfinite(fitted.values).all() and fitted.seconds > 0 and fitted.details["n_neighbors"] == 3
        with pytest.raises(script.series_runs.Failed, match="InvalidParameterError"):
            worker.fit("nearest-rows", task, {"n_neighbors": -1})
        worker.limit = 0.0
        table = script.series_data.Table(values)
        hidden = script.series_data.hide("x", table, "single-20", 0)
        record = script.series_runs.run(worker, "extra-trees", table, hidden)
        assert record["status"] == "over time" and record["limit"] == 0.0
        worker.limit = 60.0
        assert np.isfinite(worker.fit("column-means", task, {}).values).all()
    finally:
        worker.close()


def test_a_small_run_is_kept_and_not_repeated(script, run, tmp_path: Path, capsys, monkeypatch) -> None:
    file = tmp_path / "series.json"
    arguments = ["--masks", "2", "--methods", "rankfall,column-means,interpolation", "--json", str(file)]
    run(*arguments)
    printed = capsys.readouterr()
    records = json.loads(file.read_text(encoding="utf-8"))
    assert len(records) == 2 * 2 * 3 and printed.err.count("tiny.") == 12
    mean = records["tiny.single-20.0.column-means"]
    # means leave all of the spread; neighbours in a walk leave little
    assert 0.8 < mean["error"] < 1.2 and records["tiny.single-20.0.interpolation"]["error"] < 0.3
    assert 0 <= records["tiny.single-20.1.rankfall"]["intervals"]["constant"]["coverage"] <= 1
    assert "tiny, rows: 240 x 6" in printed.out and "of 2 (" in printed.out

    def never(*_):
        raise AssertionError("it runs again")

    with monkeypatch.context() as patch:
        patch.setattr(script.series_runs, "run", never)
        run(*arguments)
        assert capsys.readouterr().out == printed.out

    made: list[str] = []

    def fake(worker, method, table, hidden):
        made.append(method)
        return {"status": "failed: it broke", "seconds": 0.5}

    monkeypatch.setattr(script.series_runs, "run", fake)
    run(*arguments, "--again", "column-means")
    out = capsys.readouterr().out
    assert made == 4 * ["column-means"] and "failed: it broke" in out
    # a failure is not kept
    run(*arguments)
    assert made == 8 * ["column-means"]


def test_what_is_over_time_is_not_tried_on_other_masks(script, run, tmp_path, capsys, monkeypatch) -> None:
    made: list[str] = []

    def fake(worker, method, table, hidden):
        made.append(method)
        if method == "extra-trees":
            return {"status": "over time", "limit": worker.limit, "seconds": worker.limit}
        kinds = {"coverage": 0.9, "score": 1.0, "without": 0}
        own = {"rankfall": kinds, "constant": kinds} if method == "rankfall" else {}
        numbers = {"error": 1.0, "seconds": 0.1, "without_prediction": 0, "intervals": own}
        return {"status": "ok", **numbers}

    monkeypatch.setattr(script.series_runs, "run", fake)
    chosen = ["--patterns", "rows", "--methods", "rankfall,column-means,extra-trees"]
    arguments = [*chosen, "--json", str(tmp_path / "x.json")]
    run(*arguments)
    assert made.count("extra-trees") == 1 and made.count("rankfall") == 3
    assert "extra-trees   -      -       180.0    over time" in capsys.readouterr().out
    run(*arguments, "--limit", "100")
    assert len(made) == 7
    run(*arguments, "--limit", "200")
    assert made[7:] == ["extra-trees"]


def test_missing_packages_are_said_and_passed_over(script, run, capsys, monkeypatch) -> None:
    find = script.series_methods.importlib.util.find_spec
    monkeypatch.setattr(
        script.series_methods.importlib.util,
        "find_spec",
        lambda name: None if name in ("statsmodels", "skimage") else find(name),
    )
    kept = script.usable_methods(("column-means", "dynamic-factor", "biharmonic"))
    said = capsys.readouterr().err.splitlines()
    assert kept == ("column-means",) and len(said) == 2
    assert said[0].startswith("statsmodels is not there, and dynamic-factor is left out: `pip install")
    monkeypatch.setattr(script.series_methods.rf, "complete", lambda X, seed=0: None)
    assert "rankfall-no-order is left out" in script.series_methods.absent("rankfall-no-order")


def test_every_pattern_and_method_can_be_named(script: ModuleType, capsys) -> None:
    options = script.parse([])
    assert options.masks == 3 and len(options.only) >= 8 and options.patterns == tuple(script.PATTERNS)
    for arguments, said in ((["--only", "pm"], "pm is not one"), (["--masks", "0"], "must be a mask")):
        with pytest.raises(SystemExit):
            script.parse(arguments)
        assert said in capsys.readouterr().err
    for source in script.SOURCES.values():
        assert set(source.patterns) <= set(script.PATTERNS)


# -- what is printed ---------------------------------------------------------------------------------------


def means(**errors: float | None) -> list[dict[str, object]]:
    """Means of methods by their names with underscores; None is over time."""
    intervals = {kind: {"coverage": 0.875, "score": 2.0, "without": 3.0} for kind in ("rankfall", "constant")}
    return [
        {"method": name.replace("_", "-"), "status": "over time", "seconds": 180.0}
        if error is None
        else {
            "method": name.replace("_", "-"),
            "status": "ok",
            "error": error,
            "intervals": intervals if name == "rankfall" else {},
        }
        for name, error in errors.items()
    ]


def test_verdicts(script: ModuleType) -> None:
    assert script.verdict(means(rankfall=0.5, knn=0.6, trees=None)) == (
        "rankfall is first; knn follows, 20.0% behind"
    )
    assert script.verdict(means(rankfall=0.505, knn=0.6, trees=0.5)) == (
        "rankfall is within 2% of the first: 1.0% behind trees"
    )
    # another kind of rankfall is not another method
    assert script.verdict(means(rankfall=0.6, knn=0.5, rankfall_no_order=0.1)) == (
        "rankfall is NOT within 2% of the first: 20.0% behind knn"
    )
    assert script.verdict(means(rankfall=None, knn=0.5)).startswith("no comparison")


def test_the_summary_counts_every_table(script: ModuleType) -> None:
    groups = {
        ("a", "rows"): means(rankfall=0.5, knn=0.6, rankfall_no_order=0.4),
        ("b", "rows"): means(rankfall=0.505, knn=0.5, rankfall_no_order=1.01),
        ("c", "days"): means(rankfall=0.6, knn=0.5),
        ("d", "days"): means(rankfall=None, knn=0.5),
    }
    said = script.summary(groups).splitlines()
    assert said[1].split() == ["a", "rows", "0.5000", "knn", "0.6000", "-16.7%", "first"]
    assert said[4].split()[:2] == ["d", "days"] and said[4].endswith("no comparison")
    assert said[5] == "rankfall is first or within 2% of the first in 2 of 4 (50%)"
    assert said[6] == "largest gap: +20.0%, c, days, to knn"
    # the root of 1.25 times a half
    assert "0.791 times (geometric mean), at worst 1.250 times (a, rows)" in said[7]
    covered = script.coverage_table(groups).splitlines()
    assert len(covered) == 4
    assert covered[1].split() == ["a", "rows", "rankfall", "0.875", "2.000", "0.875", "2.000", "3"]


def test_requirements_are_pinned_and_name_no_index() -> None:
    folder = Path(__file__).parents[2] / "benchmarks"
    for file in ("requirements-series.txt", "requirements-series-data.txt"):
        lines = (folder / file).read_text(encoding="utf-8").splitlines()
        packages = [line for line in lines if not line.startswith("#")]
        assert packages and all("==" in line and "://" not in line for line in packages)
