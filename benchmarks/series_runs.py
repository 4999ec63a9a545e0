"""Running a method of the benchmark on series: the choice of its setting, the time limit, and the scores."""

from __future__ import annotations

import importlib
import multiprocessing as mp
import time
from typing import Any

import numpy as np

import rankfall as rf
import real_scores
from peers import Task
from peers.tuning import Setting, rmse
from series_data import Table, relative_error
from series_methods import METHODS, Fitted, Method, warm_up

Record = dict[str, Any]


class OverTime(Exception):
    """A fit took longer than it may."""


class Failed(Exception):
    """A fit raised something, or its process died."""


class Worker:
    """A process that fits one task after the other. It is started when it is needed.

    Parameters
    ----------
    limit : float
        Seconds for a fit.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._process: Any = None
        self._pipe: Any = None

    def fit(self, method: str, task: Task, setting: Setting) -> Fitted:
        if self._process is None:
            context = mp.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
        try:
            self._pipe.send((method, task, setting))
            answer = self._pipe.recv()  # that the clock starts, or why not
            if answer is None:
                if not self._pipe.poll(self.limit):
                    self.close()
                    raise OverTime
                answer = self._pipe.recv()
        except (EOFError, OSError):
            # a process that dies without a word closes the pipe
            self.close()
            raise Failed("died (out of memory?)") from None
        if isinstance(answer, str):
            raise Failed(answer)
        return answer

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.join()
            self._pipe.close()
            self._process = None


def _serve(pipe: Any) -> None:
    """Answer requests until the other end is closed: None when the clock starts, then what was fitted."""
    while True:
        try:
            name, task, setting = pipe.recv()
        except EOFError:
            return
        try:
            method = METHODS[name]
            for module in method.needs:
                importlib.import_module(module)
            if method.as_it_is:
                warm_up()
            pipe.send(None)
            pipe.send(_timed(method, task, setting))
        except Exception as error:  # whatever a peer raises: the table says so, and the others go on
            pipe.send(f"{type(error).__name__}: {error}")


def _timed(method: Method, task: Task, setting: Setting) -> Fitted:
    started = time.perf_counter()
    fitted = method.fit(task, setting)
    seconds = time.perf_counter() - started if fitted.seconds is None else fitted.seconds
    return Fitted(fitted.values, {**setting, **fitted.details}, fitted.intervals, seconds)


def run(worker: Worker, method: str, table: Table, hidden: np.ndarray) -> Record:
    """One method on one mask of a table; being over time and failing are records, too."""
    started = time.perf_counter()
    try:
        return {"status": "ok", **_judged(worker, method, table, hidden)}
    except OverTime:
        status = {"status": "over time", "limit": worker.limit}
    except Failed as failure:
        status = {"status": f"failed: {failure}"}
    return {**status, "seconds": time.perf_counter() - started}


def _judged(worker: Worker, method: str, table: Table, hidden: np.ndarray) -> Record:
    train = np.where(hidden, np.nan, table.values)
    rows, cols = np.nonzero(hidden)
    center, scale = standards(table, train)
    standard = Task(rf.Problem.from_dense((train - center) / scale), rows, cols)
    own = METHODS[method].as_it_is
    task = Task(rf.Problem.from_dense(train), rows, cols) if own else standard
    fitted, seconds = tuned(worker, method, task)
    values = (fitted.values - center[cols]) / scale[cols] if own else fitted.values
    # where there is no prediction, effects stand in: those of columns of one size, for every method
    predicted = standard.finish(values) * scale[cols] + center[cols]
    unit = table.spread[cols]
    return {
        "error": relative_error(table, hidden, predicted),
        "seconds": seconds,
        "last_fit": fitted.seconds,
        "without_prediction": int(np.count_nonzero(~np.isfinite(fitted.values))),
        "details": dict(fitted.details),
        "intervals": {
            name: judge_intervals(low / unit, high / unit, table.values[hidden] / unit)
            for name, (low, high) in fitted.intervals.items()
        },
    }


def standards(table: Table, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of the columns, or of all cells where these have one unit."""
    seen = ~np.isnan(train)
    axis = 0 if table.by_column else None
    count = np.maximum(seen.sum(axis=axis), 1)
    center = np.where(seen, train, 0.0).sum(axis=axis) / count
    squares = (np.where(seen, train - center, 0.0) ** 2).sum(axis=axis)
    spread = np.sqrt(squares / count)
    n_cols = train.shape[1]
    return np.broadcast_to(center, n_cols), np.broadcast_to(np.where(spread > 0, spread, 1.0), n_cols)


def tuned(worker: Worker, method: str, task: Task) -> tuple[Fitted, float]:
    """The setting with the smallest validation error, fitted to all training cells; and seconds for all."""
    grid = METHODS[method].grid(task)
    seconds, errors, failure = 0.0, np.zeros(len(grid)), None
    if len(grid) > 1:
        inner, truth = task.split()
        errors[:] = np.inf
        for place, setting in enumerate(grid):
            try:
                fitted = worker.fit(method, inner, setting)
            except OverTime as over:
                # those that follow take longer still
                failure = failure or over
                break
            except Failed as failed:
                failure = failed
                continue
            seconds += fitted.seconds or 0.0
            errors[place] = rmse(inner.finish(fitted.values), truth)
    best = int(np.argmin(errors))
    if failure is not None and not np.isfinite(errors[best]):
        raise failure
    fitted = worker.fit(method, task, grid[best])
    return fitted, seconds + (fitted.seconds or 0.0)


def judge_intervals(low: np.ndarray, high: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Coverage and mean interval score; cells without an interval are missed, and left out of the score."""
    given = ~(np.isnan(low) | np.isnan(high))
    inside = given & (low <= truth) & (truth <= high)
    scores = real_scores.interval_score(low[given], high[given], truth[given])
    return {
        "coverage": float(inside.mean()),
        "score": float(scores.mean()) if scores.size else np.nan,
        "without": int(np.count_nonzero(~given)),
    }
