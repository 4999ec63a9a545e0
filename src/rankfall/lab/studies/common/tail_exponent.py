"""The Lyapunov exponent of the tail at a rank, beside the expected factor of Theorem 3.

The part of ``Z_l`` beyond the rank obeys a random linear recursion, ``Z_l' = Z_l K_l``, driven by SGD on
the rest. Ziyin et al. ("The probabilistic stability of stochastic gradient descent", 2023) ask for the sign
of its exponent: if it is negative, a small tail vanishes in probability, even where its mean square grows. By
Jensen's inequality the exponent of ``Phi_l`` is at most the mean of ``log Lambda_l``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....dynamics import SGD, Record, train
from ....network import Network
from ....problem import Problem
from ....theory import tail_factors
from .chains import scattered

# Size of the first tail relative to each layer, and by which factor (in logarithms, at the rate of the decay
# alone) it is followed: from 1e-4 to 2.5e-7, far above rounding and far below the rank's own values.
_TAIL, _DECADES = 1e-4, 6.0
_RECORDS, _BURN_IN = 24, 6


class TailExponent(NamedTuple):
    """Rates per step in units of ``2 lr ridge``; -1 is the decay of weights alone. NaN if no chain stayed.

    Attributes
    ----------
    exponent, error : float
        Of ``sqrt(Phi_l)``, mean of the chains with its standard error, in the layer where it is largest.
    log_factor : float
        Half the mean of ``log Lambda_l`` there.
    excess, excess_error : float
        Mean over the chains of exponent minus log_factor, and its standard error.
    chains : int
        Chains that were still at the rank or above it in the end.
    """

    exponent: float
    error: float
    log_factor: float
    excess: float
    excess_error: float
    chains: int


NOTHING = TailExponent(np.nan, np.nan, np.nan, np.nan, np.nan, 0)


def tail_exponent(
    problem: Problem, network: Network, rank: int, *, lr: float, ridge: float, chains: int, seed: int
) -> TailExponent:
    """Follow small tails beside a network of this rank under SGD on single entries."""
    n_steps = int(_DECADES / (2 * lr * ridge))
    every = max(n_steps // _RECORDS, 1)

    def looked_at(one: Network) -> np.ndarray:
        factors = tail_factors(problem, one, rank, ridge=ridge, lr=lr)
        return np.log(np.stack([factors.phi, factors.mean_factor]))

    trace = train(
        problem,
        scattered(network, _TAIL, seed, chains),
        SGD(lr=lr, ridge=ridge, n_steps=n_steps),
        seed=seed,
        record=Record(every=every, what=("rank",), extra={"tail": looked_at}),
        n_threads=1,
    )
    seen = trace.measured["tail"][trace.rank[:, -1] >= rank][:, _BURN_IN:]
    if not len(seen):
        return NOTHING
    steps, unit = trace.steps[_BURN_IN:], 4 * lr * ridge
    slopes = (seen[:, -1, 0] - seen[:, 0, 0]) / (steps[-1] - steps[0]) / unit
    factors = seen[:, :-1, 1].mean(axis=1) / unit
    layer = int(np.argmax(slopes.mean(axis=0)))
    slope, factor = slopes[:, layer], factors[:, layer]
    return TailExponent(
        float(slope.mean()),
        _standard_error(slope),
        float(factor.mean()),
        float((slope - factor).mean()),
        _standard_error(slope - factor),
        len(seen),
    )


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else np.inf
