"""Small things that several studies do with chains: where they start, how fast they may go, when they fell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..measures import tangent_diagonal
from ..network import Network
from ..problem import Problem

if TYPE_CHECKING:
    from ..analysis import Jumps


def disturbed(net: Network, share: float, seed: int, chains: int | None = None) -> Network:
    """The network, or `chains` copies of it, with ``share / sqrt(min(w_l, w_{l-1}))`` times normal noise added to W_l."""
    noise = Network.gaussian(net.widths, share, seed, chains)
    return Network(tuple(W + V for W, V in zip(net.weights, noise.weights, strict=True)))


def fastest(net: Network, problem: Problem) -> float:
    """``max K_ij`` over the observed entries, the largest diagonal element of the neural tangent kernel.

    A step on one entry is stable below about ``lr = 1 / max K``.
    """
    return float(tangent_diagonal(net, problem.rows, problem.cols).max())


def passages(jumps: Jumps) -> dict[str, np.ndarray]:
    """What became of every chain, as columns of shape (n_chains,).

    Returns
    -------
    dict
        ``fell`` (0 or 1), ``first_step`` (of the first lasting fall, or where the observation ended), ``observed`` (steps
        in which a jump would have been noticed), ``falls`` and ``rises`` (lasting ones), ``rises_after`` (those after
        the first fall).
    """
    n = jumps.n_chains
    ends = jumps.begin + jumps.exposure
    first = ends.astype(np.int64).copy()
    fell, falls, rises, later = (np.zeros(n, np.int64) for _ in range(4))
    for row in jumps.table.itertuples():
        k = int(row.chain)  # pyright: ignore[reportArgumentType]
        if row.kind == "fall":
            if not fell[k]:
                fell[k], first[k] = 1, row.step
            falls[k] += 1
        else:
            rises[k] += 1
            later[k] += fell[k]
    return {
        "fell": fell,
        "first_step": first,
        "observed": jumps.exposure.astype(np.int64),
        "falls": falls,
        "rises": rises,
        "rises_after": later,
    }
