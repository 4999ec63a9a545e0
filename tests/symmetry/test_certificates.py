"""Theorem 1-G: the orbit gain, the absorbing sets, and the tails of each irrep, attacked."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankfall as rf
from rankfall import InputError
from rankfall.symmetry import (
    AbsorbingBlocks,
    EquivariantMaps,
    EquivariantNetwork,
    Group,
    Representation,
    block_phi_threshold,
    lock,
    orbit_constant,
    project,
    solve,
    tail_factors,
    train,
)
from rankfall.symmetry.algebra import embed, singular_values
from symmetry.groups import GROUPS, network, spaces, turned
from symmetry.ring import observed, ring


def whole_problem(net: EquivariantNetwork, count: int, seed: int = 0, bound: float = 1.0) -> rf.Problem:
    return observed(np.random.default_rng(seed).uniform(-bound, bound, net.maps.shape), count, seed)


@settings(max_examples=60)
@given(
    st.sampled_from(["C7", "D4", "S4", "Q8"]),
    st.integers(0, 999),
    st.sampled_from(["replacement", "distinct"]),
)
def test_no_batch_exceeds_the_batch_constant(name: str, seed: int, sampling: str) -> None:
    rows, columns = spaces(GROUPS[name])
    rng = np.random.default_rng(seed)
    problem = observed(rng.standard_normal((rows.dimension, columns.dimension)), 40, seed)
    b = int(rng.integers(1, 6))
    nu = orbit_constant(problem, rows, columns, batch_size=b, sampling=sampling)
    assert nu <= rf.theory.batch_constant(b, sampling) + 1e-12
    picked = rng.choice(40, size=b, replace=sampling == "replacement")
    rho = rng.standard_normal(b)
    R = np.zeros(problem.shape)
    np.add.at(R, (problem.rows[picked], problem.cols[picked]), rho / b)
    assert np.sum(project(R, rows, columns) ** 2) <= nu * np.mean(rho**2) * (1 + 1e-12)


def test_the_batch_constant_is_attained() -> None:
    rho, A = ring(16, 2)
    problem = observed(A, 50)
    assert orbit_constant(problem, rho, rho) == pytest.approx(1 / 16)
    # with replacement all cells of a batch may be one
    assert orbit_constant(problem, rho, rho, batch_size=5) == pytest.approx(1 / 16)
    # all cells of one orbit, once each
    whole = rf.Problem.from_dense(A)
    assert orbit_constant(whole, rho, rho, batch_size=16, sampling="distinct") == pytest.approx(1 / 16)
    few = orbit_constant(problem, rho, rho, batch_size=50, sampling="distinct")
    assert 1 / 800 <= few < 1 / 16
    kept = orbit_constant(problem, turned(rho), rho)
    R = np.zeros(A.shape)
    R[problem.rows[0], problem.cols[0]] = 1.0
    assert np.sum(project(R, turned(rho), rho) ** 2) <= kept < 1


def test_the_certified_learning_rate_grows_by_the_square_of_the_orbit() -> None:
    # small-lr form of Theorem 1 at depth 3
    plain = rf.theory.solve(3, 1e-3, 1.0)
    gained = solve(3, 1e-3, 1.0, 1 / 16)
    assert gained.lr / plain.lr == pytest.approx(256, rel=0.02)


@settings(max_examples=25)
@given(st.sampled_from(["C7", "D4", "Q8"]), st.integers(0, 9999), st.sampled_from([3, 4]))
def test_no_step_leaves_an_absorbing_set(name: str, seed: int, depth: int) -> None:
    rng = np.random.default_rng(seed)
    net = network(GROUPS[name], depth=depth, seed=seed)
    problem = whole_problem(net, 30, seed)
    rows, columns = spaces(GROUPS[name])
    k = solve(depth, 0.1, 1.0, orbit_constant(problem, rows, columns))
    inside = AbsorbingBlocks({n: int(rng.integers(0, 3)) for n in net.blocks}, k)
    # shrink a balanced network until it lies in the set, on its boundary
    balanced = _balanced(net)
    low, high = 0.0, 2.0 * np.sqrt(k.C)
    for _ in range(40):
        middle = (low + high) / 2
        good = all(c.holds for c in inside.conditions(_times(balanced, middle)))
        low, high = (middle, high) if good else (low, middle)
    start = _times(balanced, low)
    assert inside.certificate(start).holds
    step = rf.SGD(lr=k.lr, ridge=k.ridge, n_steps=1, entries=rng.integers(30, size=(1, 1)))
    after = train(problem, start, step).networks[0]
    assert after is not None
    for condition in inside.conditions(after):
        assert condition.left <= condition.right * (1 + 1e-9), condition


def _balanced(net: EquivariantNetwork) -> EquivariantNetwork:
    """One direction in each irrep, balanced: its weights are equal numbers."""
    blocks = {}
    for name, layers in net.blocks.items():
        ones = tuple(np.zeros_like(W) for W in layers)
        for W in ones:
            W[0, 0, 0] = 1.0
        blocks[name] = ones
    return EquivariantNetwork(net.maps, blocks)


def _times(net: EquivariantNetwork, factor: float) -> EquivariantNetwork:
    return EquivariantNetwork(net.maps, {n: tuple(factor * W for W in ws) for n, ws in net.blocks.items()})


def _phi(net: EquivariantNetwork, name: str, rank: int) -> np.ndarray:
    irrep, weights = net.maps.irrep(name), net.embedded(name)
    Z = [np.concatenate([W, V.T], axis=1) for W, V in pairwise(weights)]
    s = [singular_values(each, irrep.endomorphisms) for each in Z]
    return np.array([irrep.dimension * np.sum(each[rank:] ** 2) for each in s])


@pytest.mark.parametrize("name", ["C7", "D4", "Q8", "SL(2,3)"])
@pytest.mark.parametrize("depth", [3, 4])
def test_tails_grow_in_the_mean_by_no_more_than_their_factor(name: str, depth: int) -> None:
    """Against enumeration of all cells."""
    net = network(GROUPS[name], depth=depth, scale=0.8)
    problem, lr, ridge = whole_problem(net, 15), 0.3, 0.02
    ranks = dict.fromkeys(net.blocks, 1)
    found = tail_factors(problem, net, ranks, ridge=ridge, lr=lr)
    means = {n: np.zeros(depth - 1) for n in net.blocks}
    for k in range(15):
        step = rf.SGD(lr=lr, ridge=ridge, n_steps=1, entries=np.array([k]))
        after = train(problem, net, step).networks[0]
        assert after is not None
        for n in means:
            means[n] += _phi(after, n, 1) / 15
    for n, tails in found.items():
        np.testing.assert_allclose(tails.phi, _phi(net, n, 1), atol=1e-12)
        assert (means[n] <= tails.factor * tails.phi * (1 + 1e-9)).all()
    # with rank 0 nothing is cut off, and the mean is exact
    whole = tail_factors(problem, net, {}, ridge=ridge, lr=lr)
    total = {n: np.zeros(depth - 1) for n in net.blocks}
    for k in range(15):
        step = rf.SGD(lr=lr, ridge=ridge, n_steps=1, entries=np.array([k]))
        after = train(problem, net, step).networks[0]
        for n in total:
            total[n] += _phi(after, n, 0) / 15
    for n, tails in whole.items():
        np.testing.assert_allclose(tails.factor * tails.phi, total[n], rtol=1e-9)


@pytest.mark.parametrize("name", ["C7", "Q8"])
def test_factors_of_batches(name: str) -> None:
    """Without a cut the factor is exact: full batches by one step, pairs by enumeration of all of them."""
    net = network(GROUPS[name], scale=0.8)
    problem, lr, ridge = whole_problem(net, 4), 0.3, 0.02
    full = tail_factors(problem, net, {}, ridge=ridge, lr=lr, batch_size=None)
    after = train(problem, net, rf.GD(lr=lr, ridge=ridge, n_steps=1)).networks[0]
    for n, tails in full.items():
        np.testing.assert_allclose(tails.factor * tails.phi, _phi(after, n, 0), rtol=1e-9)
    for sampling, pairs in (
        ("replacement", [(i, j) for i in range(4) for j in range(4)]),
        ("distinct", [(i, j) for i in range(4) for j in range(4) if i != j]),
    ):
        found = tail_factors(problem, net, {}, ridge=ridge, lr=lr, batch_size=2, sampling=sampling)
        means = dict.fromkeys(net.blocks, 0.0)
        for pair in pairs:
            step = rf.SGD(lr=lr, ridge=ridge, n_steps=1, entries=np.array([pair]))
            after = train(problem, net, step).networks[0]
            means = {n: total + _phi(after, n, 0) / len(pairs) for n, total in means.items()}
        for n, tails in found.items():
            np.testing.assert_allclose(tails.factor * tails.phi, means[n], rtol=1e-9)


def test_the_group_of_one_element_has_the_factors_of_theorem_3() -> None:
    group = Group.cyclic(1)
    rows, columns = Representation.trivial(group, 5), Representation.trivial(group, 4)
    net = EquivariantNetwork.gaussian(EquivariantMaps.between(rows, columns), scale=0.8)
    problem = whole_problem(net, 12)
    plain = rf.theory.tail_factors(problem, net.to_network(), 2, ridge=0.01, lr=0.1, batch_size=3)
    ours = tail_factors(problem, net, {"1a": 2}, ridge=0.01, lr=0.1, batch_size=3)["1a"]
    np.testing.assert_allclose(ours.phi, plain.phi, rtol=1e-10)
    np.testing.assert_allclose(ours.factor, plain.mean_factor, rtol=1e-10)
    assert block_phi_threshold(problem, net, 0.01) == pytest.approx(rf.theory.phi_threshold(problem, 3, 0.01))


def test_ranks_are_certified_along_a_run() -> None:
    rho, A = ring(6, 2, seed=1)
    problem = observed(A, 36)
    net = EquivariantNetwork.gaussian(EquivariantMaps.between(rho, rho), scale=0.7)
    settings_ = {"lr": 0.1, "ridge": 1e-2}
    trace = train(problem, net, rf.SGD(n_steps=20_000, **settings_), every=4000)
    last = trace.networks[0]
    assert last is not None
    certificate = lock(problem, last, **settings_)
    assert certificate.holds, str(certificate)
    assert certificate.rank == trace.rank[0, -1]
    assert not lock(problem, net, **settings_).holds


def test_refusals() -> None:
    net = network(GROUPS["D4"])
    problem = whole_problem(net, 10)
    k = solve(3, 0.1, 1.0, 0.5)
    with pytest.raises(InputError, match="constants are for depth 4"):
        AbsorbingBlocks({}, solve(4, 0.1, 1.0, 0.5)).conditions(net)
    with pytest.raises(InputError, match="ranks names '9z'"):
        AbsorbingBlocks({"9z": 1}, k).conditions(net)
    with pytest.raises(InputError, match="depth 3 and more"):
        lock(problem, network(GROUPS["D4"], depth=2), ridge=0.1, lr=0.1)
    with pytest.raises(InputError, match="11 different cells cannot be drawn"):
        orbit_constant(problem, *spaces(GROUPS["D4"]), batch_size=11, sampling="distinct")
    with pytest.raises(InputError, match="problem is 2 x 2, but the representations act on 12 rows"):
        tail_factors(rf.Problem.from_dense(np.eye(2)), net, {}, ridge=0.1, lr=0.1)


# -- which noise feeds lost directions (section 5.1 of docs/theory.md) -------------------------------------


@pytest.mark.parametrize("form", ["layers", "isotropic"])
def test_only_isotropic_noise_raises_the_rank_of_an_irrep(form: str) -> None:
    """Independent residual matrices in every layer multiply Z_l from the right, too."""
    rho, _ = ring(5, 3)
    rng = np.random.default_rng(0)
    start = EquivariantNetwork.gaussian(EquivariantMaps.between(rho, rho), hidden=1, scale=1.0)
    # rank one over D, embedded in hidden layers of three copies
    lifted = {}
    for name, (first, middle, last) in start.blocks.items():
        F, H = (np.linalg.qr(rng.standard_normal((3, 1)))[0] for _ in range(2))
        lifted[name] = [F @ first, H @ middle @ F.T, last @ H.T]
    weights = {name: [embed(W) for W in layers] for name, layers in lifted.items()}
    lr, ridge = 0.05, 1e-3
    for _ in range(300):
        for name, Ws in weights.items():
            e = start.maps.irrep(name).endomorphisms
            moves = []
            for l in range(3):
                if form == "isotropic":
                    moves.append(embed(rng.standard_normal((e, 3, 3))))
                    continue
                R = embed(rng.standard_normal((e, 3, 3)))
                P = [Ws[2] @ Ws[1], Ws[2], np.eye(3 * e)][l]
                Q = [np.eye(3 * e), Ws[0], Ws[1] @ Ws[0]][l]
                moves.append(P.T @ R @ Q.T)
            weights[name] = [(1 - 2 * lr * ridge) * W - lr * 0.3 * G for W, G in zip(Ws, moves, strict=True)]
    for name, Ws in weights.items():
        e = start.maps.irrep(name).endomorphisms
        for W, V in ((Ws[0], Ws[1]), (Ws[1], Ws[2])):
            s = singular_values(np.concatenate([W, V.T], axis=1), e)
            if form == "layers":
                assert s[1] <= 1e-12 * max(s[0], 1.0)
            else:
                assert s[1] > 0.05
