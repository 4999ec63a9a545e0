"""Small things that fits share: a decomposition of products, and root mean squares."""

from __future__ import annotations

import numpy as np

from .parallel import threads_for


def thin_svd(U: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thin singular value decomposition of ``U V^T`` through two QR decompositions."""
    Ql, Rl = np.linalg.qr(U)
    Qr, Rr = np.linalg.qr(V)
    a, s, bt = np.linalg.svd(Rl @ Rr.T, full_matrices=False)
    return Ql @ a, s, bt @ Qr.T


def products(rows: np.ndarray, cols: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``u_i . v_j`` at some cells; left (m, r), right (n, r). No array of cells x r numbers is made."""
    from .posterior_kernels import cell_products

    # every memory layout would be compiled once more
    left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
    with threads_for(rows.size * left.shape[1]):
        return cell_products(rows, cols, left, right)


def rms(misfit: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Root (weighted) mean square."""
    return float(np.sqrt(np.average(misfit**2, weights=weights)))


def both_errors(misfit: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Root (weighted) mean square, and (weighted) mean absolute value."""
    return rms(misfit, weights), float(np.average(np.abs(misfit), weights=weights))
