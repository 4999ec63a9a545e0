"""Literal NumPy twins of the compiled kernels of this package: slow, plain, and under the same tests."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.stats import truncnorm


def gram_blocks(indptr: np.ndarray, indices: np.ndarray, V: np.ndarray) -> np.ndarray:
    """``H_i = sum_{j in row i} v_j v_j^T``, shape (m, r, r)."""
    factors = [V[indices[a:b]] for a, b in pairwise(indptr)]
    return np.array([W.T @ W for W in factors])


def jacobian_transpose(
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    V: np.ndarray,
) -> np.ndarray:
    """``sum_{j in row i} (x_ij - left_i . right_j) v_j``, shape (m, r)."""
    values = values if values.size else np.zeros(indices.size)
    rows = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    misfit = values - cell_products(rows, indices, left, right)
    return np.array([misfit[a:b] @ V[indices[a:b]] for a, b in pairwise(indptr)])


def schur_complement(
    indptr: np.ndarray,
    indices: np.ndarray,
    U: np.ndarray,
    V: np.ndarray,
    H_inverse: np.ndarray,
    damping: float,
) -> np.ndarray:
    """``damping I + J_c^T J_c - J_c^T J_r H^-1 J_r^T J_c`` with the Jacobians written out; full matrix."""
    (m, r), n = U.shape, V.shape[0]
    rows = np.repeat(np.arange(m), np.diff(indptr))
    J_rows, J_cols = np.zeros((rows.size, m * r)), np.zeros((rows.size, n * r))
    for cell, (i, j) in enumerate(zip(rows, indices, strict=True)):
        J_rows[cell, i * r : (i + 1) * r] = V[j]
        J_cols[cell, j * r : (j + 1) * r] = U[i]
    H_big = np.zeros((m * r, m * r))
    for i in range(m):
        H_big[i * r : (i + 1) * r, i * r : (i + 1) * r] = H_inverse[i]
    cross = J_rows.T @ J_cols
    return damping * np.eye(n * r) + J_cols.T @ J_cols - cross.T @ H_big @ cross


def second_moments(mean: np.ndarray, cov: np.ndarray, free: np.ndarray) -> np.ndarray:
    """``mean_j mean_j^T + cov_j``, packed; `cov` is packed and holds the `free` coordinates only."""
    K = mean.shape[1]
    out = []
    for row, packed in zip(mean, cov, strict=True):
        full = np.outer(row, row)
        full[np.ix_(free, free)] += unpack(packed, free.size)
        out.append(full[np.tril_indices(K)])
    return np.array(out)


def unpack(packed: np.ndarray, size: int) -> np.ndarray:
    """Symmetric matrix from its lower triangle, row by row."""
    full = np.zeros((size, size))
    full[np.tril_indices(size)] = packed
    return full + np.tril(full, -1).T


def update_rows(
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    mean: np.ndarray,
    second: np.ndarray,
    free: np.ndarray,
    fixed: int,
    prior: np.ndarray,
    prior_rhs: np.ndarray,
    noise: float,
    shrinkage: float,
    n_rounds: int,
    out: np.ndarray,
    cov: np.ndarray,
    row_noise: np.ndarray,
) -> None:
    """Posterior of every row's factors, into `out`, `cov` and `row_noise` (see the compiled one)."""
    K = mean.shape[1]
    for i, (a, b) in enumerate(pairwise(indptr)):
        j, w, x = indices[a:b], weights[a:b], values[a:b]
        M = sum((w[k] * unpack(second[j[k]], K) for k in range(b - a)), np.zeros((K, K)))
        sums = (M[np.tril_indices(K)][None], ((w * x) @ mean[j])[None], np.array([w @ x**2]))
        update_from_sums(
            *sums, np.array([b - a]), free, fixed, prior, prior_rhs, noise, shrinkage, n_rounds,
            out[i : i + 1], cov[i : i + 1], row_noise[i : i + 1],
        )  # fmt: skip


