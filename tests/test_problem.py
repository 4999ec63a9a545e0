"""Reading, validating and describing the observed entries of a matrix."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from scipy.sparse.csgraph import connected_components

import rankfall as rf
from rankfall import InputError, Problem

cells = st.one_of(st.just(np.nan), st.floats(-1e6, 1e6), st.just(0.0))
tables = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=cells).filter(
    lambda X: not np.isnan(X).all()
)


def same(one: Problem, other: Problem) -> None:
    assert one.shape == other.shape
    for name in ("rows", "cols", "values"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert getattr(one, name).dtype == getattr(other, name).dtype


# -- readers


@given(tables, st.randoms(use_true_random=False))
def test_every_container_gives_the_same_problem(X, random):
    problem = Problem.from_dense(X)
    order = list(range(problem.n_observed))
    random.shuffle(order)
    rows, cols, values = problem.rows[order], problem.cols[order], problem.values[order]
    same(problem, Problem.from_triplets(rows, cols, values, X.shape))
    for kind in (sparse.coo_array, sparse.coo_matrix):
        stored = kind((values, (rows, cols)), shape=X.shape)
        for form in ("coo", "csr", "csc"):
            same(problem, Problem.from_sparse(stored.asformat(form)))
    same(problem, Problem.from_frame(pd.DataFrame(X)))
    same(problem, Problem.from_dense(np.ma.masked_invalid(X)))
    for container in (X, X.tolist(), pd.DataFrame(X), problem.to_sparse(), problem):
        same(problem, Problem.coerce(container))


@given(tables)
def test_dense_and_sparse_forms_come_back(X):
    problem = Problem.from_dense(X)
    np.testing.assert_array_equal(problem.to_dense(), X)
    same(problem, Problem.from_sparse(problem.to_sparse()))
    assert problem.to_sparse().nnz == problem.n_observed  # explicit zeros are kept


def test_explicit_zeros_are_observed():
    stored = sparse.csr_array(([0.0, 2.0], ([0, 1], [1, 0])), shape=(2, 2))
    np.testing.assert_array_equal(Problem.from_sparse(stored).to_dense(), [[np.nan, 0], [2, np.nan]])


@given(tables)
def test_entries_are_sorted_by_row_then_column_without_repeats(X):
    problem = Problem.from_dense(X)
    place = problem.rows * problem.n_cols + problem.cols
    assert np.all(np.diff(place) > 0)


def test_shape_of_triplets_defaults_to_the_smallest():
    assert Problem.from_triplets([0, 4], [2, 1], [1.0, 2.0]).shape == (5, 3)


def test_whole_numbers_stored_as_floats_are_positions():
    same(Problem.from_triplets([0.0, 1.0], [1, 0], [1, 2]), Problem.from_triplets([0, 1], [1, 0], [1.0, 2.0]))


def test_frames_of_many_kinds():
    frame = pd.DataFrame(
        {
            "float": [1.0, np.nan],
            "int": [1, 2],
            "nullable": pd.array([None, 3], dtype="Int64"),
            "bool": [True, False],
            "object": [None, 5],
            "sparse": pd.arrays.SparseArray([np.nan, 7.0]),
        },
        index=["a", "b"],
    )
    expected = [[1, 1, np.nan, 1, np.nan, np.nan], [np.nan, 2, 3, 0, 5, 7]]
    np.testing.assert_array_equal(Problem.coerce(frame).to_dense(), expected)


def test_the_callers_arrays_are_neither_kept_nor_frozen():
    rows, cols, values = np.array([0, 1]), np.array([0, 1]), np.array([1.0, 2.0])
    problem = Problem.from_triplets(rows, cols, values)
    moved = problem.with_values(values)
    values[0], rows[0] = 9.0, 1
    assert problem.values[0] == moved.values[0] == 1.0
    assert problem.rows[0] == 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.shape = (3, 3)
    with pytest.raises(ValueError, match="read-only"):
        problem.values[0] = 3.0


# -- duplicates


def test_equal_duplicates_are_merged():
    problem = Problem.from_triplets([1, 0, 1], [0, 0, 0], [0.1, 2.0, 0.1])
    np.testing.assert_array_equal(problem.values, [2.0, 0.1])
    same(problem, Problem.from_triplets([1, 0, 1], [0, 0, 0], [0.1, 2.0, 0.1], duplicates="mean"))


def test_three_equal_values_stay_what_they_were():
    """The mean of three 0.1 is not 0.1 in floating point."""
    problem = Problem.from_triplets([0] * 3, [0] * 3, [0.1] * 3, duplicates="mean")
    assert problem.values[0] == 0.1


def test_disagreeing_duplicates():
    triplets = ([0, 2, 2], [0, 1, 1], [1.0, 2.0, 4.0])
    with pytest.raises(InputError, match=r"Row 2, column 1 is given twice with different values \(2 and 4\)"):
        Problem.from_triplets(*triplets)
    np.testing.assert_array_equal(Problem.from_triplets(*triplets, duplicates="mean").values, [1, 3])


def test_a_missing_value_does_not_disagree():
    np.testing.assert_array_equal(Problem.from_triplets([0, 0], [0, 0], [np.nan, 2.0]).values, [2])


# -- bad input: one clear sentence each


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Problem.from_dense(np.full((2, 3), np.nan)), "no observed entry"),
        (lambda: Problem.from_dense([[1.0, np.inf]]), "row 0, column 1 is infinite"),
        (
            lambda: Problem.from_dense([[-np.inf, np.inf]]),
            r"column 0 is infinite \(2 infinite cells in all\)",
        ),
        (lambda: Problem.from_dense(np.ones(3)), "has two dimensions; this array has 1"),
        (lambda: Problem.from_dense(np.ones((1, 2, 3))), "has two dimensions; this array has 3"),
        (lambda: Problem.from_dense(np.ones((0, 3))), "0 x 3 matrix has no cells"),
        (lambda: Problem.from_dense([["1", "a"]]), r"Row 0, column 1 holds text \('a'\); convert the column"),
        (lambda: Problem.coerce("table.csv"), r"not the name of a file \(table.csv\): read the file first"),
        (
            lambda: Problem.coerce(pd.DataFrame({"who": ["a", "b"], "x": [1.0, 2.0]})),
            r"Column 'who' holds text \('a'\); convert it to numbers, drop it, or make it the index",
        ),
        (lambda: Problem.from_dense([[1.0, 2.0], [3.0]]), "not a regular array"),
        (lambda: Problem.from_dense([[1j]]), "Complex numbers"),
        (lambda: Problem.from_dense(np.array([["2020-01-01"]], dtype="M8[D]")), "Dates and durations"),
        (lambda: Problem.from_frame(pd.DataFrame({"a": [1], "b": ["x"]})), "Column 'b' holds text"),
        (
            lambda: Problem.from_frame(pd.DataFrame({"day": pd.to_datetime(["2020-01-01"])})),
            "Column 'day' holds dates",
        ),
        (lambda: Problem.from_frame(pd.DataFrame(index=[0, 1])), "2 x 0 matrix has no cells"),
        (lambda: Problem.from_triplets([0, 1], [0], [1.0]), "equally long"),
        (lambda: Problem.from_triplets([0], [3], [1.0], (2, 2)), r"Position \(0, 3\) lies outside the 2 x 2"),
        (lambda: Problem.from_triplets([-1], [0], [1.0], (2, 2)), r"Position \(-1, 0\) lies outside"),
        (lambda: Problem.from_triplets([0.5], [0], [1.0]), "row positions must be whole numbers"),
        (lambda: Problem.from_triplets([0], [True], [1.0]), "column positions must be whole numbers"),
        (lambda: Problem.from_triplets([0], [0], [1.0], (2, 2, 2)), "this shape has 3"),
        (lambda: Problem.from_triplets([0], [0], [1.0], duplicates="sum"), 'must be "error" or "mean"'),
        (lambda: Problem.from_triplets([], [], [], (2, 2)), "no observed entry"),
        (
            lambda: Problem.from_dense([[1.0]]).with_values([1.0, 2.0]),
            r"values must have shape \(1,\), not \(2,\)",
        ),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message) as caught:
        make()
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text


# -- facts


@given(tables)
def test_transposition(X):
    problem = Problem.from_dense(X)
    same(problem.T, Problem.from_dense(X.T))
    same(problem.T.T, problem)
    np.testing.assert_array_equal(problem.T.row_counts, problem.col_counts)
    assert problem.T.n_components == problem.n_components
    for rank in range(4):
        assert problem.T.oversampling(rank) == problem.oversampling(rank)
        assert problem.T.core_oversampling(rank) == problem.core_oversampling(rank)


@given(tables, st.randoms(use_true_random=False))
def test_permutation(X, random):
    rows, cols = list(range(X.shape[0])), list(range(X.shape[1]))
    random.shuffle(rows)
    random.shuffle(cols)
    problem, permuted = Problem.from_dense(X), Problem.from_dense(X[rows][:, cols])
    np.testing.assert_array_equal(permuted.row_counts, problem.row_counts[rows])
    np.testing.assert_array_equal(permuted.determined(), problem.determined()[rows][:, cols])
    assert permuted.n_components == problem.n_components
    for rank in range(4):
        assert permuted.core_oversampling(rank) == problem.core_oversampling(rank)
        for lines, order, old in zip(
            permuted.deficient(rank), (rows, cols), problem.deficient(rank), strict=True
        ):
            assert sorted(np.array(order)[lines]) == sorted(old)


@given(tables)
def test_components_agree_with_scipy(X):
    problem = Problem.from_dense(X)
    m, n = X.shape
    seen = ~np.isnan(X)
    graph = np.zeros((m + n, m + n), bool)
    graph[:m, m:] = seen
    count, labels = connected_components(sparse.csr_array(graph), directed=False)
    isolated = np.count_nonzero(~seen.any(axis=1)) + np.count_nonzero(~seen.any(axis=0))
    assert problem.n_components == count - isolated
    row_labels, col_labels = problem.components
    np.testing.assert_array_equal(row_labels == -1, ~seen.any(axis=1))
    np.testing.assert_array_equal(col_labels == -1, ~seen.any(axis=0))
    together = (labels[:m, None] == labels[m:]) & seen.any(axis=1)[:, None]
    np.testing.assert_array_equal(problem.determined(), together)
    np.testing.assert_array_equal(
        row_labels[:, None] == col_labels, together | (~seen.any(1)[:, None] & ~seen.any(0))
    )
    met = row_labels[row_labels >= 0]
    np.testing.assert_array_equal(list(dict.fromkeys(met)), np.arange(problem.n_components))


@given(tables, st.integers(0, 6))
def test_deficient_lines_have_fewer_entries_than_the_rank(X, rank):
    rows, cols = Problem.from_dense(X).deficient(rank)
    seen = ~np.isnan(X)
    np.testing.assert_array_equal(rows, np.flatnonzero(seen.sum(axis=1) < rank))
    np.testing.assert_array_equal(cols, np.flatnonzero(seen.sum(axis=0) < rank))


def test_oversampling():
    problem = Problem.from_dense(np.ones((4, 6)))
    assert problem.oversampling(0) == np.inf
    assert problem.oversampling(2) == 24 / (2 * 8)
    assert problem.oversampling(4) == 1.0
    assert problem.max_oversampled_rank() == 3
    assert problem.max_oversampled_rank(rho=2.0) == 1
    assert problem.max_oversampled_rank(rho=100.0) == 0


@given(tables)
def test_max_oversampled_rank_is_the_largest(X):
    problem = Problem.from_dense(X)
    fits = [r for r in range(1, min(X.shape) + 1) if problem.oversampling(r) > 1]
    assert problem.max_oversampled_rank() == max(fits, default=0)


def test_core_oversampling_by_hand():
    """A full 3 x 3 block stays; a row hanging on it with one entry is taken out at rank 1."""
    X = np.full((5, 4), np.nan)
    X[:3, :3] = 1.0
    X[3, 0] = X[4, 3] = X[0, 3] = 1.0
    problem = Problem.from_dense(X)
    assert problem.core_oversampling(0) == np.inf
    assert problem.core_oversampling(1) == 9 / 5
    assert problem.core_oversampling(2) == 9 / 8
    assert problem.core_oversampling(3) == 0.0


@settings(max_examples=50)
@given(tables, st.data())
def test_subset_and_with_values(X, data):
    problem = Problem.from_dense(X)
    mask = np.array(
        data.draw(st.lists(st.booleans(), min_size=problem.n_observed, max_size=problem.n_observed))
    )
    part = problem.subset(mask)
    assert part.shape == problem.shape
    np.testing.assert_array_equal(part.values, problem.values[mask])
    shuffled = data.draw(st.permutations(np.flatnonzero(mask).tolist()))
    same(part, problem.subset(np.array(shuffled + shuffled[:1], dtype=int)))
    doubled = problem.with_values(2 * problem.values)
    np.testing.assert_array_equal(doubled.to_dense(), 2 * X)


def test_repr_says_what_is_there():
    assert repr(Problem.from_dense([[1.0, np.nan], [2.0, 3.0]])) == "Problem(2 x 2, 3 observed, 75.0%)"


def test_problem_is_public():
    assert rf.Problem is Problem


def test_zeros_that_fill_up_blocks_are_not_observed():
    X = np.kron(np.eye(2), [[1.0, 2, 0], [0, 3, 4]])
    blocks = sparse.bsr_array(X, blocksize=(2, 3))
    assert blocks.nnz == 12
    same(Problem.from_sparse(blocks), Problem.from_sparse(sparse.csr_array(X)))
    imputers = [rf.LowRankImputer(max_rank=0).fit(form) for form in (blocks, sparse.csr_array(X))]
    same(*(imputer.completion_.problem for imputer in imputers))
