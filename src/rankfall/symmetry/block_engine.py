"""Steps and spectra of equivariant networks in block form, all chains and all alike irreps in one call.

Weights are embedded (:mod:`rankfall.symmetry.algebra`): products over D are products of real matrices.
"""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..problem import Problem
from .algebra import components, embed, singular_values
from .maps import EquivariantMaps
from .network import EquivariantNetwork
from .trace import Recorded

# A chain whose residuals exceed the data this many times is given up, as in rankfall.train.
EXPLODED = 1e6
ROOM = 250_000_000  # numbers that the cells read: 2 GB


@dataclass(frozen=True, eq=False)
class Layout:
    """Irreps of equal type and widths are stacked, so that NumPy multiplies them in one call.

    Attributes
    ----------
    stacks : tuple of (tuple of str, int)
        Names of the irreps of each stack, and their e.
    slices : dict of str to slice
        Where the block of an irrep stands in the vector of all blocks of a product.
    dimensions : dict of str to int
    sizes : dict of str to tuple of int
    """

    stacks: tuple[tuple[tuple[str, ...], int], ...]
    slices: dict[str, slice]
    dimensions: dict[str, int]
    sizes: dict[str, tuple[int, int, int]]

    @classmethod
    def of(cls, network: EquivariantNetwork) -> Layout:
        kinds: dict[tuple[int, tuple[int, ...]], list[str]] = {}
        for each in network.maps.irreps:
            kinds.setdefault((each.endomorphisms, network.copies[each.name]), []).append(each.name)
        slices: dict[str, slice] = {}
        sizes: dict[str, tuple[int, int, int]] = {}
        position = 0
        for (e, widths), names in kinds.items():
            for name in names:
                sizes[name] = (e, widths[-1], widths[0])
                slices[name] = slice(position, position + e * widths[-1] * widths[0])
                position = slices[name].stop
        stacks = tuple((tuple(names), e) for (e, _), names in kinds.items())
        dimensions = {each.name: each.dimension for each in network.maps.irreps}
        return cls(stacks, slices, dimensions, sizes)

    def pack(self, networks: Sequence[EquivariantNetwork]) -> list[list[np.ndarray]]:
        """Embedded weights by stack and layer, shapes (chains, irreps, e m_l, e m_{l-1})."""
        depth = networks[0].depth
        return [
            [
                np.array([[embed(each.blocks[name][l]) for name in names] for each in networks])
                for l in range(depth)
            ]
            for names, _ in self.stacks
        ]

    def unpack(
        self, maps: EquivariantMaps, weights: list[list[np.ndarray]]
    ) -> tuple[EquivariantNetwork | None, ...]:
        """The networks of all chains; None for one that diverged."""
        out: list[EquivariantNetwork | None] = []
        for chain in range(weights[0][0].shape[0]):
            blocks = {
                name: tuple(components(W[chain, k], e) for W in layers)
                for (names, e), layers in zip(self.stacks, weights, strict=True)
                for k, name in enumerate(names)
            }
            finite = all(np.isfinite(W).all() for layers in blocks.values() for W in layers)
            # in the order of the irreps, not of the stacks
            out.append(EquivariantNetwork(maps, {n: blocks[n] for n in maps.sizes}) if finite else None)
        return tuple(out)


@dataclass(frozen=True, eq=False)
class Cells:
    """What the observed cells read of the blocks, as one matrix.

    Attributes
    ----------
    reads : ndarray, shape (N, degrees of freedom)
    spreads : ndarray, shape (N, degrees of freedom)
        `reads` divided by the dimension of the irrep: the block form of ``P_G e_i e_j^T``.
    values : ndarray, shape (N,)
    limit : float
        Residuals above this mean that a chain diverges.
    """

    reads: np.ndarray
    spreads: np.ndarray
    values: np.ndarray
    limit: float

    @classmethod
    def of(cls, problem: Problem, maps: EquivariantMaps, layout: Layout) -> Cells:
        total = maps.degrees_of_freedom
        if problem.n_observed * total > ROOM:
            raise InputError(
                f"{problem.n_observed} cells of a matrix with {total} degrees of freedom are too many for "
                "block form; average the cells of each orbit first, or use a larger group."
            )
        reads, by = np.empty((problem.n_observed, total)), np.empty(total)
        for name, S in maps.cells(problem.rows, problem.cols).items():
            reads[:, layout.slices[name]] = S.reshape(problem.n_observed, -1)
            by[layout.slices[name]] = layout.dimensions[name]
        largest = float(np.abs(problem.values).max())
        return cls(reads, reads / by, problem.values.astype(np.float64), EXPLODED * max(largest, 1.0))


