"""Averages over a group: the equivariant part of a matrix, and how large it is."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np

from ..argument_checks import array, instance, shown
from ..declared_arguments import declared
from ..errors import InputError
from ..problem import Problem
from .groups import Group


class Action(Protocol):
    """What is needed of a representation here."""

    @property
    def group(self) -> Group: ...
    @property
    def permutations(self) -> np.ndarray | None: ...
    @property
    def dimension(self) -> int: ...
    @property
    def character(self) -> np.ndarray: ...
    def apply(self, element: int, X: np.ndarray) -> np.ndarray: ...
    def compressed(self, V: np.ndarray) -> np.ndarray: ...


@declared
def project(A: np.ndarray, rows: Action, columns: Action) -> np.ndarray:
    """``P_G A = 1/|G| sum_g rho_rows(g) A rho_columns(g)^T``: the nearest equivariant matrix.

    Parameters
    ----------
    A : ndarray, shape (m, n)
    rows, columns : Representation
        Of one group, of dimensions m and n.

    Returns
    -------
    ndarray, shape (m, n)
    """
    check_pair(rows, columns)
    A = array("A", A, (rows.dimension, columns.dimension))
    if rows.permutations is not None and columns.permutations is not None:
        orbits = pair_orbits(rows, columns)
        sums = np.bincount(orbits.ravel(), A.ravel())
        return (sums / np.bincount(orbits.ravel()))[orbits]
    total = np.zeros_like(A)
    for g in range(rows.group.order):
        total += rows.apply(g, columns.apply(g, A.T).T)
    return total / rows.group.order


@declared
def pair_orbits(rows: Action, columns: Action) -> np.ndarray:
    """Which cells the group carries into each other: number of its orbit for every cell, shape (m, n).

    Raises
    ------
    InputError
        If a representation does not permute coordinates.
    """
    from scipy.sparse import coo_array  # pyright: ignore[reportMissingTypeStubs]
    from scipy.sparse.csgraph import (  # pyright: ignore[reportMissingTypeStubs]
        connected_components,  # pyright: ignore[reportUnknownVariableType]
    )

    check_pair(rows, columns)
    left, right = rows.permutations, columns.permutations
    if left is None or right is None:
        raise InputError("Cells have orbits only under representations that permute rows and columns.")
    shape = rows.dimension, columns.dimension
    cells = np.arange(shape[0] * shape[1])
    moved = [
        (left[g][:, None] * shape[1] + right[g][None, :]).ravel() for g in rows.group.generators.tolist()
    ]
    ends = np.concatenate([cells, *moved])
    starts = np.tile(cells, len(moved) + 1)
    graph = coo_array((np.ones(ends.size, dtype=np.int8), (starts, ends)), shape=(cells.size, cells.size))
    labels = cast(np.ndarray, connected_components(graph, directed=False)[1])
    return labels.reshape(shape)


@declared
def degrees_of_freedom(rows: Action, columns: Action) -> int:
    """Dimension of the equivariant matrices, ``1/|G| sum_g chi_rows(g) chi_columns(g)``.

    For permutations this is the number of orbits of cells.
    """
    check_pair(rows, columns)
    return round(float(np.mean(rows.character * columns.character)))


@dataclass(frozen=True)
class SymmetryScore:
    """How much of a matrix is equivariant.

    Attributes
    ----------
    score : float
        ``|P_G A|^2 / |A|^2``, from 0 to 1.
    by_chance : float
        Share of degrees of freedom: the expected score of a matrix of independent standard normal cells.
    degrees_of_freedom : int
        Dimension of the equivariant matrices.
    """

    score: float
    by_chance: float
    degrees_of_freedom: int

    def __str__(self) -> str:
        return (
            f"{100 * self.score:.3g}% of the squares of the cells are equivariant; "
            f"{100 * self.by_chance:.3g}% would be by chance ({self.degrees_of_freedom} degrees of freedom)."
        )


@declared
def symmetry_score(A: np.ndarray, rows: Action, columns: Action) -> SymmetryScore:
    """Share ``|P_G A|^2 / |A|^2`` of the squares of a whole matrix that the group average keeps.

    Parameters
    ----------
    A : ndarray, shape (m, n)
        Without missing cells, and not zero. Take off a mean that means nothing first: a constant matrix is
        symmetric under every permutation.
    rows, columns : Representation

    Returns
    -------
    SymmetryScore
    """
    check_pair(rows, columns)
    A = array("A", A, (rows.dimension, columns.dimension))
    largest = float(np.abs(A).max(initial=0.0))
    if largest == 0:
        raise InputError("A is zero; its symmetry cannot be judged.")
    A = A / largest  # squares could overflow or underflow
    kept = project(A, rows, columns)
    total = float(np.sum(np.square(A)))
    freedom = degrees_of_freedom(rows, columns)
    return SymmetryScore(float(np.sum(np.square(kept))) / total, freedom / kept.size, freedom)


def check_pair(rows: Action, columns: Action) -> None:
    """Refuse what is no representation, and those of different groups."""
    for each in (rows, columns):
        if not hasattr(each, "compressed"):
            raise InputError(f"rows and columns must be Representations, not {shown(each)}.")
    if rows.group is not columns.group:
        raise InputError("The representations of rows and columns must belong to one Group object.")


def check_cells(problem: object, rows: Action, columns: Action) -> Problem:
    """A problem of the shape on which the representations act, whose cells all count alike.

    Raises
    ------
    InputError
        If it is not.
    """
    check_pair(rows, columns)
    problem = instance("problem", problem, Problem)
    if problem.shape != (rows.dimension, columns.dimension):
        raise InputError(
            f"The problem is {problem.n_rows} x {problem.n_cols}, but the representations act on "
            f"{rows.dimension} rows and {columns.dimension} columns."
        )
    if problem.weights is not None:
        raise InputError("All cells must count alike here; give a problem without weights.")
    return problem
