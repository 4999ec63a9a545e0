"""The real-data benchmark's own arithmetic: hiding, scores, tuning and soft-impute.

None of the peers' packages.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import rankfall as rf

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def real() -> Iterator[SimpleNamespace]:
    """The benchmark's modules, found as the script finds them: beside itself."""
    names = ["real", "real_data", "real_methods", "real_scores", "real_tables"]
    names += ["peers", "peers.tuning", "peers.effects", "peers.soft_impute"]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        modules: dict[str, ModuleType] = {name: importlib.import_module(name) for name in names}
        yield SimpleNamespace(**{name.rpartition(".")[2]: module for name, module in modules.items()})
        for name in [n for n in sys.modules if n.split(".")[0] in names]:
            del sys.modules[name]


@pytest.fixture(scope="module")
def noisy() -> rf.Problem:
    """Rank 2 with row and column effects and noise, 40 x 30, 60% known."""
    rng = np.random.default_rng(5)
    matrix = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 30)) + 3 * rng.standard_normal(30)
    matrix += 10 + 0.1 * rng.standard_normal(matrix.shape)
    return rf.Problem.from_dense(np.where(rng.random(matrix.shape) < 0.6, matrix, np.nan))


# -- hiding ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_random_hiding_takes_a_share_of_the_known_cells(real: SimpleNamespace, share: float) -> None:
    known = np.random.default_rng(0).random((40, 25)) < 0.7
    hidden = real.real_data.at_random(known, np.random.default_rng(1), share)
    assert hidden.sum() == round(share * known.sum())
    assert not np.any(hidden & ~known)


def test_days_are_hidden_whole(real: SimpleNamespace) -> None:
    known = np.random.default_rng(0).random((50, 24)) < 0.9
    hidden = real.real_data.whole_rows(known, np.random.default_rng(1))
    touched = hidden.any(axis=1)
    assert touched.sum() == 5
    np.testing.assert_array_equal(hidden[touched], known[touched])


def test_station_weeks_are_blocks_of_seven_days_of_one_station(real: SimpleNamespace) -> None:
    known = np.ones((7 * 10 + 3, 24 * 4), bool)
    hidden = real.real_data.station_weeks(known, np.random.default_rng(1))
    blocks = hidden[:70].reshape(10, 7, 4, 24).transpose(0, 2, 1, 3).reshape(40, -1)
    assert not hidden[70:].any()
    assert blocks.all(axis=1).sum() == 4
    assert blocks.any(axis=1).sum() == 4


def test_a_case_keeps_answers_apart_and_repeats(real: SimpleNamespace) -> None:
    table = np.random.default_rng(0).standard_normal((30, 20))
    table[3, 4] = np.nan
    case, again, other = (real.real_data.hide("x", table, "50", seed) for seed in (0, 0, 1))
    seen = case.train.to_dense()
    assert np.isnan(seen[case.rows, case.cols]).all()
    np.testing.assert_array_equal(case.values, table[case.rows, case.cols])
    assert case.train.n_observed + case.rows.size == 599
    np.testing.assert_array_equal(case.rows, again.rows)
    assert not np.array_equal(case.rows, other.rows)


def test_bundled_tables_have_the_shapes_of_the_issue(real: SimpleNamespace) -> None:
    shapes = {
        (c.data, c.hiding): c.train.shape for c in real.real_data.cases(["camera", "coffee", "pm25"], [0])
    }
    assert shapes["camera", "50"] == (512, 512)
    assert shapes["coffee", "80"] == (60, 1841)
    assert shapes["pm25", "station-weeks"] == (1461, 288)
    assert len(shapes) == 9


# -- scores ------------------------------------------------------------------------------------------------


def test_interval_score_by_hand(real: SimpleNamespace) -> None:
    # width 2; misses of 0, 0.5 above and 1 below cost 20 each unit at 90%
    scores = real.real_scores.interval_score(np.zeros(3), np.full(3, 2.0), np.array([1.0, 2.5, -1.0]))
    np.testing.assert_allclose(scores, [2, 12, 22])


def test_conformal_quantile_has_the_finite_sample_correction(real: SimpleNamespace) -> None:
    quantile = real.real_scores.conformal_quantile
    # (9 + 1) * 0.9 = 9: the largest of nine; of eight no finite width suffices
    assert quantile(-np.arange(1.0, 10.0)) == 9
    assert quantile(np.arange(8.0)) == np.inf
    assert quantile(np.arange(1.0, 100.0)) == 90


