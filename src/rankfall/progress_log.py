"""Progress of long runs as records of the standard ``logging`` module."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from .argument_checks import not_negative, whole
from .errors import InputError


@dataclass
class LogProgress:
    """A callback for :func:`rankfall.train` and :func:`rankfall.complete` that writes to a log.

    It logs the first report, later ones once `every` seconds have passed, and each new phase of a
    completion. It never stops a run, and changes none of its bits. Handlers, formats and files are those of
    the standard ``logging`` module; ``logging.basicConfig(level="INFO")`` shows the records on stderr.

    Parameters
    ----------
    logger : str or logging.Logger
        Where the records go.
    level : int
        Their level, for example ``logging.DEBUG``.
    every : float
        Seconds between two records at least; 0 for all reports.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> import rankfall as rf
    >>> problem, _ = rf.datasets.low_rank((10, 10), rank=1, observed=0.6, seed=0)
    >>> result = rf.complete(problem, seed=0, callback=rf.LogProgress(every=60))
    """

    logger: str | logging.Logger = "rankfall"
    level: int = logging.INFO
    every: float = 10.0
    _due: float = field(default=0.0, init=False, repr=False)
    _phase: str = field(default="", init=False, repr=False)
    _last: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.logger, (str, logging.Logger)):
            raise InputError("logger must be a name or a logging.Logger.")
        self.level = whole("level", self.level, least=0)
        self.every = not_negative("every", self.every)

    def __call__(self, progress: Any) -> None:
        """Take a report of a run: :class:`rankfall.dynamics.Progress` or
        :class:`rankfall.completion.Progress`.
        """
        phase, seconds = getattr(progress, "phase", "training"), float(progress.seconds)
        # the clock of a report goes back where the callback is used for another run
        if seconds >= self._due or seconds < self._last or phase != self._phase:
            self._due, self._phase = seconds + self.every, phase
            logger = logging.getLogger(self.logger) if isinstance(self.logger, str) else self.logger
            words = _training(progress) if hasattr(progress, "n_steps") else _completion(progress)
            logger.log(self.level, "%s, %.1f s", words, seconds)
        self._last = seconds


def _training(progress: Any) -> str:
    gone = int(progress.diverged.sum())
    lost = f", {gone} of {progress.diverged.size} chains diverged" if gone else ""
    return f"step {progress.step:,} of {progress.n_steps:,}{lost}"


def _completion(progress: Any) -> str:
    parts = [progress.phase]
    if progress.rank is not None:
        parts.append(f"rank {progress.rank}")
    for name, value in (("training", progress.train_rmse), ("held-out", progress.validation_rmse)):
        if value is not None:
            parts.append(f"{name} RMSE {value:.3g}")
    if progress.fraction is not None:
        parts.append(f"{progress.fraction:.0%} of this phase")
    return ", ".join(parts)
