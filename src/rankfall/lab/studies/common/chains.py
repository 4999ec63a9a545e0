"""Small things that several studies do with chains.

Where they start, how fast they may go, when they fell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....measures import tangent_diagonal
from ....network import Network
from ....problem import Problem
from ...claims import Claim
from .intervals import Interval, clustered_rate, poisson_rate

if TYPE_CHECKING:
    import pandas as pd

    from ....analysis import Jumps


def disturbed(network: Network, scale: float, seed: int, chains: int | None = None) -> Network:
    """The network, or `chains` copies of it, disturbed by normal noise.

    ``W_l`` gets noise of standard deviation ``scale / sqrt(min(w_l, w_{l-1}))``.
    """
    noise = Network.gaussian(network.widths, scale=scale, seed=seed, chains=chains)
    return Network(tuple(W + V for W, V in zip(network.weights, noise.weights, strict=True)))


def scattered(network: Network, share: float, seed: int, chains: int) -> Network:
    """Copies of the network in which every layer is off by `share` of its Frobenius norm, at random."""
    noise = Network.gaussian(network.widths, scale=1.0, seed=seed, chains=chains)

    def off(W: np.ndarray, V: np.ndarray) -> np.ndarray:
        return W + share * np.linalg.norm(W) / np.linalg.norm(V, axis=(1, 2), keepdims=True) * V

    return Network(tuple(off(W, V) for W, V in zip(network.weights, noise.weights, strict=True)))


def ensemble(networks: list[Network]) -> Network:
    """Networks of one shape as the chains of one ensemble."""
    return Network(tuple(np.stack(layers) for layers in zip(*(n.weights for n in networks), strict=True)))


def fastest(problem: Problem, network: Network) -> float:
    """``max K_ij`` over the observed entries, the largest diagonal element of the neural tangent kernel.

    A step on one entry is stable below about ``lr = 1 / max K``.
    """
    return float(tangent_diagonal(network, problem.rows, problem.cols).max())


def passages(jumps: Jumps) -> dict[str, np.ndarray]:
    """What became of every chain, as columns of shape (n_chains,).

    Returns
    -------
    dict
        ``fell`` (0 or 1), ``first_step`` (of the first lasting fall, or where the observation ended),
        ``observed`` (steps in which a jump would have been noticed), ``falls`` and ``rises`` (lasting ones),
        ``rises_after`` (those after the first fall).
    """
    n = jumps.n_chains
    ends = jumps.begin + jumps.exposure
    first = ends.astype(np.int64).copy()
    fell, falls, rises, later = (np.zeros(n, np.int64) for _ in range(4))
    for row in jumps.table.to_dict("records"):
        k = int(row["chain"])
        if row["kind"] == "fall":
            if not fell[k]:
                fell[k], first[k] = 1, int(row["step"])
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


def able_to_rise(rows: pd.DataFrame, rises: int, end_rank: str = "end_rank") -> pd.DataFrame:
    """The rows whose steps count for a rate of rises: all if any rose, else those that do not end at zero.

    From the zero matrix SGD raises nothing, so steps there say nothing about how rare rises are.
    """
    return rows if rises else rows[rows[end_rank] > 0]


def rate_of(
    rows: pd.DataFrame, events: pd.Series, exposure: pd.Series, error: float, cluster: str | None = None
) -> Interval:
    """Rate of events over some rows, exact, or by clusters of rows that share the value of a column."""
    if cluster is None:
        return poisson_rate(int(events.sum()), int(exposure.sum()), error)
    counts, steps = (values.groupby(rows[cluster]).sum().tolist() for values in (events, exposure))
    return clustered_rate([int(count) for count in counts], steps, error)


def never_back(chains: pd.DataFrame, rule: str, error: float, cluster: str | None = None) -> Claim:
    """The claim that the rank never rises again after its first fall.

    Parameters
    ----------
    chains : DataFrame
        One row per chain: the columns of :func:`passages`, end_rank and diverged.
    rule : str
        Must say: supported if no lasting rise was seen and the high end of its rate, in chains that end
        alive, lies below the low end of the rate of first falls, not supported if one was seen, undecided
        otherwise.
    error : float
        One minus the coverage of the intervals.
    cluster : str, optional
        Column of what chains share (a problem): intervals are then those by cluster.
    """
    fallen = chains[chains["fell"] == 1]
    rises = int(fallen["rises_after"].sum())
    counted = able_to_rise(fallen, rises)
    exposure = (counted["observed"] - counted["first_step"]).clip(lower=0)
    after = int(exposure.sum())
    rate = rate_of(counted, counted["rises_after"], exposure, error, cluster)
    falls = rate_of(chains, chains["fell"], chains["first_step"], error, cluster)
    if rises:
        outcome = "not supported"
    else:
        outcome = "supported" if rate.high < falls.low else "undecided"
    risen = fallen[fallen["rises_after"] > 0]
    note = (
        f"{rises} lasting rises (in {len(risen)} of {len(fallen)} fallen chains, "
        f"{int(risen['diverged'].sum())} of which diverged later) in {after:,} steps after the first fall"
        + ("." if rises else f" of the {len(counted)} that end alive: from the zero matrix nothing rises.")
    )
    return Claim("The rank never rises again after a fall.", rule, *rate, outcome, note)
