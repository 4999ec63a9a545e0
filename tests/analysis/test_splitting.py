"""Splitting of SGD: against all N^T paths, against direct sampling, and to the bit."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from analysis.chains import enumerated
from dynamics.problems import holed, same_bits
from rankfall.analysis.splitting import looking, spread_interval
from rankfall.measures import numerical_rank
from rankfall.theory import tail_factors

PROBLEM = rf.Problem.from_dense(np.array([[1.0, 0.3], [np.nan, 1.0]]))
# the rank-two minimum of THEORY section 9 at depth 4, ridge 0.004, within 1e-4
NET = rf.Network.lift(np.array([[0.985, 0.310], [1.374, 0.985]]), depth=4)
SHORT = rf.SGD(lr=0.5, ridge=0.05, n_steps=1)
"""A strong ridge pulls the second singular value down within 8 steps."""


def tolerance(lowest: np.ndarray, p: float) -> float:
    """A rank tolerance for an event of probability about p, in a gap between the values that paths reach."""
    s = np.sort(lowest)
    k = round(p * s.size)
    k += int(np.argmax(np.diff(s[k : k + 20])))
    return float((s[k] + s[k + 1]) / 2)


@pytest.fixture(scope="module")
def short() -> tuple[float, float, np.ndarray]:
    """Exact probability, tolerance and lowest ``s_2 / s_1`` of all 3^8 paths."""
    lowest, _ = enumerated(PROBLEM, NET, 0.5, 0.05, 8)
    tol = tolerance(lowest[:, -1], 0.01)
    return float(np.mean(lowest[:, -1] <= tol)), tol, lowest


def short_run(tol: float, n_replicas: int, repeats: int, seed: int, **options) -> rf.Splitting:
    return rf.splitting(
        PROBLEM, NET, SHORT, 1, 8, n_replicas, repeats, seed, every=1, rank_tol=tol, **options
    )


# -- right ------------------------------------------------------------------------------------------------


@pytest.mark.stat
@pytest.mark.parametrize(
    "score", ["singular_value", "relative", "relaxed", "tail", lambda network: float(network.product()[1, 0])]
)
def test_all_paths_of_a_tiny_problem(short: tuple[float, float, np.ndarray], score: object) -> None:
    # |z| < 4: 6e-5 for each score; fixed seed
    exact, tol, _ = short
    assert 5e-3 < exact < 2e-2
    repeats = 60 if callable(score) else 200
    result = short_run(tol, 20, repeats, 3, score=score)
    assert abs(result.estimate - exact) < 4 * result.standard_error
    assert result.relative_error < 0.3


@pytest.mark.stat
@pytest.mark.parametrize(
    "settings", [{"batch_size": 2}, {"batch_size": 2, "sampling": "distinct"}, {"sampling": "epochs"}]
)
def test_other_ways_of_sampling_agree_with_direct_runs(settings: dict) -> None:
    # |difference| below 4 standard errors of the two: 6e-5
    sgd = rf.SGD(lr=0.5, ridge=0.05, n_steps=1, **settings)
    options = {"every": 1, "rank_tol": 0.06}
    result = rf.splitting(PROBLEM, NET, sgd, 1, 8, 20, 100, 3, **options)
    seen = rf.first_passage(PROBLEM, NET, sgd, 1, 5_000, 8, seed=9, **options).seen
    assert 0 < seen.mean() < 0.5
    error = np.hypot(result.standard_error, np.sqrt(seen.mean() / seen.size))
    assert abs(result.estimate - seen.mean()) < 4 * error


@pytest.mark.stat
@pytest.mark.slow
@pytest.mark.parametrize("score", ["singular_value", "relaxed"])
def test_intervals_cover_the_enumerated_probability(
    short: tuple[float, float, np.ndarray], score: str
) -> None:
    # 200 runs of 10 repeats, intervals of 95%; with that coverage a share outside 91%..98% has probability
    # 2%. One call: repeats do not depend on their neighbours (see below), so 2000 of them are 200 independent
    # runs
    exact, tol, _ = short
    rows = short_run(tol, 50, 2000, 17, score=score).repeats.reshape(200, 10)
    held = [low <= exact <= high for low, high in map(spread_interval, rows)]
    print(f"exact {exact:.5f}, splitting {rows.mean():.5f}, {sum(held)} of 200")
    assert 0.91 <= np.mean(held) <= 0.98


@pytest.mark.stat
@pytest.mark.slow
def test_intervals_cover_what_direct_sampling_gives() -> None:
    # p is near 5e-3; the truth is known to 4%, the intervals of 10 repeats reach 40% to each side. Paths must
    # be many enough for a moderate spread of the repeats (here 0.6 of their mean): with fewer of them and a
    # spread of 1.3 to 2.3 times the mean (horizon 500, tolerance 0.01) only 89% of such intervals held the
    # truth, as `interval` warns
    sgd, options = rf.SGD(lr=0.4, ridge=0.0066, n_steps=1), {"every": 20, "rank_tol": 0.05}
    direct = rf.first_passage(PROBLEM, NET, sgd, 1, 150_000, 1000, seed=99, **options).seen.mean()
    assert 1e-3 < direct < 1e-2
    result = rf.splitting(PROBLEM, NET, sgd, 1, 1000, 120, 2000, 17, n_kill=6, score="relative", **options)
    held = [low <= direct <= high for low, high in map(spread_interval, result.repeats.reshape(200, 10))]
    print(
        f"direct {direct:.5f}, splitting {result.estimate:.5f} +- {result.standard_error:.5f}, {sum(held)} "
        "of 200"
    )
    assert 0.91 <= np.mean(held) <= 0.98


@pytest.mark.stat
def test_a_rise_of_the_rank() -> None:
    # two layers of width one: the exact rank is at most one, and it rises from a dead start with noise in one
    # layer
    problem = rf.Problem.from_dense(np.array([[1.0, np.nan], [np.nan, -1.0]]))
    network = rf.Network((np.array([[1.0, 0.0], [0.0, 1e-3]]), np.array([[1.0, 0.0], [0.0, -1e-3]])))
    sgd, options = rf.SGD(lr=0.3, ridge=0.01, n_steps=1), {"every": 1}
    result = rf.splitting(problem, network, sgd, 2, 24, 20, 60, 2, **options)
    assert result.upward
    direct = rf.first_passage(problem, network, sgd, 2, 5_000, 24, seed=9, **options).seen.mean()
    assert 1e-3 < direct < 0.9
    error = np.hypot(result.standard_error, np.sqrt(direct / 5_000))
    assert abs(result.estimate - direct) < 4 * error


# -- to the bit -------------------------------------------------------------------------------------------


def test_paths_replay_to_the_event(short: tuple[float, float, np.ndarray]) -> None:
    _, tol, lowest = short
    result = short_run(tol, 40, 10, 5)
    assert len(result.paths) > 20
    assert any(len(path.segments) > 1 for path in result.paths)
    for path in result.paths:
        trace = result.replay(path)
        assert trace.rank[0, -1] == 1 and (trace.rank[0, :-1] == 2).all()
        entries = result.entries(path)[:, 0]
        assert entries.size == path.n_steps
        # the same path in the enumeration: the digits of its number
        row = int(np.sum(entries * 3 ** (7 - np.arange(entries.size))))
        assert lowest[row, path.n_steps - 1] <= tol


@pytest.mark.parametrize(
    "settings", [{}, {"batch_size": 2, "sampling": "distinct"}, {"sampling": "epochs"}, {"batch_size": 2}]
)
def test_replays_have_the_bits_of_the_run(settings: dict) -> None:
    """Streams are the chains of `train`: a path of one segment is one of them, and entries spell it out."""
    sgd = rf.SGD(lr=0.4, ridge=0.01, n_steps=6000, **settings)
    result = rf.splitting(PROBLEM, NET, sgd, 1, 6000, 10, 2, 4, every=500)
    straight = [path for path in result.paths if len(path.segments) == 1]
    assert straight
    path = straight[0]
    chain, start, stop = path.segments[0]
    assert start == 0 and stop == path.n_steps
    record = rf.Record(every=path.n_steps, what=("weights",))
    trace = rf.train(PROBLEM, NET, sgd, chains=[chain], seed=4, record=record)
    assert same_bits(trace.weights(0, 1), result.replay(path, record).weights(0, 1))


@pytest.mark.parametrize("score", ["singular_value", "relaxed"])
def test_threads_and_other_repeats_change_nothing(monkeypatch: pytest.MonkeyPatch, score: str) -> None:
    monkeypatch.setattr("rankfall.analysis.branching_sgd._WORTH_THREADS", 0.0)
    sgd = rf.SGD(lr=0.4, ridge=0.0066, n_steps=1)
    run = [
        rf.splitting(
            PROBLEM, NET, sgd, 1, 2000, 10, repeats, 8, every=50, n_kill=2, n_threads=n_threads, score=score
        )
        for repeats, n_threads in ((3, 1), (3, 2), (9, 2))
    ]
    assert run[0].repeats.tobytes() == run[1].repeats.tobytes() == run[2].repeats[:3].tobytes()
    assert run[0].paths == run[1].paths == tuple(path for path in run[2].paths if path.repeat < 3)
    assert run[0].n_steps == run[1].n_steps


# -- parts ------------------------------------------------------------------------------------------------


def test_scores_are_what_they_are_called() -> None:
    from rankfall.analysis.branching_sgd import SGDChain

    problem, network = holed((5, 4)), rf.Network.gaussian((4, 3, 3, 5), scale=1.0, seed=1)
    s = network.singular_values()
    phi = tail_factors(problem, network, 1, ridge=0.01, lr=0.1).phi.max()
    sgd = rf.SGD(lr=0.1, ridge=0.01, n_steps=1)
    for score, expected in (("singular_value", -s[1]), ("relative", -s[1] / s[0]), ("tail", -phi)):
        chain = SGDChain(problem, network, sgd, 1, 1, score)
        scores, happened, stopped = chain.look(chain.begin(np.arange(2)))
        assert scores == pytest.approx([expected] * 2, rel=1e-12)
        assert not happened.any() and not stopped.any()
    # gradient descent of the library from there; a network on which it diverges is as far as can be
    for relaxation in (1, 30):
        chain = SGDChain(problem, network, sgd, 1, 1, "relaxed", relaxation=relaxation)
        record = rf.Record(every=relaxation, what=("singular_values",))
        s = rf.train(
            problem, network, rf.GD(lr=0.1, ridge=0.01, n_steps=relaxation), record=record
        ).singular_values[0, -1]
        states = chain.begin(np.arange(2))
        scores, happened, stopped = chain.look(states)
        assert scores == pytest.approx([-s[1] / s[0]] * 2, rel=1e-12)
        assert not happened.any() and not stopped.any()
        assert np.array_equal(states[0], chain.begin(np.arange(2))[0])
    far = rf.Network(tuple(4 * W for W in network.weights))
    chain = SGDChain(problem, far, sgd, 1, 1, "relaxed")
    scores, _, stopped = chain.look(chain.begin(np.arange(2)))
    assert np.isneginf(scores).all() and not stopped.any()
    flat = network.compress(1).embed()
    assert numerical_rank(flat.singular_values(), problem) == 1
    assert SGDChain(problem, flat, sgd, 2, 1).upward


def test_diverged_paths_have_no_event() -> None:
    result = rf.splitting(PROBLEM, NET, rf.SGD(lr=3.0, ridge=0.01, n_steps=1), 0, 400, 5, 2, 0, every=100)
    assert result.estimate == 0 and result.extinct.all() and result.interval() == (0.0, 1.0)
    assert np.isnan(result.relative_error)
    passage = rf.first_passage(PROBLEM, NET, rf.SGD(lr=3.0, ridge=0.01, n_steps=1), 0, 5, 400, every=100)
    assert passage.diverged.all() and not passage.seen.any()


def test_intervals_and_looks() -> None:
    estimates = np.array([1e-9, 2e-9, 4e-9, 1e-9])
    low, high = spread_interval(estimates, 0.9)
    # symmetric in the logarithm around the mean, and wider for more coverage
    assert np.sqrt(low * high) == pytest.approx(estimates.mean())
    wide = spread_interval(estimates, 0.99)
    assert wide[0] < low < high < wide[1]
    assert looking(10_000, None) == 10 and looking(999, None) == 1 and looking(2003, None) == 1
    assert looking(100, 25) == 25
    with pytest.raises(rf.InputError, match="two repeats"):
        spread_interval(estimates[:1])
    with pytest.raises(rf.InputError, match="coverage"):
        spread_interval(estimates, 95)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"sgd": rf.GD(lr=0.1, ridge=0.01, n_steps=1)}, "no noise"),
        ({"sgd": rf.SGD(lr=0.1, ridge=0.01, n_steps=4, entries=np.zeros(4, int))}, "prescribed"),
        ({"sgd": rf.SGD(lr=np.full(4, 0.1), ridge=0.01, n_steps=4)}, "constant"),
        ({"sgd": rf.SGD(lr=0.1, ridge=0.01, n_steps=4, batch_size=2, sampling="epochs")}, "divide"),
        ({"network": rf.Network.gaussian((2, 2, 2), chains=2)}, "chain"),
        ({"network": rf.Network.gaussian((3, 2, 2))}, "shape"),
        ({"network": rf.Network((np.full((2, 2), np.nan), np.eye(2)))}, "finite"),
        ({"target_rank": 3}, "target_rank"),
        ({"horizon": 10, "every": 3}, "divides 10"),
        ({"score": "length"}, '"tail" or a function of a network'),
        ({"score": lambda network: np.nan}, "NaN"),
        ({"score": "relaxed", "relaxation": 0}, "relaxation"),
        ({"rank_tol": 1.0}, "rank_tol"),
        ({"n_kill": 100}, "n_kill"),
    ],
)
def test_bad_input(change: dict, match: str) -> None:
    arguments = {
        "problem": PROBLEM, "network": NET, "sgd": SHORT, "target_rank": 1, "horizon": 8, "n_replicas": 5,
        "repeats": 2,
    }  # fmt: skip
    with pytest.raises(rf.InputError, match=match):
        rf.splitting(**(arguments | change))
