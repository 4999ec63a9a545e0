"""Synthetic problems with known answers."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..argument_checks import not_negative, number, one_of, whole, wholes
from ..errors import InputError
from ..problem import Problem

# A uniform mask is drawn again at most this often. At the information limit of the usual benchmark
# (100 x 100, rank 5, rho 1.05) about one draw in a hundred has enough entries in every row and column.
_MAX_DRAWS = 10_000


def low_rank(
    shape: tuple[int, int],
    *,
    rank: int,
    observed: float | None = None,
    oversampling: float | None = None,
    noise: float = 0.0,
    condition: float = 1.0,
    seed: int = 0,
    min_entries: int | None = None,
    mask: Literal["uniform", "guaranteed"] = "uniform",
) -> tuple[Problem, np.ndarray]:
    """Some entries of a random matrix of known rank.

    The matrix, the observed cells and the noise are drawn from three streams of random numbers, all derived
    from `seed`: another noise or another number of entries leaves the matrix the same.

    Parameters
    ----------
    shape : (int, int)
        Numbers of rows ``m`` and columns ``n``.
    rank : int
        Rank ``r`` of the matrix, from 1 to ``min(m, n)``.
    observed : float, optional
        Fraction of observed cells, above 0 and at most 1.
    oversampling : float, optional
        Observed entries per degree of freedom, ``rho = N / (r (m + n - r))``. Give either this or `observed`.
    noise : float
        Standard deviation of Gaussian noise on the observed entries, relative to the standard deviation of
        the matrix's entries.
    condition : float
        Ratio of the largest to the smallest singular value. 1 means plain Gaussian factors, ``U V^T`` with
        standard normal entries, whose singular values are similar but not equal. Above 1 the spectrum is
        geometric with exactly this ratio, the singular vectors are uniformly distributed (Haar), and the
        entries have root mean square 1.
    seed : int
    min_entries : int, optional
        Least number of observed entries in any row or column; by default `rank`, because fewer do not
        determine a row or column.
    mask : {"uniform", "guaranteed"}
        "uniform": all sets of ``N`` cells are equally likely; the set is drawn again until every row and
        column has `min_entries` of them. "guaranteed": every row and column first gets `min_entries` random
        entries, the rest is uniform. Recovery rates depend on this choice: report it with them.

    Returns
    -------
    problem : Problem
        The observed entries, with noise if any.
    truth : ndarray of float64, shape (m, n)
        The full matrix, without noise.

    Raises
    ------
    InputError
        If an argument is out of range, if there are too few entries for `min_entries` in every row and
        column, or if no uniform mask with that property is found in reasonable time.
    """
    m, n, n_observed, least = check_low_rank(
        shape,
        rank=rank,
        observed=observed,
        oversampling=oversampling,
        noise=noise,
        condition=condition,
        min_entries=min_entries,
        mask=mask,
    )
    seed = whole("seed", seed, least=0)
    factors, cells, noises = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3))
    truth = _matrix(m, n, int(rank), condition, factors)
    rows, cols = np.divmod(_MASKS[mask](m, n, n_observed, least, cells), n)
    values = truth[rows, cols]
    if noise:
        values = values + noise * truth.std() * noises.standard_normal(values.size)
    return Problem.from_triplets(rows, cols, values, shape=(m, n)), truth


def check_low_rank(
    shape: tuple[int, int],
    *,
    rank: int,
    observed: float | None = None,
    oversampling: float | None = None,
    noise: float = 0.0,
    condition: float = 1.0,
    min_entries: int | None = None,
    mask: str = "uniform",
) -> tuple[int, int, int, int]:
    """Numbers of rows, columns and observed entries of :func:`low_rank`, and its `min_entries`.

    Raises
    ------
    InputError
        If an argument is out of range, or there are too few entries for `min_entries` in every row and
        column.
    """
    m, n = wholes("shape", shape, length=2, least=1)
    rank = whole("rank", rank, least=1, most=min(m, n))
    number("condition", condition, least=1)
    not_negative("noise", noise)
    n_observed = _count(m, n, rank, observed, oversampling)
    least = rank if min_entries is None else whole("min_entries", min_entries, least=0, most=min(m, n))
    if n_observed < least * max(m, n):
        raise InputError(
            f"{n_observed} observed entries are too few for {least} in each of {max(m, n)} "
            f"{'rows' if m >= n else 'columns'}: observe more, or lower min_entries."
        )
    one_of("mask", mask, tuple(_MASKS))
    return m, n, n_observed, least


def two_by_two(e: float) -> tuple[Problem, np.ndarray]:
    r"""The 2 x 2 problems that can trap gradient descent at rank two.

    Three entries of ``[[1, e], [?, 1]]`` are observed; the completion of rank one is ``? = 1/e``. For depth
    ``L > 2`` there is a window of `e` in which a local minimum of rank two exists although the minimum of
    rank one is lower: ``e`` from about 0.4551 to 0.5000 for ``L = 3``, 0.2828 to 0.3536 for ``L = 4``, in the
    limit of a small ridge (``examples/plot_two_by_two.py``).

    Parameters
    ----------
    e : float
        The entry in the first row, second column; finite and not zero.

    Returns
    -------
    problem : Problem
        The three observed entries.
    truth : ndarray of float64, shape (2, 2)
        The completion of rank one.
    """
    if number("e", e) == 0:
        raise InputError("e must not be zero: the completion of rank one is 1/e.")
    truth = np.array([[1.0, e], [1.0 / e, 1.0]])
    rows, cols = np.array([0, 0, 1]), np.array([0, 1, 1])
    return Problem.from_triplets(rows, cols, truth[rows, cols], shape=(2, 2)), truth


def _count(m: int, n: int, rank: int, observed: float | None, oversampling: float | None) -> int:
    if (observed is None) == (oversampling is None):
        raise InputError("Give either observed (a fraction of the cells) or oversampling (rho), not both.")
    if oversampling is not None:
        oversampling = number("oversampling", oversampling)
        wanted = oversampling * rank * (m + n - rank)
        count = round(wanted) if np.isfinite(wanted) else -1
        if not 1 <= count <= m * n:
            largest = m * n / (rank * (m + n - rank))
            raise InputError(
                f"oversampling {oversampling} asks for {max(count, 0)} of {m * n} cells; "
                f"at rank {rank} it must be positive and at most {largest:.4g}."
            )
        return count
    assert observed is not None
    observed = number("observed", observed, above=0, most=1)
    return max(1, round(observed * m * n))


def _matrix(m: int, n: int, rank: int, condition: float, rng: np.random.Generator) -> np.ndarray:
    if condition == 1:
        return rng.standard_normal((m, rank)) @ rng.standard_normal((n, rank)).T
    spectrum = np.geomspace(1.0, 1.0 / condition, rank)
    spectrum *= np.sqrt(m * n / np.sum(spectrum**2))
    return (_haar_frame(m, rank, rng) * spectrum) @ _haar_frame(n, rank, rng).T


def _haar_frame(n: int, rank: int, rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.standard_normal((n, rank)))
    # QR alone chooses the signs by convention; with a positive diagonal of R the distribution is Haar's
    return q * np.where(np.diag(r) < 0, -1.0, 1.0)


def _uniform_cells(m: int, n: int, count: int, least: int, rng: np.random.Generator) -> np.ndarray:
    for _ in range(_MAX_DRAWS):
        cells = rng.choice(m * n, size=count, replace=False, shuffle=False)
        if least == 0:
            return cells
        rows, cols = np.divmod(cells, n)
        if min(np.bincount(rows, minlength=m).min(), np.bincount(cols, minlength=n).min()) >= least:
            return cells
    raise InputError(
        f"None of {_MAX_DRAWS} uniform masks of {count} cells has at least {least} in every row and column: "
        'use mask="guaranteed", observe more, or lower min_entries.'
    )


def _guaranteed_cells(m: int, n: int, count: int, least: int, rng: np.random.Generator) -> np.ndarray:
    taken = np.zeros((m, n), bool)
    # the longer axis first: that gives the shorter one most of its entries
    for cells in (taken, taken.T) if m >= n else (taken.T, taken):
        _top_up(cells, least, rng)
    left = count - int(np.count_nonzero(taken))
    if left < 0:
        raise InputError(
            f"{count} observed entries are too few for {least} random ones in every row and column "
            f"(this draw needed {count - left}): observe more, or lower min_entries."
        )
    free = np.flatnonzero(~taken.ravel())
    taken.ravel()[rng.choice(free, size=left, replace=False, shuffle=False)] = True
    return np.flatnonzero(taken.ravel())


def _top_up(taken: np.ndarray, least: int, rng: np.random.Generator) -> None:
    """Mark random cells, in place, until every row of `taken` has at least `least`."""
    for row in taken:
        lacking = least - int(np.count_nonzero(row))
        if lacking > 0:
            row[rng.choice(np.flatnonzero(~row), size=lacking, replace=False)] = True


_MASKS = {"uniform": _uniform_cells, "guaranteed": _guaranteed_cells}
