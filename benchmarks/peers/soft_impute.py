r"""Soft-impute: nuclear-norm regularised completion by iterated soft-thresholding of singular values.

Minimised is, with P the projection on the observed cells,

    1/2 |P(X - Z)|_F^2 + lambda |Z|_*,

as in R. Mazumder, T. Hastie, R. Tibshirani, "Spectral regularization algorithms for learning large
incomplete matrices", JMLR 11 (2010), and in the R package softImpute. The iteration is theirs, ``Z <-
S_lambda(P(X) + P'(Z))`` with warm starts along a falling path of lambda. Steps are extrapolated with
Nesterov's momentum, started afresh when the objective rises (Yao and Kwok, IJCAI 2015): the minimum is the
same, fewer steps lead to it. Z is the minimiser if and only if ``P(X - Z) = lambda (U V^T + W)`` with U, V
the singular vectors of Z, ``U^T W = 0``, ``W V = 0`` and ``|W|_2 <= 1``; :func:`stationarity` says how far Z
is from that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

import rankfall as rf

from .effects import fit_effects
from .tuning import Answer, Judge, Prediction, Setting, Task, rmse, walk

_STEP = 0.75
_FLOOR = 1e-7
_PATIENCE = 3
# of lambda, and of the matrix itself: at a tiny lambda (data almost without noise) the first is out of reach
_TOLERANCE = 0.01
_LEAST_CHANGE = 1e-6
_MAX_STEPS = 1000
# what is taken out before the low-rank part: nothing but the mean, column means, row and column effects
CENTRINGS = ("mean", "columns", "both")


@dataclass(frozen=True, eq=False)
class Shrunk:
    """A matrix whose singular values were lowered by lambda: the matrix, its rank, its nuclear norm."""

    matrix: np.ndarray
    rank: int
    nuclear_norm: float


def shrink(matrix: np.ndarray, penalty: float) -> Shrunk:
    """Soft-threshold the singular values, ``S_lambda(Y) = U (s - lambda)_+ V^T``.

    From the eigenvectors V of the smaller Gram matrix: ``S_lambda(Y) = Y V (1 - lambda / s)_+ V^T``. Singular
    values below 1e-8 of the largest are lost to rounding; the paths here end above that.
    """
    if matrix.shape[0] < matrix.shape[1]:
        turned = shrink(matrix.T, penalty)
        return Shrunk(turned.matrix.T, turned.rank, turned.nuclear_norm)
    # only what survives is computed
    squares, V = eigh(matrix.T @ matrix, subset_by_value=(penalty**2, np.inf), check_finite=False)
    s = np.sqrt(squares)
    factor = 1 - penalty / s
    return Shrunk((matrix @ (V * factor)) @ V.T, s.size, float(np.sum(s - penalty)))


def largest_penalty(train: rf.Problem, values: np.ndarray) -> float:
    """The smallest lambda whose solution is zero: the largest singular value of P(X)."""
    return float(np.linalg.norm(_dense(train, values), 2))


def solve(
    train: rf.Problem,
    values: np.ndarray,
    penalty: float,
    start: np.ndarray,
    tolerance: float = _TOLERANCE,
    max_steps: int = _MAX_STEPS,
) -> Shrunk:
    """Minimise the objective from a starting matrix.

    Stops when a step changes the matrix by less than `tolerance` times lambda in the Frobenius norm, or by
    less than a millionth of its own norm (or `tolerance` of it, if that is less).
    """
    here, ahead, weight = start, start, 1.0
    best, now = np.inf, Shrunk(start, 0, 0.0)
    cells, least = (train.rows, train.cols), min(tolerance, _LEAST_CHANGE)
    for _ in range(max_steps):
        filled = ahead.copy()
        filled[cells] = values
        now = shrink(filled, penalty)
        value = 0.5 * np.sum((now.matrix[cells] - values) ** 2) + penalty * now.nuclear_norm
        change = np.linalg.norm(now.matrix - here)
        if value > best:
            # the extrapolation went too far: from here on without momentum
            ahead, weight = here, 1.0
            best = np.inf
            continue
        if change <= max(tolerance * penalty, least * np.linalg.norm(here)):
            break
        best, larger = value, (1 + np.sqrt(1 + 4 * weight**2)) / 2
        ahead = now.matrix + (weight - 1) / larger * (now.matrix - here)
        here, weight = now.matrix, larger
    return now


def stationarity(train: rf.Problem, values: np.ndarray, penalty: float, Z: np.ndarray) -> float:
    """Distance of Z from the minimiser's condition, relative to lambda (0 at the minimum)."""
    gradient = _dense(train, values - Z[train.rows, train.cols])
    U, s, Vt = np.linalg.svd(Z, full_matrices=False)
    kept = s > 1e-9 * max(s[0], penalty)
    U, Vt = U[:, kept], Vt[kept]
    inside = (
        max(np.abs(U.T @ gradient - penalty * Vt).max(), np.abs(gradient @ Vt.T - penalty * U).max())
        if kept.any()
        else 0.0
    )
    W = gradient - penalty * (U @ Vt)
    outside = W - U @ (U.T @ W) - (W @ Vt.T) @ Vt + U @ (U.T @ W @ Vt.T) @ Vt
    return float(max(inside, np.linalg.norm(outside, 2) - penalty) / penalty)


def soft_impute(task: Task) -> Answer:
    """Centring and lambda chosen on validation cells; the path is walked again on all training cells."""
    judge = Judge(task, _fit)
    for centring in CENTRINGS:
        _walk(judge, centring)
    return judge.answer()


def _walk(judge: Judge, centring: str) -> None:
    inner = judge.inner
    base, values = centred(inner.train, centring)
    top = largest_penalty(inner.train, values)
    Z = np.zeros(inner.train.shape)

    def error_at(share: float) -> float:
        nonlocal Z
        Z = solve(inner.train, values, share * top, Z).matrix
        error = rmse(inner.finish(inner.at(base + Z)), judge.truth)
        return judge.note({"centring": centring, "lambda_share": share, "lambda": share * top}, error)

    walk(error_at, _STEP, _STEP, _FLOOR, _PATIENCE)


def _fit(task: Task, setting: Setting) -> Prediction:
    """Down the path to the chosen lambda, with warm starts."""
    base, values = centred(task.train, str(setting["centring"]))
    last = float(setting["lambda"])  # type: ignore[arg-type]
    Z = np.zeros(task.train.shape)
    steps = [last]
    while steps[-1] < largest_penalty(task.train, values) * _STEP:
        steps.append(steps[-1] / _STEP)
    shrunk = Shrunk(Z, 0, 0.0)
    for penalty in reversed(steps):
        shrunk = solve(task.train, values, penalty, Z)
        Z = shrunk.matrix
    return Prediction(task.at(base + Z), shrunk.rank)


def centred(train: rf.Problem, centring: str) -> tuple[np.ndarray, np.ndarray]:
    """What is taken out, as a matrix, and the observed values without it."""
    if centring == "mean":
        base = np.full(train.shape, train.values.mean())
    elif centring == "columns":
        base = fit_effects(train, np.inf, 1.0)
    else:
        base = fit_effects(train, 1.0, 1.0)
    return base, train.values - base[train.rows, train.cols]


def _dense(train: rf.Problem, values: np.ndarray) -> np.ndarray:
    out = np.zeros(train.shape)
    out[train.rows, train.cols] = values
    return out
