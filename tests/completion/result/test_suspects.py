"""Heavy tails in whole completions: when they are chosen, what is distrusted, and what stays as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from completion.ordered.series import QUICK, series
from rankfall import Completion, InputError, LowRankImputer
from rankfall.files import load_archive, save_archive

FAST = {"max_rank": 2, "effects": "none", "scaling": "all", "ordered": "none"}


def gross(m=120, n=30, rank=2, noise=0.2, share=0.06, seed=0):
    """Low rank with noise and holes, the same with some cells replaced by others, and which these are."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    X = truth + noise * rng.standard_normal((m, n))
    X[rng.random((m, n)) < 0.3] = np.nan
    bad = ~np.isnan(X) & (rng.random((m, n)) < share)
    wrong = X.copy()
    wrong[bad] = rng.permutation(X[~np.isnan(X)])[: bad.sum()]
    return truth, X, wrong, bad


TRUTH, PLAIN, WRONG, BAD = gross()


@pytest.fixture(scope="module")
def result() -> Completion:
    frame = pd.DataFrame(WRONG, index=[f"r{i}" for i in range(120)], columns=[f"c{j}" for j in range(30)])
    return rf.complete(frame, seed=0, **FAST)  # type: ignore[arg-type]


def error(result: Completion) -> float:
    return float(np.sqrt(np.mean((result.to_dense("fitted") - TRUTH)[np.isnan(PLAIN)] ** 2)))


def test_gross_errors_cost_little(result):
    assert "heavy tails" in str(result.settings["noise"])
    without = rf.complete(np.where(BAD, np.nan, PLAIN), seed=0, **FAST)
    normal = rf.complete(WRONG, seed=0, noise="normal", **FAST)
    assert error(result) < 1.15 * error(without) < error(normal)


def test_suspects_are_the_wrong_cells(result):
    found = result.suspects
    assert list(found.columns) == ["row", "column", "value", "predicted", "weight"]
    assert found["weight"].is_monotonic_increasing and found["weight"].between(0, 0.2).all()
    rows, cols = (found[name].str[1:].astype(int).to_numpy() for name in ("row", "column"))
    assert np.array_equal(found["value"], WRONG[rows, cols])
    assert found["predicted"].to_numpy() == pytest.approx(result.predict(rows, cols))
    assert np.mean(BAD[rows, cols]) > 0.9  # hardly any other cell
    large = BAD & (np.abs(WRONG - TRUTH) > 1.5)
    assert np.mean(large[rows, cols]) * len(found) > 0.8 * large.sum()
    assert f"{len(found)} observed cells are far from what the others say" in result.summary()


def test_noise_without_heavy_tails_stays_as_it_was():
    auto, normal = (rf.complete(PLAIN, seed=0, noise=noise, **FAST) for noise in ("auto", "normal"))
    assert np.array_equal(auto.to_dense(), normal.to_dense())
    assert auto.suspects.empty and "heavy" not in auto.summary()
    assert list(auto.suspects.columns) == ["row", "column", "value", "predicted", "weight"]


def test_heavy_tails_can_be_asked_for():
    student = rf.complete(PLAIN, seed=0, noise="student", **FAST)
    assert "heavy tails" in str(student.settings["noise"]) and student.settings["asked"]["noise"] == "student"
    assert error(student) < 1.1 * error(rf.complete(PLAIN, seed=0, noise="normal", **FAST))


def test_a_loaded_result_distrusts_the_same_cells(result, tmp_path: Path):
    result.save(tmp_path / "c.npz")
    loaded = rf.load(tmp_path / "c.npz")
    pd.testing.assert_frame_equal(loaded.suspects, result.suspects)
    i, j = np.indices(result.shape)
    for one, other in zip(loaded.interval(i, j), result.interval(i, j), strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(loaded.transform(WRONG[:5]), result.transform(WRONG[:5]))
    assert loaded.draws(2)[1].equals(result.draws(2)[1])


def test_results_of_earlier_versions_have_normal_noise(tmp_path: Path):
    rf.complete(PLAIN, seed=0, **FAST).save(tmp_path / "c.npz")
    arrays, meta = load_archive(tmp_path / "c.npz", "completion")
    del arrays["model_tail_dof"]
    save_archive(tmp_path / "old.npz", arrays, meta, "completion")
    assert not rf.load(tmp_path / "old.npz").model.posterior.noise_model.is_heavy


def test_draws_agree_with_intervals(result):
    i, j = np.nonzero(np.isnan(WRONG))
    drawn = result.draws(100, seed=1, cells=(i, j))
    for coverage in (0.5, 0.9):
        low, high = result.interval(i, j, coverage)
        assert np.mean((drawn >= low) & (drawn <= high)) == pytest.approx(coverage, abs=0.03)


def test_fitted_rows_are_transformed_as_they_were():
    imputer = LowRankImputer(noise="student", **FAST)
    filled = imputer.fit_transform(WRONG)
    assert filled == pytest.approx(imputer.completion_.to_dense(), abs=1e-6)


def test_with_an_order_of_rows():
    table = series(100, 8, 2)[1]
    table[::9, 3] += 6.0
    result = rf.complete(table, **{**QUICK, "ordered": "rows", "noise": "student"})
    assert "heavy tails" in str(result.settings["noise"]) and result.settings["ordered"] == "rows"
    assert {(row, 3) for row in range(0, 100, 9)} & set(
        zip(result.suspects["row"], result.suspects["column"], strict=True)
    )
    drawn = result.draws(3)[2]
    assert np.all(np.isfinite(drawn))


def test_other_words_are_refused():
    with pytest.raises(InputError, match="noise must be"):
        rf.complete(PLAIN, noise="gaussian")  # type: ignore[arg-type]
