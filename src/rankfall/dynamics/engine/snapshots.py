"""Weights at the records of a run, as the kernels hold them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Snapshots:
    """Stored weights at the records, exactly as in the kernels, so that `replay` can start there.

    Attributes
    ----------
    buffers : ndarray, shape (n_records, n_chains, row_size)
    scales : ndarray, shape (n_records, n_chains)
    widths : ndarray of int64, shape (n_records, n_chains, depth + 1)
    bounds : ndarray, shape (n_records, n_chains)
        Accumulated deflation bounds.
    """

    buffers: np.ndarray
    scales: np.ndarray
    widths: np.ndarray
    bounds: np.ndarray
