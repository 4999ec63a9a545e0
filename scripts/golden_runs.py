"""Traces, rare events and certificates whose numbers ``golden.py`` hashes, a few seconds each."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import rankfall as rf
from golden_api import (
    Numbers,
    case,
    first_passage,
    of_certificate,
    of_jumps,
    of_monitored,
    of_network,
    of_trace,
    prefixed,
    splitting,
    table,
    train,
)
from rankfall.dynamics import Geometric, Linear, Piecewise

# -- traces ----------------------------------------------------------------------------------------


def small(m: int = 8, n: int = 6, observed: float = 0.7, seed: int = 0) -> rf.Problem:
    return rf.Problem.from_dense(table(m, n, 2, observed, noise=0.05, seed=seed))


def start(*widths: int, chains: int | None = None, seed: int = 0) -> rf.Network:
    """Widths from the columns to the rows."""
    return rf.Network.gaussian(widths, scale=1.0, seed=seed, chains=chains)


@case("trace-depth-2")
def depth_2() -> Numbers:
    return of_trace(
        train(small(), start(6, 5, 8), rf.SGD(lr=0.02, ridge=2e-3, n_steps=60_000), every=5000, seed=1)
    )


@case("trace-depth-4-widths")
def depth_4() -> Numbers:
    sgd = rf.SGD(lr=0.02, ridge=2e-3, n_steps=30_000, batch_size=3)
    return of_trace(train(small(), start(6, 9, 4, 7, 8), sgd, every=3000, seed=2))


@case("trace-distinct")
def distinct() -> Numbers:
    sgd = rf.SGD(lr=0.03, ridge=2e-3, n_steps=30_000, batch_size=5, sampling="distinct")
    return of_trace(train(small(), start(6, 6, 6, 8), sgd, every=3000, seed=3))


@case("trace-epochs")
def epochs() -> Numbers:
    sgd = rf.SGD(lr=0.03, ridge=2e-3, n_steps=30_000, batch_size=4, sampling="epochs")
    return of_trace(train(small(), start(6, 6, 6, 8), sgd, every=777, seed=4))


@case("trace-float32")
def single_precision() -> Numbers:
    sgd = rf.SGD(lr=0.03, ridge=2e-3, n_steps=60_000)
    return of_trace(train(small(), start(6, 16, 16, 8), sgd, every=6000, seed=5, dtype=np.float32))


@case("trace-schedules")
def schedules() -> Numbers:
    falling, rising = Geometric(0.05, 0.005, 20_000), Linear(1e-4, 5e-3, 15_000)
    pieces = Piecewise((0, 5000, 12_000), (1e-4, 3e-3, 1e-3))
    listed = 0.02 + 0.01 * np.cos(np.arange(20_000) / 500)
    problem, network = small(), start(6, 6, 6, 8)
    one = train(problem, network, rf.SGD(lr=falling, ridge=rising, n_steps=20_000), every=2000, seed=6)
    other = train(problem, network, rf.SGD(lr=listed, ridge=pieces, n_steps=20_000), every=2000, seed=6)
    return {**prefixed("smooth", of_trace(one)), **prefixed("pieces", of_trace(other))}


@case("trace-gd")
def full_gradient() -> Numbers:
    gd = rf.GD(lr=0.1, ridge=1e-3, n_steps=4000)
    return of_trace(train(small(20, 15), start(15, 12, 12, 20), gd, every=400))


@case("trace-chains")
def chains() -> Numbers:
    what = (
        "singular_values",
        "train_loss",
        "rank",
        "imbalance",
        "hidden_singular_values",
        "weights",
        "ledger",
    )
    sgd = rf.SGD(lr=0.05, ridge=5e-3, n_steps=20_000)
    trace = train(small(), start(6, 6, 6, 8), sgd, every=500, what=what, chains=70, seed=7)
    few = train(small(), start(6, 6, 6, 8, chains=3), sgd, every=5000, seed=8)
    jumps = rf.find_jumps(trace, dwell=1000)
    return {**of_trace(trace, what), **prefixed("few", of_trace(few)), **prefixed("jumps", of_jumps(jumps))}


@case("trace-deflate")
def deflated() -> Numbers:
    sgd = rf.SGD(lr=0.03, ridge=4e-3, n_steps=60_000)
    trace = train(small(20, 15), start(15, 15, 15, 20), sgd, every=6000, chains=3, seed=9, deflate=1e-4)
    return of_trace(trace)


@case("trace-checkpoint-replay")
def resumed() -> Numbers:
    what = ("singular_values", "train_loss", "rank", "weights")
    sgd = rf.SGD(lr=0.03, ridge=2e-3, n_steps=40_000)
    problem, network = small(), start(6, 6, 6, 8)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.npz"
        options = {"every": 2000, "what": what, "chains": 2, "seed": 10, "checkpoint": file}
        train(problem, network, sgd, **options, callback=lambda progress: progress.step >= 10_000)
        trace = train(problem, network, sgd, **options)
    again = rf.replay(trace, chain=1, start=8100, stop=8200)
    return {**of_trace(trace, what), **prefixed("again", of_trace(again))}


@case("trace-prescribed")
def prescribed() -> Numbers:
    problem = small()
    entries = np.random.default_rng(17).integers(problem.n_observed, size=(10_000, 2))
    sgd = rf.SGD(lr=0.05, ridge=2e-3, n_steps=10_000, entries=entries)
    return of_trace(train(problem, start(6, 6, 6, 8), sgd, every=1000))


@case("trace-large")
def large() -> Numbers:
    problem = small(150, 120, observed=0.3)
    one = rf.SGD(lr=0.005, ridge=1e-3, n_steps=10_000)
    batches = rf.SGD(lr=0.05, ridge=1e-3, n_steps=600, batch_size=400)
    network = start(120, 70, 100, 150)
    return {
        **prefixed("one", of_trace(train(problem, network, one, every=2000, seed=11))),
        **prefixed("batches", of_trace(train(problem, network, batches, every=200, seed=11))),
    }


@case("trace-diverges")
def diverges() -> Numbers:
    sgd = rf.SGD(lr=3.0, ridge=1e-3, n_steps=3000)
    return of_trace(train(small(), start(6, 6, 6, 8), sgd, every=500, chains=2, seed=12))


# -- rare events -----------------------------------------------------------------------------------

EVENT = {"horizon": 2000, "n_replicas": 20, "repeats": 4, "every": 50}


def two_by_two() -> tuple[rf.Problem, rf.Network, rf.SGD]:
    """Three entries, a start near the minimum of rank 2, and noise that sometimes makes the rank fall."""
    problem = rf.Problem.from_dense(np.array([[1.0, 0.3], [np.nan, 1.0]]))
    network = rf.Network.lift(np.array([[0.985, 0.310], [1.374, 0.985]]), depth=4)
    return problem, network, rf.SGD(lr=0.4, ridge=0.0066, n_steps=1)


@case("splitting-falls")
def falls() -> Numbers:
    problem, network, sgd = two_by_two()
    numbers: dict[str, object] = {}
    for score in ("singular_value", "relative", "tail", "relaxed"):
        event = {**EVENT, "target_rank": 1, "score": score, "seed": 1}
        numbers |= prefixed(score, splitting(problem, network, sgd, **event))
    return numbers


@case("splitting-rises")
def rises() -> Numbers:
    problem = rf.Problem.from_dense(np.array([[1.0, np.nan], [np.nan, -1.0]]))
    network = rf.Network((np.array([[1.0, 0.0], [0.0, 1e-3]]), np.array([[1.0, 0.0], [0.0, -1e-3]])))
    sgd = rf.SGD(lr=0.3, ridge=0.01, n_steps=1)
    event = {**EVENT, "horizon": 30, "every": 1, "target_rank": 2, "seed": 2}
    return splitting(problem, network, sgd, **event)


@case("splitting-own-score")
def own_score() -> Numbers:
    problem, network, _ = two_by_two()
    sgd = rf.SGD(lr=0.4, ridge=0.0066, n_steps=1, batch_size=2, sampling="distinct")
    event = {**EVENT, "target_rank": 1, "seed": 3, "horizon": 1000}

    def size_of_determinant(network: rf.Network) -> float:
        return -abs(float(np.linalg.det(network.product())))

    return splitting(problem, network, sgd, score=size_of_determinant, **event)


@case("first-passage")
def passage() -> Numbers:
    problem, network, sgd = two_by_two()
    event = {"target_rank": 1, "chains": 40, "max_steps": 3000, "seed": 4, "every": 100}
    return first_passage(problem, network, sgd, **event)


# -- certificates ----------------------------------------------------------------------------------


def unit() -> rf.Problem:
    """Entries of at most 1."""
    problem = small(6, 5)
    return problem.with_values(problem.values / np.abs(problem.values).max())


def locked() -> rf.Network:
    """Where gradient descent goes from a small start."""
    return train(unit(), start(5, 5, 5, 6), rf.GD(lr=0.1, ridge=0.02, n_steps=3000), every=3000).final(0)


@case("certificate-theorem-1")
def theorem_1() -> Numbers:
    constants = rf.theory.solve(depth=3, ridge=0.1, bound=1.0)
    k = {"depth": constants.depth, "lr": constants.lr, "nu": constants.nu, "C": constants.C,
         "eps": constants.eps, "delta": constants.delta, "eps_star": constants.eps_star}  # fmt: skip
    reach = rf.theory.reach_bound(unit(), constants, rank=1)
    stepped = rf.theory.successors(unit(), locked(), rank=2, constants=constants)
    return {
        **prefixed("constants", k),
        **prefixed("check", of_certificate(rf.theory.check_constants(constants))),
        "reach": np.array([reach.n_steps, reach.log_probability]),
        **prefixed("successors", stepped.margins),
    }


@case("certificate-point")
def at_a_point() -> Numbers:
    problem, network, n = unit(), locked(), unit().n_observed
    single = rf.theory.certify(problem, network, rank=2, ridge=0.1, lr=1e-6)
    full = rf.theory.certify(problem, network, rank=2, ridge=0.02, lr=0.1, batch_size=n, sampling="distinct")
    return {**prefixed("single", of_certificate(single)), **prefixed("full", of_certificate(full))}


@case("certificate-lock")
def locks() -> Numbers:
    problem, network = unit(), locked()
    certificate = rf.theory.lock(
        problem, network, ridge=0.02, lr=0.01, batch_size=2, sampling="distinct", p_fail=1e-2
    )
    return of_certificate(certificate)


@case("certificate-all-time")
def all_time() -> Numbers:
    lemma = rf.theory.lemma_b(depth=3, ridge=0.02, omega=1.1, rho=0.4)
    numbers = {"lemma tail": lemma.tail, "lemma slope": lemma.slope}
    return {**numbers, **of_certificate(rf.theory.lock_all_time(unit(), locked(), ridge=0.02, lr=1e-7))}


@case("certificate-measured")
def measured() -> Numbers:
    bounds = {"eps": 1e-3, "delta": 0.05, "rho": 0.3, "g": 0.1, "omega": 1.2}
    return of_certificate(rf.theory.check_monitored(depth=4, ridge=0.02, lr=1e-3, **bounds))


@case("certificate-monitor")
def monitored() -> Numbers:
    sgd = rf.SGD(lr=0.05, ridge=0.02, n_steps=15_000)
    seen = rf.analysis.monitor(small(), start(6, 6, 6, 8), sgd, seed=3, chains=2)
    return {**of_monitored(seen), **prefixed("trace", of_trace(seen.trace))}


@case("minima")
def minima() -> Numbers:
    found = rf.theory.minima(small(5, 4, 0.8), depth=3, ridge=0.01, ranks=(1, 2), seed=0)
    numbers: dict[str, object] = {}
    for k, point in enumerate(found):
        numbers |= prefixed(
            str(k), {"rank": point.rank, "s": point.s, "loss": point.loss, "hits": point.hits}
        )
        numbers |= prefixed(f"{k} network", of_network(point.network()))
    return numbers
