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
from .spaces import RANK_TOL, centred_columns, orthonormal_columns, with_constant

# a neuron that adds less than this share to the next layer is silent: beyond the last digit
_SILENT = 1e-16


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
    """Take out of the in-weights what no sample sees.

    With penalised biases on the columns of ``[H; 1]``; with free ones on the centred columns, the bias making
    up for the mean.
    """
    W, b, below = layer.W, layer.b, layer.below
    if b is None:
        basis = orthonormal_columns(below, layer.tol)
        return layer.changed((W @ basis) @ basis.T, None)
    if layer.free:
        basis = centred_columns(below, layer.tol)
        inside = (W @ basis) @ basis.T
        return layer.changed(inside, b + (W - inside) @ below.mean(axis=1))
    basis = orthonormal_columns(with_constant(below), layer.tol)
    inside = (np.column_stack([W, b]) @ basis) @ basis.T
    return layer.changed(inside[:, :-1], inside[:, -1])


def drop_silent(layer: Layer) -> Layer:
    """Drop the neurons that are 0 on all samples, or are not heard above."""
    sizes, heard = np.linalg.norm(layer.H, axis=1), np.linalg.norm(layer.V, axis=0)
    inputs = layer.network.in_weights(layer.number)
    reach = np.linalg.norm(layer.below) + np.sqrt(layer.below.shape[1]) * (layer.b is not None)
    share = sizes * heard
    # a unit that only rounding keeps off 0 would be blown up by a large coefficient
    kept = (sizes > layer.tol * np.linalg.norm(inputs, axis=1) * reach) & (share > _SILENT * share.sum())
    W, b = layer.scaled(kept.astype(float))
    return layer.changed(W, b, layer.V[:, kept])


def gram(layer: Layer) -> Layer:
    """Gram mode: keep ``sum h_i h_i^T`` with as few neurons as possible, and the cheapest weights above.

    At most ``r (r + 1) / 2`` neurons remain, r being the rank of ``H_l``. The constant row that goes with
    biases above keeps its weight 1.
    """
    H, above = layer.H, layer.V
    if not H.shape[0]:
        return layer
    Q = orthonormal_columns(H if layer.b_above is None else with_constant(H), layer.tol)
    neurons = Q[: H.shape[0]]
    seen = np.any(neurons != 0, axis=1)
    c = np.zeros(H.shape[0])
    c[seen] = fewer_terms(neurons[seen], neurons[seen], layer.costs[seen], layer.tol)
    root, kept = np.sqrt(c), c > 0
    W, b = layer.scaled(root)
    if layer.b_above is None:
        return layer.changed(W, b, (above @ Q) @ (Q[kept] * root[kept][:, None]).T)
    if not layer.free:
        scaled = np.vstack([Q[:-1][kept] * root[kept][:, None], Q[-1:]])
        both = (np.column_stack([above, layer.b_above]) @ Q) @ scaled.T
        return layer.changed(W, b, both[:, :-1], both[:, -1])
    Q = centred_columns(H, layer.tol)
    V = (above @ Q) @ (Q[kept] * root[kept][:, None]).T
    shift = above @ H.mean(axis=1) - V @ (root[kept] * H[kept].mean(axis=1))
    return layer.changed(W, b, V, layer.b_above + shift)


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
    W, b = layer.scaled(root)
    return layer.changed(W, b, V[:, c > 0] * root[c > 0])
