"""Least squares at given ranks of the irreps: what a completion delivers once the ranks are known.

The ridge that made the ranks fall shrinks the blocks; at fixed ranks it is not needed any more. Each block is
a product ``U V`` over D, fitted by alternating least squares for all irreps together.
"""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..problem import Problem
from .algebra import components, embed
from .maps import EquivariantMaps

_SWEEPS = 300
_SETTLED = 1e-8  # relative change of all blocks in a sweep


def cut(
    maps: EquivariantMaps, blocks: Mapping[str, np.ndarray], ranks: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """The best approximations of blocks by blocks of given ranks over D."""
    out: dict[str, np.ndarray] = {}
    for name, M in blocks.items():
        e, r = maps.irrep(name).endomorphisms, ranks[name]
        U, s, Vt = np.linalg.svd(embed(M), full_matrices=False)
        out[name] = components((U[:, : e * r] * s[: e * r]) @ Vt[: e * r], e)
    return out


def refit(
    problem: Problem, maps: EquivariantMaps, blocks: Mapping[str, np.ndarray], ranks: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Blocks of these ranks that fit the observed cells best, starting from blocks of these ranks.

    Parameters
    ----------
    problem : Problem
        With at least as many cells as blocks of these ranks have degrees of freedom.
    maps : EquivariantMaps
    blocks : mapping of str to ndarray
    ranks : mapping of str to int

    Returns
    -------
    dict of str to ndarray
        The fit, or `blocks` if it does not fit the cells better.
    """
    used = [each.name for each in maps.irreps if ranks[each.name]]
    reads = {name: embed(S) for name, S in maps.cells(problem.rows, problem.cols).items() if name in used}
    es = {name: maps.irrep(name).endomorphisms for name in used}
    rng = np.random.default_rng(0)  # any basis of a row space will do
    right: dict[str, np.ndarray] = {}
    for name in used:
        mix = embed(rng.standard_normal((es[name], ranks[name], blocks[name].shape[1])))
        right[name] = _orthonormal(mix @ embed(blocks[name]))
    now = {name: embed(blocks[name]) for name in used}
    for _ in range(_SWEEPS):
        before = now
        designs = {n: components(reads[n] @ right[n].T, es[n]) for n in used}
        left = _fitted(problem.values, designs, es)
        left = {n: _orthonormal(U.T).T for n, U in left.items()}
        designs = {n: components(left[n].T @ reads[n], es[n]) for n in used}
        right = _fitted(problem.values, designs, es)
        now = {n: left[n] @ right[n] for n in used}
        right = {n: _orthonormal(V) for n, V in right.items()}
        moved = sum(float(np.sum((now[n] - before[n]) ** 2)) for n in used)
        if moved <= _SETTLED**2 * sum(float(np.sum(before[n] ** 2)) for n in used):
            break
    found = {
        name: components(now[name], es[name]) if name in used else np.zeros_like(M)
        for name, M in blocks.items()
    }
    return found if _misfit(problem, maps, found) < _misfit(problem, maps, blocks) else dict(blocks)


def _orthonormal(V: np.ndarray) -> np.ndarray:
    """``(V V^T)^(-1/2) V``: orthonormal rows over D; a function of an embedded matrix is embedded."""
    s, Q = np.linalg.eigh(V @ V.T)
    return (Q / np.sqrt(np.maximum(s, 1e-30 * max(float(s[-1]), 1e-300)))) @ (Q.T @ V)


def _fitted(
    values: np.ndarray, designs: Mapping[str, np.ndarray], es: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Least squares for one factor of every irrep together, embedded."""
    flat = np.concatenate([D.reshape(values.size, -1) for D in designs.values()], axis=1)
    normal = flat.T @ flat
    # a hair above rounding: directions that no cell sees stay where they are, at zero
    normal[np.diag_indices_from(normal)] += 1e-14 * np.trace(normal)
    solution = np.linalg.solve(normal, flat.T @ values)
    out: dict[str, np.ndarray] = {}
    start = 0
    for name, D in designs.items():
        stop = start + D[0].size
        out[name] = embed(solution[start:stop].reshape(es[name], *D.shape[2:]))
        start = stop
    return out


def _misfit(problem: Problem, maps: EquivariantMaps, blocks: Mapping[str, np.ndarray]) -> float:
    A = maps.assemble(blocks)
    return float(np.sum((A[problem.rows, problem.cols] - problem.values) ** 2))
