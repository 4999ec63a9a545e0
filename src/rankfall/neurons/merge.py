"""Merge the neurons of one direction into one: the function stays the same everywhere."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..argument_checks import not_negative
from ..declared_arguments import declared
from .conversion import read
from .live import grouped
from .network import HomogeneousNetwork
from .spaces import lengths

# rounding of one division and one square root
TOL = 1e-12


@declared
def merge_rays(network: object, *, tol: float = TOL, activation: object = None) -> Any:
    """Merge the neurons of each direction, and balance all neurons; the function is the same for all inputs.

    Neurons with in-weights ``w_i = |w_i| u`` (bias included) add ``sum_i v_i |w_i| sigma(u . h)`` to the next
    layer: one neuron does the same. It never costs norm, since ``2 |sum_i v_i |w_i|| <= sum_i (|v_i|^2 +
    |w_i|^2)``, and the merged neuron is balanced, ``|w| = |v|``. Where ``sigma(-u) = +-sigma(u)`` (identity
    and absolute value), opposite directions are merged as well. Neurons without in- or out-weights go.

    Parameters
    ----------
    network : HomogeneousNetwork, list of weights or of (weights, bias), or torch.nn.Sequential
    tol : float
        Largest distance of unit vectors that are taken for one direction. The outputs move by up to about
        `tol` times the lengths involved; the default is rounding.
    activation
        For lists: see :class:`HomogeneousNetwork`; "relu" by default.

    Returns
    -------
    HomogeneousNetwork, list, or torch.nn.Sequential
        The kind that came in. Its squared norm is no larger, up to rounding; without penalty on biases,
        neurons that are only a bias keep their scale.

    Raises
    ------
    InputError
        If the network cannot be used.
    """
    given = read(network, activation)
    return given.like(merged(given.network, not_negative("tol", tol)))


def merged(network: HomogeneousNetwork, tol: float = TOL) -> HomogeneousNetwork:
    """:func:`merge_rays`, layer by layer from below: merged neurons may make the next layer's equal."""
    for l in network.hidden:
        network = _merged_layer(network, l, tol)
    return balanced(network)


def _merged_layer(network: HomogeneousNetwork, layer: int, tol: float) -> HomogeneousNetwork:
    inputs, V = network.in_weights(layer), network.weights[layer]
    sign = network.sigma(layer).sign_of_opposite
    groups = grouped(inputs, tol, opposite=sign != 0)
    size = lengths(inputs)
    leads = groups.representatives
    merged_inputs, out = inputs[leads].copy(), np.zeros((V.shape[0], leads.size))
    for number, lead in enumerate(leads):
        members = np.flatnonzero(groups.labels == number)
        # a length that costs nothing even for neurons that are only a free bias, whose scale nothing balances
        length = float(lengths(size[None, members])[0])
        merged_inputs[number] *= length / size[lead]
        share = size[members] / length
        if sign < 0:
            share = share * np.where(inputs[members] @ (inputs[lead] / size[lead]) < 0, -1.0, 1.0)
        out[:, number] = V[:, members] @ share
    kept = np.any(out != 0, axis=0)
    return _with(network, layer, merged_inputs[kept], out[:, kept])


def balanced(network: HomogeneousNetwork, layers: Sequence[int] | None = None) -> HomogeneousNetwork:
    """Scale in-weights up and out-weights down, or the other way, until both have the same length.

    Only what is penalised counts as length; a neuron with one length 0 is left as it is. Of all hidden
    layers, unless some are named.
    """
    for l in network.hidden if layers is None else layers:
        inputs, V = network.in_weights(l), network.weights[l]
        lower = lengths(inputs if network.penalise_biases else network.weights[l - 1])
        upper = lengths(V.T)
        both = (lower > 0) & (upper > 0)
        scale = np.sqrt(np.where(both, upper, 1.0) / np.where(both, lower, 1.0))
        network = _with(network, l, inputs * scale[:, None], V / scale)
    return network


def _with(network: HomogeneousNetwork, layer: int, inputs: np.ndarray, out: np.ndarray) -> HomogeneousNetwork:
    """Other in-weights (bias last where there is one) and out-weights of a hidden layer."""
    biased = network.bias(layer) is not None
    W, b = (inputs[:, :-1], inputs[:, -1]) if biased else (inputs, None)
    return network.with_layer(layer, weights=(W, out), biases=(b, network.bias(layer + 1)))
