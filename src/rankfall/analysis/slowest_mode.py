"""The time scale of the slowest mode of SGD near a point: what a horizon must not be shorter than."""

from __future__ import annotations

import numpy as np

from ..declared_arguments import declared
from ..network import Network
from ..problem import Problem
from ..theory import weight_gradient

# Parameters up to which the Hessian is formed. Time grows as the cube: one second at this size on one core.
_LARGEST = 1500
# Central differences with this step leave the eigenvalues of hidden rotations below 1e-13 of the largest at
# eight minima of depth 3 to 5, whose smallest others are 2e-3 of it or more; the threshold lies between, with
# room for points that are not quite minima.
_STEP, _ZERO = 1e-5, 1e-7


@declared
def slowest_mode(problem: Problem, network: Network, lr: float, ridge: float) -> float:
    """Steps in which the slowest mode of the mean dynamics near `network` shrinks by a factor of e.

    ``1 / (lr mu)`` with mu the smallest positive eigenvalue of the Hessian of the regularised loss in the
    weights, or ``2 ridge`` if that is smaller: directions that a step no longer feeds shrink by the factor
    ``1 - 2 lr ridge``. Eigenvalues below 1e-7 of the largest count as zero, the modes of hidden rotations
    among them. Networks of more than 1500 weights get ``1 / (2 lr ridge)`` alone.

    Parameters
    ----------
    problem : Problem
    network : Network
        One network, near a minimum.
    lr, ridge : float

    Returns
    -------
    float
        Infinite without ridge where no eigenvalue is known or positive.
    """
    rates = [2 * ridge] if ridge > 0 else []
    if sum(W.size for W in network.weights) <= _LARGEST:
        eigenvalues = np.linalg.eigvalsh(hessian(problem, network, ridge))
        rates += [float(mu) for mu in eigenvalues[eigenvalues > _ZERO * np.abs(eigenvalues).max()]]
    return 1 / (lr * min(rates)) if rates else float("inf")


def hessian(problem: Problem, network: Network, ridge: float) -> np.ndarray:
    """Hessian of the regularised loss in all weights, layer by layer, by central differences; symmetrised."""
    sizes = [W.size for W in network.weights]
    flat = np.concatenate([np.ravel(W) for W in network.weights]).astype(np.float64)
    ends = np.cumsum(sizes)[:-1]
    shapes = [W.shape for W in network.weights]

    def slope(at: np.ndarray) -> np.ndarray:
        layers = (part.reshape(shape) for part, shape in zip(np.split(at, ends), shapes, strict=True))
        return np.concatenate([np.ravel(G) for G in weight_gradient(problem, Network(tuple(layers)), ridge)])

    step = _STEP * max(float(np.abs(flat).max()), 1e-3)
    H = np.empty((flat.size, flat.size))
    for k in range(flat.size):
        move = np.zeros(flat.size)
        move[k] = step
        H[k] = (slope(flat + move) - slope(flat - move)) / (2 * step)
    return (H + H.T) / 2
