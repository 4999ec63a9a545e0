"""The moving part of a run: the stored weights of all chains, and how to read networks from them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError
from ..network import Network


@dataclass
class State:
    """Stored weights, decay scalars and clocks of all chains. Changed in place by the kernels.

    Attributes
    ----------
    buffer : ndarray, shape (n_chains, room)
        Row k holds the stored weights of chain k: W_1 transposed, then W_2, ..., W_L by rows.
    widths : ndarray of int64, shape (n_chains, depth + 1)
        Chains differ after a deflation.
    scales : ndarray of float64, shape (n_chains,)
        True weights are ``scale`` times the stored ones, in every layer.
    clock : ndarray of int64, shape (n_chains,)
        Steps done. The kernel writes it, so that an interrupted run knows where it stands.
    running : ndarray of bool, shape (n_chains,)
        False once a chain has diverged.
    chains : ndarray of int64, shape (n_chains,)
        Global chain numbers, which select the random streams.
    limits : ndarray of float64, shape (n_chains,)
        Residuals at or above this count as divergence.
    bounds : ndarray of float64, shape (n_chains,)
        Accumulated deflation bounds.
    deflated : ndarray of int64, shape (1,)
        The last step at which the chains were deflated.
    orders : ndarray of int32, shape (n_chains, n_entries or 0)
        The shuffled entries of the running epoch.
    ledgers : ndarray of float64, shape (n_chains, 4, depth - 1 or 0)
        See :mod:`.ledger`; no columns if none is kept.
    """

    buffer: np.ndarray
    widths: np.ndarray
    scales: np.ndarray
    clock: np.ndarray
    running: np.ndarray
    chains: np.ndarray
    limits: np.ndarray
    bounds: np.ndarray
    deflated: np.ndarray
    orders: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    ledgers: np.ndarray = field(default_factory=lambda: np.zeros((0, 4, 0)))

    @classmethod
    def start(cls, networks: list[Network], chains: np.ndarray, dtype: np.dtype, limits: np.ndarray) -> State:
        """The state before the first step."""
        n_chains, depth = len(networks), networks[0].depth
        room = max(network.n_parameters for network in networks)
        state = cls(
            buffer=aligned_zeros(n_chains, room, dtype),
            widths=np.zeros((n_chains, depth + 1), np.int64),
            scales=np.ones(n_chains),
            clock=np.zeros(n_chains, np.int64),
            running=np.ones(n_chains, bool),
            chains=np.asarray(chains, np.int64),
            limits=np.asarray(limits, np.float64),
            bounds=np.zeros(n_chains),
            deflated=np.zeros(1, np.int64),
            ledgers=np.zeros((n_chains, 4, 0)),
        )
        for k, network in enumerate(networks):
            state.put(k, network)
        return state

    @property
    def n_chains(self) -> int:
        return self.clock.size

    def put(self, k: int, network: Network) -> None:
        """Store a network as chain `k`, decay scalar 1."""
        row = self.buffer[k]
        row[:] = 0
        row[: network.n_parameters] = flatten(network)
        self.widths[k] = network.widths
        self.scales[k] = 1.0

    def network(self, k: int) -> Network:
        """The network of chain `k` (a copy)."""
        return self.ensemble(np.array([k])).chain(0)

    def ensemble(self, members: np.ndarray) -> Network:
        """An ensemble of chains that have the same widths (a copy)."""
        return unpack(self.buffer[members], self.scales[members], self.widths[members])

    def groups(self, members: np.ndarray) -> list[np.ndarray]:
        """`members` sorted into groups of equal widths."""
        if not members.size:
            return []
        _, label = np.unique(self.widths[members], axis=0, return_inverse=True)
        label = label.ravel()
        return [members[label == g] for g in range(label.max() + 1)]


def flatten(network: Network) -> np.ndarray:
    """The stored form of a single network: W_1 transposed, then W_2, ..., W_L by rows."""
    return np.concatenate([(W.T if layer == 0 else W).ravel() for layer, W in enumerate(network.weights)])


def pack(networks: list[Network]) -> tuple[np.ndarray, np.ndarray]:
    """Stored form (c, room) and widths (c, L + 1) of single networks, which may differ in their widths."""
    flats = [flatten(network) for network in networks]
    out = np.zeros((len(flats), max(flat.size for flat in flats)), flats[0].dtype)
    for k, flat in enumerate(flats):
        out[k, : flat.size] = flat
    return out, np.array([network.widths for network in networks], np.int64)


def unpack(flat: np.ndarray, scales: np.ndarray, widths: np.ndarray) -> Network:
    """Networks of equal widths from their stored form; flat (c, room), scales (c,), widths (c, L + 1)."""
    if (widths != widths[0]).any():
        raise InputError("These chains have different widths.")
    scaled = flat * scales[:, None].astype(flat.dtype)
    layers, offset = [], 0
    for layer, (low, up) in enumerate(zip(widths[0], widths[0, 1:], strict=False)):
        size = int(low * up)
        block = scaled[:, offset : offset + size]
        if layer == 0:
            layers.append(np.ascontiguousarray(block.reshape(-1, low, up).transpose(0, 2, 1)))
        else:
            layers.append(np.ascontiguousarray(block.reshape(-1, up, low)))
        offset += size
    return Network(tuple(layers))


def aligned_zeros(n_rows: int, n_cols: int, dtype: np.dtype) -> np.ndarray:
    """Zeros whose rows start at multiples of 64 bytes, so that vector loads rarely cross cache lines."""
    itemsize = np.dtype(dtype).itemsize
    per_line = 64 // itemsize
    padded = -(-n_cols // per_line) * per_line
    raw = np.zeros(n_rows * padded * itemsize + 64, np.uint8)
    offset = -raw.ctypes.data % 64
    return raw[offset : offset + n_rows * padded * itemsize].view(dtype).reshape(n_rows, padded)
