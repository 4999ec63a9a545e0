"""Lemma B and Theorem 3+: a certificate for all time, without a monitor, at very small learning rates."""

# the bound of the norms has a capital letter
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass
from math import inf, isinf, log, sqrt

import numpy as np

from ..declared_arguments import declared
from ..errors import InputError
from ..measures import regularised_loss
from ..network import Network
from ..problem import Problem
from .certificate import Certificate, Condition, complement
from .rank_lock import EXACT, UNIFORM, check_probability
from .requirements import check_depth_and_ridge, check_point, check_step, plain, require_bounds

_SOURCE = "Theorem 3+"


@dataclass(frozen=True)
class LemmaB:
    """The constants of Lemma B for given bounds.

    ``|W_l| <= omega``, ``|Rbar| <= rho``, ``rho' = rho omega^(L-3)``.

    Attributes
    ----------
    tail : float
        ``ridge^2 / rho'^2``: the largest ``Phi_l`` allowed.
    slope : float
        ``g_0 = min(.47 ridge^3 / (rho'^2 omega), .39 ridge^2 / rho')``: the largest gradient norm (of the
        regularised
        loss, Frobenius over all layers) allowed.
    """

    tail: float
    slope: float


@declared
def lemma_b(depth: int, ridge: float, omega: float, rho: float) -> LemmaB:
    """Where ``Lambda_l <= 1 - lr ridge`` is proved, if also ``lr (4 ridge^2 + |E B_l^2|) <= ridge / 2``.

    Parameters
    ----------
    depth : int
        L, at least 3.
    ridge, omega, rho : float
        See :class:`LemmaB`; omega and rho may be 0.

    Raises
    ------
    InputError
        If the depth is not a whole number of at least 3, or a number is negative or not finite.
    """
    depth, ridge = check_depth_and_ridge(depth, ridge)
    require_bounds(omega=omega, rho=rho)
    omega, rho = plain(omega), plain(rho)
    small = rho * omega ** (depth - 3)
    if small == 0:
        return LemmaB(inf, inf)
    slope = min(0.47 * ridge**3 / (small**2 * omega) if omega else inf, 0.39 * ridge**2 / small)
    return LemmaB(ridge**2 / small**2, slope)


@declared
def lock_all_time(
    problem: Problem,
    network: Network,
    *,
    ridge: float,
    lr: float,
    batch_size: int = 1,
    sampling: str = "replacement",
    p_fail: float = 1e-3,
) -> Certificate:
    """Theorem 3+: no monitor and no end, if the learning rate is small enough. It rarely is.

    With C such that all ``|W_l|_F^2`` stay below it (Lemma 1), ``omega = sqrt(C)``,
    ``rho = (C^(L/2) + |A*_obs|_F) / N``, and the constants of :func:`lemma_b` at these,

        P(exists s >= t: Phi_l(s) >= ridge^2 / rho'^2) <= (rho' / ridge) Phi_l(t)^(1/2) e^(c loss(t)),

    c = 4 rho omega^(L-2) / g_0^2, provided lr is below five bounds, which are the conditions here. ``Phi_l``
    is that of the certified rank, the smallest at which the sum of these bounds over the hidden layers is at
    most `p_fail`.

    Parameters
    ----------
    problem : Problem
    network : Network
        One network, of depth 3 or more.
    ridge, lr : float
        Positive.
    batch_size : int
    sampling : {"replacement", "distinct"}
    p_fail : float

    Returns
    -------
    Certificate
        ``values["lr_max"]`` is the learning rate that the five bounds allow here.

    Raises
    ------
    InputError
        As :func:`rankfall.theory.lock`.
    """
    check_point(problem, network)
    depth, ridge = check_depth_and_ridge(network.depth, ridge)
    ridge, lr, batch_size = check_step(problem, ridge, lr, batch_size, sampling)
    check_probability(p_fail)
    if not lr > 0:
        raise InputError(f"lr must be positive, not {lr}.")
    start = max(float(np.sum(W**2)) for W in network.weights)
    bound = _norm_bound(problem, depth, ridge, lr, 1 / batch_size if sampling == "distinct" else 1.0, start)
    c, limits, tail = _limits(problem, depth, ridge, bound.size)
    sigma = [np.linalg.svd(Z, compute_uv=False) for Z in network.hidden_spaces()]
    loss = float(regularised_loss(problem, network, ridge=ridge))
    top = min(network.widths)
    logs = [_log_probability(sigma, rank, tail, c * loss) for rank in range(top + 1)]
    rank = next((r for r, value in enumerate(logs) if value <= log(p_fail)), top)
    conditions = [
        Condition("norms", "q^2 a^2 / (2q - lr nu C^(L-1)) <= 4 ridge (1 - lr ridge) C",
                  bound.left, bound.right,
                  "Lemma 1, condition (B)"),
        *(
            Condition(f"lr {k + 1}", f"lr <= {text}", lr, value, _SOURCE)
            for k, (text, value) in enumerate(limits)
        ),
        Condition("probability", "log of the probability <= log p_fail", logs[rank], log(p_fail), _SOURCE),
        Condition("not empty", "rank < smallest width", rank, top, _SOURCE, strict=True),
    ]  # fmt: skip
    holds = all(condition.holds for condition in conditions)
    return Certificate(
        theorem=_SOURCE,
        claim=(
            f"With probability at least {complement(p_fail)}, for all time, no hidden layer has more than "
            f"{rank} singular values of Z_l at or above {sqrt(tail):.4g}."
        ),
        conditions=tuple(conditions),
        rank=rank if holds else None,
        p_fail=p_fail,
        assumptions=(UNIFORM, EXACT),
        values={
            "lr_max": min(value for _, value in limits),
            "C": bound.size,
            "Phi_max": tail,
            "c": c,
            "log_probability": logs[rank],
        },
    )


