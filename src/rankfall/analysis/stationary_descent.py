"""Gradient descent to a stationary point: in whose basin does a network lie?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..argument_checks import instance, optional, positive, whole
from ..declared_arguments import declared
from ..dynamics import GD, train
from ..errors import InputError
from ..measures import RANK_TOL, numerical_rank, regularised_loss, tangent_diagonal
from ..network import Network
from ..problem import Problem
from ..theory import weight_gradient

# Steps between two looks at the gradient. The grid is fixed, so that the end depends on nothing else.
LOOK_EVERY = 500
# A chunk whose loss rises by more than rounding, relative to the loss, is repeated at half the learning rate.
_ROUNDING = 1e-12
_MOST_HALVINGS = 60

End = Literal["stationary", "out of steps", "diverged"]


@dataclass(frozen=True, eq=False)
class Descended:
    """Where gradient descent ended.

    Attributes
    ----------
    network : Network
        The last weights.
    end : {"stationary", "out of steps", "diverged"}
        Whether the gradient norm came down to the tolerance, `max_steps` were made first, or the learning
        rate was too large.
    gradient_norm : float
        ``|grad L|``, Frobenius norm over all layers.
    loss : float
        The regularised loss.
    n_steps : int
    lr : float
        Learning rate of the last steps.
    problem : Problem
    """

    network: Network = field(repr=False)
    end: End
    gradient_norm: float
    loss: float
    n_steps: int
    lr: float
    problem: Problem = field(repr=False)

    @declared
    def rank(self, rank_tol: float = RANK_TOL) -> int:
        """Numerical rank of the product, see :func:`rankfall.measures.numerical_rank`.

        0 where the product is below 1e-12 of the data: descent comes close to zero without reaching it.
        """
        return int(numerical_rank(self.network.singular_values(), self.problem, rank_tol=rank_tol))


@declared
def descend(
    problem: Problem,
    network: Network,
    *,
    ridge: float,
    lr: float | None = None,
    gradient_norm: float = 1e-9,
    max_steps: int = 1_000_000,
) -> Descended:
    """Gradient descent on the regularised loss until its gradient is small.

    Plain steps ``W_l <- W_l - lr (G_l + 2 ridge W_l)`` with all observed entries, as :func:`rankfall.train`
    makes them with :class:`rankfall.GD`; the gradient is looked at every 500 steps. With small steps the end
    is that of the gradient flow, so this says in whose basin the start lies.

    Parameters
    ----------
    problem : Problem
        Without weights.
    network : Network
        One network.
    ridge : float
        Positive.
    lr : float, optional
        By default one over the mean of the tangent kernel ``K(x, x)`` over the observed entries at the start,
        which is at most one over the largest eigenvalue of the Gauss-Newton part of the Hessian; it is halved
        wherever the loss would rise. A given one is kept.
    gradient_norm : float
        Stop when ``sqrt(sum_l |G_l + 2 ridge W_l|_F^2)`` is at most this.
    max_steps : int

    Returns
    -------
    Descended

    Raises
    ------
    InputError
        If an argument is out of range, the problem has weights, or the network does not fit the problem.

    See Also
    --------
    rankfall.theory.minima : all minima of a rank, by a second-order method that respects no basins.
    """
    problem, network = instance("problem", problem, Problem), instance("network", network, Network)
    ridge = positive("ridge", ridge)
    lr = optional(positive, "lr", lr)
    gradient_norm = positive("gradient_norm", gradient_norm)
    max_steps = whole("max_steps", max_steps, least=1)
    if problem.weights is not None:
        raise InputError("descend is about entries that all count alike, and this problem has weights.")
    if network.n_chains is not None:
        raise InputError("descend takes one network; take chain(k) of the ensemble.")
    if network.shape != problem.shape:
        raise InputError(f"The network has the shape {network.shape}, the problem {problem.shape}.")
    rate = _default_lr(problem, network, ridge) if lr is None else lr
    halvings = _MOST_HALVINGS if lr is None else 0
    done, loss, size = 0, _loss(problem, network, ridge), _gradient_norm(problem, network, ridge)
    while size > gradient_norm and done < max_steps:
        n_steps = min(LOOK_EVERY, max_steps - done)
        run = train(problem, network, GD(lr=rate, ridge=ridge, n_steps=n_steps), n_threads=1)
        after = np.inf if run.diverged[0] else _loss(problem, run.final(0), ridge)
        if not after <= loss * (1 + _ROUNDING) and halvings:
            rate, halvings = rate / 2, halvings - 1
            continue
        if not np.isfinite(after):
            return Descended(network, "diverged", size, loss, done, rate, problem)
        network, loss, done = run.final(0), after, done + n_steps
        size = _gradient_norm(problem, network, ridge)
    end: End = "stationary" if size <= gradient_norm else "out of steps"
    return Descended(network, end, size, loss, done, rate, problem)


def _default_lr(problem: Problem, network: Network, ridge: float) -> float:
    mean = float(np.mean(tangent_diagonal(network, problem.rows, problem.cols)))
    # at the zero network the kernel vanishes, and only the decay bounds the step
    return min(1 / (mean + 2 * ridge), 0.25 / ridge) if np.isfinite(mean) else 0.25 / ridge


def _loss(problem: Problem, network: Network, ridge: float) -> float:
    return float(regularised_loss(problem, network, ridge=ridge))


def _gradient_norm(problem: Problem, network: Network, ridge: float) -> float:
    return float(np.sqrt(sum(np.sum(G**2) for G in weight_gradient(problem, network, ridge))))
