"""Descent to a local minimum of the effective loss on the set of matrices of one rank."""

# scipy has no types
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .fixed_rank import Derivatives, FixedRankLoss, Point

MAX_STEPS = 300
# The gradient relative to its natural size, |x| / N, at which a descent ends, and up to which a point at
# which rounding ended it earlier counts as stationary too.
_TARGET = 1e-15
_STATIONARY = 1e-10
# A relative change of F below this is rounding: steps are then judged by the gradient.
_ROUNDING = 1e-13
# A singular value below this, relative to the data, has fallen out of the set (needed for depth 2 only).
_GONE = 1e-10

End = Literal["stationary", "fell", "stalled"]


@dataclass(frozen=True, eq=False)
class Descent:
    """Where a descent ended, and how: at a stationary point, out of the set of this rank, or nowhere."""

    point: Point
    end: End
    steps: int


def descend(loss: FixedRankLoss, start: Point) -> Descent:
    """Levenberg's method, ``(H + shift I) step = -gradient`` with a shift that makes the left side definite.

    F falls at every step but the last few, where it no longer can in floating point and the gradient must
    fall instead; these are pure Newton steps.

    Notes
    -----
    A singular value may run into zero, where the set of this rank ends. Write ``g = sqrt(2 F / N)``, which
    bounds ``|dC/dA|_F``. As soon as ``s_k < (2 ridge / g)^(L/(L-2))``, the derivative of F in
    ``s_k``, ``u^T (dC/dA) v + 2 ridge s_k^(2/L - 1)``, is positive, and stays so along the gradient flow, on
    which F and so g fall: the flow from here leaves the set in finite time, and the descent stops (the same
    inequality as section 4b(iii)). For depth 2 it reads ``g < 2 ridge``, whatever ``s_k``; where a singular
    value runs to zero otherwise, it is stopped at 1e-10 of the data.
    """
    point, value = start, loss.value(start)
    natural = float(np.linalg.norm(loss.problem.values)) / loss.problem.n_observed
    shift = 0.0
    for step in range(MAX_STEPS):
        if has_fallen(loss, point, value):
            return Descent(point, "fell", step)
        at = loss.derivatives(point)
        size = float(np.linalg.norm(at.gradient))
        found = None if size <= _TARGET * natural else _one_step(loss, point, value, at, shift)
        if found is None:
            return Descent(point, "stationary" if size <= _STATIONARY * natural else "stalled", step)
        point, value, shift = found
    return Descent(point, "stalled", MAX_STEPS)


def has_fallen(loss: FixedRankLoss, point: Point, value: float) -> bool:
    """Whether the gradient flow from here provably leaves the set of this rank (see :func:`descend`)."""
    if point.rank == 0:
        return False
    smallest, depth = point.s[-1], loss.depth
    if smallest <= _GONE * np.linalg.norm(loss.problem.values):
        return True
    g = np.sqrt(2 * value / loss.problem.n_observed)
    if depth == 2:
        return bool(g < 2 * loss.ridge)
    return bool(smallest < (2 * loss.ridge / g) ** (depth / (depth - 2)))


def _one_step(
    loss: FixedRankLoss, point: Point, value: float, at: Derivatives, shift: float
) -> tuple[Point, float, float] | None:
    """The next point, its value, and the shift to begin with there; None if no shift gives progress."""
    scale = float(np.abs(np.diag(at.hessian)).max())
    shift = 0.0 if shift < 1e-14 * scale else shift
    while shift < 1e12 * scale:
        step = _solve(at, shift)
        if step is not None:
            candidate = loss.move(point, at, step)
            predicted = -float(at.gradient @ step + 0.5 * step @ at.hessian @ step)
            new = loss.value(candidate)
            if candidate.s[-1] > 0 and predicted > 0:
                if predicted <= _ROUNDING * value:
                    before, after = at.gradient, loss.derivatives(candidate).gradient
                    return (candidate, new, 0.0) if after @ after < 0.25 * (before @ before) else None
                ratio = (value - new) / predicted
                if ratio > 0.1:
                    factor = 0.1 if ratio > 0.75 else 1.0 if ratio > 0.25 else 4.0
                    return candidate, new, factor * shift
        shift = max(4 * shift, 1e-4 * scale)
    return None


def _solve(at: Derivatives, shift: float) -> np.ndarray | None:
    """The shifted Newton step, or None where the shifted Hessian is not positive definite."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    shifted = at.hessian + shift * np.eye(at.gradient.size)
    try:
        return -cho_solve(cho_factor(shifted, lower=True), at.gradient)
    except LinAlgError:
        return None
