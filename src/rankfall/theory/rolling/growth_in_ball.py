"""One look of the rolling certificate: how fast a tail can grow in a ball around a network (Theorem 6)."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf, log, prod, sqrt

import numpy as np

from ...declared_arguments import declared
from ...errors import InputError
from ...network import Network
from ...problem import Problem
from ..requirements import check_point, check_step, plain, require_bounds
from ..tail import sparse
from .leading import Leading

# cells up to which the residuals are held as a dense matrix, which is faster
_DENSE = 1 << 20
# smaller side up to which the norm of the mean residual is computed; above, it is bounded
_EXACT_NORM = 400
# logarithm of the largest number that a bound may contain, a thousandth of the largest float at least
_LARGEST = 700.0
# singular values are computed up to this fraction of the largest
_ROUNDING = 1e-15


@dataclass(frozen=True, eq=False)
class Look:
    """What is known at a network, and what follows in the ball of a radius around it.

    For all networks within `radius` (Frobenius norm over all layers) of this one, one step of SGD has
    ``E[Phi_l'] <= (1 + growth_l) Phi_l``, for every rank: the Lemma of Theorem 6.

    Attributes
    ----------
    radius : float
        d.
    norm : float
        omega, the largest operator norm of a layer.
    rms_residual : float
        Root mean square of ``rho_ij = A_ij - x_ij`` over the observed entries.
    mean_residual : float
        The operator norm of ``Rbar = (1/N) sum rho_ij e_i e_j^T`` (of large matrices, an upper bound).
    mean_push : ndarray, shape (L - 1,)
        ``b_l``, the operator norm of ``Bbar_l = P_{l+1}^T Rbar Q_l^T``.
    squared_push : ndarray, shape (L - 1,)
        ``n_l``, the mean of ``rho_ij^2 |p_i|^2 |q_j|^2``, ``p_i = P_{l+1}^T e_i``, ``q_j = Q_l e_j``.
    largest_pair : ndarray, shape (L - 1,)
        ``m_l``, the largest ``|p_i| |q_j|`` of an observed entry.
    phi : ndarray, shape (L - 1, R + 1)
        ``Phi_l`` for the ranks 0..R, R the smallest width, with ``w_l (1e-15 |Z_l|)^2`` for rounding added.
    size : float
        The Frobenius norm of all weights together.
    drift, spread : float
        ``lr |grad|`` and ``lr^2 (E |G|^2 - |E G|^2)`` of a single entry: how far the mean step goes, and how
        much single steps differ from it. They play no part in any bound; they tell how long SGD will stay in
        the ball.
    lr, ridge : float
    batch_size, depth, n_observed : int
    """

    radius: float
    norm: float
    rms_residual: float
    mean_residual: float
    mean_push: np.ndarray
    squared_push: np.ndarray
    largest_pair: np.ndarray
    phi: np.ndarray
    size: float
    drift: float
    spread: float
    lr: float
    ridge: float
    batch_size: int
    depth: int
    n_observed: int

    @property
    def mean_push_within(self) -> np.ndarray:
        """``b^_l``, a bound of ``|Bbar_l|`` in the ball, shape (L - 1,)."""
        return self.within(np.array([self.radius]))[0][0]

    @property
    def squared_push_within(self) -> np.ndarray:
        """``n^_l``, a bound of ``E rho^2 |p|^2 |q|^2`` in the ball, shape (L - 1,)."""
        return self.within(np.array([self.radius]))[1][0]

    @property
    def growth(self) -> np.ndarray:
        """``gamma_l`` in the ball, shape (L - 1,)."""
        return self.growth_within(np.array([self.radius]))[0]

    @declared
    def within(self, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``b^_l`` and ``n^_l`` for several radii d, each of shape (k, L - 1).

        With ``o = omega + d``, ``D = sqrt(L) o^(L-1) d`` (how far A can move) and
        ``rho_d = |Rbar| + D / N``,

            b^_l       = b_l + (sqrt(L) o^(2L-3) / N + sqrt(L-2) o^(L-3) rho_d) d,
            sqrt(n^_l) = sqrt(n_l) + (m_l + (L-2) o^(L-3) d) D / sqrt(N) + rho_rms (L-2) o^(L-3) d.
        """
        L, N = self.depth, self.n_observed
        d = radii[:, None]
        o = self.norm + d
        moved = sqrt(L) * o ** (L - 1) * d
        # for two layers these terms are zero, whatever the power of o
        one_factor = o ** (L - 3) * d if L > 2 else 0 * d
        mean = self.mean_push + sqrt(L) / N * o ** (2 * L - 3) * d
        mean = mean + sqrt(L - 2) * one_factor * (self.mean_residual + moved / N)
        root = np.sqrt(self.squared_push) + (self.largest_pair + (L - 2) * one_factor) * moved / sqrt(N)
        root = root + self.rms_residual * (L - 2) * one_factor
        return mean, root**2

    @declared
    def growth_within(self, radii: np.ndarray) -> np.ndarray:
        """``gamma_l`` for several radii, shape (k, L - 1).

            gamma_l = [q^2 + 2 lr q b^_l + lr^2 (n^_l / b + (1 - 1/b) b^_l^2) - 1]_+,   q = 1 - 2 lr ridge,

        for b entries with replacement or b different ones.
        """
        lr, share = self.lr, 1 / self.batch_size
        decay = 4 * lr * self.ridge * (1 - lr * self.ridge)  # 1 - q^2
        with np.errstate(over="ignore", invalid="ignore"):
            mean, squared = self.within(radii)
            noise = lr * (lr * (share * squared + (1 - share) * mean**2))
            growth = 2 * lr * (1 - 2 * lr * self.ridge) * mean + noise - decay
        # radii may be so large that numbers overflow: then nothing is bounded
        return np.where(np.isnan(growth), inf, np.maximum(growth, 0.0))


@declared
def look(
    problem: Problem, network: Network, *, lr: float, ridge: float, batch_size: int = 1, radius: float
) -> Look:
    """Measure a network, and bound the growth of its tails in a ball around it (Theorem 6, Lemma).

    All observed entries are enumerated; the cost is O(sum w^3 + N w).

    Parameters
    ----------
    problem : Problem
    network : Network
        One network.
    lr, ridge : float
        0 or more, ``2 lr ridge < 1``.
    batch_size : int
        b entries, drawn uniformly given the past, with replacement or different ones.
    radius : float
        0 or more.

    Returns
    -------
    Look

    Raises
    ------
    InputError
        If the problem has weights or repeated cells, the network does not fit it, or an argument is out of
        range.
    """
    check_point(problem, network)
    require_different_cells(problem)
    ridge, lr, batch_size = check_step(problem, ridge, lr, batch_size, "replacement")
    require_bounds(radius=radius)
    weights = [W.astype(np.float64, copy=False) for W in network.weights]
    require_range(problem, weights)
    return measured(problem, weights, lr, ridge, batch_size, plain(radius))


def is_within_range(problem: Problem, weights: list[np.ndarray]) -> bool:
    """Whether the bounds are numbers: they contain ``o^(4L-6)`` and the square of the data."""
    if not all(np.isfinite(W).all() for W in weights):
        return False
    largest = max([1.0, *(float(np.abs(W).max()) * sqrt(W.size) for W in weights)])
    data = 1.0 + float(np.abs(problem.values).max())
    return 4 * len(weights) * log(2 * largest) + 2 * log(data) + log(problem.n_observed) < _LARGEST


def require_range(problem: Problem, weights: list[np.ndarray]) -> None:
    """Refuse weights so large that their powers overflow."""
    if not is_within_range(problem, weights):
        raise InputError(
            "The weights are too large for the bounds of Theorem 6 to be numbers; SGD is diverging, or the "
            "entries must be brought to unit size."
        )


def require_different_cells(problem: Problem) -> None:
    """Refuse repeated cells: a change of A would count more than once in the mean residual."""
    cells = problem.rows * problem.n_cols + problem.cols
    if np.unique(cells).size < cells.size:
        raise InputError("Theorem 6 needs different cells, and this problem has repeated ones.")


def measured(
    problem: Problem,
    weights: list[np.ndarray],
    lr: float,
    ridge: float,
    batch_size: int,
    radius: float,
    leading: Leading | None = None,
) -> Look:
    """:func:`look`, without checks; with `leading`, upper bounds of ``Phi_l`` and of all operator norms.

    All numbers of a look bound something from above, so that larger ones make it weaker, not wrong.
    """
    # Q_1 .. Q_L and P_1 .. P_L, without the identities Q_1 and P_L
    below, above = [weights[0]], [weights[-1]]
    for W in weights[1:-1]:
        below.append(W @ below[-1])
    for W in weights[-2:0:-1]:
        above.insert(0, above[0] @ W)
    rows, cols, n = problem.rows, problem.cols, problem.n_observed
    residual = _residuals(problem, below[-1], weights[-1])
    squares = residual**2
    R = _dense(problem, residual / n) if _is_small(problem) else sparse(problem, residual / n)
    # |Q_l e_j|^2 and |P_l^T e_i|^2 for l = 1..L, at the observed entries
    q2 = [np.ones(n), *(np.einsum("kj,kj->j", Q, Q)[cols] for Q in below)]
    p2 = [*(np.einsum("ik,ik->i", P, P)[rows] for P in above), np.ones(n)]
    pushes: list[np.ndarray] = []  # Bbar_l
    gradients: list[np.ndarray] = []  # E G_l = W_{l+1}^T Bbar_l
    for l in range(len(weights) - 1):
        if len(weights) == 2:
            gradients.append((R.T @ weights[1]).T)
            break
        B = (R.T @ above[1]).T if l == 0 else R @ below[l - 1].T
        pushes.append(above[l + 1].T @ B if 0 < l < len(weights) - 2 else B)
        gradients.append(weights[l + 1].T @ pushes[-1])
    gradients.append(R @ below[-1].T)
    pairs = [p2[l + 1] * q2[l] for l in range(len(weights) - 1)]
    if leading is not None:
        norms = [*leading.layer_norms(), *leading.push_norms(pushes)]
        rho_bar = _bounded_norm(problem, residual / n)
    else:
        exact = _is_small(problem) and min(problem.shape) <= _EXACT_NORM
        norms = _norms([*weights, *pushes, _dense(problem, residual / n)] if exact else [*weights, *pushes])
        rho_bar = norms[-1] if exact else _bounded_norm(problem, residual / n)
    size = sum(float(np.vdot(W, W)) for W in weights)
    mean_gradient = sum(float(np.vdot(G, G)) for G in gradients)
    # <W_l, G_l> is the mean of rho A_ij in every layer
    inner = float(residual @ (residual + problem.values)) / n
    slope = mean_gradient + 4 * ridge * len(weights) * inner + 4 * ridge**2 * size
    gradient = sum(float(squares @ (p * q)) for p, q in zip(p2, q2, strict=True)) / n
    return Look(
        radius=float(radius),
        norm=max(norms[: len(weights)]),
        rms_residual=sqrt(float(squares.sum()) / n),
        mean_residual=rho_bar,
        mean_push=np.array(norms[len(weights) : 2 * len(weights) - 1] if pushes else [rho_bar]),
        squared_push=np.array([float(squares @ both) / n for both in pairs]),
        largest_pair=np.sqrt([both.max() for both in pairs]),
        phi=_tails(weights, leading),
        size=sqrt(size),
        drift=lr * sqrt(max(slope, 0.0)),
        spread=lr * (lr * max(gradient - mean_gradient, 0.0)),
        lr=float(lr),
        ridge=float(ridge),
        batch_size=int(batch_size),
        depth=len(weights),
        n_observed=n,
    )


def _residuals(problem: Problem, inner: np.ndarray, last: np.ndarray) -> np.ndarray:
    """``rho_ij`` at the observed entries, from ``W_{L-1} ... W_1`` and ``W_L``."""
    rows, cols = problem.rows, problem.cols
    if _is_small(problem):
        return (last @ inner)[rows, cols] - problem.values
    return Network((inner, last)).predict(rows, cols) - problem.values


def _is_small(problem: Problem) -> bool:
    return problem.n_rows * problem.n_cols <= _DENSE


def _dense(problem: Problem, values: np.ndarray) -> np.ndarray:
    """Values at the observed positions and zeros elsewhere."""
    out = np.zeros(problem.shape)
    out[problem.rows, problem.cols] = values
    return out


def _norms(matrices: list[np.ndarray]) -> list[float]:
    """Operator norms; of large matrices the Frobenius norm, which is larger.

    From the smaller Gram matrices, all of one size at a time.
    """
    out = [float(np.linalg.norm(M)) if min(M.shape) > _EXACT_NORM else 0.0 for M in matrices]
    alike: dict[int, list[int]] = {}
    for k, M in enumerate(matrices):
        if min(M.shape) <= _EXACT_NORM:
            alike.setdefault(min(M.shape), []).append(k)
    for members in alike.values():
        square = [_gram(matrices[k]) for k in members]
        for k, largest in zip(members, np.linalg.eigvalsh(np.array(square))[:, -1].tolist(), strict=True):
            out[k] = sqrt(max(largest, 0.0))
    return out


def _gram(M: np.ndarray) -> np.ndarray:
    return M @ M.T if M.shape[0] <= M.shape[1] else M.T @ M


def _bounded_norm(problem: Problem, values: np.ndarray) -> float:
    """An upper bound of the operator norm of a sparse matrix with these values.

    The smaller of the Frobenius norm and the root of the largest absolute row sum times the largest column
    sum.
    """
    sizes = np.abs(values)
    sums = (float(np.bincount(at, sizes).max()) for at in (problem.rows, problem.cols))
    return min(sqrt(prod(sums)), float(np.linalg.norm(values)))


def _tails(weights: list[np.ndarray], leading: Leading | None) -> np.ndarray:
    """``Phi_l + w_l (1e-15 |Z_l|)^2`` for the ranks 0 .. smallest width, shape (L - 1, R + 1)."""
    top = min(weights[0].shape[1], *(W.shape[0] for W in weights))
    if leading is not None:
        out = leading.phi(top)
        # |Z_l|_F is no smaller than |Z_l|
        largest = out[:, 0].copy()
    else:
        out, largest = np.empty((len(weights) - 1, top + 1)), np.empty(len(weights) - 1)
        for l, (W, V) in enumerate(pairwise(weights)):
            squares = np.linalg.svd(np.concatenate([W, V.T], axis=1), compute_uv=False) ** 2
            largest[l] = squares[0]
            squares = np.append(squares, np.zeros(max(top + 1 - squares.size, 0)))
            # small values first
            out[l] = np.cumsum(squares[::-1])[::-1][: top + 1]
    widths = np.array([W.shape[0] for W in weights[:-1]])
    return out + (widths * _ROUNDING**2 * largest)[:, None]
