"""Theorem 2: from anywhere with bounded norms, some sequence of batches leads into B_r."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, log, log1p, sqrt

import numpy as np

from ..argument_checks import instance
from ..declared_arguments import declared
from ..errors import InputError
from ..problem import Problem
from .constants import Constants, check_constants
from .minima_inside import tail_norm
from .requirements import largest_entry, require_whole

LONGEST_PATH = 10**9  # entries of a path that are still worth writing down


@dataclass(frozen=True, eq=False)
class Reach:
    """A path into B_r, and a lower bound of its probability.

    Attributes
    ----------
    rank : int
    side : str
        "columns" or "rows".
    lines : ndarray of int64, shape (rank,) or fewer
        The columns (rows) with most observed entries, the only ones that the path samples.
    entries : ndarray of int64, shape (n_r,)
        Positions of their entries in the problem's list.
    n_steps : int
        T: after so many steps that sample only these entries the network is in B_r.
    log_probability : float
        Lower bound of the logarithm of the probability that T consecutive steps do so; with epochs, that
        the steps around the end of the first epoch do.
    batch_size, sampling : int, str
    before : int
        With epochs, how many of the steps belong to the end of the first epoch (in the others the order does
        not matter, and it is 0).
    """

    rank: int
    side: str
    lines: np.ndarray
    entries: np.ndarray
    n_steps: int
    log_probability: float
    batch_size: int
    sampling: str
    before: int = 0

    @declared
    def path(self, seed: int = 0) -> np.ndarray:
        """One such path, as ``SGD(entries=...)`` takes it.

        Returns
        -------
        ndarray of int64, shape (n_steps, batch_size)
            With replacement: any of the entries; distinct: different ones within every step; epochs:
            different ones within each epoch, of which the first ends after `before` steps.
        """
        if self.n_steps * self.batch_size > LONGEST_PATH:
            raise InputError(f"The path has {self.n_steps} steps, too many to be written down.")
        rng = np.random.default_rng(seed)
        shape = (self.n_steps, self.batch_size)
        if self.sampling == "replacement":
            return rng.choice(self.entries, size=shape)
        if self.sampling == "distinct":
            order = np.argsort(rng.random((self.n_steps, self.entries.size)), axis=1)
            return self.entries[order[:, : self.batch_size]]
        first = rng.permutation(self.entries)[: self.before]
        epochs = ceil((self.n_steps - self.before) / self.entries.size)
        later = [rng.permutation(self.entries) for _ in range(epochs)]
        return np.concatenate([first, *later])[: self.n_steps, None]


@declared
def reach_bound(problem: Problem, constants: Constants, rank: int, side: str = "columns") -> Reach:
    """Theorem 2: how long it takes to reach B_r along the likeliest path of a simple kind.

    From any network with ``|W_l|_F^2 <= C``, if T steps sample only entries of r columns, the other columns
    of ``W_1`` shrink by q at every step while imbalances settle, and the network is in B_r once

        V_T = eps* + q^(2T) [(1 + kappa) C - eps*]_+ <= eps    and
        q^T sqrt(C) <= delta - beta C                             (columns)
        sqrt(q^(2T) C + (L-1) V_T) <= delta - beta C              (rows)

    with the r columns (rows) that have most entries, n_r in all. The probability is at least

        replacement  (n_r / N)^(b T)
        distinct     prod_{j<b} ((n_r - j) / (N - j))^T
        epochs       the largest prod_{j<T1} (n_r - j)/(N - j) prod_{j<T2} (n_r - j)/(N - j), T1 + T2 = T, for
                     single entries and from the start of an epoch.

    For r = 0 the entries are instead those of absolute value up to some ``a_0``: while only these are
    sampled, norms settle below ``c_0 = q^2 a_0^2 / (4 ridge (1 - lr ridge) (2 q - lr nu C^(L-1)))``, and the
    network is in B_0 once ``V_T <= eps`` and ``sqrt(M_T) + beta M_T <= delta``,
    ``M_T = c_0 + q^(2T) (C - c_0)_+``. The ``a_0`` of the largest probability is taken.

    From norms outside the ball, first come the steps of :func:`contraction_steps`, whatever they sample.

    It only says that the probability is positive: real falls take likelier ways, through noise in the weakest
    singular value.

    Parameters
    ----------
    problem : Problem
    constants : Constants
        With ``eps > eps*`` and otherwise as :func:`solve` makes them; batch size and sampling are theirs.
    rank : int
        r, 0 or more.
    side : {"columns", "rows"}
        Plays no part for r = 0.

    Returns
    -------
    Reach

    Raises
    ------
    InputError
        If the constants do not satisfy Theorem 1, an entry exceeds their bound, or there is no path of this
        kind: distinct batches larger than n_r, epochs with ``T > 2 n_r``, rows with
        ``(L-1) eps* >= (delta - beta C)^2``, rank 0 without an entry that is small enough.
        Epochs of batches are not covered.
    """
    require_whole(0, rank=rank)
    if side not in ("columns", "rows"):
        raise InputError(f'side must be "columns" or "rows", not {side!r}.')
    constants = instance("constants", constants, Constants)
    _check_constants(problem, constants)
    if rank == 0:
        return _reach_zero(problem, constants, side)
    counts, where = (
        (problem.col_counts, problem.cols) if side == "columns" else (problem.row_counts, problem.rows)
    )
    lines = np.sort(np.argsort(-counts, kind="stable")[:rank])
    entries = np.flatnonzero(np.isin(where, lines))
    n_steps = _steps(constants, side)
    log_probability, before = _log_probability(constants, n_steps, entries.size, problem.n_observed)
    return Reach(
        rank,
        side,
        lines,
        entries,
        n_steps,
        log_probability,
        constants.batch_size,
        constants.sampling,
        before,
    )


def _reach_zero(problem: Problem, k: Constants, side: str) -> Reach:
    """The likeliest path into B_0 that samples only small entries."""
    sizes = np.abs(problem.values)
    room = 2 * k.q - k.lr * k.nu * k.C ** (k.depth - 1)
    decay, target = -2 * log1p(-2 * k.lr * k.ridge), tail_norm(k)
    excess = max((1 + k.kappa) * k.C - k.eps_star, 0.0)
    best: Reach | None = None
    for largest in np.unique(sizes):
        floor = k.q**2 * float(largest) ** 2 / (4 * k.ridge * (1 - k.lr * k.ridge) * room)
        if floor >= target:
            break
        pairs = ((excess, k.eps - k.eps_star), (k.C - floor, target - floor))
        n_steps = max([0, *(ceil(log(top / end) / decay) for top, end in pairs if top > end)])
        entries = np.flatnonzero(sizes <= largest)
        if k.sampling == "distinct" and k.batch_size > entries.size:
            continue
        if k.sampling == "epochs" and entries.size < sizes.size and n_steps > 2 * entries.size:
            continue
        log_probability, before = _log_probability(k, n_steps, entries.size, problem.n_observed)
        if best is None or log_probability > best.log_probability:
            nothing = np.zeros(0, np.int64)
            best = Reach(
                0, side, nothing, entries, n_steps, log_probability, k.batch_size, k.sampling, before
            )  # fmt: skip
    if best is None:
        raise InputError(
            "For rank 0 no path of this kind exists: it samples only entries near zero, and there are not "
            "enough of them."
        )
    return best


def _check_constants(problem: Problem, k: Constants) -> None:
    if (largest := largest_entry(problem)) > k.bound:
        raise InputError(f"The constants are for entries up to {k.bound:.6g}, but one is {largest:.6g}.")
    verdict = check_constants(k)
    if not verdict.holds:
        raise InputError(f"The constants do not satisfy Theorem 1: {verdict.tightest.statement} fails.")
    if not k.eps > k.eps_star:
        raise InputError("Theorem 2 needs eps > eps*: solve with a positive slack.")
    if k.sampling == "epochs" and k.batch_size > 1:
        raise InputError("With epochs, Theorem 2 is about batches of one entry.")


def _steps(k: Constants, side: str) -> int:
    """T, the smallest whole number that satisfies the two conditions."""
    room = k.delta - k.beta * k.C
    excess = max((1 + k.kappa) * k.C - k.eps_star, 0.0)
    decay = -2 * log1p(-2 * k.lr * k.ridge)  # q^2 = exp(-decay), exact for small lr ridge
    if side == "columns":
        tail, target = k.C, room**2
    else:
        tail, target = k.C + (k.depth - 1) * excess, room**2 - (k.depth - 1) * k.eps_star
        if not target > 0:
            raise InputError("By rows no path exists: (L-1) eps* is not below (delta - beta C)^2.")
    pairs = ((excess, k.eps - k.eps_star), (tail, target))
    n_steps = max([0, *(ceil(log(top / end) / decay) for top, end in pairs if top > end)])

    def arrived(steps: int) -> bool:
        factor = exp(-decay * steps)
        imbalance = k.eps_star + factor * excess
        if side == "columns":
            return imbalance <= k.eps and sqrt(factor * k.C) <= room
        return imbalance <= k.eps and sqrt(factor * k.C + (k.depth - 1) * imbalance) <= room

    # one step more or less where the logarithms were rounded
    while not arrived(n_steps):
        n_steps += 1
    while n_steps > 0 and arrived(n_steps - 1):
        n_steps -= 1
    return n_steps


def _log_probability(k: Constants, n_steps: int, n_r: int, N: int) -> tuple[float, int]:
    """Logarithm of the bound, and how many steps belong to the end of the first epoch."""
    if k.sampling == "replacement":
        return k.batch_size * n_steps * log(n_r / N), 0
    if k.sampling == "distinct":
        if k.batch_size > n_r:
            raise InputError(
                f"No path exists: a batch of {k.batch_size} different entries does not fit into the {n_r} of "
                "the chosen lines."
            )
        j = np.arange(k.batch_size)
        return float(n_steps * np.sum(np.log((n_r - j) / (N - j)))), 0
    if n_r == N:
        return 0.0, 0
    if n_steps > 2 * n_r:
        raise InputError(
            f"No path exists: {n_steps} steps are needed, but within two epochs the {n_r} entries of the "
            f"chosen lines come only {2 * n_r} times in a row."
        )
    # the factors decrease with j, so that the two products are largest together when equally long
    before = n_steps // 2
    return sum(_log_run(length, n_r, N) for length in (before, n_steps - before)), before


def _log_run(length: int, n_r: int, N: int) -> float:
    """``log prod_{j < length} (n_r - j) / (N - j)``: a run of chosen entries at an end of an epoch."""
    j = np.arange(length)
    return float(np.sum(np.log((n_r - j) / (N - j)))) if length else 0.0
