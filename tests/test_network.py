"""The weights of a deep linear network: product, balance, compression."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rankfall as rf
from rankfall import InputError, Network, Problem
from rankfall import network as network_module
from rankfall.linalg import operator_norm

widths_of = st.lists(st.integers(1, 6), min_size=3, max_size=6)
seeds = st.integers(0, 2**32 - 1)


def multiply(weights):
    out = weights[0]
    for W in weights[1:]:
        out = W @ out
    return out


def size(network):
    """What rounding in the product is relative to."""
    return float(np.prod([np.linalg.norm(W, 2) for W in network.weights]))


# -- product


@given(widths_of, seeds)
def test_product_svd_and_predictions(widths, seed):
    network = Network.gaussian(widths, seed=seed)
    A = multiply(network.weights)
    tol = 1e-13 * size(network)
    assert network.shape == A.shape == (widths[-1], widths[0])
    assert network.widths == tuple(widths)
    assert network.depth == len(widths) - 1
    assert network.n_parameters == sum(W.size for W in network.weights)
    np.testing.assert_allclose(network.product(), A, atol=tol)
    U, s, Vt = network.svd()
    k = min(widths)
    assert (U.shape, s.shape, Vt.shape) == ((widths[-1], k), (k,), (k, widths[0]))
    np.testing.assert_allclose(s, np.linalg.svd(A, compute_uv=False)[:k], atol=tol)
    np.testing.assert_allclose(network.singular_values(), s, atol=tol)
    np.testing.assert_allclose((U * s) @ Vt, A, atol=tol)
    np.testing.assert_allclose(U.T @ U, np.eye(k), atol=1e-13)
    np.testing.assert_allclose(Vt @ Vt.T, np.eye(k), atol=1e-13)
    rows, cols = np.nonzero(np.ones_like(A))
    np.testing.assert_allclose(network.predict(rows, cols), A[rows, cols], atol=tol)


@given(widths_of, seeds, st.integers(1, 3))
def test_an_ensemble_is_its_chains(widths, seed, chains):
    network = Network.gaussian(widths, seed=seed, chains=chains)
    assert network.n_chains == chains
    rows, cols = np.array([0, widths[-1] - 1]), np.array([widths[0] - 1, 0])
    for k in range(chains):
        one = network.chain(k)
        assert one.n_chains is None
        tol = 1e-13 * size(one)
        np.testing.assert_allclose(network.product()[k], one.product(), atol=tol)
        np.testing.assert_allclose(network.singular_values()[k], one.singular_values(), atol=tol)
        np.testing.assert_allclose(network.predict(rows, cols)[k], one.predict(rows, cols), atol=tol)
        np.testing.assert_allclose(network.balance().chain(k).product(), one.product(), atol=10 * tol)
        U, s, Vt = (part[k] for part in network.svd())
        np.testing.assert_allclose((U * s) @ Vt, one.product(), atol=tol)
        for Z, single in zip(network.hidden_spaces(), one.hidden_spaces(), strict=True):
            np.testing.assert_array_equal(Z[k], single)


@given(widths_of, seeds)
def test_rotating_hidden_layers_keeps_the_product(widths, seed):
    network = Network.gaussian(widths, seed=seed)
    rng = np.random.default_rng(seed)
    turns = [np.eye(widths[0])]
    turns += [np.linalg.qr(rng.standard_normal((w, w)))[0] for w in widths[1:-1]]
    turns += [np.eye(widths[-1])]
    turned = [up @ W @ low.T for low, up, W in zip(turns, turns[1:], network.weights, strict=False)]
    np.testing.assert_allclose(
        Network(tuple(turned)).product(), network.product(), atol=1e-13 * size(network)
    )


# -- starts


def test_gaussian_has_the_stated_scale():
    """Sample variances of 120,000 and 40,000 normals: relative standard errors 0.4% and 0.7%."""
    network = Network.gaussian((400, 300, 100, 400), scale=2.0, seed=0)
    for W in network.weights:
        assert W.mean() == pytest.approx(0, abs=5 * W.std() / np.sqrt(W.size))
        assert W.var() == pytest.approx(4.0 / min(W.shape), rel=0.03)


@given(widths_of, seeds)
def test_gaussian_is_reproducible_and_its_chains_do_not_depend_on_their_number(widths, seed):
    single, many = Network.gaussian(widths, seed=seed), Network.gaussian(widths, seed=seed, chains=3)
    few = Network.gaussian(widths, seed=seed, chains=2)
    for W, three, two in zip(single.weights, many.weights, few.weights, strict=True):
        np.testing.assert_array_equal(W, three[0])
        np.testing.assert_array_equal(three[:2], two)
        assert not np.array_equal(three[1], three[2])
    other = Network.gaussian(widths, seed=seed + 1)
    assert not np.array_equal(other.weights[0], single.weights[0])


@given(st.integers(1, 6), st.integers(1, 6), st.integers(2, 5), seeds)
def test_lift_is_balanced_with_the_least_norm(m, n, depth, seed):
    A = np.random.default_rng(seed).standard_normal((m, n))
    network = Network.lift(A, depth=depth)
    s = np.linalg.svd(A, compute_uv=False)
    np.testing.assert_allclose(network.product(), A, atol=1e-13 * s[0])
    norm = sum(np.sum(W**2) for W in network.weights)
    assert norm == pytest.approx(depth * np.sum(s ** (2 / depth)))
    for lower, upper in zip(network.weights, network.weights[1:], strict=False):
        np.testing.assert_allclose(upper.T @ upper, lower @ lower.T, atol=1e-12 * s[0])


def test_lift_to_another_width_truncates_or_pads():
    A = np.random.default_rng(0).standard_normal((5, 4))
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    np.testing.assert_allclose(
        Network.lift(A, depth=3, width=2).product(), (U[:, :2] * s[:2]) @ Vt[:2], atol=1e-13
    )
    wide = Network.lift(A, depth=3, width=7)
    assert wide.widths == (4, 7, 7, 5)
    np.testing.assert_allclose(wide.product(), A, atol=1e-13)


def test_whole_numbers_become_floats():
    network = Network((np.array([[1, 2]]), np.array([[3], [4]])))
    np.testing.assert_allclose(network.balance().product(), [[3, 6], [4, 8]])


# -- balance


@given(widths_of, seeds)
def test_balance_keeps_the_product_and_takes_the_least_norm(widths, seed):
    network = Network.gaussian(widths, seed=seed)
    flat = network.balance()
    assert flat.widths == network.widths
    np.testing.assert_allclose(flat.product(), network.product(), atol=1e-12 * size(network))
    s = network.singular_values()
    norm = sum(np.sum(W**2) for W in flat.weights)
    assert norm == pytest.approx(network.depth * np.sum(s ** (2 / network.depth)))
    assert norm <= sum(np.sum(W**2) for W in network.weights) * (1 + 1e-12)
    for lower, upper in zip(flat.weights, flat.weights[1:], strict=False):
        np.testing.assert_allclose(upper.T @ upper, lower @ lower.T, atol=1e-12 * (1 + norm))


# -- compression (Theorem 4)


@given(widths_of, seeds, st.integers(1, 4))
def test_the_bound_of_theorem_4_holds(widths, seed, rank):
    network = Network.gaussian(widths, seed=seed)
    small = network.compress(rank)
    error = np.linalg.norm(network.product() - small.network.product(), 2)
    assert error <= small.bound * (1 + 1e-12) + 1e-13 * size(network)
    Z = network.hidden_spaces()
    tails = [np.linalg.svd(z, compute_uv=False) for z in Z]
    tau = max((s[rank] if s.size > rank else 0.0) for s in tails)
    omega = max(np.linalg.norm(W, 2) for W in network.weights)
    loose = (network.depth - 1) * omega ** (network.depth - 2) * tau**2
    assert small.bound <= loose * (1 + 1e-12) + 1e-13 * size(network)
    lost = sum(np.sum(W**2) for W in network.weights) - sum(np.sum(W**2) for W in small.network.weights)
    assert -1e-12 <= lost <= sum(np.sum(s[rank:] ** 2) for s in tails) + 1e-12


@given(st.integers(1, 6), st.integers(1, 30), seeds, st.sampled_from([0.0, 1e-200, 1.0, 1e200]))
def test_the_operator_norm_is_the_largest_singular_value(m, n, seed, scale):
    W = scale * np.random.default_rng(seed).standard_normal((m, n))
    for M in (W, W.T):
        assert operator_norm(M) == pytest.approx(np.linalg.norm(M, 2), rel=1e-14, abs=0)
    assert np.isnan(operator_norm(W + np.nan))


@given(widths_of, seeds)
def test_keeping_everything_changes_nothing(widths, seed):
    network = Network.gaussian(widths, seed=seed)
    small = network.compress(max(widths))
    assert small.bound <= 1e-13 * size(network)
    np.testing.assert_allclose(small.network.product(), network.product(), atol=1e-12 * size(network))


@given(widths_of, seeds, st.integers(1, 3))
def test_embedding_keeps_the_product_and_the_frames_are_orthonormal(widths, seed, rank):
    network = Network.gaussian(widths, seed=seed)
    small = network.compress(rank)
    back = small.embed()
    assert back.widths == network.widths
    assert small.network.widths == (widths[0], *(F.shape[1] for F in small.frames), widths[-1])
    np.testing.assert_allclose(back.product(), small.network.product(), atol=1e-13 * size(network))
    for F in small.frames:
        np.testing.assert_allclose(F.T @ F, np.eye(F.shape[1]), atol=1e-13)


def sgd_step(network, i, j, value, lr, ridge):
    """One step on one entry, by the formula of docs/theory.md, section 0."""
    left = [np.eye(network.shape[0])]
    for W in network.weights[:0:-1]:
        left.append(left[-1] @ W)
    right = [np.eye(network.shape[1])]
    for W in network.weights[:-1]:
        right.append(W @ right[-1])
    residual = network.product()[i, j] - value
    return Network(
        tuple(
            (1 - 2 * lr * ridge) * W - lr * residual * np.outer(P[i], Q[:, j])
            for W, P, Q in zip(network.weights, left[::-1], right, strict=True)
        )
    )


@pytest.mark.parametrize("widths", [(5, 4, 6), (4, 6, 5, 7), (3, 5, 5, 4, 6)])
def test_sgd_on_the_small_network_is_sgd_on_the_embedded_one(widths):
    """Theorem 4 (ii): exact, whatever the tail that was cut off."""
    small = Network.gaussian(widths, seed=1).compress(2)
    large, little = small.embed(), small.network
    rng = np.random.default_rng(0)
    for _ in range(50):
        i, j, value = rng.integers(widths[-1]), rng.integers(widths[0]), rng.standard_normal()
        large, little = (sgd_step(network, i, j, value, 0.05, 1e-2) for network in (large, little))
    again = type(small)(little, small.frames, small.bound).embed()
    for W, V in zip(large.weights, again.weights, strict=True):
        np.testing.assert_allclose(W, V, atol=1e-13)


def test_ranks_can_differ_between_layers():
    network = Network.gaussian((6, 5, 4, 6), seed=0)
    assert network.compress([3, 2]).network.widths == (6, 3, 2, 6)


# -- bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Network((np.eye(2),)), "at least two layers, not 1"),
        (lambda: Network((np.eye(2), np.ones((2, 3)))), "do not fit together"),
        (lambda: Network((np.eye(2), np.ones((1, 2, 2)))), "every layer must be a matrix"),
        (lambda: Network((np.ones(2), np.ones(2))), "every layer must be a matrix"),
        (lambda: Network((np.ones((3, 2, 2)), np.ones((4, 2, 2)))), "do not fit together"),
        (lambda: Network.gaussian((3, 3)), "at least three positive whole numbers"),
        (lambda: Network.gaussian((3, 0, 3)), "at least three positive whole numbers"),
        (lambda: Network.gaussian((3, 3, 3), chains=0), "chains must be a positive whole number"),
        (lambda: Network.lift(np.eye(2), depth=1), "depth must be a whole number, 2 or more"),
        (lambda: Network.gaussian((3, 3, 3)).chain(0), "a single network, not an ensemble"),
        (lambda: Network.gaussian((3, 3, 3), chains=2).compress(1), "a single network, not an ensemble"),
        (lambda: Network.gaussian((3, 3, 3)).compress(0), "rank must be a positive whole number"),
        (lambda: Network.gaussian((3, 3, 3, 3)).compress([1]), "rank must be two positive whole numbers"),
        (lambda: Network.stack([]), "one or more networks of equal widths"),
        (
            lambda: Network.stack([Network.gaussian((3, 3, 3)), Network.gaussian((3, 2, 3))]),
            "one or more networks of equal widths",
        ),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_repr_and_iteration():
    network = Network.gaussian((4, 3, 5), chains=2)
    assert repr(network) == "Network(widths=(4, 3, 5), 2 chains)"
    assert [W.shape for W in network] == [(2, 3, 4), (2, 5, 3)]


def test_a_lifted_completion_predicts_the_observed_cells():
    A = np.outer([1.0, 2.0, 3.0], [1.0, -1.0])
    problem = Problem.from_dense(np.where(np.eye(3, 2) > 0, np.nan, A))
    network = rf.Network.lift(A, depth=3, width=1)
    np.testing.assert_allclose(network.predict(problem.rows, problem.cols), problem.values, rtol=1e-14)


@pytest.mark.parametrize("chains", [None, 3])
def test_many_predictions_are_made_in_parts(monkeypatch, chains):
    network = rf.Network.gaussian((7, 4, 5, 9), scale=1.0, seed=0, chains=chains)
    rng = np.random.default_rng(0)
    rows, cols = rng.integers(9, size=101), rng.integers(7, size=101)
    whole = network.predict(rows, cols)
    monkeypatch.setattr(network_module, "_ROOM", 100)
    np.testing.assert_array_equal(network.predict(rows, cols), whole)
    assert network.predict(rows[:0], cols[:0]).shape == whole[..., :0].shape
