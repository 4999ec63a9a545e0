"""All points that one step of SGD can lead to: does any of them leave B_r?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..declared_arguments import declared
from ..network import Network
from ..problem import Problem
from .absorbing import AbsorbingSet
from .constants import Constants
from .requirements import matching_weights, require_depth, require_step

CHUNK = 2**22  # numbers held at a time, about 32 MB per array


@dataclass(frozen=True, eq=False)
class Successors:
    """How far inside B_r the N one-entry successors of a point are.

    Attributes
    ----------
    rank : int
    start : bool
        Whether the point itself lies in B_r.
    margins : dict of str to ndarray, shape (n_observed,)
        Smallest margin of (C) over the layers, of (V) over the layers, and of (T), for every entry.
    """

    rank: int
    start: bool
    margins: dict[str, np.ndarray]

    @property
    def worst(self) -> dict[str, float]:
        """Smallest margin of each inequality over all entries; negative if a successor breaks it."""
        return {name: float(margin.min()) for name, margin in self.margins.items()}

    @property
    def entries(self) -> dict[str, int]:
        """Position of the entry with the smallest margin of each inequality."""
        return {name: int(margin.argmin()) for name, margin in self.margins.items()}

    @property
    def leaving(self) -> np.ndarray:
        """Positions of the entries whose step ends outside of B_r."""
        return np.flatnonzero(np.min(list(self.margins.values()), axis=0) < 0)

    @property
    def stay(self) -> bool:
        """Whether all successors lie in B_r."""
        return not self.leaving.size


@declared
def successors(
    problem: Problem,
    network: Network,
    constants: Constants,
    rank: int,
    ridge: float | None = None,
    lr: float | None = None,
) -> Successors:
    """The N networks that one step with one entry can lead to, and their margins in B_r.

        W_l' = (1 - 2 lr ridge) W_l - lr rho_ij P_l^T e_i (Q_l e_j)^T

    A computation, not a theorem: it decides for this point and for batches of one entry whether B_r can be
    left, whatever the learning rate. The constants only define the set, and their bound on the data plays no
    part.

    Parameters
    ----------
    problem : Problem
    network : Network
        One network.
    constants : Constants
    rank : int
    ridge, lr : float, optional
        Those of the step; by default those of the constants.

    Returns
    -------
    Successors

    Raises
    ------
    InputError
        If depths or shapes differ, ``2 lr ridge >= 1``, the problem has weights, or the network has diverged.
    """
    weights = matching_weights(problem, network)
    ridge = constants.ridge if ridge is None else ridge
    lr = constants.lr if lr is None else lr
    ridge, lr = require_step(ridge, lr)
    require_depth(network, constants.depth)
    inside = AbsorbingSet(rank, constants)
    residual = network.predict(problem.rows, problem.cols) - problem.values
    forward, backward = _signals(weights)
    size = max(CHUNK // network.n_parameters, 1)
    pieces: list[dict[str, np.ndarray]] = []
    for first in range(0, problem.n_observed, size):
        part = slice(first, first + size)
        i, j, rho = problem.rows[part], problem.cols[part], residual[part]
        layers = tuple(
            (1 - 2 * lr * ridge) * W
            - (lr * rho)[:, None, None] * (b[:, i].T[:, :, None] * f[:, j].T[:, None, :])
            for W, f, b in zip(weights, forward, backward, strict=True)
        )
        margins = inside.margins(Network(layers))
        pieces.append({"C": margins["C"].min(-1), "V": margins["V"].min(-1), "T": margins["T"]})
    joined = {name: np.concatenate([piece[name] for piece in pieces]) for name in ("C", "V", "T")}
    return Successors(rank, bool(inside.contains(network)), joined)


def _signals(weights: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """``Q_l = W_{l-1} ... W_1`` and ``P_l^T = (W_L ... W_{l+1})^T`` for l = 1..L."""
    forward = [np.eye(weights[0].shape[1])]
    backward = [np.eye(weights[-1].shape[0])]
    for lower, upper in zip(weights[:-1], weights[:0:-1], strict=True):
        forward.append(lower @ forward[-1])
        backward.append(upper.T @ backward[-1])
    return forward, backward[::-1]
