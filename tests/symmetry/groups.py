"""Groups and representations that several tests use."""

from __future__ import annotations

import numpy as np

from rankfall.symmetry import EquivariantMaps, EquivariantNetwork, Group, Representation

A4 = Group.from_permutations([[1, 2, 0, 3], [1, 0, 3, 2]], name="A4")
# SL(2, 3) acts on the eight vectors other than zero of the plane over three elements
_VECTORS = [(a, b) for a in range(3) for b in range(3) if (a, b) != (0, 0)]
SL23 = Group.from_permutations(
    [
        [_VECTORS.index(((a * p + b * q) % 3, (r * p + s * q) % 3)) for p, q in _VECTORS]
        for a, b, r, s in ((1, 1, 0, 1), (1, 0, 1, 1))
    ],
    name="SL(2,3)",
)
Q8 = Group.quaternion()
GROUPS = {
    "C1": Group.cyclic(1),
    "C7": Group.cyclic(7),
    "D4": Group.dihedral(4),
    "S4": Group.symmetric(4),
    "A4": A4,
    "Q8": Q8,
    "SL(2,3)": SL23,
}


def spaces(group: Group) -> tuple[Representation, Representation]:
    """Rows: the group itself and its points; columns: two channels of the group itself."""
    regular = Representation.regular(group)
    rows = regular.direct_sum(Representation.permutation(group))
    return rows, regular.tensor(Representation.trivial(group, 2))


def network(group: Group, *, depth: int = 3, scale: float = 1.0, seed: int = 0) -> EquivariantNetwork:
    """A network between `spaces`, with a hidden layer that is too narrow for some irreps."""
    maps = EquivariantMaps.between(*spaces(group))
    return EquivariantNetwork.gaussian(maps, depth=depth, hidden=2, scale=scale, seed=seed)


def turned(rho: Representation, seed: int = 0) -> Representation:
    """The same representation in random orthonormal coordinates: no longer permutations."""
    turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((rho.dimension, rho.dimension)))
    matrices = turn @ rho.matrices[rho.group.generators] @ turn.T
    return Representation.from_matrices(rho.group, matrices)
