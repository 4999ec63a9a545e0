"""Finite groups as groups of permutations: every element, one row each."""

# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..argument_checks import instance, shown, text, whole
from ..declared_arguments import declared
from ..errors import InputError

MAX_ORDER = 10_000
"""Larger groups are refused: sums run over every element (the symmetric group of 7 points has 5040)."""


@dataclass(frozen=True, eq=False)
class Group:
    """A finite group of permutations.

    Attributes
    ----------
    name : str
    elements : ndarray of int64, shape (order, n_points)
        ``elements[g, p]`` is where element g takes point p; the identity comes first. The product gh applies
        h first: ``elements[gh] = elements[g][elements[h]]``.
    generators : ndarray of int64, shape (n_generators,)
        Positions of elements that generate the group.
    letter, rest : ndarray of int64, shape (order,)
        Every element but the first is ``generator letter[g]`` times element ``rest[g]``, and ``rest[g] < g``.
    """

    name: str
    elements: np.ndarray = field(repr=False)
    generators: np.ndarray = field(repr=False)
    letter: np.ndarray = field(repr=False)
    rest: np.ndarray = field(repr=False)

    # -- constructors ----------------------------------------------------------------------------

    @classmethod
    @declared
    def from_permutations(cls, generators: object, *, name: str = "") -> Group:
        """The group that some permutations of 0, 1, ..., n - 1 generate.

        Parameters
        ----------
        generators : sequence of permutations, shape (n_generators, n_points)
        name : str, optional

        Raises
        ------
        InputError
            If a row is no permutation, or the group has more than `MAX_ORDER` elements.
        """
        name = text("name", name)
        rows = permutations("generators", generators)
        unmoved = np.arange(int(rows.shape[1]))
        moves = [row for row in rows if not np.array_equal(row, unmoved)]
        elements, letter, rest = _closure(np.array(moves, dtype=np.int64).reshape(len(moves), rows.shape[1]))
        found = {element.tobytes(): k for k, element in enumerate(elements)}
        at = np.array([found[row.tobytes()] for row in moves], dtype=np.int64)
        return cls(name or f"group of order {len(elements)}", elements, at, letter, rest)

    @classmethod
    @declared
    def cyclic(cls, n: int) -> Group:
        """``C_n``, the rotations of a ring of `n` points; element k moves every point k places on."""
        n = whole("n", n, least=1, most=MAX_ORDER)
        return cls.from_permutations([(np.arange(n) + 1) % n], name=f"C{n}")

    @classmethod
    @declared
    def dihedral(cls, n: int) -> Group:
        """``D_n`` of order 2n: rotations and reflections of a ring of `n` points.

        With one or two points, where these coincide, the group acts on 2n points instead.
        """
        n = whole("n", n, least=1, most=MAX_ORDER // 2)
        if n <= 2:
            swaps = [[1, 0]] if n == 1 else [[1, 0, 2, 3], [0, 1, 3, 2]]
            return cls.from_permutations(swaps, name=f"D{n}")
        ring = np.arange(n)
        return cls.from_permutations([(ring + 1) % n, -ring % n], name=f"D{n}")

    @classmethod
    @declared
    def symmetric(cls, n: int) -> Group:
        """``S_n``, all permutations of `n` points (n up to 7)."""
        n = whole("n", n, least=1, most=7)
        swap, turn = np.arange(n), (np.arange(n) + 1) % n
        swap[: min(n, 2)] = swap[: min(n, 2)][::-1]
        return cls.from_permutations([swap, turn], name=f"S{n}")

    @classmethod
    def quaternion(cls) -> Group:
        """``Q_8 = {1, -1, i, -i, j, -j, k, -k}``, acting on itself from the left."""
        # points 0..3 are 1, i, j, k, and 4..7 their negatives
        by_i = [1, 4, 3, 6, 5, 0, 7, 2]
        by_j = [2, 7, 4, 1, 6, 3, 0, 5]
        return cls.from_permutations([by_i, by_j], name="Q8")

    @classmethod
    @declared
    def product(cls, *groups: Group) -> Group:
        """The direct product: each factor moves points of its own, one block after the other."""
        if not groups:
            raise InputError("A product of groups needs at least one group.")
        for each in groups:
            instance("every one of groups", each, Group)
        sizes = [each.n_points for each in groups]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        rows: list[np.ndarray] = []
        for each, start in zip(groups, starts.tolist(), strict=False):
            for generator in each.elements[each.generators]:
                row = np.arange(sum(sizes))
                row[start : start + each.n_points] = start + generator
                rows.append(row)
        rows = rows or [np.arange(sum(sizes))]
        return cls.from_permutations(np.array(rows), name=" x ".join(each.name for each in groups))

    # -- facts -----------------------------------------------------------------------------------

    @property
    def order(self) -> int:
        """Number of elements."""
        return self.elements.shape[0]

    @property
    def n_points(self) -> int:
        """Number of points that the permutations move."""
        return self.elements.shape[1]

    @cached_property
    def table(self) -> np.ndarray:
        """``table[g, h]`` is the position of the product gh, shape (order, order)."""
        return np.array([self.products(g) for g in range(self.order)])

    @declared
    def products(self, element: int) -> np.ndarray:
        """Positions of the products of one element with all others, the row of `table`."""
        sorting, keys = self._sorted
        return sorting[np.searchsorted(keys, self._keys(self.elements[element][self.elements]))]

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """The order of the keys of all elements, and the keys in it."""
        keys = self._keys(self.elements)
        sorting = np.argsort(keys)
        return sorting, keys[sorting]

    @declared
    def find(self, rows: object) -> np.ndarray:
        """Positions of some permutations among the elements.

        Raises
        ------
        InputError
            If one is not an element of the group.
        """
        wanted = permutations("rows", rows)
        found = {element.tobytes(): k for k, element in enumerate(self.elements)}
        at = [found.get(row.tobytes(), -1) for row in wanted]
        if min(at) < 0:
            raise InputError(f"{wanted[at.index(-1)].tolist()} is not an element of {self.name}.")
        return np.array(at, dtype=np.int64)

    def _keys(self, rows: np.ndarray) -> np.ndarray:
        """One sortable key for every row."""
        rows = np.ascontiguousarray(rows.astype(">i8"))
        return rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()

    def __repr__(self) -> str:
        return f"Group({self.name}, order {self.order}, on {self.n_points} points)"


def permutations(name: str, rows: object) -> np.ndarray:
    """Rows that are permutations of 0, 1, ..., as int64; anything else is refused."""
    try:
        found = np.array(rows, ndmin=2)
    except ValueError:
        found = np.empty((0, 0))
    if found.ndim != 2 or not found.size or found.dtype.kind not in "iu":
        raise InputError(f"{name} must be rows of whole numbers of equal length, not {shown(rows)}.")
    wrong = np.flatnonzero((np.sort(found, axis=1) != np.arange(found.shape[1])).any(axis=1))
    if wrong.size:
        raise InputError(
            f"{name} must be permutations of 0, ..., {found.shape[1] - 1}; row {wrong[0]} is "
            f"{shown(found[wrong[0]].tolist())}."
        )
    return found.astype(np.int64)


def _closure(generators: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All products of the generators, breadth first, and how each came about."""
    identity = np.arange(generators.shape[1], dtype=np.int64)
    elements, letter, rest = [identity], [-1], [-1]
    seen = {identity.tobytes()}
    for position, element in enumerate(elements):  # grows while it is read
        for k, generator in enumerate(generators):
            product = generator[element]
            if (key := product.tobytes()) in seen:
                continue
            if len(elements) == MAX_ORDER:
                raise InputError(
                    f"These permutations generate more than {MAX_ORDER} elements; use fewer symmetries "
                    "(a subgroup gives a part of the gain)."
                )
            seen.add(key)
            elements.append(product)
            letter.append(k)
            rest.append(position)
    return np.array(elements), np.array(letter, dtype=np.int64), np.array(rest, dtype=np.int64)
