"""A ring of sensors with channels: an operator that commutes with rotations, of rank one in every irrep."""

from __future__ import annotations

import numpy as np

import rankfall as rf
from rankfall.symmetry import EquivariantMaps, Group, Representation, pair_orbits
from rankfall.symmetry.algebra import components, embed


def ring(sensors: int, channels: int, seed: int = 0) -> tuple[Representation, np.ndarray]:
    """How rotations act on the channels of all sensors, and an operator whose cells have unit scale."""
    group = Group.cyclic(sensors)
    rho = Representation.permutation(group).tensor(Representation.trivial(group, channels))
    maps = EquivariantMaps.between(rho, rho)
    rng = np.random.default_rng(seed)
    blocks: dict[str, np.ndarray] = {}
    for each in maps.irreps:
        e = each.endomorphisms
        u, v = rng.standard_normal((e, channels, 1)), rng.standard_normal((e, 1, channels))
        blocks[each.name] = components(embed(u) @ embed(v), e)
    A = maps.assemble(blocks)
    return rho, A / np.sqrt(np.mean(A**2))


def observed(A: np.ndarray, count: int, seed: int = 0) -> rf.Problem:
    """Some cells, drawn without symmetry."""
    i, j = np.divmod(np.random.default_rng(seed).permutation(A.size)[:count], A.shape[1])
    return rf.Problem.from_triplets(i, j, A[i, j], A.shape)


def unseen(problem: rf.Problem, rho: Representation) -> np.ndarray:
    """Cells of the orbits that no observed cell lies in."""
    orbits = pair_orbits(rho, rho)
    return ~np.isin(orbits, orbits[problem.rows, problem.cols])
