"""A test that certifies points which are not local minima of an L2-regularised loss."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..argument_checks import positive
from ..declared_arguments import declared
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
# Decreases at 3000 minima of linear networks, with condition numbers up to 1e12, were at most 3 times what a
# bound to first order says that rounding can explain.
_SAFETY = 10


@dataclass(frozen=True, eq=False)
class MinimumTest:
    """How much of the penalty each hidden layer can save with the same outputs.

    ``bool(test)`` says whether a decrease was found; if so, the point is not a local minimum of any
    continuous loss of these outputs plus the penalty. No decrease says nothing.

    Attributes
    ----------
    decrease : float
        Relative decrease of the squared norm in the layer where most of it is beyond `rounding`.
    layer : int
        That layer.
    steps : tuple of dict
        For each hidden layer the relative decrease of each step, in the order in which they were taken:
        "balance", "projection", "dropping", "gram", "out".
    output_error : float
        Largest relative change of the outputs on the samples; rounding.
    rounding : float
        What that rounding can explain of `decrease`: the relative norm that it costs at most to take it back.
        It grows with the condition number of the activations.
    tol : float
        The decrease that counts.
    """

    decrease: float
    layer: int
    steps: tuple[dict[str, float], ...]
    output_error: float
    rounding: float
    tol: float

    @property
    def certified(self) -> bool:
        """Whether the point is certified not to be a local minimum."""
        return self.decrease - self.rounding > self.tol and self.output_error < self.tol

    def __bool__(self) -> bool:
        return self.certified


@declared
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
        It certifies only what rounding cannot explain: with activations of condition number 1e10 a decrease
        of about 1e-4. Directions in which they are below rounding count as unseen by the layer above.

    Raises
    ------
    InputError
        If the network or the samples cannot be used.
    """
    given = read(network, activation).network
    columns, tol = given.check_inputs(X), positive("tol", tol)
    given.check_range(columns)
    activities = given.activities(columns)
    outputs = given.preactivations(columns)[-1]
    whole = given.squared_norm or 1.0
    size = float(np.linalg.norm(outputs)) or 1.0
    steps: list[dict[str, float]] = []
    errors: list[float] = []
    explained: list[float] = []
    for number in given.hidden:
        layer, norm = Layer(given, number, activities[number - 1], RANK_TOL), given.squared_norm
        saved: dict[str, float] = {}
        points: dict[str, Layer] = {}
        for name, step in STEPS.items():
            layer = points[name] = step(layer)
            saved[name] = (norm - layer.network.squared_norm) / whole
            norm = layer.network.squared_norm
        steps.append(saved)
        errors.append(float(np.linalg.norm(layer.network.preactivations(columns)[-1] - outputs)) / size)
        explained.append(_price_of_rounding(points) / whole)
    totals = [sum(saved.values()) for saved in steps]
    best = int(np.argmax(np.subtract(totals, explained)))
    return MinimumTest(totals[best], best + 1, tuple(steps), max(errors), explained[best], tol)


def _price_of_rounding(points: dict[str, Layer]) -> float:
    """What it costs at most, in squared norm, to make the pre-activations exactly what they were.

    The in-weights take back what the projection changed in ``Z_l``, the out-weights what the later steps
    changed in ``Z_{l+1}``: the activations from which they do so change continuously along the paths of the
    corollary, so that the price can be set at their beginning. Any decrease beyond it has equal outputs.
    """
    start, seen, end = points["balance"], points["projection"], points["out"]
    below = _price(start.W, start.b, start.below, seen.W @ start.below, seen.b)
    return below + _price(seen.V, seen.b_above, seen.H, end.V @ end.H, end.b_above)


def _price(
    W: np.ndarray, b: np.ndarray | None, H: np.ndarray, after: np.ndarray, b_after: np.ndarray | None
) -> float:
    """``2 |W| r + r^2``, r being a bound on the change of W that takes back one of ``W H + b``."""
    if b is not None and b_after is not None:
        W, H = np.column_stack([W, b]), np.vstack([H, np.ones(H.shape[1])])
        after = after + b_after[:, None]
    s = np.linalg.svd(H, compute_uv=False)
    unit = float(np.finfo(float).eps)
    s = s[s > unit * max(H.shape) * s.max(initial=0.0)]  # the others are noise
    if not s.size:
        return 0.0
    size = float(np.linalg.norm(W))
    moved = float(np.linalg.norm(after - W @ H)) + unit * size * float(np.linalg.norm(H))
    change = _SAFETY * moved / float(s[-1])
    return 2 * size * change + change**2
