"""Training in block form: the steps of whole matrices with averaged residuals (Theorem S3 (ii))."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from rankfall import InputError
from rankfall.symmetry import (
    EquivariantMaps,
    EquivariantNetwork,
    Representation,
    fill_orbits,
    pair_orbits,
    project,
    train,
)
from symmetry.groups import GROUPS, network, spaces, turned
from symmetry.ring import observed, ring


def matching(net: EquivariantNetwork, count: int = 20, seed: int = 0) -> rf.Problem:
    return observed(np.random.default_rng(seed).standard_normal(net.maps.shape), count, seed)


def averaged_step(net: EquivariantNetwork, problem: rf.Problem, picked: list[int], lr: float, ridge: float):
    """One step on whole matrices, the residual matrix averaged over the group by its definition."""
    weights = list(net.to_network().weights)
    R = np.zeros(problem.shape)
    i, j = problem.rows[picked], problem.cols[picked]
    np.add.at(R, (i, j), (net.product()[i, j] - problem.values[picked]) / len(picked))
    R = project(R, net.maps.rows.representation, net.maps.columns.representation)
    moved = []
    for l, W in enumerate(weights):
        P, Q = np.eye(problem.n_rows), np.eye(problem.n_cols)
        for V in weights[:l]:
            Q = V @ Q
        for V in reversed(weights[l + 1 :]):
            P = P @ V
        moved.append((1 - 2 * lr * ridge) * W - lr * P.T @ R @ Q.T)
    return moved


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_a_step_is_that_of_whole_matrices(name: str, depth: int) -> None:
    net = network(GROUPS[name], depth=depth)
    problem = matching(net)
    for picked in ([3], [3, 3, 1], None):
        n_steps = {"lr": 0.1, "ridge": 0.05, "n_steps": 1}
        optimiser = rf.GD(**n_steps) if picked is None else rf.SGD(entries=np.array([picked]), **n_steps)
        found = train(problem, net, optimiser).networks[0]
        wanted = averaged_step(net, problem, picked or list(range(problem.n_observed)), 0.1, 0.05)
        assert found is not None
        for W, V in zip(found.to_network().weights, wanted, strict=True):
            np.testing.assert_allclose(W, V, atol=1e-10)


def test_a_step_without_permutations() -> None:
    rho = turned(spaces(GROUPS["S4"])[0])
    net = EquivariantNetwork.gaussian(EquivariantMaps.between(rho, rho))
    problem = matching(net)
    found = train(problem, net, rf.SGD(lr=0.1, ridge=0.05, n_steps=1, entries=np.array([4]))).networks[0]
    assert found is not None
    for W, V in zip(found.to_network().weights, averaged_step(net, problem, [4], 0.1, 0.05), strict=True):
        np.testing.assert_allclose(W, V, atol=1e-10)


@pytest.mark.parametrize("name", ["C7", "D4", "Q8", "SL(2,3)"])
def test_the_kernels_make_the_same_steps_with_whole_orbits_as_batches(name: str) -> None:
    """rankfall.train on filled orbits, from the same start: the gain is that of averaging."""
    group = GROUPS[name]
    rho = Representation.regular(group).tensor(Representation.trivial(group, 2))
    net = EquivariantNetwork.gaussian(EquivariantMaps.between(rho, rho), scale=0.7)
    A = project(np.random.default_rng(0).standard_normal(net.maps.shape), rho, rho)
    problem = observed(A, 12)
    picked = np.random.default_rng(1).integers(12, size=150)
    settings = {"lr": 0.2, "ridge": 0.01, "n_steps": 150}
    found = train(problem, net, rf.SGD(entries=picked, **settings)).networks[0]

    filled, orbits = fill_orbits(problem, rho, rho), pair_orbits(rho, rho)
    at = orbits[filled.rows, filled.cols]
    cells = [np.flatnonzero(at == orbits[problem.rows[k], problem.cols[k]]) for k in picked]
    entries = np.array(cells)
    assert entries.shape == (150, group.order)
    plain = rf.train(filled, net.to_network(), rf.SGD(entries=entries, **settings)).final()
    assert found is not None
    np.testing.assert_allclose(plain.product(), found.product(), atol=1e-9)


def test_a_chain_depends_on_its_number_only_and_recording_changes_nothing() -> None:
    maps = network(GROUPS["D4"]).maps
    starts = [EquivariantNetwork.gaussian(maps, seed=k) for k in range(3)]
    problem = matching(starts[0])
    optimiser = rf.SGD(lr=0.1, ridge=0.01, n_steps=2300)
    three = train(problem, starts, optimiser, seed=5, every=700)
    alone = train(problem, starts[0], optimiser, seed=5, every=100)
    assert three.steps.tolist() == [0, 700, 1400, 2100, 2300]
    for name, layers in alone.networks[0].blocks.items():
        for W, V in zip(layers, three.networks[0].blocks[name], strict=True):
            np.testing.assert_allclose(W, V, rtol=1e-9, atol=1e-12)
    again = train(problem, starts[0], optimiser, seed=5, every=100)
    np.testing.assert_array_equal(again.networks[0].product(), alone.networks[0].product())


def test_the_trace_reads_spectra_of_the_product() -> None:
    net = network(GROUPS["SL(2,3)"])
    trace = train(matching(net), net, rf.GD(lr=0.5, ridge=0.02, n_steps=400), every=100)
    last = trace.networks[0]
    assert last is not None and trace.n_chains == 1 and not trace.diverged[0]
    s = np.linalg.svd(last.product(), compute_uv=False)
    for name, found in last.maps.singular_values(last.product()).items():
        count = trace.singular_values[name].shape[2]
        np.testing.assert_allclose(trace.singular_values[name][0, -1], found[:count], atol=1e-10)
    assert trace.rank[0, -1] == np.count_nonzero(s > 0.01 * s[0])
    A, p = last.product(), trace.problem
    loss = 0.5 * np.mean((A[p.rows, p.cols] - p.values) ** 2)
    assert trace.train_loss[0, -1] == pytest.approx(loss, rel=1e-9)


def test_jumps_are_those_of_the_jump_finder() -> None:
    rho, A = ring(6, 2)
    net = EquivariantNetwork.gaussian(EquivariantMaps.between(rho, rho), scale=0.7)
    trace = train(observed(A, 30), net, rf.SGD(lr=0.2, ridge=1e-2, n_steps=6000), every=50)
    table = trace.jump_table(dwell=200)
    assert {"irrep", "dimension", "chain", "step", "rank_from", "rank_to", "kind"} <= set(table.columns)
    for name, ranks in trace.ranks.items():
        wanted = rf.find_jumps(ranks, steps=trace.steps, dwell=200).table
        found = table[table["irrep"] == name]
        assert found["step"].tolist() == wanted["step"].tolist()
    total = sum(trace.dimensions[name] * ranks for name, ranks in trace.ranks.items())
    np.testing.assert_array_equal(total, trace.rank)
    assert trace.jumps(dwell=200).count(False) > 0


def test_a_run_that_diverges_is_given_up() -> None:
    net = network(GROUPS["D4"], scale=3.0)
    trace = train(matching(net), [net, network(GROUPS["D4"])][:1], rf.GD(lr=50.0, ridge=1e-3, n_steps=200))
    assert trace.diverged.tolist() == [True]
    assert trace.networks == (None,)
    assert trace.rank[0, -1] == -1 and np.isnan(trace.train_loss[0, -1])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"network": []}, "no network to train"),
        ({"problem": rf.Problem.from_dense(np.eye(3))}, "the problem is 3 x 3"),
        ({"optimiser": rf.SGD(lr=0.1, ridge=0.1, n_steps=1, sampling="epochs")}, 'sampling="replacement"'),
        ({"network": rf.Network.gaussian((2, 2, 2))}, "is not iterable|must be an EquivariantNetwork"),
    ],
)
def test_refusals(change, sentence: str) -> None:
    net = network(GROUPS["D4"])
    given = {"problem": matching(net), "network": net, "optimiser": rf.GD(lr=0.1, ridge=0.1, n_steps=1)}
    with pytest.raises(InputError, match=sentence):
        train(**(given | change))


def test_networks_refuse_blocks_that_do_not_fit() -> None:
    net = network(GROUPS["D4"])
    with pytest.raises(InputError, match="blocks must hold weights of 1a, 1b"):
        EquivariantNetwork(net.maps, {})
    with pytest.raises(InputError, match='irrep must be "1a"'):
        EquivariantNetwork.gaussian(net.maps, hidden={"9z": 1})
    narrow = EquivariantNetwork.gaussian(net.maps, hidden={"2a": 1})
    assert narrow.copies["2a"] == (4, 1, 1, 2 + 1) and narrow.copies["1b"][1] == min(narrow.copies["1b"][::3])
    wrong = {name: layers[1:] for name, layers in net.blocks.items()}
    with pytest.raises(InputError, match="must be two or more blocks that lead from"):
        EquivariantNetwork(net.maps, wrong)
