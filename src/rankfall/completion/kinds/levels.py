"""Columns with levels: probabilities, sets that contain the level with a given probability, and scores.

References
----------
T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction, and estimation", JASA 102 (2007).
M. Sadinle, J. Lei and L. Wasserman, "Least ambiguous set-valued classifiers with bounded error levels", JASA
114 (2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..result.intervals import conformal_quantile

# the least probability of what was observed that a log loss counts with
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class LevelColumn:
    """Probabilities of the levels of a column.

    Attributes
    ----------
    probabilities : ndarray, shape (m, n_levels)
        In every row.
    held_rows : ndarray of int64, shape (k,)
        Rows whose cell was held out.
    held : ndarray, shape (k, n_levels)
        The probabilities there, of a chain that had not seen the cell.
    """

    probabilities: np.ndarray
    held_rows: np.ndarray
    held: np.ndarray

    def scores(self, codes: np.ndarray) -> np.ndarray:
        """``1 - P(level)`` at the held-out cells, whose levels these are."""
        return 1 - self.held[np.arange(codes.size), codes]


def brier(probabilities: np.ndarray, codes: np.ndarray) -> float:
    """Mean of ``sum_l (p_l - [level = l])^2``: 0 is best, 2 worst."""
    truth = np.zeros_like(probabilities)
    truth[np.arange(codes.size), codes] = 1.0
    return float(np.mean(np.sum((probabilities - truth) ** 2, axis=1))) if codes.size else float("nan")


def log_loss(probabilities: np.ndarray, codes: np.ndarray) -> float:
    """Mean of ``-log P(level)``."""
    found = probabilities[np.arange(codes.size), codes]
    return float(-np.mean(np.log(np.maximum(found, _LEAST)))) if codes.size else float("nan")


def conformal_sets(
    probabilities: np.ndarray, scores: np.ndarray, coverage: float, ordered: bool
) -> np.ndarray:
    """Levels of which one is the cell's with this probability: a mask of the shape of `probabilities`.

    All levels with ``1 - p <= q``, where q is the conformal quantile of the scores at held-out cells, the
    most probable one among them; of ordered levels also those between. All where too few were held out.
    """
    limit = conformal_quantile(np.sort(scores), coverage)
    inside = 1 - probabilities <= limit
    inside[np.arange(len(inside)), probabilities.argmax(axis=1)] = True
    if ordered:
        inside = (
            np.maximum.accumulate(inside, axis=1) & np.maximum.accumulate(inside[:, ::-1], axis=1)[:, ::-1]
        )
    return inside
