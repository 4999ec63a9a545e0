"""The landscape in closed form: effective loss, thresholds, and all minima of a fully observed matrix."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .. import measures
from ..declared_arguments import declared
from ..errors import InputError
from ..network import Network
from ..problem import Problem
from .requirements import require_alike, require_bounds, require_positive, require_whole

# Singular values of the data closer than this, relative to the larger, leave their directions undetermined.
_TIE = 1e-10
# Steps of Newton's method that find a root to rounding when started on the convex side.
_MAX_ROOT_STEPS = 100


def check_matrix(A: np.ndarray, shape: tuple[int, int] | None = None) -> np.ndarray:
    """A finite float64 matrix, of the given shape if there is one, or an InputError."""
    A = np.asarray(A, dtype=np.float64)
    if A.ndim != 2 or min(A.shape) < 1:
        raise InputError(f"Expected a matrix, not an array of shape {A.shape}.")
    if shape is not None and A.shape != shape:
        raise InputError(
            f"The matrix is {A.shape[0]} x {A.shape[1]}, but the problem {shape[0]} x {shape[1]}."
        )
    if not np.isfinite(A).all():
        raise InputError("The matrix holds NaN or infinity.")
    return A


# -- the effective loss ---------------------------------------------------------------------------------


@declared
def schatten_cost(A: np.ndarray, depth: int) -> float:
    """``L sum_i s_i(A)^(2/L)``: the least squared norm of weights with product `A` (section 4a).

    Parameters
    ----------
    A : ndarray, shape (m, n)
    depth : int
        Number of layers L, at least 2. All hidden widths are taken to be at least the rank of A.

    Raises
    ------
    InputError
        If `A` is no finite matrix, or depth is below 2.

    See Also
    --------
    rankfall.measures.schatten_cost : the same of singular values.
    """
    require_whole(2, depth=depth)
    return float(measures.schatten_cost(np.linalg.svd(check_matrix(A), compute_uv=False), depth=depth))


@declared
def effective_loss(problem: Problem, A: np.ndarray, depth: int, ridge: float) -> float:
    """``F(A) = C(A) + ridge L sum_i s_i(A)^(2/L)``, ``C(A) = 1/(2N) sum over the observed (A_ij - x_ij)^2``.

    The least value of the regularised loss over all weights with product `A` (section 4a).

    Raises
    ------
    InputError
        If `A` does not fit the problem or is not finite, depth is below 2, or the ridge is not positive.
    """
    require_alike(problem)
    require_whole(2, depth=depth)
    require_positive(ridge=ridge)
    A = check_matrix(A, problem.shape)
    residual = A[problem.rows, problem.cols] - problem.values
    return float(0.5 * np.mean(residual**2) + ridge * schatten_cost(A, depth=depth))


def data_gradient(problem: Problem, A: np.ndarray) -> np.ndarray:
    """``dC/dA``: ``(A_ij - x_ij) / N`` at the observed cells and zero elsewhere, shape (m, n)."""
    G = np.zeros(problem.shape)
    G[problem.rows, problem.cols] = A[problem.rows, problem.cols] - problem.values
    return G / problem.n_observed


@declared
def weight_gradient(problem: Problem, network: Network, ridge: float) -> tuple[np.ndarray, ...]:
    """Gradient of the regularised loss in the weights: ``P_l^T (dC/dA) Q_l^T + 2 ridge W_l`` for l = 1..L.

    ``P_l = W_L ... W_{l+1}`` and ``Q_l = W_{l-1} ... W_1`` (section 0).

    Returns
    -------
    tuple of ndarray
        Shaped as the weights.
    """
    weights = network.weights
    below = [np.eye(network.widths[0])]
    for W in weights[:-1]:
        below.append(W @ below[-1])
    back = data_gradient(problem, network.product())
    gradient: list[np.ndarray] = []
    for W, Q in zip(reversed(weights), reversed(below), strict=True):
        gradient.insert(0, back @ Q.T + 2 * ridge * W)
        back = W.T @ back
    return tuple(gradient)


@declared
def basin_radius(slope: float, depth: int, ridge: float) -> float:
    """``(ridge L / g)^(L / (L-2))``, ``g = slope``: truncation to rank k lowers F as long as s_{k+1} is
    below it.

    Section 4b(ii). For depth 2 the power is infinite: the radius is infinite if ``g < 2 ridge``, else 0.

    Parameters
    ----------
    slope : float
        ``g >= |dC/dA|_op`` at the truncated matrices, 0 or more.
    depth : int
        At least 2.
    ridge : float
        Positive.

    Raises
    ------
    InputError
        If a number is out of range.
    """
    _check_slope(slope, depth, ridge)
    if slope == 0:
        return float("inf")
    if depth == 2:
        return float("inf") if slope < 2 * ridge else 0.0
    return float((ridge * depth / slope) ** (depth / (depth - 2)))


@declared
def barrier(slope: float, depth: int, ridge: float) -> float:
    """``max_s (ridge L s^(2/L) - g s) = ridge (L-2) (2 ridge / g)^(2/(L-2))``: what one more pair must climb.

    Section 4b(ii). For depth 2 it is infinite if ``g < 2 ridge``, else 0. Parameters and errors are those
    of :func:`basin_radius`.
    """
    _check_slope(slope, depth, ridge)
    if slope == 0:
        return float("inf")
    if depth == 2:
        return float("inf") if slope < 2 * ridge else 0.0
    return float(ridge * (depth - 2) * (2 * ridge / slope) ** (2 / (depth - 2)))


# -- fully observed: thresholds and closed forms --------------------------------------------------------


@declared
def s_loc(ridge: float, n_observed: int, depth: int) -> float:
    """Singular values of the data above this have a nonzero local minimum of their scalar loss (section 4c).

    ``s_c (2L - 2) / (L - 2)`` with ``s_c = (2 ridge N (L-2)/L)^(L/(2L-2))``; for depth 2 the limit ``2 ridge
    N``.
    """
    _check_counts(ridge, n_observed, depth)
    if depth == 2:
        return float(2 * ridge * n_observed)
    critical = (2 * ridge * n_observed * (depth - 2) / depth) ** (depth / (2 * depth - 2))
    return float(critical * (2 * depth - 2) / (depth - 2))


@declared
def s_glob(ridge: float, n_observed: int, depth: int) -> float:
    """Singular values of the data above this are better kept than dropped (section 4c).

    ``(2 ridge N (L-2))^(L/(2L-2)) (L-1)/(L-2)``; for depth 2 the limit ``2 ridge N``.
    """
    _check_counts(ridge, n_observed, depth)
    if depth == 2:
        return float(2 * ridge * n_observed)
    at_threshold = (2 * ridge * n_observed * (depth - 2)) ** (depth / (2 * depth - 2))
    return float(at_threshold * (depth - 1) / (depth - 2))


@declared
def s_plus(s_star: float | np.ndarray, ridge: float, n_observed: int, depth: int) -> np.ndarray:
    """Nonzero local minimum of ``(s - s*)^2 / 2 + ridge N L s^(2/L)`` over ``s >= 0``, or 0 if there is none.

    For ``s* > s_loc`` it is the larger root of ``s + 2 ridge N s^(2/L - 1) = s*`` (section 4c); for depth 2
    the soft threshold ``(s* - 2 ridge N)_+``.

    Parameters
    ----------
    s_star : float or ndarray
        Singular values of the data, 0 or more.
    ridge : float
    n_observed : int
        Number N of observed entries, here all entries of the matrix.
    depth : int

    Returns
    -------
    ndarray
        Shaped as `s_star`.
    """
    _check_counts(ridge, n_observed, depth)
    s_star = np.asarray(s_star, dtype=np.float64)
    if not (np.isfinite(s_star).all() and np.all(s_star >= 0)):
        raise InputError("Singular values must be finite, 0 or more.")
    pull = 2 * ridge * n_observed
    if depth == 2:
        return np.maximum(s_star - pull, 0.0)
    power = 2 / depth - 1
    exists = s_star > s_loc(ridge, n_observed, depth)
    # s + pull s^power is convex and increasing beyond s_c: Newton's method from s* falls to the root
    s = np.where(exists, s_star, 1.0)
    for _ in range(_MAX_ROOT_STEPS):
        step = (s + pull * s**power - s_star) / (1 + pull * power * s ** (power - 1))
        step = np.where(exists, np.maximum(step, 0.0), 0.0)
        s = s - step
        if np.all(step <= 1e-16 * s):
            break
    return np.where(exists, s, 0.0)


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """One local minimum of a fully observed problem (section 4c).

    Attributes
    ----------
    rank : int
    U, s, Vt : ndarray, shapes (m, rank), (rank,) and (rank, n)
    loss : float
        ``F`` at this matrix.
    """

    rank: int
    U: np.ndarray = field(repr=False)
    s: np.ndarray
    Vt: np.ndarray = field(repr=False)
    loss: float

    def matrix(self) -> np.ndarray:
        """``U diag(s) Vt``."""
        return (self.U * self.s) @ self.Vt


@declared
def closed_form_minima(
    X: np.ndarray, depth: int = 3, ridge: float = 1e-3, width: int | None = None
) -> tuple[ClosedForm, ...]:
    """All local minima of a fully observed matrix, one for each rank from 0 to the largest (section 4c).

    For depth 3 and more they are the top k singular pairs of `X`, each shrunk to :func:`s_plus`, for
    ``0 <= k <= min(number of s* above s_loc, width)``. For depth 2 there is one, the soft threshold.

    Parameters
    ----------
    X : ndarray, shape (m, n)
        The whole matrix; its singular values above :func:`s_loc` must be distinct.
    depth : int
    ridge : float
    width : int, optional
        Smallest hidden width, ``min(m, n)`` by default.

    Returns
    -------
    tuple of ClosedForm
        By increasing rank.

    Raises
    ------
    InputError
        If a cell is not finite, two kept singular values coincide, depth is below 2, or the ridge is not
        positive.
    """
    require_whole(2, depth=depth)
    require_positive(ridge=ridge)
    X = check_matrix(X)
    if width is not None:
        require_whole(1, width=width)
    U, s_star, Vt = np.linalg.svd(X, full_matrices=False)
    kept = s_plus(s_star, ridge, X.size, depth)
    k_max = int(np.count_nonzero(kept))
    larger = s_star[: max(k_max - 1, 0)]
    if np.any(larger - s_star[1 : larger.size + 1] <= _TIE * larger):
        raise InputError("Two singular values that can be kept coincide: the minima are not isolated.")
    if width is not None:
        k_max = min(k_max, int(width))
    ranks = range(k_max, k_max + 1) if depth == 2 else range(k_max + 1)
    minima: list[ClosedForm] = []
    for k in ranks:
        misfit = np.sum((kept[:k] - s_star[:k]) ** 2) + np.sum(s_star[k:] ** 2)
        loss = misfit / (2 * X.size) + ridge * float(measures.schatten_cost(kept[:k], depth=depth))
        minima.append(ClosedForm(k, U[:, :k], kept[:k], Vt[:k], float(loss)))
    return tuple(minima)


def _check_slope(slope: float, depth: int, ridge: float) -> None:
    require_whole(2, depth=depth)
    require_positive(ridge=ridge)
    require_bounds(slope=slope)


def _check_counts(ridge: float, n_observed: int, depth: int) -> None:
    require_whole(2, depth=depth)
    require_positive(ridge=ridge)
    require_whole(1, n_observed=n_observed)
