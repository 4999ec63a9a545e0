"""Theorem 4: the static bound, the norms, and exactness of the step, on random networks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankfall as rf
from rankfall import theory

seeds = st.integers(0, 2**32 - 1)


def tailed(widths, rank, tail, seed):
    """Random weights whose hidden directions above `rank` are small."""
    strong = rf.Network.gaussian(
        (widths[0],) + (rank,) * (len(widths) - 2) + (widths[-1],), scale=1.0, seed=seed
    )
    weak = rf.Network.gaussian(widths, scale=tail, seed=seed + 1)
    rng = np.random.default_rng(seed)
    frames = [np.eye(widths[0])]
    frames += [np.linalg.qr(rng.standard_normal((w, rank)))[0] for w in widths[1:-1]]
    frames += [np.eye(widths[-1])]
    layers = zip(frames[1:], strong.weights, frames, weak.weights, strict=False)
    return rf.Network(tuple(F @ W @ G.T + V for F, W, G, V in layers))


@settings(max_examples=60)
@given(seeds, st.integers(2, 5), st.floats(1e-6, 1), st.integers(1, 4), st.data())
def test_bounds(seed, depth, tail, rank, data):
    widths = tuple(data.draw(st.integers(4, 8)) for _ in range(depth + 1))
    network = tailed(widths, rank, tail, seed)
    ranks = [data.draw(st.integers(1, w)) for w in widths[1:-1]]
    for asked in (rank, ranks):
        d = theory.deflate(network, rank=asked)
        change = np.linalg.norm(network.product() - d.network.product(), 2)
        rounding = 1e-13 * np.prod([np.linalg.norm(W, 2) for W in network.weights])
        assert change <= d.bound + rounding
        # second form of (i): by the tails of the hidden spaces
        kept = [rank] * (depth - 1) if asked is rank else ranks
        spectra = [np.linalg.svd(Z, compute_uv=False) for Z in network.hidden_spaces()]
        tau = max(s[r] if r < s.size else 0.0 for s, r in zip(spectra, kept, strict=True))
        omega = max(np.linalg.norm(W, 2) for W in network.weights)
        assert d.bound <= (depth - 1) * omega ** (depth - 2) * tau**2 * (1 + 1e-9) + rounding
        lost = rf.measures.squared_norm(network) - rf.measures.squared_norm(d.network)
        phi = sum(np.sum(s[r:] ** 2) for s, r in zip(spectra, kept, strict=True))
        assert -1e-10 <= lost <= phi + 1e-10
        assert [F.shape for F in d.frames] == list(zip(widths[1:-1], kept, strict=True))


def test_second_order_in_the_tail():
    errors, bounds = [], []
    for tail in (1e-2, 1e-3, 1e-4):
        network = tailed((12, 10, 11, 9), 3, tail, 0)
        d = theory.deflate(network, 3)
        errors.append(np.linalg.norm(network.product() - d.network.product(), 2))
        bounds.append(d.bound)
    for small, large in zip((errors[1:], bounds[1:]), (errors, bounds), strict=True):
        np.testing.assert_allclose(np.array(small) / np.array(large[:-1]), 1e-2, rtol=0.3)


def test_one_step_of_the_small_network_is_one_of_the_embedded_one():
    """(ii): with any residual matrix; here the gradient of the whole loss."""
    problem, _ = rf.datasets.low_rank((9, 12), rank=2, observed=0.6, seed=0)
    d = theory.deflate(tailed((12, 10, 11, 9), 3, 0.1, 1), 3)
    small, large = d.network, d.embed()
    for _ in range(5):
        small, large = (
            rf.Network(
                tuple(
                    W - 0.1 * G
                    for W, G in zip(
                        network.weights, theory.weight_gradient(problem, network, 0.01), strict=True
                    )
                )
            )
            for network in (small, large)
        )
    again = rf.theory.deflate(large, 3)
    assert again.bound < 1e-25
    np.testing.assert_allclose(small.product(), large.product(), atol=1e-13)


@pytest.mark.parametrize("rank", [0, 6, [3, 6], [3], [1, 2, 3], 1.5, -1, []])
def test_ranks_out_of_range(rank):
    network = rf.Network.gaussian((4, 5, 5, 3), scale=1.0, seed=0)
    with pytest.raises(rf.InputError):
        theory.deflate(network, rank)


def test_what_is_not_covered_is_refused():
    network = rf.Network.gaussian((4, 5, 5, 3), scale=1.0, seed=0)
    with pytest.raises(rf.InputError, match="NaN"):
        theory.deflate(rf.Network((np.full((5, 4), np.nan), *network.weights[1:])), 2)
    with pytest.raises(rf.InputError, match="single network"):
        theory.deflate(rf.Network.gaussian((4, 5, 5, 3), scale=1.0, seed=0, chains=2), 2)
