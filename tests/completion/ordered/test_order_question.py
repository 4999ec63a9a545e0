"""Do rows, or columns, that follow each other resemble each other? Asked of whole completions."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

import rankfall as rf
from completion.ordered.series import QUICK, error, seen, series, walks
from rankfall import Completion, Outcome
from rankfall.completion import noisy
from rankfall.completion import ordered as order_question
from rankfall.completion.clock import Clock, Progress
from rankfall.completion.noisy import row_sample
from rankfall.completion.noisy.folds import Fold
from rankfall.completion.options import Options
from rankfall.completion.ordered import AxisOrder, Orders
from rankfall.completion.ordered.evidence import resemble
from rankfall.completion.ordered.starts import begun
from rankfall.completion.solvers.noise_model import EQUAL
from rankfall.completion.standardise import Standardisation

ASKING = "asking whether neighbours resemble each other"
TRUTH, TABLE = series()
HOLES = np.isnan(TABLE)


def asked(table: object, **options: object) -> Completion:
    return rf.complete(table, **{**QUICK, **options})  # type: ignore[arg-type]


def order_of(result: Completion) -> object:
    return result.settings["ordered"]


@pytest.fixture(scope="module")
def plain() -> Completion:
    return asked(TABLE, ordered="none")


@pytest.fixture(scope="module")
def by_rows() -> Completion:
    return asked(TABLE, ordered="rows")


# -- which order -----------------------------------------------------------------------------------


def test_rows_that_follow_each_other(plain: Completion, by_rows: Completion) -> None:
    result = asked(TABLE)
    assert (order_of(result), order_of(plain)) == ("rows", "none")
    np.testing.assert_array_equal(result.to_dense(), by_rows.to_dense())
    assert error(result.to_dense(), TRUTH, TABLE) < 0.9 * error(plain.to_dense(), TRUTH, TABLE)
    assert result.validation_rmse < 0.9 * plain.validation_rmse
    assert result.settings["held_out_in"] == "single cells"
    np.testing.assert_array_equal(result.to_dense()[~HOLES], TABLE[~HOLES])
    assert "Rows that follow each other resemble each other: factors have half-lives" in result.summary()
    assert "resemble" not in plain.summary()
    low, high = result.interval(*np.nonzero(HOLES))
    # intervals are those of observed cells, which have noise; the truth has none
    assert np.mean((low <= TRUTH[HOLES]) & (TRUTH[HOLES] <= high)) > 0.9


def test_columns_that_follow_each_other() -> None:
    result = asked(TABLE.T)
    assert order_of(result) == "columns"
    chains = result.model.posterior.rows.chain, result.model.posterior.cols.chain
    assert chains[0] is None and chains[1] is not None
    assert "Columns that follow each other resemble each other" in result.summary()


def test_a_smooth_picture() -> None:
    y, x = np.mgrid[0:30, 0:24]
    truth = np.sin(x / 5) + np.cos((x + y) / 7) + np.exp(-((x - 12) ** 2 + (y - 15) ** 2) / 40)
    table = seen(truth, np.random.default_rng(0), 0.5, 0.2)
    result = asked(table)
    assert order_of(result) == "both"
    assert error(result.to_dense(), truth, table) < error(
        asked(table, ordered="none").to_dense(), truth, table
    )


@pytest.mark.parametrize("order", ["rows", "columns", "both"])
def test_what_is_asked_for_is_done(order: str) -> None:
    """Also where rows and columns are in no order at all."""
    result = asked(np.random.default_rng(0).permutation(TABLE), ordered=order)
    assert order_of(result) == order
    assert np.isfinite(result.to_dense()).all()


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_table_without_order_comes_back_the_same(shuffled: bool) -> None:
    rng = np.random.default_rng(1)
    table = seen(rng.normal(size=(120, 2)) @ rng.normal(size=(2, 8)), rng, 0.3)
    table = rng.permutation(TABLE) if shuffled else table
    result, plain = asked(table), asked(table, ordered="none")
    assert order_of(result) == "none"
    np.testing.assert_array_equal(result.to_dense("fitted"), plain.to_dense("fitted"))
    np.testing.assert_array_equal(result.model.calibration, plain.model.calibration)
    assert result.path.equals(plain.path)
    i, j = np.indices(table.shape)
    np.testing.assert_array_equal(result.interval(i, j), plain.interval(i, j))


def test_orders_that_mean_nothing_are_seen_through() -> None:
    """Of twenty at most one is taken for true; where none is, the answer is the very one without order."""
    options = Options.of(QUICK)
    given = rf.Problem.coerce(TABLE)
    answer = noisy.search(Standardisation.of(given, "linear").noisy, options, Clock())
    assert answer is not None
    true = Orders.of(given, options)
    assert order_question.OrderQuestion(true, options, Clock()).settle(answer).order == "rows"
    rng = np.random.default_rng(0)
    chosen = []
    for _ in range(20):
        orders = Orders.of(given, replace(options, row_positions=rng.permutation(120)))
        found = order_question.OrderQuestion(orders, options, Clock()).settle(answer)
        chosen.append(found.order)
        assert found is answer or found.order != "none"
    assert sum(order != "none" for order in chosen) <= 1


@pytest.mark.parametrize(("shape", "missing"), [((100, 1), 0.1), ((150, 3), 0.65), ((80, 6), 0.65)])
def test_few_cells_in_a_row_are_evidence_too(shape: tuple[int, int], missing: float) -> None:
    """Without each row's mean next to nothing would be left of them."""
    found, mistaken = [], []
    for seed in range(30):
        rest = rf.Problem.coerce(series(*shape, seed, rank=1, missing=missing, noise=0.2)[1])
        found.append(resemble(rest, AxisOrder.plain(shape[0])))
        shuffle = np.random.default_rng(seed).permutation(shape[0])
        mistaken.append(resemble(rest, AxisOrder.of(shuffle.astype(float))))
    assert np.mean(found) > 0.6
    assert np.mean(mistaken) < 0.2


