"""The sets B_r that no step leaves (Theorem 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..declared_arguments import declared
from ..measures import imbalance
from ..network import Network
from .certificate import Certificate, Condition
from .constants import Constants, constant_conditions
from .requirements import finite_weights, require_depth, require_whole, single_weights


@declared
@dataclass(frozen=True)
class AbsorbingSet:
    """``B_r``: networks whose norms, imbalances and tail of the first layer are small.

        (C)  |W_l|_F^2 <= C                                           l = 1..L
        (V)  |D_l|_op + kappa |W_l|_F^2 <= eps                        l = 2..L
        (T)  sigma_{r+1}(W_1) + beta |W_1|_F^2 <= delta

    with ``D_l = W_l^T W_l - W_{l-1} W_{l-1}^T``. If the constants satisfy Theorem 1
    (:func:`check_constants`), no step of SGD leaves it, whatever the batch. In it
    ``sigma_{r+1}(A) <= a_L delta``; the sets grow with r; the zero network lies in all of them.

    Attributes
    ----------
    rank : int
        r, 0 or more.
    constants : Constants
    """

    rank: int
    constants: Constants

    def __post_init__(self) -> None:
        require_whole(0, rank=self.rank)

    @property
    def product_tail(self) -> float:
        """``a_L delta``: in the set the product has no more than r singular values above this."""
        return self.constants.a_L * self.constants.delta

    @declared
    def levels(self, network: Network) -> dict[str, np.ndarray]:
        """Left sides of (C), (V) and (T), of shapes (..., L), (..., L - 1) and (...).

        The leading axis is the one of chains, where `network` is an ensemble.

        Raises
        ------
        InputError
            If the network has another depth than the constants, or weights that are not finite.
        """
        require_depth(network, self.constants.depth)
        weights = finite_weights(network)
        k = self.constants
        norms = squared_norms(weights)
        imbalances = imbalance(Network(tuple(weights)))
        tail = singular_value(weights[0], self.rank)
        with np.errstate(invalid="ignore"):  # chi <= 0: kappa and beta are infinite, and norms may be 0
            V, T = imbalances + k.kappa * norms[..., 1:], tail + k.beta * norms[..., 0]
        return {"C": norms, "V": V, "T": T}

    @property
    def limits(self) -> dict[str, float]:
        """Right sides of (C), (V) and (T)."""
        return {"C": self.constants.C, "V": self.constants.eps, "T": self.constants.delta}

    @declared
    def margins(self, network: Network) -> dict[str, np.ndarray]:
        """Right minus left side of (C), (V) and (T), of the shapes of :meth:`levels`."""
        limits = self.limits
        return {name: limits[name] - level for name, level in self.levels(network).items()}

    @declared
    def contains(self, network: Network) -> bool | np.ndarray:
        """Whether the network lies in the set; one answer per chain for an ensemble."""
        margins = self.margins(network)
        inside = np.all(margins["C"] >= 0, axis=-1) & np.all(margins["V"] >= 0, axis=-1) & (margins["T"] >= 0)
        return bool(inside) if inside.ndim == 0 else inside

    @declared
    def certificate(self, network: Network) -> Certificate:
        """Theorem 1 for this network: the inequalities of the constants, and those of the set."""
        single_weights(network)
        k = self.constants
        return Certificate(
            theorem="Theorem 1",
            claim=(
                f"No sequence of batches takes the network out of B_{self.rank}: its product keeps at most "
                f"{self.rank} singular values above {self.product_tail:.6g}."
            ),
            conditions=(*constant_conditions(k)[:4], *self.conditions(network)),
            rank=self.rank,
            assumptions=(
                f"Every sampled entry is at most {k.bound:.6g} in absolute value.",
                f"Every step has lr = {k.lr:.6g}, ridge = {k.ridge:.6g}, and batches with nu <= {k.nu:.6g}.",
            ),
            values={**k.as_values(), "product_tail": self.product_tail},
        )

    @declared
    def conditions(self, network: Network) -> tuple[Condition, ...]:
        """(C), (V) and (T) for one network."""
        levels, k, source = self.levels(network), self.constants, "definition of B_r"
        C = [
            Condition(f"(C) l={layer}", f"|W_{layer}|_F^2 <= C", float(level), k.C, source)
            for layer, level in enumerate(levels["C"], start=1)
        ]
        V = [
            Condition(
                f"(V) l={layer}",
                f"|D_{layer}|_op + kappa |W_{layer}|_F^2 <= eps",
                float(level),
                k.eps,
                source,
            )
            for layer, level in enumerate(levels["V"], start=2)
        ]
        tail = f"sigma_{self.rank + 1}(W_1) + beta |W_1|_F^2 <= delta"
        return (*C, *V, Condition("(T)", tail, float(levels["T"]), k.delta, source))


def squared_norms(weights: Sequence[np.ndarray]) -> np.ndarray:
    """``|W_l|_F^2`` for l = 1..L, shape (..., L)."""
    return np.stack([np.sum(np.square(W), axis=(-2, -1)) for W in weights], axis=-1)


def singular_value(W: np.ndarray, index: int) -> np.ndarray:
    """The singular value number `index`, counted from 0; 0 beyond the last. Shape (...)."""
    if index >= min(W.shape[-2:]):
        return np.zeros(W.shape[:-2])
    return np.linalg.svd(W, compute_uv=False)[..., index]
