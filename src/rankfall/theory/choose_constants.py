"""Constants for a setting: the least C, the imbalance with some slack, the thresholds, the largest lr."""

from __future__ import annotations

from math import sqrt

from ..errors import InputError
from .constants import Constants, batch_constant, least_norm, solve_at, trial_constants
from .requirements import require_bounds, require_positive, require_whole
from .tail_transmission import Feedback

CAP = 0.25  # the largest lr ridge that is tried
LADDER = 1.25  # ratio of the learning rates tried on the way down
SMALLEST = 1e-290


def solve(
    depth: int,
    ridge: float,
    bound: float,
    batch_size: int = 1,
    sampling: str = "replacement",
    lr: float | None = None,
    slack: float = 0.05,
    n_observed: int | None = None,
) -> Constants:
    """Constants of Theorem 1 for a setting.

    C is the least that satisfies (B), ``eps = (1 + slack) eps*``, and `delta` the upper end of the lowest
    interval of thresholds that satisfies (S), the one with the smallest certified final tail. Other
    intervals, where there are, stand in ``Constants.components``; :meth:`Constants.at_delta` moves to them.

    Parameters
    ----------
    depth, ridge : int, float
    bound : float
        ``a``, at least the largest absolute value of an observed entry.
    batch_size, sampling : int, {"replacement", "distinct", "epochs"}
    lr : float, optional
        By default the largest certified one, but at most ``1 / (4 ridge)``. It is searched for from there
        downwards on a ladder of ratio 1.25 and then by bisection: always certified, and the largest unless a
        certified stretch shorter than a rung was passed on the way. For depth 3 and small ridge it is about
        ``175.7 ridge^5 / (nu^2 a^8)``. Smaller ones are mostly certified too, but not always: the certified
        learning rates of depth 5, ridge 0.2, single entries and a = 1 end at 0.56 and begin again at 1.01.
    slack : float
        0 or more.
    n_observed : int, optional
        Number of observed entries; needed for epochs of batches.

    Returns
    -------
    Constants
        Such that ``check_constants(k).holds``.

    Raises
    ------
    InputError
        If the statement does not cover the setting, or certifies nothing in it: at the given `lr`, or, for
        depth 2 and ``sqrt(nu) a >= 2 ridge``, at any.
    """
    require_whole(2, depth=depth)
    require_positive(ridge=ridge, bound=bound)
    require_bounds(slack=slack)
    nu = batch_constant(batch_size, sampling, n_observed)
    if lr is None:
        lr = largest_lr(depth, ridge, bound, nu, slack)
    return solve_at(depth, ridge, lr, bound, batch_size, sampling, nu, slack)


def largest_lr(depth: int, ridge: float, bound: float, nu: float, slack: float) -> float:
    """The largest certified learning rate of :func:`solve`, at most ``CAP / ridge``."""
    if depth == 2 and sqrt(nu) * bound >= 2 * ridge:
        raise InputError(
            "Theorem 1 certifies nothing at depth 2 unless sqrt(nu) * bound < 2 ridge; one-way jumps need "
            "depth 3."
        )
    above = lr = CAP / ridge
    while not _certified(depth, ridge, lr, bound, nu, slack):
        above, lr = lr, lr / LADDER
        if lr < SMALLEST:
            raise InputError("Theorem 1 certifies no learning rate that a float64 can hold.")
    while lr < (middle := sqrt(lr) * sqrt(above)) < above and above - lr > 1e-12 * lr:
        lr, above = (middle, above) if _certified(depth, ridge, middle, bound, nu, slack) else (lr, middle)
    return lr


def _certified(depth: int, ridge: float, lr: float, bound: float, nu: float, slack: float) -> bool:
    """Whether some C and delta satisfy (B) and (S) at this learning rate."""
    C = least_norm(depth, ridge, lr, bound, nu)
    if C is None:
        return False
    k = trial_constants(depth, ridge, lr, bound, nu, C)
    eps = (1 + slack) * k.eps_star
    return Feedback(depth, ridge, k.rho_eff, eps, k.omega).best()[1] <= 1
