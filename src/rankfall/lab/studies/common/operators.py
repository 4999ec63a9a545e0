"""Operators of low rank in every irrep, and the cells of them that a study observes."""

from __future__ import annotations

import numpy as np

from ....problem import Problem
from ....symmetry import EquivariantMaps, Group, Representation, pair_orbits
from ....symmetry.algebra import components, embed

GROUPS = {
    "C": Group.cyclic,
    "D": Group.dihedral,
    "S": Group.symmetric,
    "Q": lambda _: Group.quaternion(),
}


def group_named(name: str) -> Group:
    """``C16``, ``D4``, ``S3`` or ``Q8``."""
    return GROUPS[name[0]](int(name[1:]))


def channels_of(group: Group, channels: int) -> Representation:
    """Channels on every element of the group; for rotations, on every place of the ring."""
    return Representation.regular(group).tensor(Representation.trivial(group, channels))


def low_rank_operator(maps: EquivariantMaps, rank: int, seed: int) -> np.ndarray:
    """A random equivariant matrix with this rank over D in every irrep, of cells of root mean square 1."""
    rng = np.random.default_rng(seed)
    blocks: dict[str, np.ndarray] = {}
    for each in maps.irreps:
        (m, n), e = maps.sizes[each.name], each.endomorphisms
        left, right = rng.standard_normal((e, m, rank)), rng.standard_normal((e, rank, n))
        blocks[each.name] = components(embed(left) @ embed(right), e)
    A = maps.assemble(blocks)
    return A / np.sqrt(np.mean(A**2))


def some_cells(A: np.ndarray, count: int, seed: int) -> Problem:
    """`count` cells drawn without symmetry; a larger count adds cells to those of a smaller one."""
    i, j = np.divmod(np.random.default_rng(seed).permutation(A.size)[:count], A.shape[1])
    return Problem.from_triplets(i, j, A[i, j], (A.shape[0], A.shape[1]))


def unseen_cells(problem: Problem, rows: Representation, columns: Representation) -> np.ndarray:
    """Where no observed cell lies in the orbit, shape (n_rows, n_cols)."""
    orbits = pair_orbits(rows, columns)
    return ~np.isin(orbits, orbits[problem.rows, problem.cols])


def relative_error(found: np.ndarray, A: np.ndarray, where: np.ndarray) -> float:
    """``|found - A| / |A|`` on some cells; infinite where nothing was found."""
    error = float(np.linalg.norm((found - A)[where]) / np.linalg.norm(A[where]))
    return error if np.isfinite(error) else np.inf
