"""Settings of a descent, all derived from the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...problem import Problem

DEPTH = 3
# typical rank assumed where only an order of magnitude is needed
_TYPICAL_RANK = 5
# with many cells the first, nearly ridgeless stages cost most and show little
_FIRST_SHRINKAGE, _FIRST_SHRINKAGE_LARGE, _LAST_SHRINKAGE = 2e-3, 8e-3, 2.0
# shrinkage, in units of the squared fraction of noise in the variance, at which a schedule for noisy data
# begins
_NOISE_SHRINKAGE = 0.2
_MANY_CELLS = 100_000
_RECORDS_PER_STAGE = 4
# fractions of the largest singular value of a hidden layer below which its directions are dead; that of the
# matrix is their third power. Where there is noise, weak directions hold nothing else
_DEAD, _DEAD_NOISY = 0.02, 0.05
# floating-point operations between two records, all chains together, below which one thread makes the steps:
# they take a few milliseconds, and threads that meet so often wait for each other on a busy machine
_SHORT = 5e7


@dataclass(frozen=True)
class Plan:
    """Settings of a descent (see :func:`plan`).

    Attributes
    ----------
    width : int
        Width of the hidden layers.
    lr : float
        Learning rate at the start; lowered when the tangent kernel asks for it, or on divergence.
    ridges : tuple of float
        The rising schedule, one ridge per stage.
    steps : int
        SGD steps at every ridge.
    n_chains : int
    dead : float
        Hidden directions below this fraction of the largest are dropped after every stage (Theorem 4).
    records : int
        Records of a stage.
    """

    width: int
    lr: float
    ridges: tuple[float, ...]
    steps: int
    n_chains: int
    dead: float = _DEAD
    records: int = _RECORDS_PER_STAGE

    @property
    def work(self) -> float:
        """Floating-point operations of all SGD steps, roughly."""
        return self.steps * len(self.ridges) * self.n_chains * self.width**2 * 6.0

    @property
    def is_short(self) -> bool:
        """Whether the steps between two records are too few for several threads."""
        return self.steps // self.records * self.n_chains * self.width**2 * 6.0 < _SHORT


def plan(
    problem: Problem,
    effort: float,
    n_chains: int,
    max_width: int = 100,
    noise: float = 0.0,
    rise: float = 1.3,
    first: float | None = None,
    records: int = _RECORDS_PER_STAGE,
) -> Plan:
    """Settings of a descent for data with root mean square 1.

    With data of this scale and rank r the singular values are about ``s = sqrt(m n / r)``. A ridge
    ``delta s^(2-2/L) / (2 m n)`` shrinks such a singular value by a fraction of about ``delta`` at a
    minimum; the schedule rises from a negligible delta to one that kills everything (the caller leaves
    earlier). The mean of the tangent kernel over the cells is about ``s^(4/3) r (1/m + 1/n)`` for
    balanced factors, and lr is its inverse. Weight decay then needs about ``r (m + n) / delta`` steps,
    so the steps at each ridge are a multiple (`effort`) of m + n. Where the noise is known to be a fraction
    `noise` of the variance, the schedule begins where the ridge begins to matter to it. Every ridge is `rise`
    times the one before; `first` is the first delta, if that is not left to the data.
    """
    m, n = problem.shape
    s = np.sqrt(m * n / _TYPICAL_RANK)
    power = s ** (2 - 2 / DEPTH)
    if first is None:
        first = _FIRST_SHRINKAGE if problem.n_observed < _MANY_CELLS else _FIRST_SHRINKAGE_LARGE
        first = max(first, _NOISE_SHRINKAGE * noise**2)
    count = 1 + int(np.ceil(np.log(_LAST_SHRINKAGE / first) / np.log(rise)))
    shrinkage = first * rise ** np.arange(count)
    widest = min(m, n, max_width)
    width = int(np.clip(5 * problem.max_oversampled_rank(), min(20, widest), widest))
    return Plan(
        width=width,
        lr=float(1 / (power * _TYPICAL_RANK * (1 / m + 1 / n))),
        ridges=tuple((shrinkage * power / (2 * m * n)).tolist()),
        steps=records * int(np.ceil(effort * (m + n) / records)),
        n_chains=n_chains,
        dead=_DEAD_NOISY if noise else _DEAD,
        records=records,
    )
