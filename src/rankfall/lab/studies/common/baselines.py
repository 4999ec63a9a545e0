"""Matrix completion by methods that are given the rank, for comparison, and by descent that is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....completion.solvers.least_squares import LeastSquaresFit, fit_least_squares
from ....dynamics import SGD, Record, train
from ....geometry import UNIQUENESS_TOL, smallest_relevant
from ....measures import tangent_diagonal
from ....network import Network
from ....problem import Problem

EXACT = 1e-9  # residual relative to the data at which a fit is exact
GAP = 2.5  # ratio of neighbouring singular values that makes a rank a candidate
TRIES = 3  # least-squares fits of one rank from one chain
SHRINKAGES = 2e-3 * 1.3 ** np.arange(27)


@dataclass(frozen=True, eq=False)
class Fit:
    """A completed matrix.

    Attributes
    ----------
    matrix : ndarray, shape (m, n)
    rank : int
    residual : float
        ``|A - X|_observed / |X|_observed``.
    """

    matrix: np.ndarray
    rank: int
    residual: float

    @classmethod
    def of(cls, found: LeastSquaresFit) -> Fit:
        return cls((found.U * found.s) @ found.V.T, found.s.size, found.residual)


def spectral(problem: Problem, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leading singular triplets U, s, V of the zero-filled matrix divided by the fraction observed."""
    filled = np.zeros(problem.shape)
    filled[problem.rows, problem.cols] = problem.values * (filled.size / problem.n_observed)
    U, s, Vt = np.linalg.svd(filled, full_matrices=False)
    return U[:, :rank], s[:rank], Vt[:rank].T


def alternating_least_squares(problem: Problem, rank: int, sweeps: int) -> Fit:
    """Rows given columns, columns given rows, each by least squares; from the spectral start, given the rank.

    A relative ridge of 1e-12 keeps rows and columns with few entries solvable.
    """
    U, s, V = spectral(problem, rank)
    U = U * s
    mask = np.zeros(problem.shape)
    mask[problem.rows, problem.cols] = 1.0
    X = np.zeros(problem.shape)
    X[problem.rows, problem.cols] = problem.values
    scale = float(np.linalg.norm(problem.values))
    residual = np.inf
    for sweep in range(sweeps):
        U = _lines(mask, X, V)
        V = _lines(mask.T, X.T, U)
        if sweep % 10 == 9:
            residual = float(np.linalg.norm(mask * (U @ V.T) - X)) / scale
            if residual < EXACT / 100:
                break
    return Fit(U @ V.T, rank, residual)


def _lines(mask: np.ndarray, X: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Least-squares coefficients of every row of X on the columns of V at its observed entries."""
    outer = (V[:, :, None] * V[:, None, :]).reshape(len(V), -1)
    gram = (mask @ outer).reshape(len(mask), V.shape[1], V.shape[1])
    ridge = 1e-12 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(V.shape[1])
    return np.linalg.solve(gram + ridge, (X @ V)[:, :, None])[:, :, 0]


def levenberg_marquardt(problem: Problem, rank: int, iterations: int) -> Fit:
    """rankfall's own least squares from the spectral start, given the rank; may stall for 50 steps."""
    return Fit.of(fit_least_squares(problem, *spectral(problem, rank), max_iter=iterations, patience=50))


def descent(problem: Problem, depth: int, chains: int, effort: int, seed: int) -> Fit | None:
    """The rank of a network falls as the ridge rises; least squares refine what lies above a spectral gap.

    The rank is not given. With data of root mean square 1 and a typical singular value s, the ridge ``delta
    s^(2-2/L) / (2 m n)`` shrinks s by a share of about delta at a minimum; delta rises from 0.002 to 2. lr is
    the inverse of the upper decile of the tangent kernel. An exact fit that is locally unique ends the
    search; after another one the search goes on below its rank.

    Returns
    -------
    Fit or None
        The exact fit of smallest rank, with more entries than unknowns; None if none was found.
    """
    m, n = problem.shape
    rms = float(np.sqrt(np.mean(problem.values**2)))
    scaled = Problem.from_triplets(problem.rows, problem.cols, problem.values / rms, problem.shape)
    power = np.sqrt(m * n / 5) ** (2 - 2 / depth)
    top = problem.max_oversampled_rank()
    network = Network.gaussian([n, *[min(m, n)] * (depth - 1), m], scale=1.0, seed=seed, chains=chains)
    lr, tried, best = float(1 / (power * 5 * (1 / m + 1 / n))), {}, None
    for stage, shrinkage in enumerate(SHRINKAGES):
        kernel = tangent_diagonal(network, problem.rows, problem.cols)
        lr = min(lr, 1 / float(np.quantile(kernel, 0.9, axis=-1).max()))
        network = _one_ridge(
            scaled, network, lr, shrinkage * power / (2 * m * n), effort * (m + n), [seed, stage]
        )
        U, s, Vt = network.svd()
        for chain in range(chains):
            for rank in _candidates(s[chain], top):
                tried[chain, rank] = tried.get((chain, rank), 0) + 1
                if tried[chain, rank] > TRIES:
                    continue
                found = fit_least_squares(scaled, U[chain][:, :rank], s[chain][:rank], Vt[chain][:rank].T)
                if found.residual < EXACT and (best is None or rank < best.rank):
                    fit = Fit.of(found)
                    best, top = Fit(fit.matrix * rms, rank, fit.residual), rank - 1
                    if smallest_relevant(scaled, found.U, found.V).orthonormal > UNIQUENESS_TOL:
                        return best
                    break
        if np.all(s[:, 0] < 1e-6 * power):
            break
    return best


def _one_ridge(
    problem: Problem, network: Network, lr: float, ridge: float, n_steps: int, seeds: list[int]
) -> Network:
    """The chains after some steps; chains start again with half the lr if one diverges."""
    for attempt in range(10):
        seed = int(np.random.SeedSequence([*seeds, attempt]).generate_state(1)[0])
        settings = SGD(lr=lr / 2**attempt, ridge=ridge, n_steps=n_steps)
        trace = train(
            problem, network, settings, seed=seed, record=Record(every=n_steps, what=()), n_threads=1
        )
        if not trace.diverged.any():
            return Network.stack(trace.finals())
    return network


def _candidates(s: np.ndarray, top: int) -> list[int]:
    """Ranks below a gap, smallest first."""
    ranks = np.arange(1, min(top, s.size - 1) + 1)
    return [int(r) for r in ranks if s[r - 1] > GAP * s[r] and s[r - 1] > 1e-3 * s[0]]