@pytest.mark.stat
def test_conformal_quantile_covers(real: SimpleNamespace) -> None:
    # 2000 draws of 39 residuals and a new one: exact coverage is ceil(40 * 0.9) / 40 = 0.9; the bounds are
    # four standard errors (0.0067) away: false alarms 6 in 100,000, and the seed is fixed
    draws = np.random.default_rng(3).standard_normal((2000, 40))
    inside = [abs(d[-1]) <= real.real_scores.conformal_quantile(d[:-1]) for d in draws]
    assert 0.873 < np.mean(inside) < 0.927


def test_groups_go_by_the_smaller_count(real: SimpleNamespace) -> None:
    rows, cols = np.divmod(np.arange(16), 4)
    grouped = real.real_scores.groups(np.array([1, 5, 6, 9]), np.full(4, 7), rows, cols)
    np.testing.assert_array_equal(np.unique(rows[grouped.few]), [0])
    np.testing.assert_array_equal(np.unique(rows[grouped.many]), [3])


def test_judged_intervals(real: SimpleNamespace) -> None:
    low, high = np.array([0.0, 0.0, np.nan, 0.0]), np.array([1.0, 1.0, np.nan, 3.0])
    grouped = real.real_scores.Groups(
        np.array([True, True, False, False]), np.array([False, False, True, True])
    )
    scores = real.real_scores.judge_intervals(low, high, np.array([0.5, 1.1, 0.0, 2.0]), grouped)
    assert scores.coverage == 0.5  # a cell without an interval is not covered
    assert (scores.few, scores.many, scores.without) == (0.5, 0.5, 1)
    assert scores.width == pytest.approx(5 / 3)
    assert scores.score == pytest.approx((1 + 3 + 3) / 3)


# -- tuning ------------------------------------------------------------------------------------------------


def test_settings_are_chosen_on_training_cells_only(real: SimpleNamespace, noisy: rf.Problem) -> None:
    seen = []

    def fit(task, setting):
        seen.append((task.train, setting["x"]))
        return real.tuning.Prediction(np.full(task.rows.size, setting["x"]))

    task = real.tuning.Task(noisy, np.array([0]), np.array([0]))
    answer = real.tuning.tuned(task, fit, [{"x": x} for x in (0.0, 10.0, 20.0)])
    assert answer.settings["x"] == 10.0 and answer.settings["tried"] == 3
    np.testing.assert_array_equal(answer.values, [10.0])
    assert [train.n_observed for train, _ in seen[:3]] == [
        noisy.n_observed - round(noisy.n_observed / 10)
    ] * 3
    assert seen[3] == (noisy, 10.0)
    inner, truth = task.split()
    np.testing.assert_array_equal(truth, noisy.to_dense()[inner.rows, inner.cols])
    assert np.isnan(inner.train.to_dense()[inner.rows, inner.cols]).all()


def test_predictions_are_clipped_and_gaps_get_effects(real: SimpleNamespace, noisy: rf.Problem) -> None:
    task = real.tuning.Task(noisy, np.array([0, 1, 2]), np.array([0, 1, 2]), bounds=(9.0, 11.0))
    values = task.finish(np.array([50.0, np.nan, 10.5]))
    effects = real.effects.fit_effects(noisy, 5.0, 5.0)
    np.testing.assert_allclose(values, [11.0, np.clip(effects[1, 1], 9, 11), 10.5])


def test_walk_ends_after_the_best(real: SimpleNamespace) -> None:
    tried: list[float] = []

    def error_at(penalty: float) -> float:
        tried.append(penalty)
        return abs(np.log(penalty / 0.01))

    real.tuning.walk(error_at, 1.0, 0.1, 1e-9)
    np.testing.assert_allclose(tried, [1, 0.1, 0.01, 1e-3, 1e-4])


def test_effects_are_the_minimiser(real: SimpleNamespace, noisy: rf.Problem) -> None:
    fitted = real.effects.fit_effects(noisy, 2.0, 3.0)
    rest = noisy.values - fitted[noisy.rows, noisy.cols]
    by_row = np.bincount(noisy.rows, weights=rest, minlength=40)
    effects = fitted[:, 0] - fitted[:, 0].mean()
    # gradient of sum rest^2 + 2 sum rows^2: the leftover of a row is its damping times its effect
    np.testing.assert_allclose(by_row - by_row.mean(), 2.0 * effects, atol=1e-5)


