"""Small things that fits share: a decomposition of products, and root mean squares."""

from __future__ import annotations

import numpy as np


def thin_svd(U: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thin singular value decomposition of ``U V^T`` through two QR decompositions."""
    Ql, Rl = np.linalg.qr(U)
    Qr, Rr = np.linalg.qr(V)
    a, s, bt = np.linalg.svd(Rl @ Rr.T, full_matrices=False)
    return Ql @ a, s, bt @ Qr.T


def rms(misfit: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Root (weighted) mean square."""
    return float(np.sqrt(np.average(misfit**2, weights=weights)))


def both_errors(misfit: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Root (weighted) mean square, and (weighted) mean absolute value."""
    return rms(misfit, weights), float(np.average(np.abs(misfit), weights=weights))
