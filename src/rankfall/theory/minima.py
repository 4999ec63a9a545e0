"""Local minima of the regularised loss, rank by rank."""

# threadpoolctl has no types
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..declared_arguments import declared
from ..errors import InputError
from ..problem import Problem
from .critical_points import Minimum, check_fit_tol, check_rank, describe
from .fixed_rank import FixedRankLoss, Point
from .landscape import check_matrix
from .newton import Descent, descend
from .requirements import require_alike, require_positive, require_whole, several

if TYPE_CHECKING:
    import pandas as pd

# Ranks looked at by default: 0 to this, or to the largest that the shape allows.
_DEFAULT_MAX_RANK = 5
# Matrices closer than this, relative to their norm, are one minimum; for flat ones the losses decide.
_SAME = 1e-5
_SAME_LOSS = 1e-9


@dataclass(frozen=True)
class Search:
    """What the starts at one rank came to.

    Attributes
    ----------
    rank : int
    n_starts : int
        Random starts, and those that come from the data and from minima of the next higher rank.
    n_found : int
        Starts that ended at a stationary point of this rank.
    n_fell : int
        Starts whose smallest singular value fell out of the set of this rank, provably for the gradient
        flow from where the descent was stopped.
    n_stalled : int
        Starts that ended nowhere within the limit of steps.
    """

    rank: int
    n_starts: int
    n_found: int
    n_fell: int
    n_stalled: int


@dataclass(frozen=True, eq=False)
class Minima:
    """Local minima of each rank; iterates over `points`.

    Attributes
    ----------
    points : tuple of Minimum
        By rank, then by loss. Stationary points at which a descent ended without being minima (see
        ``Minimum.kind``) are listed too.
    searches : tuple of Search
        One for each rank asked for.
    depth : int
    ridge, fit_tol : float
    """

    points: tuple[Minimum, ...]
    searches: tuple[Search, ...]
    depth: int
    ridge: float
    fit_tol: float

    def __iter__(self) -> Iterator[Minimum]:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self.points)

    @declared
    def at(self, rank: int) -> tuple[Minimum, ...]:
        """The minima of one rank, lowest first; empty if none was found."""
        return tuple(point for point in self.points if point.rank == rank and point.is_minimum)

    @property
    def ranks(self) -> tuple[int, ...]:
        """Ranks at which a minimum was found."""
        return tuple(search.rank for search in self.searches if self.at(search.rank))

    @property
    def lowest(self) -> Minimum:
        """The minimum of smallest loss."""
        found = [point for point in self.points if point.is_minimum]
        if not found:
            raise InputError("No minimum was found at any of the ranks asked for.")
        return min(found, key=lambda point: point.loss)

    def table(self) -> pd.DataFrame:
        """One row per point: its numbers, without the matrices."""
        import pandas as pd

        names = (
            "rank", "kind", "estimate", "loss", "misfit", "gradient_norm", "balancedness", "curvature",
            "free_gradient", "basin_radius", "barrier", "hits",
        )  # fmt: skip
        return pd.DataFrame({name: [getattr(point, name) for point in self.points] for name in names})

    def summary(self) -> pd.DataFrame:
        """One row per rank asked for: what the starts came to, minima found, smallest loss among them."""
        import pandas as pd

        names = ("rank", "n_starts", "n_found", "n_fell", "n_stalled")
        rows = pd.DataFrame({name: [getattr(search, name) for search in self.searches] for name in names})
        found = [self.at(search.rank) for search in self.searches]
        rows["n_minima"] = [len(points) for points in found]
        rows["loss"] = [points[0].loss if points else float("nan") for points in found]
        return rows


