"""Variational fits that know an order: of every fold, each until its held-out error falls no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..clock import Clock
from ..noisy.folds import Fold
from ..noisy.pooled import Fitted, held_error, held_errors
from ..noisy.starts import truncated
from ..options import Options
from ..solvers.chain import PROCESSES_PER_COLUMN, Chain
from ..solvers.noise_model import NoiseModel
from ..solvers.posterior import Posterior
from .orders import Orders
from .starts import FIRST_NOISE, begun, directions, interpolated, scaled_columns

# sweeps after which the held-out error of a cheap fit is looked at, and relative gain that makes two more
# looks worth it. (Noise that is small is found slowly: on hourly ozone with whole rows missing the error was
# .205 after 4 sweeps, .199 after 16, .195 after 64. It may rise first: on PM2.5 under noise scales from .260
# to .263 after 8, then down to .256 after 64.)
_LOOKS, _GAIN = (4, 8, 16, 32), 2e-3
# the same of small tables, which are split several times, and where a sweep takes long: the first look that
# gains little is the last. (More sweeps and factors took small tables twice as long, for the same errors.)
_LOOKS_SMALL, _LOOKS_LONG = tuple(range(4, 36, 4)), (4, 8, 12, 16)
# sweeps before the first look in gaps, whose errors are too few numbers to stop early by (in two-thirds of
# seventeen gaps of hourly tables the error at hidden cells was smaller after 16 sweeps than after 4)
_FIRST_IN_GAPS = 16
# multiplications of one sweep up to which that is cheap, and that are never exceeded; rows times squared
# factors that take a gigabyte
CHEAP, _WORK, _MEMORY = 3e8, 2e10, 6e7
# rows or columns up to which a table is narrow: fits may then be as wide as the table at once, and have
# another factor for each column, whose remainder may have a memory of its own
NARROW = 30


@dataclass(frozen=True, eq=False)
class Candidate:
    """One setting with its fits of all folds."""

    orders: Orders
    noise_model: NoiseModel
    rank: int
    first_noise: float
    fitted: Fitted

    @property
    def error(self) -> float:
        return held_error(self.fitted)

    def squares(self) -> list[np.ndarray]:
        """Squared errors at the held-out cells of every fold."""
        return [fold.held_squares(fit) for fold, fit in self.fitted]


class Fits:
    """Fits of some folds, and what they cost.

    Parameters
    ----------
    counting : sequence of (Fold, Posterior)
        The folds, each with a fit without order that has seen the training cells of its fold only.
    n_rows : int
        Of the whole table, of which the folds may be a sample.
    """

    def __init__(
        self,
        counting: Sequence[tuple[Fold, Posterior]],
        n_rows: int,
        options: Options,
        clock: Clock,
    ) -> None:
        self.folds = [fold for fold, _ in counting]
        self.plain = [fit for _, fit in counting]
        self._n_rows, self._options, self._clock = n_rows, options, clock

    def with_columns_scaled(self) -> Fits:
        """The same cells, with a scale for every column."""
        scaled = [fold.with_columns_scaled() for fold in self.folds]
        return Fits(list(zip(scaled, self.plain, strict=True)), self._n_rows, self._options, self._clock)

    def of(
        self,
        orders: Orders,
        noise_model: NoiseModel,
        rank: int,
        first_noise: float = FIRST_NOISE,
        in_gaps: bool = False,
    ) -> Candidate:
        """All folds, each until its held-out error falls no more.

        `first_noise` is the noise variance that fits begin with, as a share of that around the effects.
        """
        fitted: Fitted = [
            (fold, self._fit(fold, truncated(fit, rank), orders, noise_model, rank, first_noise, in_gaps))
            for fold, fit in zip(self.folds, self.plain, strict=True)
        ]
        rmse = held_errors(fitted)[0]
        self._clock.report("asking whether neighbours resemble each other", rank=rank, validation_rmse=rmse)
        return Candidate(orders, noise_model, rank, first_noise, fitted)

    def _fit(
        self,
        fold: Fold,
        known: np.ndarray,
        orders: Orders,
        noise_model: NoiseModel,
        rank: int,
        first_noise: float,
        in_gaps: bool,
    ) -> Posterior:
        rows, cols = (None if axis is None else axis.chain() for axis in (orders.rows, orders.cols))
        fit = begun(fold, self._start(fold, known, rows, cols, rank), noise_model, rows, cols, first_noise)
        looks, patience = _LOOKS_LONG, 1
        if self.work(orders, rank) <= CHEAP:
            looks, patience = (_LOOKS_SMALL, 1) if self.is_small else (_LOOKS, 2)
        looks = [look for look in looks if not in_gaps or look >= _FIRST_IN_GAPS]
        best, lowest, before, idle = fit, np.inf, np.inf, 0
        for look in looks:
            while fit.sweeps < look:
                self._clock.check()
                fit = fold.fitter.improve(fit, min(4, look - fit.sweeps))
                if fit.converged:
                    break
            error = fold.held_error(fit)
            drift = 1 - error / before if np.isfinite(before) else 1.0
            before = error
            idle = 0 if error < (1 - _GAIN) * lowest else idle + 1
            if error < lowest:
                best, lowest = fit, error
            best = replace(best, drift=max(drift, 0.0))
            if idle == patience or fit.converged:
                break
        return best

    @staticmethod
    def _start(
        fold: Fold, known: np.ndarray, rows: Chain | None, cols: Chain | None, rank: int
    ) -> np.ndarray:
        """Column factors of a rank; beyond the number of columns, one for each of them."""
        filled = interpolated(fold, rows, cols)
        full = min(rank, filled.shape[1])
        V = directions(known[:, :full], filled, full)
        return V if rank == full else np.hstack([V, scaled_columns(filled, rank - full)])

    # -- what there is time and memory for -----------------------------------------------------------

    def work(self, orders: Orders, rank: int) -> float:
        """Multiplications of one sweep, roughly."""
        m, n = self.folds[0].training.shape
        chained = m * (orders.rows is not None) + n * (orders.cols is not None)
        summed = sum(side.summed for side in self.folds[0].fitter.gaps)
        return 0.5 * summed * rank**2 + (m + n + 2.0 * chained) * rank**3

    def widest(self, orders: Orders) -> int:
        """The largest number of factors for which there is time and memory."""
        m, n = self.folds[0].training.shape
        rank = min(m, n)
        if self.is_narrow and not self.is_small and orders.rows is not None and orders.cols is None:
            rank = min(m, PROCESSES_PER_COLUMN * n)
        if self._options.max_rank is not None:
            rank = min(rank, self._options.max_rank)
        rank = min(rank, int(np.sqrt(_MEMORY / max(self._n_rows, n))))
        while rank > 1 and self.work(orders, rank) > _WORK:
            rank -= 1
        return rank

    @property
    def is_narrow(self) -> bool:
        return min(self.folds[0].training.shape) <= NARROW

    @property
    def is_small(self) -> bool:
        """Whether the table is split several times."""
        return len(self.folds) > 1
