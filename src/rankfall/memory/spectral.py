"""Theorem S1: remembered backward signals and features bound every singular value (docs/memory.md)."""

from __future__ import annotations

from math import atan2, cos, inf, sin
from typing import TYPE_CHECKING

import numpy as np

from ..argument_checks import array
from ..declared_arguments import declared
from ..errors import InputError
from .momentum import Matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# what eigenvalues of symmetric matrices may be wrong by, in units of the size times the largest
_ROUNDING = 1e-15


@declared
def spectral_bound(
    backward: ArrayLike,
    features: ArrayLike,
    remembered: ArrayLike | None = None,
    *,
    rounding: float = _ROUNDING,
) -> np.ndarray:
    """Upper bounds of the singular values of a weight matrix from its two factors (Theorem S1).

    For ``G_s = 1/b sum_k delta_k h_k^T``, any ``t_k > 0`` and ``c_s = lr_s prod_{u>s} |a_u|``, let

        M_D = sum_{s,k} c_s/b t_k delta_k delta_k^T,    M_H = sum_{s,k} c_s/b 1/t_k h_k h_k^T.

    Then ``sigma_{i+j+1}(W_T - (prod a) W_0) <= sqrt(lambda_{i+1}(M_D) lambda_{j+1}(M_H))``, and by Weyl
    ``sigma_{i+j+l+1}(W_T)`` is at most that plus ``sigma_{l+1}((prod a) W_0)``.

    Parameters
    ----------
    backward : array_like, shape (m, m)
        ``M_D``.
    features : array_like, shape (n, n)
        ``M_H``.
    remembered : array_like, optional
        Singular values of ``(prod a) W_0``; none if the start is forgotten.
    rounding : float
        Added to every eigenvalue, in units of size times the largest: more if the factors were summed up in
        single precision.

    Returns
    -------
    ndarray, shape (min(m, n),)
        Not increasing.

    Raises
    ------
    InputError
        If a factor is not square.
    """
    d, h = _eigenvalues("backward", backward, rounding), _eigenvalues("features", features, rounding)
    limit = min(d.size, h.size)
    left, right = np.sqrt(d[:limit]), np.sqrt(h[:limit])
    moved = _least(left, right, product=True)
    if remembered is None:
        return np.minimum.accumulate(moved)
    start = np.zeros(limit)
    given = np.sort(array("remembered", remembered, ("r",)))[::-1][:limit]
    start[: given.size] = given
    return np.minimum.accumulate(_least(moved, start, product=False))


def _least(x: np.ndarray, y: np.ndarray, product: bool) -> np.ndarray:
    """``min_{i + j = k} x_i y_j`` (or ``x_i + y_j``) for every k, shape (k,)."""
    out = np.empty(x.size)
    for k in range(x.size):
        pairs = x[: k + 1] * y[k::-1] if product else x[: k + 1] + y[k::-1]
        out[k] = pairs.min()
    return out


def _eigenvalues(name: str, matrix: ArrayLike, rounding: float) -> np.ndarray:
    found = array(name, matrix, ("n", "n"))
    values = np.linalg.eigvalsh(found)[::-1]
    return np.maximum(values, 0.0) + found.shape[0] * rounding * abs(values[0])


