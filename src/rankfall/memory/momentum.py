"""Momentum: the memory lemma for the pair of weights and velocity (docs/memory.md)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import log, sqrt

import numpy as np

from ..argument_checks import array, flag, not_negative, number, one_of, positive, wholes
from ..declared_arguments import declared
from ..errors import InputError
from .certified import CertifiedRank, vacuous

KINDS = ("heavy ball", "nesterov", "decoupled", "decoupled nesterov")
"""Where momentum and weight decay enter: torch's SGD is the first or the second; decay beside the gradient is
the third."""

Matrix = tuple[float, float, float, float]
"""``((A, B), (C, D))`` row by row: ``W' = A W + B V + ...``, ``V' = C W + D V + ...``."""


@declared
def transition(
    lr: float, weight_decay: float, momentum: float, dampening: float = 0.0, kind: str = "heavy ball"
) -> np.ndarray:
    """The linear part of a step of ``(W, V)``, V the velocity (torch's ``momentum_buffer``).

    With ``g = G + weight_decay W``:

        heavy ball          V' = momentum V + (1 - dampening) g    W' = W - lr V'
        nesterov            V' = momentum V + g                    W' = W - lr (g + momentum V')
        decoupled           V' = momentum V + (1 - dampening) G    W' = (1 - lr weight_decay) W - lr V'
        decoupled nesterov  V' = momentum V + G                    W' = (1 - lr weight_decay) W - lr G
                                                                        - lr momentum V'

    torch's first step sets ``V' = g``: it is a step with ``momentum=0`` and ``dampening=0``.

    Returns
    -------
    ndarray, shape (2, 2)

    Raises
    ------
    InputError
        If a number is out of its range.
    """
    lr, weight_decay = positive("lr", lr), not_negative("weight_decay", weight_decay)
    momentum, dampening = (
        number("momentum", momentum, least=0, below=1),
        number("dampening", dampening, most=1),
    )
    kind = one_of("kind", kind, KINDS)
    if dampening and kind.endswith("nesterov"):
        raise InputError("Nesterov momentum knows no dampening; leave it at 0.")
    return np.array(step_matrix(lr, weight_decay, momentum, dampening, kind)).reshape(2, 2)


def step_matrix(lr: float, weight_decay: float, momentum: float, dampening: float, kind: str) -> Matrix:
    """The same, unchecked, row by row."""
    if kind == "heavy ball":
        pull = (1 - dampening) * weight_decay
        return 1 - lr * pull, -lr * momentum, pull, momentum
    if kind == "nesterov":
        return 1 - lr * weight_decay * (1 + momentum), -lr * momentum**2, weight_decay, momentum
    push = momentum if kind == "decoupled" else momentum**2
    return 1 - lr * weight_decay, -lr * push, 0.0, momentum


def first_matrix(lr: float, weight_decay: float, momentum: float, kind: str) -> Matrix:
    """The first step, of which the velocity before is not there (zeros in its columns)."""
    a, _, c, _ = step_matrix(lr, weight_decay, momentum, 0.0, kind)
    return a, 0.0, c, 0.0


def inflow(lr: float, momentum: float, dampening: float, kind: str) -> tuple[float, float]:
    """What a gradient adds at once: its share of -W, and of V."""
    if kind.endswith("nesterov"):
        return lr * (1 + momentum), 1.0
    return lr * (1 - dampening), 1 - dampening


@declared
def decay_rate(lr: float, weight_decay: float, momentum: float = 0.0, kind: str = "heavy ball") -> float:
    """``-ln |z_+|``, the rate per step at which SGD with these settings forgets a weight matrix.

    ``z_+`` is the eigenvalue of largest modulus of :func:`transition`. About ``lr weight_decay / (1 -
    momentum)`` while the roots are real, ``(1 + momentum - lr weight_decay)^2 > 4 momentum``; half of ``-ln
    momentum`` beyond. With decoupled decay momentum does not change it.

    Returns
    -------
    float
        0 without weight decay; infinite if one step forgets all.
    """
    A = transition(lr, weight_decay, momentum, 0.0, kind)
    trace, det = float(np.trace(A)), float(A[0, 0] * A[1, 1] - A[0, 1] * A[1, 0])
    square = trace**2 / 4 - det
    largest = abs(trace) / 2 + sqrt(square) if square >= 0 else sqrt(det)
    return -log(largest) if largest > 0 else float("inf")


class MomentumWindow:
    """The last steps of a run with momentum, as few as matter: those with less than `limit` ranks in all."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self._steps: deque[tuple[Matrix, int, float, float, int]] = deque()
        self._ranks = 0
        self.norm = self.velocity = 0.0

    def start(self, norm: float, velocity: float = 0.0) -> None:
        """Forget everything: the matrices were set from outside."""
        self._steps.clear()
        self._ranks = 0
        self.norm, self.velocity = norm, velocity

    def advance(self, matrix: Matrix, rank: int, norm: float, velocity: float) -> None:
        """One step with this transition and ``rank G <= rank``; the norms are those after it."""
        if rank == 0 and self._steps:
            # steps that add nothing are one with the step before them: few are kept however many there are
            before, gained, n, v, count = self._steps.pop()
            self._steps.append((_times(matrix, before), gained, n, v, count + 1))
        else:
            self._steps.append((matrix, rank, self.norm, self.velocity, 1))
            self._ranks += rank
        self.norm, self.velocity = norm, velocity
        if self.limit is not None:
            while self._steps and self._ranks >= self.limit:
                self._ranks -= self._steps.popleft()[1]

    def __len__(self) -> int:
        return len(self._steps)

    def certified(self, tolerance: float) -> CertifiedRank:
        """The answer at an absolute tolerance: that of the first k which satisfies it."""
        if self.norm <= tolerance:
            return CertifiedRank(0, 0, tolerance, self.norm, self.limit)
        p, r, ranks, window = 1.0, 0.0, 0, 0
        for (a, b, c, d), gained, norm, velocity, count in reversed(self._steps):
            p, r = p * a + r * c, p * b + r * d
            ranks, window = ranks + gained, window + count
            remembered = abs(p) * norm + abs(r) * velocity
            if remembered <= tolerance:
                return CertifiedRank(ranks, window, tolerance, remembered, self.limit)
        return vacuous(tolerance, self.limit)


def _times(x: Matrix, y: Matrix) -> Matrix:
    return (
        x[0] * y[0] + x[1] * y[2],
        x[0] * y[1] + x[1] * y[3],
        x[2] * y[0] + x[3] * y[2],
        x[2] * y[1] + x[3] * y[3],
    )


@declared
def certified_rank_momentum(
    matrices: Sequence[np.ndarray] | np.ndarray,
    ranks: Sequence[int] | np.ndarray,
    norms: Sequence[float] | np.ndarray,
    velocities: Sequence[float] | np.ndarray,
    tolerance: float = 0.1,
    *,
    relative: bool = True,
    shape: tuple[int, int] | None = None,
) -> CertifiedRank:
    """The rank that the log of a run with momentum certifies.

    With ``(p_k, r_k)`` the first row of ``M_{T-1} ... M_{T-k}``, at most ``R_k`` singular values of ``W_T``
    exceed ``|p_k| |W_{T-k}| + |r_k| |V_{T-k}|``.

    Parameters
    ----------
    matrices : array_like, shape (T, 2, 2)
        Of :func:`transition`; step 0 is torch's first step if the run begins there.
    ranks : array_like of int, shape (T,)
    norms, velocities : array_like, shape (T + 1,)
        Norms of ``W_s`` and ``V_s``, or upper bounds of them.
    tolerance, relative, shape
        As in :func:`certified_rank`.

    Returns
    -------
    CertifiedRank
    """
    steps = array("matrices", matrices, ("T", 2, 2))
    gained = wholes("ranks", np.asarray(ranks).tolist(), length=len(steps), least=0)
    n = array("norms", norms, (len(steps) + 1,))
    v = array("velocities", velocities, (len(steps) + 1,))
    tolerance = positive("tolerance", tolerance)
    if flag("relative", relative):
        tolerance *= float(n[-1])
    limit = None if shape is None else min(wholes("shape", shape, length=2, least=1))
    best = CertifiedRank(0, 0, tolerance, float(n[-1]), limit)
    if n[-1] <= tolerance:
        return best
    product, total = np.array([1.0, 0.0]), 0
    for back in range(1, len(steps) + 1):
        at = len(steps) - back
        product, total = product @ steps[at], total + gained[at]
        if limit is not None and total >= limit:
            break
        remembered = float(np.abs(product) @ (n[at], v[at]))
        if remembered <= tolerance:
            return CertifiedRank(total, back, tolerance, remembered, limit)
    return vacuous(tolerance, limit)
