"""Does a theorem with explicit constants say, at this point, that the rank cannot rise again?"""

from __future__ import annotations

from math import sqrt

from ..network import Network
from ..problem import Problem
from .absorbing import AbsorbingSet, squared_norms
from .certificate import Certificate
from .constants import Constants, batch_constant, least_norm, with_imbalance
from .gradient_descent import certify_gd
from .requirements import largest_entry, matching_weights, require_bounds, require_step, require_whole


def certify(
    problem: Problem,
    network: Network,
    rank: int,
    ridge: float,
    lr: float,
    batch_size: int = 1,
    sampling: str = "replacement",
    slack: float = 0.05,
) -> Certificate:
    """Theorem 1 at a point, for SGD; for full gradient descent Theorem 1'' too.

    Theorem 1 gets the bound ``a = max |observed|`` and, at this learning rate, the smallest set B_r that
    holds the network: C is the larger of the least one that satisfies (B) and ``max |W_l|_F^2``, then eps the
    larger of ``(1 + slack) eps*`` and what (V) needs, then delta the upper end of an interval of thresholds
    with room for the tail. Every inequality gets easier with smaller C and eps, so that no others need be
    tried.

    Batches of all entries, drawn as "distinct" or "epochs", are gradient descent. Then both theorems are
    tried; the certificate is the one that holds, or else the one of Theorem 1''.

    Parameters
    ----------
    problem : Problem
    network : Network
        One network.
    rank : int
        r, 0 or more: is it certain that the rank will not exceed r? (From the smallest width on it cannot,
        and only the norms and imbalances are in question.)
    ridge, lr : float
    batch_size, sampling : int, {"replacement", "distinct", "epochs"}
    slack : float
        As in :func:`solve`.

    Returns
    -------
    Certificate
        ``holds = False`` means "not certified". At ``batch_size=1`` and practical learning rates that is the
        rule; :func:`lock` is for those.

    Raises
    ------
    InputError
        If the shapes differ, ``2 lr ridge >= 1``, a number is not positive, a batch is larger than the
        problem, all entries are zero, the problem has weights, or the network has diverged.
    """
    weights = matching_weights(problem, network)
    ridge, lr = require_step(ridge, lr)
    require_whole(0, rank=rank)
    require_bounds(slack=slack)
    bound = largest_entry(problem)
    nu = batch_constant(batch_size, sampling, problem.n_observed)
    network = Network(tuple(weights))
    least = least_norm(network.depth, ridge, lr, bound, nu)
    largest = float(squared_norms(weights).max())
    # where no C satisfies (B), the limit for small lr shows by how much it fails
    C = max(bound**2 / (8 * ridge) if least is None else least, largest)
    start = Constants(network.depth, ridge, lr, bound, batch_size, sampling, nu, C, eps=C, delta=sqrt(C))
    constants = _fitted(start, network, rank, slack)
    sgd = AbsorbingSet(rank, constants).certificate(network)
    if sgd.holds or batch_size < problem.n_observed or sampling == "replacement":
        return sgd
    return certify_gd(problem, network, rank, ridge, lr)


def _fitted(start: Constants, network: Network, rank: int, slack: float) -> Constants:
    """The smallest eps that holds the network, and a threshold that does, if there is one."""
    if not start.chi > 0:
        return start
    needed = float(AbsorbingSet(rank, start).levels(network)["V"].max())
    constants = with_imbalance(start, max((1 + slack) * start.eps_star, needed))
    for _, high in constants.components:
        other = constants.at_delta(high)
        if AbsorbingSet(rank, other).margins(network)["T"] >= 0:
            return other
    return constants
