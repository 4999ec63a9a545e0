"""The methods that rankfall is compared with. Each takes a :class:`Task` and gives an :class:`Answer`.

Their packages are imported when they are used, so that this one can be read without them.
"""

from __future__ import annotations

from collections.abc import Callable

from .effects import column_means, row_column_effects
from .factorisation import cmfrec
from .imputers import iterative_100, iterative_full, knn, knn_columns
from .ratings import surprise_svd, surprise_svdpp
from .soft_impute import soft_impute
from .tuning import Answer, Task

PEERS: dict[str, Callable[[Task], Answer]] = {
    "column-means": column_means,
    "effects": row_column_effects,
    "knn": knn,
    "knn-columns": knn_columns,
    "soft-impute": soft_impute,
    "cmfrec": cmfrec,
    "iterative-100": iterative_100,
    "iterative-full": iterative_full,
    "surprise-svd": surprise_svd,
    "surprise-svdpp": surprise_svdpp,
}
RATINGS_ONLY = ("surprise-svd", "surprise-svdpp")

__all__ = ["PEERS", "RATINGS_ONLY", "Answer", "Task"]
