"""Local uniqueness, against dense linear algebra and cases that can be done by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankfall as rf
from rankfall.geometry import (
    UNIQUENESS_TOL,
    free_cells,
    jacobian,
    local_uniqueness,
    smallest_relevant,
    spectrum,
)


def brute_force(problem, U, V):
    """Relevant singular value and free cells from a dense SVD of the Jacobian."""
    rank, m = U.shape[1], problem.n_rows
    J = jacobian(problem, U, V).toarray()
    _, s, Vt = np.linalg.svd(J, full_matrices=True)
    s = np.concatenate([s, np.zeros(J.shape[1] - s.size)])
    motion = np.zeros(problem.shape)
    for step in Vt[s <= UNIQUENESS_TOL * s[0]]:
        dU, dV = step[: m * rank].reshape(m, rank), step[m * rank :].reshape(-1, rank)
        motion += (dU @ V.T + U @ dV.T) ** 2
    free = np.sqrt(motion) > UNIQUENESS_TOL
    free[problem.rows, problem.cols] = False
    return s[rank * (sum(problem.shape) - rank) - 1] / s[0], free


def draw(m, n, rank, observed, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((m, n)) < observed
    mask[rng.integers(m), rng.integers(n)] = True
    problem = rf.Problem.from_dense(np.where(mask, 1.0, np.nan))
    return problem, rng.standard_normal((m, rank)), rng.standard_normal((n, rank))


def orthonormal(factor):
    return np.linalg.qr(factor)[0]


@pytest.fixture(params=["dense", "eliminated"])
def method(request, monkeypatch):
    """Both ways of computing, whatever the size."""
    monkeypatch.setattr(spectrum, "_DENSE_UNKNOWNS", 10**9 if request.param == "dense" else 0)
    return request.param


CASES = [
    (12, 9, 2, 0.7, 0),
    (12, 9, 2, 0.45, 1),
    (9, 12, 2, 0.45, 2),
    (25, 25, 3, 0.5, 3),
    (25, 25, 3, 0.3, 4),
    (10, 40, 2, 0.4, 5),
    (20, 20, 1, 0.12, 6),
    (6, 6, 3, 0.9, 7),
    (6, 6, 2, 1.0, 8),
    (8, 8, 3, 0.3, 9),
]


@pytest.mark.parametrize("args", CASES, ids=str)
def test_agrees_with_dense_linear_algebra(args, method):
    problem, U, V = draw(*args)
    value, free = brute_force(problem, orthonormal(U), orthonormal(V))
    found = smallest_relevant(problem, U, V)
    np.testing.assert_allclose(found.orthonormal, value, rtol=1e-6, atol=1e-11)
    np.testing.assert_allclose(found.given, brute_force(problem, U, V)[0], rtol=1e-6, atol=1e-11)
    local = local_uniqueness(problem, U, V)
    np.testing.assert_array_equal(local.free, free)
    assert local.n_free_cells == free.sum()
    assert local.unique == (value > UNIQUENESS_TOL)


@settings(max_examples=40)
@given(
    m=st.integers(2, 14),
    n=st.integers(2, 14),
    rank=st.integers(1, 3),
    observed=st.floats(0.1, 1.0),
    seed=st.integers(0, 2**32 - 1),
    force=st.booleans(),
)
def test_any_mask(m, n, rank, observed, seed, force):
    rank = min(rank, m, n)
    problem, U, V = draw(m, n, rank, observed, seed)
    value, free = brute_force(problem, orthonormal(U), orthonormal(V))
    if 1e-9 < value < 1e-4:
        return  # within rounding's reach of the tolerance: either answer would be right
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spectrum, "_DENSE_UNKNOWNS", 0 if force else 200)
        local = local_uniqueness(problem, U, V)
    np.testing.assert_allclose(local.relative_singular_value, value, rtol=1e-5, atol=1e-9)
    np.testing.assert_array_equal(local.free, free)


def test_two_by_two_with_a_hole(method):
    """Rank one: the missing cell is ac/b, unique. Rank two: it can be anything."""
    problem = rf.Problem.from_dense([[1.0, 2.0], [np.nan, 4.0]])
    A = np.array([[1.0, 2.0], [2.0, 4.0]])
    one = local_uniqueness(problem, A[:, :1], np.array([[1.0], [2.0]]))
    assert one.unique
    assert one.n_free_cells == 0
    two = local_uniqueness(problem, np.eye(2), np.array([[1.0, 5.0], [2.0, 4.0]]))
    assert not two.unique
    np.testing.assert_array_equal(two.free, [[False, False], [True, False]])


def test_a_disconnected_rank_one_matrix(method):
    """Two blocks may be scaled against each other: exactly the cells between them are free."""
    mask = np.zeros((6, 5), bool)
    mask[:3, :2] = mask[3:, 2:] = True
    mask[0, 1] = False
    problem = rf.Problem.from_dense(np.where(mask, 1.0, np.nan))
    local = local_uniqueness(problem, np.ones((6, 1)), np.ones((5, 1)))
    between = np.zeros((6, 5), bool)
    between[:3, 2:] = between[3:, :2] = True
    assert not local.unique
    np.testing.assert_array_equal(local.free, between)
    connected = mask.copy()
    connected[0, 4] = True
    assert local_uniqueness(
        rf.Problem.from_dense(np.where(connected, 1.0, np.nan)), np.ones((6, 1)), np.ones((5, 1))
    ).unique


def test_lines_without_enough_entries_are_free(method):
    problem, U, V = draw(30, 25, 3, 0.8, 0)
    few = problem.subset(~((problem.rows == 4) & (problem.cols > problem.cols[problem.rows == 4][1])))
    few = few.subset(few.cols != 7)
    expected = np.zeros(problem.shape, bool)
    expected[4] = expected[:, 7] = True
    expected[few.rows, few.cols] = False
    np.testing.assert_array_equal(free_cells(few, U, V), expected)
    assert smallest_relevant(few, U, V).orthonormal < 1e-12


def test_many_null_directions(method):
    """More of them than one block holds."""
    problem, U, V = draw(30, 25, 3, 0.8, 0)
    few = problem.subset((problem.cols > 8) | (problem.rows < 2))
    expected = np.ones(problem.shape, bool)
    expected[:, 9:] = False
    expected[few.rows, few.cols] = False
    np.testing.assert_array_equal(free_cells(few, U, V), expected)


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e6])
def test_orthonormal_value_ignores_gauge_and_condition(condition):
    problem, U, V = draw(30, 24, 3, 0.45, 0)
    base = smallest_relevant(problem, U, V)
    G = np.random.default_rng(1).standard_normal((3, 3)) @ np.diag([1.0, 1.0, 1 / condition])
    other = smallest_relevant(problem, U @ G, V @ np.linalg.inv(G).T)
    np.testing.assert_allclose(other.orthonormal, base.orthonormal, rtol=1e-6)
    scaled = smallest_relevant(problem, U * [1.0, 1.0, 1 / condition], V)
    np.testing.assert_allclose(scaled.orthonormal, base.orthonormal, rtol=1e-6)
    if condition > 1:
        assert scaled.given < base.given


def test_both_values_are_kept_by_permutation_transposition_and_scaling():
    problem, U, V = draw(30, 24, 3, 0.45, 0)
    base = smallest_relevant(problem, U, V)
    rng = np.random.default_rng(2)
    rows, cols = rng.permutation(30), rng.permutation(24)
    permuted = rf.Problem.from_dense(problem.to_dense()[rows][:, cols])
    for other in (
        smallest_relevant(permuted, U[rows], V[cols]),
        smallest_relevant(problem.T, V, U),
        smallest_relevant(problem, 1e8 * U, 1e8 * V),
    ):
        np.testing.assert_allclose(other, base, rtol=1e-6)


def test_free_cells_follow_permutation_and_transposition():
    problem, U, V = draw(25, 30, 3, 0.28, 3)
    base = free_cells(problem, U, V)
    assert base.any()
    np.testing.assert_array_equal(free_cells(problem.T, V, U), base.T)
    rows = np.random.default_rng(2).permutation(25)
    permuted = rf.Problem.from_dense(problem.to_dense()[rows])
    np.testing.assert_array_equal(free_cells(permuted, U[rows], V), base[rows])


def test_a_free_direction_really_moves_only_free_cells():
    """Rank-one freedom can be followed for good: the moved matrix has the rank and the observed cells."""
    mask = np.zeros((4, 4), bool)
    mask[:2, :2] = mask[2:, 2:] = True
    problem = rf.Problem.from_dense(np.where(mask, 1.0, np.nan))
    U, V = np.ones((4, 1)), np.ones((4, 1))
    U2, V2 = U.copy(), V.copy()
    U2[:2], V2[:2] = 3.0, 1 / 3.0
    moved = ~np.isclose(U2 @ V2.T, U @ V.T)
    np.testing.assert_array_equal(free_cells(problem, U, V), moved)


def test_a_matrix_of_lower_rank_than_its_factors_leaves_everything_free():
    problem, U, V = draw(8, 7, 2, 0.9, 0)
    U[:, 1] = 2 * U[:, 0]
    local = local_uniqueness(problem, U, V)
    assert local.relative_singular_value == 0
    assert local.n_free_cells == 8 * 7 - problem.n_observed
    full = rf.Problem.from_dense(np.ones((8, 7)))
    assert local_uniqueness(full, U, V).unique


def test_rank_zero_has_nothing_to_determine():
    problem, U, V = draw(8, 7, 2, 0.5, 0)
    local = local_uniqueness(problem, U[:, :0], V[:, :0])
    assert local.unique
    assert smallest_relevant(problem, U[:, :0], V[:, :0]) == (1.0, 1.0)


def test_too_large_is_not_checked():
    problem, U, V = draw(12, 9, 2, 0.7, 0)
    assert local_uniqueness(problem, U, V, max_unknowns=17) is None
    assert local_uniqueness(problem, U, V, max_unknowns=18) is not None


def test_zero_and_small_are_told_apart():
    """Singular values of 1e-3 down to 1e-5, and a true zero, on the size of the benchmark."""
    rng = np.random.default_rng(0)
    problem, U, V = draw(60, 50, 3, 0.3, 1)
    line = np.flatnonzero(problem.rows == 0)
    few = problem.subset(np.setdiff1d(np.arange(problem.n_observed), line[3:]))
    seen = problem.cols[line[:3]]
    direction = rng.standard_normal(3)
    V[seen] -= np.outer(V[seen] @ direction, direction) / (direction @ direction)
    values = []
    for size in (1e-2, 1e-3, 1e-4, 0.0):
        near = V.copy()
        near[seen] += size * np.outer(rng.standard_normal(3), direction)
        values.append(local_uniqueness(few, U, near))
        expected = brute_force(few, orthonormal(U), orthonormal(near))[0]
        np.testing.assert_allclose(values[-1].relative_singular_value, expected, rtol=1e-5, atol=1e-11)
    assert [v.unique for v in values] == [True, True, True, False]
