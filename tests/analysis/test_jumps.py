"""Planted jumps are found and no others; replay dates them as a run recorded at every step does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankfall as rf
from dynamics.problems import holed
from rankfall.analysis.lasting_changes import window_extreme


@st.composite
def planted(draw):
    """Ranks that stay for longer than `dwell` records, with blips shorter than it; and the planted jumps."""
    dwell = draw(st.integers(1, 6))
    n_levels = draw(st.integers(1, 6))
    levels = [draw(st.integers(0, 9))]
    for _ in range(n_levels - 1):
        levels.append(draw(st.integers(0, 9).filter(lambda rank, last=levels[-1]: rank != last)))
    path, jumps = [], []
    for number, level in enumerate(levels):
        if number:
            jumps.append((len(path), levels[number - 1], level))
        stretch = [level] * (dwell + 1)
        for _ in range(draw(st.integers(0, 3))):
            stretch += draw(st.lists(st.integers(0, 9), min_size=1, max_size=dwell))
            stretch.append(level)
        path += stretch
    # the last level must be seen for as long as the others
    return dwell, path + [levels[-1]] * dwell, jumps


def rows(jumps: rf.Jumps) -> list[tuple[int, ...]]:
    return list(jumps.table[["step", "rank_from", "rank_to"]].itertuples(index=False, name=None))


@given(planted(), st.integers(1, 50))
def test_planted_jumps_and_no_others(case, every):
    """The answer is in steps, so a dwell of d records is d * every steps."""
    dwell, path, expected = case
    found = rf.find_jumps(path, steps=np.arange(len(path)) * every, dwell=dwell * every)
    assert rows(found) == [(every * at, before, after) for at, before, after in expected]
    assert (found.table.after == found.table.step - every).all()
    assert ((found.table.kind == "fall") == (found.table.rank_to < found.table.rank_from)).all()
    assert found.exposure.tolist() == [every * (len(path) - 1 - dwell)]
    assert found.count() == found.count(True) + found.count(False) == len(expected)


@given(st.lists(planted(), min_size=1, max_size=4))
def test_chains_do_not_see_each_other(cases):
    """Together, cut off where each ends, as alone."""
    longest = max(len(path) for _, path, _ in cases)
    ranks = np.full((len(cases), longest), -1)
    for chain, (_, path, _) in enumerate(cases):
        ranks[chain, : len(path)] = path
    found = rf.find_jumps(ranks, dwell=3)
    for chain, (_, path, _) in enumerate(cases):
        alone = rf.find_jumps(path, dwell=3)
        assert rows(alone) == [row[1:] for row in _with_chain(found) if row[0] == chain]
        assert found.exposure[chain] == alone.exposure[0]
        assert found.last_rank[chain] == alone.last_rank[0]


def _with_chain(found):
    return list(found.table[["chain", "step", "rank_from", "rank_to"]].itertuples(index=False, name=None))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(0, 8), st.data())
def test_against_the_definition(path, dwell, data):
    """Word for word: go through the records, look ahead over the window, move if it is all beyond."""
    gaps = data.draw(st.lists(st.integers(1, 4), min_size=len(path), max_size=len(path)))
    steps, rank, expected = np.cumsum(gaps), path[0], []
    for index, step in enumerate(steps):
        inside = [k for k in range(index, len(path)) if k == index or steps[k - 1] < step + dwell]
        if steps[inside[-1]] < step + dwell:
            break
        window = [path[k] for k in inside]
        new = max(window) if max(window) < rank else min(window) if min(window) > rank else rank
        if new != rank:
            expected.append((step, rank, new))
        rank = new
    assert rows(rf.find_jumps(path, steps=steps, dwell=dwell)) == expected


@given(st.integers(1, 30), st.data())
def test_window_extremes(n, data):
    values = np.array([data.draw(st.lists(st.integers(-5, 5), min_size=n, max_size=n)) for _ in range(2)])
    ends = np.array([data.draw(st.integers(i, n - 1)) for i in range(n)])
    for extreme in (np.maximum, np.minimum):
        expected = [extreme.reduce(values[:, i : e + 1], axis=1) for i, e in enumerate(ends)]
        np.testing.assert_array_equal(window_extreme(values, ends, extreme), np.array(expected).T)


def test_two_tolerances_hold_a_direction_between_them():
    """The second of two directions wanders between the tolerances: no jump. Below the lower one it dies."""
    second = np.array([0.5, 0.05, 0.02, 0.05, 0.005, 0.05, 0.02, 0.05, 0.2, 0.05])
    s = np.stack([np.ones_like(second), second], axis=-1)
    found = rf.find_jumps(s, tolerance=(0.01, 0.1), dwell=0)
    assert rows(found) == [(4, 2, 1), (8, 1, 2)]
    one = rf.find_jumps(s, tolerance=0.03, dwell=0)
    assert rows(one) == [(2, 2, 1), (3, 1, 2), (4, 2, 1), (5, 1, 2), (6, 2, 1), (7, 1, 2)]
    assert rows(rf.find_jumps(s, tolerance=0.03, dwell=1)) == []


def test_counts_exposure_and_first_passage_by_hand():
    """Three chains of eleven records, every 10 steps; the third diverged after step 50."""
    ranks = [
        [4, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2],
        [4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5],
        [4, 4, 3, 3, 3, 3, -1, -1, -1, -1, -1],
    ]
    found = rf.find_jumps(ranks, steps=np.arange(11) * 10, dwell=20)
    assert _with_chain(found) == [(0, 30, 4, 2), (1, 70, 4, 5), (2, 20, 4, 3)]
    assert found.exposure.tolist() == [80, 80, 30]
    assert (found.count(True), found.count(False), found.count(rank_from=4)) == (1, 2, 3)
    assert found.rate().exposure == 190
    # at rank 4: 30 + 70 + 20; at 3: from 20 to 30; at 2: from 30 to 80
    assert [found.rate(rank_from=r).exposure for r in (5, 4, 3, 2)] == [10, 120, 10, 50]
    assert found.rate(False, rank_from=4).rate == pytest.approx(2 / 120)
    passage = found.first_passage(2)
    assert passage["step"].tolist() == [30, 80, 30]
    assert passage["fell"].tolist() == [True, False, False]
    curve = found.survival(2)
    assert curve["survival"].tolist() == pytest.approx([2 / 3, 2 / 3])
    assert curve["at_risk"].tolist() == [3, 1]
    later = rf.find_jumps(ranks, steps=np.arange(11) * 10, dwell=20, start=40)
    assert later.begin == 40
    assert later.first_rank.tolist() == [2, 4, 3]
    assert later.exposure.tolist() == [40, 40, 0]


@given(planted())
def test_time_at_every_rank_adds_up(case):
    found = rf.find_jumps([case[1], case[1][::-1]], dwell=2)
    assert sum(found.rate(rank_from=rank).exposure for rank in range(10)) == found.exposure.sum()


# -- runs ---------------------------------------------------------------------------------------------------

WHAT = ("rank", "singular_values", "hidden_singular_values", "weights")


@pytest.fixture(scope="module")
def runs():
    """The same run recorded at every step and at every 50th; ranks fall one after another."""
    problem = holed((10, 12), seed=3, rank=2)
    network = rf.Network.gaussian((12, 8, 8, 10), scale=1.0, seed=0)
    sgd = rf.SGD(lr=0.05, ridge=0.02, n_steps=1500)
    return [
        rf.train(problem, network, sgd, chains=2, seed=5, record=rf.Record(every=every, what=WHAT))
        for every in (1, 50, 75)
    ]


@pytest.mark.parametrize("of", [0, 1, 2])
@pytest.mark.parametrize("tolerance", [None, 0.05, (0.02, 0.2)])
def test_replay_dates_jumps_as_if_every_step_had_been_recorded(runs, of, tolerance):
    fine, *coarse = (rf.find_jumps(trace, tolerance=tolerance, of=of, dwell=120) for trace in runs)
    assert fine.count(upward=False) > 4
    for jumps in coarse:
        exact = jumps.refine()
        assert exact.table.equals(fine.table)
        assert (exact.table.step - exact.table.after == 1).all()
        for name in ("exposure", "first_rank", "last_rank"):
            np.testing.assert_array_equal(getattr(exact, name), getattr(fine, name))


def test_without_weights_the_chain_is_replayed_from_its_beginning(runs):
    trace = runs[1]
    again = rf.train(
        trace.problem,
        trace.start,
        trace.optimiser,
        chains=2,
        seed=5,
        record=rf.Record(every=500, what=("rank",)),
    )
    exact = rf.find_jumps(again, dwell=500).refine()
    assert exact.table.equals(rf.find_jumps(runs[0], dwell=500).table)


def test_a_trace_from_a_file_is_counted_by_its_own_tolerance(runs, tmp_path):
    trace = runs[1]
    other = rf.train(
        trace.problem,
        trace.start,
        trace.optimiser,
        seed=5,
        record=rf.Record(every=50, what=("rank",), rank_tol=0.2),
    )
    other.save(tmp_path / "trace.npz")
    read = rf.Trace.load(tmp_path / "trace.npz")
    assert read.rank_tol == 0.2
    exact = rf.find_jumps(read, dwell=120).refine()
    fine = rf.find_jumps(runs[0], tolerance=0.2, dwell=120).table
    assert exact.table.equals(fine[fine.chain == 0])
    assert len(exact.table) > 2


def test_deflated_chains_keep_their_spectra(runs):
    """Deflation drops hidden directions, not columns of the record: they are zero."""
    problem, network = runs[0].problem, runs[0].start
    trace = rf.train(
        problem,
        network,
        rf.SGD(lr=0.05, ridge=0.02, n_steps=12_000),
        record=rf.Record(every=2000, what=WHAT),
        deflate=0.05,
    )
    assert trace.final().widths[1] < 8
    last = trace.hidden_singular_values[0, -1]
    np.testing.assert_allclose(last, _padded(rf.measures.hidden_singular_values(trace.final()), 8))
    assert (rf.find_jumps(trace, of=1).last_rank == trace.final().widths[1]).all()


def _padded(s, k):
    return np.pad(s, ((0, 0), (0, k - s.shape[1])))


def test_diverged_chains_are_observed_up_to_their_last_record(runs):
    problem, network = runs[0].problem, runs[0].start
    record = rf.Record(every=1, what=("rank", "singular_values"))
    trace = rf.train(problem, network, rf.SGD(lr=2.0, ridge=0.0, n_steps=1000), record=record)
    assert trace.diverged.all()
    for tolerance in (None, 0.01):
        found = rf.find_jumps(trace, dwell=0, tolerance=tolerance)
        assert found.exposure[0] <= trace.n_steps[0] < 1000
        assert (found.table.step <= trace.n_steps[0]).all()
        assert found.last_rank[0] >= 0


def test_given_tolerance_counts_as_the_record_does(runs):
    """The rank of the record and of its singular values, at the same tolerance, are the same jumps."""
    for dwell in (0, 1, 40):
        recorded = rf.find_jumps(runs[0], dwell=dwell)
        recomputed = rf.find_jumps(runs[0], dwell=dwell, tolerance=runs[0].rank_tol)
        assert recorded.table.equals(recomputed.table)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_hidden_spectra_against_their_definition(seed):
    network = rf.Network.gaussian((6, 3, 5, 4), scale=1.0, seed=seed, chains=2)
    s = rf.measures.hidden_singular_values(network)
    assert s.shape == (2, 2, 5)
    for layer, Z in enumerate(network.hidden_spaces()):
        squares = np.linalg.eigvalsh(Z @ np.swapaxes(Z, -1, -2))[:, ::-1]
        np.testing.assert_allclose(s[:, layer, : Z.shape[1]] ** 2, squares, rtol=1e-9, atol=1e-12)
        assert not s[:, layer, Z.shape[1] :].any()


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        (([[1.5, 2]],), {}, "whole numbers"),
        (([[1, np.inf]],), {}, "whole numbers"),
        ((np.zeros((2, 2, 2)),), {}, "Ranks must have shape"),
        (([[]],), {}, "Ranks must have shape"),
        (("ranks",), {}, "a Trace or an array"),
        (([1, 2],), {"steps": [3, 3]}, "increasing"),
        (([1, 2],), {"steps": [1, 2, 3]}, "increasing"),
        (([1, 2],), {"dwell": -1}, "dwell"),
        (([1, 2],), {"of": 1}, "arrays have no layers"),
        (([1, 2],), {"start": 5}, "no record at or after step 5"),
        (([1, 2],), {"tolerance": 0.1}, "must hold singular values"),
        ((np.ones((1, 3, 2)),), {"tolerance": (0.2, 0.1)}, "the lower first"),
        ((np.ones((1, 3, 2)),), {"tolerance": 1.0}, "from 0 to 1"),
    ],
)
def test_bad_arguments_get_one_sentence(arguments, options, sentence):
    with pytest.raises(rf.InputError, match=sentence):
        rf.find_jumps(*arguments, **options)


def test_what_a_trace_lacks_is_said(runs):
    with pytest.raises(rf.InputError, match="Only jumps found in a Trace"):
        rf.find_jumps([3, 3, 2, 2]).refine()
    bare = rf.train(
        runs[0].problem,
        runs[0].start,
        rf.SGD(lr=0.01, ridge=0.0, n_steps=10),
        record=rf.Record(every=5, what=("train_loss",)),
    )
    for options, name in (({}, "singular_values"), ({"of": 1}, "hidden_singular_values")):
        with pytest.raises(rf.InputError, match=f"'{name}' was not recorded"):
            rf.find_jumps(bare, **options)
    with pytest.raises(rf.InputError, match="a hidden layer, 1 to 2"):
        rf.find_jumps(runs[0], of=3)
