"""Fits of the chosen rank whose chains draw the cells that are known only in part.

A chain's rows and columns are averaged as those of any other; the delivered rows are folded in from the
table in which the partly known cells hold the mean of their draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..seeds import Stream, check_generator, key
from ..solvers.augmentation import LATENT_NOISE, PartlyKnown
from ..solvers.gibbs import Average, Sampler
from ..solvers.heavy_tails import sampler_of
from ..solvers.level_probabilities import category_probabilities, grade_probabilities
from ..solvers.noise_model import NoiseModel
from ..solvers.posterior import Posterior
from .effort import is_cheap
from .folds import Fold
from .refit import at_equal_noise

# sweeps that are thrown away, and averaged; of expensive ranks a third
_BURN, _KEPT = 40, 120
# probabilities of levels are averaged over one in so many sweeps: draws next to each other are alike
_EVERY = 3
# noise scales of columns beside others that have no unit, drawn towards 1 by so many cells
_MIXED = NoiseModel(200.0)


@dataclass(frozen=True, eq=False)
class Learned:
    """What a chain says of the partly known cells, in the units of the standardised table.

    Attributes
    ----------
    mean, sd : ndarray, shape (k,)
        Of the cells known by a range: moments of their draws.
    probabilities : tuple of ndarray, shapes (m, n_levels)
        Of the levels in every row, of grades and then of categories.
    thresholds : tuple of ndarray
        Means of those of grades.
    """

    mean: np.ndarray
    sd: np.ndarray
    probabilities: tuple[np.ndarray, ...] = ()
    thresholds: tuple[np.ndarray, ...] = ()


def fit_partly_known(fold: Fold, before: Posterior, seed: int, part: int) -> tuple[Fold, Posterior, Learned]:
    """The mean of a chain from a fit of the same rank, the fold with the expected values, and the rest.

    Parameters
    ----------
    fold : Fold
        Of cells of which some are known in part.
    before : Posterior
        A fit of its table; one of rank 0 stays as it is.
    part : int
        Number of the fold: the draws depend on the seed and on it.
    """
    augmentation = fold.cells.augmentation
    assert augmentation is not None
    augmentation = augmentation.within(fold.training)
    model, rank = fold.model, before.rank
    if augmentation.latent_cols.size and before.noise_model.is_equal:
        before = replace(before, noise_model=_MIXED.with_tails_of(before.noise_model))
    noise = LATENT_NOISE / (np.median(model.scale) * fold.cells.unit) ** 2
    known = PartlyKnown(augmentation, fold.training, model.center, model.scale, noise)
    if rank == 0:
        return fold, before, _of_effects(known, before)
    sampler = sampler_of(fold.fitter, before, key(seed, Stream.PARTLY_KNOWN, rank, part), known)
    average, sums = Average(rank, fold.held), _Sums(known)
    burn, kept = (_BURN, _KEPT) if is_cheap(fold, rank) else (_BURN // 3, _KEPT // 3)
    for sweep in range(burn + kept):
        pairs = sampler.sweep()
        if not sampler.finite:
            break
        if sweep >= burn:
            average.add(pairs, sampler)
            sums.add(sampler)
    if not average.count:
        return fold, before, _of_effects(known, before)
    problem = fold.training.with_values(sums.values)
    fitter = model.fitter_of_standardised(problem)
    fold = replace(fold, training=problem, fitter=fitter)
    fit = average.deliver(fitter, before, sampler.sweeps, rank, before.drift)
    return fold, fit, sums.learned()


class _Sums:
    """Sums over the sweeps of a chain."""

    def __init__(self, known: PartlyKnown) -> None:
        self._known, self._count, self._probed = known, 0, 0
        self._values = np.zeros(known.values.size)
        self._first, self._second = np.zeros(known.at.size), np.zeros(known.at.size)
        self._thresholds = [np.zeros(each.size) for each in known.thresholds]
        self._probabilities: list[np.ndarray] | None = None

    def add(self, sampler: Sampler) -> None:
        """Take a sweep in."""
        known = self._known
        self._values += known.values
        self._first += known.first
        self._second += known.second
        self._count += 1
        for total, now in zip(self._thresholds, known.thresholds, strict=True):
            total += now
        if known.has_latent and self._count % _EVERY == 0:
            found = _probabilities(known, sampler)
            before = self._probabilities
            self._probabilities = found if before is None else _added(before, found)
            self._probed += 1

    @property
    def values(self) -> np.ndarray:
        """Expected values of all entries; of cells known by a range, the mean of the exact expectations."""
        values = self._values / self._count
        values[self._known.at] = self._first / self._count
        return values

    def learned(self) -> Learned:
        n_ranges = self._known.augmentation.ranges.rows.size
        mean, square = (part[:n_ranges] / self._count for part in (self._first, self._second))
        probabilities = self._probabilities or []
        return Learned(
            mean,
            np.sqrt(np.maximum(square - mean**2, 0.0)),
            tuple(each / self._probed for each in probabilities),
            tuple(each / self._count for each in self._thresholds),
        )


def _added(totals: Sequence[np.ndarray], parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [total + part for total, part in zip(totals, parts, strict=True)]


def _probabilities(known: PartlyKnown, sampler: Sampler) -> list[np.ndarray]:
    """Of the levels in every row, given the present factors and thresholds."""
    out = []
    for grades, thresholds in zip(known.augmentation.grades, known.thresholds, strict=True):
        sd = float(np.sqrt(known.latent_noise[grades.col]))
        out.append(grade_probabilities(sampler.rows @ sampler.cols[grades.col], sd, thresholds))
    for one in known.augmentation.categories:
        offset, unit = known.utility(one.cols)
        means = offset + unit * (sampler.rows @ sampler.cols[one.cols].T)
        out.append(category_probabilities(means, unit * np.sqrt(known.latent_noise[one.cols])))
    return out


def _of_effects(known: PartlyKnown, fit: Posterior) -> Learned:
    """Where only effects are fitted: levels are as frequent as they were seen, in every row."""
    ranges, m = known.augmentation.ranges, known.problem.n_rows
    sides, scales = (fit.rows.mean, fit.cols.mean), (fit.rows.noise_scale, fit.cols.noise_scale)
    known.draw(*sides, fit.noise, *scales, check_generator())
    k = ranges.rows.size
    mean, square = known.first[:k], known.second[:k]
    shares = []
    for one, size in (
        *((one, one.thresholds.size + 1) for one in known.augmentation.grades),
        *((one, one.cols.size + 1) for one in known.augmentation.categories),
    ):
        counts = np.bincount(one.levels, minlength=size) + 1 / size
        shares.append(np.tile(counts / counts.sum(), (m, 1)))
    thresholds = tuple(known.thresholds)
    return Learned(mean, np.sqrt(np.maximum(square - mean**2, 0.0)), tuple(shares), thresholds)


def fit_all_partly_known(fold: Fold, before: Posterior, seed: int) -> tuple[Fold, Posterior, Learned]:
    """The same for all cells, from a fit to the training cells."""
    whole = Fold.of_all_cells(fold.model, fold.cells, before.noise_model)
    start = at_equal_noise(whole.fitter.adopt(before), whole.training)
    start = replace(start, drift=before.drift)
    whole, fit, learned = fit_partly_known(whole, start, seed, 0)
    if not fit.rank:
        fit = whole.fitter.fold_rows(fit)
    return whole, replace(fit, drift=before.drift), learned
