"""Constants for a setting: the least C, the imbalance with some slack, the thresholds, the largest lr."""

from __future__ import annotations

from math import ceil, sqrt

from ..errors import InputError
from .constants import Constants, batch_constant, check_constants, norm_condition
from .requirements import require_bounds, require_positive, require_step, require_whole
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
    interval of thresholds that satisfies (S), the one with the smallest certified final tail. Other intervals,
    where there are, stand in ``Constants.components``; :meth:`Constants.at_delta` moves to them.

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


def solve_at(
    depth: int, ridge: float, lr: float, bound: float, batch_size: int, sampling: str, nu: float, slack: float
) -> Constants:
    """:func:`solve` at a given learning rate and batch constant."""
    require_step(ridge, lr)
    C = least_norm(depth, ridge, lr, bound, nu)
    if C is None:
        raise InputError(f"Theorem 1 certifies nothing at lr = {lr:.6g}: no C satisfies (B).")
    k = Constants(depth, ridge, lr, bound, batch_size, sampling, nu, C, eps=C, delta=sqrt(C))
    k = with_imbalance(k, (1 + slack) * k.eps_star)
    if not check_constants(k).holds:
        raise InputError(
            f"Theorem 1 certifies nothing at lr = {lr:.6g}: no threshold satisfies (S); a smaller lr, a larger "
            "ridge or larger distinct batches might."
        )
    return k


def with_imbalance(k: Constants, eps: float) -> Constants:
    """The constants with another `eps`, and the threshold that goes with it.

    The upper end of the lowest component; where there is none, the threshold that comes closest to (S).
    """
    feedback = Feedback(k.depth, k.ridge, k.rho_eff, eps, k.omega)
    intervals = feedback.thresholds()
    delta = intervals[0][1] if intervals else feedback.best()[0]
    names = (k.depth, k.ridge, k.lr, k.bound, k.batch_size, k.sampling, k.nu, k.C)
    return Constants(*names, eps, delta)


def least_norm(depth: int, ridge: float, lr: float, bound: float, nu: float) -> float | None:
    """The least C that satisfies (B), or None if there is none.

    (B) reads ``4 ridge (1 - lr ridge) C (2 q - lr nu C^(L-1)) >= q^2 a^2``, whose left side is concave in C:
    its first crossing lies between the limit for small lr and the maximum.
    """
    q = 1 - 2 * lr * ridge
    low = q * bound**2 / (8 * ridge * (1 - lr * ridge))
    high = (2 * q / (depth * lr * nu)) ** (1 / (depth - 1))

    def trial(C: float) -> Constants:
        return _trial(depth, ridge, lr, bound, nu, C)

    if low >= high or not norm_condition(trial(high)).holds:
        return None
    if norm_condition(trial(low)).holds:  # where lr is too small to tell
        high = low
    while low < (middle := low + (high - low) / 2) < high:
        low, high = (low, middle) if norm_condition(trial(middle)).holds else (middle, high)
    return high if trial(high).chi > 0 else None


def largest_lr(depth: int, ridge: float, bound: float, nu: float, slack: float) -> float:
    """The largest certified learning rate of :func:`solve`, at most ``CAP / ridge``."""
    if depth == 2 and sqrt(nu) * bound >= 2 * ridge:
        raise InputError(
            "Theorem 1 certifies nothing at depth 2 unless sqrt(nu) * bound < 2 ridge; one-way jumps need depth 3."
        )
    lr = CAP / ridge
    if _certified(depth, ridge, lr, bound, nu, slack):
        return lr
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
    k = _trial(depth, ridge, lr, bound, nu, C)
    eps = (1 + slack) * k.eps_star
    return Feedback(depth, ridge, k.rho_eff, eps, k.omega).best()[1] <= 1


def _trial(depth: int, ridge: float, lr: float, bound: float, nu: float, C: float) -> Constants:
    """Constants whose eps, delta and batches do not matter."""
    return Constants(depth, ridge, lr, bound, ceil(1 / nu), "distinct", nu, C, eps=C, delta=C)
