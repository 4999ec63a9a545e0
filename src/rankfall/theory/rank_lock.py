"""Theorem 3 at one point: which rank SGD will not exceed again, and with which probability."""

from __future__ import annotations

import numpy as np

from ..declared_arguments import declared
from ..errors import InputError
from ..network import Network
from ..problem import Problem
from .certificate import Certificate, Condition, complement
from .requirements import check_depth_and_ridge, check_point, check_step
from .tail import TailTable, phi_threshold, tail_table

UNIFORM = "SGD goes on with this ridge, lr, batch_size and sampling, its entries uniform given the past."
EXACT = "Exact arithmetic; rounding adds a tail of about 1e-16 of the weights, which is not modelled."


@declared
def lock(
    problem: Problem,
    network: Network,
    *,
    ridge: float,
    lr: float,
    batch_size: int = 1,
    sampling: str = "replacement",
    p_fail: float = 1e-3,
) -> Certificate:
    """Theorem 3 at this point, by the Rule of section 3.

    The certified rank is the smallest r, below all widths, with ``sum_l Phi_l / Phi_thr <= p_fail`` and
    ``Lambda_l < 1`` for every hidden layer. Then the probability that the numerical rank of some ``Z_l``
    (singular values of at least ``sqrt(Phi_thr)``) exceeds r, no later than the first step at which the
    product of the ``Lambda_l`` since now exceeds 1, is at most ``p_fail``. That is the probability of the
    joint event, not one conditional on the monitor holding.

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
        Between 0 and 1.

    Returns
    -------
    Certificate
        With ``rank`` None if no rank is certified; the inequalities are then those at the numerical rank.

    Raises
    ------
    InputError
        For depth 2, a ridge that is not positive, ``sampling="epochs"`` (Theorem 3(b) does not cover it), a
        weighted problem, or another argument out of range.
    """
    check_point(problem, network)
    check_depth_and_ridge(network.depth, ridge)
    ridge, lr, batch_size = check_step(problem, ridge, lr, batch_size, sampling)
    check_probability(p_fail)
    if not lr > 0:
        raise InputError(f"lr must be positive, not {lr}.")
    threshold = phi_threshold(problem, network.depth, ridge)
    table = tail_table(problem, network, ridge=ridge, lr=lr, batch_size=batch_size, sampling=sampling)
    rank = rule(table, threshold, p_fail)
    shown = table.numerical_rank(threshold) if rank is None else rank
    shown = min(shown, table.phi.shape[1] - 1)
    return Certificate(
        theorem="Theorem 3",
        claim=(
            f"With probability at least {complement(p_fail)}, no hidden layer has more than {shown} singular "
            "values of Z_l at or above sqrt(Phi_thr) up to the first step at which a product of the Lambda_l "
            "since now exceeds 1."
        ),
        conditions=rule_conditions(table, shown, threshold, p_fail),
        rank=rank,
        p_fail=p_fail,
        assumptions=(UNIFORM, EXACT),
        values=_values(table, shown, threshold),
    )


def rule(table: TailTable, threshold: float, p_fail: float) -> int | None:
    """The Rule of section 3: smallest rank, below all widths, whose conditions hold.

    None if there is none.
    """
    small = np.sum(table.phi, axis=0) <= p_fail * threshold
    good = small & np.all(table.mean_factor < 1, axis=0)
    ranks = np.flatnonzero(good[:-1])  # at the smallest width the statement about A is empty
    return int(ranks[0]) if ranks.size else None


def rule_conditions(
    table: TailTable, rank: int, threshold: float, p_fail: float, source: str = "Theorem 3"
) -> tuple[Condition, ...]:
    """The inequalities of the Rule at one rank.

    At the smallest width one that fails, because nothing is said.
    """
    conditions = [
        Condition(
            "probability",
            "sum_l Phi_l / Phi_thr <= p_fail",
            float(np.sum(table.phi[:, rank])) / threshold,
            p_fail,
            f"{source}(b), Rule",
        )
    ]
    conditions += [
        Condition(f"layer {l + 1}", f"Lambda_{l + 1} < 1", float(factor), 1.0, "equation (3.1)", strict=True)
        for l, factor in enumerate(table.mean_factor[:, rank])
    ]
    if rank >= table.phi.shape[1] - 1:
        width = table.phi.shape[1] - 1
        conditions.append(
            Condition("not empty", "rank < smallest width", rank, width, f"{source}", strict=True)
        )
    return tuple(conditions)


def check_probability(p_fail: float) -> None:
    """Refuse what is not a probability of failure."""
    if not 0 < p_fail < 1:
        raise InputError(f"p_fail must lie between 0 and 1, not {p_fail!r}.")


def _values(table: TailTable, rank: int, threshold: float) -> dict[str, float]:
    values = {"Phi_thr": threshold, "probability": float(np.sum(table.phi[:, rank])) / threshold}
    for l, (phi, factor) in enumerate(zip(table.phi[:, rank], table.mean_factor[:, rank], strict=True)):
        values[f"Phi_{l + 1}"] = float(phi)
        values[f"Lambda_{l + 1}"] = float(factor)
    return values