def update_from_sums(
    second: np.ndarray,
    first: np.ndarray,
    squares: np.ndarray,
    n_cells: np.ndarray,
    free: np.ndarray,
    fixed: int,
    prior: np.ndarray,
    prior_rhs: np.ndarray,
    noise: float,
    shrinkage: float,
    n_rounds: int,
    out: np.ndarray,
    cov: np.ndarray,
    row_noise: np.ndarray,
) -> None:
    """The same from the sums over each row's entries (see the compiled one)."""
    for i, y in enumerate(first):
        M = unpack(second[i], y.size)
        for _ in range(n_rounds):
            s = noise * row_noise[i, 0]
            rhs = y[free] - (M[free, fixed] * out[i, fixed] if fixed >= 0 else 0.0)
            S = np.linalg.inv(M[np.ix_(free, free)] / s + np.diag(prior))
            out[i, free] = S @ (rhs / s + prior_rhs)
            u = out[i]
            misfit = squares[i] - 2 * u @ y + u @ M @ u + np.sum(S * M[np.ix_(free, free)])
            row_noise[i, 1] = max(misfit, 0.0)
            if np.isfinite(shrinkage):
                row_noise[i, 0] = (row_noise[i, 1] / noise + shrinkage) / (n_cells[i] + shrinkage)
        cov[i] = S[np.tril_indices(free.size)]


def add_sums(
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    mean: np.ndarray,
    second: np.ndarray,
    sums: np.ndarray,
    first: np.ndarray,
    squares: np.ndarray,
) -> None:
    """Sums over the rows' entries, added to those of the columns."""
    i = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    np.add.at(sums, indices, weights[:, None] * second[i])
    np.add.at(first, indices, (weights * values)[:, None] * mean[i])
    np.add.at(squares, indices, weights * values**2)


