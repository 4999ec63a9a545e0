"""Fits that ranks are compared by: variational where that is cheap, means of a few draws elsewhere.

Variational fits of few factors take a quarter of the time of a chain. At held-out cells they are within 0.1%
of the mean of draws where noise is more than a tenth of the variance, and within 3% of it elsewhere:
:mod:`.sample_ranks` draws from the posterior of the ranks that they leave. Of many factors their covariances
are dear, a sweep takes as long as seven of the sampler.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..clock import Clock
from ..solvers.errors import living_rank
from ..solvers.noise_model import NoiseModel
from ..solvers.posterior import Posterior
from .effort import is_cheap, is_quiet, may_be_trapped
from .folds import Fold
from .refit import DEAD, refit
from .starts import least_squares_start, truncated

# variational sweeps of a start, and of what is left of it when dead factors were dropped
_SWEEPS, _SWEEPS_CUT = 8, 3
# unknowns on the short side up to which a least-squares fit is quick
_FEW_UNKNOWNS = 1200


def screen(
    fold: Fold,
    starts: Sequence[np.ndarray],
    noise: float,
    noise_model: NoiseModel,
    seed: int,
    clock: Clock,
    enough: float = 0.0,
    cold: bool = False,
) -> Posterior:
    """A fit of a rank from some column factors, cut to the rank that lives.

    Where sweeps are cheap and a fit may have been trapped every start is tried, and the held-out cells
    decide; unless there is some noise and a held-out error is below `enough`, as it is for a rank that is
    better than smaller ones. Elsewhere a start is used if those before it died out, as one does that the
    ridge of its chain has shrunk to next to nothing. From `cold` starts, which are no fit of this kind, small
    tables with little noise are fitted by least squares, too.
    """
    rank = starts[0].shape[1]
    fits = []
    for V in starts:
        clock.check()
        if is_cheap(fold, rank):
            fit = _variational(fold, V, noise, noise_model, cold)
        else:
            start = fold.start_fit(V, max(noise, fold.pilot_noise), noise_model)
            fit = refit(fold, start, seed, clock, brief=True)
        fits.append(fit)
        is_good = fold.held_error(fit) < enough and not is_quiet(fold, fit)
        if fit.rank and (is_good or not (is_cheap(fold, rank) and may_be_trapped(fold, fit))):
            break
    return min(fits, key=fold.held_error)


def _variational(fold: Fold, V: np.ndarray, noise: float, noise_model: NoiseModel, cold: bool) -> Posterior:
    """Variational sweeps; with little noise also from a least-squares fit, which rows and columns in turn
    reach only slowly: the held-out cells decide.
    """
    improve = fold.fitter.improve
    fit = improve(fold.start_fit(V, noise, noise_model), _SWEEPS)
    if cold and min(fold.training.shape) * V.shape[1] <= _FEW_UNKNOWNS and may_be_trapped(fold, fit):
        other = improve(least_squares_start(fold, V, noise_model), _SWEEPS)
        fit = min(fit, other, key=fold.held_error)
    cells = fold.held if fold.tells_dead_factors else fold.training
    living = living_rank(cells, *fit.frames(), fit.at(cells.rows, cells.cols), DEAD)
    if living == fit.rank:
        return fit
    if not living:
        return fold.effects
    return improve(fold.start_fit(truncated(fit, living), fit.noise, noise_model), _SWEEPS_CUT)