@dataclass(frozen=True)
class _NormBound:
    size: float
    left: float
    right: float


def _norm_bound(problem: Problem, depth: int, ridge: float, lr: float, nu: float, start: float) -> _NormBound:
    """The smallest C from the present norms upwards that satisfies (B), and both sides of (B) there.

    ``C -> q^2 a^2 / (4 ridge (1 - lr ridge) (2q - lr nu C^(L-1)))`` increases, so its iterates from 0 rise to
    its smallest fixed point, the smallest C with (B).
    """
    a, q, decay = float(np.max(np.abs(problem.values))), 1 - 2 * lr * ridge, 4 * ridge * (1 - lr * ridge)

    def needed(C: float) -> float:
        rest = 2 * q - lr * nu * C ** (depth - 1)
        return q**2 * a**2 / rest if rest > 0 else inf

    C = 0.0
    for _ in range(200):
        C = needed(C) / decay
        if isinf(C):
            C = a**2 / (8 * ridge)
            break
    C = max(C * (1 + 1e-9), start)
    return _NormBound(C, needed(C), decay * C)


def _limits(
    problem: Problem, depth: int, ridge: float, C: float
) -> tuple[float, list[tuple[str, float]], float]:
    """c, the five bounds of the learning rate, and ``ridge^2 / rho'^2``, for weights with ``|W_l|_F^2 <=
    C``.
    """
    n, omega = problem.n_observed, sqrt(C)
    largest = C ** (depth / 2)
    rho = (largest + float(np.linalg.norm(problem.values))) / n
    lemma = lemma_b(depth, ridge, omega, rho)
    # |G_l|_F <= |rho_ij| omega^(L-1) for every entry, and the decay; all layers together
    single = largest + float(np.max(np.abs(problem.values)))
    g_m = sqrt(depth) * (single * omega ** (depth - 1) + 2 * ridge * omega)
    spread = n * rho**2 * omega ** (2 * depth - 4)  # |E B_l^2| <= (1/N) sum rho_ij^2 |p_i|^2 |q_j|^2
    curvature = depth * omega ** (2 * depth - 2) / n + (depth - 1) * rho * omega ** (depth - 2) + 2 * ridge
    b = rho * omega ** (depth - 2)
    c = 4 * b / lemma.slope**2
    limits = [
        ("1 / (8 c g_m^2)", _over(1, 8 * c * g_m**2)),
        ("ridge / (2 c beta g_m^2)", _over(ridge, 2 * c * curvature * g_m**2)),
        ("g_0^2 / (4 beta g_m^2)", _over(lemma.slope**2, 4 * curvature * g_m**2)),
        ("1 / beta", 1 / curvature),
        ("ridge / (2 (4 ridge^2 + n))", ridge / (2 * (4 * ridge**2 + spread))),
    ]
    return c, limits, lemma.tail


def _over(a: float, b: float) -> float:
    return a / b if b else inf


def _log_probability(sigma: list[np.ndarray], rank: int, tail: float, exponent: float) -> float:
    """``log sum_l (Phi_l / Phi_max)^(1/2) e^exponent``."""
    total = sum(sqrt(float(np.sum(s[rank:] ** 2)) / tail) for s in sigma)
    return (log(total) + exponent) if total > 0 else -inf
