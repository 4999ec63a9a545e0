"""Completions of tables with limits of detection."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import rankfall as rf
from rankfall.files import load_archive, save_archive

NAN = np.nan


def table(seed: int = 0, shape: tuple[int, int] = (40, 60), share: float = 0.15) -> tuple[np.ndarray, ...]:
    """Positive values of rank 2 with noise; the lowest of each column known by a limit only."""
    rng = np.random.default_rng(seed)
    m, n = shape
    X = np.exp(rng.normal(size=(m, 2)) @ rng.normal(size=(2, n)) + 0.3 * rng.normal(size=shape))
    limit = np.quantile(X, share, axis=0)
    below = limit > X
    return X, below, np.where(below, NAN, X), np.where(below, limit, NAN)


@pytest.fixture(scope="module")
def done() -> tuple[rf.Completion, tuple[np.ndarray, ...]]:
    parts = table()
    _, _, given, upper = parts
    given = given.copy()
    given[5, 5:9] = NAN  # a few are simply missing
    upper[5, 5:9] = NAN
    return rf.complete(given, scale="log", censored=(None, upper)), parts


def test_filled_cells_and_intervals_respect_their_limits(done) -> None:
    result, (X, _, _, upper) = done
    known = ~np.isnan(upper)
    rows, cols = np.nonzero(known)
    filled = result.to_dense()
    assert np.all(filled[known] <= upper[known]) and np.all(filled > 0)
    assert np.allclose(result.predict(rows, cols), filled[known])
    low, high = result.interval(rows, cols)
    assert np.all((low <= filled[known]) & (filled[known] <= high) & (high <= upper[known]))
    covered = np.mean((low <= X[known]) & (X[known] <= high))
    assert 0.8 < covered < 0.97  # some 350 cells; ten tables of the kind: 89%
    # other cells have the intervals that they always have
    lows, highs = result.interval(np.array([5, 5]), np.array([5, 6]))
    assert np.all(lows < highs)


def test_the_bias_is_gone_that_missing_low_values_leave(done) -> None:
    result, (X, _, given, upper) = done
    known = ~np.isnan(upper)
    without = rf.complete(given, scale="log")
    bias = np.mean(np.log(result.to_dense()[known] / X[known]))
    before = np.mean(np.log(without.to_dense()[known] / X[known]))
    assert abs(bias) < 0.04 < 0.12 < before
    assert any("Low values seem to be missing more often" in text for text in without.warnings)
    assert not any("Low values" in text for text in result.warnings)


def test_the_summary_counts_them(done) -> None:
    result, (_, _, _, upper) = done
    count = np.count_nonzero(~np.isnan(upper))
    assert f"{result.exactly_observed.n_observed} cells observed" in result.summary()
    assert f"{count} known by a limit only" in result.summary()
    assert result.problem.n_observed == result.exactly_observed.n_observed + count


def test_they_are_saved_and_loaded(done, tmp_path: Path) -> None:
    result, (_, _, _, upper) = done
    result.save(tmp_path / "c.npz")
    again = rf.load(tmp_path / "c.npz")
    rows, cols = np.nonzero(~np.isnan(upper))
    assert np.array_equal(again.to_dense(), result.to_dense())
    for one, other in zip(again.interval(rows, cols), result.interval(rows, cols), strict=True):
        assert np.array_equal(one, other)
    assert again.summary() == result.summary()
    assert np.array_equal(again.transform(result.to_dense()[:2]), result.transform(result.to_dense()[:2]))


def test_damage_to_saved_limits_is_noticed(done, tmp_path: Path) -> None:
    result, _ = done
    result.save(tmp_path / "c.npz")
    arrays, meta = load_archive(tmp_path / "c.npz")
    arrays = {**arrays, "limits_mean": arrays["limits_mean"] + 50}
    save_archive(tmp_path / "bad.npz", arrays, meta, "completion")
    with pytest.raises(rf.InputError, match="limits_mean lies outside a limit"):
        rf.load(tmp_path / "bad.npz")


def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads() -> None:
    _, _, given, upper = table(3, (30, 20))
    one, two = (rf.complete(given, scale="log", censored=(None, upper), n_jobs=jobs) for jobs in (1, 2))
    assert np.array_equal(one.to_dense(), two.to_dense())


def test_both_sides_and_ranges_on_the_plain_scale() -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(50, 2)) @ rng.normal(size=(2, 12)) + 0.2 * rng.normal(size=(50, 12))
    low, high = np.quantile(X, 0.1) > X, np.quantile(X, 0.9) < X
    middle = np.zeros_like(low)
    middle[::7, 3] = True
    middle &= ~low & ~high
    lower = np.where(high, np.quantile(X, 0.9), np.where(middle, X - 0.3, NAN))
    upper = np.where(low, np.quantile(X, 0.1), np.where(middle, X + 0.5, NAN))
    result = rf.complete(np.where(low | high | middle, NAN, X), censored=(lower, upper))
    filled, rows, cols = result.to_dense(), *np.nonzero(low | high | middle)
    a, b = result.interval(rows, cols)
    assert np.all(~(filled < lower)) and np.all(~(filled > upper))
    assert np.all(~(a < lower[rows, cols])) and np.all(~(b > upper[rows, cols])) and np.all(a < b)
    assert np.sqrt(np.mean((filled - X)[low | high] ** 2)) < 0.45


def test_without_low_rank_the_columns_alone_tell() -> None:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(200, 3))
    below = X < -1.0
    upper = np.where(below, -1.0, NAN)
    result = rf.complete(np.where(below, NAN, X), censored=(None, upper), max_rank=0)
    assert result.rank == 0
    # of a standard normal number below -1 the mean is -1.525
    assert np.allclose(result.to_dense()[below].mean(), -1.525, atol=0.1)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"ordered": "rows"},
            'cannot be used with an order of rows or columns yet: leave out ordered="rows"',
        ),
        ({"groups": ["a"] * 40}, "leave out groups"),
        ({"bounds": (1e9, None)}, "lies above the lower bound"),
    ],
)
def test_what_does_not_go_together_is_refused(more: dict, words: str) -> None:
    _, _, given, upper = table()
    with pytest.raises(rf.InputError, match=words):
        rf.complete(given, scale="log", censored=(None, upper), **more)


def test_a_limit_needs_a_place_on_the_scale() -> None:
    _, below, given, upper = table()
    with pytest.raises(rf.InputError, match='scale="log" needs limits above 0'):
        rf.complete(given, scale="log", censored=(None, np.where(below, -upper, NAN)))


def test_limits_that_say_nothing_leave_every_bit() -> None:
    _, _, given, _ = table(1, (20, 8))
    nothing = np.full(given.shape, NAN)
    assert np.array_equal(
        rf.complete(given).to_dense(), rf.complete(given, censored=(None, nothing)).to_dense()
    )


@pytest.mark.stat
def test_cells_missing_at_random_raise_no_alarm() -> None:
    """False alarms were 0 of 100 tables missing at random (1% would be 1), and 94 of 100 warned where low
    values were missing; here two of each.
    """
    for seed in range(2):
        X, _, given, _ = table(seed, (60, 20), 0.2)
        random = np.where(np.random.default_rng(seed).random(X.shape) < 0.2, NAN, X)
        for cells, said in ((random, False), (given, True)):
            warnings = rf.complete(cells, scale="log", max_rank=3).warnings
            assert any("Low values seem" in text for text in warnings) == said


def test_cells_with_limits_are_no_suspects() -> None:
    rng = np.random.default_rng(1)
    table = rng.normal(size=(90, 2)) @ rng.normal(size=(2, 7)) + 0.3 * rng.normal(size=(90, 7))
    hidden = rng.random(table.shape) < 0.15
    table[hidden] = np.nan
    # many of these limits are wrong, and what is filled in lies far from the fit
    upper = np.where(hidden, -1.0, np.nan)
    suspects = rf.complete(table, censored=(None, upper), noise="student").suspects
    assert not hidden[suspects["row"], suspects["column"]].any()


def test_heavy_tails_go_with_limits() -> None:
    """Gross errors among the numbers: the chain that draws the cells with limits must draw weights, too."""
    rng = np.random.default_rng(12)
    truth = rng.normal(size=(100, 2)) @ rng.normal(size=(2, 15))
    table = truth + 0.2 * rng.normal(size=truth.shape)
    missing, limit = rng.random(truth.shape) < 0.2, np.quantile(table, 0.1, axis=0)
    low = (table < limit) & ~missing
    table[(rng.random(truth.shape) < 0.06) & ~low] *= 6
    table[missing | low] = np.nan
    limits = (None, np.where(low, limit, np.nan))

    def error(noise: Literal["normal", "student"]) -> float:
        result = rf.complete(table, censored=limits, noise=noise, max_rank=2, effects="none")
        return float(np.sqrt(np.mean((result.to_dense() - truth)[missing] ** 2)))

    # the noise alone leaves about 0.1; without weights in that chain it was half of that with normal noise
    assert error("student") < 0.17
    assert error("normal") > 0.35
