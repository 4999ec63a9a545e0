"""Factors of new rows drawn from their conditional distribution, given a state of a Gibbs chain."""

from __future__ import annotations

import numpy as np

from ...compute.threads import threads_for
from ...problem import Problem
from .factor_prior import draw_prior
from .gaps import Gaps
from .gibbs import Sampler
from .kernels import gibbs as kernels
from .posterior import compressed


def draw_new_rows(
    chain: Sampler, cells: Problem, known: np.ndarray, normals: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Factors of rows that the chain has not seen, shape (k, K).

    Parameters
    ----------
    chain : Sampler
    cells : Problem
        Standardised entries of the new rows, k x n; rows may be empty.
    known : ndarray, shape (k, K)
        The known coordinate is read.
    normals : ndarray, shape (k, F)
        Standard normal numbers.
    rng : Generator
        Draws the prior of the rows, given the rows of the chain.
    """
    free, fixed = chain.start.rows.free, chain.start.rows.fixed
    center, precision = draw_prior(chain.rows[:, free], rng)
    indptr, indices, values, weights = compressed(cells)
    k = known.shape[0]
    none, mean, draw = Gaps.none(k), known.copy(), known.copy()
    with threads_for(indices.size * free.size + k * free.size**3 / 3):
        kernels.draw_rows(
            indptr, indices, values, weights, none.by_gaps, none.indptr, none.indices, chain.cols,
            1 / chain.col_scale, free, fixed, np.full(k, chain.noise), center, precision, normals, mean, draw,
        )  # fmt: skip
    return draw
