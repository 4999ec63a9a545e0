"""The sets B_r: what lies in them, how they nest, what they refuse."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rankfall as rf
from rankfall.theory import AbsorbingSet
from theory.attacks import blocks, onto_boundary, ratios, start, step

K = rf.theory.solve(3, 0.2, 1.0).halved()
WIDTHS = (5, 4, 4, 6)


def zero(*widths: int) -> rf.Network:
    return rf.Network(tuple(np.zeros((up, low)) for low, up in pairwise(widths)))


def near(rank: int, noise: float, seed: int) -> rf.Network:
    """A balanced network of this rank with norms up to sqrt(C), and some noise."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((6, rank)) @ rng.standard_normal((rank, 5))
    s = np.linalg.norm(A, 2) if rank else 1.0
    A *= rng.uniform(0, (K.C / max(rank, 1)) ** 1.5) / s
    lifted = rf.Network.lift(A, depth=3, width=4)
    return rf.Network(tuple(W + noise * rng.standard_normal(W.shape) for W in lifted))


def literally_inside(network: rf.Network, rank: int) -> bool:
    """The definition, line by line."""
    W = network.weights
    C = all(np.sum(w**2) <= K.C for w in W)
    V = all(
        np.linalg.norm(W[k].T @ W[k] - W[k - 1] @ W[k - 1].T, 2) + K.kappa * np.sum(W[k] ** 2) <= K.eps
        for k in range(1, len(W))
    )
    s = np.append(np.linalg.svd(W[0], compute_uv=False), np.zeros(20))
    return C and V and s[rank] + K.beta * np.sum(W[0] ** 2) <= K.delta


@given(st.integers(0, 3), st.sampled_from([0.0, 1e-3, 1e-2, 0.1]), st.integers(0, 10**6))
def test_membership_and_nesting(rank, noise, seed):
    network = near(rank, noise, seed)
    inside = [AbsorbingSet(r, K).contains(network) for r in range(6)]
    assert inside == [literally_inside(network, r) for r in range(6)]
    assert inside == sorted(inside)  # B_r lies in B_{r+1}
    margins = [AbsorbingSet(r, K).margins(network)["T"] for r in range(6)]
    assert all(later >= earlier for earlier, later in pairwise(margins))


def test_nesting_at_the_boundary():
    seen = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rank = int(rng.integers(0, 4))
        A = np.zeros((6, 5))
        A[:4, :4] = np.diag(rng.permutation(10 ** rng.uniform(-6, 0, 4)))
        network = rf.Network.lift(A, depth=3, width=4)
        B = AbsorbingSet(rank, K)
        scaled = onto_boundary(B, tuple(W[None] for W in network))
        levels = B.levels(rf.Network(scaled))
        seen.add(max(B.limits, key=lambda name: float(np.max(levels[name])) / B.limits[name]))
        for r in range(5):
            if r >= rank:
                assert AbsorbingSet(r, K).contains(rf.Network(scaled)).all()
    assert {"C", "T"} <= seen


@pytest.mark.parametrize("rank", [0, 1, 2, 9])
def test_the_zero_network_lies_in_every_set(rank):
    assert AbsorbingSet(rank, K).contains(zero(*WIDTHS)) is True


def test_the_set_bounds_the_tail_of_the_product():
    for seed in range(40):
        B = AbsorbingSet(2, K)
        network = rf.Network(onto_boundary(B, tuple(W[None] for W in near(4, 0.01, seed))))
        assert network.singular_values()[0, 2] <= B.product_tail


@pytest.mark.parametrize("rank", [0, 1])
def test_tails_settle_at_the_lower_end_of_the_interval(rank):
    """From the threshold of the basin, and whatever a greedy adversary picks, the tail ends below
    delta_minus.
    """
    k = rf.theory.solve(3, 0.3, 1.0).halved()
    upper, lower = (AbsorbingSet(rank, k.at_delta(d)) for d in (k.delta_plus, 1.01 * k.delta_minus))
    assert lower.constants.delta < 0.2 * k.delta
    layers, entries = start(upper, (3, 3, 3, 3), "T"), blocks((3, 3), 1.0, (1, 1))
    assert not lower.contains(rf.Network(layers)).all()
    for _ in range(150):
        after = step(layers, k.lr, k.ridge, entries)
        worst = int(ratios(upper, after)["T"].argmax())
        layers = tuple(W[worst : worst + 1] for W in after)
    assert lower.contains(rf.Network(layers)).all()


def test_ensembles():
    networks = [near(r, 0.01, seed) for seed, r in enumerate([0, 1, 2, 3])]
    B = AbsorbingSet(1, K)
    together = rf.Network.stack(networks)
    np.testing.assert_array_equal(B.contains(together), [B.contains(network) for network in networks])
    assert {name: margin.shape for name, margin in B.margins(together).items()} == {
        "C": (4, 3),
        "V": (4, 2),
        "T": (4,),
    }
    with pytest.raises(rf.InputError, match="one network"):
        B.certificate(together)


def test_certificate_of_membership():
    network = near(1, 1e-4, 3)
    B = AbsorbingSet(1, K)
    verdict = B.certificate(network)
    assert verdict.holds == B.contains(network) is True
    assert verdict.rank == 1 and verdict.theorem == "Theorem 1"
    margins = np.concatenate([np.ravel(margin) for margin in B.margins(network).values()])
    np.testing.assert_array_equal([c.margin for c in verdict.conditions[-margins.size :]], margins)
    outside = B.certificate(rf.Network(tuple(2 * W for W in near(3, 0.5, 1))))
    assert not outside.holds
    again = rf.theory.Certificate.from_dict(verdict.as_dict())
    assert again.conditions == verdict.conditions


def test_single_precision_is_judged_in_double():
    network = rf.Network(tuple(W.astype(np.float32) for W in near(1, 1e-4, 3)))
    assert all(margin.dtype == np.float64 for margin in AbsorbingSet(1, K).margins(network).values())


def test_refusals():
    B = AbsorbingSet(1, K)
    with pytest.raises(rf.InputError, match="depth 3, but the network has depth 2"):
        B.contains(zero(3, 3, 3))
    with pytest.raises(rf.InputError, match="not finite"):
        B.contains(rf.Network((np.full((2, 2), np.nan), np.eye(2), np.eye(2))))
    with pytest.raises(rf.InputError, match="rank must be"):
        AbsorbingSet(-1, K)