def test_levels_without_order_do_not_hide_that_shapes_follow_each_other() -> None:
    levels = 3 * np.random.default_rng(0).normal(size=(120, 1))
    rest = rf.Problem.coerce(TABLE + levels)
    assert resemble(rest, AxisOrder.plain(120))
    assert not resemble(rest, AxisOrder.of(np.random.default_rng(1).permutation(120).astype(float)))


def test_max_rank_is_respected() -> None:
    result = asked(TABLE, ordered="rows", max_rank=1)
    assert (order_of(result), result.rank) == ("rows", 1)
    assert result.path["rank"].max() == 1
    assert order_of(asked(TABLE, ordered="rows", max_rank=0)) == "none"


def test_exact_data_have_no_question() -> None:
    table = np.outer(np.arange(1.0, 25), np.arange(1.0, 9))
    table[3, 4] = table[11, 2] = np.nan
    result = rf.complete(table, ordered="rows")
    assert result.outcome is Outcome.EXACT
    assert result.model.posterior.rows.chain is None


@pytest.mark.parametrize("shape", [(3, 2), (30, 1), (1, 30), (8, 8)])
@pytest.mark.parametrize("order", ["auto", "both"])
def test_tiny_tables(shape: tuple[int, int], order: str) -> None:
    table = np.random.default_rng(0).normal(size=shape)
    table.flat[1] = np.nan
    result = asked(table, ordered=order, fill="effects")
    assert np.isfinite(result.to_dense()).all()


# -- where rows stand ------------------------------------------------------------------------------


def test_rows_and_their_positions_may_be_shuffled(by_rows: Completion) -> None:
    """Up to the cells that are held out, and the chains of SGD, which go by the numbers of rows."""
    shuffle = np.random.default_rng(2).permutation(120)
    result = asked(TABLE[shuffle], row_positions=shuffle)
    assert order_of(result) == "rows"
    difference = (result.to_dense() - by_rows.to_dense()[shuffle])[HOLES[shuffle]]
    assert np.sqrt(np.mean(difference**2)) < 0.2 * error(by_rows.to_dense(), TRUTH, TABLE)
    falling = asked(pd.DataFrame(TABLE[::-1], index=np.arange(120)[::-1]))
    assert order_of(falling) == "rows"


