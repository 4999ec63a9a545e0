"""Factors of rows that follow each other, given those of the columns: a smoother over all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...compute.threads import threads_for
from .gaps import Gaps, may_subtract
from .kernels import chain as kernels
from .posterior import Compressed, Posterior, Side

Sums = tuple[np.ndarray, np.ndarray, np.ndarray]


def smoothed(
    cells: Compressed, gaps: Gaps | None, other: Side, own: Side, posterior: Posterior, rounds: int
) -> tuple[Side, np.ndarray]:
    """Means and covariances of all rows of a chain, or of independent ones, and noise scales.

    Parameters
    ----------
    cells : tuple
        Compressed sparse rows with their weights.
    gaps : Gaps or None
        Missing cells of rows that have few, from which their sums are made.
    other, own : Side
        The means of the priors of `own` are 0.
    posterior : Posterior
        Noise and noise model.
    rounds : int
        How often factors and noise scales are found in turn.

    Returns
    -------
    Side, ndarray of shape (k, F)
        And the covariances of every row's coordinates with those of the row before, in the chain's order.
    """
    m, F = own.mean.shape[0], own.free.size
    mean, cov, axis_noise = own.mean.copy(), np.zeros((m, F * (F + 1) // 2)), own.axis_noise.copy()
    misfit, cross = np.zeros(m), np.zeros((m, F))
    if own.chain is None:
        order, diagonal, link = np.arange(m), np.tile(own.prior, (m, 1)), np.zeros((m, F))
    else:
        order, (diagonal, link) = own.chain.order, own.chain.precisions(own.prior)
    shrinkage = np.inf if own.chain is not None else posterior.noise_model.prior_cells
    summed = cells[1].size if gaps is None else gaps.summed
    with threads_for(summed * F**2 + 3 * m * F**3):
        sums = _sums(cells, gaps, other, own, posterior)
        for _ in range(rounds):
            noise = posterior.noise * axis_noise[:, 0]
            cross = kernels.smooth(
                order, *sums, own.free, own.fixed, diagonal, link, noise, mean, cov, misfit
            )
            axis_noise[:, 1] = misfit
            if np.isfinite(shrinkage):
                counts = np.diff(cells[0])
                axis_noise[:, 0] = (misfit / posterior.noise + shrinkage) / (counts + shrinkage)
    return replace(own, mean=mean, cov=cov, axis_noise=axis_noise), cross


def _sums(cells: Compressed, gaps: Gaps | None, other: Side, own: Side, posterior: Posterior) -> Sums:
    """Sums over the cells of every row."""
    second = other.second()
    q = np.ones(other.mean.shape[0]) if posterior.noise_model.is_equal else 1 / other.noise_scale
    largest = np.max(q @ second, initial=0.0) / posterior.noise
    if gaps is None or not may_subtract(float(largest), float(own.prior.min(initial=np.inf))):
        gaps = Gaps.none(cells[0].size - 1)
    return kernels.row_sums(*cells, gaps.by_gaps, gaps.indptr, gaps.indices, q, other.mean, second)


def with_likeliest_chain(side: Side, cross: np.ndarray) -> Side:
    """Coefficients and stationary variances of largest evidence, given the smoothed factors."""
    assert side.chain is not None
    order = side.chain.order
    mean = side.mean[order][:, side.free]
    places = np.arange(side.free.size)
    squares = mean**2 + side.cov[order][:, places * (places + 3) // 2]
    products = cross
    products[1:] += mean[1:] * mean[:-1]
    chain, variances = side.chain.likeliest(squares, products)
    return replace(side, chain=chain, prior=1 / variances)


def following(cells: Compressed, other: Side, own: Side, posterior: Posterior, units: np.ndarray) -> Side:
    """Rows that come after the last one of a chain, each one step after the one before.

    What is known of the last row is the mean and covariance of its coordinates: at the end of a chain the
    smoother is the filter. `units`, shape (k,), is the known coordinate of the new rows, if there is one.
    """
    assert own.chain is not None
    k, K, F = cells[0].size - 1, own.mean.shape[1], own.free.size
    last = own.chain.order[-1]
    covariance = np.zeros((F, F))
    covariance[np.tril_indices(F)] = own.cov[last]
    chain = own.chain.of_its_own(k + 1)
    diagonal, link = chain.precisions(own.prior)
    diagonal[0] -= own.prior  # the last row has been told by those before it
    known = np.zeros((K, K))
    known[np.ix_(own.free, own.free)] = np.linalg.inv(covariance + np.tril(covariance, -1).T)
    state = own.mean[last].copy()
    mean, cov, misfit = np.zeros((k + 1, K)), np.zeros((k + 1, F * (F + 1) // 2)), np.zeros(k + 1)
    if own.has_known:
        mean[1:, own.fixed], state[own.fixed] = units, 0.0
    with threads_for(cells[1].size * F**2 + 3 * k * F**3):
        M, y, squares = _sums(cells, None, other, own, posterior)
        M, y = np.vstack([known[np.tril_indices(K)], M]), np.vstack([known @ state, y])
        squares, noise = np.append(0.0, squares), np.append(1.0, np.full(k, posterior.noise))
        kernels.smooth(
            chain.order, M, y, squares, own.free, own.fixed, diagonal, link, noise, mean, cov, misfit
        )
    axis_noise = np.column_stack([np.ones(k), misfit[1:]])
    return replace(own, mean=mean[1:], cov=cov[1:], axis_noise=axis_noise, chain=chain.of_its_own(k))
