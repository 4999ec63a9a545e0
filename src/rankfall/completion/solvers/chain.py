"""Rows that follow each other: factors as stationary first-order processes.

Every free coordinate of the rows is a process of its own, ``u_t = a^h u_{t-1} + e_t`` with the distance h
between the two rows, the coefficient a of a distance of 1, the stationary variance P and innovations of
variance ``P (1 - a^{2h})``. With a = 0 the rows are independent; near 1 the process is a random walk.

References
----------
R. H. Shumway and D. S. Stoffer, "An approach to time series smoothing and forecasting using the EM
algorithm", Journal of Time Series Analysis 3 (1982). M. Banbura and M. Modugno, "Maximum likelihood
estimation of factor models on datasets with arbitrary pattern of missing data", Journal of Applied
Econometrics 29 (2014).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

# coefficients that are compared, as half-lives in distances of 1: finer steps make no difference
_HALF_LIVES = np.geomspace(0.1, 1e5, 84)
# coordinates of rows in order that there may be for every column: what is common to columns, and what is not
PROCESSES_PER_COLUMN = 2
# what a coefficient of a step never exceeds: innovations have a variance
_LARGEST = 1 - 1e-7
# coefficient that a fit begins with
_FIRST = 0.8
# seconds of the units in which times are told
_UNITS = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))


@dataclass(frozen=True, eq=False)
class Chain:
    """The order of rows (or columns), and how persistent each of their coordinates is.

    Attributes
    ----------
    order : ndarray of int64, shape (k,)
        Their numbers, in order.
    steps : ndarray, shape (k,)
        Distance of each, in this order, to the one before it; infinite where a new series begins.
    coefficients : ndarray, shape (F,)
        Coefficients of a distance of 1 of the free coordinates.
    step : float
        What a distance of 1 is: in seconds where positions are times, else in positions.
    is_time : bool
    """

    order: np.ndarray
    steps: np.ndarray
    coefficients: np.ndarray
    step: float = 1.0
    is_time: bool = False

    @property
    def half_lives(self) -> np.ndarray:
        """Distances over which the correlations fall to a half, shape (F,)."""
        return np.log(2) / -np.log(self.coefficients)

    def in_words(self, distance: float) -> str:
        """A distance in the units of the positions."""
        size, name = distance * self.step, ""
        if self.is_time:
            name, unit = next((pair for pair in _UNITS if size >= pair[1]), _UNITS[-1])
            size /= unit
        text = f"{size:.3g}" if size < 1000 else f"{size:,.0f}"
        return f"{text} {name[:-1] if text == '1' else name}".strip()

    def of_its_own(self, size: int) -> Chain:
        """The same process in a new series of so many rows, each one step after the one before."""
        return replace(self, order=np.arange(size), steps=np.append(np.inf, np.ones(size))[:size])

    def series(self) -> np.ndarray:
        """Number of the series that each row belongs to, shape (k,)."""
        out = np.empty(self.order.size, np.int64)
        out[self.order] = np.cumsum(np.isinf(self.steps)) - 1
        return out

    def begun(self, size: int) -> Chain:
        """With the coefficients that a fit of so many free coordinates begins with."""
        return replace(self, coefficients=np.full(size, _FIRST))

    def decays(self) -> np.ndarray:
        """``a^h`` of every row, in order, and coordinate: shape (k, F); 0 where a series begins."""
        return np.minimum(self.coefficients ** self.steps[:, None], _LARGEST)

    def precisions(self, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The process's own precision matrix.

        Parameters
        ----------
        prior : ndarray, shape (F,)
            Inverse stationary variances.

        Returns
        -------
        diagonal, link : ndarray, shapes (k, F)
            Diagonal, and what stands with sign reversed between a row and the one before it.
        """
        decays = self.decays()
        innovation = prior / (1 - decays**2)
        diagonal = innovation.copy()
        diagonal[:-1] += decays[1:] ** 2 * innovation[1:]
        return diagonal, decays * innovation

    def likeliest(self, squares: np.ndarray, products: np.ndarray) -> tuple[Chain, np.ndarray]:
        """The coefficients and stationary variances of largest expected likelihood.

        Parameters
        ----------
        squares : ndarray, shape (k, F)
            Expected squares of the coordinates, in order.
        products : ndarray, shape (k, F)
            Expected products with the row before.

        Returns
        -------
        Chain, ndarray of shape (F,)
            With new coefficients; and the variances.
        """
        before = np.vstack([np.zeros((1, squares.shape[1])), squares[:-1]])
        groups, which = np.unique(np.round(self.steps, 9), return_inverse=True)
        counts = np.bincount(which).astype(float)[:, None]
        sums = [_sums(which, groups.size, part) for part in (squares, products, before)]
        best = np.full(squares.shape[1], -np.inf)
        coefficients, variances = np.zeros_like(best), np.ones_like(best)
        for a in 2.0 ** (-1 / _HALF_LIVES):
            decays = np.minimum(a**groups, _LARGEST)[:, None]
            rest = 1 - decays**2
            quadratic = (sums[0] - 2 * decays * sums[1] + decays**2 * sums[2]) / rest
            variance = np.maximum(quadratic.sum(axis=0) / counts.sum(), 1e-300)
            score = -0.5 * (counts.sum() * np.log(variance) + np.sum(counts * np.log(rest)))
            better = score > best
            best, coefficients = np.where(better, score, best), np.where(better, a, coefficients)
            variances = np.where(better, variance, variances)
        return replace(self, coefficients=coefficients), variances


def _sums(which: np.ndarray, size: int, values: np.ndarray) -> np.ndarray:
    """Sums of the rows of each group, shape (size, F)."""
    out = np.zeros((size, values.shape[1]))
    np.add.at(out, which, values)
    return out
