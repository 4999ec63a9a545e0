"""Averages, blocks, products over D and the cost of equivariant matrices (Theorem S3 (i))."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankfall as rf
from rankfall import InputError
from rankfall.symmetry import EquivariantMaps, Group, Representation, project, symmetry_score
from rankfall.symmetry.algebra import components, embed, singular_values
from symmetry.groups import GROUPS, network, spaces, turned

MAPS = {name: EquivariantMaps.between(*spaces(group)) for name, group in GROUPS.items()}


@settings(max_examples=40)
@given(st.sampled_from(sorted(MAPS)), st.integers(0, 999))
def test_projection(name: str, seed: int) -> None:
    maps, rng = MAPS[name], np.random.default_rng(seed)
    rows, columns = spaces(GROUPS[name])
    A = rng.standard_normal(maps.shape)
    P = project(A, rows, columns)
    np.testing.assert_allclose(project(P, rows, columns), P, atol=1e-12)
    np.testing.assert_allclose(maps.project(A), P, atol=1e-10)
    assert abs(np.sum((A - P) * P)) < 1e-9
    g = int(rng.integers(rows.group.order))
    np.testing.assert_allclose(rows.matrices[g] @ P, P @ columns.matrices[g], atol=1e-12)


@pytest.mark.parametrize("name", GROUPS)
def test_projection_without_permutations(name: str) -> None:
    rows, columns = (turned(rho, seed) for seed, rho in enumerate(spaces(GROUPS[name])))
    A = np.random.default_rng(0).standard_normal((rows.dimension, columns.dimension))
    mean = np.mean(rows.matrices @ A @ np.swapaxes(columns.matrices, 1, 2), axis=0)
    np.testing.assert_allclose(project(A, rows, columns), mean, atol=1e-12)


@pytest.mark.parametrize("name", GROUPS)
def test_blocks_and_back(name: str) -> None:
    maps, rng = MAPS[name], np.random.default_rng(1)
    A = maps.project(rng.standard_normal(maps.shape))
    blocks = maps.blocks(A)
    assert sum(M.size for M in blocks.values()) == maps.degrees_of_freedom
    np.testing.assert_allclose(maps.assemble(blocks), A, atol=1e-10)
    size = sum(maps.irrep(n).dimension * np.sum(M**2) for n, M in blocks.items())
    assert size == pytest.approx(np.sum(A**2), rel=1e-10)
    i, j = np.arange(maps.shape[0]), np.arange(maps.shape[0]) % maps.shape[1]
    read = sum(np.sum(S * blocks[n], axis=(1, 2, 3)) for n, S in maps.cells(i, j).items())
    np.testing.assert_allclose(read, A[i, j], atol=1e-10)


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("depth", [2, 3, 5])
def test_equivariance_does_not_change_the_price(name: str, depth: int) -> None:
    maps = MAPS[name]
    A = maps.project(np.random.default_rng(2).standard_normal(maps.shape))
    cost = maps.schatten_cost(A, depth=depth)
    assert cost.total == pytest.approx(rf.theory.schatten_cost(A, depth), rel=1e-10)
    repeated = [np.repeat(s, maps.irrep(n).dimension) for n, s in maps.singular_values(A).items()]
    found = np.sort(np.concatenate(repeated))[::-1]
    s = np.linalg.svd(A, compute_uv=False)
    np.testing.assert_allclose(np.pad(found, (0, s.size - found.size)), s, atol=1e-10)


@pytest.mark.parametrize("e", [1, 2, 4])
def test_embedding_is_a_homomorphism(e: int) -> None:
    rng = np.random.default_rng(e)
    M, N = rng.standard_normal((e, 2, 3)), rng.standard_normal((e, 3, 4))
    product = embed(M) @ embed(N)
    np.testing.assert_allclose(embed(components(product, e)), product, atol=1e-12)
    np.testing.assert_allclose(components(embed(M), e), M)
    assert np.sum(embed(M) ** 2) == pytest.approx(e * np.sum(M**2))
    every = np.linalg.svd(product, compute_uv=False)
    np.testing.assert_allclose(np.repeat(singular_values(product, e), e), every, atol=1e-12)
    assert np.abs(rng.standard_normal((2 * e, 3 * e)) - embed(np.zeros((e, 2, 3)))).max() > 0


@pytest.mark.parametrize("name", GROUPS)
def test_products_over_the_algebra_are_products_of_matrices(name: str) -> None:
    net = network(GROUPS[name])
    whole = net.to_network()
    np.testing.assert_allclose(net.product(), whole.product(), atol=1e-10)
    assert net.squared_norm == pytest.approx(float(rf.measures.squared_norm(whole)), rel=1e-10)
    rows, columns = spaces(GROUPS[name])
    np.testing.assert_allclose(net.product(), project(net.product(), rows, columns), atol=1e-10)


def test_symmetry_score() -> None:
    rows, columns = spaces(Group.dihedral(4))
    A = np.random.default_rng(0).standard_normal((rows.dimension, columns.dimension))
    noise, clean = symmetry_score(A, rows, columns), symmetry_score(project(A, rows, columns), rows, columns)
    assert clean.score == pytest.approx(1)
    # a chi-squared number of 24 degrees of freedom over one of 192: mean 1/8, standard deviation .032
    assert noise.by_chance == clean.by_chance == 24 / 192
    assert abs(noise.score - noise.by_chance) < 0.13
    assert "by chance" in str(noise)
    with pytest.raises(InputError, match="A is zero"):
        symmetry_score(0 * A, rows, columns)


def test_refusals() -> None:
    maps = MAPS["D4"]
    rows, columns = spaces(GROUPS["D4"])
    with pytest.raises(InputError, match="decomposed together"):
        EquivariantMaps(rows.decompose(), columns.decompose())
    group = GROUPS["D4"]
    with pytest.raises(InputError, match="share no irrep"):
        EquivariantMaps.between(Representation.trivial(group), Representation.sign(group))
    with pytest.raises(InputError, match="A must have shape"):
        maps.blocks(np.eye(3))
    with pytest.raises(InputError, match='irrep must be "1a"'):
        maps.assemble({"9z": np.zeros((1, 1, 1))})
    with pytest.raises(InputError, match="one Group object"):
        project(np.eye(8), Representation.regular(GROUPS["D4"]), Representation.regular(GROUPS["Q8"]))
