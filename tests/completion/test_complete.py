"""complete(): recovery, choice of rank, honesty about what cannot be known, files."""

from __future__ import annotations

import importlib
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import rankfall as rf
from rankfall.errors import Outcome


def relative_error(result, truth):
    return np.linalg.norm(result.to_dense(observed="fitted") - truth) / np.linalg.norm(truth)


@pytest.fixture(scope="module")
def clean():
    return rf.datasets.low_rank((40, 30), rank=3, oversampling=2.0, seed=0)


@pytest.fixture(scope="module")
def exact(clean):
    return rf.complete(clean[0], seed=0)


@pytest.fixture(scope="module")
def noisy():
    return rf.datasets.low_rank((60, 50), rank=3, observed=0.5, noise=0.1, seed=0)


@pytest.fixture(scope="module")
def chosen(noisy):
    return rf.complete(noisy[0], seed=0)


# -- recovery --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_single_precision_counts_as_exact(seed):
    problem, truth = rf.datasets.low_rank((40, 30), rank=3, oversampling=1.6, seed=seed)
    result = rf.complete(problem.to_dense().astype(np.float32), seed=0)
    assert (result.outcome, result.rank) == (Outcome.EXACT, 3)
    assert relative_error(result, truth) < 1e-5


def test_more_noise_than_single_precision_is_noise():
    problem, _ = rf.datasets.low_rank((40, 30), rank=3, oversampling=3.0, noise=1e-5, seed=0)
    assert rf.complete(problem.to_dense().astype(np.float32), seed=0).outcome is Outcome.CHOSEN


def test_clean_data_are_recovered_to_machine_precision_with_their_rank(clean, exact):
    assert exact.rank == 3
    assert exact.outcome is Outcome.EXACT
    assert relative_error(exact, clean[1]) < 1e-9
    assert exact.identifiability.local.unique
    assert exact.warnings == ()
    U, s, Vt = exact.factors
    np.testing.assert_allclose(U.T @ U, np.eye(3), atol=1e-12)
    np.testing.assert_allclose((U * s) @ Vt, exact.to_dense(observed="fitted"), atol=1e-10)


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
def test_scaling_the_data_changes_nothing_else(clean, scale):
    problem, truth = clean
    result = rf.complete(problem.with_values(problem.values * scale), seed=0)
    assert result.rank == 3
    assert relative_error(result, truth * scale) < 1e-9


def test_transposed_or_permuted_data_give_the_same_answer(clean):
    problem, truth = clean
    transposed = rf.complete(problem.T, seed=0)
    assert transposed.rank == 3
    assert relative_error(transposed, truth.T) < 1e-9
    rng = np.random.default_rng(1)
    rows, cols = rng.permutation(40), rng.permutation(30)
    permuted = rf.complete(problem.to_dense()[rows][:, cols], seed=0)
    assert permuted.rank == 3
    assert relative_error(permuted, truth[rows][:, cols]) < 1e-9


@pytest.mark.parametrize("change", ["scale", "transpose", "permute"])
def test_the_rank_of_noisy_data_does_not_depend_on_units_or_order(noisy, chosen, change):
    X = noisy[0].to_dense()
    rng = np.random.default_rng(2)
    X = {"scale": 1e3 * X, "transpose": X.T, "permute": X[rng.permutation(60)][:, rng.permutation(50)]}[
        change
    ]
    assert rf.complete(X, seed=0).rank == chosen.rank == 3


def test_ill_conditioned_data_keep_all_their_factors():
    problem, truth = rf.datasets.low_rank((40, 40), rank=3, oversampling=2.0, condition=100.0, seed=1)
    result = rf.complete(problem, seed=0)
    assert result.rank == 3
    assert relative_error(result, truth) < 1e-8


def test_an_exact_fit_of_too_large_a_rank_is_not_taken():
    # one rank too many always fits: a row factor times a column factor that meet in missing cells only
    problem, truth = rf.datasets.low_rank((20, 20), rank=2, oversampling=2.0, seed=4)
    result = rf.complete(problem, seed=4)
    assert result.rank == 2
    assert relative_error(result, truth) < 1e-9


def test_every_container_gives_the_same_result(clean, exact):
    problem = clean[0]
    X = problem.to_dense()
    for other in (X, pd.DataFrame(X), problem.to_sparse(), sparse.coo_array(problem.to_sparse())):
        np.testing.assert_array_equal(rf.complete(other, seed=0).to_dense(), exact.to_dense())


def test_the_same_seed_gives_the_same_bits_with_any_number_of_threads(noisy, chosen):
    again = rf.complete(noisy[0], seed=0, n_jobs=1)
    np.testing.assert_array_equal(again.to_dense(), chosen.to_dense())


