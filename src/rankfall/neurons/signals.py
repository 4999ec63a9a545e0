"""One step of SGD on a homogeneous network, and what it does to the neurons of a layer."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..argument_checks import array, not_negative, one_of
from ..declared_arguments import declared
from ..errors import InputError
from .network import HomogeneousNetwork
from .tensors import plain

LOSSES = ("squared", "cross-entropy")
# probabilities in single precision add up to 1 to about this
_PROBABILITY = 1e-5


@dataclass(frozen=True, eq=False)
class Signals:
    """What hidden layer l receives and sends back, sample by sample.

    Attributes
    ----------
    inputs : ndarray, shape (w_{l-1} (+ 1), N)
        ``h_k``, with a last row of ones where the layer has biases.
    received : ndarray, shape (w_l, N)
        ``w_i . h_k``.
    slopes : ndarray, shape (w_l, N)
        ``p_ik = sigma'(w_i . h_k)``.
    deltas : ndarray, shape (w_{l+1}, N)
        ``delta_k``, the derivative of the loss of sample k by the pre-activations of layer l + 1.
    sent_back : ndarray, shape (w_l, N)
        ``v_i . delta_k``.
    """

    inputs: np.ndarray
    received: np.ndarray
    slopes: np.ndarray
    deltas: np.ndarray
    sent_back: np.ndarray


@dataclass(frozen=True, eq=False)
class Pass:
    """Samples forward and the loss's derivatives back through all layers; samples are columns.

    Attributes
    ----------
    activities, deltas : tuple of ndarray
        ``H_0 .. H_{L-1}``, and the derivatives by ``Z_1 .. Z_L`` of each sample's loss.
    preactivations : tuple of ndarray
        ``Z_1 .. Z_L``.
    """

    activities: tuple[np.ndarray, ...]
    preactivations: tuple[np.ndarray, ...]
    deltas: tuple[np.ndarray, ...]


def both_ways(network: HomogeneousNetwork, columns: np.ndarray, targets: np.ndarray, loss: str) -> Pass:
    """Forward and backward; `columns` and `targets` have samples as columns."""
    Z = network.preactivations(columns)
    H = [columns, *(network.sigma(l)(Z[l - 1]) for l in network.hidden)]
    if loss == "squared":
        delta = Z[-1] - targets
    else:
        shifted = np.exp(Z[-1] - Z[-1].max(axis=0))
        delta = shifted / shifted.sum(axis=0) - targets
    deltas = [delta]
    for l in reversed(network.hidden):
        deltas.append((network.weights[l].T @ deltas[-1]) * network.sigma(l).derivative(Z[l - 1]))
    return Pass(tuple(H), tuple(Z), tuple(deltas[::-1]))


def layer_signals(
    network: HomogeneousNetwork, columns: np.ndarray, targets: np.ndarray, layer: int, loss: str
) -> Signals:
    """The signals of one hidden layer."""
    seen = both_ways(network, columns, targets, loss)
    Z, H, deltas = seen.preactivations[layer - 1], seen.activities[layer - 1], seen.deltas[layer]
    if network.bias(layer) is not None:
        H = np.vstack([H, np.ones(H.shape[1])])
    slopes = network.sigma(layer).derivative(Z)
    return Signals(H, Z, slopes, deltas, network.weights[layer].T @ deltas)


def check_samples(
    network: HomogeneousNetwork, X: object, Y: object, loss: str
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets with samples as columns.

    Raises
    ------
    InputError
        If they do not fit the network or each other.
    """
    columns = network.check_inputs(X)
    targets = array("Y", plain("Y", Y), (columns.shape[1], network.widths[-1])).T
    if one_of("loss", loss, LOSSES) == "cross-entropy":
        wrong = np.flatnonzero((targets < 0).any(axis=0) | (np.abs(targets.sum(axis=0) - 1) > _PROBABILITY))
        if wrong.size:
            raise InputError(
                f"Y must hold probabilities of the {targets.shape[0]} classes for cross-entropy, in rows "
                f"that add up to 1; row {wrong[0]} does not."
            )
    return columns, targets


