"""Numerical decomposition: the types of docs/theory.md, and certificates."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from rankfall import InputError
from rankfall.symmetry import Group, Representation, decompose, degrees_of_freedom, pair_orbits
from symmetry.groups import GROUPS, Q8, spaces, turned

# (dimension, e, copies in the regular representation): how many
TYPES = {
    "C1": {(1, 1, 1): 1},
    "C7": {(1, 1, 1): 1, (2, 2, 1): 3},
    "D4": {(1, 1, 1): 4, (2, 1, 2): 1},
    "S4": {(1, 1, 1): 2, (2, 1, 2): 1, (3, 1, 3): 2},
    "A4": {(1, 1, 1): 1, (2, 2, 1): 1, (3, 1, 3): 1},
    "Q8": {(1, 1, 1): 4, (4, 4, 1): 1},
    "SL(2,3)": {(1, 1, 1): 1, (2, 2, 1): 1, (3, 1, 3): 1, (4, 4, 1): 1, (4, 2, 2): 1},
}


def types(group: Group, seed: int = 0) -> Counter[tuple[int, int, int]]:
    found = Representation.regular(group).decompose(seed=seed)
    return Counter(
        (each.dimension, each.endomorphisms, found.multiplicities[each.name]) for each in found.irreps
    )


@pytest.mark.parametrize("name", TYPES)
def test_types_of_irreps(name: str) -> None:
    group = GROUPS[name]
    found = types(group)
    assert found == TYPES[name]
    assert sum(count * e * n**2 for (_, e, n), count in found.items()) == group.order
    assert all(d == e * n for d, e, n in found)


def test_types_of_irreps_of_products() -> None:
    assert types(Group.product(Q8, Group.symmetric(3)))[8, 4, 2] == 1
    found = types(Group.product(Q8, Q8))
    assert (found[4, 1, 4], found[4, 4, 1]) == (1, 8)


@pytest.mark.parametrize("name", GROUPS)
def test_certificates_by_hand(name: str) -> None:
    group = GROUPS[name]
    for rho in (*spaces(group), turned(spaces(group)[0])):
        found = rho.decompose(seed=3)
        assert max(found.residuals.values()) < 1e-10
        V = np.concatenate([np.concatenate([*F], axis=1) for F in found.frames if len(F)], axis=1)
        np.testing.assert_allclose(V.T @ V, np.eye(rho.dimension), atol=1e-10)
        for irrep, F in zip(found.irreps, found.frames, strict=True):
            E = irrep.basis
            np.testing.assert_allclose(E[0], np.eye(irrep.dimension))
            for copy in F:
                np.testing.assert_allclose(rho.matrices @ copy, copy @ irrep.matrices, atol=1e-10)
            if irrep.type == "quaternionic":
                np.testing.assert_allclose(E[1] @ E[2], E[3], atol=1e-10)
                np.testing.assert_allclose(E[2] @ E[1], -E[3], atol=1e-10)
            for each in E[1:]:
                np.testing.assert_allclose(each, -each.T, atol=1e-10)


@pytest.mark.parametrize("name", GROUPS)
def test_the_seed_changes_coordinates_only(name: str) -> None:
    rho = spaces(GROUPS[name])[0]
    one, other = rho.decompose(seed=0), rho.decompose(seed=1)
    assert one.multiplicities == other.multiplicities
    for a, b in zip(one.irreps, other.irreps, strict=True):
        assert (a.name, a.dimension, a.endomorphisms) == (b.name, b.dimension, b.endomorphisms)
        np.testing.assert_allclose(a.character, b.character, atol=1e-10)
    for F, H in zip(one.frames, other.frames, strict=True):
        # the same subspace for each irrep
        np.testing.assert_allclose(np.einsum("pis,pjs->ij", F, F), np.einsum("pis,pjs->ij", H, H), atol=1e-10)


@pytest.mark.parametrize("name", GROUPS)
def test_degrees_of_freedom_are_orbits_of_cells(name: str) -> None:
    rows, columns = spaces(GROUPS[name])
    a, b = decompose(rows, columns)
    counted = sum(
        e.endomorphisms * len(F) * len(H) for e, F, H in zip(a.irreps, a.frames, b.frames, strict=True)
    )
    orbits = pair_orbits(rows, columns)
    assert counted == degrees_of_freedom(rows, columns) == orbits.max() + 1


def test_inaccurate_matrices_are_refused() -> None:
    group = Group.symmetric(4)
    rho = turned(Representation.permutation(group))
    noise = 1e-6 * np.random.default_rng(0).standard_normal(rho.matrices.shape)
    wrong = Representation(group, None, rho.matrices + noise)
    with pytest.raises(InputError, match=r"not certified|cannot be decomposed"):
        wrong.decompose()


def test_a_decomposition_prints_its_residuals() -> None:
    words = str(Representation.regular(Q8).decompose())
    assert "quaternionic" in words and "|rho V - V tau|" in words
