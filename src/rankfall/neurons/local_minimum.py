"""A test that certifies points which are not local minima of an L2-regularised loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..argument_checks import positive
from .conversion import read
from .layer import Layer, balance, drop_silent, gram, out, project
from .spaces import RANK_TOL

STEPS: dict[str, Callable[[Layer], Layer]] = {
    "balance": balance,
    "projection": project,
    "dropping": drop_silent,
    "gram": gram,
    "out": out,
}
# Relative decrease that rounding cannot explain: at the minima of tests/neurons/test_local_minimum.py, known
# ones and those of BFGS, it is below 1e-10.
DECREASE = 1e-9


@dataclass(frozen=True, eq=False)
class MinimumTest:
    """How much of the penalty each hidden layer can save with the same outputs.

    ``bool(test)`` says whether a decrease was found; if so, the point is not a local minimum of any
    continuous loss of these outputs plus the penalty. No decrease says nothing.

    Attributes
    ----------
    decrease : float
        Largest relative decrease of the squared norm over the layers.
    layer : int
        The layer with it.
    steps : tuple of dict
        For each hidden layer the relative decrease of each step, in the order in which they were taken:
        "balance", "projection", "dropping", "gram", "out".
    output_error : float
        Largest relative change of the outputs on the samples; rounding.
    tol : float
        The decrease that counts.
    """

    decrease: float
    layer: int
    steps: tuple[dict[str, float], ...]
    output_error: float
    tol: float

    @property
    def certified(self) -> bool:
        """Whether the point is certified not to be a local minimum."""
        return self.decrease > self.tol and self.output_error < self.tol

    def __bool__(self) -> bool:
        return self.certified


def is_not_local_minimum(
    network: object, X: object, tol: float = DECREASE, *, activation: object = None
) -> MinimumTest:
    """Whether a path of equal outputs and falling norm leads away from this point (corollary of Theorem S2).

    Each hidden layer is treated alone, from the point itself: after another layer has been pruned a decrease
    would prove nothing about the point. A point of SGD is never exactly a minimum: a tiny decrease is no
    news, so look at its size.

    Parameters
    ----------
    network : HomogeneousNetwork, list of weights or of (weights, bias), or torch.nn.Sequential
        Plain layers: no skip connections, no normalisation.
    X : array_like, shape (N, w_0)
        All samples of the loss.
    tol : float
        Relative decrease of the squared norm that counts, and largest error of the outputs.
    activation
        For lists: see :class:`HomogeneousNetwork`; "relu" by default.

    Returns
    -------
    MinimumTest

    Raises
    ------
    InputError
        If the network or the samples cannot be used.
    """
    given = read(network, activation).network
    columns, tol = given.check_inputs(X), positive("tol", tol)
    activities = given.activities(columns)
    outputs = given.preactivations(columns)[-1]
    whole = given.squared_norm or 1.0
    size = float(np.linalg.norm(outputs)) or 1.0
    steps: list[dict[str, float]] = []
    errors: list[float] = []
    for number in given.hidden:
        layer, norm = Layer(given, number, activities[number - 1], RANK_TOL), given.squared_norm
        saved: dict[str, float] = {}
        for name, step in STEPS.items():
            layer = step(layer)
            saved[name] = (norm - layer.network.squared_norm) / whole
            norm = layer.network.squared_norm
        steps.append(saved)
        errors.append(float(np.linalg.norm(layer.network.preactivations(columns)[-1] - outputs)) / size)
    totals = [sum(saved.values()) for saved in steps]
    best = int(np.argmax(totals))
    return MinimumTest(totals[best], best + 1, tuple(steps), max(errors), tol)
