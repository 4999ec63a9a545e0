"""New columns from the sums of a pass, the coordinates in which factors are told apart, and fewer of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..completion.solvers.kernels.column_sums import update_from_sums
from ..completion.solvers.kernels.variational import second_moments
from .state import State
from .sweep import PRIOR_CELLS, Sums

# relative variance that the noise never falls below, as in memory
_LEAST_NOISE = 1e-12
# singular values below this fraction of the largest are treated as that large when coordinates are scaled
_LEAST = 1e-9


def singular_values(state: State, sums: Sums) -> np.ndarray:
    """Of the low-rank part of the fit, from the moments of both sides: a posterior mean of ``U V^T``."""
    return _canonical(state, sums.gram)[0]


def advance(state: State, sums: Sums) -> State:
    """The next state: the rows' priors and the noise, then columns, their priors and the noise again.

    Then coordinates are turned to those in which ``E[U^T U] = E[V^T V]`` is diagonal: the priors, independent
    in every coordinate, are best there, and sweeps converge sooner (Luttinen and Ilin 2010).
    """
    misfit, n_cells, n_rows = sums.totals
    row_prior = n_rows / np.maximum(_diagonal(sums.gram, state.row_free), 1e-300)
    noise = max(float(misfit / n_cells), _LEAST_NOISE)
    mean, cov, col_noise = state.mean.copy(), np.empty_like(state.cov), state.col_noise.copy()
    free = state.col_free
    update_from_sums(
        sums.second, sums.first, sums.squares, sums.cells, free, state.col_fixed, state.col_prior,
        np.zeros(free.size), noise, state.prior_cells, 1, mean, cov, col_noise,
    )  # fmt: skip
    places = np.arange(free.size) * (np.arange(free.size) + 3) // 2
    col_prior = 1 / np.maximum(np.mean(mean[:, free] ** 2 + cov[:, places], axis=0), 1e-300)
    noise = max(float(np.sum(col_noise[:, 1] / col_noise[:, 0]) / n_cells), _LEAST_NOISE)
    spread = (col_noise[:, 1] / noise + PRIOR_CELLS) / (sums.due + PRIOR_CELLS)
    state = replace(
        state,
        mean=mean,
        cov=cov,
        col_noise=col_noise,
        row_prior=row_prior,
        col_prior=col_prior,
        noise=noise,
        spread=spread,
        known=np.ones_like(state.known),
        sweeps=state.sweeps + 1,
    )
    return _turned(state, sums)


def with_rank(state: State, rank: int) -> State:
    """Only the first factors, which are the strongest."""
    kept = np.array([*range(rank), *range(state.rank, state.size)], dtype=np.int64)
    col_kept = np.array([*range(rank), *range(state.rank, state.col_free.size)], dtype=np.int64)
    row_kept = np.array([*range(rank), *range(state.rank, state.row_free.size)], dtype=np.int64)
    return replace(
        state,
        rank=rank,
        mean=np.ascontiguousarray(state.mean[:, kept]),
        cov=np.ascontiguousarray(state.cov[:, _packed_places(col_kept)]),
        row_prior=state.row_prior[row_kept],
        col_prior=state.col_prior[col_kept],
        history=(),
    )


def with_more(state: State, rank: int, rng: np.random.Generator) -> State:
    """More factors, small and random: sweeps turn them into what the residuals hold, or shrink them."""
    n, more, old = state.mean.shape[0], rank - state.rank, state.rank
    size = float(np.sqrt(1 / state.col_prior[old - 1])) if old else 1.0
    new = replace(
        state,
        rank=rank,
        mean=np.insert(state.mean, [old] * more, 0.3 * size * rng.standard_normal((n, more)), axis=1),
        row_prior=np.insert(state.row_prior, [old] * more, state.row_prior[old - 1] if old else 1.0),
        col_prior=np.insert(state.col_prior, [old] * more, 1 / size**2),
        history=(),
    )
    F = new.col_free.size
    cov = np.zeros((n, F * (F + 1) // 2))
    kept = np.array([*range(old), *range(rank, F)], dtype=np.int64)
    cov[:, _packed_places(kept)] = state.cov
    return replace(new, cov=cov)


def _turned(state: State, sums: Sums) -> State:
    r = state.rank
    if not r:
        return state
    _, by_col, by_row, gram = _canonical(state, sums.gram)
    mean = state.mean.copy()
    mean[:, :r] = mean[:, :r] @ by_col
    F = state.col_free.size
    turn = np.eye(F)
    turn[:r, :r] = by_col
    cov = _transformed(state.cov, turn)
    row_prior, col_prior = state.row_prior.copy(), state.col_prior.copy()
    row_prior[:r] = sums.totals[2] / np.maximum(np.diag(by_row.T @ gram @ by_row), 1e-300)
    places = np.arange(r) * (np.arange(r) + 3) // 2
    col_prior[:r] = 1 / np.maximum(np.mean(mean[:, :r] ** 2 + cov[:, places], axis=0), 1e-300)
    return replace(state, mean=mean, cov=cov, row_prior=row_prior, col_prior=col_prior)


def _canonical(
    state: State, packed_gram: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Singular values s, and A, B with ``(V A)^T (V A) = (U B)^T (U B) = diag(s)`` and ``A B^T = 1``."""
    r = state.rank
    gram = _unpacked(packed_gram, state.size)[:r, :r]
    second = second_moments(state.mean, state.cov, state.col_free).sum(axis=0)
    other = _unpacked(second, state.size)[:r, :r]
    if not r:
        return np.empty(0), other, gram, gram
    values, Q = np.linalg.eigh(gram)
    values = np.maximum(values, _LEAST**2 * max(float(values[-1]), 1e-300))
    L = Q * np.sqrt(values)
    squares, W = np.linalg.eigh(L.T @ other @ L)
    squares, W = squares[::-1], W[:, ::-1]
    s = np.sqrt(np.maximum(squares, _LEAST**2 * max(float(squares[0]), 1e-300)))
    by_col = L @ W / np.sqrt(s)
    by_row = (Q / np.sqrt(values)) @ W * np.sqrt(s)
    return s, by_col, by_row, gram


def _unpacked(packed: np.ndarray, K: int) -> np.ndarray:
    full = np.zeros((*packed.shape[:-1], K, K))
    i, j = np.tril_indices(K)
    full[..., i, j] = packed
    full[..., j, i] = packed
    return full


def _transformed(cov: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """``T^T C T`` of packed matrices, some at a time."""
    F, out = turn.shape[0], np.empty_like(cov)
    i, j = np.tril_indices(F)
    for a in range(0, cov.shape[0], 4096):
        full = turn.T @ _unpacked(cov[a : a + 4096], F) @ turn
        out[a : a + 4096] = full[:, i, j]
    return out


def _packed_places(kept: np.ndarray) -> np.ndarray:
    """Places of some coordinates' covariances in a packed matrix."""
    i, j = np.tril_indices(kept.size)
    a, b = np.maximum(kept[i], kept[j]), np.minimum(kept[i], kept[j])
    return a * (a + 1) // 2 + b


def _diagonal(packed: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    return packed[coordinates * (coordinates + 3) // 2]