def test_a_fit_does_not_depend_on_the_numbers_of_rows() -> None:
    """The same cells in another order with the positions of their rows: the same fit up to rounding."""
    shuffle = np.random.default_rng(0).permutation(120)
    at = np.cumsum(np.random.default_rng(1).uniform(0.2, 3, 120))
    V = np.random.default_rng(2).normal(size=(8, 3))
    fits = []
    for table, positions in ((TABLE, at), (TABLE[shuffle], at[shuffle])):
        cells = Standardisation.of(rf.Problem.coerce(table), "linear").noisy.under("all")
        nothing = cells.problem.subset(np.zeros(cells.problem.n_observed, bool))
        fold = Fold.under("columns", "all", cells.problem, nothing, cells)
        fit = begun(fold, V, EQUAL, AxisOrder.of(positions).chain(), None)
        fits.append(fold.fitter.fold_rows(fold.fitter.improve(fit, 6)))
    first, second = (fit.rows.mean @ fit.cols.mean.T for fit in fits)
    np.testing.assert_allclose(second, first[shuffle], atol=1e-6)
    np.testing.assert_allclose(fits[1].rows.cov, fits[0].rows.cov[shuffle], atol=1e-6)


def test_distances_count() -> None:
    """Three rows close to each other, then a gap in which everything is forgotten."""
    rng = np.random.default_rng(0)
    steps = np.where(np.arange(150) % 3 == 0, 100.0, 1.0) * rng.uniform(0.5, 1.5, 150)
    truth = walks(steps, 2, rng) @ rng.normal(size=(2, 8))
    table = seen(truth, rng, 0.5)
    by_distance = asked(table, row_positions=np.cumsum(steps), ordered="rows")
    by_number = asked(table, ordered="rows")
    assert error(by_distance.to_dense(), truth, table) < 0.85 * error(by_number.to_dense(), truth, table)


def test_labels_that_are_times_are_positions(by_rows: Completion) -> None:
    hours = pd.date_range("2024-03-01", periods=120, freq="h", name="hour")
    frame = pd.DataFrame(TABLE, index=hours, columns=list("abcdefgh"))
    result = asked(frame)
    assert order_of(result) == "rows"
    np.testing.assert_allclose(result.to_dense(), by_rows.to_dense(), atol=1e-6)
    chain = result.model.posterior.rows.chain
    assert chain is not None and (chain.step, chain.is_time) == (3600, True)
    assert " hours" in result.summary() or " days" in result.summary()
    filled = result.to_frame()
    assert filled.index.equals(hours) and filled.index.name == "hour"
    # labels say what positions say
    given = asked(TABLE, row_positions=list(hours.strftime("%Y-%m-%dT%H:%M")))
    np.testing.assert_array_equal(given.to_dense(), result.to_dense())


def test_years_before_nanoseconds_do_no_harm() -> None:
    index = pd.DatetimeIndex((np.datetime64("0900-01-01") + 30 * np.arange(120)).astype("M8[s]"))
    assert order_of(asked(pd.DataFrame(TABLE, index=index))) == "rows"


def test_a_label_that_is_missing_does_no_harm() -> None:
    for index in (
        np.append(np.arange(119.0), np.nan),
        pd.date_range("2024", periods=119).append(pd.DatetimeIndex([None])),
    ):
        result = asked(pd.DataFrame(TABLE, index=index), ordered="rows")
        assert np.isfinite(result.to_dense()).all()


def test_a_frame_of_polars(by_rows: Completion) -> None:
    frame = pl.DataFrame({f"c{j}": [None if np.isnan(x) else x for x in TABLE[:, j]] for j in range(8)})
    result = asked(frame)
    assert order_of(result) == "rows"
    filled = result.to_frame()
    assert isinstance(filled, pl.DataFrame)
    np.testing.assert_allclose(filled.to_numpy(), by_rows.to_dense(), atol=1e-6)


def test_series_beside_each_other() -> None:
    """Four, row by row: the neighbours of a row are of other series."""
    rng = np.random.default_rng(0)
    truth = np.empty((240, 8))
    loadings = rng.normal(size=(2, 8))
    for k in range(4):
        truth[k::4] = walks(np.ones(60), 2, rng) @ loadings
    table = seen(truth, rng, 0.4)
    groups = np.tile(["north", "east", "south", "west"], 60)
    result, mixed = asked(table, groups=groups), asked(table)
    assert order_of(result) == "rows"
    assert error(result.to_dense(), truth, table) < 0.9 * error(mixed.to_dense(), truth, table)
    chain = result.model.posterior.rows.chain
    assert chain is not None
    np.testing.assert_array_equal(chain.series(), np.tile([0, 1, 2, 3], 60))
    # one after the other they are the same series
    stacked = asked(table[np.argsort(np.arange(240) % 4, kind="stable")], groups=np.repeat([1, 2, 3, 4], 60))
    assert order_of(stacked) == "rows"
    np.testing.assert_array_equal(stacked.model.posterior.rows.chain.steps, chain.steps)


