"""What fits of a rank cost, and whether there is so little noise that they may be trapped."""

from __future__ import annotations

from ..solvers.posterior import Posterior
from .folds import Fold

# sweeps of the sampler that are thrown away, and that are averaged at least
BURN, LEAST = 8, 24
# multiplications of all sweeps of one fit, and of a sweep up to which that is cheap
WORK, _CHEAP = 1e12, 3e8
# fraction of the variance around the effects above which noise carries chains from any start to the same
# place (at 0.03 to 0.2 no table of ten kinds was filled better from two starts than from one)
_LOUD = 0.1
# fraction below which a chain that is trapped may still be much better than one of smaller rank
_QUIET = 0.02


def work(fold: Fold, rank: int) -> float:
    """Multiplications of one sweep of the sampler, roughly."""
    cells, vectors = sum(side.summed for side in fold.fitter.gaps), sum(fold.training.shape)
    return float(cells * rank**2 + vectors * rank**3)


def is_affordable(fold: Fold, rank: int) -> bool:
    """Whether there is time for the least number of sweeps at this rank."""
    return (BURN + LEAST) * work(fold, rank) <= WORK


def is_cheap(fold: Fold, rank: int) -> bool:
    """Whether variational sweeps at this rank take hardly any time: they sum over all observed cells."""
    return 2.0 * fold.training.n_observed * rank**2 + sum(fold.training.shape) * rank**3 <= _CHEAP


def _noise_share(fold: Fold, fit: Posterior) -> float:
    """Noise over the variance around the effects: that of the fit or of the pilot's, since a fit that is
    trapped takes for noise what it does not explain.
    """
    return min(fit.noise, fold.pilot_noise) / fold.effects.noise


def is_quiet(fold: Fold, fit: Posterior) -> bool:
    """Whether there is so little noise that a better region may be hidden behind several ranks."""
    return _noise_share(fold, fit) < _QUIET


def may_be_trapped(fold: Fold, fit: Posterior) -> bool:
    """Whether a fit may have stayed in a region that is not the best one: there is little noise."""
    return _noise_share(fold, fit) < _LOUD