# -- soft-impute -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(9, 6), (6, 9)])
def test_shrinking_is_the_proximal_step(real: SimpleNamespace, shape: tuple[int, int]) -> None:
    Y = np.random.default_rng(0).standard_normal(shape)
    U, s, Vt = np.linalg.svd(Y, full_matrices=False)
    shrunk = real.soft_impute.shrink(Y, s[2])
    np.testing.assert_allclose(shrunk.matrix, (U * np.maximum(s - s[2], 0)) @ Vt, atol=1e-12)
    assert shrunk.rank in (2, 3)  # the third lies on the threshold
    assert shrunk.nuclear_norm == pytest.approx(s[0] + s[1] - 2 * s[2])


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_soft_impute_satisfies_the_condition_of_its_minimum(
    real: SimpleNamespace, noisy: rf.Problem, share: float
) -> None:
    S = real.soft_impute
    base, values = S.centred(noisy, "both")
    assert base.shape == noisy.shape
    penalty = share * S.largest_penalty(noisy, values)
    start = np.zeros(noisy.shape)
    Z = S.solve(noisy, values, penalty, start, tolerance=1e-10, max_steps=20_000).matrix
    assert S.stationarity(noisy, values, penalty, Z) < 1e-5
    assert S.stationarity(noisy, values, penalty, 1.01 * Z) > 1e-3
    # the condition is that of a minimum: no neighbour is lower
    lowest = objective(noisy, values, penalty, Z)
    rng = np.random.default_rng(1)
    for size in (1e-3, 1e-1):
        other = Z + size * rng.standard_normal(Z.shape)
        assert objective(noisy, values, penalty, other) > lowest


def objective(train: rf.Problem, values: np.ndarray, penalty: float, Z: np.ndarray) -> float:
    """1/2 |P(X - Z)|_F^2 + lambda |Z|_*, as the paper and the R package have it."""
    misfit = values - Z[train.rows, train.cols]
    return 0.5 * float(misfit @ misfit) + penalty * float(np.linalg.norm(Z, "nuc"))


def test_soft_impute_on_a_full_matrix_is_one_shrinkage(real: SimpleNamespace) -> None:
    X = np.random.default_rng(0).standard_normal((8, 5))
    train = rf.Problem.from_dense(X)
    solved = real.soft_impute.solve(train, train.values, 1.0, np.zeros(X.shape), tolerance=1e-12)
    np.testing.assert_allclose(solved.matrix, real.soft_impute.shrink(X, 1.0).matrix, atol=1e-9)


def test_above_the_largest_penalty_nothing_is_left(real: SimpleNamespace, noisy: rf.Problem) -> None:
    top = real.soft_impute.largest_penalty(noisy, noisy.values)
    start = np.zeros(noisy.shape)
    assert real.soft_impute.solve(noisy, noisy.values, 1.001 * top, start).rank == 0
    assert real.soft_impute.solve(noisy, noisy.values, 0.999 * top, start).rank == 1


def test_soft_impute_is_better_than_effects(real: SimpleNamespace, noisy: rf.Problem) -> None:
    inner, truth = real.tuning.Task(noisy, np.array([0]), np.array([0])).split()
    errors = {
        name: real.real_scores.rmse(inner.finish(real.peers.PEERS[name](inner).values), truth)
        for name in ("column-means", "effects", "soft-impute")
    }
    assert errors["soft-impute"] < 0.5 * errors["effects"]
    assert errors["effects"] < errors["column-means"] * 1.05


# -- the driver --------------------------------------------------------------------------------------------


def record(method: str, rmse: float | None, **more: object) -> dict[str, object]:
    if rmse is None:
        return {"method": method, "status": "time limit (5 s)", "seconds": 5.0}
    numbers = {"mae": rmse / 2, "seconds": 2.0, "fit_seconds": 1.0, "rank": 3, "without_prediction": 0}
    return {"method": method, "status": "ok", "rmse": rmse, **numbers, **more}


def test_verdicts(real: SimpleNamespace) -> None:
    verdict = real.real_tables.verdict
    peers = [record("knn", 1.0), record("effects", 1.5), record("slow", None)]
    assert verdict([record("rankfall", 0.8), *peers]) == "rankfall is first; next is knn, 25.0% behind"
    assert (
        verdict([record("rankfall", 1.01), *peers]) == "rankfall is within 2% of the first: 1.0% behind knn"
    )
    assert verdict([record("rankfall", 1.2), *peers]).startswith("rankfall is NOT within 2%")
    assert verdict([record("rankfall", None), *peers]).startswith("no comparison: rankfall")


