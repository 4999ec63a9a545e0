"""Theorem 3 for each irrep: tails of the hidden spaces and the factors by which a step multiplies them."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..argument_checks import fraction, instance, not_negative, one_of, optional, positive, whole
from ..declared_arguments import declared
from ..errors import InputError
from ..problem import Problem
from ..theory import Certificate, Condition, phi_threshold
from ..theory.certificate import complement
from .algebra import embed
from .averages import check_cells, pair_orbits
from .block_engine import Cells, Layout
from .network import EquivariantNetwork

UNIFORM = "Cells are drawn uniformly, given the past (full batches are all cells at every step)."
EXACT = "Exact arithmetic; rounding adds a tail of about 1e-16 of the weights, which is not modelled."


@dataclass(frozen=True, eq=False)
class BlockTails:
    """Tails of one irrep, by hidden layer.

    Attributes
    ----------
    irrep : str
    rank : int
        r over D.
    phi : ndarray, shape (L - 1,)
        ``Phi_l = d sum_{i>r} sigma_i(Z_l)^2``, ``Z_l = [M_l | M_{l+1}^*]``, singular values over D.
    factor : ndarray, shape (L - 1,)
        ``Lambda_l``: the expected Phi after a step is at most ``Lambda_l Phi_l`` (equation (3.1) with the
        averaged residual matrix).
    sigma : ndarray, shape (L - 1, m)
        Singular values of the ``Z_l`` over D, zeros after the last.
    """

    irrep: str
    rank: int
    phi: np.ndarray
    factor: np.ndarray
    sigma: np.ndarray = field(repr=False)


@declared
def tail_factors(
    problem: Problem,
    network: EquivariantNetwork,
    ranks: Mapping[str, int],
    *,
    ridge: float,
    lr: float,
    batch_size: int | None = 1,
    sampling: str = "replacement",
) -> dict[str, BlockTails]:
    """``Phi_l`` and ``Lambda_l`` of every irrep at given ranks (Theorem 1-G).

    Parameters
    ----------
    problem : Problem
    network : EquivariantNetwork
    ranks : mapping of str to int
        r over D, by irrep; those left out have 0. They are ranks of whole irreps, never of a part of one.
    ridge, lr : float
    batch_size : int, optional
        None for all cells at every step.
    sampling : {"replacement", "distinct"}

    Returns
    -------
    dict of str to BlockTails
    """
    ranks = instance("network", network, EquivariantNetwork).check_ranks(ranks)
    _check_cells(problem, network)
    ridge, lr = not_negative("ridge", ridge), positive("lr", lr)
    batch_size = optional(whole, "batch_size", batch_size, least=1)
    one_of("sampling", sampling, ("replacement", "distinct"))
    layout = Layout.of(network)
    cells = Cells.of(problem, network.maps, layout)
    blocks = network.product_blocks()
    point = np.zeros(cells.reads.shape[1])
    for name, M in blocks.items():
        point[layout.slices[name]] = M.ravel()
    residual = cells.reads @ point - cells.values
    share = _share(problem.n_observed, batch_size, sampling)
    out: dict[str, BlockTails] = {}
    for name in network.blocks:
        spread = residual[:, None] * cells.spreads[:, layout.slices[name]]
        R = embed(spread.reshape(-1, *layout.sizes[name]))
        out[name] = _tails(network, name, ranks[name], R, share, ridge, lr)
    return out


@declared
def block_phi_threshold(problem: Problem, network: EquivariantNetwork, ridge: float) -> float:
    """Squares of singular values of a ``Z_l`` over D that no critical point has below this, but zero.

    As :func:`rankfall.theory.phi_threshold`, ``2 (2 ridge / g)^(2/(L-2))`` with a bound ``g`` of the averaged
    gradient at critical points: ``|x| / N``, times ``max sqrt(c / o)`` under permutations, where c of the o
    cells of an orbit are observed.
    """
    _check_cells(problem, instance("network", network, EquivariantNetwork))
    threshold = phi_threshold(problem, network.depth, ridge)
    rows, columns = network.maps.rows.representation, network.maps.columns.representation
    if rows.permutations is None or columns.permutations is None:
        return threshold
    orbits = pair_orbits(rows, columns)
    sizes = np.bincount(orbits.ravel())
    seen = np.bincount(orbits[problem.rows, problem.cols], minlength=sizes.size)
    return float(threshold * np.max(seen / sizes) ** (-1 / (network.depth - 2)))


@declared
def lock(
    problem: Problem,
    network: EquivariantNetwork,
    ranks: Mapping[str, int] | None = None,
    *,
    ridge: float,
    lr: float,
    batch_size: int | None = 1,
    sampling: str = "replacement",
    p_fail: float = 1e-3,
) -> Certificate:
    """Theorem 3 for every irrep at once: the ranks cannot rise while the monitor holds.

    The statement of :func:`rankfall.theory.lock` for each irrep and hidden layer, with one probability for
    all of them. With full batches nothing is random; the factors then bound each step surely.

    Parameters
    ----------
    problem : Problem
    network : EquivariantNetwork
        Of depth 3 or more.
    ranks : mapping of str to int, optional
        r over D; by default the singular values of ``Z_l`` at or above the threshold, most of all layers.
    ridge, lr, batch_size, sampling
        As in :func:`tail_factors`.
    p_fail : float

    Returns
    -------
    Certificate
        Its rank is ``sum_tau d_tau r_tau``, or None if the inequalities do not hold.
    """
    p_fail = fraction("p_fail", p_fail)
    if instance("network", network, EquivariantNetwork).depth < 3:
        raise InputError("Theorem 3 is about depth 3 and more.")
    ridge = positive("ridge", ridge)
    threshold = block_phi_threshold(problem, network, ridge)

    def factors(at: Mapping[str, int]) -> dict[str, BlockTails]:
        return tail_factors(
            problem, network, at, ridge=ridge, lr=lr, batch_size=batch_size, sampling=sampling
        )

    if ranks is None:
        seen = factors({})
        ranks = {
            name: int(np.count_nonzero(tails.sigma**2 >= threshold, axis=1).max())
            for name, tails in seen.items()
        }
    ranks = network.check_ranks(ranks)
    table = factors(ranks)
    maps = network.maps
    shares = {
        name: float(t.phi.sum()) / (maps.irrep(name).dimension * threshold) for name, t in table.items()
    }
    conditions = [
        Condition(
            "probability", "sum Phi_l / (d Phi_thr) <= p_fail", sum(shares.values()), p_fail, "Theorem 3(b)"
        )
    ]
    conditions += [
        Condition(
            f"{name} layer {l + 1}",
            f"Lambda_{l + 1} < 1 ({name})",
            float(value),
            1.0,
            "(3.1), Theorem 1-G",
            strict=True,
        )
        for name, tails in table.items()
        for l, value in enumerate(tails.factor)
    ]
    full = [ranks[name] >= min(network.copies[name][1:-1]) for name in table]
    # where no irrep has a tail, nothing is said
    conditions.append(
        Condition("not empty", "irreps of full rank < irreps", sum(full), len(full), "Theorem 3", strict=True)
    )
    listed = ", ".join(f"{name}: {ranks[name]}" for name in table)
    total = sum(maps.irrep(name).dimension * ranks[name] for name in table)
    return Certificate(
        theorem="Theorem 1-G with Theorem 3",
        claim=(
            f"With probability at least {complement(p_fail)}, no Z_l of an irrep has more than ({listed}) "
            "singular values at or above sqrt(Phi_thr) up to the first step at which a product of the "
            "Lambda_l since now exceeds 1."
        ),
        conditions=tuple(conditions),
        rank=total if all(each.holds for each in conditions) else None,
        p_fail=p_fail,
        assumptions=(UNIFORM, EXACT),
        values={"Phi_thr": threshold, "probability": sum(shares.values())},
    )


def _check_cells(problem: Problem, network: EquivariantNetwork) -> None:
    check_cells(problem, network.maps.rows.representation, network.maps.columns.representation)


def _tails(
    network: EquivariantNetwork, name: str, rank: int, R: np.ndarray, share: float, ridge: float, lr: float
) -> BlockTails:
    """The tails of one irrep; R holds the averaged residual matrices of single cells, embedded."""
    irrep, weights = network.maps.irrep(name), network.embedded(name)
    e, q = irrep.endomorphisms, 1 - 2 * lr * ridge
    hidden = len(weights) - 1
    widest = max(W.shape[0] for W in weights[:-1]) // e
    phi, factor, sigma = np.zeros(hidden), np.full(hidden, q * q), np.zeros((hidden, widest))
    for l in range(hidden):
        Z = np.concatenate([weights[l], weights[l + 1].T], axis=1)
        U, s, _ = np.linalg.svd(Z, full_matrices=False)
        sigma[l, : s[::e].size] = s[::e]
        tail = U[:, rank * e :]
        # in the norm of whole matrices; the embedded one counts every number e times
        phi[l] = irrep.dimension / e * float(np.sum(s[rank * e :] ** 2))
        if phi[l] == 0:
            continue
        X, Y = tail.T @ weights[l], tail.T @ weights[l + 1].T
        B = R
        for W in weights[:l]:
            B = B @ W.T
        for W in reversed(weights[l + 2 :]):
            B = W.T @ B
        mean = B.mean(axis=0)
        single = (np.sum((Y @ B) ** 2) + np.sum((X @ np.swapaxes(B, 1, 2)) ** 2)) / len(B)
        together = np.sum((Y @ mean) ** 2) + np.sum((X @ mean.T) ** 2)
        second = share * single + (1 - share) * together
        change = -4 * lr * q * np.sum((Y @ mean) * X) + lr**2 * second
        factor[l] += float(change) * irrep.dimension / e / phi[l]
    return BlockTails(name, rank, phi, factor, sigma)


def _share(n_cells: int, batch_size: int | None, sampling: str) -> float:
    """Share of the second moment of single cells in that of a batch mean; the rest is that of the mean."""
    if batch_size is None:
        return 0.0
    if sampling == "replacement":
        return 1 / batch_size
    if batch_size > n_cells:
        raise InputError(f"{batch_size} different cells cannot be drawn from {n_cells} observed ones.")
    if n_cells == 1:
        return 1.0
    return (n_cells - batch_size) / (batch_size * (n_cells - 1))
