"""From a table with kinds to a latent table of numbers, in which cells with levels are known in part.

Every column of the latent table has mean about 0 and, noise included, variance about 1:

- a *number* is standardised;
- the level of a *boolean* or *ordinal* column says between which two thresholds a latent number lies
  (probit, ordered probit);
- a *category* of L levels has L - 1 latent columns, the utilities of its levels beside that of the most
  frequent one, which is 0: its level has the largest (multinomial probit);
- a *count* k says that a latent number lies between log k and log(k + 1) (a rounded lognormal).

In the working table, on which the rank is chosen, a latent cell holds its expectation given the level, as if
nothing but the column were known.

References
----------
J. H. Albert and S. Chib, "Bayesian analysis of binary and polychotomous response data", JASA 88 (1993).
D. R. Kowal and A. Canale, "Simultaneous transformation and rounding (STAR) models for integer-valued data",
Electronic Journal of Statistics 14 (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import ndtri

from ...errors import InputError
from ...limits import Limits
from ...partly_known import Augmentation, Categories, Grades, Ranges
from ...problem import Problem
from ...scale import forward, require_scale
from ..noisy.first_values import first_values, ranges_on_scale, with_entries
from ..solvers.level_probabilities import category_probabilities
from ..standardise import column_spreads
from .columns import ColumnKind, KindsTable

# cells that every level counts as having beside its own, together: rare ones have no infinite threshold
_BESIDE = 1.0
# steps of the fixed point for offsets of categories, and of the difference quotient for expectations
_STEPS, _DIFFERENCE = 200, 1e-4


@dataclass(frozen=True, eq=False)
class Encoded:
    """A latent table.

    Attributes
    ----------
    table : KindsTable
    problem : Problem
        The working table: standardised numbers, and expectations of what is known in part.
    augmentation : Augmentation
        What is known of the others.
    cols : tuple of ndarray of int64
        The latent columns of every column; none where all its cells hold one level.
    center, spread : ndarray, shape (n,)
        By which numbers and counts are standardised, on their scale.
    limits : Limits or None
        Of cells of columns of numbers, in the units of the data.
    orders : dict
        Of categories: which level each of the augmentation's is, the most frequent first.
    """

    table: KindsTable
    problem: Problem
    augmentation: Augmentation
    cols: tuple[np.ndarray, ...]
    center: np.ndarray
    spread: np.ndarray
    limits: Limits | None
    orders: dict[int, np.ndarray]

    def places(self) -> dict[int, int]:
        """Which of the augmentation's grades and then categories each column with several levels is."""
        first = {one.col: k for k, one in enumerate(self.augmentation.grades)}
        shift = len(first)
        first |= {int(one.cols[0]): shift + k for k, one in enumerate(self.augmentation.categories)}
        return {
            j: first[int(cols[0])]
            for j, cols in enumerate(self.cols)
            if cols.size and self.table.kinds[j].has_levels
        }


def encode(table: KindsTable, limits: Limits | None, scale: str, seed: int) -> Encoded:
    """The latent table of a table with kinds.

    Raises
    ------
    InputError
        If a number has no place on the scale, or limits are those of a column with levels.
    """
    problem, n = table.problem, table.problem.n_cols
    numbers, counts = table.where("number"), table.where("count")
    _check(table, limits, scale)
    widths = [_width(one) for one in table.kinds]
    ends = np.concatenate([[0], np.cumsum(widths)])
    cols = tuple(np.arange(a, b) for a, b in pairwise(ends.tolist()))
    # numbers and counts on their scale, then standardised
    of_column = np.isin(problem.cols, numbers)
    values = problem.values.copy()
    values[of_column] = forward(values[of_column], scale)
    is_count = np.isin(problem.cols, counts)
    values[is_count] = np.log(values[is_count] + 0.5)
    measured = problem.subset(of_column | is_count).with_values(values[of_column | is_count])
    center, spread = column_spreads(measured) if measured.n_observed else (np.zeros(n), np.ones(n))
    rows_out, cols_out, values_out = [], [], []
    grades: list[Grades] = []
    categories: list[Categories] = []
    orders: dict[int, np.ndarray] = {}
    ranges: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    for j, (one, own) in enumerate(zip(table.kinds, cols, strict=True)):
        here = problem.cols == j
        rows = problem.rows[here]
        if not one.has_levels:
            latent = ((values[here] - center[j]) / spread[j])[:, None]
            if one.kind == "count":
                k = problem.values[here]
                with np.errstate(divide="ignore"):
                    lower, upper = ((np.log(edge) - center[j]) / spread[j] for edge in (k, k + 1))
                ranges.append((rows, np.full(rows.size, own[0]), lower, upper))
        elif own.size == 0:
            continue
        else:
            codes = problem.values[here].astype(np.int64)
            shares = _shares(codes, len(one.levels))
            if own.size == 1:
                thresholds, means = _thresholds(shares)
                latent = means[codes][:, None]
                grades.append(Grades(int(own[0]), rows, codes, thresholds))
            else:
                orders[j] = order = np.argsort(-shares, kind="stable")
                place = np.argsort(order, kind="stable")
                offsets, means = _offsets(shares[order])
                latent = means[place[codes]]
                categories.append(Categories(own, rows, place[codes], offsets))
        rows_out.append(np.repeat(rows, latent.shape[1]))
        cols_out.append(np.tile(own, rows.size))
        values_out.append(latent.ravel())
    rows, latent_cols, latents = map(np.concatenate, (rows_out, cols_out, values_out))
    order = np.lexsort((latent_cols, rows))
    shape = (problem.n_rows, int(ends[-1]))
    working = Problem(rows[order], latent_cols[order], latents[order], shape)
    ranged = _ranges(ranges, limits, cols, center, spread, scale)
    augmentation = Augmentation(ranged, tuple(grades), tuple(categories))
    if limits is not None:
        only = Augmentation(_of_limits(limits, cols, center, spread, scale))
        working = first_values(with_entries(working, only.ranges), only, seed)
    return Encoded(table, working, augmentation, cols, center, spread, limits, orders)


