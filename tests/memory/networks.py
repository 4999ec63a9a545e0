"""PyTorch for the tests: it may be missing, but not where RANKFALL_TORCH says that it is required."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

if os.environ.get("RANKFALL_TORCH") == "required":
    import torch
else:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from rankfall.memory import RankMemory

WIDTHS = (64, 96, 96, 10)


def mlp(widths: tuple[int, ...] = WIDTHS, seed: int = 0, dtype: Any = None) -> Any:
    """Dense layers with ReLU between them."""
    torch.manual_seed(seed)
    parts: list[Any] = []
    for n, m in pairwise(widths):
        parts += [torch.nn.Linear(n, m), torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1]).to(dtype or torch.float64)


def batches(size: int, n_steps: int, dtype: Any = None, seed: int = 0) -> Iterator[tuple[Any, Any]]:
    """Batches of scikit-learn's digits, samples with replacement."""
    digits = load_digits()
    X = torch.tensor(digits.data / 16, dtype=dtype or torch.float64)
    y = torch.tensor(digits.target)
    rng = np.random.default_rng(seed)
    for _ in range(n_steps):
        k = torch.as_tensor(rng.integers(len(X), size=size))
        yield X[k], y[k]


def fit(
    net: Any, optimizer: Any, n_steps: int, size: int = 1, each: Callable[[int], None] | None = None
) -> None:
    """The usual loop."""
    dtype = next(net.parameters()).dtype
    for step, (x, y) in enumerate(batches(size, n_steps, dtype)):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
        if each is not None:
            each(step)


def check(memory: RankMemory, slack: float = 1e-9) -> None:
    """No certificate and no bound is violated now."""
    for name, s in memory.singular_values().items():
        found = memory.certified_rank()[name]
        if found.rank is not None:
            assert np.count_nonzero(s > found.tolerance * (1 + slack)) <= found.rank, name
        bound = memory.spectral_bound()[name]
        if bound is not None:
            assert np.all(s <= bound * (1 + slack)), (name, s / bound)


def gradient_rank(parameter: Any) -> int:
    """Numerical rank of a gradient as a matrix."""
    matrix = parameter.grad.reshape(parameter.shape[0], -1)
    return int(torch.linalg.matrix_rank(matrix.double(), rtol=1e-7))


def counted(memory: RankMemory, name: str) -> int:
    """Directions per step, as they were counted at the last step."""
    frame = memory.to_frame(numerical=False).set_index("layer")
    return int(frame.loc[name, "directions_per_step"])
