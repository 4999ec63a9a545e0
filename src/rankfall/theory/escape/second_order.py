"""What the parts of a step of order lr^2 contribute to the factor in front of the exponential."""

# scipy has no types; matrices have capital letters
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...network import Network
from ..weight_hessian import products_around
from .action_path import ActionPath
from .hamiltonian import Hamiltonian
from .matrix_steps import MatrixSteps

Layers = list[np.ndarray]

# Of the integration along the path: the result enters a logarithm.
_RTOL, _ATOL = 1e-6, 1e-8
# Step of the central difference of the kernel in the imbalance: the kernel is a polynomial in the weights.
_STEP = 1e-4


@dataclass(frozen=True)
class SecondOrder:
    """``int p . E[second-order step] dt`` along the path, the mean with the path's weights on the entries.

    The three parts are those that are the same for all batches, those of one entry met with itself, and
    those of the mean gradient met with itself; a batch of b entries has
    ``b ridge + alone + (b - 1) mean``.
    """

    ridge: float
    alone: float
    mean: float

    def of_batch(self, batch_size: int) -> float:
        return batch_size * self.ridge + self.alone + (batch_size - 1) * self.mean


def second_order(H: Hamiltonian, steps: MatrixSteps, path: ActionPath) -> SecondOrder:
    """The three parts.

    A step multiplies all layers by ``1 - 2 lr ridge`` and adds ``-lr B_l``; of the product the terms of
    order lr^2 are, with K the tangent kernel and R the gradient of the fit in A,

        2 ridge^2 L (L-1) A + 2 ridge (L-1) K(R) + sum_(l<m) W_L .. B_m .. B_l .. W_1

    The B_l also drive the imbalance, which is of order lr and changes the kernel by as much:
    ``D_l' = (1 - 2 lr ridge)^2 D_l + lr^2 (B_(l+1)^T B_(l+1) - B_l B_l^T)``. The weights are carried along
    the path by their own gradients, so that the frames of the hidden layers do not turn.
    """
    from scipy.integrate import solve_ivp
    from scipy.interpolate import CubicHermiteSpline

    d, L, k = path.x.shape[1], steps.depth, steps.rank
    curve = CubicHermiteSpline(path.t, np.hstack([path.x, path.p]), np.hstack([path.dx, path.dp]))
    lifted = Network.lift(steps.matrix(path.x[:1])[0], depth=L, width=k)
    shapes = [W.shape for W in lifted.weights]
    cuts = np.cumsum([W.size for W in lifted.weights] + [2 * (L - 1) * k * k])

    def rates(t: float, state: np.ndarray) -> np.ndarray:
        parts = np.split(state, cuts)
        weights = [part.reshape(shape) for part, shape in zip(parts[:L], shapes, strict=True)]
        imbalances = parts[L].reshape(2, L - 1, k, k)
        x, p = np.split(np.asarray(curve(t)), [d])
        here = _Moment.at(H, steps, weights, x, p)
        moved = [-B - 2 * steps.ridge * W for B, W in zip(here.mean, weights, strict=True)]
        drift = here.driven() - 4 * steps.ridge * imbalances
        change = here.along_imbalances(imbalances)
        alone, mean = here.products()
        found = [here.of_ridge(), alone + change[0], mean + change[1]]
        return np.concatenate([*(W.ravel() for W in moved), drift.ravel(), found])

    low = _Moment.at(H, steps, list(lifted.weights), path.x[0], 0 * path.p[0])
    resting = low.driven() / (4 * steps.ridge)
    start = np.concatenate([*(W.ravel() for W in lifted.weights), resting.ravel(), np.zeros(3)])
    run = solve_ivp(rates, (0.0, float(path.t[-1])), start, method="LSODA", rtol=_RTOL, atol=_ATOL)
    ridge, alone, mean = (float(part) for part in run.y[-3:, -1])
    return SecondOrder(ridge, alone, mean)


