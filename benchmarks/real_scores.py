"""How the benchmark judges predictions and intervals."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from rankfall.completion.result import intervals

COVERAGE = 0.9


def rmse(values: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((values - truth) ** 2)))


def mae(values: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean(np.abs(values - truth)))


def interval_score(
    low: np.ndarray, high: np.ndarray, truth: np.ndarray, coverage: float = COVERAGE
) -> np.ndarray:
    """Score of central intervals, smaller is better: width plus ``2 / (1 - coverage)`` times the miss.

    T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction, and estimation", JASA 102
    (2007), section 6.2.
    """
    miss = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    return high - low + 2 / (1 - coverage) * miss


def conformal_quantile(residuals: np.ndarray, coverage: float = COVERAGE) -> float:
    """Half width of split-conformal intervals of constant width: the ``ceil((n + 1) coverage)``-th smallest
    absolute residual of n held-out cells, infinite when there are too few."""
    return intervals.conformal_quantile(np.sort(np.abs(residuals)), coverage)


@dataclass(frozen=True)
class Groups:
    """Cells in lines with few and with many observed entries: boolean masks over the hidden cells."""

    few: np.ndarray
    many: np.ndarray


def groups(row_counts: np.ndarray, col_counts: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> Groups:
    """Lowest and highest quarter by the smaller of the observed entries in the cell's row and column.

    Cells at the quartile itself belong to the group, so that with ties a group may be larger than a quarter.
    """
    entries = np.minimum(row_counts[rows], col_counts[cols])
    low, high = np.quantile(entries, [0.25, 0.75])
    return Groups(entries <= low, entries >= high)


@dataclass(frozen=True)
class IntervalScores:
    """Coverage, mean width and mean interval score of 90% intervals, over the cells that have one.

    Attributes
    ----------
    without : int
        Hidden cells that were given no interval (NaN); they count as missed in the coverages, and are left
        out of width and score.
    """

    coverage: float
    width: float
    score: float
    few: float
    many: float
    without: int


def judge_intervals(low: np.ndarray, high: np.ndarray, truth: np.ndarray, grouped: Groups) -> IntervalScores:
    given = ~(np.isnan(low) | np.isnan(high))
    inside = given & (low <= truth) & (truth <= high)
    scores = interval_score(low[given], high[given], truth[given])
    return IntervalScores(
        coverage=float(inside.mean()),
        width=float(np.mean(high[given] - low[given])),
        score=float(np.mean(scores)),
        few=float(inside[grouped.few].mean()),
        many=float(inside[grouped.many].mean()),
        without=int(np.count_nonzero(~given)),
    )


def as_record(scores: IntervalScores) -> dict[str, float]:
    return asdict(scores)
