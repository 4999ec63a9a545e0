"""Theorem S2 for one hidden layer: the same pre-activations above, no larger norm, fewer neurons.

Each function takes a :class:`Layer` and returns another one. None changes the activations of other layers.
"""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .conic import fewer_terms
from .merge import balanced
from .network import HomogeneousNetwork
from .spaces import RANK_TOL, Frame

# A neuron that adds less than this share to the next layer is silent. Out-weights that are 0 in exact
# arithmetic came out of gram mode with shares up to 1e-15 (tests/neurons/attack.py).
_SILENT = 1e-14


@dataclass(frozen=True, eq=False)
class Layer:
    """Hidden layer l of a network on some samples, given as columns.

    Attributes
    ----------
    network : HomogeneousNetwork
    number : int
        l.
    below : ndarray, shape (w_{l-1}, N)
        ``H_{l-1}``.
    tol : float
        Relative size of singular values that count as 0.
    """

    network: HomogeneousNetwork
    number: int
    below: np.ndarray
    tol: float = RANK_TOL

    @property
    def W(self) -> np.ndarray:
        return self.network.weights[self.number - 1]

    @property
    def b(self) -> np.ndarray | None:
        return self.network.bias(self.number)

    @property
    def V(self) -> np.ndarray:
        """Out-weights, shape (w_{l+1}, w_l)."""
        return self.network.weights[self.number]

    @property
    def b_above(self) -> np.ndarray | None:
        return self.network.bias(self.number + 1)

    @property
    def free(self) -> bool:
        """Whether biases are without penalty."""
        return not self.network.penalise_biases

    @property
    def H(self) -> np.ndarray:
        """``H_l``, shape (w_l, N)."""
        Z = self.W @ self.below
        return self.network.sigma(self.number)(Z if self.b is None else Z + self.b[:, None])

    @property
    def costs(self) -> np.ndarray:
        """``|w_i|^2``, with the bias where it is penalised."""
        return np.sum((self.W if self.free else self.network.in_weights(self.number)) ** 2, axis=1)

    def changed(
        self,
        W: np.ndarray,
        b: np.ndarray | None,
        V: np.ndarray | None = None,
        b_above: np.ndarray | None = None,
    ) -> Layer:
        """Other weights; those above stay where they are not given."""
        network = self.network.with_layer(
            self.number,
            weights=(W, self.V if V is None else V),
            biases=(b, self.b_above if b_above is None else b_above),
        )
        return replace(self, network=network)

    def scaled(self, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """In-weights and biases times positive numbers, without the neurons whose number is 0."""
        kept = scale > 0
        factor = scale[kept]
        return self.W[kept] * factor[:, None], None if self.b is None else self.b[kept] * factor


def balance(layer: Layer) -> Layer:
    """Scale ``w_i`` and ``1 / v_i`` until both have the same length."""
    return replace(layer, network=balanced(layer.network, [layer.number]))


def project(layer: Layer) -> Layer:
    """The cheapest in-weights with the same pre-activations: take out what no sample sees.

    A bias and weights that do the same on all samples are exchanged where that is cheaper.
    """
    frame = Frame.of(layer.below, layer.tol)
    return layer.changed(*frame.cheapest(layer.W, layer.b, penalised=not layer.free))


def drop_silent(layer: Layer) -> Layer:
    """Drop the neurons that are 0 on all samples, or are not heard above."""
    sizes, heard = np.linalg.norm(layer.H, axis=1), np.linalg.norm(layer.V, axis=0)
    inputs = layer.network.in_weights(layer.number)
    reach = np.linalg.norm(layer.below) + np.sqrt(layer.below.shape[1]) * (layer.b is not None)
    share = sizes * heard
    # a unit that only rounding keeps off 0 would be blown up by a large coefficient
    kept = (sizes > layer.tol * np.linalg.norm(inputs, axis=1) * reach) & (share > _SILENT * share.sum())
    return layer.changed(*layer.scaled(kept.astype(float)), layer.V[:, kept])


def gram(layer: Layer) -> Layer:
    """Gram mode: keep ``sum h_i h_i^T`` with as few neurons as possible, and the cheapest weights above.

    At most ``r (r + 1) / 2`` neurons remain, r being the rank of ``H_l``. The constant row that goes with
    biases above keeps its weight 1.
    """
    H = layer.H
    if not H.shape[0]:
        return layer
    frame = Frame.of(H, layer.tol)
    Q, seen = frame.Q, np.any(frame.Q != 0, axis=1)
    c = np.zeros(H.shape[0])
    c[seen] = fewer_terms(Q[seen], Q[seen], layer.costs[seen], layer.tol)
    above = frame.cheapest(layer.V, layer.b_above, penalised=not layer.free, scale=np.sqrt(c))
    return layer.changed(*layer.scaled(np.sqrt(c)), *above)


def out(layer: Layer) -> Layer:
    """Out mode: keep ``sum v_i h_i^T`` with as few neurons as possible.

    At most ``r rank(W_{l+1})`` neurons remain.
    """
    H, V = layer.H, layer.V
    if not H.shape[0]:
        return layer
    seen = np.any(V != 0, axis=0) & np.any(H != 0, axis=1)
    c = np.zeros(H.shape[0])
    costs = layer.costs + np.sum(V**2, axis=0)
    c[seen] = fewer_terms(V.T[seen], H[seen], costs[seen], layer.tol)
    root = np.sqrt(c)
    return layer.changed(*layer.scaled(root), V[:, c > 0] * root[c > 0])