@dataclass(frozen=True, eq=False)
class _Moment:
    """The weights and what the path makes of the entries at one time.

    `single` are the gradients of the fit of every entry, shape (N, ...) for each layer, `mean` their means
    with the weights `tilt`.
    """

    steps: MatrixSteps
    weights: Layers
    below: Layers
    above: Layers
    P: np.ndarray
    R: np.ndarray
    tilt: np.ndarray
    single: Layers
    mean: Layers

    @classmethod
    def at(cls, H: Hamiltonian, steps: MatrixSteps, weights: Layers, x: np.ndarray, p: np.ndarray) -> _Moment:
        below, above = products_around(weights)
        tilt = H.tilted(x[None], p[None])[1][0]
        tilt = tilt / tilt.sum()
        residuals = steps.residuals((above[0] @ weights[0])[None])[0]
        R = (steps.a.T * (tilt * residuals)) @ steps.b
        single = [
            residuals[:, None, None] * (steps.a @ P)[:, :, None] * (steps.b @ Q.T)[:, None, :]
            for P, Q in zip(above, below, strict=True)
        ]
        mean = [P.T @ R @ Q.T for P, Q in zip(above, below, strict=True)]
        return cls(steps, weights, below, above, steps.covector(p), R, tilt, single, mean)

    def of_ridge(self) -> float:
        """``<P, 2 ridge^2 L (L-1) A + 2 ridge (L-1) K(R)>``."""
        ridge, L = self.steps.ridge, self.steps.depth
        A = self.above[0] @ self.weights[0]
        total = 2 * ridge**2 * L * (L - 1) * A + 2 * ridge * (L - 1) * _kernel(self.weights, self.R)
        return float(np.sum(self.P * total))

    def products(self) -> tuple[float, float]:
        """``<P, sum_(l<m) W_L .. B_m .. B_l .. W_1>``: each entry with itself, and the mean with itself."""
        alone = np.einsum("e,eij,ij->", self.tilt, _second(self.weights, self.single), self.P)
        return float(alone), float(np.sum(self.P * _second(self.weights, self.mean)))

    def driven(self) -> np.ndarray:
        """What drives the imbalances, alone and mean, shape (2, L - 1, k, k)."""
        alone = [np.einsum("e,eij->ij", self.tilt, part) for part in _imbalance(self.single)]
        return np.array([alone, _imbalance(self.mean)])

    def along_imbalances(self, imbalances: np.ndarray) -> list[float]:
        """``-<P, dK(R)>``, K changing along weights with these imbalances and the same product."""
        W, sizes = self.weights, [layer.size for layer in self.weights]
        columns: list[np.ndarray] = []
        for unit in np.eye(sum(sizes)):
            E = _layers(unit, W)
            product = sum(P @ e @ Q for P, e, Q in zip(self.above, E, self.below, strict=True))
            turned = [E[l + 1].T @ W[l + 1] - E[l] @ W[l].T for l in range(len(W) - 1)]
            columns.append(np.concatenate([np.ravel(product), *((T + T.T).ravel() for T in turned)]))
        goals = np.zeros((columns[0].size, 2))
        goals[-imbalances[0].size :] = imbalances.reshape(2, -1).T
        shifts = np.linalg.lstsq(np.array(columns).T, goals, rcond=1e-10)[0]
        found: list[float] = []
        for shift in shifts.T:
            E = _layers(shift, W)
            ahead, behind = (
                _kernel([layer + sign * _STEP * e for layer, e in zip(W, E, strict=True)], self.R)
                for sign in (1, -1)
            )
            found.append(-float(np.sum(self.P * (ahead - behind))) / (2 * _STEP))
        return found


def _layers(vector: np.ndarray, like: Layers) -> Layers:
    parts = np.split(vector, np.cumsum([W.size for W in like])[:-1])
    return [part.reshape(W.shape) for part, W in zip(parts, like, strict=True)]


def _kernel(weights: Layers, R: np.ndarray) -> np.ndarray:
    """``K(R) = sum_l P_l P_l^T R Q_l^T Q_l``."""
    below, above = products_around(weights)
    return np.sum([P @ (P.T @ R @ Q.T) @ Q for P, Q in zip(above, below, strict=True)], axis=0)


def _second(weights: Layers, steps: Layers) -> np.ndarray:
    """The coefficient of t^2 in the product of ``W_l + t B_l``; B_l may have leading axes."""
    whole, linear, square = weights[0], steps[0], np.zeros_like(steps[0])
    for W, B in zip(weights[1:], steps[1:], strict=True):
        whole, linear, square = W @ whole, W @ linear + B @ whole, W @ square + B @ linear
    return square


def _imbalance(steps: Layers) -> Layers:
    """``B_(l+1)^T B_(l+1) - B_l B_l^T`` for l = 1..L-1."""
    return [
        np.swapaxes(after, -1, -2) @ after - before @ np.swapaxes(before, -1, -2)
        for before, after in pairwise(steps)
    ]