def test_table_puts_the_best_first_and_keeps_failures(real: SimpleNamespace) -> None:
    rows = real.real_tables.table([record("slow", None), record("b", 2.0), record("a", 1.0, rank=None)])
    assert [row[0] for row in rows] == ["method", "a", "b", "slow"]
    assert rows[1][5] == "-"
    assert rows[3][-1] == "time limit (5 s)"


def test_means_need_every_run(real: SimpleNamespace) -> None:
    runs = [record("a", 1.0), record("a", 3.0), record("b", 1.0), record("b", None), record("c", 1.0)]
    means = {r["method"]: r for r in real.real_tables.averaged(runs)}
    assert means["a"]["rmse"] == 2.0
    assert means["b"]["status"] == "time limit (5 s)"
    assert means["c"]["status"] == "only 1 of 2"


def test_constant_width_intervals(real: SimpleNamespace, noisy: rf.Problem) -> None:
    task = real.tuning.Task(noisy, np.array([0, 1]), np.array([0, 1]), bounds=(0.0, 12.0))
    residuals = np.linspace(0, 5, 50)
    low, high = real.real_methods.constant_width(task, np.array([10.0, np.nan]), residuals)
    assert low[0] == max(0, 10 - real.real_scores.conformal_quantile(residuals))
    assert high[0] == 12.0
    assert np.isnan(low[1]) and np.isnan(high[1])


def test_rankfall_is_called_as_a_user_would(real: SimpleNamespace, noisy: rf.Problem, monkeypatch) -> None:
    methods, calls = real.real_methods, []
    result = SimpleNamespace(
        rank=2,
        settings={"ridge": 1.5, "array": np.zeros(2)},
        warnings=(),
        outcome=rf.Outcome.CHOSEN,
        model=SimpleNamespace(held_errors=np.linspace(0, 1, 50)),
        predict=lambda rows, cols: np.full(rows.size, 10.0),
        interval=lambda rows, cols, coverage: (np.full(rows.size, 9.0), np.full(rows.size, 11.0)),
    )
    monkeypatch.setattr(
        methods.rf, "complete", lambda X, **how: calls.append((type(X).__name__, how)) or result
    )
    monkeypatch.setattr(methods, "warm_up", lambda: None)
    cells = np.arange(3), np.arange(3)
    case = real.real_data.Case("x", "50", 0, noisy, *cells, np.array([9.5, 10.0, 12.0]))
    made = methods.run("rankfall", case)
    ratings = methods.run("rankfall", dataclasses.replace(case, ratings=True))
    observed = (noisy.values.min(), noisy.values.max())
    assert calls == [("ndarray", {"seed": 0}), ("Problem", {"seed": 0, "bounds": observed})]
    assert made["rank"] == 2
    assert made["intervals"]["rankfall"]["coverage"] == pytest.approx(2 / 3)
    assert made["intervals"]["rankfall"]["width"] == 2
    assert set(made["intervals"]) == {"rankfall", "constant"}
    json.dumps([made, ratings])
    assert "coverage" in real.real_tables.report([made], "x")


def test_runs_are_kept_and_not_repeated(real: SimpleNamespace, tmp_path: Path, monkeypatch, capsys) -> None:
    calls = []

    def run_within(method, case, seconds):
        calls.append((method, seconds))
        return real.real_methods.run(method, case)

    monkeypatch.setattr(real.real, "run_within", run_within)
    arguments = [
        "--only",
        "coffee",
        "--hidden",
        "50",
        "--methods",
        "column-means,effects",
        "--out",
        str(tmp_path),
    ]
    for _ in range(2):
        real.real.main(arguments)
    assert calls == [("column-means", 3600), ("effects", 3600)]
    printed = capsys.readouterr().out
    assert "coffee, 50% hidden, seed 0: 60 x 1841, 55230 cells known, 55230 hidden" in printed
    stored = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert [r["method"] for r in stored] == ["column-means", "effects"]
    assert stored[1]["rmse"] < stored[0]["rmse"]


def test_a_method_that_fails_or_takes_too_long_is_a_record(real: SimpleNamespace) -> None:
    case = real.real_data.hide("x", np.random.default_rng(0).standard_normal((30, 20)), "50", 0)
    failed = real.real_methods.run_within("no such method", case, 60)
    assert failed["status"].startswith("KeyError")
    late = real.real_methods.run_within("column-means", case, 0.001)
    assert late["status"] == "time limit (0.001 s)"


def test_unknown_names_are_refused(real: SimpleNamespace, capsys) -> None:
    with pytest.raises(SystemExit):
        real.real.parse(["--only", "camera,lena"])
    assert "lena is not one of camera" in capsys.readouterr().err
