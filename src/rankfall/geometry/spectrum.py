"""The small singular values of the factor map's Jacobian, and their directions."""

# matrices have capital letters, and scipy has no types
# pyright: reportConstantRedefinition=false, reportMissingTypeStubs=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..problem import Problem
from .elimination import Elimination
from .factor_map import jacobian

if TYPE_CHECKING:
    from scipy import sparse

# up to this many unknowns r (m + n), a dense singular value decomposition is as fast as any other method
_DENSE_UNKNOWNS = 200
# factors with a singular value below this, relative to the largest, are numerically rank-deficient
_FULL_RANK = 1e-13
# null directions are computed in blocks of this size, doubled until one of a block is not null
_BLOCK = 8
# of Lanczos: tolerance and vectors kept, the next pair where many leading values are nearly equal (the error
# is the square of the tolerance); some hundred restarts are enough elsewhere, 15,000 took 10 s and failed
_LANCZOS = ((1e-8, 20), (1e-6, 80), (1e-4, 160))
_MOST_RESTARTS = 1000
_SWEEPS = 4


@dataclass(frozen=True, eq=False)
class Frame:
    """Factors (U, V) of full column rank as coordinates (dU, dV) of the steps away from ``U V^T``.

    Steps are stored as columns of an array of shape (r (m + n), k), in the order of :func:`jacobian`.
    With ``U = Q_U R_U`` and ``V = Q_V R_V``, the step ``dU V^T + U dV^T`` has the coordinates
    ``(dU R_V^T, dV R_U^T)`` in the orthonormal frame ``(Q_U, Q_V)``.
    """

    problem: Problem
    U: np.ndarray
    V: np.ndarray
    R_U: np.ndarray
    R_V: np.ndarray

    @classmethod
    def given(cls, problem: Problem, U: np.ndarray, V: np.ndarray) -> Frame:
        """The factors as they are."""
        return cls(problem, U, V, np.linalg.qr(U)[1], np.linalg.qr(V)[1])

    @classmethod
    def orthonormal(cls, problem: Problem, U: np.ndarray, V: np.ndarray) -> Frame:
        """Orthonormal factors with the same column spaces."""
        identity = np.eye(U.shape[1])
        return cls(problem, np.linalg.qr(U)[0], np.linalg.qr(V)[0], identity, identity)

    @property
    def rank(self) -> int:
        return self.U.shape[1]

    @property
    def n_unknowns(self) -> int:
        return self.rank * sum(self.problem.shape)

    @property
    def n_relevant(self) -> int:
        """Dimension of the set of matrices of this rank: the unknowns minus the ``r^2`` gauge directions."""
        return self.n_unknowns - self.rank**2

    @cached_property
    def J(self) -> sparse.csr_array:
        """The Jacobian, shape (n_observed, r (m + n))."""
        return jacobian(self.problem, self.U, self.V)

    @cached_property
    def dense_svd(self) -> tuple[np.ndarray, np.ndarray]:
        """Singular values, one per unknown, and right singular vectors as columns."""
        J = self.J.toarray()
        if J.shape[0] > J.shape[1]:
            J = np.linalg.qr(J)[1]
        _, s, Vt = np.linalg.svd(J, full_matrices=True)
        return np.concatenate([s, np.zeros(J.shape[1] - s.size)]), Vt.T

    @property
    def is_small(self) -> bool:
        return self.n_unknowns <= _DENSE_UNKNOWNS

    @cached_property
    def largest(self) -> float:
        """Largest singular value of the Jacobian."""
        if self.is_small:
            return float(self.dense_svd[0][0])
        square, _ = _leading_eigenpair(lambda step: self.J.T @ (self.J @ step), self.n_unknowns)
        return float(np.sqrt(square))

    def split(self, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``dU`` of shape (m, r, k) and ``dV`` of shape (n, r, k)."""
        both = steps.reshape(sum(self.problem.shape), self.rank, -1)
        return both[: self.problem.n_rows], both[self.problem.n_rows :]

    def without_gauge(self, steps: np.ndarray) -> np.ndarray:
        """The part of each step that is orthogonal to the gauge directions ``(U G, -V G^T)``.

        The nearest gauge direction solves the Sylvester equation
        ``U^T U G + G V^T V = U^T dU - dV^T V``.
        """
        a, E = np.linalg.eigh(self.U.T @ self.U)
        b, F = np.linalg.eigh(self.V.T @ self.V)
        dU, dV = self.split(steps)
        right_side = np.einsum("mr,msk->rsk", self.U, dU) - np.einsum("nrk,ns->rsk", dV, self.V)
        rotated = np.einsum("ra,rsk,sb->abk", E, right_side, F) / (a[:, None] + b)[:, :, None]
        G = np.einsum("ra,abk,sb->rsk", E, rotated, F)
        out_U = dU - np.einsum("mr,rsk->msk", self.U, G)
        out_V = dV + np.einsum("nr,srk->nsk", self.V, G)
        return np.concatenate([out_U, out_V]).reshape(steps.shape)

    def invert(self, elimination: Elimination, steps: np.ndarray) -> np.ndarray:
        """Pseudo-inverse of ``J^T J`` applied to steps, with the `elimination` of the orthonormal frame."""
        dU, dV = self.split(self.without_gauge(steps))
        dU, dV = elimination.solve(np.linalg.solve(self.R_V.T, dU), np.linalg.solve(self.R_U.T, dV))
        dU, dV = np.linalg.solve(self.R_V, dU), np.linalg.solve(self.R_U, dV)
        return self.without_gauge(np.concatenate([dU, dV]).reshape(steps.shape))

    def ritz(self, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Increasing singular values of the Jacobian on the span of some steps, and their directions.

        Computed from the Jacobian itself: squaring would lose small values to rounding.
        """
        Q = np.linalg.qr(steps)[0]
        image = np.asarray(self.J @ Q)
        _, s, Vt = np.linalg.svd(image, full_matrices=self.problem.n_observed < Q.shape[1])
        s = np.concatenate([s, np.zeros(Q.shape[1] - s.size)])
        return s[::-1], Q @ Vt[::-1].T


def lost_rank(U: np.ndarray, V: np.ndarray) -> bool:
    """Whether ``U V^T`` numerically has a lower rank than U and V have columns."""
    if U.shape[1] > min(U.shape[0], V.shape[0]):
        return True
    spectra = [np.linalg.svd(factor, compute_uv=False) for factor in (U, V)]
    return any(s[-1] <= _FULL_RANK * s[0] for s in spectra)


def smallest_singular_value(frame: Frame, elimination: Elimination | None) -> float:
    """Singular value number `n_relevant` of the frame's Jacobian, relative to the largest.

    Parameters
    ----------
    frame : Frame
    elimination : Elimination or None
        Of the orthonormal frame; None only for a small frame.
    """
    if frame.problem.n_observed < frame.n_relevant:
        return 0.0
    if elimination is None:
        return float(frame.dense_svd[0][frame.n_relevant - 1] / frame.largest)
    _, step = _leading_eigenpair(
        lambda step: frame.invert(elimination, step[:, None])[:, 0], frame.n_unknowns
    )
    steps = np.concatenate([step[:, None], _unseen_steps(frame, elimination)[:, :1]], axis=1)
    return float(frame.ritz(steps)[0][0] / frame.largest)


def null_steps(frame: Frame, elimination: Elimination | None, tol: float) -> np.ndarray:
    """Orthonormal basis, as columns, of the steps that do not change the observed cells.

    These are the directions with singular values of at most `tol` times the largest. They exclude the gauge,
    except, possibly, in small frames.
    """
    if elimination is None:
        s, right = frame.dense_svd
        return right[:, s <= tol * frame.largest]
    rows = _unseen_steps(frame, elimination)
    room = elimination.n_reduced - frame.rank**2
    block = min(room, _BLOCK + max(0, frame.n_relevant - frame.problem.n_observed - rows.shape[1]))
    rng = np.random.default_rng(0)
    while True:
        steps = rng.standard_normal((frame.n_unknowns, block))
        for _ in range(_SWEEPS):
            # the shift is 1e-14, other squares are at least 1e-12: each sweep gains a factor of 100
            steps = np.linalg.qr(frame.invert(elimination, steps))[0]
        values, steps = frame.ritz(np.concatenate([rows, steps], axis=1))
        null = values <= tol * frame.largest
        if not null.all() or block == room:
            return steps[:, null]
        block = min(room, 2 * block)


def cell_motion(frame: Frame, steps: np.ndarray) -> np.ndarray:
    """How far a unit step in the span of the orthonormal `steps` can move each cell of ``U V^T``, (m, n)."""
    square = np.zeros(frame.problem.shape)
    dU, dV = frame.split(steps)
    for k in range(steps.shape[1]):
        square += (dU[:, :, k] @ frame.V.T + frame.U @ dV[:, :, k].T) ** 2
    return np.sqrt(square)


def _unseen_steps(frame: Frame, elimination: Elimination) -> np.ndarray:
    """The single-row steps that the elimination left out, as columns; smallest singular values first."""
    rows, within = np.nonzero(elimination.unseen)
    order = np.argsort(elimination.row_values[rows, within])
    rows, within = rows[order], within[order]
    steps = np.zeros((sum(frame.problem.shape), frame.rank, rows.size))
    directions = elimination.row_frames[rows, :, within]
    steps[rows, :, np.arange(rows.size)] = np.linalg.solve(frame.R_V, directions.T).T
    return frame.without_gauge(steps.reshape(frame.n_unknowns, rows.size))


def _leading_eigenpair(apply: Callable[[np.ndarray], np.ndarray], size: int) -> tuple[float, np.ndarray]:
    """Largest eigenvalue of a symmetric operator and its eigenvector: Lanczos, from a fixed start."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    operator = LinearOperator((size, size), matvec=lambda x: apply(x.ravel()), dtype=np.float64)  # type: ignore
    start = np.random.default_rng(0).standard_normal(size)
    for tol, n_vectors in _LANCZOS:
        try:
            values, vectors = eigsh(
                operator,  # type: ignore[arg-type]
                k=1,
                which="LA",
                v0=start,
                tol=tol,  # type: ignore[arg-type]
                ncv=min(n_vectors, size),
                maxiter=_MOST_RESTARTS,
            )
        except ArpackNoConvergence:
            continue
        return float(values[0]), vectors[:, 0]
    raise InputError("The leading singular values of the observation map are too close to be computed.")
