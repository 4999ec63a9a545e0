"""Anchors of a certificate: the chains of SGD where they first met each rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from ...network import Network
from ...problem import Problem

# hidden directions kept beside those of the rank: the tail whose fate is watched
TAIL = 8
# numbers that all kept networks may hold together
_MAX_NUMBERS = 4_000_000


@dataclass(frozen=True, eq=False)
class Anchor:
    """A chain where it first met a rank, its hidden layers cut to a few directions more (Theorem 4).

    Attributes
    ----------
    problem : Problem
        The standardised cells it was trained on, without weights: SGD does not use them.
    network : Network
    ridge, lr : float
        Of the stage.
    width : int
        Of the hidden layers before they were cut.
    weighted : bool
        Whether the cells had weights.
    """

    problem: Problem
    network: Network
    ridge: float
    lr: float
    width: int
    weighted: bool = False

    def cut(self, rank: int) -> Anchor:
        """The same with hidden layers of the rank and a few directions more."""
        if max(self.network.widths[1:-1]) <= rank + TAIL:
            return self
        return replace(self, network=self.network.compress(rank + TAIL).network)


@dataclass(frozen=True, eq=False)
class Chains:
    """All chains of a descent after a stage: spectra s (n_chains, k), ranks and errors (n_chains,)."""

    problem: Problem
    network: Network
    s: np.ndarray
    ranks: np.ndarray
    train_rmse: np.ndarray
    ridge: float
    lr: float


@dataclass(frozen=True, eq=False)
class Anchors:
    """The ranks that the chains of one descent met.

    Attributes
    ----------
    width : int
        Of the hidden layers when the descent began.
    by_rank : mapping
        Rank -> the best chain that had it when it was first met; its layers may still have to be cut.
    last : Chains, or None
        The chains as they are now, for a rank that was found in a spectrum before it was met.
    """

    width: int
    by_rank: Mapping[int, Anchor] = field(default_factory=lambda: MappingProxyType({}))
    last: Chains | None = None

    def of(self, rank: int) -> Anchor | None:
        """A chain at this rank; else the present one whose spectrum has the widest gap there."""
        if rank in self.by_rank:
            return self.by_rank[rank].cut(rank)
        if self.last is None:
            return None
        s = self.last.s
        if rank >= s.shape[1]:
            return None
        best = int(np.argmax(s[:, rank - 1] / np.maximum(s[:, rank], 1e-300)))
        return self._anchor(self.last, self.last.network.chain(best)).cut(rank)

    def with_chains(self, chains: Chains) -> Anchors:
        """Take in the chains that met a rank for the first time, small errors first; large ranks go first."""
        kept = dict(self.by_rank)
        for chain in np.argsort(chains.train_rmse).tolist():
            rank = int(chains.ranks[chain])
            if 0 < rank < min(chains.network.widths) and rank not in kept:
                # a copy: the other chains may go
                alone = Network(tuple(W.copy() for W in chains.network.chain(chain)))
                kept[rank] = self._anchor(chains, alone)
                kept = _cut_if_too_many(kept)
        kept = _cut_if_too_many(kept)
        while _too_many(kept):
            del kept[max(kept)]
        return replace(self, by_rank=MappingProxyType(kept), last=chains)

    def _anchor(self, chains: Chains, network: Network) -> Anchor:
        alike, weighted = replace(chains.problem, weights=None), chains.problem.weights is not None
        return Anchor(alike, network, chains.ridge, chains.lr, self.width, weighted)


def _cut_if_too_many(anchors: dict[int, Anchor]) -> dict[int, Anchor]:
    """Cutting takes decompositions, and waits until somebody asks or there is no room."""
    if not _too_many(anchors):
        return anchors
    return {rank: anchor.cut(rank) for rank, anchor in anchors.items()}


def _too_many(anchors: Mapping[int, Anchor]) -> bool:
    return sum(anchor.network.n_parameters for anchor in anchors.values()) > _MAX_NUMBERS
