"""What is refused with a sentence, and what units do not change."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import rankfall as rf
from rankfall import InputError
from rankfall.symmetry import (
    AbsorbingBlocks,
    EquivariantCompletion,
    EquivariantMaps,
    EquivariantNetwork,
    Group,
    Representation,
    block_phi_threshold,
    complete,
    decompose,
    fill_orbits,
    fit_rank,
    lock,
    orbit_constant,
    project,
    solve,
    symmetry_score,
    tail_factors,
    train,
)

GROUP = Group.cyclic(6)
POINTS = Representation.permutation(GROUP)
RHO = POINTS.tensor(Representation.trivial(GROUP, 2))
MAPS = EquivariantMaps.between(RHO, RHO)
NET = EquivariantNetwork.gaussian(MAPS, seed=0)
rng = np.random.default_rng(0)
A = MAPS.project(rng.normal(size=(12, 12)))
X = np.where(rng.random(A.shape) < 0.5, A, np.nan)
PROBLEM = rf.Problem.coerce(X)
WEIGHTED = PROBLEM.with_weights(np.where(np.isnan(X), np.nan, 1 + np.arange(144.0).reshape(12, 12)))
SETTINGS = {"ridge": 0.01, "lr": 0.1}
TURN = [[np.cos(0.4 * np.pi), -np.sin(0.4 * np.pi)], [np.sin(0.4 * np.pi), np.cos(0.4 * np.pi)]]
GD = rf.GD(lr=0.1, ridge=0.001, n_steps=10)


def completed(**settings: object) -> EquivariantCompletion:
    return complete(X, rows=RHO, columns=RHO, n_steps=100, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: Group.cyclic(10**9), "n must be a whole number from 1 to 10000, not 1000000000"),
        (lambda: Group.dihedral(10**9), "n must be a whole number from 1 to 5000, not 1000000000"),
        (lambda: Representation.from_matrices(GROUP, np.ones((1, 0, 0))), "must have one row or more"),
        (lambda: Representation.from_matrices(GROUP, [[[1j]]]), "of real numbers, not of complex ones"),
        (
            lambda: Representation.from_matrices(Group.cyclic(5), [np.float32(TURN)]),
            "They seem to be rounded; compute them in float64",
        ),
        (
            # M^T M holds infinities whose difference is no number
            lambda: Representation.from_matrices(GROUP, [[[1e200, -1e200], [1e200, 1e200]]]),
            "matrices must be orthogonal",
        ),
        (lambda: decompose(), "no representation to decompose"),
        (lambda: decompose("x"), "rows and columns must be Representations, not 'x'"),
        (lambda: EquivariantMaps.between(POINTS, None), "must be Representations, not None"),
        (lambda: project(A, "rows", RHO), "must be Representations, not 'rows'"),
        (lambda: MAPS.assemble([1]), r"blocks must be a Mapping, not \[1\]"),
        (lambda: MAPS.cells(np.array([12]), np.array([0])), "rows must be positions from 0 to 11"),
        (lambda: MAPS.cells(np.array([0]), np.array([-1])), "cols must be positions from 0 to 11"),
        (lambda: train(PROBLEM, 5, GD), "network must be an EquivariantNetwork, not 5"),
        (lambda: train(PROBLEM, NET, GD, rank_tol=-1), "rank_tol must be"),
        (lambda: train(WEIGHTED, NET, GD), "count alike"),
        (lambda: fill_orbits(WEIGHTED, RHO, RHO), "count alike here; give a problem without weights"),
        (lambda: orbit_constant(WEIGHTED, RHO, RHO), "count alike"),
        (lambda: tail_factors(WEIGHTED, NET, {}, **SETTINGS), "count alike"),
        (lambda: lock(WEIGHTED, NET, **SETTINGS), "count alike"),
        (lambda: orbit_constant(PROBLEM, POINTS, POINTS), "12 x 12, but the representations act on 6 rows"),
        (lambda: block_phi_threshold(rf.Problem.coerce(np.eye(30)), NET, 0.1), "30 x 30, but"),
        (lambda: lock(rf.Problem.coerce(np.eye(30)), NET, **SETTINGS), "30 x 30, but"),
        (lambda: fit_rank(PROBLEM, 1, seed=-1), "seed must be"),
        (lambda: AbsorbingBlocks({}, None).conditions(NET), "constants must be a"),
        (lambda: AbsorbingBlocks(3, solve(3, 0.1, 1.0, 0.5)).conditions(NET), "must map irreps to whole"),
        # a name that is misspelt is no rank of 0
        (lambda: tail_factors(PROBLEM, NET, {"2A": 1}, **SETTINGS), "ranks names '2A'; the irreps are 1a"),
        (lambda: lock(PROBLEM, NET, {"2A": 1}, **SETTINGS), "ranks names '2A'"),
        (lambda: lock(PROBLEM, NET, {"2a": 0.5}, **SETTINGS), "rank of 2a must be a whole number"),
        (
            lambda: tail_factors(
                PROBLEM.subset(np.array([0])), NET, {}, batch_size=2, sampling="distinct", **SETTINGS
            ),
            "2 different cells cannot be drawn from 1",
        ),
        (lambda: completed(scale=0), "scale must be a positive number"),
        (lambda: completed(check=PROBLEM.with_values(0 * PROBLEM.values)), "All check cells are zero"),
        (
            lambda: completed(lr=10.0, ridge=0.1),
            "the ridge begins at 30 times 0.1; give an lr below 0.167 or a smaller ridge",
        ),
    ],
)
def test_refusals(call: Callable[[], object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        call()


def test_a_ridge_alone_does_not_make_the_learning_rate_too_large() -> None:
    found = completed(ridge=1.0)
    assert found.rank == 0 and "give a smaller one" in found.summary()


@pytest.mark.parametrize("unit", [1e-300, 1e-9, 1e9, 1e299])
def test_units_do_not_matter(unit: float) -> None:
    plain = completed(check=PROBLEM)
    check = PROBLEM.with_values(PROBLEM.values * unit)
    found = complete(X * unit, rows=RHO, columns=RHO, n_steps=100, check=check)
    assert found.ranks == plain.ranks
    np.testing.assert_allclose(found.to_dense() / unit, plain.to_dense(), atol=1e-9)
    np.testing.assert_allclose(fit_rank(check, 1) / unit, fit_rank(PROBLEM, 1), atol=1e-9)
    assert found.errors == pytest.approx(plain.errors, abs=1e-6)
    scores = symmetry_score(X0 := np.nan_to_num(X), RHO, RHO), symmetry_score(X0 * unit, RHO, RHO)
    assert scores[1].score == pytest.approx(scores[0].score)


def test_same_seed_same_bits() -> None:
    assert np.array_equal(completed(batch_size=3).to_dense(), completed(batch_size=3).to_dense())
