"""The table of the ranks that were tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...problem import Problem
from ..descent.tried_ranks import TriedRank

if TYPE_CHECKING:
    import pandas as pd

_ERRORS = ("sgd_train", "sgd_validation", "train", "validation", "validation_mae")


def rank_path(tried: Sequence[TriedRank], problem: Problem, unit: float, chosen: int) -> pd.DataFrame:
    """One row per rank, the best fit of each, errors times `unit`."""
    import pandas as pd

    best: dict[int, TriedRank] = {}
    for fit in tried:
        if fit.rank not in best or fit.merit < best[fit.rank].merit:
            best[fit.rank] = fit
    ranks = sorted(best)
    # column by column: a table that is built and then converted takes longer than a small fit
    columns: dict[str, np.ndarray] = {"rank": np.array(ranks, np.int64)}
    columns["oversampling"] = np.array([problem.oversampling(rank) for rank in ranks], np.float64)
    for name in ("ridge", *_ERRORS, "relative", "refit_ridge", "steps"):
        numbers = np.array([getattr(best[rank], name) for rank in ranks], np.float64)
        columns[name] = numbers * unit if name in _ERRORS else numbers
    columns["chosen"] = columns["rank"] == chosen
    return pd.DataFrame(columns)
