"""Theorem 1-G: sets that no step of an equivariant network leaves, with one rank for each irrep.

Averaging over the group divides the squared residual matrix by the size of the orbit, and so the batch
constant ``nu`` of Theorem 1: at depth 3 and small ridge the largest certified learning rate grows by the
square of that size. It is the gain of averaging; SGD that takes whole orbits as batches has it, too.
"""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np

from ..argument_checks import instance, one_of, optional, positive, whole
from ..declared_arguments import declared
from ..errors import InputError
from ..linalg import operator_norm
from ..problem import Problem
from ..theory import Certificate, Condition, Constants
from ..theory.choose_constants import largest_lr
from ..theory.constants import SAMPLINGS, constant_conditions, solve_at
from .algebra import singular_values
from .averages import Action, check_cells, pair_orbits, project
from .network import EquivariantNetwork

# as in theory.solve: eps = 1.05 eps*
_SLACK = 0.05


@declared
def orbit_constant(
    problem: Problem,
    rows: Action,
    columns: Action,
    *,
    batch_size: int = 1,
    sampling: str = "replacement",
) -> float:
    """``nu_G`` with ``|R_G|^2 <= nu_G * mean of rho^2 over the batch``, for every batch.

    Under permutations it is ``max over orbits of mu / (b o)``: o cells make up the orbit, and a batch of b
    holds at most mu of them, repeats counted. Otherwise ``max |P_G e_i e_j^T|^2`` over the observed cells.

    Parameters
    ----------
    problem : Problem
    rows, columns : Representation
    batch_size : int
    sampling : {"replacement", "distinct", "epochs"}
        With epochs the last batch may be smaller, and counts too.

    Returns
    -------
    float
        At most the batch constant without symmetry, :func:`rankfall.theory.batch_constant`.
    """
    problem = check_cells(problem, rows, columns)
    batch_size = whole("batch_size", batch_size, least=1)
    one_of("sampling", sampling, SAMPLINGS)
    N = problem.n_observed
    if sampling != "replacement" and batch_size > N:
        raise InputError(f"A batch of {batch_size} different cells cannot be drawn from {N} observed ones.")
    if rows.permutations is None or columns.permutations is None:
        return max(_kept(rows, columns, i, j) for i, j in zip(problem.rows, problem.cols, strict=True))
    orbits = pair_orbits(rows, columns)
    sizes = np.bincount(orbits.ravel())
    seen = np.bincount(orbits[problem.rows, problem.cols], minlength=sizes.size)
    present = seen > 0
    batches = {batch_size} if sampling != "epochs" else {batch_size, N % batch_size or batch_size}
    worst = 0.0
    for b in batches:
        most = np.full(sizes.size, b) if sampling == "replacement" else np.minimum(seen, b)
        worst = max(worst, float((most[present] / (b * sizes[present])).max()))
    return worst


@declared
def solve(depth: int, ridge: float, bound: float, nu: float, *, lr: float | None = None) -> Constants:
    """Constants of Theorem 1 for a batch constant with the orbit gain.

    Parameters
    ----------
    depth, ridge : int, float
    bound : float
        At least the largest absolute value of an observed cell.
    nu : float
        From :func:`orbit_constant`.
    lr : float, optional
        By default the largest certified one; see :func:`rankfall.theory.solve`.

    Returns
    -------
    Constants
        Written as those of batches of ``1 / nu`` different cells, which have the same `nu`.

    Raises
    ------
    InputError
        If nothing is certified.
    """
    depth = whole("depth", depth, least=2)
    ridge, bound, nu = positive("ridge", ridge), positive("bound", bound), positive("nu", nu)
    lr = optional(positive, "lr", lr)
    if lr is None:
        lr = largest_lr(depth, ridge, bound, nu, _SLACK)
    return solve_at(depth, ridge, lr, bound, ceil(1 / nu), "distinct", nu, _SLACK)