def cell_products(rows: np.ndarray, cols: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``u_i . v_j`` at some cells."""
    return np.array([left[i] @ right[j] for i, j in zip(rows, cols, strict=True)])


def cell_variances(
    rows: np.ndarray,
    cols: np.ndarray,
    left: np.ndarray,
    left_second: np.ndarray,
    right: np.ndarray,
    right_second: np.ndarray,
) -> np.ndarray:
    """``tr(E[u u^T] E[v v^T]) - (u . v)^2`` at some cells."""
    K = left.shape[1]
    pairs = zip(rows, cols, strict=True)
    return np.array(
        [
            np.sum(unpack(left_second[i], K) * unpack(right_second[j], K)) - (left[i] @ right[j]) ** 2
            for i, j in pairs
        ]
    )


def draw_rows(
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    by_gaps: np.ndarray,
    gap_indptr: np.ndarray,
    gap_indices: np.ndarray,
    other: np.ndarray,
    other_weights: np.ndarray,
    free: np.ndarray,
    fixed: int,
    noise: np.ndarray,
    center: np.ndarray,
    precision: np.ndarray,
    normals: np.ndarray,
    mean: np.ndarray,
    draw: np.ndarray,
) -> None:
    """Draws of every row's factors, and their means, into `draw` and `mean` (see the compiled one)."""
    for i, (a, b) in enumerate(pairwise(indptr)):
        V, x = other[indices[a:b]], values[a:b]
        w = weights[a:b] * other_weights[indices[a:b]] / noise[i]
        if fixed >= 0:
            x = x - mean[i, fixed] * V[:, fixed]
        V = V[:, free]
        H = V.T @ (w[:, None] * V)
        if by_gaps[i]:
            gaps = gap_indices[gap_indptr[i] : gap_indptr[i + 1]]
            H = sum(other_weights[j] * np.outer(other[j, free], other[j, free]) for j in range(len(other)))
            H -= sum(other_weights[j] * np.outer(other[j, free], other[j, free]) for j in gaps)
            H /= noise[i]
        H += precision
        mean[i, free] = np.linalg.solve(H, precision @ center + V.T @ (w * x))
        draw[i, free] = mean[i, free] + np.linalg.solve(np.linalg.cholesky(H).T, normals[i])


def row_squares(
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    own: np.ndarray,
    other: np.ndarray,
    other_weights: np.ndarray,
) -> np.ndarray:
    """Weighted sums of every row's squared misfits."""
    rows = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    squares = (values - cell_products(rows, indices, own, other)) ** 2
    return np.array([(weights * other_weights[indices])[a:b] @ squares[a:b] for a, b in pairwise(indptr)])


def row_sums(
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    by_gaps: np.ndarray,
    gap_indptr: np.ndarray,
    gap_indices: np.ndarray,
    other_weights: np.ndarray,
    mean: np.ndarray,
    second: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted sums over the entries of every row: of second moments, values times means, and squares."""
    m, K = indptr.size - 1, mean.shape[1]
    M, y, squares = np.zeros((m, second.shape[1])), np.zeros((m, K)), np.zeros(m)
    for i, (a, b) in enumerate(pairwise(indptr)):
        j, x = indices[a:b], values[a:b]
        w = weights[a:b] * other_weights[j]
        M[i], y[i], squares[i] = w @ second[j], (w * x) @ mean[j], w @ x**2
        if by_gaps[i]:
            gaps = gap_indices[gap_indptr[i] : gap_indptr[i + 1]]
            M[i] = other_weights @ second - other_weights[gaps] @ second[gaps]
    return M, y, squares


def smooth(
    order: np.ndarray,
    M: np.ndarray,
    y: np.ndarray,
    squares: np.ndarray,
    free: np.ndarray,
    fixed: int,
    diagonal: np.ndarray,
    link: np.ndarray,
    noise: np.ndarray,
    out: np.ndarray,
    cov: np.ndarray,
    misfit: np.ndarray,
) -> np.ndarray:
    """Posterior of all rows, into `out`, `cov` and `misfit`, from their whole precision matrix; returns the
    covariances with the row before (see the compiled one).
    """
    (m, F), K = diagonal.shape, y.shape[1]
    precision, rhs = np.zeros((m, F, m, F)), np.zeros((m, F))
    for t, i in enumerate(order):
        M_i = unpack(M[i], K)
        precision[t, :, t] = M_i[np.ix_(free, free)] / noise[i] + np.diag(diagonal[t])
        rhs[t] = (y[i, free] - (M_i[free, fixed] * out[i, fixed] if fixed >= 0 else 0.0)) / noise[i]
        if t:
            precision[t, :, t - 1] = precision[t - 1, :, t] = -np.diag(link[t])
    joint = np.linalg.inv(precision.reshape(m * F, m * F))
    mean, joint = (joint @ rhs.ravel()).reshape(m, F), joint.reshape(m, F, m, F)
    cross = np.zeros((m, F))
    for t, i in enumerate(order):
        M_i, S = unpack(M[i], K), joint[t, :, t]
        out[i, free], cov[i] = mean[t], S[np.tril_indices(F)]
        total = squares[i] - 2 * out[i] @ y[i] + out[i] @ M_i @ out[i] + np.sum(S * M_i[np.ix_(free, free)])
        misfit[i] = max(total, 0.0)
        if t:
            cross[t] = np.diag(joint[t, :, t - 1])
    return cross


def draw_ranges(
    at: np.ndarray,
    rows: np.ndarray,
    cols: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    noise: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    uniforms: np.ndarray,
    values: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
) -> None:
    """Draws from truncated normal distributions, and their first two moments (see the compiled one)."""
    mean, sd = cell_products(rows, cols, left, right), np.sqrt(noise)
    truncated = truncnorm((lower - mean) / sd, (upper - mean) / sd, mean, sd)
    values[at] = truncated.ppf(uniforms)
    first[:] = truncated.mean()
    second[:] = truncated.var() + truncated.mean() ** 2


def draw_largest(
    begins: np.ndarray,
    sizes: np.ndarray,
    levels: np.ndarray,
    rows: np.ndarray,
    cols: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    noise: np.ndarray,
    offsets: np.ndarray,
    units: np.ndarray,
    uniforms: np.ndarray,
    values: np.ndarray,
) -> None:
    """Draws of blocks of cells of which one is the largest (see the compiled one)."""
    mean, sd = cell_products(rows, cols, left, right), np.sqrt(noise)
    for begin, size, level in zip(begins, sizes, levels, strict=True):
        for k in range(size):
            utilities = offsets + units * values
            others = [utilities[begin + other] for other in range(size) if other != k]
            low, high = -np.inf, 0.0
            if level == k + 1:
                low, high = max([0.0, *others]), np.inf
            elif level:
                high = utilities[begin + level - 1]
            x = begin + k
            low, high = (low - offsets[x]) / units[x], (high - offsets[x]) / units[x]
            a, b = (low - mean[x]) / sd[x], (high - mean[x]) / sd[x]
            values[x] = truncnorm(a, b, mean[x], sd[x]).ppf(uniforms[x])
