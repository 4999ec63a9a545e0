"""Equivariant completion, with orbit filling beside it."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall import InputError
from rankfall.symmetry import (
    EquivariantMaps,
    Group,
    Representation,
    complete,
    fill_orbits,
    fit_rank,
    pair_orbits,
    project,
)
from rankfall.symmetry.block_refit import cut, refit
from symmetry.groups import GROUPS, turned
from symmetry.ring import observed, ring, unseen


def relative(found: np.ndarray, A: np.ndarray, where: np.ndarray) -> float:
    return float(np.linalg.norm((found - A)[where]) / np.linalg.norm(A[where]))


def test_the_ring_array() -> None:
    """16 sensors, 8 channels: 600 cells of 16384 determine an operator of rank one per frequency."""
    rho, A = ring(16, 8)
    problem = observed(A, 600)
    hidden = unseen(problem, rho)
    i, j = np.nonzero(hidden)
    check = rf.Problem.from_triplets(i, j, A[i, j], A.shape)
    found = complete(problem, rows=rho, columns=rho, ridge=3e-6, n_steps=12_000, check=check)
    assert set(found.ranks.values()) == {1} and found.rank == 16 and found.settled
    assert found.degrees_of_freedom == 240
    # the network itself, and the fit at the ranks that it found
    assert relative(found.unit * found.network.product(), A, hidden) < 0.02
    assert relative(found.to_dense(), A, hidden) < 1e-5
    np.testing.assert_allclose(found.to_dense(), project(found.to_dense(), rho, rho), atol=1e-10)
    # orbit filling is as good
    assert found.errors["orbit filling"] < 0.02
    # nothing can be seen without the symmetry: the rank as a plain completion, or any other
    assert min(relative(fit_rank(problem, rank), A, hidden) for rank in (1, 4, 16)) > 0.8
    falls = found.jumps()
    assert (falls["kind"] == "fall").any() and set(falls["irrep"]) <= set(found.ranks)


def test_a_plain_network_does_not_complete_the_ring_array() -> None:
    rho, A = ring(16, 8)
    problem = observed(A, 600)
    start = rf.Network.gaussian((128, 128, 128, 128), scale=0.5, seed=0)
    # the study ring-array trains one to the end
    trace = rf.train(problem, start, rf.GD(lr=8.0, ridge=3e-6, n_steps=120), record=rf.Record(every=120))
    assert not trace.diverged[0]
    assert relative(trace.final().product(), A, unseen(problem, rho)) > 0.8


@pytest.fixture(scope="module")
def small() -> tuple[Representation, np.ndarray, rf.Problem]:
    rho, A = ring(6, 3, seed=2)
    return rho, 100 * A, observed(100 * A, 120)


def test_the_answer_in_units_of_the_data(small) -> None:
    rho, A, problem = small
    dense = problem.to_dense()
    found = complete(dense, rows=rho, columns=rho, n_steps=6000, seed=1)
    assert relative(found.to_dense(), A, np.isnan(dense)) < 0.1
    without = complete(dense, rows=rho, columns=rho, n_steps=6000, seed=1, refit_ranks=False)
    assert without.ranks == found.ranks
    cells = problem.rows, problem.cols
    misfits = [np.linalg.norm(each.to_dense()[cells] - problem.values) for each in (found, without)]
    assert misfits[0] < 1e-3 * misfits[1]
    words = found.summary()
    assert "commutes with C6" in words and "Orbit filling" in words
    assert found.baseline is not None and found.errors == {}
    assert "certified for further steps" in words


def test_a_baseline_of_the_caller(small) -> None:
    rho, _, problem = small
    seen = []

    def plain(filled: rf.Problem) -> np.ndarray:
        seen.append(filled)
        return np.full(filled.shape, 7.0)

    found = complete(problem, rows=rho, columns=rho, n_steps=200, baseline=plain, check=problem)
    assert (found.baseline == 7.0).all()
    assert list(found.errors) == ["equivariant", "orbit filling", "zero"]
    assert seen[0].n_observed == np.count_nonzero(~unseen(problem, rho))


def test_single_cells_and_no_permutations(small) -> None:
    _, _, problem = small
    rho = turned(small[0])
    A = project(np.random.default_rng(0).standard_normal(problem.shape), rho, rho)
    found = complete(observed(A, 80), rows=rho, columns=rho, n_steps=500, batch_size=4, depth=2)
    assert found.baseline is None and found.certificate is None
    assert "no orbits to fill" in found.summary()


@pytest.mark.parametrize("name", ["D4", "Q8", "SL(2,3)"])
def test_the_refit_finds_blocks_of_given_ranks(name: str) -> None:
    rho = Representation.regular(GROUPS[name]).tensor(Representation.trivial(GROUPS[name], 2))
    maps = EquivariantMaps.between(rho, rho)
    rng = np.random.default_rng(3)
    ranks = {each: k % 2 for k, each in enumerate(maps.sizes)}
    A = maps.assemble(cut(maps, maps.blocks(rng.standard_normal(maps.shape)), ranks))
    freedom = sum(
        maps.irrep(each).endomorphisms * r * (sum(maps.sizes[each]) - r) for each, r in ranks.items()
    )
    problem = observed(A, 4 * freedom)
    start = cut(maps, maps.blocks(A + 0.05 * rng.standard_normal(A.shape)), ranks)
    found = refit(problem, maps, start, ranks)
    np.testing.assert_allclose(maps.assemble(found), A, atol=1e-5)
    assert maps.singular_values(maps.assemble(found)).keys() == ranks.keys()
    for each, s in maps.singular_values(maps.assemble(found)).items():
        assert (s[ranks[each] :] < 1e-10).all()
    # nothing better is to be found
    exact = maps.blocks(A)
    for each, M in refit(problem, maps, exact, ranks).items():
        np.testing.assert_allclose(M, exact[each], atol=1e-8)


def test_filled_orbits_hold_the_means_of_their_cells() -> None:
    group = Group.dihedral(5)
    rho = Representation.permutation(group)
    problem = rf.Problem.from_triplets([0, 1, 0], [0, 1, 1], [1.0, 3.0, 5.0], (5, 5))
    filled = fill_orbits(problem, rho, rho).to_dense()
    np.testing.assert_allclose(np.diag(filled), 2.0)
    np.testing.assert_allclose(filled[0, 1], 5.0)
    assert np.isnan(filled[0, 2])
    assert pair_orbits(rho, rho).max() == 2


def test_least_squares_of_a_given_rank() -> None:
    problem, truth = rf.datasets.low_rank((20, 15), rank=2, observed=0.6, seed=0)
    np.testing.assert_allclose(fit_rank(problem, 2), truth, atol=1e-3)
    assert (fit_rank(problem, 0) == 0).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"X": np.zeros((18, 18))}, "All observed cells are zero"),
        ({"X": np.ones((3, 3))}, "X is 3 x 3, but the representations act on 18 rows"),
        ({"check": rf.Problem.from_dense(np.eye(2))}, "check is 2 x 2"),
        ({"rows": None}, "rows must be a Representation, not None"),
        ({"lr": 3e4, "ridge": 1e-7, "n_steps": 500}, "Every run diverged"),
        ({"baseline": lambda p: np.eye(2), "n_steps": 2}, "what baseline returns must have shape"),
        ({"columns": Representation.trivial(Group.cyclic(2), 18)}, "must belong to one Group object"),
    ],
)
def test_refusals(small, change, sentence: str) -> None:
    rho, _, problem = small
    with pytest.raises(InputError, match=sentence):
        complete(**({"X": problem, "rows": rho, "columns": rho} | change))
