"""Matrices over the real numbers, the complex numbers and the quaternions, as real matrices.

A matrix over the algebra D with basis ``E_0 = 1, E_1, ..`` (e = 1, 2 or 4 elements) is stored by its real
components, shape (..., e, m, n), or *embedded*: every number becomes the e x e matrix by which it multiplies
D from the left, so that sums, products and conjugate transposes of matrices over D are those of real
matrices of shape (..., m e, n e).
"""

from __future__ import annotations

import numpy as np

# E_a E_b = _SIGNS[a, b] E_(a xor b); the upper left parts are the complex and the real numbers
_SIGNS = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, -1, -1, 1], [1, 1, -1, -1]], dtype=np.float64)


def embed(M: np.ndarray) -> np.ndarray:
    """Real matrices of shape (..., m e, n e) from components of shape (..., e, m, n)."""
    e, m, n = M.shape[-3:]
    out = np.empty((*M.shape[:-3], m, e, n, e))
    for row in range(e):
        for column in range(e):
            a = row ^ column
            out[..., row, :, column] = _SIGNS[a, column] * M[..., a, :, :]
    return out.reshape(*M.shape[:-3], m * e, n * e)


def components(X: np.ndarray, e: int) -> np.ndarray:
    """Components of shape (..., e, m, n) of the embedded matrix that is nearest to X, (..., m e, n e)."""
    m, n = X.shape[-2] // e, X.shape[-1] // e
    split = X.reshape(*X.shape[:-2], m, e, n, e)
    out = np.zeros((*X.shape[:-2], e, m, n))
    for row in range(e):
        for column in range(e):
            a = row ^ column
            out[..., a, :, :] += _SIGNS[a, column] * split[..., row, :, column]
    return out / e


def singular_values(X: np.ndarray, e: int) -> np.ndarray:
    """Singular values over D, each once, of embedded matrices: shape (..., min(m, n))."""
    return np.linalg.svd(X, compute_uv=False)[..., ::e]