def look(layout: Layout, cells: Cells, weights: list[list[np.ndarray]]) -> Recorded:
    """Singular values of the product and of ``Z_l = [M_l | M_{l+1}^*]`` over D, and the data loss."""
    of_product: dict[str, np.ndarray] = {}
    of_hidden: dict[str, np.ndarray] = {}
    products = [_product(layers) for layers in weights]
    for (names, e), layers, product in zip(layout.stacks, weights, products, strict=True):
        s = _spectrum(product, e)
        widest = max(W.shape[-2] for W in layers[:-1]) // e
        Z = np.zeros((*s.shape[:2], len(layers) - 1, widest))
        for l in range(len(layers) - 1):
            both = np.concatenate([layers[l], np.swapaxes(layers[l + 1], -1, -2)], axis=-1)
            hidden = _spectrum(both, e)
            Z[:, :, l, : hidden.shape[-1]] = hidden
        for k, name in enumerate(names):
            of_product[name], of_hidden[name] = s[:, k], Z[:, k]
    values = _compact(layout, products) @ cells.reads.T
    return Recorded(of_product, of_hidden, 0.5 * np.mean((values - cells.values) ** 2, axis=1))


def _spectrum(X: np.ndarray, e: int) -> np.ndarray:
    good = np.all(np.isfinite(X), axis=(-2, -1))
    s = singular_values(np.where(good[..., None, None], X, 0.0), e)
    return np.where(good[..., None], s, np.nan)


def _product(layers: list[np.ndarray]) -> np.ndarray:
    total = layers[0]
    for W in layers[1:]:
        total = W @ total
    return total


def _compact(layout: Layout, products: list[np.ndarray]) -> np.ndarray:
    """The components of all blocks in one vector per chain; they stand in every e-th column."""
    parts: list[np.ndarray] = []
    for (names, e), X in zip(layout.stacks, products, strict=True):
        m = X.shape[-2] // e
        column = X[..., ::e].reshape(X.shape[0], len(names), m, e, -1)
        parts.append(np.moveaxis(column, 3, 2).reshape(X.shape[0], -1))
    return np.concatenate(parts, axis=1)


def _residual_blocks(layout: Layout, R: np.ndarray) -> list[np.ndarray]:
    """Embedded stacks from one vector per chain."""
    out: list[np.ndarray] = []
    for names, _ in layout.stacks:
        e, m, n = layout.sizes[names[0]]
        part = R[:, layout.slices[names[0]].start : layout.slices[names[-1]].stop]
        out.append(embed(part.reshape(R.shape[0], len(names), e, m, n)))
    return out


def step(
    layout: Layout,
    cells: Cells,
    weights: list[list[np.ndarray]],
    batch: np.ndarray | None,
    lr: float,
    ridge: float,
) -> list[list[np.ndarray]]:
    below = [_running(layers) for layers in weights]
    blocks = _compact(layout, [Q[-1] for Q in below])
    if batch is None:
        residual = blocks @ cells.reads.T - cells.values
        R = residual @ cells.spreads / cells.values.size
    else:  # (chains, b) positions
        residual = np.einsum("cbk,ck->cb", cells.reads[batch], blocks) - cells.values[batch]
        R = np.einsum("cb,cbk->ck", residual, cells.spreads[batch]) / batch.shape[1]
    lost = np.flatnonzero(np.max(np.abs(residual), axis=1) > cells.limit)
    if lost.size:
        R[lost] = np.nan
    q = 1 - 2 * lr * ridge
    out: list[list[np.ndarray]] = []
    for layers, Q, back in zip(weights, below, _residual_blocks(layout, R), strict=True):
        moved: list[np.ndarray] = []
        for l in range(len(layers) - 1, -1, -1):
            gradient = back @ np.swapaxes(Q[l - 1], -1, -2) if l else back
            moved.append(q * layers[l] - lr * gradient)
            back = np.swapaxes(layers[l], -1, -2) @ back
        out.append(moved[::-1])
    return out


def _running(layers: list[np.ndarray]) -> list[np.ndarray]:
    """``W_1, W_2 W_1, ...``."""
    out = [layers[0]]
    for W in layers[1:]:
        out.append(W @ out[-1])
    return out


def cleaned(layout: Layout, weights: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
    """The nearest embedded matrices: rounding moves weights off the matrices over D."""
    return [
        layers if e == 1 else [embed(components(W, e)) for W in layers]
        for (_, e), layers in zip(layout.stacks, weights, strict=True)
    ]
