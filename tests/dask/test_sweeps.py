"""Kernels and their twins; a sweep beyond memory is a sweep of the variational fit in memory."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankfall as rf
from rankfall.completion.solvers.kernels import column_sums, reference, variational
from rankfall.completion.solvers.noise_model import NoiseModel
from rankfall.completion.solvers.posterior import compressed
from rankfall.completion.solvers.variational import VariationalFit
from rankfall.dask.blocks import Block, Layout, block_path, read_block, write_block
from rankfall.dask.scheduler import Scheduler
from rankfall.dask.state import Judged, Loaded, State, read_state, write_state
from rankfall.dask.sweep import Source, add, group_sums
from rankfall.dask.update import advance, singular_values, with_more, with_rank


def random_problem(m: int, n: int, seed: int) -> rf.Problem:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, 2)) @ rng.standard_normal((n, 2)).T + 0.3 * rng.standard_normal((m, n))
    X[rng.random((m, n)) < 0.4] = np.nan
    X[0, 0] = 1.0
    return rf.Problem.from_dense(X)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 30), st.integers(2, 12), st.integers(1, 6), st.booleans(), st.integers(0, 1000))
def test_kernels_agree_with_their_twins(m: int, n: int, K: int, shrinking: bool, seed: int) -> None:
    problem, rng = random_problem(m, n, seed), np.random.default_rng(seed)
    indptr, indices, values, weights = compressed(problem)
    weights = weights * rng.uniform(0.5, 2, weights.size)
    mean, free = rng.standard_normal((m, K)), np.arange(K - 1)
    second = variational.second_moments(mean, np.zeros((m, 0)), np.arange(0))
    results = []
    for module in (column_sums, reference):
        sums = [np.zeros((n, K * (K + 1) // 2)), np.zeros((n, K)), np.zeros(n)]
        module.add_sums(indptr, indices, values, weights, mean, second, *sums)
        out, noise, cov = np.ones((n, K)), np.ones((n, 2)), np.zeros((n, K * (K - 1) // 2))
        module.update_from_sums(
            *sums, problem.col_counts, free, K - 1, np.ones(K - 1), np.zeros(K - 1), 0.4,
            10.0 if shrinking else inf, 2, out, cov, noise,
        )  # fmt: skip
        results.append((*sums, out, cov, noise))
    for fast, slow in zip(*results, strict=True):
        np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-9)


def test_columns_from_sums_are_columns_from_cells() -> None:
    problem, K, rng = random_problem(40, 9, 3), 4, np.random.default_rng(3)
    mean, cov, free = rng.standard_normal((40, K)), rng.random((40, 10)), np.arange(K)
    second = variational.second_moments(mean, cov, free)
    sums = [np.zeros((9, K * (K + 1) // 2)), np.zeros((9, K)), np.zeros(9)]
    column_sums.add_sums(*compressed(problem), mean, second, *sums)
    results = []
    for by_sums in (True, False):
        out, packed, noise = np.zeros((9, K)), np.zeros((9, 10)), np.ones((9, 2))
        common = (free, -1, np.ones(K), np.zeros(K), 0.4, 20.0, 2, out, packed, noise)
        if by_sums:
            column_sums.update_from_sums(*sums, problem.col_counts, *common)
        else:
            variational.update_rows(*compressed(problem.T), mean, second, *common)
        results.append((out, packed, noise))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10)


# -- a whole sweep -----------------------------------------------------------------------------------------


def blocks_of(problem: rf.Problem, folder: Path, edges: list[int]) -> Layout:
    """The cells of a problem as blocks without held-out cells."""
    layout = Layout(np.array(edges), problem.n_cols, False)
    (folder / "cells").mkdir(exist_ok=True)
    for b in range(layout.n_blocks):
        here = (problem.rows >= edges[b]) & (problem.rows < edges[b + 1])
        rows = (problem.rows[here] - edges[b]).astype(np.int32)
        cols, values = problem.cols[here].astype(np.int32), problem.values[here]
        block = Block(edges[b + 1] - edges[b], rows, cols, values, np.zeros(rows.size, bool), None)
        write_block(block_path(folder, b), block, {"n": float(rows.size)})
    return layout


def first_state(n: int, rank: int, effects: tuple[bool, bool], prior_cells: float, seed: int) -> State:
    rng = np.random.default_rng(seed)
    by_row, by_col = effects
    F = rank + by_col
    mean = np.zeros((n, rank + by_row + by_col))
    mean[:, :rank] = rng.standard_normal((n, rank))
    if by_row:
        mean[:, rank] = 1.0
    noise = np.column_stack([np.ones(n), np.zeros(n)])
    return State(
        rank, by_row, by_col, mean, np.zeros((n, F * (F + 1) // 2)), noise, np.ones(rank + by_row),
        np.ones(F), 0.5, prior_cells, np.ones(n), np.ones(n, bool),
    )  # fmt: skip


def swept(problem: rf.Problem, state: State, folder: Path, edges: list[int]):
    layout = blocks_of(problem, folder, edges)
    path = folder / "state.npz"
    write_state(path, Judged(state, np.zeros((0, 3)), np.zeros(state.rank)))
    source = Source(str(folder), str(path), path.stat().st_mtime_ns, layout, 0.0, 1.0)
    groups = layout.groups()
    items = [(k, group, len(groups)) for k, group in enumerate(groups)]
    return Scheduler().reduce(group_sums, add, items, source, False)


@pytest.mark.parametrize("effects", [(False, False), (True, True), (True, False), (False, True)])
@pytest.mark.parametrize("prior_cells", [inf, 20.0])
def test_a_sweep_is_that_of_the_fit_in_memory(
    tmp_path: Path, effects: tuple[bool, bool], prior_cells: float
) -> None:
    problem = random_problem(50, 12, 5)
    state = first_state(12, 2, effects, prior_cells, 1)
    sums = swept(problem, state, tmp_path, [0, 10, 31, 50])
    fitter = VariationalFit(problem, *effects, np.ones(12))
    start = fitter.start(state.mean[:, :2], state.noise, NoiseModel(prior_cells))
    if prior_cells < inf:  # rows are folded in anew in every sweep
        start = fitter.fold_rows(replace(start, noise=state.noise, rows=replace(
            start.rows, prior=np.ones(2 + effects[0]))))  # fmt: skip
        prior = 50 / np.array([sums.gram[k * (k + 3) // 2] for k in state.row_free])
        noise = sums.totals[0] / sums.totals[1]
        start = replace(start, noise=float(noise), rows=replace(start.rows, prior=prior))
    then = fitter._turn(start, 1)
    found = advance(state, sums)
    np.testing.assert_allclose(found.noise, then.noise, rtol=1e-9)
    # coordinates are turned
    left = Loaded.of(found).second[:, :3] @ [1, 0, 1]
    assert left.shape == (12,)
    if effects[1]:
        np.testing.assert_allclose(found.mean[:, -1], then.cols.mean[:, -1], rtol=1e-7, atol=1e-9)
    cells = problem.rows, problem.cols
    rows = fitter.fold_rows(then).rows.mean
    turned = np.linalg.lstsq(then.cols.mean[:, :2], found.mean[:, :2], rcond=None)[0]
    np.testing.assert_allclose(then.cols.mean[:, :2] @ turned, found.mean[:, :2], atol=1e-9)
    back = rows[:, :2] @ np.linalg.inv(turned).T
    np.testing.assert_allclose(
        np.einsum("kr,kr->k", back[cells[0]], found.mean[cells[1], :2]),
        np.einsum("kr,kr->k", rows[cells[0], :2], then.cols.mean[cells[1], :2]),
        atol=1e-9,
    )


def test_sums_do_not_depend_on_the_blocks_but_for_rounding(tmp_path: Path) -> None:
    problem, state = random_problem(50, 12, 5), first_state(12, 2, (True, True), inf, 1)
    one, other = (swept(problem, state, tmp_path, edges) for edges in ([0, 50], [0, 7, 8, 30, 50]))
    for name in ("second", "first", "squares", "cells", "due", "gram", "totals"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-10)


def test_turned_coordinates_are_uncorrelated_on_both_sides(tmp_path: Path) -> None:
    problem, state = random_problem(60, 15, 6), first_state(15, 3, (False, True), inf, 2)
    for _ in range(8):
        sums = swept(problem, state, tmp_path, [0, 20, 60])
        before, state = state, advance(state, sums)
    second = Loaded.of(state).second.sum(axis=0)
    grams = [reference.unpack(second, 4)[:3, :3]]
    grams.append(reference.unpack(swept(problem, state, tmp_path, [0, 20, 60]).gram, 4)[:3, :3])
    np.testing.assert_allclose(
        grams[0] / np.sqrt(np.outer(np.diag(grams[0]), np.diag(grams[0]))), np.eye(3), atol=1e-9
    )
    assert np.all(np.diff(np.diag(grams[0])) < 0)
    # the strengths are those of the products of posterior means, nearly: moments hold variances, too
    s = singular_values(before, sums)
    assert np.all(s > 0)
    assert np.all(np.diff(s) < 0)


def test_fewer_and_more_factors() -> None:
    state = first_state(10, 3, (True, True), inf, 4)
    rng = np.random.default_rng(0)
    state = replace(
        state, cov=rng.random(state.cov.shape), row_prior=np.arange(1.0, 5), col_prior=np.arange(2.0, 6)
    )
    more = with_more(state, 5, rng)
    assert more.rank == 5
    assert (more.mean[:, -2] == 1).all()
    back = with_rank(more, 3)
    for name in ("mean", "cov", "row_prior", "col_prior"):
        np.testing.assert_array_equal(getattr(back, name), getattr(state, name))
    full = [reference.unpack(part.cov[0], part.col_free.size) for part in (state, more)]
    kept = [0, 1, 2, 5]
    np.testing.assert_array_equal(full[1][np.ix_(kept, kept)], full[0])
    assert with_rank(state, 0).mean.shape == (10, 2)


def test_a_state_comes_back(tmp_path: Path) -> None:
    state = replace(first_state(10, 3, (True, False), 20.0, 4), history=(0.5, 0.4), sweeps=7)
    judged = Judged(state, np.ones((2, 3)), np.array([3.0, 2.0, 1.0]))
    write_state(tmp_path / "s.npz", judged)
    found = read_state(tmp_path / "s.npz")
    assert (found.rmse, found.mae, found.error) == (1.0, 1.0, 1.0)
    for name in vars(state):
        np.testing.assert_array_equal(getattr(found.state, name), getattr(state, name))


def test_damaged_blocks_are_refused(tmp_path: Path) -> None:
    problem = random_problem(20, 5, 1)
    layout = blocks_of(problem, tmp_path, [0, 20])
    block = read_block(tmp_path, 0, layout)
    np.testing.assert_array_equal(block.values, problem.values)
    for change, match in [
        ({"cols": block.cols + 3}, "outside the table"),
        ({"rows": block.rows[::-1].copy()}, "outside the table|not sorted"),
        ({"values": np.full(block.rows.size, np.nan)}, "not finite"),
        ({"weights": np.zeros(block.rows.size)}, "not positive"),
    ]:
        write_block(block_path(tmp_path, 0), replace(block, **change), {})
        with pytest.raises(rf.InputError, match=match):
            read_block(tmp_path, 0, layout)
    block_path(tmp_path, 0).write_bytes(b"ARROW1 no more")
    with pytest.raises(rf.InputError, match="cannot be read as a block of cells"):
        read_block(tmp_path, 0, layout)
