"""A reader for MovieLens-100K, whose terms do not permit redistribution."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

import numpy as np

from ..argument_checks import whole
from ..declared_arguments import declared
from ..errors import InputError
from ..problem import Problem

_N_RATINGS, _SHAPE, _N_FOLDS = 100_000, (943, 1682), 5


@dataclass(frozen=True, eq=False)
class MovieLens:
    """The 100,000 ratings in their original order.

    Attributes
    ----------
    users, items : ndarray of int64, shape (100000,)
        Row (0 to 942) and column (0 to 1681) of each rating: the file's identifiers minus one.
    ratings : ndarray of float64, shape (100000,)
        Stars, 1 to 5.
    """

    users: np.ndarray
    items: np.ndarray
    ratings: np.ndarray

    def problem(self) -> Problem:
        """All ratings, as a problem of shape (943, 1682)."""
        return self._part(np.ones(_N_RATINGS, bool))

    @declared
    def fold(self, k: int) -> tuple[Problem, Problem]:
        """Number `k`, 1 to 5, of the usual splits, as (training, test) problems of shape (943, 1682).

        The test ratings of fold k are number ``(k - 1) * 20000`` to ``k * 20000`` in the original order,
        as in the distributed files ``u1`` to ``u5``.
        """
        k = whole("k", k, least=1, most=_N_FOLDS)
        test = np.arange(_N_RATINGS) // (_N_RATINGS // _N_FOLDS) == k - 1
        return self._part(~test), self._part(test)

    def _part(self, chosen: np.ndarray) -> Problem:
        return Problem.from_triplets(self.users[chosen], self.items[chosen], self.ratings[chosen], _SHAPE)


@declared
def movielens_100k(path: str | PathLike[str]) -> MovieLens:
    """Read the ratings of MovieLens-100K from a file that you downloaded.

    Parameters
    ----------
    path : path
        ``u.data`` of the original archive (https://grouplens.org/datasets/movielens/100k/), or the file
        ``ml-100k.inter`` that comes with the Python package recbole (in its wheel under
        ``recbole/dataset_example/ml-100k``). Both hold tab-separated user, item, rating and time, in the
        same order; the second has a header line.

    Returns
    -------
    MovieLens

    Raises
    ------
    InputError
        If the file is missing, or is not MovieLens-100K in one of these formats.

    Notes
    -----
    The data belong to GroupLens; their terms of use forbid redistribution without permission.
    F. M. Harper and J. A. Konstan (2015). The MovieLens Datasets: History and Context. ACM TiiS 5(4).
    """
    try:
        with open(path, encoding="utf-8") as stream:
            first = stream.readline()
        if not first:
            raise InputError(f"{path} is not MovieLens-100K: it is empty.")
        table = np.loadtxt(
            path, dtype=np.int64, delimiter="\t", skiprows=int(first.startswith("user_id")), ndmin=2
        )
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    except InputError:
        raise
    except ValueError as error:  # a field that is not an integer, or bytes that are not text
        raise InputError(f"{path} is not u.data or ml-100k.inter of MovieLens-100K: {error}.") from error
    if table.shape != (_N_RATINGS, 4):
        raise InputError(
            f"{path} is not MovieLens-100K: expected {_N_RATINGS} lines of 4 numbers, found {table.shape}."
        )
    users, items = table[:, 0] - 1, table[:, 1] - 1
    if min(users.min(), items.min()) < 0 or users.max() >= _SHAPE[0] or items.max() >= _SHAPE[1]:
        raise InputError(f"{path} is not MovieLens-100K: a user or item number is out of range.")
    return MovieLens(users, items, table[:, 2].astype(np.float64))
