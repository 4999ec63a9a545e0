"""lr K: how far a step of SGD on one entry overshoots."""

from __future__ import annotations

from ..declared_arguments import declared
from ..measures import tangent_diagonal
from ..network import Network
from ..problem import Problem
from .requirements import matching_weights, require_positive


@declared
def step_sharpness(problem: Problem, network: Network, lr: float = 1.0) -> float:
    """``lr K``, K the largest tangent kernel of an observed entry: ``lr max_(ij) |dA_ij / dtheta|^2``.

        |dA_ij / dtheta|^2 = sum_l |P_l^T e_i|^2 |Q_l e_j|^2,   P_l = W_L ... W_{l+1},  Q_l = W_{l-1} ... W_1

    To first order in lr, a step of SGD on the entry (i, j) alone multiplies its residual by
    ``1 - lr K_ij``: above 1 the step overshoots, above 2 a residual that is met again and again grows. After
    the ridge relative to its critical value (:func:`critical_ridge`) it is this number, at the minimum of
    the higher rank, that decides whether SGD leaves it (docs/theory.md, section 10).

    Parameters
    ----------
    problem : Problem
    network : Network
        One network, for instance ``minimum.network()`` of a minimum.
    lr : float
        Learning rate; 1 by default, which gives K itself: ``2.5 / step_sharpness(problem, network)`` is
        the learning rate at which lr K is 2.5.

    Raises
    ------
    InputError
        If the network does not fit the problem, is an ensemble or has diverged, the problem has weights, or
        lr is not positive.
    """
    require_positive(lr=lr)
    network = Network(tuple(matching_weights(problem, network)))
    return lr * float(tangent_diagonal(network, problem.rows, problem.cols).max())