def check_step(lr: float, ridge: float) -> tuple[float, float]:
    """The settings of a step, ``2 lr ridge < 1``.

    Raises
    ------
    InputError
        If they are out of range.
    """
    lr, ridge = not_negative("lr", lr), not_negative("ridge", ridge)
    if 2 * lr * ridge >= 1:
        raise InputError(f"The statement needs 2 lr ridge < 1; here it is {2 * lr * ridge:.6g}.")
    return lr, ridge


# -- one step ----------------------------------------------------------------------------------------------


@declared
def sgd_step(
    network: HomogeneousNetwork,
    X: np.ndarray,
    Y: np.ndarray,
    *,
    lr: float,
    ridge: float,
    loss: str = "squared",
) -> HomogeneousNetwork:
    """One step of SGD with L2 penalty: ``W_l <- (1 - 2 lr ridge) W_l - lr G_l``.

    ``G_l`` is the mean over the batch of the gradients of ``|f(x) - y|^2 / 2`` ("squared"), or of the
    cross-entropy with the probabilities y.

    Parameters
    ----------
    network : HomogeneousNetwork
    X, Y : ndarray, shapes (b, w_0) and (b, w_L)
        The batch.
    lr, ridge : float
        PyTorch's ``weight_decay`` is 2 ridge.
    loss : {"squared", "cross-entropy"}

    Returns
    -------
    HomogeneousNetwork

    Raises
    ------
    InputError
        If the batch does not fit the network, or a setting is out of range.
    """
    columns, targets = check_samples(network, X, Y, loss)
    lr, ridge = check_step(lr, ridge)
    seen, b, q = both_ways(network, columns, targets, loss), columns.shape[1], 1 - 2 * lr * ridge
    weights = [
        q * W - (lr / b) * (delta @ H.T)
        for W, delta, H in zip(network.weights, seen.deltas, seen.activities, strict=True)
    ]
    biases: list[np.ndarray | None] = []
    for l, delta in enumerate(seen.deltas, 1):
        bias = network.bias(l)
        kept = q if network.penalise_biases else 1.0
        biases.append(None if bias is None else kept * bias - lr * delta.mean(axis=1))
    return replace(network, weights=tuple(weights), biases=tuple(biases))


@declared
def neuron_step_matrices(
    network: HomogeneousNetwork, X: np.ndarray, Y: np.ndarray, layer: int, *, loss: str = "squared"
) -> np.ndarray:
    """What one step does to every neuron of a hidden layer.

    ``B_i = (1/b) sum_k sigma'(w_i . h_k) delta_k h_k^T``, the sum over a batch. One step multiplies a
    neuron ``z_i = [w_i | v_i^T]`` from the right (identity I2-NL),

        z_i' = z_i K_i,   K_i = q I - lr [[0, B_i^T], [B_i, 0]],   q = 1 - 2 lr ridge,

    and with ``d_i = |w_i|^2 - |v_i|^2`` (identity I1-NL)

        d_i' = q^2 d_i + lr^2 (|B_i^T v_i|^2 - |B_i w_i|^2).

    So a zero neuron stays zero, and neurons on one ray stay on one ray (docs/neurons.md). Biases of the layer
    belong to ``w_i`` and are decayed like it.

    Parameters
    ----------
    network : HomogeneousNetwork
    X, Y : ndarray, shapes (b, w_0) and (b, w_L)
        The batch.
    layer : int
        Number of the hidden layer, from 1.
    loss : {"squared", "cross-entropy"}

    Returns
    -------
    ndarray, shape (w_l, w_{l+1}, w_{l-1} (+ 1 with biases))

    Raises
    ------
    InputError
        If the batch does not fit, or the layer has biases without penalty.
    """
    columns, targets = check_samples(network, X, Y, loss)
    layer = check_decayed(network, layer)
    seen = layer_signals(network, columns, targets, layer, loss)
    return np.einsum("nk,mk,dk->nmd", seen.slopes, seen.deltas, seen.inputs / columns.shape[1], optimize=True)


def check_decayed(network: HomogeneousNetwork, layer: int) -> int:
    """The number of a hidden layer whose biases, if any, are decayed like its weights."""
    layer = network.check_layer(layer)
    if network.bias(layer) is not None and not network.penalise_biases:
        raise InputError(
            f"Layer {layer} has biases without penalty; the statement needs them decayed like the weights."
        )
    return layer
