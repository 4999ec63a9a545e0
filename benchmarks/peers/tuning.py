"""What a peer is given, and how its settings are chosen: on validation cells only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

import rankfall as rf

from .fitted_effects import FALLBACK, fit_effects

VALIDATION_SHARE = 0.1
# a peer's settings, by their names in its own package
Setting = Mapping[str, object]


@dataclass(frozen=True, eq=False)
class Task:
    """Observed cells, and the cells whose values are asked for. The answers are not in here.

    Attributes
    ----------
    train : Problem
    rows, cols : ndarray of int, shape (n_asked,)
    bounds : (float, float) or None
        Range to which predictions are clipped (ratings).
    """

    train: rf.Problem
    rows: np.ndarray
    cols: np.ndarray
    bounds: tuple[float, float] | None = None
    seed: int = 0

    def split(self) -> tuple[Task, np.ndarray]:
        """A task made from the training cells alone: a random tenth of them is asked for.

        Returns
        -------
        task : Task
        values : ndarray
            What is right there.
        """
        train = self.train
        held = np.zeros(train.n_observed, bool)
        rng = np.random.default_rng([self.seed, 7919])
        held[rng.choice(held.size, size=max(1, round(VALIDATION_SHARE * held.size)), replace=False)] = True
        inner = Task(train.subset(~held), train.rows[held], train.cols[held], self.bounds, self.seed)
        return inner, train.values[held]

    def at(self, matrix: np.ndarray) -> np.ndarray:
        """The asked cells of a full matrix."""
        return matrix[self.rows, self.cols]

    def finish(self, values: np.ndarray) -> np.ndarray:
        """Predictions as they are judged: clipped, and row and column effects where a method gives none.

        The same rule for every method, rankfall included. Cells without a prediction lie in rows or columns
        without an observed cell.
        """
        values = np.asarray(values, float).copy()
        lacking = ~np.isfinite(values)
        if lacking.any():
            values[lacking] = self.at(fit_effects(self.train, FALLBACK, FALLBACK))[lacking]
        return values if self.bounds is None else np.clip(values, *self.bounds)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Values at the asked cells, and the rank of the model where it has one."""

    values: np.ndarray
    rank: int | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """What a peer delivers.

    Attributes
    ----------
    values : ndarray
        At the asked cells; NaN where it has no prediction.
    rank : int or None
    seconds, fit_seconds : float
        All in all, with the choice of settings; and for the last fit alone.
    settings : dict
        What was chosen, the validation RMSE of that, and how many settings were tried.
    """

    values: np.ndarray
    rank: int | None
    seconds: float
    fit_seconds: float
    settings: dict[str, object]


Fit = Callable[[Task, Setting], Prediction]


def rmse(values: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((values - truth) ** 2)))


class Judge:
    """Fits settings to the inner task of a task and remembers the best one."""

    def __init__(self, task: Task, fit: Fit) -> None:
        self.started = time.perf_counter()
        self.task, self.fit = task, fit
        self.inner, self.truth = task.split()
        self.n_tried = 0
        self.best: Setting | None = None
        self.best_error = np.inf

    def __call__(self, setting: Setting) -> float:
        """Validation RMSE of a setting."""
        values = self.inner.finish(self.fit(self.inner, setting).values)
        return self.note(setting, rmse(values, self.truth))

    def note(self, setting: Setting, error: float) -> float:
        """Take a setting into account whose error was computed elsewhere (on the same cells)."""
        self.n_tried += 1
        if self.best is None or error < self.best_error:
            self.best, self.best_error = setting, error
        return error

    def answer(self) -> Answer:
        """The best setting, fitted to all training cells."""
        assert self.best is not None
        before = time.perf_counter()
        prediction = self.fit(self.task, self.best)
        now = time.perf_counter()
        settings = {**self.best, "validation_rmse": self.best_error, "tried": self.n_tried}
        return Answer(prediction.values, prediction.rank, now - self.started, now - before, settings)


def tuned(task: Task, fit: Fit, grid: Iterable[Setting]) -> Answer:
    """Try every setting of a grid on validation cells, then fit the best one to all training cells."""
    judge = Judge(task, fit)
    for setting in grid:
        judge(setting)
    return judge.answer()


def untuned(task: Task, fit: Fit, setting: Setting | None = None) -> Answer:
    """One fit, nothing to choose."""
    started = time.perf_counter()
    prediction = fit(task, setting or {})
    seconds = time.perf_counter() - started
    return Answer(prediction.values, prediction.rank, seconds, seconds, dict(setting or {}))


def walk(
    error_at: Callable[[float], float], start: float, factor: float, floor: float, patience: int = 2
) -> None:
    """Lower a penalty from `start` by `factor` until the error has not improved `patience` times."""
    best, worse, penalty = np.inf, 0, start
    while penalty >= floor and worse < patience:
        error = error_at(penalty)
        # a NaN, a fit that failed, counts as no improvement
        best, worse = (error, 0) if error < best else (best, worse + 1)
        penalty *= factor