def test_an_index_that_begins_again_is_several_series() -> None:
    table = np.vstack([TABLE[:60], TABLE[60:]])
    frame = pd.DataFrame(table, index=np.tile(np.arange(1960, 2020), 2))
    chain = asked(frame, ordered="rows").model.posterior.rows.chain
    assert chain is not None
    np.testing.assert_array_equal(np.flatnonzero(np.isinf(chain.steps)), [0, 60])


# -- other options ---------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bits(by_rows: Completion) -> None:
    for jobs in (1, 2):
        again = asked(TABLE, n_jobs=jobs)
        np.testing.assert_array_equal(again.to_dense("fitted"), by_rows.to_dense("fitted"))
        i, j = np.indices(TABLE.shape)
        np.testing.assert_array_equal(again.interval(i, j), by_rows.interval(i, j))


def test_weights() -> None:
    weights = np.random.default_rng(0).uniform(0.5, 2, TABLE.shape)
    result = asked(TABLE, weights=weights)
    assert order_of(result) == "rows"
    assert error(result.to_dense(), TRUTH, TABLE) < 0.4


def test_weights_of_nothing_and_of_much() -> None:
    """A cell that weighs nothing is a missing one; one that weighs much is met more closely."""
    weights = np.ones(TABLE.shape)
    table = np.where(HOLES, 0.0, TABLE)
    table[HOLES], weights[HOLES] = 1000.0, 0.0
    at = tuple(np.argwhere(~HOLES)[100])
    table[at] += 2.0
    results = []
    for weight in (1.0, 1000.0):
        weights[at] = weight
        results.append(asked(table, weights=weights, ordered="rows"))
    assert error(results[0].to_dense(), TRUTH, TABLE) < 0.4
    light, heavy = (abs(float(result.predict(*at)) - table[at]) for result in results)
    assert heavy < 0.5 * light


def test_bounds_and_a_logarithmic_scale() -> None:
    table = np.exp(TABLE / 4)
    most = float(np.nanquantile(table, 0.9))
    result = asked(table, scale="log", bounds=(None, most))
    assert order_of(result) == "rows"
    filled = result.to_dense()
    assert filled[HOLES].min() > 0 and filled[HOLES].max() <= most < np.nanmax(table)
    low, high = result.interval(*np.nonzero(HOLES))
    assert low.min() > 0 and high.max() <= most
    values, lower, upper = result.forecast(5)
    assert lower.min() > 0 and upper.max() <= most and np.all((lower <= values) & (values <= upper))


# -- how it ends -----------------------------------------------------------------------------------


def interrupted_while(phase: str) -> Callable[[Progress], None]:
    def callback(progress: Progress) -> None:
        if progress.phase == phase:
            raise KeyboardInterrupt

    return callback


def test_an_interrupt_delivers_the_answer_without_order(plain: Completion) -> None:
    result = asked(TABLE, callback=interrupted_while(ASKING))
    assert result.outcome is Outcome.INTERRUPTED
    assert (order_of(result), result.rank) == ("none", plain.rank)
    assert error(result.to_dense(), TRUTH, TABLE) < 1.5 * error(plain.to_dense(), TRUTH, TABLE)


