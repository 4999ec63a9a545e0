"""First-passage times: against `train`, against known answers, and how they grow."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall.analysis import FirstPassage, passage_growth

PROBLEM = rf.Problem.from_dense(np.array([[1.0, 0.3], [np.nan, 1.0]]))
NET = rf.Network.lift(np.array([[0.985, 0.310], [1.374, 0.985]]), depth=4)


def passage(times: list[int], seen: list[int]) -> FirstPassage:
    observed = np.array(seen, bool)
    return FirstPassage(np.array(times), observed, np.zeros(len(times), bool), 100, 1)


def exponential(mean: float, chains: int, max_steps: int, seed: int) -> FirstPassage:
    times = np.ceil(np.random.default_rng(seed).exponential(mean, chains)).astype(int)
    none = np.zeros(chains, bool)
    return FirstPassage(np.minimum(times, max_steps), times <= max_steps, none, max_steps, 1)


def test_the_times_are_those_of_train() -> None:
    sgd = rf.SGD(lr=0.4, ridge=0.0066, n_steps=3000)
    record = rf.Record(every=100, what=("rank",))
    rank = rf.train(PROBLEM, NET, sgd, chains=40, seed=3, record=record).rank
    result = rf.first_passage(PROBLEM, NET, sgd, 1, 40, 3000, seed=3, every=100)
    fallen = rank <= 1
    assert 0 < result.n_events < 40
    assert np.array_equal(result.seen, fallen.any(axis=1))
    assert np.array_equal(result.times, np.where(fallen.any(axis=1), 100 * fallen.argmax(axis=1), 3000))
    assert not result.diverged.any()


def test_kaplan_meier_and_means_by_hand() -> None:
    result = passage([2, 3, 3, 5, 8, 8], [1, 1, 0, 1, 0, 0])
    curve = result.survival()
    curve = curve[curve["events"] > 0]
    assert curve["step"].tolist() == [2, 3, 5]
    assert curve["survival"].tolist() == pytest.approx([5 / 6, 5 / 6 * 4 / 5, 5 / 6 * 4 / 5 * 2 / 3])
    assert result.mean == pytest.approx(29 / 3)
    assert result.restricted_mean == pytest.approx(2 + 5 / 6 + 2 * 2 / 3 + 3 * 4 / 9)
    # the exact Poisson interval for 3 events, 0.6187 to 8.7673
    assert result.interval() == pytest.approx((29 / 8.7673, 29 / 0.6187), rel=1e-4)


def test_without_events_there_is_a_lower_end_only() -> None:
    result = passage([100] * 3, [0] * 3)
    assert result.mean == np.inf and result.restricted_mean == 100
    # the rule of three, one-sided at 97.5%: 3.69
    assert result.interval() == pytest.approx((300 / 3.6889, np.inf), rel=1e-4)
    assert (result.survival()["survival"] == 1).all()


@pytest.mark.stat
def test_intervals_cover_the_mean() -> None:
    # at least 95% by construction, minus three standard deviations of 400 trials (3.3%): 0.1%
    held = [
        low <= 1000 <= high
        for low, high in (exponential(1000.0, 30, 1500, seed).interval() for seed in range(400))
    ]
    assert np.mean(held) >= 0.917


@pytest.mark.stat
def test_growth_finds_the_slope() -> None:
    # log mean = 3 + 0.5 / lr, slopes within their 95% intervals in 95% of 200 trials, minus 3 deviations
    # (4.6%): 0.1%
    x = 1 / np.array([0.1, 0.12, 0.15, 0.2])
    lines = [
        passage_growth(
            x,
            [
                exponential(np.exp(3 + 0.5 * one), 100, 20_000, 10 * trial + k)
                for k, one in enumerate(x.tolist())
            ],
        )
        for trial in range(200)
    ]
    held = [line.interval()[0] <= 0.5 <= line.interval()[1] for line in lines]
    assert np.mean(held) >= 0.904
    assert lines[0].mean(10.0) == pytest.approx(np.exp(8), rel=0.4)
    assert np.mean([line.p_value < 0.05 for line in lines]) <= 0.1
    assert all(line.degrees == 2 for line in lines)


def test_growth_leaves_out_what_was_not_seen() -> None:
    lines = [exponential(mean, 50, 5000, 1) for mean in (100.0, 300.0, 900.0)]
    assert passage_growth([1, 2, 3, 4], [*lines, passage([9], [0])]) == passage_growth([1, 2, 3], lines)
    with pytest.raises(rf.InputError, match="two different x"):
        passage_growth([1, 2], [lines[0], passage([9], [0])])
    with pytest.raises(rf.InputError, match="shape"):
        passage_growth([1], lines)


@pytest.mark.parametrize(
    ("change", "match"),
    [({"chains": 0}, "chains"), ({"max_steps": 0}, "max_steps"), ({"every": 7}, "divides 100")],
)
def test_bad_input(change: dict, match: str) -> None:
    arguments = {"target_rank": 1, "chains": 3, "max_steps": 100}
    with pytest.raises(rf.InputError, match=match):
        rf.first_passage(PROBLEM, NET, rf.SGD(lr=0.1, ridge=0.01, n_steps=1), **(arguments | change))
    with pytest.raises(rf.InputError, match="coverage"):
        passage([1], [1]).interval(2.0)
