"""From a completion to the tables of its report."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from rankfall.completion.options import PLACES
from rankfall.datasets import low_rank
from rankfall.report import TextTable, render
from rankfall.report.adapters.completion import report_tables
from rankfall.report.adapters.evidence import completion_jumps
from rankfall.report.adapters.trace import trace_tables

# so that no other method is tried
OTHER = TextTable(("method", "error"), (("mean", "1"),))


@pytest.fixture(scope="module")
def exact() -> rf.Completion:
    return rf.complete(low_rank((30, 25), rank=2, oversampling=2.5, seed=1)[0], seed=0)


def test_tables_say_what_the_completion_says(exact: rf.Completion) -> None:
    tables = report_tables(exact, title="a & b", value_label="T (K)", comparison=OTHER)
    assert dict(tables.headline)["rank"] == str(exact.rank) == "2"
    assert tables.outcome == "Exact"
    assert tables.errors is not None
    assert tables.errors.chosen is not None
    assert tables.errors.rank[tables.errors.chosen] == exact.rank
    assert tables.history is not None
    assert tables.history.kept == exact.rank
    assert tables.path is not None
    assert len(tables.path.rows) == len(exact.path)
    assert tables.path.rows[tables.path.marked or 0][0] == "2"
    assert tables.comparison is OTHER
    assert dict(tables.identifiability)["connected components"] == "1"
    page = render(tables)
    assert "a &amp; b" in page
    assert "T (K)" in page


def test_heat_maps_keep_observed_cells_and_fill_the_rest(exact: rf.Completion) -> None:
    maps = report_tables(exact).heat_maps
    assert maps is not None
    np.testing.assert_array_equal(maps.before, exact.problem.to_dense())
    np.testing.assert_allclose(maps.after, exact.to_dense(), rtol=0, atol=1e-12)


def test_large_matrices_are_sampled_without_being_filled() -> None:
    problem = rf.Problem.from_triplets([0, 0, 99_999, 99_999], [0, 49_999, 0, 49_999], [1.0, 2.0, 2.0, 4.0])
    maps = report_tables(rf.complete(problem, seed=0)).heat_maps
    assert maps is not None
    assert maps.shape == (100_000, 50_000)
    assert maps.before.shape == (240, 240)
    np.testing.assert_array_equal(maps.before[[0, 0, -1, -1], [0, -1, 0, -1]], [1.0, 2.0, 2.0, 4.0])
    assert np.isnan(maps.after).sum() == 240 * 240 - 4


def test_a_completion_without_factors_has_a_report() -> None:
    X = np.full((6, 5), 3.0)
    X[0, 0] = np.nan
    for data in (X, np.where(np.isnan(X), np.nan, 0.0)):
        tables = report_tables(rf.complete(data, seed=0))
        assert "chart-completed" in render(tables)
        assert tables.found.endswith(("fills in the other 1.", "no cell is missing."))


@pytest.fixture(scope="module")
def noisy() -> rf.Completion:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2)) @ rng.normal(size=(2, 20)) + 0.1 * rng.normal(size=(30, 20))
    X[rng.random(X.shape) < 0.25] = np.nan
    X[4, 3:] = np.nan
    return rf.complete(pd.DataFrame(X, columns=[f"c{j}" for j in range(20)]), seed=0)


def test_held_out_cells_are_those_of_the_validation_error(noisy: rf.Completion) -> None:
    """Their root mean square error is the one that the path reports, and they were observed."""
    held = noisy.model.held_out
    assert held is not None
    observed = noisy.problem.to_dense()[held.rows, held.cols]
    assert np.isfinite(observed).all()
    error = np.sqrt(np.mean((observed - held.predicted) ** 2))
    assert error == pytest.approx(noisy.validation_rmse, rel=0.02)
    # the fit sees cells rounded to about 1e-9 of their column's spread
    ratios = np.sort(np.abs(observed - held.predicted) / held.spread)
    np.testing.assert_allclose(ratios, noisy.model.calibration, rtol=1e-6, atol=1e-6)
    cells = report_tables(noisy).held_out
    assert cells is not None
    np.testing.assert_allclose(cells.observed, observed, rtol=1e-12)
    assert cells.total == observed.size
    assert cells.col[0].startswith("c")
    assert (cells.low < cells.predicted).all() and (cells.predicted < cells.high).all()
    # intervals calibrated on other cells: more coverage asked for, more given
    assert (np.diff(cells.realised) >= 0).all()
    assert cells.nominal.size >= 4


def test_held_out_cells_survive_saving(noisy: rf.Completion, tmp_path: Path) -> None:
    noisy.save(tmp_path / "it.npz")
    again = rf.load(tmp_path / "it.npz")
    assert again.model.held_out is not None
    assert noisy.model.held_out is not None
    for name in ("rows", "cols", "predicted", "spread"):
        np.testing.assert_array_equal(
            getattr(again.model.held_out, name), getattr(noisy.model.held_out, name)
        )


def test_a_result_without_held_out_cells_is_read(noisy: rf.Completion, tmp_path: Path) -> None:
    """As results of earlier versions are: everything but that one plot."""
    model = dataclasses.replace(noisy.model, held_out=None)
    dataclasses.replace(noisy, model=model).save(tmp_path / "old.npz")
    old = rf.load(tmp_path / "old.npz")
    assert old.model.held_out is None
    assert report_tables(old).held_out is None
    assert report_tables(old).comparison is None


def test_jumps_are_where_the_recorded_rank_changes(noisy: rf.Completion) -> None:
    history, jumps = noisy.history, completion_jumps(noisy)
    assert jumps.step.size
    assert len(jumps.note) == jumps.step.size
    for k in range(jumps.step.size):
        at, before = (int(np.flatnonzero(history["step"] == s)[0]) for s in (jumps.step[k], jumps.after[k]))
        assert at == before + 1
        assert history["rank"][at] <= jumps.rank_to[k] if jumps.falls[k] else True
        # the mark lies on a curve that is alive
        assert jumps.value[k] in history["singular_values"]


def test_thinnest_rows_and_columns(noisy: rf.Completion) -> None:
    tables = report_tables(noisy)
    assert tables.thin is not None
    assert tables.thin.rows[0][:2] == ("row 4", f"{noisy.problem.row_counts[4]} of 20")
    assert tables.counts is not None
    assert tables.counts.rows[0] == noisy.problem.row_counts.min()
    assert tables.counts.rows.dtype.kind == "i"


def test_other_methods_stand_beside_the_completion(noisy: rf.Completion) -> None:
    tables = report_tables(noisy)
    assert tables.comparison is not None
    assert [row[0] for row in tables.comparison.rows][:2] == ["this completion", "column means"]
    assert tables.compared.startswith("Errors at ")
    advice = noisy.comparison.advice if noisy.comparison else ""
    assert (advice in tables.warnings) == bool(advice)


def test_what_was_found_and_how_to_repeat_it(noisy: rf.Completion) -> None:
    tables = report_tables(noisy)
    assert f"rank {noisy.rank}" in tables.found
    assert f"{noisy.validation_rmse:.3g}" in tables.found
    ((_, code),) = tables.repeat
    scope: dict[str, object] = {"X": noisy.problem.to_dense()}
    exec(code, scope)
    again = scope["result"]
    assert isinstance(again, rf.Completion)
    np.testing.assert_array_equal(again.to_dense(), noisy.to_dense())


@pytest.fixture(scope="module")
def series() -> tuple[pd.DataFrame, np.ndarray]:
    """Two walks, their rows mixed, with gaps that are whole rows; and the position of each row."""
    rng = np.random.default_rng(0)
    at, walk = np.arange(160) // 2, np.zeros((160, 2))
    for t in range(2, 160):
        walk[t] = 0.95 * walk[t - 2] + 0.3 * rng.normal(size=2)
    X = walk @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(160, 6))
    X[rng.random(X.shape) < 0.1] = np.nan
    X[(at > 2) & (at % 12 < 4)] = np.nan
    return pd.DataFrame(X, columns=list("abcdef")), at


def test_an_order_is_told_and_repeated(series: tuple[pd.DataFrame, np.ndarray]) -> None:
    X, at = series
    groups = np.tile(["left", "right"], 80)
    result = rf.complete(X, ordered="rows", row_positions=at, groups=groups, seed=0)
    tables = report_tables(result, comparison=OTHER)
    # whole rows are filled, from those before and after them
    assert "fills in the other" in tables.found
    (line,) = (line for line in result.summary().splitlines() if line.startswith("Rows that follow"))
    assert tables.found.endswith(line)
    assert "half-lives" in line
    assert tables.choice.startswith("Held out were gaps like the missing ones. ")
    assert dict(tables.settings)["ordered"] == "rows"
    ((where, code),) = tables.repeat
    assert "with its labels" in where
    assert code.endswith("X, seed=0, ordered='rows', row_positions=row_positions, groups=groups)")
    # not the positions themselves, of which there may be millions
    asked = result.settings["asked"]
    assert isinstance(asked, dict)
    assert {name: asked.get(name) for name in PLACES} == {
        "row_positions": True,
        "column_positions": None,
        "groups": True,
    }
    scope: dict[str, object] = {"X": X, "row_positions": at, "groups": groups}
    exec(code, scope)
    again = scope["result"]
    assert isinstance(again, rf.Completion)
    np.testing.assert_array_equal(again.to_dense(), result.to_dense())


def test_a_table_without_order_says_nothing_of_it(series: tuple[pd.DataFrame, np.ndarray]) -> None:
    tables = report_tables(rf.complete(series[0], ordered="none", seed=0), comparison=OTHER)
    assert "follow each other" not in tables.found
    assert "the rest cannot be determined" in tables.found
    assert "Held out were" not in tables.choice
    ((_, code),) = tables.repeat
    assert code.endswith("X, seed=0, ordered='none')")


def test_cells_that_stay_empty_are_not_called_filled() -> None:
    X = np.outer(np.arange(1.0, 13), np.arange(1.0, 9))
    X[3, 4] = X[5, 5] = np.nan
    X[:, 7] = np.nan
    tables = report_tables(rf.complete(X, seed=0))
    assert "fills in 2 of the other 14; the rest cannot be determined" in tables.found
    assert "fills in the other 14" in report_tables(rf.complete(X, seed=0, fill="effects")).found


def test_uncertainty_is_half_the_interval(noisy: rf.Completion) -> None:
    maps = report_tables(noisy).heat_maps
    assert maps is not None
    assert maps.half_width is not None
    low, high = noisy.interval(np.arange(30)[:, None], np.arange(20)[None], 0.9)
    np.testing.assert_allclose(maps.half_width, (high - low) / 2)
    assert maps.col_names[:2] == ("c0", "c1")


def test_a_trace_has_its_tables(tmp_path: Path) -> None:
    problem, _ = low_rank((8, 8), rank=2, observed=0.8, seed=0)
    start = rf.Network.gaussian((8, 8, 8, 8), scale=1.0, seed=0)
    trace = rf.train(
        problem,
        start,
        rf.SGD(lr=0.02, ridge=0.03, n_steps=2000),
        chains=20,
        record=rf.Record(every=50),
        seed=3,
    )
    trace.save(tmp_path / "t.npz")
    tables = trace_tables(trace, title=str(tmp_path / "t.npz"))
    jumps = rf.find_jumps(trace)
    assert tables.chains is not None
    assert tables.chains.singular_values.shape == (16, 41, 8)
    assert tables.raster is not None
    np.testing.assert_array_equal(tables.raster.jumps.step, jumps.table["step"])
    assert f"fell {jumps.count(False)} time" in tables.found
    for curve in tables.survival:
        np.testing.assert_array_equal(curve.survival, jumps.survival(curve.rank)["survival"])
    # the call that the page shows makes the same trace
    ((_, code),) = tables.repeat
    scope: dict[str, object] = {}
    exec(code, scope)
    again = scope["trace"]
    assert isinstance(again, rf.Trace)
    np.testing.assert_array_equal(again.singular_values, trace.singular_values)


def test_a_trace_that_recorded_nothing_has_a_page() -> None:
    problem, _ = low_rank((8, 8), rank=2, observed=0.8, seed=0)
    start = rf.Network.gaussian((8, 8, 8, 8), scale=1.0, seed=0)
    trace = rf.train(
        problem,
        start,
        rf.SGD(lr=0.02, ridge=0.03, n_steps=10),
        record=rf.Record(every=10, what=("train_loss",)),
    )
    page = render(trace_tables(trace))
    assert "The rank was not recorded" in page
    assert "<script" not in page


# -- draws and suspects ---------------------------------------------------------------------------------


def with_gross_errors() -> rf.Completion:
    rng = np.random.default_rng(0)
    table = rng.standard_normal((80, 2)) @ rng.standard_normal((2, 20)) + 0.2 * rng.standard_normal((80, 20))
    table[rng.random(table.shape) < 0.2] = np.nan
    table[::20, 3] = 9.0
    return rf.complete(table, noise="student", max_rank=2, effects="none", ordered="none")


def test_means_are_pooled_from_draws_and_suspects_listed() -> None:
    result = with_gross_errors()
    tables = report_tables(result, comparison=OTHER)
    assert tables.means is not None and tables.suspects is not None
    column, missing, mean, error, low, high, lacks = tables.means.rows[0]
    assert int(missing) == 80 - result.problem.col_counts[int(column)]
    drawn = [one[:, int(column)] for one in result.draws(20, seed=0).arrays()]
    pooled = rf.pool([x.mean() for x in drawn], [x.var(ddof=1) / 80 for x in drawn], dof_complete=79)
    expected = [pooled.estimate, pooled.standard_error, *pooled.interval()]
    assert [float(x) for x in (mean, error, low, high)] == pytest.approx(expected, rel=1e-3)
    assert lacks == f"{pooled.missing_information:.0%}"
    assert tables.n_suspects == len(result.suspects) >= 4
    assert {row[1] for row in tables.suspects.rows[:4]} == {"3"}
    page = render(tables)
    assert "What the missing cells leave open" in page and "Cells that the fit distrusts" in page


def test_an_exact_fit_leaves_nothing_open(exact: rf.Completion) -> None:
    tables = report_tables(exact, comparison=OTHER)
    assert tables.means is None and tables.suspects is None


@pytest.mark.parametrize(("seconds", "late"), [(4.0, False), (6.0, True)])
def test_a_report_after_most_of_the_time_adds_nothing_that_takes_seconds(
    noisy: rf.Completion, seconds: float, late: bool
) -> None:
    asked = dataclasses.replace(noisy, settings={**noisy.settings, "max_time": 10.0}, seconds=seconds)
    tables = report_tables(asked)
    assert (tables.comparison is None) == late
    assert render(tables)
    if late:
        assert tables.means is None


def test_the_end_of_the_time_is_late_whatever_it_was(noisy: rf.Completion) -> None:
    over = dataclasses.replace(noisy, outcome=rf.Outcome.TIME_LIMIT)
    assert report_tables(over).comparison is None