@pytest.mark.parametrize("step", ["resemble", "split_in_gaps"])
def test_an_interrupt_before_any_fit(step: str, plain: Completion, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    place = "question" if step == "resemble" else "held_out"
    monkeypatch.setattr(importlib.import_module(f"rankfall.completion.ordered.{place}"), step, interrupt)
    result = asked(TABLE, folds=None)
    assert result.outcome is Outcome.INTERRUPTED
    assert (order_of(result), result.rank) == ("none", asked(TABLE, folds=None, ordered="none").rank)


def test_the_end_of_the_time_delivers_the_answer_without_order(
    plain: Completion, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, seconds = [0.0], Clock.seconds.fget
    monkeypatch.setattr(Clock, "seconds", property(lambda clock: seconds(clock) + late[0]))

    def callback(progress: Progress) -> None:
        late[0] = 1e6 if progress.phase == ASKING else late[0]

    result = asked(TABLE, max_time=1e5, callback=callback)
    assert result.outcome is Outcome.TIME_LIMIT
    assert (order_of(result), result.rank) == ("none", plain.rank)


def test_fits_that_are_chosen_have_converged() -> None:
    outcomes = [asked(series(80, 6, seed)[1], ordered="rows").outcome for seed in range(3)]
    assert outcomes.count(Outcome.CHOSEN) >= 2


# -- gaps ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gaps() -> tuple[np.ndarray, np.ndarray]:
    """Whole rows missing, up to 11 in a row, and a column without entries."""
    truth, table = series(200, 7, 3, missing=0.1)
    for start in (20, 60, 100, 140, 180):
        table[start : start + 11] = np.nan
    table[:, 6] = np.nan
    return truth, table


@pytest.fixture(scope="module")
def over_gaps(gaps: tuple[np.ndarray, np.ndarray]) -> Completion:
    return asked(gaps[1], folds=None)


def test_rows_without_entries_are_filled(gaps: tuple[np.ndarray, np.ndarray], over_gaps: Completion) -> None:
    truth, table = gaps
    assert order_of(over_gaps) == "rows"
    assert over_gaps.settings["held_out_in"] == "gaps like the missing ones"
    assert "at cells held out in gaps like the missing ones" in over_gaps.summary()
    filled = over_gaps.to_dense()
    assert np.isfinite(filled[:, :6]).all() and np.isnan(filled[:, 6]).all()
    assert [text for text in over_gaps.warnings if "row" in text] == []
    assert any("1 column without any entry" in text for text in over_gaps.warnings)
    whole = np.isnan(table).all(axis=1)
    spread = np.nanstd(table[:, :6], axis=0).mean()
    assert np.sqrt(np.mean((filled - truth)[whole, :6] ** 2)) < 0.8 * spread


def test_what_is_held_out_are_whole_rows_too(
    gaps: tuple[np.ndarray, np.ndarray], over_gaps: Completion
) -> None:
    held = over_gaps.model.held_out
    assert held is not None
    observed = ~np.isnan(gaps[1])
    rows, counts = np.unique(held.rows, return_counts=True)
    assert np.mean(counts[np.isin(rows, np.flatnonzero(observed.any(axis=1)))] >= 4) > 0.6
    assert observed[held.rows, held.cols].all()


def test_intervals_are_wider_the_farther_a_row_is_from_others(over_gaps: Completion) -> None:
    low, high = over_gaps.interval(np.arange(200)[:, None], np.arange(6))
    widths = (high - low).mean(axis=1)
    inside = np.mean([widths[start : start + 11] for start in (20, 60, 100, 140, 180)], axis=0)
    by_distance = (inside[:6] + inside[:-7:-1]) / 2
    assert np.all(np.diff(by_distance) > 0)
    assert inside.min() > np.median(widths[~np.isnan(over_gaps.problem.to_dense()).all(axis=1)])


def test_columns_without_entries_do_not_make_whole_columns_held_out() -> None:
    """Nor do those that are constant: neither is filled from neighbours."""
    for constant in (np.nan, 5.0):
        table = TABLE.copy()
        table[:, 7] = constant
        result = asked(table, ordered="rows")
        assert result.settings["held_out_in"] == "single cells"
        assert np.isnan(result.to_dense()[:, 7]).all() == np.isnan(constant)
        assert result.validation_rmse < 0.8 * np.nanstd(TABLE[:, :7])


# -- tall tables -----------------------------------------------------------------------------------


def test_tall_tables_are_asked_by_runs_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_sample, "_ENTRIES", 400)
    truth, table = series(4000, 4, 0, rank=1)
    table[2000:2004] = np.nan
    result, plain = (asked(table, max_rank=1, ordered=order) for order in ("auto", "none"))
    assert (order_of(result), order_of(plain)) == ("rows", "none")
    assert 400 < result.settings["rows_learned_from"] < 1000
    held = result.model.held_out
    assert held is not None
    seen_rows = np.unique(held.rows)
    # a few runs with wide gaps between them
    assert np.count_nonzero(np.diff(seen_rows) > 500) <= 3
    filled = result.to_dense()
    assert np.isfinite(filled).all()
    assert error(filled, truth, table) < 0.85 * error(plain.to_dense(), truth, table)
    chain = result.model.posterior.rows.chain
    assert chain is not None and chain.order.size == 4000
    low, high = result.interval(np.arange(1998, 2006), 0)
    assert np.all((high - low)[2:6] > (high - low)[[0, 7]].max())
    values, _, _ = result.forecast(3)
    assert values.shape == (3, 4)
