"""Theory against dynamics: THEORY 6.6, `lock` in real runs of SGD, and the ledger along a path."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from crosscheck.falls import (
    FURTHER,
    LARGE,
    NONE,
    SMALL,
    TINY,
    Fall,
    Ranks,
    enumerate_steps,
    projected_steps,
    watch,
)
from dynamics.problems import holed
from rankfall.dynamics.kernels import reference


@pytest.mark.parametrize("setting", TINY + SMALL, ids=lambda setting: setting.name)
def test_lock_fires_soon_and_the_rank_stays(setting):
    check(watch(setting))


@pytest.mark.slow
@pytest.mark.parametrize("setting", LARGE, ids=lambda setting: setting.name)
def test_lock_fires_soon_and_the_rank_stays_in_larger_runs(setting):
    check(watch(setting))


def check(seen):
    """One trajectory each.

    The probability that a correct certificate fails is at most 1e-3 (and is near 0).
    """
    ranks = seen.ranks
    # at every certifying epoch, the firing among them: no hidden layer and not the product rises above it
    assert not ranks.breaches(), f"certified ranks were exceeded: {ranks.breaches()}"
    print(
        f"rank {ranks.final} fall {ranks.fall} fires {ranks.fires} "
        f"epochs with a certificate {np.count_nonzero(ranks.certified != NONE)} "
        f"worst {seen.worst:.4f} violated {seen.violated}/{seen.checks} "
        f"enumerated {seen.enumerated - 1:.2e} at {seen.visits} visits, projected {seen.projected - 1:.2e}"
    )
    assert ranks.fires <= 5 * max(ranks.fall, 1)
    assert seen.checks == FURTHER + 1
    # E[Phi'] <= Lambda Phi; a tail near the end of float64 is known to fewer digits
    assert seen.enumerated <= 1 + 1e-9
    # at every epoch, through an upper bound of Phi'
    assert seen.projected <= 1 + 1e-9


def doctored():
    """A run without fault: rank 5 until epoch 10, then 3, certified as 3 from epoch 20 on."""
    hidden = np.full((101, 2), 3)
    hidden[:10] = 5
    certified = np.full(101, NONE)
    certified[20:] = 3
    return Fall(Ranks(hidden, hidden[:, 0].copy(), certified), -1.0, 0, FURTHER + 1, 0.99, 1, 0.99)


def test_the_check_accepts_a_run_without_fault():
    seen = doctored()
    check(seen)
    assert (seen.ranks.final, seen.ranks.fall, seen.ranks.fires) == (3, 10, 20)


@pytest.mark.parametrize("epochs", [(45, 46), (45, 101), (70, 71), (100, 101)])
@pytest.mark.parametrize("where", ["first layer", "last layer", "product"])
def test_the_check_fails_for_a_rank_that_rises_after_certification(where, epochs):
    """For one epoch, and for good (the final rank is then another one)."""
    seen = doctored()
    risen = slice(*epochs)
    if where == "product":
        seen.ranks.product[risen] = 4
    else:
        seen.ranks.hidden[risen, 0 if where == "first layer" else -1] = 4
    assert seen.ranks.breaches()
    with pytest.raises(AssertionError, match="certified ranks were exceeded"):
        check(seen)


def test_only_the_epochs_after_a_certificate_count():
    """One certificate, at epoch 20: it speaks of epochs 20 to 70 here, and of what comes before never."""
    for k, breached in [(19, False), (20, True), (70, True), (71, False)]:
        ranks = doctored().ranks
        ranks.certified[21:] = NONE
        ranks.hidden[k, 1] = 4
        assert bool(ranks.breaches()) == breached


def test_enumeration_is_that_of_the_literal_twin():
    problem = holed((5, 6), seed=1)
    network, ridge, lr = rf.Network.gaussian((6, 4, 3, 7, 5), scale=0.9, seed=2), 0.02, 0.1
    found = enumerate_steps(problem, network, 1, ridge=ridge, lr=lr, chunk=7)
    for e in range(problem.n_observed):
        entry = np.array([[e]])
        moved = reference.train(problem, network, rf.SGD(lr=lr, ridge=ridge, n_steps=1, entries=entry))
        tails = [np.sum(np.linalg.svd(Z, compute_uv=False)[1:] ** 2) for Z in moved.hidden_spaces()]
        np.testing.assert_allclose(found[e], tails, rtol=1e-10)


def test_projection_bounds_the_tail_and_is_that_of_the_literal_twin():
    problem = holed((5, 6), seed=1)
    network, ridge, lr = rf.Network.gaussian((6, 4, 3, 7, 5), scale=0.9, seed=2), 0.02, 0.1
    found = projected_steps(problem, network, 1, ridge=ridge, lr=lr)
    assert np.all(enumerate_steps(problem, network, 1, ridge=ridge, lr=lr) <= found * (1 + 1e-12))
    outside = [np.linalg.svd(Z)[0][:, 1:] for Z in network.hidden_spaces()]
    for e in range(problem.n_observed):
        moved = reference.train(
            problem, network, rf.SGD(lr=lr, ridge=ridge, n_steps=1, entries=np.array([[e]]))
        )
        left = [np.sum((T.T @ Z) ** 2) for T, Z in zip(outside, moved.hidden_spaces(), strict=True)]
        np.testing.assert_allclose(found[e], left, rtol=1e-10)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_ledger_bounds_every_tail_along_the_path(depth, batch):
    """``sigma_{r+1}(Z_l(s)) <= sigma_{r+1}(Z_l(t)) exp(ledger)`` for every r, on the whole way (Theorem
    3(c)).
    """
    problem = holed((8, 9), seed=4)
    network = rf.Network.gaussian((9, *range(6, 5 + depth), 8), scale=0.9, seed=1)
    record = rf.Record(every=25, what=("weights", "ledger"))
    trace = rf.train(
        problem, network, rf.SGD(lr=0.05, ridge=0.05, n_steps=500, batch_size=batch), record=record
    )
    for k in range(1, trace.steps.size):
        pairs = zip(trace.weights(0, k - 1).hidden_spaces(), trace.weights(0, k).hidden_spaces(), strict=True)
        for l, (before, after) in enumerate(pairs):
            total, peak = trace.ledger[0, k, :, l]
            s, t = (np.linalg.svd(Z, compute_uv=False) for Z in (before, after))
            assert np.all(t <= s * np.exp(total) * (1 + 1e-9)) and peak >= max(total, 0)


def test_the_ledger_peak_bounds_what_happened_in_between():
    problem = holed((8, 9), seed=4)
    network = rf.Network.gaussian((9, 6, 7, 8), scale=0.9, seed=1)
    optimiser = rf.SGD(lr=0.08, ridge=0.3, n_steps=200)
    fine = rf.train(problem, network, optimiser, record=rf.Record(every=1, what=("weights",)))
    coarse = rf.train(problem, network, optimiser, record=rf.Record(every=200, what=("ledger", "train_loss")))
    for l in range(2):
        sigma = np.array(
            [np.linalg.svd(fine.weights(0, k).hidden_spaces()[l], compute_uv=False) for k in range(201)]
        )
        assert np.all(sigma.max(axis=0) <= sigma[0] * np.exp(coarse.ledger[0, 1, 1, l]) * (1 + 1e-9))
