"""Groups of permutations and their representations."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankfall import InputError
from rankfall.symmetry import Group, Representation
from symmetry.groups import A4, GROUPS, Q8, SL23, turned


def test_orders() -> None:
    assert [Group.cyclic(n).order for n in (1, 2, 9)] == [1, 2, 9]
    assert [Group.dihedral(n).order for n in (1, 2, 3, 8)] == [2, 4, 6, 16]
    assert [Group.symmetric(n).order for n in range(1, 6)] == [factorial(n) for n in range(1, 6)]
    assert (A4.order, Q8.order, SL23.order) == (12, 8, 24)
    assert Group.product(Q8, Group.symmetric(3)).order == 48


@pytest.mark.parametrize("name", GROUPS)
def test_the_table_is_that_of_a_group(name: str) -> None:
    group = GROUPS[name]
    table, every = group.table, np.arange(group.order)
    assert (table[0] == every).all() and (table[:, 0] == every).all()
    assert (np.sort(table, axis=0) == every[:, None]).all() and (np.sort(table, axis=1) == every).all()
    assert (table[table] == table[:, table]).all()
    assert (group.elements[table[2 % group.order]] == group.elements[2 % group.order][group.elements]).all()


def test_elements_of_a_cyclic_group_are_rotations_in_order() -> None:
    assert (Group.cyclic(5).elements == (np.arange(5)[:, None] + np.arange(5)) % 5).all()


def test_quaternions_have_one_element_of_order_two() -> None:
    squares = Q8.table[np.arange(8), np.arange(8)]
    assert np.count_nonzero(squares == 0) == 2


@given(st.integers(2, 6), st.integers(0, 99))
def test_any_permutations_generate_a_group(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    group = Group.from_permutations([rng.permutation(n) for _ in range(2)])
    assert factorial(n) % group.order == 0
    assert group.find(group.elements[::-1]).tolist() == list(range(group.order))[::-1]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: Group.from_permutations([[0, 0, 1]]), "must be permutations of 0, ..., 2; row 0 is"),
        (lambda: Group.from_permutations([[0.5, 1]]), "rows of whole numbers"),
        (lambda: Group.from_permutations([[1, 0], [0]]), "rows of whole numbers"),
        (lambda: Group.symmetric(8), "n must be a whole number from 1 to 7"),
        (
            lambda: Group.from_permutations([np.roll(np.arange(8), 1), [1, 0, 2, 3, 4, 5, 6, 7]]),
            "more than 10000 elements",
        ),
        (lambda: Group.product(), "at least one group"),
        (lambda: Group.cyclic(3).find([[1, 0, 2]]), "is not an element of C3"),
        (lambda: Representation.sign(A4), "All permutations of A4 are even"),
        (lambda: Representation.permutation(Group.cyclic(4), [[1, 2, 0]]), "no representation of C4"),
        (lambda: Representation.permutation(Q8, [[0, 1]]), "one for each of the 2 generators"),
        (lambda: Representation.from_matrices(Group.cyclic(2), [[[2.0]]]), "must be orthogonal"),
        (lambda: Representation.from_matrices(Group.cyclic(3), [[[-1.0]]]), "no representation of C3"),
        (
            lambda: Representation.regular(Q8).direct_sum(Representation.regular(A4)),
            "representations of one Group",
        ),
        (lambda: Representation.regular(Q8).restrict(A4), "is not an element of Q8"),
    ],
)
def test_refusals(call, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        call()


def test_representations_multiply_as_the_group_does() -> None:
    group = Group.symmetric(3)
    sign, points = Representation.sign(group), Representation.permutation(group)
    for rho in (
        Representation.regular(group),
        Representation.trivial(group, 3),
        points.tensor(sign),
        points.direct_sum(sign),
        turned(points),
        points.tensor(Representation.regular(group)).restrict(Group.from_permutations([[1, 2, 0]])),
    ):
        M = rho.matrices
        products = M[:, None] @ M[None]
        np.testing.assert_allclose(products, M[rho.group.table], atol=1e-12)
        np.testing.assert_allclose(rho.character, np.trace(M, axis1=1, axis2=2), atol=1e-12)
        X = np.random.default_rng(0).standard_normal((rho.dimension, 2))
        np.testing.assert_allclose([rho.apply(g, X) for g in range(rho.group.order)], M @ X, atol=1e-12)
        np.testing.assert_allclose(rho.compressed(X), X.T @ M @ X, atol=1e-12)


def test_tensor_products_are_kronecker_products() -> None:
    points, sign = Representation.permutation(A4), Representation.regular(A4)
    np.testing.assert_array_equal(
        points.tensor(sign).matrices[5], np.kron(points.matrices[5], sign.matrices[5])
    )
