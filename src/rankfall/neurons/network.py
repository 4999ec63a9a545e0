"""The weights of one feed-forward network with positively homogeneous activations."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from ..argument_checks import array, flag, shown, whole
from ..declared_arguments import declared
from ..errors import InputError
from .activations import Activation, activations
from .tensors import plain

# largest entries outside have squares whose sums may leave the range of float64
_SMALLEST, _LARGEST = 1e-151, 1e152


@dataclass(frozen=True, eq=False)
class HomogeneousNetwork:
    """``f(x) = W_L sigma(W_{L-1} ... sigma(W_1 x + b_1) ... + b_{L-1}) + b_L``.

    Attributes
    ----------
    weights : tuple of ndarray
        ``W_1, ..., W_L`` with ``W_l`` of shape (w_l, w_{l-1}), as in ``torch.nn.Linear``; at least two. A
        hidden layer may have no neuron at all.
    biases : tuple of (ndarray or None)
        ``b_l`` of shape (w_l,), None for a layer without; None for a network without.
    activation : tuple of Activation
        One for each hidden layer; given as a name ("relu", "leaky_relu", "absolute", "identity"), as an
        :class:`Activation`, or as a sequence of these.
    penalise_biases : bool
        Whether the L2 penalty counts biases, as PyTorch's ``weight_decay`` does unless told otherwise.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray | None, ...] | None = None
    activation: str | Activation | Sequence[str | Activation] = "relu"
    penalise_biases: bool = True

    def __post_init__(self) -> None:
        layers: Any = self.weights
        if type(layers) not in (tuple, list) or len(layers) < 2:
            raise InputError(f"weights must be two or more matrices, not {shown(layers)}.")
        names = [f"weights[{index}]" for index in range(len(layers))]
        weights = tuple(
            array(name, plain(name, W), ("w", "v")) for name, W in zip(names, layers, strict=True)
        )
        for lower, upper in pairwise(weights):
            if upper.shape[1] != lower.shape[0]:
                raise InputError(f"Layers of shapes {lower.shape} and {upper.shape} do not fit together.")
        vectors: Any = self.biases
        if vectors is not None and type(vectors) not in (tuple, list):
            raise InputError(f"biases must be a vector or None for each layer, not {shown(vectors)}.")
        given = (None,) * len(weights) if vectors is None else tuple(vectors)
        if len(given) != len(weights):
            raise InputError(f"biases must be {len(weights)} vectors or None, not {len(given)}.")
        biases = tuple(
            None if b is None else array(name := f"biases[{index}]", plain(name, b), (W.shape[0],))
            for index, (b, W) in enumerate(zip(given, weights, strict=True))
        )
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "biases", biases)
        object.__setattr__(self, "activation", activations(self.activation, len(weights) - 1))
        object.__setattr__(self, "penalise_biases", flag("penalise_biases", self.penalise_biases))

    # -- facts -----------------------------------------------------------------------------------

    @property
    def depth(self) -> int:
        """L, the number of weight matrices."""
        return len(self.weights)

    @property
    def widths(self) -> tuple[int, ...]:
        """``w_0, ..., w_L``."""
        return (self.weights[0].shape[1], *(W.shape[0] for W in self.weights))

    @property
    def hidden(self) -> range:
        """Numbers of the hidden layers, 1 to L - 1."""
        return range(1, self.depth)

    @property
    def squared_norm(self) -> float:
        """What the penalty counts: ``sum |W_l|^2``, with ``|b_l|^2`` where biases are penalised."""
        total = sum(float(np.sum(W**2)) for W in self.weights)
        if self.penalise_biases:
            total += sum(float(np.sum(b**2)) for b in self._biases if b is not None)
        return total

    def __repr__(self) -> str:
        names = sorted({each.name for each in self._activations})
        biased = ", biases" if any(b is not None for b in self._biases) else ""
        return f"HomogeneousNetwork(widths={self.widths}, {', '.join(names)}{biased})"

    # -- parts of one layer, numbered from 1 ------------------------------------------------------

    @declared
    def bias(self, layer: int) -> np.ndarray | None:
        """``b_l``, None for a layer without."""
        return self._biases[whole("layer", layer, least=1, most=self.depth) - 1]

    @declared
    def sigma(self, layer: int) -> Activation:
        """Activation of hidden layer l."""
        return self._activations[self.check_layer(layer) - 1]

    @declared
    def in_weights(self, layer: int) -> np.ndarray:
        """``w_i`` of hidden layer l as rows, with the bias as last entry where there is one."""
        b, W = self.bias(layer), self.weights[layer - 1]
        return W if b is None else np.column_stack([W, b])

    @declared
    def neurons(self, layer: int) -> np.ndarray:
        """``z_i = [w_i | v_i^T]`` of hidden layer l as rows: in-weights with bias, and out-weights."""
        layer = self.check_layer(layer)
        return np.hstack([self.in_weights(layer), self.weights[layer].T])

    @declared
    def check_layer(self, layer: int) -> int:
        """The number of a hidden layer.

        Raises
        ------
        InputError
            If there is no such layer.
        """
        return whole("layer", layer, least=1, most=self.depth - 1)

    @declared
    def with_layer(
        self, layer: int, *, weights: tuple[np.ndarray, np.ndarray], biases: tuple[np.ndarray | None, ...]
    ) -> HomogeneousNetwork:
        """Other in- and out-weights (and biases there) of hidden layer l."""
        new_weights, new_biases = list(self.weights), list(self._biases)
        new_weights[layer - 1 : layer + 1], new_biases[layer - 1 : layer + 1] = weights, biases
        return replace(self, weights=tuple(new_weights), biases=tuple(new_biases))

    # -- the function ----------------------------------------------------------------------------

    @declared
    def check_inputs(self, X: Any) -> np.ndarray:
        """Samples as rows, shape (N, w_0), as an array with samples as *columns*.

        Raises
        ------
        InputError
            If the shape is another one, a value is not finite, or there is no sample.
        """
        found = array("X", plain("X", X), ("N", self.widths[0]))
        if not found.shape[0]:
            raise InputError("X must hold one sample or more.")
        return np.ascontiguousarray(found.T)

    @declared
    def check_range(self, columns: np.ndarray) -> None:
        """Refuse numbers whose squares are too large or too small for sums of float64.

        Raises
        ------
        InputError
            If the samples, a layer's weights, or what it makes of the samples is so large or small.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = self.preactivations(columns)
        parts = {"X": columns}
        for index, (W, Z) in enumerate(zip(self.weights, outputs, strict=True), 1):
            parts |= {f"the weights of layer {index}": W, f"the pre-activations of layer {index}": Z}
        for name, part in parts.items():
            largest = float(np.abs(part).max(initial=0.0))
            if largest and not _SMALLEST < largest < _LARGEST:
                raise InputError(
                    f"The largest of {name} is {largest:.3g}, and its square is out of the range of float64; "
                    "scale the samples or the weights."
                )

    @declared
    def preactivations(self, columns: np.ndarray) -> list[np.ndarray]:
        """``Z_1, ..., Z_L`` of samples given as columns, shapes (w_l, N)."""
        out: list[np.ndarray] = []
        H = columns
        for index, (W, b) in enumerate(zip(self.weights, self._biases, strict=True)):
            Z = W @ H if b is None else W @ H + b[:, None]
            out.append(Z)
            if index < self.depth - 1:
                H = self._activations[index](Z)
        return out

    @declared
    def activities(self, columns: np.ndarray) -> list[np.ndarray]:
        """``H_0 = X, H_1, ..., H_{L-1}``, shapes (w_l, N)."""
        hidden = self.preactivations(columns)[:-1]
        return [columns, *(sigma(Z) for sigma, Z in zip(self._activations, hidden, strict=True))]

    def __call__(self, X: object) -> np.ndarray:
        """Outputs, shape (N, w_L), of samples of shape (N, w_0)."""
        return self.preactivations(self.check_inputs(X))[-1].T

    @property
    def _biases(self) -> tuple[np.ndarray | None, ...]:
        assert self.biases is not None  # filled in when made
        return self.biases

    @property
    def _activations(self) -> tuple[Activation, ...]:
        return self.activation  # pyright: ignore[reportReturnType]
