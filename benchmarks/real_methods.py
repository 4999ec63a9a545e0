"""Running one method on one case, and what is written down about it."""

from __future__ import annotations

import multiprocessing as mp
import os
import time
from typing import Any

import numpy as np

import rankfall as rf
import real_scores
from peers import PEERS, RATINGS_ONLY, Answer, Task
from real_data import Case

Record = dict[str, Any]
METHODS = ("rankfall", *PEERS)
# seconds for this one method, which need not end; all others get the limit of the options
FULL = "iterative-full"


def applies(method: str, case: Case) -> bool:
    return case.ratings or method not in RATINGS_ONLY


def task_of(case: Case) -> Task:
    return Task(case.train, case.rows, case.cols, case.bounds, seed=0)


def run(method: str, case: Case) -> Record:
    """One method on one case, in this process: errors, seconds, rank, settings, and rankfall's intervals."""
    task = task_of(case)
    answer, intervals = rankfall(task) if method == "rankfall" else (PEERS[method](task), None)
    values = task.finish(answer.values)
    record = {
        **_head(method, case),
        "status": "ok",
        "rmse": real_scores.rmse(values, case.values),
        "mae": real_scores.mae(values, case.values),
        "seconds": answer.seconds,
        "fit_seconds": answer.fit_seconds,
        "rank": answer.rank,
        "without_prediction": int(np.count_nonzero(~np.isfinite(answer.values))),
        "settings": {name: _plain(value) for name, value in answer.settings.items()},
    }
    if intervals is not None:
        record["intervals"] = judge_intervals(case, intervals)
    return record


def run_within(method: str, case: Case, seconds: float) -> Record:
    """The same in a process of its own that is ended after so many seconds; a failure is a record, too."""
    context = mp.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, method, case), daemon=True)
    started = time.perf_counter()
    process.start()
    sender.close()
    try:
        # a process that dies without a word closes the pipe: poll wakes up, recv raises EOFError
        if receiver.poll(seconds):
            return receiver.recv()
        status = f"time limit ({seconds:g} s)"
    except EOFError:
        status = "died (out of memory?)"
    finally:
        process.terminate()
        process.join()
    return {**_head(method, case), "status": status, "seconds": time.perf_counter() - started}


def _child(sender: Any, method: str, case: Case) -> None:
    try:
        sender.send(run(method, case))
    except Exception as error:  # whatever a peer raises: the table says so, and the others go on
        sender.send({**_head(method, case), "status": f"{type(error).__name__}: {error}"})


def _head(method: str, case: Case) -> Record:
    return {
        "data": case.data,
        "hiding": case.hiding,
        "seed": case.seed,
        "method": method,
        "shape": list(case.train.shape),
        "n_train": case.train.n_observed,
        "n_hidden": int(case.rows.size),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
    }


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


# -- rankfall ----------------------------------------------------------------------------------------------

Intervals = dict[str, tuple[np.ndarray, np.ndarray]]


def complete(train: rf.Problem, bounds: tuple[float, float] | None, seed: int) -> rf.Completion:
    """As a user would: an array with NaN, or triplets for ratings, whose range is kept.

    Nothing else is said.
    """
    if bounds is not None:
        return rf.complete(train, seed=seed, bounds=bounds)
    return rf.complete(train.to_dense(), seed=seed)


def rankfall(task: Task) -> tuple[Answer, Intervals]:
    warm_up()
    started = time.perf_counter()
    result = complete(task.train, task.bounds, task.seed)
    values = result.predict(task.rows, task.cols)
    seconds = time.perf_counter() - started
    settings = {"outcome": result.outcome.name, "warnings": list(result.warnings), **result.settings}
    answer = Answer(values, result.rank, seconds, seconds, _writable(settings))
    intervals = {
        "rankfall": result.interval(task.rows, task.cols, coverage=real_scores.COVERAGE),
        "constant": constant_width(task, values, result.model.held_errors),
    }
    return answer, intervals


def warm_up() -> None:
    """Kernels are compiled, or read from their cache, outside the clock."""
    rng = np.random.default_rng(0)
    rf.complete(rng.standard_normal((20, 1)) * np.ones((1, 15)) + 0.1 * rng.standard_normal((20, 15)))


def constant_width(task: Task, values: np.ndarray, held_errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split-conformal intervals of one width for all cells, around the same predictions.

    The half width is the quantile, with the finite-sample correction, of the absolute errors at the very
    cells by which rankfall's own intervals are calibrated. With bounds both kinds are clipped.
    """
    half = real_scores.conformal_quantile(held_errors)
    # no interval where the model has no prediction, as for rankfall's own
    middle = np.where(np.isfinite(values), values, np.nan)
    low, high = middle - half, middle + half
    return (low, high) if task.bounds is None else (np.clip(low, *task.bounds), np.clip(high, *task.bounds))


def judge_intervals(case: Case, intervals: Intervals) -> dict[str, dict[str, float]]:
    train = case.train
    grouped = real_scores.groups(train.row_counts, train.col_counts, case.rows, case.cols)
    return {
        name: real_scores.as_record(real_scores.judge_intervals(low, high, case.values, grouped))
        for name, (low, high) in intervals.items()
    }


def _writable(settings: dict[str, object]) -> dict[str, object]:
    """What JSON can hold; anything else as it prints."""
    simple = (str, int, float, bool, list, type(None), np.generic)
    return {name: value if isinstance(value, simple) else str(value) for name, value in settings.items()}
