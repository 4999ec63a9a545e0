"""Completed tables drawn from the posterior, for multiple imputation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from operator import index
from typing import Any, overload

import numpy as np

from ...compute.threads import threads_without_blas
from ...frames import write_frame
from ...partly_known import Augmentation
from ...scale import scaled
from ..solvers.gibbs import Sampler
from ..solvers.noise_model import NoiseModel
from .limit_cells import LimitCells
from .missing_cells import MissingCells
from .positions import chunks
from .predictive import Predictive, advanced, probe_generator
from .values import Values

# missing cells at which chains are followed
_PROBES = 400


@dataclass(frozen=True, eq=False)
class Draws(Sequence[Any]):
    """Completed tables drawn from the posterior, made one at a time when they are asked for.

    Iterating goes on with the chains from one draw to the next. ``draws[k]`` begins again after the pilot, so
    that asking for all draws by number takes longer than a loop over them. Either way a draw is the same to
    the bit, for any number of threads, and in a result that was saved and loaded.

    Attributes
    ----------
    m : int
        Number of draws.
    seed : int
    values : Values
        What is drawn around.
    noise_models : tuple of NoiseModel
        Over whose chains the fit is the mean.
    free : ndarray of bool, shape (m, n), or None
        Cells that an exact fit leaves free; None if there are none.
    augmentation : Augmentation or None
        Observed cells that are known only in part, on the scale of the fit: chains draw them, too.
    limits : LimitCells or None
        Those of them that are known by a limit, in tables whose values are numbers.
    """

    m: int
    seed: int
    values: Values
    noise_models: tuple[NoiseModel, ...]
    free: np.ndarray | None = None
    augmentation: Augmentation | None = None
    limits: LimitCells | None = None

    def __repr__(self) -> str:
        m, n = self.values.problem.shape
        return f"Draws({self.m} of a {m} x {n} table, seed {self.seed})"

    def __len__(self) -> int:
        return self.m

    @property
    def effective_size(self) -> float:
        """As many independent draws say as much about what the model fits at the missing cells.

        From the autocorrelation of the fitted values at up to 400 missing cells along the chains,
        ``m (1 - rho) / (1 + rho)`` with the correlation rho of successive draws of a chain, relative to the
        mean over all chains. (The noise in draws is independent.) Equal to m for an exact fit, whose draws
        are all the same.
        """
        with threads_without_blas(None):
            return float(self.m) if self.values.model.exact else self.predictive.effective_size(self.m)

    @overload
    def __getitem__(self, k: int) -> Any: ...
    @overload
    def __getitem__(self, k: slice) -> list[Any]: ...
    def __getitem__(self, k: int | slice) -> Any:
        if isinstance(k, slice):
            return [self[number] for number in range(self.m)[k]]
        number = range(self.m)[index(k)]
        return self._delivered(self.dense(number))

    def __iter__(self) -> Iterator[Any]:
        return (self._delivered(table) for table in self.arrays())

    def arrays(self) -> Iterator[np.ndarray]:
        """All draws in turn as arrays, shape (m, n), in the units of the data, nothing rounded."""
        for number, chain in self.states():
            with threads_without_blas(None):
                table = self._table(chain, number)
            yield table

    def dense(self, k: int) -> np.ndarray:
        """Draw number k as an array, shape (m, n), in the units of the data, nothing rounded."""
        with threads_without_blas(None):
            return self._table(None if self.values.model.exact else self.state(k), k)

    def at(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """All draws of some cells, by position: shape (m, n_cells)."""
        out = np.empty((self.m, rows.size))
        for number, chain in self.states():
            with threads_without_blas(None):
                out[number] = self._cells(chain, number, rows, cols)
        return out

    def of_new_rows(self, values: np.ndarray) -> Iterator[np.ndarray]:
        """Draws of all cells of new rows, (k, n) from (k, n) with NaN, both on the scale of the fit.

        Rows with the same entries are drawn differently, and alike in another table with as many of them.
        """
        names = _row_names(values)
        for number, chain in self.states():
            if chain is None:
                yield self.values.model.fold_rows(values, False)
                continue
            with threads_without_blas(None):
                yield self.predictive.draw_new_rows(chain, number, values, names)

    # -- states of chains ----------------------------------------------------------------------------

    def states(self) -> Iterator[tuple[int, Sampler | None]]:
        """Number and state of each draw, in turn."""
        if self.values.model.exact:
            yield from ((number, None) for number in range(self.m))
            return
        with threads_without_blas(None):
            pilot = self.predictive.pilot
        chains = list(pilot.chains)
        for number in range(self.m):
            turn = self.predictive.chain_of(number)
            with threads_without_blas(None):
                chains[turn] = advanced(chains[turn], pilot.between)
            yield number, chains[turn]

    def state(self, number: int) -> Sampler:
        """State of the chain at one draw."""
        pilot, n_chains = self.predictive.pilot, self.predictive.n_chains
        chain = pilot.chains[self.predictive.chain_of(number)]
        return advanced(chain, (number // n_chains + 1) * pilot.between)

    @cached_property
    def _missing(self) -> MissingCells:
        return MissingCells(self.values.problem)

    @cached_property
    def predictive(self) -> Predictive:
        """What cells are drawn from; of a result that is not exact."""
        values, augmentation = self.values, self.augmentation
        rows, cols = self._missing.sample(_PROBES, probe_generator(self.seed))
        scored = np.ones(rows.size, bool)
        if augmentation is not None:
            scored = ~np.isin(cols, augmentation.latent_cols)
            ranges = augmentation.ranges
            some = np.unique(np.linspace(0, ranges.rows.size - 1, min(_PROBES, ranges.rows.size), dtype=int))
            rows, cols = np.append(rows, ranges.rows[some]), np.append(cols, ranges.cols[some])
            scored = np.append(scored, np.zeros(some.size, bool))
        told = ~(values.undetermined(rows, cols) | values.model.is_constant[cols])
        fitted = scaled(values.problem, values.scale)
        probes = rows[told], cols[told]
        return Predictive(
            values.model, fitted, probes, scored[told], self.noise_models, self.seed, augmentation
        )

    # -- tables --------------------------------------------------------------------------------------

    def _table(self, chain: Sampler | None, number: int) -> np.ndarray:
        problem = self.values.problem
        out = np.empty(problem.shape)
        out[problem.rows, problem.cols] = problem.values
        for part in chunks(self._missing.size):
            rows, cols = self._missing.at(np.arange(part.start, min(part.stop, self._missing.size)))
            out[rows, cols] = self._drawn(chain, number, rows, cols)
        if self.limits is not None and chain is not None:
            out[self.limits.rows, self.limits.cols] = self._beyond_limits(chain)
        return out

    def _cells(self, chain: Sampler | None, number: int, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Some cells, observed or not."""
        out = np.empty(rows.size)
        for part in chunks(rows.size):
            i, j = rows[part], cols[part]
            entry = self._missing.observed_entry(i, j)
            drawn = self._drawn(chain, number, i, j)
            out[part] = np.where(entry >= 0, self.values.problem.values[entry], drawn)
        if self.limits is not None and chain is not None:
            which = self.limits.places(rows, cols)
            out[which >= 0] = self._beyond_limits(chain)[which[which >= 0]]
        return out

    def _beyond_limits(self, chain: Sampler) -> np.ndarray:
        """Cells known by a limit, in the units of the data."""
        assert self.limits is not None
        return self.values.delivered(self.predictive.drawn_ranges(chain), self.limits.cols)

    def _drawn(self, chain: Sampler | None, number: int, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Missing cells, in the units of the data; NaN where they are not determined."""
        values = self.values
        if chain is None:
            drawn = values.at(rows, cols)
            if self.free is not None and values.fill != "effects":
                drawn[self.free[rows, cols]] = np.nan
            return drawn
        fitted = self.predictive.draw(chain, number, rows, cols)
        if values.fill != "effects":
            fitted[values.undetermined(rows, cols)] = np.nan
        return values.delivered(fitted, cols)

    def _delivered(self, table: np.ndarray) -> Any:
        layout = self.values.problem.layout
        return table if layout is None else write_frame(layout, table)


def _row_names(values: np.ndarray) -> np.ndarray:
    """A number of 64 bits for every row, made of its entries and of how many equal rows are before it."""
    seen: dict[bytes, int] = {}
    names = np.empty(values.shape[0], np.uint64)
    for k, row in enumerate(np.ascontiguousarray(values + 0.0)):
        content = row.tobytes()
        seen[content] = count = seen.get(content, -1) + 1
        digest = blake2b(content + count.to_bytes(8, "little"), digest_size=8).digest()
        names[k] = int.from_bytes(digest, "little")
    return names
