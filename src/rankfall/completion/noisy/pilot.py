"""Choosing the data model and the noise model by small fits, before any rank is searched."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...problem import Problem
from ..clock import Clock
from ..options import Options
from ..seeds import Stream, generator
from ..solvers.noise_model import EQUAL, NOISE_MODELS, NoiseModel
from ..solvers.variational import Posterior
from ..standardise import NoisyCells
from .data_model import candidate_models
from .folds import Fold

_RANK, _SWEEPS = 8, 15
# share of the held-out error by which a more elaborate model must be better: smaller differences change with
# the seed
_EARNED = 0.005


@dataclass(frozen=True, eq=False)
class Pilot:
    """What the small fits chose.

    Attributes
    ----------
    fold : Fold
        The cells under the data model whose small fit predicts the held-out cells best.
    plain : Fold
        The same cells under the data model whose effects alone do best: what rank 0 means.
    noise_model : NoiseModel
    """

    fold: Fold
    plain: Fold
    noise_model: NoiseModel


def choose_models(train: Problem, held: Problem, cells: NoisyCells, options: Options, clock: Clock) -> Pilot:
    """Compare data models under noise that is equal everywhere, then noise models under the best of them."""
    V = _start(train, options)
    best: tuple[Fold, Posterior] | None = None
    plain: tuple[float, Fold] | None = None
    for effects, scaling in candidate_models(cells, options.effects, options.scaling):
        clock.check()
        fold = Fold.under(effects, scaling, train, held, cells)
        alone = fold.held_error(fold.effects)
        # without any effect nothing would be left but zeros
        if plain is None or plain[1].model.effects == "none" or (alone < plain[0] and effects != "none"):
            plain = (alone, fold)
        fit = fold.fitter.improve(fold.start_fit(V, 1.0, EQUAL), _SWEEPS)
        fold = replace(fold, pilot_noise=fit.noise)
        fit = min(fit, fold.effects, key=fold.held_error)
        if best is None or (
            earns_its_place(best[0].held_squares(best[1]), fold.held_squares(fit))
            and _keeps_what_is_shared(*best, fold, fit)
        ):
            best = (fold, fit)
    assert best is not None and plain is not None
    clock.check()
    return Pilot(best[0], plain[1], _choose_noise_model(*best, V))


def _keeps_what_is_shared(fold: Fold, fit: Posterior, other: Fold, other_fit: Posterior) -> bool:
    """Whether a unit for every column, in place of one for all, costs nothing in the one they may share.

    Columns of one unit, as the wavelengths of a spectrum, are worth more together: relative to the spreads,
    errors of columns that hardly vary would count as much as those of the columns that matter.
    """
    if other.model.scaling == fold.model.scaling:
        return True
    return other.common_error(other_fit) <= fold.common_error(fit)


def _start(train: Problem, options: Options) -> np.ndarray:
    """Column factors that all small fits begin with."""
    rank = max(1, min(_RANK, min(train.shape) - 1, train.max_oversampled_rank(2.0)))
    if options.max_rank is not None:
        rank = min(rank, options.max_rank)
    return 0.3 * generator(options.seed, Stream.PILOT).standard_normal((train.n_cols, rank))


def _choose_noise_model(fold: Fold, fit: Posterior, V: np.ndarray) -> NoiseModel:
    """The noise model whose small fit is better than that of simpler ones by more than chance."""
    chosen = EQUAL
    if not fold.noise_may_differ:
        return chosen
    for noise_model in NOISE_MODELS[1:]:
        other = fold.fitter.improve(fold.start_fit(V, 1.0, noise_model), _SWEEPS)
        if earns_its_place(fold.held_squares(fit), fold.held_squares(other)):
            fit, chosen = other, noise_model
    return chosen


def earns_its_place(simple: np.ndarray, elaborate: np.ndarray) -> bool:
    """Whether squared errors of a more elaborate model are smaller, noticeably and by a standard error."""
    gain = simple - elaborate
    least = max(2 * _EARNED * simple.mean(), gain.std() / np.sqrt(gain.size))
    return bool(gain.mean() > least)
