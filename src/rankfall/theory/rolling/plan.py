"""Which rank, layer, radius and interval a look chooses: what is cheap to promise for long (Theorem 6)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, inf, log, log1p

import numpy as np

from .growth_in_ball import Look

# radii as multiples of the largest layer norm, and how many numbers of steps are tried: neighbours of either
# grid differ by a third or so, which changes a charge by less than it varies from look to look
_RADII = np.geomspace(2e-3, 0.5, 24)
_STEPS = 30
# no interval and no wait is longer: ledgers hold steps as floats, which are exact up to here
MOST_STEPS = 2**53
# a tail of zero is taken for one of this size, which has a logarithm
LEAST_TAIL = 1e-300
# A rank is trusted if the charges that follow, extrapolated, stay below the first part of what is left of the
# budget; the rest is for a tail that shrinks more slowly than assumed, and for lower ranks later. A rank that
# is trusted stays so below the second part. With one part for both, most runs of benchmarks/rolling.py have a
# gap after their first interval; with all that is left as the second, looks are up to a third more frequent.
TRUSTED, KEPT = 0.5, 0.75
# Charges below this part of it are too small to matter, and looks become rare instead. In the 50 epochs after
# firing in benchmarks/rolling.py they are 3.6 times rarer than with the smallest charges at lr 0.1 and ridge
# 3e-3, 1.7 times at ridge 1e-3, and equally rare at lr 0.01. With 0.1 they would be a quarter rarer still,
# but the budget of a long run would shrink ten times faster.
CHEAP = 0.01


@dataclass(frozen=True)
class Plan:
    """What a look would promise until the next one.

    Attributes
    ----------
    rank, layer : int
        r and the hidden layer that is watched, counted from 1.
    radius : float
    n_steps : int
        T, steps until the next look if SGD stays in the ball.
    growth : float
        ``gamma`` of that layer in the ball.
    phi : float
        ``Phi`` of that layer and rank.
    charge : float
        ``p = (1 + gamma)^T Phi / Phi_thr``.
    extrapolated : float
        Sum of this charge and later ones if every interval is like this one and ``Phi`` shrinks by ``q^2`` a
        step: ``p / (1 - q^(2 s))`` for the s steps that SGD is expected to stay. An estimate, no bound.
    affordable : bool
        Whether that is at most half of what is left of the budget, or three quarters for a rank
        that is trusted.
    wait : int
        Steps after which to look again if nothing is affordable: half of those that the tail needs at least
        if it shrinks by ``q^2`` a step, and an epoch or more; a tenth of it where the trust has just ended.
    """

    rank: int
    layer: int
    radius: float
    n_steps: int
    growth: float
    phi: float
    charge: float
    extrapolated: float
    affordable: bool
    wait: int


def steps_within(look: Look, radii: np.ndarray, pace: float) -> np.ndarray:
    """Steps after which ``|theta_s - theta_t|^2 = pace (drift^2 s^2 + spread s / b)`` leaves the balls.

    An estimate from one point: without forces that pull back, the expected square of the displacement is that
    with pace 1.
    """
    reach = radii / np.sqrt(max(pace, 1e-300))
    spread = look.spread / look.batch_size
    with np.errstate(over="ignore"):
        slow = np.maximum(spread + np.hypot(spread, 2 * look.drift * reach), 1e-300)
        return 2 * reach * (reach / slow)


def plan(
    look: Look,
    threshold: float,
    left: float,
    pace: float,
    radius: float | None = None,
    max_steps: int | None = None,
    kept: int | None = None,
) -> Plan:
    """Choose, for the numerical rank, the longest interval that costs next to nothing.

    The numerical rank is the largest number of ``sigma(Z_l)^2 >= Phi_thr`` in any hidden layer; a larger one
    could often be afforded, and would only cost. Tried are all layers, and the radii and numbers of steps of
    a grid. Without an interval whose charges are negligible, the one with the smallest extrapolated sum is
    taken, that is with the smallest charge per step; then T is about ``1 / gamma``.

    Parameters
    ----------
    look : Look
    threshold : float
        ``Phi_thr``.
    left : float
        What is left of the budget.
    pace : float
        See :func:`steps_within`.
    radius, max_steps : float and int, optional
        Prescribed; chosen by default.
    kept : int, optional
        The rank of the interval that ends here, if it was trusted.
    """
    radii = look.norm * _RADII if radius is None else np.array([radius])
    # -log q^2, positive however small lr ridge is
    decay = max(-2 * log1p(-2 * look.lr * look.ridge), 1e-300)
    per_epoch = ceil(look.n_observed / look.batch_size)
    if max_steps is None:
        longest = max(per_epoch, ceil(min(1 / decay, MOST_STEPS)))
        steps = _steps(longest)
    else:
        steps = np.array([max_steps])
    log_growth = np.log1p(look.growth_within(radii))  # (d, l)
    stay = np.minimum(steps, np.maximum(steps_within(look, radii, pace)[:, None], 1.0))  # (d, T)
    log_charge = steps[:, None] * log_growth[:, None, :]  # (d, T, l)
    log_total = log_charge - np.log(-np.expm1(-decay * stay))[:, :, None]
    # a zero network has no tail, and data of zeros no threshold; neither may become infinite
    log_tail = np.log(np.maximum(look.phi, LEAST_TAIL)) - (
        log(threshold) if threshold < inf else 1e100
    )  # (l, r)
    top = look.phi.shape[1] - 1
    counts = np.count_nonzero(look.phi[:, :-1] - look.phi[:, 1:] >= threshold, axis=1)
    # from the smallest width on, a rank says nothing about the product
    rank = min(int(counts.max()), top - 1)
    total = log_total + log_tail[:, rank]
    limit = log(max(left, 1e-300))
    share = log(KEPT if rank == kept else TRUSTED)
    affordable = int(counts.max()) < top and bool(total.min() <= limit + share)
    cheap = total <= limit + log(CHEAP)
    if affordable and cheap.any():
        longest_stay = np.where(cheap, stay[:, :, None], -1.0)
        ties = longest_stay >= longest_stay.max() * (1 - 1e-9)
        at = np.unravel_index(int(np.argmin(np.where(ties, total, inf))), total.shape)
    else:
        at = np.unravel_index(int(np.argmin(total)), total.shape)
    d, t, l = (int(k) for k in at)
    # a prescribed T may cost more than any tail can make up for; a single step costs at most about 1 / decay
    missing = min(float(total.min()), float(log_tail[:, rank].min()) - log(decay)) - limit - log(TRUSTED)
    return Plan(
        rank=rank,
        layer=l + 1,
        radius=float(radii[d]),
        n_steps=int(steps[t]),
        growth=float(np.expm1(log_growth[d, l])),
        phi=float(look.phi[l, rank]),
        charge=_exp(float(log_charge[d, t, l] + log_tail[l, rank])),
        extrapolated=_exp(float(total[at])),
        affordable=affordable,
        wait=max(ceil(per_epoch / (1 if kept is None else 10)), ceil(min(missing / (2 * decay), MOST_STEPS))),
    )


@lru_cache
def _steps(longest: int) -> np.ndarray:
    """The numbers of steps that are tried."""
    return np.unique(np.geomspace(1, longest, _STEPS).astype(np.int64))


def _exp(x: float) -> float:
    """``e^x``, infinite where it overflows."""
    return float(np.exp(min(x, 709.0))) if x < 709 else inf
