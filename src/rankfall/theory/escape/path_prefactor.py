"""The factor in front of the exponential of the action: Riccati's equation along the path."""

# numpy's solve has incomplete types; matrices have capital letters
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportConstantRedefinition=false
from __future__ import annotations

import numpy as np

from .action_path import ActionPath
from .hamiltonian import Hamiltonian

# Points of the path at which the flow is linearised in one go; it bounds the memory.
_AT_ONCE = 200


class FocalPointError(Exception):
    """A path passes a focal point, behind which it is no minimum of the action; where lower ones are."""

    def __init__(self, direction: np.ndarray) -> None:
        super().__init__("the path passes a focal point")
        self.direction = direction


def log_prefactor(H: Hamiltonian, path: ActionPath) -> float:
    """Logarithm of c in the rate ``c exp(-V / lr)`` per unit of time lr, without steps of order lr^2.

        c = lambda / (2 pi) sqrt(det Q_low / |det Q_top|) exp(-int tr H_xp + tr(H_pp Q) / 2 dt)

    lambda is the rate at which the saddle is left, Q the second derivative of the action along the path
    (Bouchet and Reygner 2016 for diffusions whose noise does not depend on the place; the integral is the
    growth of the amplitude in the transport equation of the next order, for any H). Q follows
    ``-Q' = H_xx + H_xp Q + Q H_px + Q H_pp Q``: ``(X, P)' = linearised (X, P)`` with ``Q = P X^-1``, by the
    implicit midpoint rule. Along the path itself ``Q x' = p'``, which is imposed at every step, since errors
    in this direction grow near the saddle.

    Raises
    ------
    FocalPointError
        If X becomes singular: Q is infinite there, and of infinitely many paths around some have less action.
    """
    d, n = path.ends.low.size, path.t.size
    h = float(path.t[1] - path.t[0])
    middle_x = (path.x[1:] + path.x[:-1]) / 2 - h / 8 * (path.dx[1:] - path.dx[:-1])
    middle_p = (path.p[1:] + path.p[:-1]) / 2 - h / 8 * (path.dp[1:] - path.dp[:-1])
    parts = range(0, n - 1, _AT_ONCE)
    flows = (H.linearised(middle_x[k : k + _AT_ONCE], middle_p[k : k + _AT_ONCE]) for k in parts)
    Q, growth = path.ends.Q_low, 0.0
    for k, M in enumerate(M for several in flows for M in several):
        right = (np.eye(2 * d) + h / 2 * M) @ np.vstack([np.eye(d), Q])
        both = np.linalg.solve(np.eye(2 * d) - h / 2 * M, right)
        X, P = both[:d], both[d:]
        if np.linalg.slogdet(X)[0] < 0:
            values, vectors = np.linalg.eig(X)
            raise FocalPointError(np.real(vectors[:, int(np.argmin(np.real(values)))]))
        before, Q = Q, _along(np.linalg.solve(X.T, P.T), path.dx[k + 1], path.dp[k + 1])
        # the determinant of X would do as well, but not where motions are fast compared with the path
        growth += h * float(np.trace(M[:d, :d]) + np.sum(M[:d, d:] * (before + Q)) / 4)
    low, top = (float(np.linalg.slogdet(end)[1]) for end in (path.ends.Q_low, path.ends.Q_top))
    return float(np.log(path.ends.unstable / (2 * np.pi))) + (low - top) / 2 - growth


def _along(Q: np.ndarray, dx: np.ndarray, dp: np.ndarray) -> np.ndarray:
    """The symmetric matrix nearest to Q that maps dx to dp (Powell's update)."""
    Q = (Q + Q.T) / 2
    size = float(dx @ dx)
    gap = (dp - Q @ dx) / size
    return Q + np.outer(gap, dx) + np.outer(dx, gap) - np.outer(dx, dx) * float(gap @ dx) / size
