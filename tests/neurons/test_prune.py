"""Theorem S2: the same outputs, no larger norm, counts within the bounds; and the example that is tight."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from neurons.attack import case
from neurons.examples import bipartite, split
from rankfall.errors import InputError
from rankfall.neurons import Activation, HomogeneousNetwork, prune
from rankfall.neurons.conic import fewer_terms

# networks that cost digits, or ranks of rounding: nearly constant neurons, weak columns, free biases
HARD = (2662, 5422, 6117, 13786, 16957, 18248, 19132, 20161, 29841, 33497)


@pytest.mark.parametrize("seeds", [*(range(n, n + 378) for n in range(0, 1890, 378)), HARD], ids=str)
def test_attack(seeds: range | tuple[int, ...]) -> None:
    """All activations, biases, depths and kinds of data, 1 to 5 samples."""
    for seed in seeds:
        net, X, modes, merge = case(seed)
        found = prune(net, X, modes, merge=merge)
        assert found.certificate.holds, (seed, found)
        assert found.norm_after <= found.norm_before * (1 + 1e-10), seed
        f, g = net(X), found.network(X)
        assert np.linalg.norm(f - g) <= 1e-8 * (np.linalg.norm(f) or 1.0), seed
        for each, n_samples in zip(found.layers, [len(X)] * 9, strict=False):
            assert each.after <= each.bound, seed
            if "out" in modes:
                assert each.after <= n_samples * found.network.widths[each.layer + 1], seed
            if "gram" in modes:
                assert each.after <= n_samples * (n_samples + 1) // 2, seed


@pytest.mark.parametrize("size", [4, 6, 8])
@pytest.mark.parametrize("mode", ["gram", "out", ("gram", "out")])
@pytest.mark.parametrize("merge", [False, True])
def test_the_tight_example(size: int, mode: str, merge: bool) -> None:
    net, X, _ = bipartite(size, ridge=0.01)
    found = prune(split(net, seed=size), X, mode, merge=merge)
    assert found.before == (size**2 // 2,)
    assert found.after == (size**2 // 4,)
    assert found.certificate.holds
    assert found.norm_after == pytest.approx(net.squared_norm, rel=1e-12)


def test_a_linear_network_needs_its_rank_only() -> None:
    rng = np.random.default_rng(0)
    A = rng.standard_normal((6, 2)) @ rng.standard_normal((2, 5))
    found = prune([rng.standard_normal((40, 5)), np.zeros((6, 40))], np.eye(5), activation="identity")
    assert found.after == (0,)
    W = rng.standard_normal((40, 5))
    found = prune([W, A @ np.linalg.pinv(W)], np.eye(5), activation="identity")
    assert found.layers[0].bound <= 10 and found.after[0] <= 10
    np.testing.assert_allclose(found.network[1] @ found.network[0], A, atol=1e-12)


def test_scalar_output_needs_a_neuron_per_sample() -> None:
    rng = np.random.default_rng(1)
    found = prune([(rng.standard_normal((200, 3)), rng.standard_normal(200)), rng.standard_normal((1, 200))],
                  rng.standard_normal((12, 3)))  # fmt: skip
    assert found.after == (12,) and found.layers[0].bound == 12
    (W, b), V = found.network
    assert W.shape == (12, 3) and b.shape == (12,) and V.shape == (1, 12)
    assert "layer 1: 200 -> 12 (at most 12)" in str(found)
    assert "off the samples" in str(found.certificate)


def test_wide_layers_with_few_relations() -> None:
    """More numbers in a term than terms: relations are found in a sketch."""
    rng = np.random.default_rng(2)
    net = HomogeneousNetwork((rng.standard_normal((60, 40)), rng.standard_normal((5, 60))))
    doubled = split(net, seed=0)
    X = rng.standard_normal((50, 40))
    for mode in ("gram", "out"):
        found = prune(doubled, X, mode, merge=False)
        assert found.after == (60,) and found.certificate.holds
        assert found.layers[0].bound > 120


def test_a_very_uneven_layer() -> None:
    """Directions whose singular values are ten orders below the largest keep their outputs."""
    rng = np.random.default_rng(3)
    size = 10.0 ** -np.arange(0, 12, 2)
    W = rng.standard_normal((30, 6)) @ np.diag(size)
    V = rng.standard_normal((2, 30))
    found = prune(HomogeneousNetwork((W, V), None, "identity"), np.eye(6))
    outputs = found.network(np.eye(6))
    np.testing.assert_allclose(outputs / size[:, None], (V @ W).T / size[:, None], rtol=1e-6)
    assert found.certificate.holds


# -- fewer terms ------------------------------------------------------------------------------------------


@given(st.integers(0, 10**6))
def test_fewer_terms_against_linear_programming(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, p, s = rng.integers(1, 15), rng.integers(1, 4), rng.integers(1, 4)
    A, B, cost = rng.standard_normal((n, p)), rng.standard_normal((n, s)), rng.random(n) + 0.1
    B = B if seed % 2 else A
    c = fewer_terms(A, B, cost)
    terms = np.einsum("np,ns->nps", A, B).reshape(n, -1)
    kept = c > 0
    assert np.all(c >= 0)
    np.testing.assert_allclose(terms.T @ c, terms.sum(axis=0), atol=1e-10 * np.abs(terms).sum())
    assert cost @ c <= cost.sum() * (1 + 1e-12)
    assert np.linalg.matrix_rank(terms[kept]) == kept.sum()
    best = linprog(cost, A_eq=terms.T, b_eq=terms.sum(axis=0), method="highs-ds")
    if best.status == 0:  # where any change lowers the cost, this one does
        assert cost @ c >= best.fun - 1e-7
        assert (best.fun < cost.sum() - 1e-5) <= (cost @ c < cost.sum() - 1e-9)


@pytest.mark.parametrize("unit", [1e-150, 1e-9, 1e9, 1e150])
def test_units_of_samples_and_weights_do_not_matter(unit: float) -> None:
    rng = np.random.default_rng(0)
    W, V, X = rng.standard_normal((20, 3)), rng.standard_normal((1, 20)), rng.standard_normal((5, 3))
    wanted = prune([W, V], X)
    of_samples, of_weights = prune([W, V], X * unit), prune([W * unit, V], X)
    assert of_samples.after == of_weights.after == wanted.after
    assert of_samples.norm_after == pytest.approx(wanted.norm_after, rel=1e-9)
    assert of_weights.norm_after == pytest.approx(wanted.norm_after * unit, rel=1e-9)
    assert of_samples.certificate.holds and of_weights.certificate.holds


@pytest.mark.parametrize("unit", [1e-8, 1e-12, 1e-16])
def test_each_output_counts_in_its_own_unit(unit: float) -> None:
    """Where an output is lost to rounding beside another one, the certificate says so."""
    rng = np.random.default_rng(0)
    W, V, X = rng.standard_normal((40, 4)), rng.standard_normal((2, 40)), rng.standard_normal((8, 4))
    V[1] *= unit
    found = prune([W, V], X)
    before, after = HomogeneousNetwork((W, V))(X), HomogeneousNetwork(tuple(found.network))(X)
    errors = np.linalg.norm(after - before, axis=0) / np.linalg.norm(before, axis=0)
    assert found.output_error == pytest.approx(errors.max(), rel=1e-3)
    assert found.certificate.holds == (unit == 1e-8)


@pytest.mark.parametrize("seed", range(6))
def test_order_of_samples_and_neurons_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    W, V, X = rng.standard_normal((20, 3)), rng.standard_normal((2, 20)), rng.standard_normal((5, 3))
    neurons, samples = rng.permutation(20), rng.permutation(5)
    wanted, found = prune([W, V], X), prune([W[neurons], V[:, neurons]], X[samples])
    assert found.after == wanted.after
    assert found.norm_after == pytest.approx(wanted.norm_after, rel=1e-9)


# -- refusals ---------------------------------------------------------------------------------------------


def test_refusals() -> None:
    W, V, X = np.eye(2), np.ones((1, 2)), np.eye(2)
    with pytest.raises(InputError, match='mode must be "gram", "out" or both, not'):
        prune([W, V], X, mode=("gram", "in"))
    with pytest.raises(InputError, match="mode must be"):
        prune([W, V], X, mode=())
    with pytest.raises(InputError, match=r"X must have shape \(N, 2\)"):
        prune([W, V], np.ones((3, 3)))
    with pytest.raises(InputError, match="one sample or more"):
        prune([W, V], np.ones((0, 2)))
    with pytest.raises(InputError, match="two or more matrices"):
        prune([W], X)
    with pytest.raises(InputError, match="do not fit together"):
        prune([W, np.ones((1, 3))], X)
    with pytest.raises(InputError, match="activation must be"):
        prune([W, V], X, activation="tanh")
    with pytest.raises(InputError, match="has its own"):
        prune(HomogeneousNetwork((W, V)), X, activation="relu")
    with pytest.raises(InputError, match="a list of weights or a torch"):
        prune("network", X)
    with pytest.raises(InputError, match="one for each of the 1 hidden layers"):
        HomogeneousNetwork((W, V), None, ("relu", "relu"))
    with pytest.raises(InputError, match="biases must be a vector or None for each layer, not 5"):
        HomogeneousNetwork((W, V), 5)
    with pytest.raises(InputError, match="mode must be"):
        prune([W, V], X, mode=np.array(["gram", "out"]))
    with pytest.raises(InputError, match=r"the pre-activations of layer 2 is 1e\+200, and its square"):
        prune([W * 1e100, V * 1e100], X)
    with pytest.raises(InputError, match=r"the pre-activations of layer 1 is 1e-200, and its square"):
        prune([W * 1e-100, V], X * 1e-100)
    with pytest.raises(InputError, match="biases must be 2 vectors"):
        HomogeneousNetwork((W, V), (np.ones(2),))
    with pytest.raises(InputError, match="slope to choose"):
        Activation("relu", 0.5)
    with pytest.raises(InputError, match="finite"):
        HomogeneousNetwork((W * np.nan, V))
