"""Dropping dead directions during a run (Theorem 4)."""

from __future__ import annotations

import numpy as np

from .state import State

# deflation happens at multiples of this step number
EVERY = 10_000


def deflate(state: State, tol: float) -> None:
    """Compress every running chain whose hidden layers have directions below `tol` times the largest.

    A direction of hidden layer l is measured by its singular value in ``Z_l = [W_l | W_{l+1}^T]``. At
    least one direction per layer is kept.
    """
    for k in np.flatnonzero(state.running).tolist():
        network = state.network(k)
        ranks = []
        for Z in network.hidden_spaces():
            sigma = np.linalg.svd(Z, compute_uv=False)
            ranks.append(max(1, int(np.count_nonzero(sigma > tol * sigma[0]))))
        if ranks != list(network.widths[1:-1]):
            compression = network.compress(ranks)
            state.put(k, compression.network)
            state.bounds[k] += compression.bound
