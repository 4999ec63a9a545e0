"""What the observed cells of a problem determine at a given rank."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..argument_checks import instance, optional, whole
from ..declared_arguments import declared
from ..errors import InputError
from ..problem import Problem
from .factor_map import check_factors
from .uniqueness import MAX_UNKNOWNS, LocalUniqueness, local_uniqueness


@dataclass(frozen=True, eq=False)
class Identifiability:
    """What the observed cells determine at one rank; returned by :func:`identifiability`.

    Attributes
    ----------
    rank : int
    problem : Problem
    factors : (ndarray, ndarray) or None
        ``U, V`` of a completion ``U V^T``, if given.
    max_unknowns : int or None
        Size above which local uniqueness is not checked.
    """

    rank: int
    problem: Problem = field(repr=False)
    factors: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)
    max_unknowns: int | None = field(default=MAX_UNKNOWNS, repr=False)

    @property
    def oversampling(self) -> float:
        """Observed entries per degree of freedom, ``N / (r (m + n - r))``; infinite at rank 0."""
        return self.problem.oversampling(self.rank)

    @property
    def empty_rows(self) -> np.ndarray:
        """Rows without any observed entry."""
        return np.flatnonzero(self.problem.row_counts == 0)

    @property
    def empty_cols(self) -> np.ndarray:
        """Columns without any observed entry."""
        return np.flatnonzero(self.problem.col_counts == 0)

    @property
    def deficient_rows(self) -> np.ndarray:
        """Rows with fewer observed entries than the rank, empty ones included."""
        return self.problem.deficient(self.rank)[0]

    @property
    def deficient_cols(self) -> np.ndarray:
        """Columns with fewer observed entries than the rank, empty ones included."""
        return self.problem.deficient(self.rank)[1]

    @property
    def n_components(self) -> int:
        """Number of blocks of cells that share no row or column."""
        return self.problem.n_components

    @property
    def row_components(self) -> np.ndarray:
        """Block of every row, -1 for a row without entries."""
        return self.problem.components[0]

    @property
    def col_components(self) -> np.ndarray:
        """Block of every column, -1 for a column without entries."""
        return self.problem.components[1]

    @cached_property
    def local(self) -> LocalUniqueness | None:
        """Whether the completion is locally unique; None if not checked (no completion, or too large).

        Computed on first access.
        """
        if self.factors is None:
            return None
        return local_uniqueness(self.problem, *self.factors, max_unknowns=self.max_unknowns)

    def summary(self) -> str:
        """What a user should know, one sentence per line."""
        return "\n".join([*self._counts(), *self._gaps(), self._uniqueness()])

    def _counts(self) -> list[str]:
        m, n = self.problem.shape
        text = f"{self.problem.n_observed:,} of {m * n:,} cells are observed"
        if self.rank == 0:
            return [f"{text}; rank 0 has nothing to determine."]
        lines = [
            f"{text}: {self.oversampling:.2f} for each of the {self.rank * (m + n - self.rank):,} "
            f"free numbers of a {m} x {n} matrix of rank {self.rank}."
        ]
        if self.oversampling < 1:
            lines.append(f"That is too few: infinitely many matrices of rank {self.rank} fit.")
        return lines

    def _gaps(self) -> list[str]:
        lines: list[str] = []
        empty = _counted(self.empty_rows.size, self.empty_cols.size)
        if empty:
            lines.append(f"No cell is observed in {empty}: nothing can be said about them.")
        short_rows = self.deficient_rows.size - self.empty_rows.size if self.rank else 0
        short_cols = self.deficient_cols.size - self.empty_cols.size if self.rank else 0
        short = _counted(short_rows, short_cols)
        if short:
            lines.append(f"Fewer cells than the rank are observed in {short}: the rest of them is uncertain.")
        if self.n_components > 1:
            lines.append(
                f"The observed cells fall into {self.n_components} blocks that share no row or column; "
                "cells between blocks cannot be determined."
            )
        return lines

    def _uniqueness(self) -> str:
        if self.factors is None:
            return "Local uniqueness: not checked, there is no completion yet."
        if self.local is None:
            return "Local uniqueness: not checked, the problem is too large."
        found = f"(smallest relevant singular value {self.local.relative_singular_value:.1e} of the largest)"
        if self.local.unique:
            return f"The completion is locally unique: no cell can move while the observed ones stay {found}."
        cells = "missing cell" if self.local.n_free_cells == 1 else "missing cells"
        return (
            f"The completion is not locally unique: {self.local.n_free_cells:,} {cells} can move while all "
            f"observed ones stay {found}."
        )


@declared
def identifiability(
    problem: Problem,
    rank: int,
    U: np.ndarray | None = None,
    V: np.ndarray | None = None,
    *,
    max_unknowns: int | None = MAX_UNKNOWNS,
) -> Identifiability:
    """What the observed cells determine at a rank, and at the completion ``U V^T`` if given.

    Parameters
    ----------
    problem : Problem
    rank : int
        From 0 to ``min(m, n)``.
    U, V : ndarray, shapes (m, rank) and (n, rank), optional
        Factors of a completion, to check its local uniqueness.
    max_unknowns : int or None
        See :func:`local_uniqueness`.

    Returns
    -------
    Identifiability
        Local uniqueness is computed on first access.
    """
    problem = instance("problem", problem, Problem)
    rank = whole("rank", rank, least=0, most=min(problem.shape))
    max_unknowns = optional(whole, "max_unknowns", max_unknowns, least=0)
    if (U is None) != (V is None):
        raise InputError("Give both factors, U and V, or neither.")
    if U is None or V is None:
        return Identifiability(rank, problem, None, max_unknowns)
    U, V = check_factors(problem, U, V)
    if U.shape[1] != rank:
        raise InputError(f"U and V have {U.shape[1]} columns, but the rank is {rank}.")
    return Identifiability(rank, problem, (U, V), max_unknowns)


def _counted(rows: int, cols: int) -> str:
    """``2 rows and 1 column``."""
    parts = [f"{k} {name}{'s' if k > 1 else ''}" for k, name in ((rows, "row"), (cols, "column")) if k]
    return " and ".join(parts)
