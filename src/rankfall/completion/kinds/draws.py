"""Completed tables with kinds, drawn from the posterior."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import index
from typing import Any, overload

import numpy as np

from ...compute.threads import threads_without_blas
from ...partly_known import Ranges
from ..result.draws import Draws
from ..solvers.gibbs import Sampler
from .encode import Encoded, encode
from .frames import frame_like


@dataclass(frozen=True, eq=False)
class MixedDraws(Sequence[Any]):
    """Completed tables drawn from the posterior, made one at a time when they are asked for.

    As :class:`rankfall.completion.Draws`, whose chains are followed on the latent table:
    missing cells of a row depend on each other by its factors, which are drawn.

    Attributes
    ----------
    result : MixedCompletion
    m : int
        Number of draws.
    seed : int
    """

    result: Any
    m: int
    seed: int

    def __len__(self) -> int:
        return self.m

    @property
    def effective_size(self) -> float:
        """As many independent draws say as much about what the model fits at missing cells of the latent
        table.
        """
        return self._latent.effective_size

    @overload
    def __getitem__(self, k: int) -> Any: ...
    @overload
    def __getitem__(self, k: slice) -> list[Any]: ...
    def __getitem__(self, k: int | slice) -> Any:
        if isinstance(k, slice):
            return [self[number] for number in range(self.m)[k]]
        number = range(self.m)[index(k)]
        with threads_without_blas(None):
            exact = self.result.latent.model.exact
            return self._delivered(self._table(None if exact else self._latent.state(number), number))

    def __iter__(self) -> Iterator[Any]:
        return (self._delivered(table) for table in self.codes())

    def arrays(self) -> Iterator[np.ndarray]:
        """All draws in turn as arrays like those of ``to_dense``."""
        return (self._said(table) for table in self.codes())

    def codes(self) -> Iterator[np.ndarray]:
        """All draws in turn as arrays, shape (m, n), in which levels are counted from 0."""
        for number, chain in self._latent.states():
            with threads_without_blas(None):
                table = self._table(chain, number)
            yield table

    @cached_property
    def _encoded(self) -> Encoded:
        """The latent table, made anew, with what is known of its cells."""
        result = self.result
        encoded = encode(result.table, None, result.scale, 0)
        if result.limits is None:
            return encoded
        limits, known = result.limits.as_ranges(), encoded.augmentation.ranges
        center, spread = result.center[limits.cols], result.spread[limits.cols]
        cols = np.array([int(result.latent_cols[j][0]) for j in limits.cols.tolist()], dtype=np.int64)
        parts = (
            (known.rows, limits.rows),
            (known.cols, cols),
            (known.lower, (limits.lower - center) / spread),
            (known.upper, (limits.upper - center) / spread),
        )
        rows, cols, lower, upper = map(np.concatenate, parts)
        order = np.lexsort((cols, rows))
        ranges = Ranges(rows[order], cols[order], lower[order], upper[order])
        return replace(encoded, augmentation=replace(encoded.augmentation, ranges=ranges))

    @cached_property
    def _latent(self) -> Draws:
        drawn = self.result.latent.draws(self.m, seed=self.seed)
        noise_models = (self.result.latent.model.posterior.noise_model,)
        return replace(drawn, noise_models=noise_models, augmentation=self._encoded.augmentation)

    @cached_property
    def _places(self) -> dict[int, int]:
        """Which of the grades and then categories each column with several levels is."""
        return self._encoded.places()

    def _table(self, chain: Sampler | None, number: int) -> np.ndarray:
        result, problem = self.result, self.result.table.problem
        out = np.full(problem.shape, np.nan)
        out[problem.rows, problem.cols] = problem.values
        for j in range(problem.n_cols):
            rows = np.flatnonzero(np.isnan(out[:, j]))
            out[rows, j] = self._column(chain, number, rows, j)
        limits = result.limits
        if limits is not None and chain is not None:
            ranges = self._encoded.augmentation.ranges
            latent = np.array([int(result.latent_cols[j][0]) for j in limits.cols.tolist()])
            width = result.latent.shape[1]
            at = np.searchsorted(ranges.rows * width + ranges.cols, limits.rows * width + latent)
            values = self._latent.predictive.drawn_ranges(chain)[at]
            out[limits.rows, limits.cols] = result.in_data_units(values, limits.cols)
        return out

    def _column(self, chain: Sampler | None, number: int, rows: np.ndarray, j: int) -> np.ndarray:
        """Missing cells of a column."""
        result, values, predictive = self.result, self._latent.values, self._latent.predictive
        one, own = result.table.kinds[j], result.latent_cols[j]
        if chain is None or not own.size:  # nothing is drawn of a column that holds one level
            return result.fitted_codes[rows, j]
        first = np.full(rows.size, own[0])
        if not one.has_levels:
            drawn = result.in_data_units(predictive.draw(chain, number, rows, first), np.full(rows.size, j))
        else:
            drawn = self._levels(chain, number, rows, j)
        if values.fill != "effects":
            drawn[values.undetermined(rows, first)] = np.nan
        return drawn

    def _levels(self, chain: Sampler, number: int, rows: np.ndarray, j: int) -> np.ndarray:
        """Levels of missing cells, counted from 0: those of latent values as the chain has thresholds and
        factors.
        """
        predictive, known, own = self._latent.predictive, chain.partly_known, self.result.latent_cols[j]
        assert known is not None
        latent = np.column_stack([predictive.latent_values(chain, number, rows, int(col)) for col in own])
        order = self._encoded.orders.get(j)
        if order is None:
            levels = np.searchsorted(known.thresholds[self._places[j]], latent[:, 0], side="right")
            return levels.astype(np.float64)
        offsets, units = known.utility(own)
        utilities = np.column_stack([np.zeros(rows.size), offsets + units * latent])
        return order[utilities.argmax(axis=1)].astype(np.float64)

    def _delivered(self, codes: np.ndarray) -> Any:
        layout = self.result.table.problem.layout
        if layout is None or (layout.cols is None and layout.kind == "pandas"):
            return self._said(codes)
        return frame_like(layout, self.result.table.kinds, codes)

    def _said(self, codes: np.ndarray) -> np.ndarray:
        return self.result.said(codes, np.broadcast_to(np.arange(codes.shape[1]), codes.shape))
