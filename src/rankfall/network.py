"""The weights of one deep linear network, or of an ensemble of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .argument_checks import array, instance, number, optional, shown, whole, wholes
from .declared_arguments import declared
from .errors import InputError
from .linalg import operator_norm, product_svd

# numbers in one gathered array of :meth:`Network.predict`
_ROOM = 1 << 21

_MOST_CHAINS = 10**7


@dataclass(frozen=True, eq=False)
class Network:
    """Weights of a deep linear network ``A = W_L ... W_1``.

    Attributes
    ----------
    weights : tuple of ndarray
        ``W_1, ..., W_L`` with ``W_l`` of shape (w_l, w_{l-1}), ``w_0`` = number of columns of A and
        ``w_L`` = number of rows; for an ensemble every array has a leading axis of chains.
    """

    weights: tuple[np.ndarray, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.weights, (tuple, list)):
            raise InputError(f"weights must be a tuple of matrices, not {shown(self.weights)}.")
        weights = tuple(np.asarray(W) for W in self.weights)
        if any(W.dtype.kind not in "fiub" for W in weights):
            raise InputError("The weights of a network must be real numbers.")
        weights = tuple(W if W.dtype.kind == "f" else W.astype(np.float64) for W in weights)
        object.__setattr__(self, "weights", weights)
        if len(weights) < 2:
            raise InputError(f"A deep linear network has at least two layers, not {len(weights)}.")
        if weights[0].ndim not in (2, 3) or any(W.ndim != weights[0].ndim for W in weights):
            raise InputError("Either every layer must be a matrix, or every layer a stack of matrices.")
        for lower, upper in pairwise(weights):
            if upper.shape[-1] != lower.shape[-2] or upper.shape[:-2] != lower.shape[:-2]:
                raise InputError(f"Layers of shapes {lower.shape} and {upper.shape} do not fit together.")

    # -- starts ----------------------------------------------------------------------------------

    @classmethod
    def gaussian(
        cls, widths: Sequence[int], *, scale: float = 1.0, seed: int = 0, chains: int | None = None
    ) -> Network:
        """Independent normal weights with variance ``scale^2 / min(w_l, w_{l-1})``.

        Parameters
        ----------
        widths : sequence of int
            ``w_0, ..., w_L``: columns of A first, rows last.
        scale : float
            Factor of all weights.
        seed : int
            Chain k of an ensemble depends on (seed, k) only, not on the number of chains.
        chains : int, optional
            Number of networks of an ensemble; None for a single network.
        """
        widths = wholes("widths", widths, shortest=3, least=1)
        scale, seed = number("scale", scale), whole("seed", seed, least=0)
        chains = optional(whole, "chains", chains, least=1)
        if chains is not None and chains > _MOST_CHAINS:
            raise InputError(f"chains must be at most {_MOST_CHAINS:,}, not {chains}: all are kept.")

        def draw(chain: int) -> list[np.ndarray]:
            rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, chain])))
            return [
                rng.standard_normal((up, low)) * (scale / np.sqrt(min(up, low)))
                for low, up in pairwise(widths)
            ]

        if chains is None:
            return cls(tuple(draw(0)))
        return cls.stack([cls(tuple(draw(chain))) for chain in range(chains)])

    @classmethod
    def stack(cls, networks: Sequence[Network]) -> Network:
        """An ensemble of single networks of equal widths."""
        if not isinstance(networks, (list, tuple)):
            raise InputError(f"networks must be a list of networks, not {shown(networks)}.")
        for each in networks:
            instance("every one of networks", each, cls)
        if not networks or any(each.widths != networks[0].widths for each in networks):
            raise InputError("An ensemble needs one or more networks of equal widths.")
        layers = zip(*(each.weights for each in networks), strict=True)
        return cls(tuple(np.stack(layer) for layer in layers))

    @classmethod
    @declared
    def lift(cls, A: np.ndarray, *, depth: int, width: int | None = None) -> Network:
        """The balanced network of minimal norm whose product is `A`.

        ``W_1 = S^(1/L) V^T``, ``W_l = S^(1/L)``, ``W_L = U S^(1/L)`` for ``A = U S V^T``; its squared
        norm is ``L sum_i s_i^(2/L)`` (docs/theory.md, section 4a).

        Parameters
        ----------
        A : ndarray, shape (m, n)
        depth : int
            Number of layers, at least 2.
        width : int, optional
            Width of the hidden layers, ``min(m, n)`` by default; A is truncated to this rank (0 or more).
        """
        array("A", A, ("m", "n"))
        depth = whole("depth", depth, least=2)
        width = optional(whole, "width", width, least=0)  # 0: the zero matrix is a critical point, too
        U, s, Vt = np.linalg.svd(A, full_matrices=False)
        k = s.size if width is None else width
        kept = min(k, s.size)
        root = np.zeros(k)
        root[:kept] = s[:kept] ** (1 / depth)
        first, last = np.zeros((k, Vt.shape[1])), np.zeros((U.shape[0], k))
        first[:kept], last[:, :kept] = root[:kept, None] * Vt[:kept], U[:, :kept] * root[:kept]
        return cls((first, *[np.diag(root) for _ in range(depth - 2)], last))

    # -- facts -----------------------------------------------------------------------------------

    @property
    def depth(self) -> int:
        return len(self.weights)

    @property
    def widths(self) -> tuple[int, ...]:
        return (self.weights[0].shape[-1], *(W.shape[-2] for W in self.weights))

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the product: (w_L, w_0)."""
        return self.widths[-1], self.widths[0]

    @property
    def n_chains(self) -> int | None:
        """Number of networks in the ensemble, None for a single network."""
        return self.weights[0].shape[0] if self.weights[0].ndim == 3 else None

    @property
    def n_parameters(self) -> int:
        """Weights of one network."""
        return sum(W.shape[-1] * W.shape[-2] for W in self.weights)

    @declared
    def chain(self, index: int) -> Network:
        """One network of an ensemble."""
        if self.n_chains is None:
            raise InputError("This is a single network, not an ensemble.")
        return Network(tuple(W[index] for W in self.weights))

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.weights)

    def __repr__(self) -> str:
        chains = "" if self.n_chains is None else f", {self.n_chains} chains"
        return f"Network(widths={self.widths}{chains})"

    # -- the product -----------------------------------------------------------------------------

    def thin_factors(self) -> tuple[np.ndarray, np.ndarray]:
        """Left (..., m, k) and right (..., k, n) factor of the product, split at the narrowest width."""
        split = int(np.argmin(self.widths[1:-1])) + 1
        right = self.weights[0]
        for W in self.weights[1:split]:
            right = W @ right
        left = self.weights[-1]
        for W in self.weights[-2 : split - 1 : -1]:
            left = left @ W
        return left, right

    def product(self) -> np.ndarray:
        """``A = W_L ... W_1``, shape (..., w_L, w_0)."""
        left, right = self.thin_factors()
        return left @ right

    def svd(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Thin singular value decomposition U, s, Vt of the product, with k = smallest width values.

        Works on the factors, never on the full matrix.
        """
        left, right = self.thin_factors()
        found = product_svd(left, np.swapaxes(right, -1, -2), full_matrices=False)
        return found.left @ found.inner_U, found.s, found.inner_Vt @ np.swapaxes(found.right, -1, -2)

    def singular_values(self) -> np.ndarray:
        """Singular values of the product, decreasing, shape (..., min(widths))."""
        left, right = self.thin_factors()
        Rl = np.linalg.qr(left, mode="r")
        Rr = np.linalg.qr(np.swapaxes(right, -1, -2), mode="r")
        return np.linalg.svd(Rl @ np.swapaxes(Rr, -1, -2), compute_uv=False)

    @declared
    def predict(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Entries of the product, shape (..., n) for positions of shape (n,)."""
        left, right = self.thin_factors()
        rows, cols = np.asarray(rows), np.asarray(cols)
        # the gathered factors of millions of entries would be by far the largest arrays
        step = max(1, _ROOM // (right.size // right.shape[-1]))
        parts = [slice(start, start + step) for start in range(0, max(rows.size, 1), step)]
        values = [
            np.einsum(
                "...nk,...kn->...n", left[..., rows[part], :], right[..., :, cols[part]], optimize=False
            )
            for part in parts
        ]
        return values[0] if len(values) == 1 else np.concatenate(values, axis=-1)

    # -- other networks with (nearly) the same product --------------------------------------------

    def balance(self) -> Network:
        """The balanced network of minimal norm with the same product and widths: docs/theory.md, 4a."""
        if self.n_chains is not None:
            return Network.stack([self.chain(k).balance() for k in range(self.n_chains)])
        U, s, Vt = self.svd()
        root = s ** (1 / self.depth)
        k = s.size
        layers = []
        for index, W in enumerate(self.weights):
            layer = np.zeros_like(W)
            if index == 0:
                layer[:k] = root[:, None] * Vt
            elif index == self.depth - 1:
                layer[:, :k] = U * root
            else:
                layer[np.arange(k), np.arange(k)] = root
            layers.append(layer)
        return Network(tuple(layers))

    def hidden_spaces(self) -> list[np.ndarray]:
        """``Z_l = [W_l | W_{l+1}^T]`` of the hidden layers l = 1..L-1, (..., w_l, w_{l-1} + w_{l+1})."""
        return [np.concatenate([W, np.swapaxes(V, -1, -2)], axis=-1) for W, V in pairwise(self.weights)]

    @declared
    def compress(self, rank: int | Sequence[int]) -> Compression:
        """Keep the `rank` leading directions of every hidden layer (Theorem 4, "deflation").

        ``F_l`` holds the leading left singular vectors of ``Z_l = [W_l | W_{l+1}^T]`` and
        ``W~_l = F_l^T W_l F_{l-1}``. The product moves by at most

            sum_l |Pi_l W_l| |W_{l+1} Pi_l| prod_{k != l, l+1} |W_k|      (operator norms),

        second order in the discarded tail; and SGD on the small network is exactly SGD on the large one,
        started from the embedded weights ``F_l W~_l F_{l-1}^T``.

        Parameters
        ----------
        rank : int or sequence of int
            Directions to keep: one number for all hidden layers, or one for each.

        Returns
        -------
        Compression
        """
        if self.n_chains is not None:
            raise InputError("compress takes a single network, not an ensemble; call chain(k) first.")
        hidden = self.depth - 1
        if np.ndim(rank) == 0:
            ranks = (whole("rank", rank, least=1),) * hidden
        else:
            ranks = wholes("rank", rank, length=hidden, least=1)
        spaces = [np.linalg.svd(Z, full_matrices=False)[0] for Z in self.hidden_spaces()]
        frames = [U[:, : min(r, U.shape[1])] for U, r in zip(spaces, ranks, strict=True)]
        tails = [W - F @ (F.T @ W) for F, W in zip(frames, self.weights, strict=False)]
        tails_up = [W - (W @ F) @ F.T for F, W in zip(frames, self.weights[1:], strict=True)]
        norms = np.array([operator_norm(W) for W in self.weights])
        bound = 0.0
        for index, (below, above) in enumerate(zip(tails, tails_up, strict=True)):
            others = np.prod(np.delete(norms, [index, index + 1]))
            bound += float(operator_norm(below) * operator_norm(above) * others)
        small = []
        for index, W in enumerate(self.weights):
            if index > 0:
                W = W @ frames[index - 1]
            if index < hidden:
                W = frames[index].T @ W
            small.append(np.ascontiguousarray(W))
        return Compression(Network(tuple(small)), tuple(frames), bound)


@dataclass(frozen=True, eq=False)
class Compression:
    """A compressed network, the frames that embed it, and the bound of Theorem 4.

    Attributes
    ----------
    network : Network
        The small network.
    frames : tuple of ndarray
        ``F_1 .. F_{L-1}``, orthonormal columns, shape (w_l, r_l).
    bound : float
        Upper bound on the operator norm of the change of the product.
    """

    network: Network
    frames: tuple[np.ndarray, ...]
    bound: float

    def embed(self) -> Network:
        """The small network with the widths of the original: ``F_l W~_l F_{l-1}^T``."""
        layers = []
        for index, W in enumerate(self.network.weights):
            if index > 0:
                W = W @ self.frames[index - 1].T
            if index < len(self.frames):
                W = self.frames[index] @ W
            layers.append(W)
        return Network(tuple(layers))
