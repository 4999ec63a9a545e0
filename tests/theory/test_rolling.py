"""The rolling certificate (Theorem 6): its lemma against enumeration, its ledger against exact trees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankfall as rf
from dynamics.problems import holed
from rankfall.theory.rolling import RollingCertificate, look
from rankfall.theory.rolling.growth_in_ball import measured
from rankfall.theory.rolling.leading import Leading
from theory.points import points, rotated, transposed
from theory.rolling_attacks import all_batches, bad_probability, displaced, displacement, step, tails

LR, RIDGE = 0.2, 0.05
Q2 = (1 - 2 * LR * RIDGE) ** 2


def tiny(depth: int, seed: int, n_cells: int = 4) -> tuple[rf.Problem, rf.Network]:
    """A problem of few cells and a network with widths 1 to 4."""
    rng = np.random.default_rng([depth, seed])
    widths = rng.integers(2, 5, depth + 1)
    cells = rng.permutation(widths[0] * widths[-1])[:n_cells]
    rows, cols = np.unravel_index(np.sort(cells), (widths[-1], widths[0]))
    shape = int(widths[-1]), int(widths[0])
    problem = rf.Problem.from_triplets(rows, cols, rng.standard_normal(rows.size), shape)
    return problem, rf.Network.gaussian(widths.tolist(), scale=rng.choice([0.4, 1.0]), seed=seed)


def ratios(problem: rf.Problem, weights: list[np.ndarray], seen, batches: np.ndarray) -> np.ndarray:
    """``(E Phi_l' / Phi_l - q^2) / (1 + gamma_l - q^2)`` for every hidden layer and rank; at most 1."""
    after = step(weights, problem, batches, seen.lr, seen.ridge)
    out = []
    for rank in range(max(min(W.shape) for W in weights)):
        before = tails(weights, rank)
        grown = tails(after, rank).mean(axis=0)
        real = before > 1e-20
        q2 = (1 - 2 * seen.lr * seen.ridge) ** 2
        out.append((grown[real] / before[real] - q2) / (1 + seen.growth - q2)[real])
    return np.concatenate(out)


@settings(max_examples=120, deadline=None)
@given(
    st.integers(2, 4), st.integers(0, 10**6), st.sampled_from([0.0, 0.01, 0.1, 1.0]),
    st.sampled_from([(1, "replacement"), (2, "replacement"), (2, "distinct"), (3, "distinct")]),
)  # fmt: skip
def test_no_tail_grows_faster_in_the_ball(depth, seed, radius, batch):
    problem, network = tiny(depth, seed)
    seen = look(problem, network, lr=LR, ridge=RIDGE, batch_size=batch[0], radius=radius)
    batches = all_batches(problem.n_observed, *batch)
    rng, n = np.random.default_rng(seed), network.n_parameters
    # gamma is cut off at 0, where tails may well shrink
    for direction in rng.standard_normal((6, n)):
        weights = displaced(list(network.weights), direction, radius * rng.uniform() ** 0.2)
        assert np.all(ratios(problem, weights, seen, batches) <= 1 + 1e-9)


@pytest.mark.parametrize("batch", [(1, "replacement"), (2, "distinct")])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_no_tail_grows_faster_where_one_entry_moved(depth, batch):
    problem, network = tiny(depth, 3)
    seen = look(problem, network, lr=LR, ridge=RIDGE, batch_size=batch[0], radius=0.5)
    batches = all_batches(problem.n_observed, *batch)
    for direction in np.concatenate([np.eye(network.n_parameters), -np.eye(network.n_parameters)]):
        weights = displaced(list(network.weights), direction, 0.5)
        assert np.all(ratios(problem, weights, seen, batches) <= 1 + 1e-9)


@pytest.mark.parametrize(
    ("depth", "batch"),
    [(2, (1, "replacement")), (3, (1, "replacement")), (3, (2, "distinct")), (4, (2, "replacement"))],
)
def test_no_tail_grows_faster_where_climbing_leads(depth, batch):
    """Random climbing for the largest ratio: over the network, the data and the place in the ball."""
    rng = np.random.default_rng([depth, batch[0]])
    best = 0.0
    for seed in range(4):
        problem, network = tiny(depth, seed, n_cells=3)
        batches = all_batches(3, *batch)
        origin, values = np.concatenate([W.ravel() for W in network.weights]), problem.values.copy()
        place, radius, score, size = rng.standard_normal(origin.size), 0.05, -np.inf, 1.0
        for _ in range(120):
            trial = [x + size * rng.standard_normal(x.size) for x in (origin, values, place)]
            ends = np.cumsum([W.size for W in network.weights])[:-1]
            parts = zip(np.split(trial[0], ends), network.weights, strict=True)
            center = rf.Network(tuple(part.reshape(W.shape) for part, W in parts))
            moved = problem.with_values(trial[1])
            seen = look(moved, center, lr=LR, ridge=RIDGE, batch_size=batch[0], radius=radius)
            weights = displaced(list(center.weights), trial[2], radius)
            found = float(ratios(moved, weights, seen, batches).max())
            assert found <= 1 + 1e-9
            if found > score:
                score, (origin, values, place) = found, trial
            else:
                size = max(size * 0.95, 1e-3)
        best = max(best, score)
    assert best > 0.5  # the search is one


@settings(max_examples=60, deadline=None)
@given(points(), st.floats(0.001, 0.5), st.integers(0, 99))
def test_pushes_stay_within_their_bounds(point, radius, seed):
    problem, network = point
    seen = look(problem, network, lr=0.1, ridge=0.01, radius=radius)
    direction = np.random.default_rng(seed).standard_normal(network.n_parameters)
    weights = displaced(list(network.weights), direction, radius)
    there = look(problem, rf.Network(tuple(weights)), lr=0.1, ridge=0.01, radius=0.0)
    np.testing.assert_array_less(there.mean_push, seen.mean_push_within + 1e-12)
    np.testing.assert_array_less(there.squared_push, seen.squared_push_within + 1e-12)
    assert there.norm <= seen.norm + radius + 1e-12
    np.testing.assert_allclose(there.mean_push_within, there.mean_push, rtol=1e-12)
    np.testing.assert_allclose(there.squared_push_within, there.squared_push, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(points(min_depth=3))
def test_a_look_measures_what_it_says(point):
    problem, network = point
    seen = look(problem, network, lr=0.1, ridge=0.01, radius=0.1)
    rho = network.product()[problem.rows, problem.cols] - problem.values
    Rbar = np.zeros(problem.shape)
    Rbar[problem.rows, problem.cols] = rho / rho.size
    assert seen.mean_residual == pytest.approx(np.linalg.norm(Rbar, 2))
    assert seen.rms_residual == pytest.approx(np.sqrt(np.mean(rho**2)))
    assert seen.norm == pytest.approx(max(np.linalg.norm(W, 2) for W in network.weights))
    W = network.weights
    for l in range(1, network.depth):
        P, Q = np.eye(problem.n_rows), np.eye(problem.n_cols)
        for V in W[:l:-1]:
            P = P @ V
        for V in W[: l - 1]:
            Q = V @ Q
        both = np.linalg.norm(P[problem.rows], axis=1) * np.linalg.norm(Q[:, problem.cols], axis=0)
        assert seen.mean_push[l - 1] == pytest.approx(np.linalg.norm(P.T @ Rbar @ Q.T, 2))
        assert seen.squared_push[l - 1] == pytest.approx(np.mean(rho**2 * both**2))
        assert seen.largest_pair[l - 1] == pytest.approx(both.max())
        s = np.linalg.svd(network.hidden_spaces()[l - 1], compute_uv=False)
        rounding = W[l - 1].shape[0] * (1e-15 * s[0]) ** 2
        for rank in range(min(network.widths) + 1):
            assert seen.phi[l - 1, rank] == pytest.approx(np.sum(s[rank:] ** 2) + rounding, rel=1e-9)
    turned = rotated(network)
    again = look(problem, turned, lr=0.1, ridge=0.01, radius=0.1)
    np.testing.assert_allclose(again.growth, seen.growth, rtol=1e-9, atol=1e-15)
    flipped = rf.Problem.from_triplets(problem.cols, problem.rows, problem.values, problem.shape[::-1])
    again = look(flipped, transposed(network), lr=0.1, ridge=0.01, radius=0.1)
    np.testing.assert_allclose(again.growth[::-1], seen.growth, rtol=1e-9, atol=1e-15)


def test_drift_and_spread_are_those_of_the_steps():
    problem, network = tiny(3, 1)
    seen = look(problem, network, lr=LR, ridge=RIDGE, radius=0.1)
    after = step(list(network.weights), problem, all_batches(problem.n_observed, 1, "replacement"), LR, RIDGE)
    moves = [W - V for W, V in zip(after, network.weights, strict=True)]
    mean = sum(np.sum(M.mean(axis=0) ** 2) for M in moves)
    square = sum(np.mean(np.sum(M**2, axis=(1, 2))) for M in moves)
    assert seen.drift**2 == pytest.approx(mean)
    assert seen.spread == pytest.approx(square - mean)


def test_a_large_problem_gets_upper_bounds_of_norms(monkeypatch):
    problem, network = tiny(3, 2)
    exact = look(problem, network, lr=LR, ridge=RIDGE, radius=0.1)
    monkeypatch.setattr("rankfall.theory.rolling.growth_in_ball._DENSE", 1)
    monkeypatch.setattr("rankfall.theory.rolling.growth_in_ball._EXACT_NORM", 0)
    bounded = look(problem, network, lr=LR, ridge=RIDGE, radius=0.1)
    assert bounded.mean_residual >= exact.mean_residual
    assert np.all(bounded.mean_push >= exact.mean_push - 1e-12) and np.all(bounded.growth >= exact.growth)
    np.testing.assert_allclose(bounded.squared_push, exact.squared_push)


@settings(max_examples=60, deadline=None)
@given(points(min_depth=3), st.integers(0, 99), st.integers(1, 3))
def test_leading_directions_give_upper_bounds_whichever_they_are(point, seed, rank):
    problem, network = point
    weights = list(network.weights)
    rank = min(rank, *network.widths[1:-1])
    rng = np.random.default_rng(seed)
    other = [W + 0.1 * rng.standard_normal(W.shape) for W in weights]
    exact = measured(problem, weights, LR, RIDGE, 1, 0.1)
    for leading in (Leading.of(weights, rank), Leading.of(other, rank).refreshed(weights)):
        bound = measured(problem, weights, LR, RIDGE, 1, 0.1, leading)
        assert np.all(bound.phi >= exact.phi * (1 - 1e-9))
        assert bound.norm >= exact.norm * (1 - 1e-12)
        assert bound.mean_residual >= exact.mean_residual * (1 - 1e-12)
        assert np.all(bound.mean_push >= exact.mean_push * (1 - 1e-12))
        np.testing.assert_allclose(bound.squared_push, exact.squared_push)
        assert np.all(bound.growth >= exact.growth - 1e-12)


def test_leading_directions_lose_little_where_the_rank_is_clear(settled):
    problem, network = settled
    weights = list(network.weights)
    moved = [W + 1e-3 * np.random.default_rng(0).standard_normal(W.shape) for W in weights]
    exact = measured(problem, weights, LR, RIDGE, 1, 0.1)
    bound = measured(problem, weights, LR, RIDGE, 1, 0.1, Leading.of(moved, 2).refreshed(weights))
    np.testing.assert_allclose(bound.phi[:, :3], exact.phi[:, :3], rtol=1e-3)
    np.testing.assert_allclose(bound.mean_push, exact.mean_push, rtol=0.2)
    assert bound.norm == pytest.approx(exact.norm, rel=1e-6)


def test_the_factor_of_single_cells_may_exceed_that_of_batches():
    """Section 5.2: for b > 1 the lemma is about the batch, not about Lambda_l of single cells."""
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (8, 8))
    problem, network = rf.Problem.from_dense(signs), rf.Network.gaussian((8, 6, 6, 8), scale=0.7, seed=1)
    seen = look(problem, network, lr=8.0, ridge=1e-3, batch_size=10, radius=1e-3)
    single = rf.theory.tail_factors(problem, network, 2, lr=8.0, ridge=1e-3).mean_factor
    batch = rf.theory.tail_factors(problem, network, 2, lr=8.0, ridge=1e-3, batch_size=10).mean_factor
    assert np.any(single > 1 + seen.growth) and np.all(batch <= 1 + seen.growth)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("radius", [0.05, 0.4])
def test_the_charge_bounds_the_probability_over_all_samples(seed, radius):
    """The exact tree of all samples, exit step included; the threshold is so near that something happens."""
    problem, network = tiny(3, seed, n_cells=3)
    weights, lr = list(network.weights), 0.3
    seen = look(problem, network, lr=lr, ridge=0.01, radius=radius)
    happened = 0.0
    for layer in (1, 2):
        for rank in (0, 1):
            phi = tails(weights, rank)[layer - 1]
            for factor in (1.02, 1.2):
                charge = (1 + seen.growth[layer - 1]) ** 6 / factor
                found = bad_probability(
                    problem, weights, lr=lr, ridge=0.01, layer=layer, rank=rank, radius=radius, n_steps=6,
                    threshold=factor * phi,
                )  # fmt: skip
                assert found <= min(charge, 1.0) + 1e-12
                happened = max(happened, found)
    assert happened > 0.05


# -- the ledger ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def settled() -> tuple[rf.Problem, rf.Network]:
    """A network of rank 2 whose tail is about 1e-9."""
    problem, _ = rf.datasets.low_rank((12, 11), rank=2, observed=0.8, seed=1)
    network = rf.Network.gaussian((11, 8, 8, 12), scale=1.0, seed=0)
    n_steps = 150 * problem.n_observed
    return problem, rf.train(problem, network, rf.SGD(lr=0.05, ridge=1e-2, n_steps=n_steps)).final()


def test_looks_and_reports_make_a_ledger(settled):
    problem, network = settled
    watch = RollingCertificate(radius=0.2, max_steps=50).begin(problem, 3, lr=0.05, ridge=1e-2)
    assert watch.due and not watch.trusted
    first = watch.look(10, network)
    assert first.trusted and first.rank == 2 and first.stop == 60 and first.radius == 0.2
    assert not watch.moved(30, 0.1) and watch.trusted
    assert not watch.moved(31, 0.2)
    assert watch.moved(32, 0.21) and watch.due  # noticed at once
    second = watch.look(32, network)
    assert watch.moved(82, 0.2) and second.stop == 82  # the interval is over
    ledger = watch.ledger()
    assert ledger.looks["start"].tolist() == [10, 32] and ledger.looks["stop"].tolist() == [32, 82]
    assert ledger.looks["left"].tolist() == [True, False] and not ledger.looks["missed"].any()
    assert ledger.spent == pytest.approx(ledger.looks["charge"].sum()) and ledger.spent <= 1e-3
    assert ledger.fired == 10 and ledger.unbroken_from == 10 and ledger.n_steps == 82
    assert ledger.promised(np.array([9, 10, 32, 82, 83])).tolist() == [-1, 2, 2, 2, -1]
    found = ledger.certificate()
    assert found.holds and found.rank == 2 and "steps from 10 to 82 are trusted at rank 2" in found.claim
    seen = look(problem, network, lr=0.05, ridge=1e-2, radius=0.2)
    layer = int(ledger.looks["layer"][0]) - 1
    expected = (1 + seen.growth[layer]) ** 50 * seen.phi[layer, 2] / ledger.phi_threshold
    assert ledger.looks["charge"][0] == pytest.approx(expected, rel=1e-9)
    assert ledger.product_bounds()[0] == pytest.approx((seen.norm + 0.2) * ledger.phi_threshold)
    assert len(ledger.table()) == 2


def test_a_missed_exit_ends_the_trust(settled):
    problem, network = settled
    watch = RollingCertificate(radius=0.2, max_steps=50).begin(problem, 3, lr=0.05, ridge=1e-2)
    watch.look(0, network)
    watch.moved(5, 0.1)
    assert watch.moved(9, 0.25) and not watch.trusted
    ledger = watch.ledger()
    # the step from 5 to 6 began inside the ball; what came later is not covered
    assert ledger.looks["stop"][0] == 6 and ledger.looks["missed"][0]
    assert ledger.promised(np.arange(4, 10)).tolist() == [2, 2, 2, -1, -1, -1]
    assert ledger.unbroken_from is None and not ledger.certificate().holds
    assert "unnoticed" in ledger.summary() and "steps 0 to 6 at rank 2" in ledger.summary()
    watch.look(9, network)  # a new interval may be trusted again
    watch.moved(20, 0.1)
    assert watch.ledger().unbroken_from == 9


def test_steps_after_the_last_look_was_due_are_not_covered(settled):
    problem, network = settled
    watch = RollingCertificate(radius=0.2, max_steps=50).begin(problem, 3, lr=0.05, ridge=1e-2)
    watch.look(0, network)
    assert watch.moved(70, 0.1)
    assert watch.ledger().looks["stop"][0] == 50 and watch.ledger().unbroken_from is None


def test_the_budget_is_never_exceeded(settled):
    problem, network = settled
    for budget in (1e-3, 1e-7):
        watch = RollingCertificate(budget=budget, radius=0.5, max_steps=200).begin(
            problem, 3, lr=0.05, ridge=1e-2
        )
        for k in range(40):
            watch.look(k, network)  # never smaller: the charges add up
            watch.moved(k + 1, 9.0)
        ledger = watch.ledger()
        assert ledger.spent <= budget
        assert (ledger.spent > 0) == bool(ledger.looks["trusted"].any())
    assert not ledger.looks["trusted"].all() or ledger.spent < budget


def test_what_it_chooses_itself(settled):
    """Where charges matter, T is about 1 / gamma; where they do not, intervals get longer."""
    problem, network = settled
    chosen = {}
    for budget in (0.5, 1e-9):
        watch = RollingCertificate(budget=budget).begin(problem, 3, lr=0.05, ridge=1e-2)
        watch.look(0, network)
        looks = watch.ledger().looks
        chosen[budget] = looks["planned"][0], looks["growth"][0], looks["radius"][0]
    assert chosen[0.5][0] >= chosen[1e-9][0]
    assert 0.05 < chosen[1e-9][0] * chosen[1e-9][1] < 3


def test_deflation_makes_it_sure(settled):
    problem, network = settled
    watch = RollingCertificate(deflate=True).begin(problem, 3, lr=0.05, ridge=1e-2)
    small = watch.look(0, network).network
    assert small.widths == (11, 2, 2, 12)
    watch.moved(7, 0.0)
    ledger = watch.ledger()
    assert ledger.sure_rank == 2 and ledger.fired == 0 and ledger.deflations["step"].tolist() == [0]
    moved = np.linalg.norm(small.product() - network.product(), 2)
    assert moved <= ledger.deflations["bound"][0] + 1e-13
    assert ledger.certificate().holds and ledger.certificate().p_fail is None
    assert "surely" in ledger.summary()


def test_nothing_is_claimed_where_nothing_is_trusted():
    problem, network = holed((6, 5)), rf.Network.gaussian((5, 4, 4, 6), scale=1.0, seed=0)
    watch = RollingCertificate().begin(problem, 3, lr=0.05, ridge=1e-3)
    interval = watch.look(0, network)
    assert not interval.trusted and interval.radius == np.inf and interval.stop > 2 * problem.n_observed
    watch.moved(interval.stop, np.inf)
    ledger = watch.ledger()
    assert ledger.spent == 0 and ledger.fired is None and np.all(ledger.product_bounds() == np.inf)
    assert "nothing is promised" in str(ledger) and not ledger.certificate().holds


def test_networks_and_data_of_zeros():
    problem = holed((6, 5))
    zero = rf.Network(tuple(0 * W for W in rf.Network.gaussian((5, 4, 4, 6), seed=0)))
    watch = RollingCertificate().begin(problem, 3, lr=0.05, ridge=1e-3)
    assert watch.look(0, zero).trusted and watch.ledger().looks["rank"][0] == 0
    nothing = problem.with_values(0 * problem.values)
    watch = RollingCertificate().begin(nothing, 3, lr=0.05, ridge=1e-9)
    interval = watch.look(0, rf.Network.gaussian((5, 4, 4, 6), seed=0))
    assert interval.trusted and interval.rank == 0 and watch.ledger().spent == 0


def test_displacements_are_over_all_layers():
    weights = [np.zeros((2, 3)), np.zeros((4, 2))]
    moved = displaced(weights, np.arange(1.0, 15.0), 0.7)
    assert displacement(moved, weights) == pytest.approx(0.7)


def test_refusals_are_one_sentence(settled):
    problem, network = settled
    begin = RollingCertificate().begin
    with pytest.raises(rf.InputError, match="not covered"):
        begin(problem, 3, lr=0.05, ridge=1e-2, sampling="epochs")
    with pytest.raises(rf.InputError, match="depth 3 and more"):
        begin(problem, 2, lr=0.05, ridge=1e-2)
    with pytest.raises(rf.InputError, match="ridge must be positive"):
        begin(problem, 3, lr=0.05, ridge=0.0)
    with pytest.raises(rf.InputError, match="lr must be positive"):
        begin(problem, 3, lr=0.0, ridge=1e-2)
    twice = [np.append(part, part[:1]) for part in (problem.rows, problem.cols, problem.values)]
    with pytest.raises(rf.InputError, match="repeated"):
        begin(rf.Problem(*twice, problem.shape), 3, lr=0.05, ridge=1e-2)
    for wrong in ({"budget": 1.0}, {"budget": 0.0}, {"radius": -1.0}, {"max_steps": 0}, {"deflate": 2}):
        with pytest.raises(rf.InputError):
            RollingCertificate(**wrong)
    watch = begin(problem, 3, lr=0.05, ridge=1e-2)
    watch.look(5, network)
    with pytest.raises(rf.InputError, match="later"):
        watch.look(4, network)
    with pytest.raises(rf.InputError, match="order"):
        watch.moved(5, 0.0)
    with pytest.raises(rf.InputError, match="depth 3"):
        watch.look(6, rf.Network.gaussian((11, 3, 3, 3, 12), seed=0))
