"""Theorem 3-NL: how a set of weak neurons grows in one step, in the mean and at most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..argument_checks import number, positive
from ..declared_arguments import declared
from ..errors import InputError
from ..theory import Certificate, Condition
from ..theory.certificate import complement
from .conversion import read
from .signals import check_decayed, check_samples, check_step, layer_signals


@dataclass(frozen=True, eq=False)
class NeuronFactors:
    """What one step of SGD does to some neurons of one hidden layer.

    Attributes
    ----------
    layer : int
    neurons : ndarray of int
        The set S.
    phi : float
        ``Phi_S = sum_{i in S} |z_i|^2``.
    mean_factor : float
        ``Lambda_S``: ``E Phi_S' <= Lambda_S Phi_S`` for batches of any size, with equality for single
        samples. It is ``q^2`` where all of S is zero.
    max_factor : float
        ``Phi_S' <= max_factor Phi_S`` for every batch.
    stretch : ndarray, shape (|S|,)
        ``q + lr max_k |B_ik|``: no batch makes ``|z_i|`` grow by more (the ledger).
    """

    layer: int
    neurons: np.ndarray
    phi: float
    mean_factor: float
    max_factor: float
    stretch: np.ndarray


@declared
def neuron_factors(
    network: object,
    X: object,
    Y: object,
    *,
    layer: int,
    neurons: object = None,
    lr: float,
    ridge: float,
    loss: str = "squared",
    activation: object = None,
) -> NeuronFactors:
    """Expected and largest growth of some neurons in one step of SGD (Theorem 3-NL), O(N w).

    With ``p_k = sigma'(w_i . h_k)`` and ``q = 1 - 2 lr ridge``,

        Lambda_S = q^2 + (1 / Phi_S) sum_{i in S} (1/N) sum_k [-4 lr q p_k (v_i . delta_k) (w_i . h_k)
                   + lr^2 p_k^2 ((v_i . delta_k)^2 |h_k|^2 + (w_i . h_k)^2 |delta_k|^2)].

    There is no gap: a small neuron that points along a live one has ``Lambda = 1``, however small it is. So
    unlike for the rank of a linear network there is no size below which neurons must die.

    Parameters
    ----------
    network : HomogeneousNetwork, list of weights or of (weights, bias), or torch.nn.Sequential
    X, Y : array_like, shapes (N, w_0) and (N, w_L)
        All samples that SGD draws from, uniformly given the past.
    layer : int
        Number of the hidden layer, from 1.
    neurons : array_like of int or bool, optional
        The set S; all neurons of the layer by default.
    lr, ridge : float
        PyTorch's ``weight_decay`` is 2 ridge.
    loss : {"squared", "cross-entropy"}
        ``|f - y|^2 / 2`` per sample, or cross-entropy with the probabilities y.
    activation
        For lists: see :class:`HomogeneousNetwork`; "relu" by default.

    Returns
    -------
    NeuronFactors

    Raises
    ------
    InputError
        If an argument does not fit, or the layer has biases without penalty.
    """
    given = read(network, activation).network
    columns, targets = check_samples(given, X, Y, loss)
    layer = check_decayed(given, layer)
    chosen = _indices(neurons, given.widths[layer])
    lr, ridge = check_step(lr, ridge)
    q = 1 - 2 * lr * ridge
    with np.errstate(over="ignore", invalid="ignore"):
        seen = layer_signals(given, columns, targets, layer, loss)
        z, p = given.neurons(layer)[chosen], seen.slopes[chosen]
        # the factors do not change with the size of S, whose squares may be too small for float64
        exponent = int(np.frexp(np.abs(z).max(initial=0.0))[1])
        z, back, got = (np.ldexp(u, -exponent) for u in (z, seen.sent_back[chosen], seen.received[chosen]))
        h2, delta2 = np.sum(seen.inputs**2, axis=0), np.sum(seen.deltas**2, axis=0)
        change = -4 * lr * q * p * back * got + (lr * p) ** 2 * (back**2 * h2 + got**2 * delta2)
        per_sample = change.sum(axis=0)
        scale = float(np.sum(z**2))
        phi = float(np.ldexp(scale, 2 * exponent))
    if not np.isfinite([phi, *per_sample]).all():
        raise InputError(
            "The squares of these neurons or their signals are too large for float64; scale the samples or "
            "the weights."
        )
    mean, most = (per_sample.mean(), per_sample.max()) if scale > 0 else (0.0, 0.0)
    scale = scale if scale > 0 else 1.0
    steepest = np.max(np.abs(p) * np.sqrt(h2) * np.sqrt(delta2), axis=1, initial=0.0)
    return NeuronFactors(
        layer,
        chosen,
        phi,
        float(q**2 + mean / scale),
        float(q**2 + most / scale),
        q + lr * steepest,
    )


@declared
def certify_dead(
    network: object,
    X: object,
    Y: object,
    *,
    layer: int,
    neurons: object,
    lr: float,
    ridge: float,
    threshold: float,
    budget: float = 1.0,
    loss: str = "squared",
    activation: object = None,
) -> Certificate:
    """Theorem 3-NL at one point: the neurons stay small until the product of their factors says otherwise.

    Parameters
    ----------
    network, X, Y, layer, neurons, lr, ridge, loss, activation
        As for :func:`neuron_factors`.
    threshold : float
        Level that ``Phi_S`` is to stay below.
    budget : float
        G >= 1: the statement lasts until the product of the ``Lambda_S`` of the steps exceeds it.

    Returns
    -------
    Certificate
        With ``p_fail = G Phi_S / threshold``.

    Raises
    ------
    InputError
        As for :func:`neuron_factors`, and if `threshold` or `budget` is out of range.
    """
    threshold, budget = positive("threshold", threshold), number("budget", budget, least=1)
    found = neuron_factors(
        network, X, Y, layer=layer, neurons=neurons, lr=lr, ridge=ridge, loss=loss, activation=activation
    )
    p_fail = min(1.0, budget * found.phi / threshold)
    source = "Theorem 3-NL"
    return Certificate(
        theorem=source,
        claim=(
            f"With probability at least {complement(p_fail)}, Phi_S of these {found.neurons.size} neurons of "
            f"layer {layer} stays below {threshold:.6g} up to the first step at which the product of their "
            f"factors Lambda_S exceeds {budget:.6g}."
        ),
        conditions=(
            Condition("small", "G Phi_S < threshold", budget * found.phi, threshold, source, strict=True),
            Condition("credit", "Lambda_S <= G", found.mean_factor, budget, source),
        ),
        p_fail=p_fail,
        assumptions=(
            "Plain SGD; every sample of a batch is drawn uniformly given the past (no reshuffled epochs).",
            "The neurons were chosen at this step, and Lambda_S (or an upper bound) is known at every later "
            "one; looking now and then is evidence, not proof.",
            "Exact arithmetic.",
        ),
        values={
            "Phi_S": found.phi,
            "Lambda_S": found.mean_factor,
            "Lambda_S_max": found.max_factor,
            "neurons": float(found.neurons.size),
        },
    )


def _indices(neurons: object, width: int) -> np.ndarray:
    """Positions of the chosen neurons."""
    if neurons is None:
        return np.arange(width)
    found = np.asarray(neurons)
    if found.dtype == bool and found.shape == (width,):
        return np.flatnonzero(found)
    if found.size == 0 and found.ndim == 1:
        return np.arange(0)
    whole = found.ndim == 1 and found.dtype.kind in "iu"
    if not whole or found.min() < 0 or found.max() >= width or np.unique(found).size < found.size:
        raise InputError(
            f"neurons must be different positions from 0 to {width - 1}, or a mask of shape ({width},)."
        )
    return found