@declared
class FactorMemory:
    """The recursions of Theorem S1: exponential averages, for plain SGD with t = 1 those of K-FAC.

    With momentum the weights and the velocity each have two factors, and the theorem needs that the weights
    ``kappa_s`` of all gradients in ``W_T = p W_0 + r V_0 + sum_s kappa_s G_s`` have one sign (:attr:`valid`).

    Parameters
    ----------
    shape : (int, int)
        m, n.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        m, n = shape
        self.backward, self.features = np.zeros((m, m)), np.zeros((n, n))
        self._velocity = (np.zeros((m, m)), np.zeros((n, n)))
        self.signs = WeightSigns()
        self.remembers = (1.0, 0.0)

    @property
    def valid(self) -> bool:
        """Whether the recursions are those of the theorem."""
        return self.signs.kept

    @declared
    def advance(
        self, a: float, lr: float, deltas: np.ndarray, features: np.ndarray, t: np.ndarray | None = None
    ) -> None:
        """One step ``W <- a W - lr/b sum_k delta_k h_k^T``.

        Parameters
        ----------
        a, lr : float
        deltas : ndarray, shape (b, m)
        features : ndarray, shape (b, n)
        t : ndarray, shape (b,), optional
            Positive weights, by default 1.
        """
        self._check(deltas, features)
        b = len(deltas)
        weight = np.ones(b) if t is None else t
        self.backward = abs(a) * self.backward + lr / b * (deltas.T * weight) @ deltas
        self.features = abs(a) * self.features + lr / b * (features.T / weight) @ features
        self.remembers = (abs(a) * self.remembers[0], 0.0)

    @declared
    def advance_momentum(
        self, matrix: Matrix, inflow: tuple[float, float], deltas: np.ndarray, features: np.ndarray
    ) -> None:
        """One step with a transition of :func:`transition` (row by row) and t = 1.

        Parameters
        ----------
        matrix : tuple of float
        inflow : (float, float)
            What a gradient adds at once: its share of -W (``lr (1 - dampening)``, Nesterov ``lr (1 +
            momentum)``), and of V.
        deltas, features : ndarray, shapes (b, m) and (b, n)
        """
        self._check(deltas, features)
        a, b, c, d = matrix
        size = len(deltas)
        news = (deltas.T @ deltas / size, features.T @ features / size)
        moved = [
            (a * x - b * v + inflow[0] * new, d * v - c * x + inflow[1] * new)
            for x, v, new in zip((self.backward, self.features), self._velocity, news, strict=True)
        ]
        (self.backward, first), (self.features, second) = moved
        self._velocity = (first, second)
        self.signs.advance(matrix, inflow)
        p, q = self.remembers
        self.remembers = (a * p + b * q, c * p + d * q)

    @declared
    def bound(self, start: np.ndarray | None = None) -> np.ndarray:
        """Upper bounds of the singular values of W now; `start` holds those of ``W_0``, if it is not 0.

        Raises
        ------
        InputError
            If the weights of the gradients have both signs.
        """
        if not self.valid:
            raise InputError("The gradients enter with both signs here, and Theorem S1 says nothing.")
        remembered = None if start is None else abs(self.remembers[0]) * np.asarray(start)
        return spectral_bound(self.backward, self.features, remembered)

    @staticmethod
    def _check(deltas: np.ndarray, features: np.ndarray) -> None:
        if len(features) != len(deltas):
            raise InputError(
                f"deltas has {len(deltas)} rows and features {len(features)}; every sample has one of each."
            )


class WeightSigns:
    """Whether the weights of all past gradients still have one sign, which Theorem S1 with momentum needs.

    The vectors ``(-kappa, V's share)`` of all steps lie in a cone in the plane. A step moves its two edges (a
    linear map that keeps the orientation), and its own gradient widens it. While the cone stays where the
    first coordinate is not negative, no weight has changed its sign.
    """

    def __init__(self) -> None:
        self._low, self._high = inf, -inf
        self.kept = True

    def advance(self, matrix: Matrix, inflow: tuple[float, float]) -> None:
        """One step; `inflow` is the vector of a gradient that has just come in."""
        if self._low <= self._high:
            self._low, self._high = self._moved(matrix, self._low), self._moved(matrix, self._high)
        new = atan2(inflow[1], inflow[0])
        self._low, self._high = min(self._low, new), max(self._high, new)

    def _moved(self, matrix: Matrix, angle: float) -> float:
        a, b, c, d = matrix
        x, v = cos(angle), sin(angle)
        along, up = a * x - b * v, d * v - c * x
        if along < 0 or a * d - b * c < 0:
            self.kept = False
            return 0.0
        return atan2(up, along)
