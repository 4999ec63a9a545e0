"""Upper bounds from the leading directions of the hidden layers: what a look needs, without decompositions.

Near a network of rank r nearly everything happens in r directions of every hidden layer. With a matrix U_l
of r orthonormal columns, whichever they are, and ``T_l = U_l^T Z_l``,

    Phi_l(r) <= |Z_l - U_l T_l|_F^2,

because the subtrahend has rank r, and norms split into a part along U_l and the rest. One step of subspace
iteration per look keeps the directions so close to the leading ones that little is lost.
"""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np


@dataclass(frozen=True, eq=False)
class Leading:
    """r directions of every hidden layer of a network of depth 3 or more, and what they leave out.

    Attributes
    ----------
    frames : tuple of ndarray, shapes (w_l, r)
        ``U_l``, orthonormal.
    parts : tuple of ndarray, shapes (r, w_{l-1} + w_{l+1})
        ``T_l = U_l^T Z_l``.
    rests : tuple of ndarray
        ``Z_l - U_l T_l``.
    """

    frames: tuple[np.ndarray, ...]
    parts: tuple[np.ndarray, ...]
    rests: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, weights: list[np.ndarray], rank: int) -> Leading:
        """The leading left singular vectors of every ``Z_l``."""
        spaces = _spaces(weights)
        return cls._along(spaces, [np.linalg.svd(Z, full_matrices=False)[0][:, :rank] for Z in spaces])

    def refreshed(self, weights: list[np.ndarray]) -> Leading:
        """The same for other weights, after one step of subspace iteration."""
        spaces = _spaces(weights)
        turned = (np.linalg.qr(Z @ (Z.T @ U))[0] for Z, U in zip(spaces, self.frames, strict=True))
        return self._along(spaces, list(turned))

    @classmethod
    def _along(cls, spaces: list[np.ndarray], frames: list[np.ndarray]) -> Leading:
        parts = [U.T @ Z for U, Z in zip(frames, spaces, strict=True)]
        rests = [Z - U @ T for Z, U, T in zip(spaces, frames, parts, strict=True)]
        return cls(tuple(frames), tuple(parts), tuple(rests))

    @property
    def rank(self) -> int:
        return self.frames[0].shape[1]

    def fits(self, weights: list[np.ndarray]) -> bool:
        """Whether the hidden layers still have these widths."""
        return all(U.shape[0] == W.shape[0] for U, W in zip(self.frames, weights, strict=False))

    def phi(self, top: int) -> np.ndarray:
        """Upper bounds of ``Phi_l`` for the ranks 0..top, shape (L - 1, top + 1); rounding not included."""
        out = np.empty((len(self.frames), top + 1))
        for l, (part, rest) in enumerate(zip(self.parts, self.rests, strict=True)):
            out[l] = float(np.vdot(rest, rest))
            values = np.linalg.svd(part, compute_uv=False) ** 2
            out[l, : values.size] += np.cumsum(values[::-1])[::-1]
        return out

    def layer_norms(self) -> list[float]:
        """Upper bounds of ``|W_l|`` for l = 1..L."""
        below = [T[:, : self._split(l)] for l, T in enumerate(self.parts)]
        pieces = [*below, self.parts[-1][:, self._split(len(self.parts) - 1) :]]
        rests = [E[:, : self._split(l)] for l, E in enumerate(self.rests)]
        rests.append(self.rests[-1][:, self._split(len(self.rests) - 1) :])
        return _together(pieces, rests)

    def push_norms(self, pushes: list[np.ndarray]) -> list[float]:
        """Upper bounds of ``|Bbar_l|`` for l = 1..L-1, whose rows belong to hidden layer l + 1."""
        pieces: list[np.ndarray] = []
        rests: list[np.ndarray] = []
        for l, B in enumerate(pushes):
            # the last one has its columns in hidden layer L - 2
            M, U = (B, self.frames[l + 1]) if l + 1 < len(self.frames) else (B.T, self.frames[l - 1])
            pieces.append(U.T @ M)
            rests.append(M - U @ pieces[-1])
        return _together(pieces, rests)

    def _split(self, l: int) -> int:
        """Width below hidden layer l (from 0)."""
        return self.frames[l - 1].shape[0] if l else self.parts[0].shape[1] - self.frames[1].shape[0]


def _spaces(weights: list[np.ndarray]) -> list[np.ndarray]:
    return [np.concatenate([W, V.T], axis=1) for W, V in pairwise(weights)]


def _together(pieces: list[np.ndarray], rests: list[np.ndarray]) -> list[float]:
    """``(|piece|^2 + |rest|_F^2)^(1/2)`` of orthogonal parts: bounds of operator norms."""
    squares = np.linalg.eigvalsh(np.array([piece @ piece.T for piece in pieces]))[:, -1]
    return [
        sqrt(max(float(square), 0.0) + float(np.vdot(rest, rest)))
        for square, rest in zip(squares, rests, strict=True)
    ]