@declared
def minima(
    problem: Problem,
    depth: int = 3,
    ridge: float = 1e-3,
    ranks: Iterable[int] | None = None,
    n_starts: int = 20,
    seed: int = 0,
    fit_tol: float = 0.1,
    starts: Iterable[np.ndarray] = (),
) -> Minima:
    """Local minima of the regularised loss of a deep linear network, rank by rank.

    For depth 3 and more the local minima in the weights are exactly the balanced lifts of the local minima
    of ``F(A) = C(A) + ridge L sum_i s_i^(2/L)`` on the set of matrices of one rank, for every rank up to the
    hidden widths (section 4b(ii)). They are looked for by a second-order descent on each set from many
    starts. Finding none is evidence, not proof, that there is none.

    Parameters
    ----------
    problem : Problem
    depth : int
        Number of layers L, at least 2. For depth 2 a minimum on the set is one of the loss with larger hidden
        widths only if ``|E|_op <= 2 ridge``; others are listed as saddles.
    ridge : float
    ranks : iterable of int, optional
        0 to 5 by default, or to min(m, n) if that is less.
    n_starts : int
        Random starts for each rank, at least 1. Truncations of the observed matrix with zeros elsewhere, of
        `starts`, and of the minima of the next higher rank asked for are added to these.
    seed : int
        The random starts at one rank depend on (seed, rank) only.
    fit_tol : float
        Relative misfit ``|A - x| / |x|`` on the observed entries up to which a minimum fits the data. A
        minimum with a ridge never fits exactly: its singular values are shrunk.
    starts : iterable of ndarray, shape (m, n)
        Further matrices to start from, truncated to each rank.

    Returns
    -------
    Minima

    Raises
    ------
    InputError
        If an argument is out of range, a start does not fit, or the problem has weights.
    """
    from threadpoolctl import threadpool_limits

    require_alike(problem)
    require_whole(2, depth=depth)
    require_positive(ridge=ridge)
    check_fit_tol(fit_tol)
    require_whole(1, n_starts=n_starts)
    require_whole(0, seed=seed)
    if ranks is None:
        ranks = range(min(_DEFAULT_MAX_RANK, *problem.shape) + 1)
    chosen = several("ranks", ranks)
    for rank in chosen:
        check_rank(problem, rank)
    observed = np.nan_to_num(problem.to_dense())
    given = [observed, *(check_matrix(A, problem.shape) for A in several("starts", starts))]

    loss = FixedRankLoss(problem, int(depth), float(ridge))
    # many small matrices: BLAS threads would only wait for each other
    with threadpool_limits(limits=1, user_api="blas"):
        points, searches = _searched(loss, problem, chosen, given, int(n_starts), seed, fit_tol)
    judged = tuple(_judge(point, points, fit_tol) for point in points)
    return Minima(judged, searches, int(depth), float(ridge), float(fit_tol))


def _searched(
    loss: FixedRankLoss,
    problem: Problem,
    ranks: list[int],
    given: list[np.ndarray],
    n_starts: int,
    seed: int,
    fit_tol: float,
) -> tuple[list[Minimum], tuple[Search, ...]]:
    """Stationary points by rank, large ranks first, and what the starts came to."""
    searches: list[Search] = []
    points: list[Minimum] = []
    higher: list[np.ndarray] = []
    for rank in sorted({int(rank) for rank in ranks}, reverse=True):
        begins = _random_starts(problem, rank, n_starts, seed) if rank else []
        begins += [Point.truncated(A, rank) for A in given + higher]
        ends = [descend(loss, begin) for begin in begins if _has_full_rank(begin)]
        found = _distinct(loss, ends, fit_tol)
        higher = [point.matrix() for point in found]
        points = found + points
        searches.insert(0, _count(rank, ends))
    return points, tuple(searches)


def _random_starts(problem: Problem, rank: int, n_starts: int, seed: int) -> list[Point]:
    """Uniformly distributed frames, singular values near the size of the data spread over the rank."""
    rng = np.random.default_rng([int(seed), rank])
    m, n = problem.shape
    size = float(np.linalg.norm(problem.values)) * np.sqrt(m * n / problem.n_observed / rank)
    size = size if size > 0 else 1.0
    begins: list[Point] = []
    for _ in range(n_starts):
        U = np.linalg.qr(rng.standard_normal((m, rank)))[0]
        V = np.linalg.qr(rng.standard_normal((n, rank)))[0]
        s = np.sort(size * rng.uniform(0.5, 1.5, rank))[::-1]
        begins.append(Point(U, s, V.T))
    return begins


def _has_full_rank(point: Point) -> bool:
    return point.rank == 0 or bool(point.s[-1] > 1e-12 * point.s[0])


def _count(rank: int, ends: list[Descent]) -> Search:
    found, fell, stalled = (sum(e.end == end for e in ends) for end in ("stationary", "fell", "stalled"))
    return Search(rank, len(ends), found, fell, stalled)


def _distinct(loss: FixedRankLoss, ends: list[Descent], fit_tol: float) -> list[Minimum]:
    """One point for each different stationary point, by increasing loss."""
    found: list[Minimum] = []
    for end in ends:
        if end.end != "stationary":
            continue
        point = describe(loss, end.point, fit_tol)
        for k, other in enumerate(found):
            if _are_same(point, other):
                found[k] = replace(other, hits=other.hits + 1)
                break
        else:
            found.append(point)
    return sorted(found, key=lambda point: point.loss)


def _are_same(one: Minimum, other: Minimum) -> bool:
    if one.kind == other.kind == "degenerate":
        return abs(one.loss - other.loss) <= _SAME_LOSS * max(one.loss, other.loss)
    A = other.matrix()
    return bool(np.linalg.norm(one.matrix() - A) <= _SAME * np.linalg.norm(A))


def _judge(point: Minimum, points: list[Minimum], fit_tol: float) -> Minimum:
    """Over-estimating if the data are fitted, and by a minimum of smaller rank too."""
    if point.misfit <= fit_tol and any(
        other.rank < point.rank and other.is_minimum and other.misfit <= fit_tol for other in points
    ):
        return replace(point, estimate="over")
    return point
