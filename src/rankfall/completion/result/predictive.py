"""The posterior predictive of missing cells: Gibbs chains on all cells, calibrated like the intervals.

Chains begin with the delivered fit and are followed for a while (the pilot). A state of a chain gives a cell
the standardised deviation ``t = (u . v - fitted + noise) / (k spread)`` from the delivered fit. The variance
of its noise is the one that the interval has for the cell, times what all noise of the chain is beside that
of the fit; `spread` is the local scale of intervals, and k makes the mean square of t over cells and pilot 1.
What is drawn is ``fitted + spread g(t)``, where g takes the quantiles of normal deviations to those of the
held-out errors in units of their spreads, by which intervals are calibrated, too. The share of draws within
an interval is then its coverage, up to 99%, and draws of several cells depend on each other as the posterior
says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...partly_known import Augmentation
from ...problem import Problem
from ..seeds import Stream, generator, key
from ..solvers.augmentation import LATENT_NOISE, PartlyKnown
from ..solvers.cell_normals import cell_normals
from ..solvers.gibbs import Sampler
from ..solvers.new_rows import draw_new_rows
from ..solvers.noise_model import NoiseModel
from ..solvers.ordered_gibbs import any_sampler
from ..solvers.products import products
from ..solvers.variational import VariationalFit
from .fitted_model import FittedModel

# chains, and sweeps of each that are thrown away, and of the pilot after them. The start is a mean of draws:
# on ten tables (100 x 8 to 300 x 100) the spread of fitted values over 12 chains was within 2% of that of
# later sweeps after ten of them
_CHAINS, _BURN, _PILOT = 4, 30, 120
# multiplications of all these sweeps (about ten seconds) beyond which there are fewer, and the least numbers
_WORK, _LEAST_BURN, _LEAST_PILOT = 3e10, 8, 12
# correlation of fitted values down to which draws are thinned, and most sweeps between two of them
_CORRELATED, _MOST_BETWEEN = 0.1, 30
# held-out cells without which the posterior stands as it is: the scale of fewer errors is uncertain by a
# tenth
_ENOUGH = 50
# share of the held-out errors beyond which draws go on in proportion to normal deviations: on a logarithmic
# scale a single wild error would make numbers that overflow
_LARGEST = 0.99


@dataclass(frozen=True, eq=False)
class Pilot:
    """What following the chains has told.

    Attributes
    ----------
    chains : tuple of Sampler
        As they stand after it.
    inflation : float
        Root mean square of deviations over the local scales of intervals.
    between : int
        Sweeps between two draws of a chain.
    correlation : float
        Of the fitted values of two such draws.
    """

    chains: tuple[Sampler, ...]
    inflation: float
    between: int
    correlation: float


@dataclass(frozen=True, eq=False)
class Predictive:
    """What cells are drawn from.

    Attributes
    ----------
    model : FittedModel
        A model with noise.
    fitted_problem : Problem
        The observed cells on the scale of the fit.
    probes : (rows, cols)
        Cells that chains draw, which have a scale and are determined, at which these are followed.
    scored : ndarray of bool
        Those of them whose deviations tell the inflation: missing ones of columns with a unit.
    noise_models : tuple of NoiseModel
        Over whose chains the fit is the mean.
    seed : int
    augmentation : Augmentation or None
        Observed cells that are known only in part, on the scale of the fit: chains draw them, too.
    """

    model: FittedModel
    fitted_problem: Problem
    probes: tuple[np.ndarray, np.ndarray]
    scored: np.ndarray
    noise_models: tuple[NoiseModel, ...]
    seed: int
    augmentation: Augmentation | None = None

    @cached_property
    def training(self) -> Problem:
        """The observed cells, standardised."""
        return self.model.standardised(self.fitted_problem)

    @property
    def n_chains(self) -> int:
        """A multiple of the number of noise models."""
        models = len(self.noise_models)
        return models * -(-_CHAINS // models)

    @cached_property
    def pilot(self) -> Pilot:
        """What following the chains has told."""
        posterior, (i, j) = self.model.posterior, self.probes
        units = np.ones(self.training.n_cols)
        if posterior.cols.has_known:
            units = posterior.cols.mean[:, posterior.cols.fixed]
        fitter = VariationalFit(self.training, posterior.cols.has_known, posterior.rows.has_known, units)
        burn, length = _lengths(fitter, posterior.rows.mean.shape[1], self.n_chains)
        fitted, scale = posterior.at(i, j), self.model.scale[j]
        spread, noise = self.model.spread(i, j) / scale, _noise_of(self.model, i, j)
        scored = self.scored
        signals = np.zeros((self.n_chains, length, i.size))
        squares, chains = 0.0, []
        for number in range(self.n_chains):
            chain = advanced(self._begun(fitter, number), burn)
            for sweep in range(length):
                chain = advanced(chain, 1)
                signals[number, sweep] = products(i, j, chain.rows, chain.cols) - fitted
                if scored.any():
                    moved = signals[number, sweep] ** 2 + self._level(chain) * noise
                    squares += float(np.mean((moved / spread**2)[scored]))
            chains.append(chain)
        inflation = np.sqrt(squares / (self.n_chains * length)) if scored.any() else 1.0
        between, correlation = thinning(signals)
        return Pilot(tuple(chains), float(inflation), between, correlation)

    def _begun(self, fitter: VariationalFit, number: int) -> Sampler:
        posterior = self.model.posterior
        start = replace(posterior, noise_model=self.noise_models[number % len(self.noise_models)])
        return any_sampler(fitter, start, key(self.seed, Stream.DRAWS, 0, number), self._partly_known())

    def _partly_known(self) -> PartlyKnown | None:
        """The state of the partly known cells that a chain begins with."""
        if self.augmentation is None:
            return None
        scale = np.where(self.model.is_constant, 1.0, self.model.scale)
        noise = LATENT_NOISE / float(np.median(scale)) ** 2
        return PartlyKnown(self.augmentation, self.training, self.model.center, scale, noise)

    @cached_property
    def _has_unit(self) -> np.ndarray:
        """Entries of columns with a unit."""
        latent = np.empty(0, np.int64) if self.augmentation is None else self.augmentation.latent_cols
        return ~np.isin(self.training.cols, latent)

    def drawn_ranges(self, chain: Sampler) -> np.ndarray:
        """The cells known by a range as the chain has them, in their order, on the scale of the fit."""
        known = chain.partly_known
        assert known is not None and self.augmentation is not None
        ranges = self.augmentation.ranges
        values = known.values[known.at[: ranges.rows.size]]
        values = self.model.center[ranges.cols] + self.model.scale[ranges.cols] * values
        return np.clip(values, ranges.lower, ranges.upper)

    def latent_values(self, chain: Sampler, draw: int, rows: np.ndarray, col: int) -> np.ndarray:
        """Draw number `draw` of missing cells of a column without a unit, standardised, as the posterior
        stands.
        """
        assert chain.partly_known is not None
        cols = np.full(rows.size, col)
        noise = np.sqrt(chain.partly_known.latent_noise[col]) * self._normals(draw, rows, cols)
        return products(rows, cols, chain.rows, chain.cols) + noise

    def chain_of(self, draw: int) -> int:
        """Number of the chain that a draw is of: each has its turn."""
        return draw % self.n_chains

    def effective_size(self, m: int) -> float:
        """How many independent draws tell as much about fitted values as m of these.

        Fitted values of successive draws of a chain are taken for a first-order process.
        """
        rho = self.pilot.correlation
        return m * (1 - rho) / (1 + rho)

    def draw(self, chain: Sampler, draw: int, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Draw number `draw` of some cells, on the scale of the fit, from the state of its chain."""
        normals = self._normals(draw, rows, cols)
        return self._around(self.model, chain, chain.rows, rows, cols, normals)

    def _normals(self, draw: int, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        return cell_normals(key(self.seed, Stream.DRAWS, 1, draw), rows * self.training.n_cols + cols)

    def draw_new_rows(self, chain: Sampler, draw: int, values: np.ndarray, names: np.ndarray) -> np.ndarray:
        """Draw number `draw` of all cells of new rows, each of which is known by a number of 64 bits.

        Parameters
        ----------
        values : ndarray, shape (k, n)
            On the scale of the fit, with NaN.
        names : ndarray of uint64, shape (k,)
            A row with the same name and entries is drawn alike, whatever rows are beside it.
        """
        k, n = values.shape
        model = self.model.of_new_rows(values)
        i, j = np.nonzero(~np.isnan(values))
        cells = self.model.standardised(Problem(i, j, values[i, j], values.shape))
        free = model.posterior.rows.free
        normals = cell_normals(key(self.seed, Stream.DRAWS, 3, draw), _numbers(names, np.arange(free.size)))
        rng = generator(self.seed, Stream.DRAWS, 4, draw)
        factors = draw_new_rows(chain, cells, model.posterior.rows.mean, normals, rng)
        rows, cols = (part.ravel() for part in np.indices((k, n)))
        noise = cell_normals(key(self.seed, Stream.DRAWS, 5, draw), _numbers(names, np.arange(n))).ravel()
        return self._around(model, chain, factors, rows, cols, noise).reshape(k, n)

    def _around(
        self,
        model: FittedModel,
        chain: Sampler,
        factors: np.ndarray,
        rows: np.ndarray,
        cols: np.ndarray,
        normals: np.ndarray,
    ) -> np.ndarray:
        """Cells drawn around what is fitted to them, with these factors of the rows."""
        signal = products(rows, cols, factors, chain.cols)
        noise = np.sqrt(self._level(chain) * _noise_of(model, rows, cols)) * normals
        deviation = (signal - model.posterior.at(rows, cols) + noise) * model.scale[cols]
        return model.at(rows, cols) + self.calibrated(deviation, model.spread(rows, cols))

    def calibrated(self, deviation: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """Deviations from the fit, distributed as held-out errors are."""
        still = spread == 0  # in constant columns
        t = deviation / np.where(still, 1.0, spread) / self.pilot.inflation
        places, quantiles = self._quantiles
        size = np.abs(t)
        within = np.interp(size, places, quantiles)
        g = np.where(size > places[-1], size * (quantiles[-1] / places[-1]), within)
        return np.where(still, 0.0, np.copysign(g, t) * spread)

    @cached_property
    def _quantiles(self) -> tuple[np.ndarray, np.ndarray]:
        """Quantiles of a normal deviation's size, and those of held-out errors beside them."""
        from scipy.special import ndtri

        errors = self.model.calibration
        if errors.size < _ENOUGH:
            return np.array([0.0, 1.0]), np.array([0.0, self.pilot.inflation])
        shares = np.arange(1, errors.size + 1) / (errors.size + 1)
        errors, shares = errors[shares <= _LARGEST], shares[shares <= _LARGEST]
        return np.append(0.0, ndtri((1 + shares) / 2)), np.append(0.0, errors)

    def _level(self, chain: Sampler) -> float:
        """All noise of a chain beside that of the fit."""
        if chain.start.noise_model.is_equal:
            return chain.noise / self._usual_noise
        scales = chain.row_scale[self.training.rows] * chain.col_scale[self.training.cols]
        return chain.noise * float(np.mean(scales[self._has_unit])) / self._usual_noise

    @cached_property
    def _usual_noise(self) -> float:
        here = self._has_unit
        return float(np.mean(_noise_of(self.model, self.training.rows[here], self.training.cols[here])))


def _noise_of(model: FittedModel, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Noise variances that intervals have for cells, standardised."""
    return model.posterior.noise * model.row_noise_scale[rows] * model.col_noise_scale[cols]


def _numbers(names: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A number of 64 bits for every place of every named row, shape (k, places)."""
    return names[:, None] + places.astype(np.uint64) * np.uint64(0xD1342543DE82EF95)


def advanced(chain: Sampler, sweeps: int) -> Sampler:
    """A chain after so many sweeps; it stays where a sweep would lose its numbers to rounding."""
    chain = chain.fork()
    for _ in range(sweeps):
        before = chain.fork()
        try:
            chain.sweep()
        except np.linalg.LinAlgError:
            return before
        if not chain.finite:
            return before
    return chain


def probe_generator(seed: int) -> np.random.Generator:
    """Random numbers for the choice of probes."""
    return generator(seed, Stream.DRAWS, 2)


def thinning(signals: np.ndarray) -> tuple[int, float]:
    """Sweeps between two draws, and the correlation that they leave.

    Parameters
    ----------
    signals : ndarray, shape (chains, sweeps, cells)
        Correlations are averages over cells, relative to means over all chains: chains that do not meet
        correlate, too.
    """
    rest = signals - signals.mean(axis=(0, 1))
    variance = float(np.mean(rest**2)) if rest.size else 0.0
    if not variance:
        return 1, 0.0
    most, correlation = min(_MOST_BETWEEN, signals.shape[1] // 2), 1.0
    for lag in range(1, most + 1):
        correlation = float(np.mean(rest[:, lag:] * rest[:, :-lag])) / variance
        if correlation <= _CORRELATED:
            return lag, max(correlation, 0.0)
    return max(most, 1), correlation


def _lengths(fitter: VariationalFit, coordinates: int, n_chains: int) -> Sequence[int]:
    """Sweeps that are thrown away, and of the pilot."""
    cells = sum(side.summed for side in fitter.gaps)
    work = cells * coordinates**2 + sum(fitter.problem.shape) * coordinates**3
    share = min(_WORK / max(work * n_chains * (_BURN + _PILOT), 1.0), 1.0)
    return max(int(share * _BURN), _LEAST_BURN), max(int(share * _PILOT), _LEAST_PILOT)
