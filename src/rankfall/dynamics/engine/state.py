"""The moving part of a run: the stored weights of all chains, and how to read networks from them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...compute.cache_lines import DELAY, LINE, lanes
from ...errors import InputError
from ...network import Network
from ..kernels.layout import layout


@dataclass
class State:
    """Stored weights, decay scalars and clocks of all chains. Changed in place by the kernels.

    Attributes
    ----------
    buffer : ndarray, shape (n_chains, room)
        Row k holds chain k as :mod:`..kernels.layout` says.
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
        See :mod:`..kernels.ledger`; no columns if none is kept.
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
        room = max(layout(network.widths, lanes(dtype))[-1] for network in networks)
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
            if k and network is networks[k - 1]:  # chains that share a start
                state.buffer[k], state.widths[k] = state.buffer[k - 1], state.widths[k - 1]
            else:
                state.put(k, network)
        return state

    @property
    def n_chains(self) -> int:
        return self.clock.size

    def put(self, k: int, network: Network) -> None:
        """Store a network as chain `k`, decay scalar 1."""
        self.buffer[k] = 0
        write(self.buffer[k], network)
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
        if members.size < 2:
            return [members] if members.size else []
        _, label = np.unique(self.widths[members], axis=0, return_inverse=True)
        label = label.ravel()
        return [members[label == g] for g in range(label.max() + 1)]


def pack(networks: list[Network], dtype: np.dtype | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Stored form (c, room) and widths (c, L + 1) of single networks, which may differ in their widths."""
    dtype = np.dtype(dtype or networks[0].weights[0].dtype)
    widths = np.array([network.widths for network in networks], np.int64)
    room = max(layout(w, lanes(dtype))[-1] for w in np.unique(widths, axis=0))
    out = np.zeros((len(networks), room), dtype)
    for row, network in zip(out, networks, strict=True):
        write(row, network)
    return out, widths


def write(row: np.ndarray, network: Network) -> None:
    """Store a network in a row of zeros."""
    padded, layers, *_ = layout(network.widths, lanes(row.dtype))
    for layer, W in enumerate(network.weights, start=1):
        block = W.T if layer == 1 else W
        n_cols = padded[1] if layer == 1 else padded[layer - 1]
        size = padded[layer] * padded[layer - 1]
        target = row[layers[layer] : layers[layer] + size].reshape(-1, n_cols)
        target[: block.shape[0], : block.shape[1]] = block


def unpack(flat: np.ndarray, scales: np.ndarray, widths: np.ndarray) -> Network:
    """Networks of equal widths from their stored form; flat (c, room), scales (c,), widths (c, L + 1).

    Updates that wait are carried out in the copy.
    """
    if (widths != widths[0]).any():
        raise InputError("These chains have different widths.")
    padded, layers, inputs, outputs, *_ = layout(widths[0], lanes(flat.dtype))
    factors = scales[:, None, None].astype(flat.dtype)

    def block(start: int, n_rows: int, n_cols: int) -> np.ndarray:
        return flat[:, start : start + n_rows * n_cols].reshape(-1, n_rows, n_cols)

    depth, out = widths.shape[1] - 1, []
    for layer in range(1, depth + 1):
        low, up = int(widths[0, layer - 1]), int(widths[0, layer])
        if layer == 1:
            W = block(0, low, padded[1])[:, :, :up].transpose(0, 2, 1)
        else:
            W = block(layers[layer], padded[layer], padded[layer - 1])[:, :up, :low]
        if 1 < layer < depth:
            b = block(outputs[layer], DELAY, padded[layer])[:, :, :up]
            f = block(inputs[layer], DELAY, padded[layer - 1])[:, :, :low]
            with np.errstate(
                over="ignore", invalid="ignore"
            ):  # a chain that diverged may be full of infinities
                W = W - b.transpose(0, 2, 1) @ f
        out.append(np.ascontiguousarray(W * factors))
    return Network(tuple(out))


def aligned_zeros(n_rows: int, n_cols: int, dtype: np.dtype) -> np.ndarray:
    """Zeros whose rows start at multiples of 64 bytes, so that vector loads rarely cross cache lines."""
    itemsize = np.dtype(dtype).itemsize
    per_line = LINE // itemsize
    padded = -(-n_cols // per_line) * per_line
    raw = np.zeros(n_rows * padded * itemsize + LINE, np.uint8)
    offset = -raw.ctypes.data % LINE
    return raw[offset : offset + n_rows * padded * itemsize].view(dtype).reshape(n_rows, padded)
