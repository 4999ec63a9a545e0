"""Bounds for all future times from settings: the norm ball of nonlinear nets (docs/memory.md)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, log, sqrt
from typing import Any

from ..argument_checks import positive, whole
from ..declared_arguments import declared
from ..errors import InputError


@declared
@dataclass(frozen=True)
class NormBall:
    """A ball that plain SGD never leaves, whatever the batches (Lemma 1-NL).

    Attributes
    ----------
    radius_squared : float
        C: from ``|W_l|_F^2 <= C`` in all layers follows the same after every step.
    lr, ridge : float
    depth : int
    """

    radius_squared: float
    lr: float
    ridge: float
    depth: int

    @declared
    def window(self, tolerance: float) -> int:
        """``k = ceil(ln(sqrt(C) / tolerance) / -ln q)``, steps after which the past is below `tolerance`."""
        positive("tolerance", tolerance)
        distance = log(sqrt(self.radius_squared) / tolerance)
        return max(ceil(distance / -log(1 - 2 * self.lr * self.ridge)), 0)

    @declared
    def rank(self, tolerance: float, batch_size: int, shape: tuple[int, int] | None = None) -> int | None:
        """``b k``: in the ball at most so many singular values exceed `tolerance`, at all times from k on.

        Parameters
        ----------
        tolerance : float
            Absolute.
        batch_size : int
        shape : (int, int), optional
            Of the layer; None is returned where the bound is not below ``min(m, n)``.
        """
        bound = whole("batch_size", batch_size, least=1) * self.window(tolerance)
        return None if shape is not None and bound >= min(shape) else bound


@declared
def norm_ball(
    lr: float, ridge: float, depth: int, *, input_norm: float = 1.0, target_norm: float = 1.0
) -> NormBall | None:
    """The smallest norm ball that is invariant under every batch of plain SGD (Lemma 1-NL).

    For ``f = W_L s(W_{L-1} ... s(W_1 x))`` with s positively homogeneous and ``|s'| <= 1`` (ReLU, leaky ReLU,
    absolute value, identity), no biases except in the first layer (counted as a column of ``W_1``, with
    ``input_norm^2 + 1``), and the loss ``1/(2b) sum |f(x) - y|^2`` with ``|x| <= X``, ``|y| <= Y``: C is the
    least solution of

        4 ridge (1 - lr ridge) C >= q^2 Y^2 / (2 q - lr X^2 C^(L-1)),    q = 1 - 2 lr ridge,

    the denominator positive.

    Parameters
    ----------
    lr, ridge : float
        ridge is half of torch's weight_decay.
    depth : int
        L, the number of weight matrices.
    input_norm, target_norm : float
        X and Y.

    Returns
    -------
    NormBall or None
        None if no C satisfies the inequality.

    Raises
    ------
    InputError
        If a number is not positive, or ``2 lr ridge >= 1``.
    """
    from scipy.optimize import brentq

    lr, ridge, depth = positive("lr", lr), positive("ridge", ridge), whole("depth", depth, least=1)
    x, y = positive("input_norm", input_norm), positive("target_norm", target_norm)
    q = 1 - 2 * lr * ridge
    if q <= 0:
        raise InputError(f"The lemma needs 2 lr ridge < 1; here it is {1 - q:.6g}.")

    def excess(c: float) -> float:
        return 4 * ridge * (1 - lr * ridge) * c * (2 * q - lr * x**2 * c ** (depth - 1)) - q**2 * y**2

    # concave in C, largest here; for a linear model (L = 1) it only grows while the slope is positive
    if depth == 1:
        slope = 4 * ridge * (1 - lr * ridge) * (2 * q - lr * x**2)
        return NormBall(q**2 * y**2 / slope, lr, ridge, depth) if slope > 0 else None
    top = (2 * q / (lr * x**2 * depth)) ** (1 / (depth - 1))
    if excess(top) < 0:
        return None
    root: Any = brentq(excess, 0.0, top)
    # the root is that of a float: on the safe side by brentq's tolerance
    return NormBall(float(root) * (1 + 1e-11), lr, ridge, depth)


@declared
def cross_entropy_constant(n_classes: int) -> float:
    """``w_K = W_0((K - 1) / e)`` (Lambert): with cross-entropy ``<W_l, G_l> >= -w_K`` for every batch.

    For the networks of :func:`norm_ball`; ``w_2 = 0.27846``, ``w_10 = 1.10100``.
    """
    from scipy.special import lambertw

    return float(lambertw((whole("n_classes", n_classes, least=2) - 1) * exp(-1)).real)


@declared
def cross_entropy_ball(
    lr: float, ridge: float, n_classes: int, gradient_norm: float, start_norm: float
) -> NormBall:
    """The same ball for a classifier with cross-entropy whose gradients always satisfy ``|G_l| <= g``.

    ``|W_l|^2 <= max{|W_l(0)|^2, (2 q lr w_K + lr^2 g^2) / (1 - q^2)}``.

    Parameters
    ----------
    lr, ridge : float
    n_classes : int
        K.
    gradient_norm : float
        g, an assumption: nothing here checks it.
    start_norm : float
        ``|W_l(0)|``, the largest over the layers.

    Returns
    -------
    NormBall
        Its depth is 0: it does not enter.
    """
    lr, ridge = positive("lr", lr), positive("ridge", ridge)
    g, start = positive("gradient_norm", gradient_norm), positive("start_norm", start_norm)
    q = 1 - 2 * lr * ridge
    if q <= 0:
        raise InputError(f"The lemma needs 2 lr ridge < 1; here it is {1 - q:.6g}.")
    far = (2 * q * lr * cross_entropy_constant(n_classes) + lr**2 * g**2) / (1 - q**2)
    return NormBall(max(start**2, far), lr, ridge, 0)
