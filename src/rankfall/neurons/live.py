"""Which neurons are alive, and how many directions they have."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..argument_checks import not_negative, one_of
from ..declared_arguments import declared
from .conversion import read
from .spaces import lengths

# |z|^2 below which the study `neurons` counts a neuron as dead; most of these keep decaying there, not all
DEAD = 1e-4
# pairs whose cosines say that they may be on one ray are compared again, without cancellation
_NEAR = 1e-6


@declared
def live_neurons(
    network: object,
    X: object = None,
    *,
    threshold: float = DEAD,
    activation: object = None,
) -> tuple[np.ndarray, ...]:
    """Which neurons of each hidden layer are alive: ``|z_i|^2 > threshold``.

    ``z_i = [w_i | v_i^T]`` holds the in-weights (with the bias) and the out-weights of a neuron. One step of
    SGD with weight decay multiplies ``z_i`` from the right (identity I2-NL), so a neuron that is zero stays
    zero. One that is merely small can grow again (:func:`neuron_factors`).

    Parameters
    ----------
    network : HomogeneousNetwork, list of weights or of (weights, bias), or torch.nn.Sequential
    X : array_like, shape (N, w_0), optional
        Samples; a neuron that is silent on all of them counts as dead as well.
    threshold : float
        0 asks for exact zeros.
    activation
        For lists: see :class:`HomogeneousNetwork`; "relu" by default.

    Returns
    -------
    tuple of ndarray of bool
        One array of shape (w_l,) for each hidden layer.

    Raises
    ------
    InputError
        If the network or the samples cannot be used.
    """
    given = read(network, activation).network
    threshold = not_negative("threshold", threshold)
    alive = [lengths(given.neurons(l)) > np.sqrt(threshold) for l in given.hidden]
    if X is not None:
        activities = given.activities(given.check_inputs(X))[1:]
        alive = [mask & np.any(H != 0, axis=1) for mask, H in zip(alive, activities, strict=True)]
    return tuple(alive)


@dataclass(frozen=True, eq=False)
class Rays:
    """The directions of the neurons of one hidden layer.

    Attributes
    ----------
    labels : ndarray of int, shape (w_l,)
        Number of the ray of each neuron, in the order of their first neurons; -1 for a neuron that is zero.
    representatives : ndarray of int, shape (n_rays,)
        For each ray its longest neuron.
    """

    labels: np.ndarray
    representatives: np.ndarray

    @property
    def n_rays(self) -> int:
        return self.representatives.size

    def __len__(self) -> int:
        return self.n_rays


@declared
def rays(
    network: object,
    *,
    of: str = "neuron",
    tol: float = 1e-6,
    opposite: bool = False,
    threshold: float = 0.0,
    activation: object = None,
) -> tuple[Rays, ...]:
    """Group the neurons of each hidden layer by direction.

    Two neurons are on one ray if their vectors are positive multiples of each other, ``z_i = c z_j`` with
    ``c > 0``. With ``of="neuron"`` these are ``z_i = [w_i | v_i^T]``: neurons on one ray share the factor of
    every step of SGD (I2-NL), so the number of rays never rises along a run. With ``of="input"`` they are the
    in-weights ``w_i`` with the bias: neurons of one such ray can be merged (:func:`merge_rays`).

    Parameters
    ----------
    network : HomogeneousNetwork, list of weights or of (weights, bias), or torch.nn.Sequential
    of : {"neuron", "input"}
    tol : float
        Largest distance between the unit vectors of a neuron and of the longest one of its ray.
    opposite : bool
        Whether ``z`` and ``-z`` count as one direction. (The rank of ``Z_l`` can rise where rays are
        opposite, so by default they do not.)
    threshold : float
        Neurons with a squared length up to this are on no ray.
    activation
        For lists: see :class:`HomogeneousNetwork`; "relu" by default.

    Returns
    -------
    tuple of Rays
        One for each hidden layer.

    Raises
    ------
    InputError
        If the network cannot be used, or an argument is out of range.
    """
    given = read(network, activation).network
    one_of("of", of, ("neuron", "input"))
    tol, threshold = not_negative("tol", tol), not_negative("threshold", threshold)
    return tuple(
        grouped(given.neurons(l) if of == "neuron" else given.in_weights(l), tol, opposite, threshold)
        for l in given.hidden
    )


def grouped(vectors: np.ndarray, tol: float, opposite: bool = False, threshold: float = 0.0) -> Rays:
    """Group the rows by direction: the longest one leads, and takes all within `tol` that have no ray yet.

    Leaders, not chains of neighbours: within a ray no direction is farther than `tol` from the leader's.
    """
    n = vectors.shape[0]
    size = lengths(vectors)
    free = size > np.sqrt(threshold)
    units = vectors / np.where(size > 0, size, 1.0)[:, None]
    leaders: list[int] = []
    leader_of = np.full(n, -1)
    for index in np.argsort(-size, kind="stable"):
        if not free[index]:
            continue
        cosines = units @ units[index]
        near = np.flatnonzero(free & (np.abs(cosines) >= 1 - max(_NEAR, tol**2)))
        signs = np.where(cosines[near] < 0, -1.0, 1.0) if opposite else np.ones(near.size)
        close = near[np.linalg.norm(units[near] * signs[:, None] - units[index], axis=1) <= tol]
        leader_of[close] = leader_of[index] = index
        free[close] = free[index] = False
        leaders.append(int(index))
    present = leader_of[leader_of >= 0]
    order = list(dict.fromkeys(present.tolist()))  # by first neuron
    position = {leader: number for number, leader in enumerate(order)}
    labels = np.array([position.get(int(leader), -1) for leader in leader_of], dtype=np.int64)
    return Rays(labels, np.array(order, dtype=np.int64))