def _check(table: KindsTable, limits: Limits | None, scale: str) -> None:
    problem = table.problem
    here = np.isin(problem.cols, table.where("number"))
    require_scale(problem.rows[here], problem.cols[here], problem.values[here], scale)
    if limits is not None:
        wrong = np.flatnonzero(~np.isin(limits.cols, table.where("number")))
        if wrong.size:
            j = int(limits.cols[wrong[0]])
            raise InputError(
                f"Column {table.names[j]} is of the kind {table.kinds[j].kind!r} and holds limits "
                "(censored), which only numbers can have."
            )


def _width(one: ColumnKind) -> int:
    """Latent columns of a column; of one level it is known what every cell holds."""
    if not one.has_levels:
        return 1
    most = max(len(one.levels) - 1, 0)
    return most if one.kind == "category" else min(most, 1)


def _shares(codes: np.ndarray, n_levels: int) -> np.ndarray:
    counts = np.bincount(codes, minlength=n_levels) + _BESIDE / n_levels
    return counts / counts.sum()


def _thresholds(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds between which a standard normal number lies with these probabilities, and its mean there."""
    thresholds = ndtri(np.cumsum(shares)[:-1])
    edges = np.concatenate([[-np.inf], thresholds, [np.inf]])
    density = np.exp(-0.5 * edges**2) / np.sqrt(2 * np.pi)
    return thresholds, -np.diff(density) / shares


def _offsets(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of utilities of variance 1 for which the levels have these probabilities; and the expectations of
    what is above them, given each level, shape (n_levels, n_levels - 1).

    ``E[u_k - o_k | level] = d log P(level) / d o_k``, as for every normal distribution.
    """
    sds = np.ones(shares.size - 1)
    offsets = np.zeros(sds.size)
    for _ in range(_STEPS):
        found = category_probabilities(offsets[None], sds)[0]
        offsets = offsets + 0.6 * (np.log(shares[1:] / found[1:]) - np.log(shares[0] / found[0]))
        if np.max(np.abs(found - shares)) < 1e-10:
            break
    means = np.empty((shares.size, sds.size))
    for k in range(sds.size):
        step = _DIFFERENCE * (np.arange(sds.size) == k)
        ends = category_probabilities(np.array([offsets - step, offsets + step]), sds)
        means[:, k] = np.diff(np.log(ends), axis=0)[0] / (2 * _DIFFERENCE)
    return offsets, means


def _of_limits(
    limits: Limits, cols: tuple[np.ndarray, ...], center: np.ndarray, spread: np.ndarray, scale: str
) -> Ranges:
    on_scale = ranges_on_scale(limits, scale)
    latent = np.array([int(cols[j][0]) for j in limits.cols.tolist()], dtype=np.int64)
    lower, upper = (
        (end - center[limits.cols]) / spread[limits.cols] for end in (on_scale.lower, on_scale.upper)
    )
    return Ranges(limits.rows, latent, lower, upper)


def _ranges(
    counts: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]],
    limits: Limits | None,
    cols: tuple[np.ndarray, ...],
    center: np.ndarray,
    spread: np.ndarray,
    scale: str,
) -> Ranges:
    """Ranges of counts, which are known up to rounding, and of limits, sorted."""
    parts = list(counts)
    if limits is not None:
        of_limits = _of_limits(limits, cols, center, spread, scale)
        parts.append((of_limits.rows, of_limits.cols, of_limits.lower, of_limits.upper))
    if not parts:
        return Ranges()
    rows, latent, lower, upper = (np.concatenate(part) for part in zip(*parts, strict=True))
    rounded = np.concatenate([np.full(part[0].size, k < len(counts)) for k, part in enumerate(parts)]).astype(
        bool
    )
    order = np.lexsort((latent, rows))
    return Ranges(rows[order], latent[order], lower[order], upper[order], rounded[order])
