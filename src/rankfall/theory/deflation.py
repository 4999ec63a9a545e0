"""Theorem 4: drop the weak directions of the hidden layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..declared_arguments import declared
from ..errors import InputError
from ..network import Compression, Network
from .requirements import is_whole


@declared
def deflate(network: Network, rank: int | Sequence[int] | np.ndarray) -> Compression:
    """Keep the `rank` leading directions of every hidden layer, with a bound on the change (Theorem 4).

    ``F_l`` holds the leading left singular vectors of ``Z_l = [W_l | W_{l+1}^T]``, ``Pi_l = I - F_l F_l^T``,
    and the small network has the weights ``F_l^T W_l F_{l-1}``. Then

        |A - A~|_op <= sum_l |Pi_l W_l| |W_{l+1} Pi_l| prod_{k != l, l+1} |W_k|,

    of second order in the discarded tail, and every step of SGD on the small network is the same step on
    the large one started from the embedded weights. The one implementation is
    :meth:`rankfall.Network.compress`.

    Parameters
    ----------
    network : Network
        A single network.
    rank : int or sequence of int, or array
        Directions to keep, one number for all hidden layers or one for each; at most their widths.

    Returns
    -------
    Compression
        ``network``, ``frames`` (F_1 .. F_{L-1}), ``bound``, and ``embed()``.

    Raises
    ------
    InputError
        For an ensemble, weights that are not finite, or ranks outside 1 .. width.
    """
    if not all(np.isfinite(W).all() for W in network.weights):
        raise InputError("The network's weights hold NaN or infinity.")
    hidden = network.widths[1:-1]
    given: list[object] = [rank] * len(hidden) if np.ndim(rank) == 0 else list(np.asarray(rank, object))
    if len(given) != len(hidden) or not all(is_whole(r, 1, w) for r, w in zip(given, hidden, strict=True)):
        raise InputError(
            f"rank must be a whole number from 1 to the width, one for all hidden layers or one for each "
            f"(widths {hidden}), not {given}."
        )
    double = Network(tuple(np.asarray(W, dtype=np.float64) for W in network.weights))
    return double.compress(np.array(given, int).tolist())