# -- noise -----------------------------------------------------------------------------------------


def test_noisy_data_get_their_rank_and_an_honest_error(noisy, chosen):
    problem, truth = noisy
    assert chosen.outcome is Outcome.CHOSEN
    assert chosen.rank == 3
    hidden = np.isnan(problem.to_dense())
    error = np.sqrt(np.mean((chosen.to_dense() - truth)[hidden] ** 2))
    noise = 0.1 * truth.std()
    assert error < 0.6 * noise
    # validation error: the error of the completion and the noise of the held-out cells themselves
    assert chosen.validation_rmse == pytest.approx(np.hypot(error, noise), rel=0.25)


def test_the_path_tells_what_was_visited(chosen):
    path = chosen.path
    assert list(path["rank"]) == sorted(set(path["rank"]))
    assert path["chosen"].sum() == 1
    taken = path[path["chosen"]].iloc[0]
    # no smaller rank comes near, and no larger one is much better
    assert taken["validation"] < 1.05 * path["validation"].min()
    assert np.all(path.loc[path["rank"] < taken["rank"], "validation"] > 2 * taken["validation"])
    visited = path[path["sgd_train"].notna()]
    assert len(visited) >= 2
    assert np.all(visited["sgd_train"] >= visited["train"] * 0.9)
    assert chosen.history["singular_values"].shape[0] == chosen.history["step"].size


def test_effects_are_found_where_there_are_only_effects():
    rng = np.random.default_rng(0)
    X = 5 + rng.standard_normal((50, 1)) + rng.standard_normal((1, 40)) + 0.1 * rng.standard_normal((50, 40))
    X[rng.random(X.shape) < 0.3] = np.nan
    result = rf.complete(X, seed=0)
    assert result.rank == 0
    assert result.outcome is Outcome.EFFECTS_ONLY
    assert result.validation_rmse < 0.15


def test_without_a_low_rank_part_the_error_is_that_of_what_is_delivered(noisy):
    problem = noisy[0]  # a model without effects suits these data best
    result = rf.complete(problem, seed=0, max_rank=0)
    assert result.outcome is Outcome.EFFECTS_ONLY
    assert result.settings["effects"] in ("mean", "columns", "both")
    assert result.validation_rmse == pytest.approx(result.train_rmse, rel=0.2)
    # no cell of the identity but the diagonal says anything, and the mean is not right at the others
    assert rf.complete(np.eye(12), seed=0, max_rank=0).validation_rmse > 0


