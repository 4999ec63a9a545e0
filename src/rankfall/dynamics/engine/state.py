"""The state of a run: the stored weights of all chains, and how to read networks from them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...compute.cache_lines import CACHE_LINE, DEFERRED, lanes
from ...errors import InputError
from ...network import Network
from ..kernels import displacement
from ..kernels.layout import layout


@dataclass
class State:
    """Stored weights, decay scalars and clocks of all chains. The kernels change them in place.

    Attributes
    ----------
    buffer : ndarray, shape (n_chains, row_size)
        Row k holds chain k, laid out as in :mod:`..kernels.layout`.
    widths : ndarray of int64, shape (n_chains, depth + 1)
        Chains may differ after a deflation.
    scales : ndarray of float64, shape (n_chains,)
        The true weights are ``scale`` times the stored ones, in every layer.
    clock : ndarray of int64, shape (n_chains,)
        Steps done. The kernel updates it, so that an interrupted run knows its position.
    running : ndarray of bool, shape (n_chains,)
        False once a chain has diverged.
    chains : ndarray of int64, shape (n_chains,)
        Global chain numbers; they select the random streams.
    limits : ndarray of float64, shape (n_chains,)
        A residual at or above this counts as divergence.
    bounds : ndarray of float64, shape (n_chains,)
        Accumulated deflation bounds.
    deflated : ndarray of int64, shape (1,)
        Step of the last deflation.
    orders : ndarray of int32, shape (n_chains, n_entries or 0)
        The shuffled entries of the current epoch.
    ledgers : ndarray of float64, shape (n_chains, 4, depth - 1 or 0)
        See :mod:`..kernels.ledger`; without columns if not recorded.
    balls : ndarray of float64, shape (n_chains, 9 or 0)
        See :mod:`..kernels.displacement`; without columns if nothing is watched.
    anchors : ndarray, shape (n_chains, row_size or 0)
        Where displacements are measured from: true weights, laid out as in `buffer`.
    velocities : ndarray, shape (n_chains, row_size or 0)
        Of steps with momentum, laid out as in `buffer`.
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
    balls: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    anchors: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    velocities: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    @classmethod
    def start(cls, networks: list[Network], chains: np.ndarray, dtype: np.dtype, limits: np.ndarray) -> State:
        """The state before the first step."""
        n_chains, depth = len(networks), networks[0].depth
        row_size = max(layout(network.widths, lanes(dtype))[-1] for network in networks)
        state = cls(
            buffer=aligned_zeros(n_chains, row_size, dtype),
            widths=np.zeros((n_chains, depth + 1), np.int64),
            scales=np.ones(n_chains),
            clock=np.zeros(n_chains, np.int64),
            running=np.ones(n_chains, bool),
            chains=np.asarray(chains, np.int64),
            limits=np.asarray(limits, np.float64),
            bounds=np.zeros(n_chains),
            deflated=np.zeros(1, np.int64),
            ledgers=np.zeros((n_chains, 4, 0)),
            balls=displacement.blank(n_chains, watched=False),
            anchors=np.zeros((n_chains, 0), dtype),
            velocities=np.zeros((n_chains, 0), dtype),
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

    def rest(self) -> None:
        """Make room for velocities, which begin at zero."""
        self.velocities = aligned_zeros(self.n_chains, self.buffer.shape[1], self.buffer.dtype)

    def watch(self) -> None:
        """Make room for balls and anchors."""
        self.balls = displacement.blank(self.n_chains, watched=True)
        self.anchors = aligned_zeros(self.n_chains, self.buffer.shape[1], self.buffer.dtype)

    def anchor(self, k: int, network: Network, radius: float = np.inf, level: float = 0.0) -> None:
        """Measure the displacement of chain `k` from `network`, which is where it stands, from now on."""
        self.anchors[k] = 0
        write(self.anchors[k], network)
        self.balls[k] = displacement.around(network.weights, radius, level)

    def moved(self, k: int) -> tuple[float, float]:
        """Displacement of chain `k` from its anchor, and the highest bound of it since."""
        here = np.zeros_like(self.anchors[k])
        write(here, self.network(k))
        gap = float(np.linalg.norm((here - self.anchors[k]).astype(np.float64)))
        return gap, max(float(self.balls[k, displacement.HIGHEST]), gap)

    def put(self, k: int, network: Network) -> None:
        """Store a network as chain `k`, with decay scalar 1."""
        self.buffer[k] = 0
        write(self.buffer[k], network)
        self.widths[k] = network.widths
        self.scales[k] = 1.0
        if self.anchors.shape[1]:  # the old place has other widths
            self.anchor(k, network)

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
    """Stored form (c, row_size) and widths (c, L + 1) of single networks; their widths may differ."""
    dtype = np.dtype(dtype or networks[0].weights[0].dtype)
    widths = np.array([network.widths for network in networks], np.int64)
    row_size = max(layout(w, lanes(dtype))[-1] for w in np.unique(widths, axis=0))
    out = np.zeros((len(networks), row_size), dtype)
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
    """Networks of equal widths from their stored form; flat (c, row_size), scales (c,), widths (c, L + 1).

    The copy includes the deferred updates.
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
            b = block(outputs[layer], DEFERRED, padded[layer])[:, :, :up]
            f = block(inputs[layer], DEFERRED, padded[layer - 1])[:, :, :low]
            # the weights of a diverged chain may be infinite
            with np.errstate(over="ignore", invalid="ignore"):
                W = W - b.transpose(0, 2, 1) @ f
        out.append(np.ascontiguousarray(W * factors))
    return Network(tuple(out))


def aligned_zeros(n_rows: int, n_cols: int, dtype: np.dtype) -> np.ndarray:
    """Zeros whose rows start at multiples of 64 bytes, so that vector loads do not cross cache lines."""
    itemsize = np.dtype(dtype).itemsize
    per_line = CACHE_LINE // itemsize
    padded = -(-n_cols // per_line) * per_line
    raw = np.zeros(n_rows * padded * itemsize + CACHE_LINE, np.uint8)
    offset = -raw.ctypes.data % CACHE_LINE
    return raw[offset : offset + n_rows * padded * itemsize].view(dtype).reshape(n_rows, padded)
