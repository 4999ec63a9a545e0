"""Theorem 1'' (full gradient descent from the present weights, unconditional) and Lemma 6."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from ..declared_arguments import declared
from ..measures import imbalance, regularised_loss
from ..network import Network
from ..problem import Problem
from .absorbing import singular_value, squared_norms
from .certificate import Certificate, Condition
from .requirements import matching_weights, require_positive, require_step, require_whole
from .tail_transmission import Feedback, a_bound


@declared
def loss_lower_bound(problem: Problem, network: Network, ridge: float) -> float:
    """Lemma 6: a lower bound of the regularised loss wherever it is at most what it is at `network`.

    Where the loss is at most ``loss``, ``s_1(A)^(2/L) <= loss / (L ridge)``, hence ``ridge L sum_i s_i^(2/L)
    >= kappa |A|_*`` with ``kappa = ridge L (loss / (L ridge))^(1 - L/2)``, and for every Y on the observed
    entries with ``|Y|_op <= kappa``

        loss >= <Y, A*> - N/2 |Y|_F^2.

    Y is the best multiple of the negative gradient of the data loss at `network`.

    Parameters
    ----------
    problem : Problem
    network : Network
        One network.
    ridge : float

    Returns
    -------
    float
        0 or more.
    """
    matching_weights(problem, network)
    require_positive(ridge=ridge)
    depth, N = network.depth, problem.n_observed
    loss = float(regularised_loss(problem, network, ridge=ridge))
    residual = network.predict(problem.rows, problem.cols) - problem.values
    size = float(residual @ residual)
    if size == 0 or loss == 0:
        return 0.0
    G = np.zeros(problem.shape)
    G[problem.rows, problem.cols] = residual / N
    kappa = ridge * depth * (loss / (depth * ridge)) ** (1 - depth / 2)
    pull = -float(residual @ problem.values) / N  # <-G, A*>
    # c pull - (N/2) c^2 |G|_F^2 is largest at pull / (N |G|_F^2), and |G|_F^2 = size / N^2
    c = min(max(pull * N / size, 0.0), kappa / float(np.linalg.norm(G, 2)))
    return max(c * pull - 0.5 * c**2 * size / N, 0.0)


@dataclass(frozen=True)
class _Region:
    """What gradient descent can reach from a point: Delta, omega, rho, eps and the smoothness there."""

    delta_loss: float
    omega: float
    rho: float
    eps: float
    smoothness: float


def _region(problem: Problem, network: Network, ridge: float, loss: float, spread: float) -> _Region:
    """The region if the imbalances can move by at most `spread` in all."""
    depth, N = network.depth, problem.n_observed
    norms = squared_norms(network.weights)
    tau = float(np.abs(np.diff(norms)).max()) + spread  # tr D_l = |W_l|_F^2 - |W_{l-1}|_F^2
    omega = sqrt(loss / (depth * ridge) + (depth - 1) / 2 * tau)
    rho = sqrt(2 * loss / N)
    smoothness = depth * omega ** (2 * depth - 2) / N + (depth - 1) * rho * omega ** (depth - 2) + 2 * ridge
    return _Region(spread, omega, rho, float(imbalance(network).max()) + spread, smoothness)


@declared
def certify_gd(problem: Problem, network: Network, rank: int, ridge: float, lr: float) -> Certificate:
    """Theorem 1'': under full gradient descent the tail of the first layer stays small for ever.

    With ``loss`` the regularised loss now, ``loss_`` a lower bound of it (Lemma 6) and N the number of
    entries,

        Delta = 2 lr (loss - loss_),                       tau = max |tr D_l| + Delta,
        omega^2 = loss / (L ridge) + (L-1)/2 tau,          rho = sqrt(2 loss / N),
        eps = max |D_l|_op + Delta,
        smoothness = L omega^(2L-2) / N + (L-1) rho omega^(L-2) + 2 ridge.

    If ``lr smoothness <= 1``, ``4 lr ridge <= 1``, ``rho a_L(delta, eps, omega) <= 2 ridge delta`` and
    ``sigma_{r+1}(W_1) <= delta``, then ``sigma_{r+1}(W_1) <= delta`` at all later steps. Once that smoothness
    is known, Delta is sharpened to ``lr (loss - loss_) / (1 - lr smoothness / 2)``.

    Parameters
    ----------
    problem : Problem
    network : Network
        One network.
    rank : int
        r, 0 or more.
    ridge, lr : float

    Returns
    -------
    Certificate
        With `delta` the upper end of the lowest interval of thresholds that has room for the tail.

    Raises
    ------
    InputError
        If the shapes differ, ``2 lr ridge >= 1``, a number is not positive, the problem has weights, or the
        network has diverged.
    """
    weights = matching_weights(problem, network)
    ridge, lr = require_step(ridge, lr)
    require_whole(0, rank=rank)
    network = Network(tuple(weights))
    loss = float(regularised_loss(problem, network, ridge=ridge))
    below = loss_lower_bound(problem, network, ridge)
    region = _region(problem, network, ridge, loss, 2 * lr * (loss - below))
    if lr * region.smoothness < 1:
        spread = lr * (loss - below) / (1 - lr * region.smoothness / 2)
        region = _region(problem, network, ridge, loss, spread)
    tail = float(singular_value(weights[0], rank))
    delta = _threshold(network.depth, ridge, region, tail)
    a_L = float(a_bound(network.depth, delta, region.eps, region.omega))
    source = "Theorem 1''"
    return Certificate(
        theorem=source,
        claim=(
            f"Gradient descent keeps sigma_{rank + 1}(W_1) <= {delta:.6g} for ever: the product keeps at "
            f"most {rank} singular values above {a_L * delta:.6g}."
        ),
        conditions=(
            Condition("lr smoothness <= 1", "lr smoothness <= 1", lr * region.smoothness, 1.0, source),
            Condition("4 lr ridge <= 1", "4 lr ridge <= 1", 4 * lr * ridge, 1.0, source),
            Condition("(S'')", "rho a_L <= 2 ridge delta", region.rho * a_L, 2 * ridge * delta, source),
            Condition("(T'')", f"sigma_{rank + 1}(W_1) <= delta", tail, delta, source),
        ),
        rank=rank,
        assumptions=(f"Every step is full gradient descent with lr = {lr:.6g} and ridge = {ridge:.6g}.",),
        values={
            "loss": loss,
            "loss_lower_bound": below,
            "Delta": region.delta_loss,
            "omega": region.omega,
            "rho": region.rho,
            "eps": region.eps,
            "smoothness": region.smoothness,
            "delta": delta,
            "a_L": a_L,
            "product_tail": a_L * delta,
        },
    )


def _threshold(depth: int, ridge: float, region: _Region, tail: float) -> float:
    """The upper end of the lowest interval with room for the tail; if there is none, what comes closest."""
    if region.omega == 0:
        return 1.0  # the zero network on data that are zero: nothing moves
    feedback = Feedback(depth, ridge, region.rho, region.eps, region.omega)
    ends = [high for _, high in feedback.thresholds()]
    with_room = [high for high in ends if high >= tail]
    return with_room[0] if with_room else ends[-1] if ends else feedback.best()[0]
