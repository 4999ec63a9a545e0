"""How ranks are read off a run: of the product or of a hidden layer, by which tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import measures
from ..dynamics import Record, Trace
from ..errors import InputError
from ..measurements import Measurements
from ..problem import Problem

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class RankRule:
    """How ranks are read off a trace.

    Attributes
    ----------
    of : int
        0 for the product A, l for ``Z_l = [W_l | W_{l+1}^T]``.
    low, high : float or None
        A direction is dead at or below `low` times the largest singular value, alive again above `high` times
        it; None: the ranks that the run recorded.
    """

    of: int
    low: float | None
    high: float | None

    @classmethod
    def checked(cls, source: object, tolerance: float | Sequence[float] | None, of: int) -> RankRule:
        """The rule for the arguments of :func:`rankfall.find_jumps`; raises InputError."""
        depth = source.start.depth if isinstance(source, Trace) else 1
        if isinstance(of, bool) or of not in range(depth):
            what = (
                f"a hidden layer, 1 to {depth - 1}" if isinstance(source, Trace) else "arrays have no layers"
            )
            raise InputError(f"of must be 0 (the product) or {what}, not {of!r}.")
        if tolerance is None:
            default = measures.RANK_TOL ** (1 / depth) if of else None
            if isinstance(source, Trace) and not of and "rank" not in source.measured:
                default = source.rank_tol
            return cls(of, default, default)
        pair = np.atleast_1d(np.asarray(tolerance, dtype=np.float64))
        if pair.shape not in ((1,), (2,)) or not (0 <= pair[0] <= pair[-1] < 1):
            raise InputError(
                f"tolerance must be a number from 0 to 1 or two of them, the lower first, not {tolerance!r}."
            )
        return cls(of, float(pair[0]), float(pair[-1]))

    def record(self, every: int, rank_tol: float) -> Record:
        """What a run must record for this rule."""
        if self.of:
            return Record(every=every, what=("hidden_singular_values",))
        return Record(
            every=every, what=("rank",) if self.low is None else ("singular_values",), rank_tol=rank_tol
        )

    def bounds(self, trace: Trace) -> tuple[np.ndarray, np.ndarray]:
        """Fewest and most directions alive at every record, shape (n_chains, n_records); -1 where unknown."""
        if self.low is None or self.high is None:
            return trace.rank, trace.rank
        s = trace.hidden_singular_values[:, :, self.of - 1] if self.of else trace.singular_values
        floor = dead_below(trace.problem, trace.start.depth if self.of else 0)
        return count_alive(s, self.high, floor), count_alive(s, self.low, floor)


def trace_bounds(trace: Trace, rule: RankRule) -> tuple[np.ndarray, np.ndarray]:
    """:meth:`RankRule.bounds` as copies, with -1 after the last step of a diverged chain."""
    fewest, most = (np.array(bound) for bound in rule.bounds(trace))
    gone = trace.steps > trace.n_steps[:, None]
    fewest[gone] = most[gone] = -1
    return fewest, most


def dead_below(problem: Problem | Measurements, depth: int) -> float:
    """Size of the data below which a whole matrix is dead; of Z_l if `depth` is given.

    At balanced weights ``sigma(Z_l)^2 = 2 s^(2/L)`` for the singular values s of A.
    """
    scale = measures.DEAD * float(np.linalg.norm(problem.values))
    return float(np.sqrt(2) * scale ** (1 / depth)) if depth else scale


def count_alive(singular_values: np.ndarray, tolerance: float, floor: float = 0.0) -> np.ndarray:
    """Singular values above `tolerance` times the largest and above `floor`.

    -1 where they are not numbers.
    """
    s = np.asarray(singular_values, dtype=np.float64)
    least = np.maximum(tolerance * s.max(axis=-1, keepdims=True, initial=0.0), floor)
    count = np.count_nonzero(s > least, axis=-1)
    return np.where(np.isnan(s).any(axis=-1), -1, count)


def array_bounds(source: ArrayLike, rule: RankRule) -> tuple[np.ndarray, np.ndarray]:
    """Fewest and most directions alive at every record of an array, shape (n_chains, n_records).

    -1 where unknown.
    """
    try:
        values = np.asarray(source, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("find_jumps takes a Trace or an array of ranks.") from error
    if rule.low is not None and rule.high is not None:
        values = values[None] if values.ndim == 2 else values
        if values.ndim != 3 or 0 in values.shape:
            raise InputError(
                "With a tolerance the array must hold singular values, shape (n_chains, n_records, k)."
            )
        return count_alive(values, rule.high), count_alive(values, rule.low)
    ranks = np.atleast_2d(values)
    if ranks.ndim != 2 or 0 in ranks.shape:
        raise InputError(
            f"Ranks must have shape (n_records,) or (n_chains, n_records), not {np.shape(values)}."
        )
    ranks = np.where(np.isnan(ranks), -1, ranks)
    if not np.isfinite(ranks).all() or (ranks != np.round(ranks)).any():
        raise InputError("Ranks must be whole numbers; for singular values give a tolerance.")
    return ranks.astype(np.int64), ranks.astype(np.int64)
