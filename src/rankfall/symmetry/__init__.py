"""Matrices that commute with a finite group: decomposition, equivariant networks and completion.

A :class:`Group` acts through :class:`Representation` objects, which decompose numerically into irreducible
ones and certify that they did. Equivariant matrices are blocks in these coordinates
(:class:`EquivariantMaps`), equivariant deep linear networks one deep linear network for each irrep
(:class:`EquivariantNetwork`, :func:`~rankfall.symmetry.train`), and :func:`~rankfall.symmetry.complete` finds
a matrix from few of its cells, with a rank for each irrep and orbit filling beside it. :func:`lock` and
:class:`AbsorbingBlocks` certify that these ranks do not rise again. See docs/symmetry.md.
"""

from __future__ import annotations

from .absorbing_blocks import AbsorbingBlocks, orbit_constant, solve
from .averages import SymmetryScore, degrees_of_freedom, pair_orbits, project, symmetry_score
from .block_tails import BlockTails, block_phi_threshold, lock, tail_factors
from .decomposition import Decomposition, Irrep, decompose
from .equivariant_completion import EquivariantCompletion, complete
from .groups import Group
from .maps import BlockCost, EquivariantMaps
from .network import EquivariantNetwork
from .orbit_filling import fill_orbits, fit_rank
from .representations import Representation
from .trace import EquivariantTrace
from .training import train

__all__ = [
    "AbsorbingBlocks",
    "BlockCost",
    "BlockTails",
    "Decomposition",
    "EquivariantCompletion",
    "EquivariantMaps",
    "EquivariantNetwork",
    "EquivariantTrace",
    "Group",
    "Irrep",
    "Representation",
    "SymmetryScore",
    "block_phi_threshold",
    "complete",
    "decompose",
    "degrees_of_freedom",
    "fill_orbits",
    "fit_rank",
    "lock",
    "orbit_constant",
    "pair_orbits",
    "project",
    "solve",
    "symmetry_score",
    "tail_factors",
    "train",
]
