"""Synthetic problems: the count, rank, spectrum, mask and noise that were asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankfall as rf
from rankfall.datasets import low_rank, two_by_two


@st.composite
def requests(draw: st.DrawFn) -> dict:
    m, n = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    rank = draw(st.integers(1, min(m, n)))
    largest = m * n / (rank * (m + n - rank))
    return {
        "shape": (m, n),
        "rank": rank,
        "oversampling": draw(st.floats(min(0.8, largest), largest)),
        "condition": draw(st.sampled_from([1.0, 3.0, 1e4])),
        "noise": draw(st.sampled_from([0.0, 0.1])),
        "seed": draw(st.integers(0, 2**32)),
        "min_entries": draw(st.sampled_from([0, 1, rank])),
        "mask": draw(st.sampled_from(["guaranteed", "uniform"])),
    }


@settings(max_examples=100)
@given(requests())
def test_what_was_asked_for_is_what_comes(request: dict) -> None:
    if request["mask"] == "uniform":
        request["min_entries"] = 0  # small crowded masks need too many draws to be redrawn here
    (m, n), rank = request["shape"], request["rank"]
    try:
        problem, truth = low_rank(**request)
    except rf.InputError as error:
        if "min_entries" not in str(error):
            raise
        return
    assert truth.shape == problem.shape == (m, n)
    assert problem.n_observed == round(request["oversampling"] * rank * (m + n - rank))
    for counts in (problem.row_counts, problem.col_counts):
        assert counts.min() >= request["min_entries"]
    s = np.linalg.svd(truth, compute_uv=False)
    assert np.count_nonzero(s > 1e-12 * s[0]) == rank
    if request["condition"] > 1 and rank > 1:
        np.testing.assert_allclose(s[0] / s[rank - 1], request["condition"], rtol=1e-8)
        np.testing.assert_allclose(np.sqrt(np.mean(truth**2)), 1.0)
        np.testing.assert_allclose(np.diff(np.log(s[:rank]), 2), 0, atol=1e-6)
    if not request["noise"]:
        np.testing.assert_array_equal(problem.values, truth[problem.rows, problem.cols])


def test_seed_decides_everything_and_streams_are_apart() -> None:
    first, truth = low_rank((20, 15), rank=3, observed=0.6, seed=7)
    again, _ = low_rank((20, 15), rank=3, observed=0.6, seed=7)
    noisy, same_truth = low_rank((20, 15), rank=3, observed=0.6, noise=0.2, seed=7)
    np.testing.assert_array_equal(first.to_dense(), again.to_dense())
    np.testing.assert_array_equal(truth, same_truth)
    np.testing.assert_array_equal(first.rows, noisy.rows)
    np.testing.assert_array_equal(first.cols, noisy.cols)
    assert np.any(low_rank((20, 15), rank=3, observed=0.6, seed=8)[1] != truth)


def test_noise_is_relative_to_the_entries() -> None:
    problem, truth = low_rank((200, 200), rank=2, observed=0.5, noise=0.3, seed=1)
    residual = problem.values - truth[problem.rows, problem.cols]
    # 20,000 normal draws: the sample deviation is within 3% except with probability below 1e-8
    assert residual.std() / truth.std() == pytest.approx(0.3, rel=0.03)


@pytest.mark.parametrize("mask", ["uniform", "guaranteed"])
def test_every_line_gets_rank_entries_by_default(mask) -> None:
    problem, _ = low_rank((60, 60), rank=4, oversampling=1.2, seed=3, mask=mask)
    assert not any(lines.size for lines in problem.deficient(4))


def test_uniform_mask_is_uniform() -> None:
    counts = sum(
        ~np.isnan(low_rank((4, 5), rank=1, observed=0.5, seed=s, min_entries=0)[0].to_dense())
        for s in range(2000)
    )
    # each cell: binomial(2000, 1/2); 6 standard deviations over 20 cells: false alarm below 1e-7
    assert np.abs(counts - 1000).max() < 6 * np.sqrt(500)


def test_endless_redrawing_says_what_to_do() -> None:
    with pytest.raises(rf.InputError, match='mask="guaranteed"'):
        low_rank((5, 60), rank=2, oversampling=1.2)
    problem, _ = low_rank((5, 60), rank=2, oversampling=1.2, mask="guaranteed")
    assert not any(lines.size for lines in problem.deficient(2))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"rank": 0}, "rank"),
        ({"rank": 5}, "rank"),
        ({"shape": (0, 4)}, "shape"),
        ({"observed": None}, "either"),
        ({"oversampling": 1.0}, "either"),
        ({"observed": 0.0}, "observed must be a positive number, at most 1"),
        ({"observed": 1.5}, "observed must be a positive number, at most 1"),
        ({"observed": None, "oversampling": 9.0}, "at most"),
        ({"observed": None, "oversampling": float("nan")}, "oversampling must be a number"),
        ({"observed": 0.3}, "min_entries"),
        ({"condition": 0.5}, "condition"),
        ({"noise": -1.0}, "noise"),
        ({"min_entries": 9}, "min_entries"),
        ({"mask": "other"}, "mask"),
    ],
)
def test_impossible_requests(wrong: dict, says: str) -> None:
    with pytest.raises(rf.InputError, match=says):
        low_rank(**({"shape": (4, 4), "rank": 2, "observed": 0.8} | wrong))


def test_two_by_two() -> None:
    problem, truth = two_by_two(0.4)
    assert np.linalg.matrix_rank(truth) == 1
    np.testing.assert_array_equal(problem.to_dense(), [[1.0, 0.4], [np.nan, 1.0]])
    with pytest.raises(rf.InputError):
        two_by_two(0.0)
