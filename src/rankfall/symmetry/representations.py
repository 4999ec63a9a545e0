"""Real orthogonal representations of a finite group."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import numpy as np

from ..argument_checks import array, instance, whole
from ..declared_arguments import declared
from ..errors import InputError
from .decomposition import Decomposition, decompose
from .groups import Group, permutations

TOLERANCE = 1e-9
"""Products and lengths may be wrong by this: far above rounding, far below what another matrix would give."""

# what single precision makes of orthogonal matrices
_ROUNDED = 1e-4
_ROOM = 250_000_000  # numbers in the matrices of all elements: 2 GB


@dataclass(frozen=True, eq=False)
class Representation:
    """A homomorphism of a group into the orthogonal matrices, one matrix for each element.

    Attributes
    ----------
    group : Group
    permutations : ndarray of int64, shape (order, dimension), or None
        For matrices of permutations: ``permutations[g, i]`` is where g takes coordinate i. Their matrices are
        made only where they are needed.
    """

    group: Group
    permutations: np.ndarray | None = field(repr=False)
    _matrices: np.ndarray | None = field(default=None, repr=False)

    # -- constructors ----------------------------------------------------------------------------

    @classmethod
    @declared
    def trivial(cls, group: Group, dimension: int = 1) -> Representation:
        """Every element leaves all coordinates alone."""
        group = instance("group", group, Group)
        dimension = whole("dimension", dimension, least=1)
        return cls(group, np.broadcast_to(np.arange(dimension), (group.order, dimension)))

    @classmethod
    @declared
    def permutation(cls, group: Group, images: object = None) -> Representation:
        """The group permutes coordinates.

        Parameters
        ----------
        group : Group
        images : array_like of int, shape (n_generators, dimension), optional
            Where each generator takes every coordinate; by default the group's own points.

        Raises
        ------
        InputError
            If the images are no permutations, or do not multiply as the generators do.
        """
        group = instance("group", group, Group)
        if images is None:
            return cls(group, group.elements)
        rows = permutations("images", images)
        _one_per_generator(group, rows.shape[0], "images")
        found = _spelled(group, np.arange(int(rows.shape[1])), rows, _composed)
        return cls(group, found)._checked()

    @classmethod
    @declared
    def regular(cls, group: Group) -> Representation:
        """The group permutes its own elements: g takes coordinate h to gh."""
        group = instance("group", group, Group)
        return cls(group, group.table)

    @classmethod
    @declared
    def sign(cls, group: Group) -> Representation:
        """The sign of the permutations: 1 for even ones and -1 for odd ones.

        Raises
        ------
        InputError
            If all are even, as in alternating groups and ``Q_8``.
        """
        group = instance("group", group, Group)
        signs = np.array([_sign(element) for element in group.elements], dtype=np.float64)
        if (signs > 0).all():
            raise InputError(f"All permutations of {group.name} are even; its sign is the trivial one.")
        return cls(group, None, signs[:, None, None])

    @classmethod
    @declared
    def from_matrices(cls, group: Group, matrices: object) -> Representation:
        """Orthogonal matrices of the generators; those of the other elements follow.

        Parameters
        ----------
        group : Group
        matrices : array_like, shape (n_generators, dimension, dimension)

        Raises
        ------
        InputError
            If they are not orthogonal, or do not multiply as the generators do.
        """
        group = instance("group", group, Group)
        given = array("matrices", matrices, ("n", "d", "d"))
        _one_per_generator(group, given.shape[0], "matrices")
        d = given.shape[1]
        if not d:
            raise InputError("The matrices must have one row or more.")
        _make_room(group, d)
        with np.errstate(over="ignore", invalid="ignore"):
            defect = float(np.abs(np.swapaxes(given, 1, 2) @ given - np.eye(d)).max(initial=0.0))
        if not defect <= TOLERANCE:  # NaN included
            remedy = (
                "They seem to be rounded; compute them in float64."
                if defect < _ROUNDED
                else "With the Cholesky factor C of the mean of M^T M over the group, C^T M C^-T are."
            )
            raise InputError(
                f"The matrices must be orthogonal; M^T M differs from the identity by {defect:.2g}. {remedy}"
            )
        return cls(group, None, _spelled(group, np.eye(d), given, np.matmul))._checked()

    # -- facts -----------------------------------------------------------------------------------

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        return self._moves.shape[1] if self._matrices is None else self._matrices.shape[1]

    @cached_property
    def matrices(self) -> np.ndarray:
        """The matrices of all elements, shape (order, dimension, dimension)."""
        if self._matrices is not None:
            return self._matrices
        _make_room(self.group, self.dimension)
        out = np.zeros((self.group.order, self.dimension, self.dimension))
        columns = np.arange(self.dimension)
        out[np.arange(self.group.order)[:, None], self._moves, columns] = 1.0
        return out

    @property
    def character(self) -> np.ndarray:
        """Trace of every element, shape (order,)."""
        if self._matrices is None:
            return np.count_nonzero(self._moves == np.arange(self.dimension), axis=1).astype(float)
        return np.einsum("gii->g", self._matrices)

    @declared
    def apply(self, element: int, X: np.ndarray) -> np.ndarray:
        """``rho(g) X`` for one element, X of shape (dimension, ...)."""
        if self._matrices is not None:
            return self._matrices[element] @ X
        out = np.empty_like(X)
        out[self._moves[element]] = X
        return out

    @declared
    def compressed(self, V: np.ndarray) -> np.ndarray:
        """``V^T rho(g) V`` for every element, shape (order, k, k), V of shape (dimension, k)."""
        if self._matrices is not None:
            return V.T @ (self._matrices @ V)
        return np.stack([V[row].T @ V for row in self._moves])

    # -- others from it --------------------------------------------------------------------------

    @declared
    def direct_sum(self, *others: Representation) -> Representation:
        """The coordinates of all, one after the other."""
        parts = (self, *others)
        self._same_group(others)
        if all(part._matrices is None for part in parts):
            starts = np.cumsum([0, *(part.dimension for part in parts)])
            rows = [part._moves + start for part, start in zip(parts, starts, strict=False)]
            return Representation(self.group, np.concatenate(rows, axis=1))
        total = sum(part.dimension for part in parts)
        _make_room(self.group, total)
        out = np.zeros((self.group.order, total, total))
        start = 0
        for part in parts:
            stop = start + part.dimension
            out[:, start:stop, start:stop] = part.matrices
            start = stop
        return Representation(self.group, None, out)

    @declared
    def tensor(self, other: Representation) -> Representation:
        """The Kronecker product: coordinate (i, j) stands at ``i * other.dimension + j``.

        With ``Representation.trivial(group, c)`` it makes `c` channels of every coordinate.
        """
        self._same_group((other,))
        if self._matrices is None and other._matrices is None:
            rows = self._moves[:, :, None] * other.dimension + other._moves[:, None, :]
            return Representation(self.group, rows.reshape(self.group.order, -1))
        d = self.dimension * other.dimension
        _make_room(self.group, d)
        out = np.einsum("gij,gkl->gikjl", self.matrices, other.matrices)
        return Representation(self.group, None, out.reshape(-1, d, d))

    @declared
    def restrict(self, subgroup: Group) -> Representation:
        """The same matrices, for the elements of a subgroup alone.

        Parameters
        ----------
        subgroup : Group
            Of permutations of the same points, all of them elements of this group.
        """
        subgroup = instance("subgroup", subgroup, Group)
        at = self.group.find(subgroup.elements)
        if self._matrices is None:
            return Representation(subgroup, self._moves[at])
        return Representation(subgroup, None, self._matrices[at])

    @declared
    def decompose(self, seed: int = 0) -> Decomposition:
        """Split it into irreducible representations; see :func:`rankfall.symmetry.decompose`."""
        return decompose(self, seed=seed)[0]

    @property
    def _moves(self) -> np.ndarray:
        """The permutations, where there are no matrices."""
        return cast(np.ndarray, self.permutations)

    def _same_group(self, others: tuple[Representation, ...]) -> None:
        for other in others:
            if instance("every one of others", other, Representation).group is not self.group:
                raise InputError("Only representations of one Group object can be put together.")

    def _checked(self) -> Representation:
        """This, if products of generators and elements are mapped to products; else an InputError."""
        group = self.group
        for k, generator in enumerate(group.generators):
            products = group.products(int(generator))
            if self._matrices is None:
                wrong = (self._moves[generator][self._moves] != self._moves[products]).any()
                defect = float(wrong)
            else:
                made = self._matrices[generator] @ self._matrices
                defect = float(np.abs(made - self._matrices[products]).max())
            if defect > TOLERANCE:
                raise InputError(
                    f"These are no representation of {group.name}: generator {k} times an element is wrong "
                    f"by {defect:.2g}."
                )
        return self

    def __repr__(self) -> str:
        kind = "permutations" if self._matrices is None else "matrices"
        return f"Representation({self.group.name}, dimension {self.dimension}, {kind})"


def _spelled(
    group: Group,
    identity: np.ndarray,
    generators: np.ndarray,
    product: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Images of all elements from those of the generators."""
    out = np.empty(
        (group.order, *identity.shape), dtype=generators.dtype if len(generators) else identity.dtype
    )
    out[0] = identity
    for g in range(1, group.order):
        out[g] = product(generators[group.letter[g]], out[group.rest[g]])
    return out


def _composed(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    return outer[inner]


def _sign(row: np.ndarray) -> int:
    """-1 to the number of cycles of even length."""
    sign, seen = 1, np.zeros(row.size, dtype=bool)
    for start in range(row.size):
        length, at = 0, start
        while not seen[at]:
            seen[at] = True
            at, length = row[at], length + 1
        if length and length % 2 == 0:
            sign = -sign
    return sign


def _one_per_generator(group: Group, count: int, name: str) -> None:
    if count != group.generators.size:
        raise InputError(
            f"{name} must hold one for each of the {group.generators.size} generators of {group.name}, not "
            f"{count}."
        )


def _make_room(group: Group, dimension: int) -> None:
    if group.order * dimension**2 > _ROOM:
        raise InputError(
            f"The matrices of {group.order} elements in dimension {dimension} take "
            f"{8e-9 * group.order * dimension**2:.3g} GB; use permutations or a smaller group."
        )