def test_nothing_of_the_size_of_the_matrix_is_formed(monkeypatch):
    from rankfall.completion.descent.plan import Plan, plan
    from rankfall.completion.noisy import search_ranks

    def short(*args, **kwargs):
        settings = plan(*args, **kwargs)
        return Plan(settings.width, settings.lr, settings.ridges[:2], 40, settings.n_chains)

    monkeypatch.setattr(importlib.import_module("rankfall.completion.exact.search"), "plan", short)
    monkeypatch.setattr(search_ranks, "plan", short)
    rng = np.random.default_rng(0)
    shape, n_cells = (20_000, 15_000), 150_000  # 2.4 GB as a dense array
    rows, cols = (rng.integers(0, size, n_cells) for size in shape)
    problem = rf.Problem.from_triplets(rows, cols, rng.standard_normal(n_cells), shape, duplicates="mean")
    tracemalloc.start()
    result = rf.complete(problem, seed=0, max_time=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.isfinite(result.predict(problem.rows[:9], problem.cols[:9])).all()
    assert peak < 1e9


def test_new_rows_are_folded_in_as_the_old_ones_were(noisy, chosen):
    X = noisy[0].to_dense()
    np.testing.assert_allclose(chosen.transform(X), chosen.to_dense(), rtol=1e-6, atol=1e-9)
    folded = chosen.transform(sparse.coo_array(noisy[0].to_sparse()))
    np.testing.assert_allclose(folded, chosen.to_dense(), rtol=1e-6, atol=1e-9)
    with pytest.raises(rf.InputError, match="columns"):
        chosen.transform(X[:, :5])
    with pytest.raises(rf.InputError, match="complex"):
        chosen.transform(X + 1j)
    with pytest.raises(rf.InputError, match="do not go together"):
        chosen.predict(np.array([1, 2]), np.array([1, 2, 3]))


def test_exact_completions_fold_in_new_rows(clean, exact):
    truth = clean[1]
    new = np.random.default_rng(0).standard_normal((4, 3)) @ np.linalg.svd(truth)[2][:3]
    holed = new.copy()
    holed[:, ::2] = np.nan
    np.testing.assert_allclose(exact.transform(holed), new, atol=1e-8)


def mixed_table(noise, seed=0):
    """Weather-like columns of very different units that hang together, and a count."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((80, 2)) @ rng.standard_normal((2, 8)) + noise * rng.standard_normal((80, 8))
    return X * [5, 8, 0.1, 3e6, 20, 1e-3, 1, 400] + [15, 1000, 3, 1e7, 50, 0.2, 0, 0]


def test_columns_of_different_units_each_count_alike():
    X = mixed_table(noise=0.1)
    holes = X.copy()
    hidden = np.random.default_rng(1).random(X.shape) < 0.2
    holes[hidden] = np.nan
    result = rf.complete(holes, seed=0)
    assert result.rank == 2
    assert any("different units" in warning for warning in result.warnings)
    filled, spread = result.to_dense(), X.std(axis=0)
    for j in range(8):
        error = np.sqrt(np.mean((filled - X)[hidden[:, j], j] ** 2)) / spread[j]
        assert error < 0.5
    np.testing.assert_allclose(result.transform(holes), filled, rtol=1e-6, atol=1e-9)
    assert 0.02 < result.train_rmse < 0.3  # in standard deviations, not dominated by the count


def test_exact_data_of_mixed_units_are_exact_in_every_column():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 20)) * np.geomspace(1e-4, 1e5, 20)
    holes = X.copy()
    holes[rng.random(X.shape) < 0.5] = np.nan
    result = rf.complete(holes, seed=0)
    assert (result.rank, result.outcome) == (2, Outcome.EXACT)
    assert np.all(np.abs(result.to_dense() - X) < 1e-8 * np.abs(X).max(axis=0))


def test_nearly_noiseless_data_are_refitted_well():
    """The third digit is rounded: of tables so small about one in five keeps a rank too many."""
    ranks = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((20, 2)) @ rng.standard_normal((2, 12))
        holes = np.round(X, 3)
        holes[rng.random(X.shape) < 0.25] = np.nan
        result = rf.complete(holes, seed=seed)
        assert np.sqrt(np.mean((result.to_dense() - X) ** 2)) < 1e-3
        ranks.append(result.rank)
    assert np.median(ranks) == 2


def test_one_huge_cell_does_not_make_a_fit_exact(noisy):
    X = noisy[0].to_dense()
    X[np.isnan(X)] = 0.0
    X[0, 0] = 1e12
    assert rf.complete(X, seed=0).outcome is not Outcome.EXACT


def test_lines_of_zeros_do_not_hide_an_exact_fit(clean):
    problem, truth = clean
    X = problem.to_dense()
    zero = np.vstack([X, np.zeros(30)])
    result = rf.complete(zero, seed=0)
    assert (result.rank, result.outcome) == (3, Outcome.EXACT)
    np.testing.assert_allclose(result.to_dense()[:40], truth, atol=1e-8)


def test_a_constant_column_is_filled_with_its_constant():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_normal((40, 5)), np.full(40, 7.0)])
    X[rng.random(X.shape) < 0.2] = np.nan
    np.testing.assert_allclose(rf.complete(X, seed=0).to_dense()[:, 5], 7.0, atol=0.02)


# -- honesty ---------------------------------------------------------------------------------------


def test_what_cannot_be_known_stays_empty_unless_asked(clean):
    X = clean[0].to_dense()
    X[5], X[:, 7] = np.nan, np.nan
    result = rf.complete(X, seed=0)
    assert np.isnan(result.to_dense()[5]).all()
    assert np.isnan(result.to_dense()[:, 7]).all()
    assert np.isnan(result.predict(5, 0))
    assert "1 row and 1 column without any entry" in result.warnings[0]
    filled = rf.complete(X, seed=0, fill="effects")
    assert np.isfinite(filled.to_dense()).all()


def test_disconnected_blocks_are_reported_and_left_empty():
    rng = np.random.default_rng(0)
    X = np.full((12, 12), np.nan)
    X[:6, :6] = np.outer(rng.standard_normal(6), rng.standard_normal(6))
    X[6:, 6:] = np.outer(rng.standard_normal(6), rng.standard_normal(6))
    result = rf.complete(X, seed=0)
    assert any("2 blocks" in warning for warning in result.warnings)
    assert np.isnan(result.to_dense()[:6, 6:]).all()
    np.testing.assert_array_equal(result.to_dense()[:6, :6], X[:6, :6])


def test_a_fit_that_is_not_locally_unique_says_so():
    # no cell tells more than the factors of its own line in this column
    rng = np.random.default_rng(1)
    X = rng.standard_normal((20, 2)) @ rng.standard_normal((2, 20))
    X[3:, 0] = np.nan
    X[2, 0] = np.nan
    X[1, 0] = np.nan
    result = rf.complete(X, seed=0)
    assert any("fewer entries than the rank" in warning for warning in result.warnings)
    assert result.identifiability.local.n_free_cells == 19


@pytest.mark.parametrize(
    ("X", "rank"),
    [(np.full((6, 5), 3.0), 1), (np.zeros((6, 5)), 0)],
    ids=["constant", "zero"],
)
def test_trivial_matrices(X, rank):
    X = X.copy()
    X[1, 2] = X[3, 3] = np.nan
    result = rf.complete(X, seed=0)
    assert result.rank == rank
    assert result.outcome is Outcome.EXACT
    np.testing.assert_allclose(result.to_dense(), X[0, 0])


@pytest.mark.parametrize("transposed", [False, True])
def test_a_pursuit_starts_on_centred_data_too(transposed):
    from rankfall.completion.exact.pursuit import with_leading_direction

    X = np.tile([[1.0, -1.0]], (6, 3))
    problem = rf.Problem.from_dense(X.T if transposed else X)
    U, s, V = with_leading_direction(problem, None)
    np.testing.assert_allclose((U * s) @ V.T, problem.to_dense(), atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 8), (8, 1), (1, 1), (2, 2)])
def test_tiny_matrices_are_handled(shape):
    X = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    if X.size > 1:
        X.flat[-1] = np.nan
    result = rf.complete(X, seed=0)
    known = ~np.isnan(X)
    np.testing.assert_array_equal(result.to_dense()[known], X[known])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"seed": -1}, "seed"),
        ({"max_rank": -1}, "max_rank"),
        ({"max_time": 0}, "max_time"),
        ({"max_time": "z"}, "max_time"),
        ({"n_jobs": 0}, "n_jobs"),
        ({"fill": "zeros"}, "fill"),
    ],
)
def test_bad_arguments_are_named(clean, arguments, match):
    with pytest.raises(rf.InputError, match=match):
        rf.complete(clean[0], **arguments)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_data_whose_squares_leave_the_range_of_floats_are_no_different(noisy, chosen, scale):
    problem = noisy[0]
    result = rf.complete(problem.with_values(problem.values * scale), seed=0)
    assert result.rank == chosen.rank
    assert result.train_rmse / scale == pytest.approx(chosen.train_rmse, rel=1e-3)
    X = problem.to_dense() * scale
    np.testing.assert_allclose(result.transform(X) / scale, result.to_dense() / scale, rtol=1e-6, atol=1e-9)


def test_new_rows_come_in_every_container(noisy, chosen):
    X = noisy[0].to_dense()[:3]
    expected = chosen.transform(X)
    masked = np.ma.array(np.nan_to_num(X, nan=99.0), mask=np.isnan(X))
    np.testing.assert_array_equal(chosen.transform(masked), expected)
    np.testing.assert_array_equal(chosen.transform(pd.DataFrame(X).convert_dtypes()), expected)


def test_a_new_row_says_nothing_about_blocks_that_it_does_not_meet():
    rng = np.random.default_rng(0)
    X = np.full((12, 13), np.nan)  # the last column is empty
    X[:6, :6] = np.outer(rng.standard_normal(6), rng.standard_normal(6))
    X[6:, 6:12] = np.outer(rng.standard_normal(6), rng.standard_normal(6))
    row = np.full((2, 13), np.nan)
    row[0, :4] = X[0, :4]
    result = rf.complete(X, seed=0)
    with pytest.warns(UserWarning, match="1 new row has no entry"):
        filled = result.transform(row)
    np.testing.assert_allclose(filled[0, :6], X[0, :6])
    assert np.isnan(filled[0, 6:]).all()
    assert np.isfinite(filled[1, :12]).all() and np.isnan(filled[1, 12])
    with pytest.warns(UserWarning, match="1 new row has no entry"):
        filled = rf.complete(X, seed=0, fill="effects").transform(row)
    assert np.isfinite(filled).all()
    assert np.all(filled[1] != 0)


# -- stopping --------------------------------------------------------------------------------------


def test_max_time_returns_the_best_so_far(noisy):
    result = rf.complete(noisy[0], seed=0, max_time=1e-3)
    assert result.outcome is Outcome.TIME_LIMIT
    assert not result.outcome.converged
    assert np.isfinite(result.to_dense()).all()


def test_interrupting_returns_the_best_so_far(noisy):
    def stop(progress):
        if progress.phase == "refitting the ranks met" and progress.validation_rmse is not None:
            raise KeyboardInterrupt

    result = rf.complete(noisy[0], seed=0, callback=stop)
    assert result.outcome is Outcome.INTERRUPTED
    assert result.rank > 0
    assert np.isfinite(result.to_dense()).all()


def test_progress_is_reported_in_the_units_of_the_data(noisy, chosen):
    seen = []
    problem = noisy[0]
    rf.complete(problem.with_values(problem.values * 1e3), seed=0, callback=seen.append)
    errors = [progress.validation_rmse for progress in seen if progress.validation_rmse is not None]
    distance = np.abs(np.array(errors) / (1e3 * chosen.validation_rmse) - 1)
    assert distance.min() < 1e-6


def test_divergence_is_survived(noisy, monkeypatch):
    from rankfall.completion.descent import descend
    from rankfall.completion.descent.plan import Plan, plan
    from rankfall.completion.noisy import search_ranks

    def too_fast(*args, **kwargs):
        settings = plan(*args, **kwargs)
        return Plan(settings.width, 50 * settings.lr, settings.ridges, settings.steps, settings.n_chains)

    monkeypatch.setattr(importlib.import_module("rankfall.completion.exact.search"), "plan", too_fast)
    monkeypatch.setattr(search_ranks, "plan", too_fast)
    monkeypatch.setattr(descend, "_typical_kernel", lambda *args: 1e-9)
    assert rf.complete(noisy[0], seed=0).rank == 3


# -- files -----------------------------------------------------------------------------------------


def test_results_survive_the_disk(tmp_path, chosen):
    chosen.save(tmp_path / "c.npz")
    back = rf.load(tmp_path / "c.npz")
    assert (back.rank, back.outcome, back.warnings) == (chosen.rank, chosen.outcome, chosen.warnings)
    np.testing.assert_array_equal(back.to_dense(), chosen.to_dense())
    pd.testing.assert_frame_equal(back.path, chosen.path)
    assert back.settings == chosen.settings
    np.testing.assert_array_equal(
        back.transform(chosen.problem.to_dense()), chosen.transform(chosen.problem.to_dense())
    )


def test_labels_of_a_frame_are_kept(tmp_path, clean):
    frame = pd.DataFrame(clean[0].to_dense(), columns=[f"c{k}" for k in range(30)])
    result = rf.complete(frame, seed=0)
    assert result.col_names == tuple(frame.columns)
    np.testing.assert_allclose(result.transform(frame), result.to_dense(), atol=1e-8)
    with pytest.raises(rf.InputError, match="order"):
        result.transform(frame.iloc[:, ::-1])
    result.save(tmp_path / "c.npz")
    assert rf.load(tmp_path / "c.npz").col_names == tuple(frame.columns)


def test_foreign_files_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.ones(3))
    with pytest.raises(rf.InputError):
        rf.load(tmp_path / "x.npz")


def test_new_rows_that_cannot_be_read(exact):
    """Cells stored twice, and dates, which pandas would turn into numbers, are refused."""
    twice = sparse.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(1, exact.shape[1]))
    with pytest.raises(rf.InputError, match="twice"):
        exact.transform(twice)
    dates = pd.DataFrame(np.ones((1, exact.shape[1])))
    dates[0] = pd.Timestamp("2020-01-01")
    with pytest.raises(rf.InputError, match="dates"):
        exact.transform(dates)


def test_an_exact_fit_that_determines_nothing_is_not_believed():
    """Nine copies of a column and four columns of noise: more unknowns than independent equations, though the
    cells suffice by number.
    """
    rng = np.random.default_rng(0)
    table = np.hstack([np.repeat(rng.standard_normal((24, 1)), 9, axis=1), rng.standard_normal((24, 4))])
    table[rng.random(table.shape) < 1 / 3] = np.nan
    result = rf.complete(table, seed=0)
    assert result.outcome is Outcome.CHOSEN
    assert any("says nothing about them" in warning for warning in result.warnings)


def test_stations_that_share_a_sensor_are_not_taken_for_exact_data():
    table = rf.datasets.beijing("temperature").loc["2014-06-01":"2014-07-31"].iloc[:, ::8].to_numpy()
    hidden = np.random.default_rng(0).random(table.shape) < 1 / 3
    result = rf.complete(np.where(hidden, np.nan, table), seed=0)
    assert result.outcome is Outcome.CHOSEN
    assert np.sqrt(np.nanmean((result.to_dense() - table)[hidden] ** 2)) < 1
