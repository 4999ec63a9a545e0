"""Wrong objects and wrong numbers at the public functions.

One sentence in one wording, before anything is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rankfall as rf
from rankfall.analysis.survival import garwood, kaplan_meier

PROBLEM = rf.Problem.from_dense(np.array([[1.0, 2.0], [2.0, np.nan]]))
NETWORK = rf.Network.gaussian((2, 2, 2), seed=0)
SGD = rf.SGD(lr=0.1, ridge=1e-3, n_steps=4)
TRACE = rf.train(PROBLEM, NETWORK, SGD, record=rf.Record(every=2))

PROBLEM_WANTED = "problem must be a Problem, not a Network; rf.Problem.from_dense makes one from an array."
WRONG: list[tuple[Callable[[], Any], str]] = [
    # arguments in the wrong order
    (lambda: rf.train(NETWORK, PROBLEM, SGD), PROBLEM_WANTED),
    (
        lambda: rf.train(PROBLEM, SGD, NETWORK),
        "network must be a Network, not an SGD; rf.Network.gaussian makes",
    ),
    (lambda: rf.first_passage(NETWORK, PROBLEM, SGD, 1), PROBLEM_WANTED),
    (lambda: rf.splitting(NETWORK, PROBLEM, SGD, 1, 4), PROBLEM_WANTED),
    (lambda: rf.descend(NETWORK, PROBLEM, ridge=0.1), PROBLEM_WANTED),
    (lambda: rf.analysis.monitor(NETWORK, PROBLEM, SGD), PROBLEM_WANTED),
    (lambda: rf.measures.data_loss(NETWORK, PROBLEM), PROBLEM_WANTED),
    (lambda: rf.geometry.identifiability(NETWORK, 1), PROBLEM_WANTED),
    (lambda: rf.geometry.observe(NETWORK, np.eye(2), np.eye(2)), PROBLEM_WANTED),
    # other objects
    (
        lambda: rf.train(np.eye(2), NETWORK, SGD),
        "problem must be a Problem, not an array of shape (2, 2); rf.",
    ),
    (
        lambda: rf.train(PROBLEM, TRACE, SGD),
        "network must be a Network, not a Trace; rf.Network.gaussian makes one.",
    ),
    (lambda: rf.train(PROBLEM, NETWORK, 0.1), "optimiser must be an SGD or a GD, not 0.1; rf.SGD("),
    (
        lambda: rf.train(PROBLEM, NETWORK, rf.SGD),
        "optimiser must be an SGD or a GD, not the class SGD; rf.SGD(",
    ),
    (
        lambda: rf.train(PROBLEM, NETWORK, SGD, record=10),
        "record must be a Record, not 10; rf.Record(every=...)",
    ),
    (
        lambda: rf.replay(NETWORK, chain=0, start=0, stop=1),
        "trace must be a Trace, not a Network; rf.train returns",
    ),
    (lambda: rf.Network(PROBLEM), "weights must be a tuple of matrices, not a Problem."),
    (lambda: rf.Network(("a", "b")), "The weights of a network must be real numbers."),
    (
        lambda: rf.Network.stack([NETWORK, PROBLEM]),
        "every one of networks must be a Network, not a Problem; rf.",
    ),
    (
        lambda: rf.Problem.from_sparse(np.eye(2)),
        "X must be a scipy.sparse matrix, not an array of shape (2, 2).",
    ),
    (
        lambda: rf.Problem.from_frame([[1]]),
        "frame must be a frame of pandas or polars, or a table of pyarrow, not [[1]].",
    ),
    # numbers
    (lambda: rf.train(PROBLEM, NETWORK, SGD, seed="x"), "seed must be a whole number, 0 or more, not 'x'."),
    (lambda: rf.train(PROBLEM, NETWORK, SGD, seed=-1), "seed must be a whole number, 0 or more, not -1."),
    (lambda: rf.train(PROBLEM, NETWORK, SGD, chains=0), "chains must be a positive whole number, not 0."),
    (lambda: rf.train(PROBLEM, NETWORK, SGD, chains="x"), "chains must be a positive whole number, not 'x'."),
    (
        lambda: rf.train(PROBLEM, NETWORK, SGD, chains=[]),
        "chains must be one or more non-negative whole numbers,",
    ),
    (
        lambda: rf.train(PROBLEM, NETWORK, SGD, chains=[-1]),
        "chains must be one or more non-negative whole numbers,",
    ),
    (lambda: rf.train(PROBLEM, NETWORK, SGD, deflate=1), "deflate must lie between 0 and 1, not 1."),
    (
        lambda: rf.train(PROBLEM, NETWORK, SGD, n_threads=0),
        "n_threads must be a positive whole number, not 0.",
    ),
    (lambda: rf.train(PROBLEM, NETWORK, SGD, dtype="x"), "dtype must be float64 or float32, not 'x'."),
    (lambda: rf.train(PROBLEM, NETWORK, SGD, dtype=int), "dtype must be float64 or float32, not int64."),
    (lambda: rf.train(PROBLEM, NETWORK, SGD, callback=3), "callback must be a function, not 3."),
    (lambda: rf.replay(TRACE, chain=1, start=0, stop=1), "chain must be a whole number from 0 to 0, not 1."),
    (lambda: rf.replay(TRACE, chain=0, start=2, stop=1), "stop must be a whole number from 2 to 4, not 1."),
    (lambda: rf.SGD(lr=-0.1, ridge=0, n_steps=1), "lr must be a number, 0 or more, not -0.1."),
    (lambda: rf.SGD(lr="x", ridge=0, n_steps=1), "lr must be a number, an array or a schedule, not 'x'."),
    (
        lambda: rf.SGD(lr=PROBLEM, ridge=0, n_steps=1),
        "lr must be a number, an array or a schedule, not a Problem.",
    ),
    (lambda: rf.SGD(lr=0.1, ridge=0, n_steps=0.5), "n_steps must be a whole number from 0 to"),
    (lambda: rf.SGD(lr=0.1, ridge=0, n_steps=1, batch_size=0), "batch_size must be a whole number from 1 to"),
    (
        lambda: rf.SGD(lr=0.1, ridge=0, n_steps=1, sampling="all"),
        'sampling must be "replacement", "distinct" or',
    ),
    (lambda: rf.Record(every=0), "every must be a positive whole number, not 0."),
    (lambda: rf.Record(rank_tol=1), "rank_tol must be a number, 0 or more and below 1, not 1."),
    (lambda: rf.Record(what=(3,)), "what must be a text, not 3."),
    (lambda: rf.Record(extra={"it": 3}), "extra['it'] must be a function, not 3."),
    (
        lambda: rf.Network.gaussian((2, 2)),
        "widths must be at least three positive whole numbers, not (2, 2).",
    ),
    (lambda: rf.Network.gaussian(3), "widths must be at least three positive whole numbers, not 3."),
    (lambda: rf.Network.gaussian((2, 2, 2), scale="x"), "scale must be a number, not 'x'."),
    (lambda: rf.Network.lift(np.eye(2), depth=1), "depth must be a whole number, 2 or more, not 1."),
    (lambda: rf.Network.lift(np.ones(2), depth=2), "A must have shape (m, n), not (2,)."),
    (lambda: NETWORK.compress(0), "rank must be a positive whole number, not 0."),
    (lambda: NETWORK.compress((1, 1)), "rank must be 1 positive whole numbers, not (1, 1)."),
    (lambda: rf.Problem.from_triplets([0], [0], [1], 3), "shape must be whole numbers, not 3."),
    (
        lambda: rf.Problem.from_triplets([0], [0], [1], duplicates="x"),
        'duplicates must be "error" or "mean", not',
    ),
    (lambda: PROBLEM.with_values([1.0]), "values must have shape (3,), not (1,)."),
    (lambda: rf.measures.soft_rank(np.ones(2), alpha=0), "alpha must be a positive number, not 0."),
    (lambda: rf.geometry.identifiability(PROBLEM, 3), "rank must be a whole number from 0 to 2, not 3."),
    (lambda: rf.datasets.low_rank((3,), rank=1), "shape must be two positive whole numbers, not (3,)."),
    (
        lambda: rf.datasets.low_rank((3, 3), rank=4, observed=1),
        "rank must be a whole number from 1 to 3, not 4.",
    ),
    (
        lambda: rf.datasets.low_rank((3, 3), rank=1, observed=2),
        "observed must be a positive number, at most 1, not 2.",
    ),
    (lambda: rf.datasets.two_by_two(0), "e must not be zero: the completion of rank one is 1/e."),
    (lambda: rf.datasets.beijing("rain"), "quantity must be \"PM2.5\" or \"temperature\", not 'rain'."),
    (lambda: rf.find_jumps(TRACE, dwell=-1), "dwell must be a whole number, 0 or more, not -1."),
    (lambda: garwood(-1, 5), "events must be a whole number, 0 or more, not -1."),
    (lambda: garwood(1, -5), "exposure must be a number, 0 or more, not -5."),
    (lambda: kaplan_meier([1, 2], [True]), "happened must have shape (2,), not (1,)."),
    (lambda: kaplan_meier([1], [True], interval="x"), 'interval must be "log-log" or "linear", not'),
]  # fmt: skip


@pytest.mark.parametrize(("call", "sentence"), WRONG, ids=range(len(WRONG)))
def test_one_sentence_in_one_wording(call: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(rf.InputError) as refused:
        call()
    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 160


def test_numbers_of_numpy_are_numbers() -> None:
    settings = rf.SGD(lr=np.float32(0.125), ridge=np.array(0.0), n_steps=np.int64(4), batch_size=2.0)  # type: ignore[arg-type]
    assert (settings.n_steps, settings.batch_size, settings.lr.value) == (4, 2, 0.125)  # type: ignore[union-attr]
    assert rf.Network.gaussian(np.array([2, 2, 2]), seed=np.uint32(0)).widths == (2, 2, 2)  # type: ignore[arg-type]
    trace = rf.train(PROBLEM, NETWORK, settings, chains=np.array([1, 3]), seed=0.0)  # type: ignore[arg-type]
    assert trace.chains.tolist() == [1, 3]
    assert rf.Record(every=np.float64(5)).every == 5  # type: ignore[arg-type]
