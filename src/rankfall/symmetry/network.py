"""Equivariant deep linear networks: one deep linear network over D for each irrep."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np

from ..argument_checks import array, instance, number, shown, whole
from ..declared_arguments import declared
from ..errors import InputError
from ..network import Network
from .algebra import components, embed
from .maps import EquivariantMaps


@dataclass(frozen=True, eq=False)
class EquivariantNetwork:
    """Weights ``W_1, ..., W_L`` that all commute with the group, in block form.

    Hidden layer l is a space with ``m_l`` copies of each irrep; the product of the weights is an equivariant
    matrix, and its block of an irrep is the product of this irrep's weights over D (docs/symmetry.md).

    Attributes
    ----------
    maps : EquivariantMaps
    blocks : dict of str to tuple of ndarray, shapes (e, m_l, m_{l-1})
        The weights of each shared irrep, layer 1 first, in their real components.
    """

    maps: EquivariantMaps
    blocks: dict[str, tuple[np.ndarray, ...]]

    def __post_init__(self) -> None:
        sizes = self.maps.sizes
        if set(self.blocks) != set(sizes) or len({len(layers) for layers in self.blocks.values()}) != 1:
            raise InputError(f"blocks must hold weights of {', '.join(sizes)}, equally many for each.")
        checked: dict[str, tuple[np.ndarray, ...]] = {}
        for name, layers in self.blocks.items():
            e = self.maps.irrep(name).endomorphisms
            checked[name] = tuple(
                array(f"blocks[{name!r}][{k}]", W, (e, "m", "n")) for k, W in enumerate(layers)
            )
            widths = _widths(checked[name])
            fit = all(up.shape[2] == low.shape[1] for low, up in pairwise(checked[name]))
            if len(layers) < 2 or not fit or (widths[-1], widths[0]) != sizes[name]:
                raise InputError(
                    f"The weights of {name} must be two or more blocks that lead from {sizes[name][1]} to "
                    f"{sizes[name][0]} copies."
                )
        object.__setattr__(self, "blocks", checked)

    @classmethod
    @declared
    def gaussian(
        cls,
        maps: EquivariantMaps,
        *,
        depth: int = 3,
        hidden: int | Mapping[str, int] | None = None,
        scale: float = 1.0,
        seed: int = 0,
    ) -> EquivariantNetwork:
        """Independent normal numbers over D, of variance ``scale^2 / min(m_l, m_{l-1})``.

        For the group of one element this is :meth:`rankfall.Network.gaussian`: the singular values of every
        block lie between 0 and about ``2 scale``, whatever the group.

        Parameters
        ----------
        maps : EquivariantMaps
        depth : int
        hidden : int or mapping of str to int, optional
            Copies of each irrep in every hidden layer; by default as many as can matter, the smaller of the
            numbers in rows and columns.
        scale : float
        seed : int
        """
        instance("maps", maps, EquivariantMaps)
        depth, scale = whole("depth", depth, least=2), number("scale", scale)
        rng = np.random.default_rng(whole("seed", seed, least=0))
        if isinstance(hidden, Mapping):
            for name in hidden:
                maps.irrep(name)
        blocks: dict[str, tuple[np.ndarray, ...]] = {}
        for each in maps.irreps:
            m, n = maps.sizes[each.name]
            copies = min(m, n) if hidden is None else hidden
            if isinstance(copies, Mapping):
                copies = copies.get(each.name, min(m, n))
            copies = whole(f"hidden copies of {each.name}", copies, least=1)
            widths = [n, *[copies] * (depth - 1), m]
            e = each.endomorphisms
            blocks[each.name] = tuple(
                rng.standard_normal((e, up, low)) * (scale / np.sqrt(e * min(up, low)))
                for low, up in pairwise(widths)
            )
        return cls(maps, blocks)

    # -- facts -----------------------------------------------------------------------------------

    @property
    def depth(self) -> int:
        """Number of layers."""
        return len(next(iter(self.blocks.values())))

    @property
    def copies(self) -> dict[str, tuple[int, ...]]:
        """``m_0, ..., m_L`` of each irrep."""
        return {name: _widths(layers) for name, layers in self.blocks.items()}

    @property
    def squared_norm(self) -> float:
        """``sum_l |W_l|^2 = sum_tau d_tau sum_l |M_l|^2``."""
        return sum(
            self.maps.irrep(name).dimension * float(sum(np.sum(np.square(W)) for W in layers))
            for name, layers in self.blocks.items()
        )

    @declared
    def check_ranks(self, ranks: object) -> dict[str, int]:
        """A rank for each irrep, 0 for those that are left out.

        Raises
        ------
        InputError
            If it is no mapping, names an irrep that is not shared, or holds something else than ranks.
        """
        if not isinstance(ranks, Mapping):
            raise InputError(f"ranks must map irreps to whole numbers, not {shown(ranks)}.")
        given = cast("Mapping[object, object]", ranks)
        unknown = [name for name in given if name not in self.blocks]
        if unknown:
            raise InputError(f"ranks names {unknown[0]!r}; the irreps are {', '.join(self.blocks)}.")
        return {name: whole(f"rank of {name}", given.get(name, 0), least=0) for name in self.blocks}

    @declared
    def embedded(self, name: str) -> list[np.ndarray]:
        """Weights of one irrep as real matrices."""
        return [embed(W) for W in self.blocks[name]]

    def product_blocks(self) -> dict[str, np.ndarray]:
        """The blocks of the product."""
        out: dict[str, np.ndarray] = {}
        for name in self.blocks:
            total, *others = self.embedded(name)
            for W in others:
                total = W @ total
            out[name] = components(total, self.maps.irrep(name).endomorphisms)
        return out

    def product(self) -> np.ndarray:
        """``A = W_L ... W_1``, shape (m, n)."""
        return self.maps.assemble(self.product_blocks())

    def to_network(self) -> Network:
        """The same weights as whole matrices: a network that :func:`rankfall.train` can train.

        Hidden coordinates are those of the copies, one after the other, d for each.
        """
        layers: list[np.ndarray] = []
        for index in range(self.depth):
            parts = [self._dense(name, index) for name in self.blocks]
            if index == 0:
                layers.append(np.concatenate(parts))
            elif index == self.depth - 1:
                layers.append(np.concatenate(parts, axis=1))
            else:
                layer = np.zeros((sum(W.shape[0] for W in parts), sum(W.shape[1] for W in parts)))
                row = column = 0
                for W in parts:
                    layer[row : row + W.shape[0], column : column + W.shape[1]] = W
                    row, column = row + W.shape[0], column + W.shape[1]
                layers.append(layer)
        return Network(tuple(layers))

    def _dense(self, name: str, index: int) -> np.ndarray:
        """``sum_a M_a (x) E_a`` of one layer; the first and last layers in the coordinates of A."""
        irrep, M = self.maps.irrep(name), self.blocks[name][index]
        core = np.einsum("apq,ast->psqt", M, irrep.basis)
        core = core.reshape(M.shape[1] * irrep.dimension, M.shape[2] * irrep.dimension)
        position = self.maps.rows.irreps.index(irrep)
        if index == 0:
            return core @ _columns(self.maps.columns.frames[position]).T
        if index == self.depth - 1:
            return _columns(self.maps.rows.frames[position]) @ core
        return core

    def __repr__(self) -> str:
        return f"EquivariantNetwork({self.maps!r}, depth {self.depth})"


def _widths(layers: tuple[np.ndarray, ...]) -> tuple[int, ...]:
    return (layers[0].shape[2], *(W.shape[1] for W in layers))


def _columns(frames: np.ndarray) -> np.ndarray:
    """The frames of all copies side by side, shape (dimension, m d)."""
    return np.concatenate([*frames], axis=1)