@dataclass(frozen=True)
class AbsorbingBlocks:
    """``B_(r_tau)``: the sets of Theorem 1 with a rank for each irrep (Theorem 1-G).

        (C)  |W_l|_F^2 <= C                                                    l = 1..L
        (V)  |D_l|_op + kappa |W_l|_F^2 <= eps                                 l = 2..L
        (T)  max over tau of sigma_{r_tau + 1}(M_1^tau) + beta |W_1|_F^2 <= delta

    With constants of :func:`solve` no step leaves it, whatever the batch, for all ranks at once.

    Attributes
    ----------
    ranks : mapping of str to int
        r over D, by irrep; those left out have 0.
    constants : Constants
    """

    ranks: Mapping[str, int]
    constants: Constants

    @declared
    def conditions(self, network: EquivariantNetwork) -> tuple[Condition, ...]:
        """(C), (V) and (T) at a network."""
        instance("network", network, EquivariantNetwork)
        k, ranks = instance("constants", self.constants, Constants), network.check_ranks(self.ranks)
        if network.depth != k.depth:
            raise InputError(f"The constants are for depth {k.depth}, the network has {network.depth}.")
        norms, imbalances, tail = np.zeros(k.depth), np.zeros(k.depth), 0.0
        for name in network.blocks:
            irrep, weights = network.maps.irrep(name), network.embedded(name)
            d, e = irrep.dimension, irrep.endomorphisms
            norms += [d / e * float(np.sum(np.square(W))) for W in weights]
            for l in range(1, k.depth):
                D = weights[l].T @ weights[l] - weights[l - 1] @ weights[l - 1].T
                imbalances[l] = max(imbalances[l], _symmetric_norm(D))
            s = singular_values(weights[0], e)
            r = ranks[name]
            tail = max(tail, float(s[r]) if r < s.size else 0.0)
        source = "Theorem 1-G"
        return (
            *(
                Condition(f"(C) l={l + 1}", f"|W_{l + 1}|_F^2 <= C", float(norms[l]), k.C, source)
                for l in range(k.depth)
            ),
            *(
                Condition(
                    f"(V) l={l + 1}",
                    f"|D_{l + 1}|_op + kappa |W_{l + 1}|_F^2 <= eps",
                    float(imbalances[l] + k.kappa * norms[l]),
                    k.eps,
                    source,
                )
                for l in range(1, k.depth)
            ),
            Condition(
                "(T)",
                "max_tau sigma_{r_tau+1}(M_1) + beta |W_1|_F^2 <= delta",
                float(tail + k.beta * norms[0]),
                k.delta,
                source,
            ),
        )

    @declared
    def certificate(self, network: EquivariantNetwork) -> Certificate:
        """Theorem 1-G for this network; its rank is ``sum_tau d_tau r_tau``."""
        conditions = self.conditions(network)
        k, found = self.constants, network.check_ranks(self.ranks)
        total = sum(network.maps.irrep(name).dimension * r for name, r in found.items())
        ranks = ", ".join(f"{name}: {r}" for name, r in found.items())
        return Certificate(
            theorem="Theorem 1-G",
            claim=(
                "No sequence of batches gives any irrep more singular values above "
                f"{k.a_L * k.delta:.6g} than ({ranks})."
            ),
            conditions=(*constant_conditions(k)[:4], *conditions),
            rank=total,
            assumptions=(
                f"Every sampled cell is at most {k.bound:.6g} in absolute value.",
                f"Every step has lr = {k.lr:.6g}, ridge = {k.ridge:.6g}, norms and lr in whole matrices W, "
                f"and |R_G|^2 <= {k.nu:.6g} times the mean of rho^2 over its batch.",
            ),
            values=k.as_values(),
        )


def _kept(rows: Action, columns: Action, i: int, j: int) -> float:
    """``|P_G e_i e_j^T|_F^2``."""
    cell = np.zeros((rows.dimension, columns.dimension))
    cell[i, j] = 1.0
    return float(np.sum(np.square(project(cell, rows, columns))))


def _symmetric_norm(D: np.ndarray) -> float:
    return operator_norm(D) if D.size else 0.0
