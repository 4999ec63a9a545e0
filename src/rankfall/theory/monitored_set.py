"""Theorem 1': the invariant set for as long as measured bounds on the steps hold."""

from __future__ import annotations

from ..declared_arguments import declared
from .certificate import Certificate, Condition
from .requirements import require_bounds, require_positive, require_whole
from .tail_transmission import a_bound


@declared
def check_monitored(
    depth: int,
    ridge: float,
    lr: float,
    eps: float,
    delta: float,
    rho: float,
    g: float,
    omega: float,
) -> Certificate:
    """Theorem 1': imbalances and tail stay small during all steps that respect three measured bounds.

    Let ``|R|_op <= rho``, ``max_l |G_l|_op <= g`` and ``max_l |W_l|_op <= omega`` at every step of a run
    (R is
    the residual matrix of the batch, ``G_l`` the gradient of its data term). If

        lr g^2 / (4 ridge (1 - lr ridge)) <= eps,     rho a_L(delta, eps, omega) <= 2 ridge delta,

    and ``2 lr ridge <= 1``, then ``|D_l|_op <= eps`` and ``sigma_{r+1}(W_1) <= delta`` survive all these
    steps, for every r. Depth 2 does not use omega, and depth 3 only one below ``sqrt(delta^2 + 2 eps)``.

    Parameters
    ----------
    depth : int
    ridge, lr : float
    eps, delta : float
        The set: bounds on the imbalances and on the tail of the first layer.
    rho, g, omega : float
        Bounds on the steps considered.

    Returns
    -------
    Certificate
        Its rank is None since the statement is about every r.

    Raises
    ------
    InputError
        If a number is not positive (`rho` and `g` may be 0) or not finite.
    """
    require_whole(2, depth=depth)
    require_positive(ridge=ridge, lr=lr, eps=eps, delta=delta, omega=omega)
    require_bounds(rho=rho, g=g)
    a_L = float(a_bound(depth, delta, eps, omega))
    decay = 4 * ridge * (1 - lr * ridge)
    return Certificate(
        theorem="Theorem 1'",
        claim=(
            f"Imbalances at most {eps:.6g} and a tail of W_1 at most {delta:.6g} survive every step that "
            "respects the three bounds, for every r."
        ),
        conditions=(
            Condition("2 lr ridge <= 1", "2 lr ridge <= 1", 2 * lr * ridge, 1.0, "Theorem 1'"),
            Condition("(D')", "lr g^2 <= 4 ridge (1 - lr ridge) eps", lr * g**2, decay * eps, "Theorem 1'"),
            Condition("(S')", "rho a_L <= 2 ridge delta", rho * a_L, 2 * ridge * delta, "Theorem 1'"),
        ),
        assumptions=(
            f"At every step |R|_op <= {rho:.6g}, |G_l|_op <= {g:.6g} and |W_l|_op <= {omega:.6g} for all l.",
        ),
        values={"a_L": a_L, "eps": eps, "delta": delta, "rho": rho, "g": g, "omega": omega},
    )
