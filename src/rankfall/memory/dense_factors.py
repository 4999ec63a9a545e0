"""The two factors of Theorem S1 for dense layers of a PyTorch network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .spectral import WeightSigns, spectral_bound
from .torch_import import import_torch

if TYPE_CHECKING:
    from .momentum import Matrix
    from .optimisers import Step

LARGEST = 512
"""Inputs and outputs of a layer whose factors are kept: their cost grows with the square."""

# rows that are collected before one large product: more are no faster, fewer are
_ROWS = 2048
# the products of so many rows in single precision are wrong by sqrt(2048) 2^-24 = 3e-6 of the largest
# eigenvalue, typically
_ROUNDING = 1e-5
# columns of a block: of a symmetric product only the blocks below the diagonal are computed
_BLOCK = 128
# random directions along which signals and gradient are compared
_PROBES = 4
# signals and gradient agree up to this, in units of what a random direction sees of the gradient; in half
# precision less well
_AGREE, _HALF_AGREE = 1e-3, 0.1

Call = tuple[Any, Any, int, int]
"""Backward signals and features of one call, and their versions."""


class DenseFactors:
    """``M_D`` and ``M_H`` in double precision, and signals of the last steps that have not been added yet.

    A call contributes ``sum_k d_k h_k^T`` to the gradient, d being the gradient of the loss by the outputs;
    in the theorem's terms ``delta = b d`` for b rows.
    """

    def __init__(self, parameter: Any) -> None:
        torch = self._torch = import_torch()
        self._parameter = parameter
        self._shape: tuple[int, int] = tuple(parameter.shape)
        n = self._shape[1]
        self._half = False
        like = {"dtype": parameter.dtype, "device": parameter.device}
        if like["dtype"] in (torch.float16, torch.bfloat16):
            like["dtype"] = torch.float32
        self._rounding = 1e-15 if like["dtype"] == torch.float64 else _ROUNDING
        self._like = like
        self._probe = torch.randn((n, _PROBES), generator=torch.Generator().manual_seed(0)).to(**like)
        # signals of this step, call by call; those of this backward pass begin at _opened
        self._calls: list[Call] = []
        self._opened = 0
        self._scaled = False
        self.lost = ""
        self.start(np.zeros(0), 0.0)

    def start(self, spectrum: np.ndarray | None, velocity: float) -> None:
        """Begin anew from a matrix with these singular values, and a velocity of this norm."""
        m, n = self._shape
        # of weights and velocity, (2, m, m) and (2, n, n)
        self._sums = (np.zeros((2, m, m)), np.zeros((2, n, n)))
        self._spectrum, self._velocity = np.zeros(0) if spectrum is None else spectrum, velocity
        self._product = np.eye(2)
        self._signs: WeightSigns | None = None
        # signals of finished steps that are not in the sums yet
        self._steps: list[tuple[list[Call], Matrix, tuple[float, float]]] = []
        # those of the step that is under way stay: its backward pass may be over
        self._waiting = sum(call[0].shape[0] for call in self._calls)

    def lose(self, why: str) -> None:
        """From now on the factors bound nothing."""
        self.lost = self.lost or why

    def collect(self, deltas: Any, features: Any) -> None:
        """Signals of one call, during backward."""
        if self.lost:
            return
        # graphics cards multiply in a shorter format if they may
        self._half = deltas.element_size() == 2 or deltas.is_cuda
        if deltas.requires_grad or deltas.dim() != 2:
            m, n = self._shape
            deltas, features = deltas.detach().reshape(-1, m), features.reshape(-1, n)
        # the versions say later whether somebody has overwritten them since then
        self._calls.append((deltas, features, deltas._version, features._version))
        self._waiting += deltas.shape[0]

    def arrive(self, fresh: bool) -> None:
        """The signals of a backward pass are complete; earlier ones of this step are gone if it is fresh."""
        if fresh and self._opened:
            del self._calls[: self._opened]
        self._opened = len(self._calls)

    def step(self, step: Step, first: bool, audit: bool) -> None:
        """A step has used the signals since its last step; an audit compares them with its gradient."""
        if self.lost:
            return
        matrix, inflow = (step.first, step.first_inflow) if first else (step.matrix, step.inflow)
        if step.momentum:
            self._check_signs(matrix, inflow)
        elif self._signs is not None:
            self.lose("momentum was switched off")
        else:
            # the theorem takes |a|
            matrix = (abs(step.a), 0.0, 0.0, 0.0)
        if self._scaled or audit:
            scale = self._compare()
            inflow = (inflow[0] * scale, inflow[1] * scale)
        self._steps.append((self._calls, matrix, inflow))
        self._calls, self._opened = [], 0
        if self._waiting >= _ROWS:
            self._flush()

    def _check_signs(self, matrix: Matrix, inflow: tuple[float, float]) -> None:
        if self._signs is None:
            self._signs = WeightSigns()
            # gradients of before are in the weights alone
            self._signs.advance((1.0, 0.0, 0.0, 0.0), (1.0, 0.0))
        self._signs.advance(matrix, inflow)
        if not self._signs.kept:
            self.lose("gradients enter with both signs at these settings, and Theorem S1 says nothing")

    def _compare(self) -> float:
        """The number by which the gradient of the step differs from what the signals say.

        Clipping by norm makes it smaller than 1, and the bound holds as it is; the scale of mixed precision
        makes it tiny, and then every step is compared. The comparison is along a few random directions.
        """
        if not self._calls:
            return 1.0
        deltas, features = self._joined(self._calls)
        told = (deltas.T @ (features @ self._probe)).double()
        gradient = self._parameter.grad.to(self._probe.dtype)
        used = (gradient @ self._probe).double()
        size = float((told * told).sum())
        scale = float((told * used).sum()) / size if size > 0 else 1.0
        most = _HALF_AGREE if self._half else _AGREE
        if float((used - scale * told).norm()) > most * float(gradient.norm()) * _PROBES**0.5:
            self.lose("its gradient is not the product of the signals that its module saw")
        self._scaled = self._scaled or abs(scale - 1) > most
        return abs(scale) if self._scaled else 1.0

    def _flush(self) -> None:
        """Add the signals of finished steps to the sums, each with the weight that it has by now."""
        if not self._steps:
            return
        shares = np.empty((2, len(self._steps)))
        # the product of the steps that follow, in the coordinates (-W, V)
        p, q, r, s = 1.0, 0.0, 0.0, 1.0
        for k in range(len(self._steps) - 1, -1, -1):
            _, (a, b, c, d), (x, v) = self._steps[k]
            shares[0, k], shares[1, k] = p * x + q * v, r * x + s * v
            p, q, r, s = p * a - q * c, q * d - p * b, r * a - s * c, s * d - r * b
        product = np.array([[p, q], [r, s]])
        counts = np.array([sum(call[0].shape[0] for call in calls) for calls, _, _ in self._steps])
        b, momentum = np.maximum(counts, 1), self._signs is not None
        calls = [call for calls, _, _ in self._steps for call in calls]
        joined = self._joined(calls) if calls else ()
        for side, sums in enumerate(self._sums):
            sums[:] = np.einsum("ij,jkl->ikl", product, sums) if momentum else p * sums
            if joined:
                rows = joined[side]
                # lr b d d^T and lr / b h h^T
                weights = np.repeat(shares * b if side == 0 else shares / b, counts, axis=1)
                for part in range(1 + momentum):
                    sums[part] += _weighted_gram(self._torch, rows, weights[part])
        self._product = product @ self._product
        self._steps, self._waiting = [], sum(call[0].shape[0] for call in self._calls)

    def _joined(self, calls: list[Call]) -> tuple[Any, Any]:
        """Backward signals and features of some calls, one row for each sample."""
        if any(d._version != at or h._version != there for d, h, at, there in calls):
            self.lose("signals were overwritten while they were needed")
        deltas, features = (self._torch.cat([call[side] for call in calls]) for side in (0, 1))
        return deltas.to(**self._like), features.to(**self._like)

    def bound(self) -> np.ndarray | None:
        """Upper bounds of the singular values now; None if they are lost."""
        self._flush()
        if self.lost:
            return None
        m, n = self._shape
        remembered = np.zeros(min(m, n))
        remembered[: self._spectrum.size] = abs(self._product[0, 0]) * self._spectrum
        remembered += abs(self._product[0, 1]) * self._velocity
        rounding = self._rounding if self._rounding < 1e-12 else self._rounding / max(m, n)
        return spectral_bound(self._sums[0][0], self._sums[1][0], remembered, rounding=rounding)


def _weighted_gram(torch: Any, rows: Any, weights: np.ndarray) -> np.ndarray:
    """``rows^T diag(weights) rows``, of which only the blocks below the diagonal are computed."""
    size = rows.shape[1]
    weighted = rows * torch.as_tensor(weights, dtype=rows.dtype, device=rows.device)[:, None]
    if size <= _BLOCK:
        return (weighted.T @ rows).double().cpu().numpy()
    out = np.empty((size, size))
    for low in range(0, size, _BLOCK):
        high = min(low + _BLOCK, size)
        out[low:high, :high] = (weighted[:, low:high].T @ rows[:, :high]).cpu().numpy()
        out[:low, low:high] = out[low:high, :low].T
    return out
