"""Inner loops over one layer. Storage: W_1 transposed, every other layer by rows; see ``layout``."""

from __future__ import annotations

from numba import njit

# no "nnan" and no "ninf": with them LLVM may drop the comparison that detects divergence
FASTMATH = {"reassoc", "contract", "arcp", "nsz"}
OPTIONS = {"cache": True, "nogil": True, "fastmath": FASTMATH}


@njit(**OPTIONS)
def update_forward_backward(W, coef, b_old, f_old, b_new, f_new, f_out, b_out):
    """One pass over a layer: ``W -= coef b_old f_old^T``, then ``f_out = W f_new``, ``b_out = W^T b_new``.

    Two rows at a time: four would pass the number of run-time overlap checks LLVM is willing to make,
    and the loop would not be vectorised.
    """
    n_rows, n_cols = W.shape
    for j in range(n_cols):
        b_out[j] = 0
    for half in range(n_rows // 2):
        k = 2 * half
        step0, step1 = coef * b_old[k], coef * b_old[k + 1]
        back0, back1 = b_new[k], b_new[k + 1]
        total0 = W.dtype.type(0)
        total1 = W.dtype.type(0)
        for j in range(n_cols):
            w0 = W[k, j] - step0 * f_old[j]
            W[k, j] = w0
            total0 += w0 * f_new[j]
            w1 = W[k + 1, j] - step1 * f_old[j]
            W[k + 1, j] = w1
            total1 += w1 * f_new[j]
            b_out[j] += back0 * w0 + back1 * w1
        f_out[k] = total0
        f_out[k + 1] = total1
    if n_rows % 2:
        k = n_rows - 1
        step0, back0 = coef * b_old[k], b_new[k]
        total0 = W.dtype.type(0)
        for j in range(n_cols):
            w0 = W[k, j] - step0 * f_old[j]
            W[k, j] = w0
            total0 += w0 * f_new[j]
            b_out[j] += back0 * w0
        f_out[k] = total0


@njit(**OPTIONS)
def update_forward(W, coef, b_old, f_old, f_new, f_out):
    """``W -= coef b_old f_old^T``, then ``f_out = W f_new``, in one pass."""
    n_rows, n_cols = W.shape
    for k in range(n_rows):
        step = coef * b_old[k]
        total = W.dtype.type(0)
        for j in range(n_cols):
            w = W[k, j] - step * f_old[j]
            W[k, j] = w
            total += w * f_new[j]
        f_out[k] = total


@njit(**OPTIONS)
def backward(W, b_in, b_out):
    """``b_out = W^T b_in``."""
    n_rows, n_cols = W.shape
    for j in range(n_cols):
        b_out[j] = 0
    for k in range(n_rows):
        back = b_in[k]
        for j in range(n_cols):
            b_out[j] += back * W[k, j]


@njit(**OPTIONS)
def dot(x, y, size):
    """Inner product of the first `size` entries."""
    total = x.dtype.type(0)
    for k in range(size):
        total += x[k] * y[k]
    return total


@njit(**OPTIONS)
def subtract(target, coef, x, size):
    """``target -= coef x``."""
    for k in range(size):
        target[k] -= coef * x[k]


@njit(**OPTIONS)
def fold(flat, scale, tiny):
    """Multiply the stored weights by the decay scalar and drop what is on its way to underflow."""
    factor = flat.dtype.type(scale)
    for k in range(flat.size):
        w = flat[k] * factor
        # asked this way round, a NaN stays one and is seen by the next residual
        flat[k] = flat.dtype.type(0) if abs(w) < tiny else w


@njit(**OPTIONS)
def times_transposed(X, W, out, count):
    """``out[e] = W X[e]`` for the first `count` rows; each row of W serves all e while it is in cache."""
    n_rows, n_cols = W.shape
    for k in range(n_rows):
        for e in range(count):
            total = W.dtype.type(0)
            for j in range(n_cols):
                total += W[k, j] * X[e, j]
            out[e, k] = total


@njit(**OPTIONS)
def times(X, W, out, count):
    """``out[e] = W^T X[e]`` for the first `count` rows."""
    n_rows, n_cols = W.shape
    for e in range(count):
        for j in range(n_cols):
            out[e, j] = 0
    for k in range(n_rows):
        for e in range(count):
            x = X[e, k]
            for j in range(n_cols):
                out[e, j] += x * W[k, j]


@njit(**OPTIONS)
def subtract_products(W, coef, B, F, count):
    """``W -= coef sum_e B[e] F[e]^T`` over the first `count` rows of B and F."""
    n_rows, n_cols = W.shape
    for k in range(n_rows):
        for e in range(count):
            step = coef * B[e, k]
            for j in range(n_cols):
                W[k, j] -= step * F[e, j]
