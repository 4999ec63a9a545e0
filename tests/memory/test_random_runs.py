"""Random networks, settings and habits: no certificate and no bound is ever violated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from memory.networks import check, torch
from rankfall.memory import RankMemory

nn = torch.nn


def network(rng: np.random.Generator) -> tuple[Any, Callable[[int], Any], bool]:
    """A network, what draws its inputs, and whether its layers are all dense."""
    kind = rng.choice(["dense", "convolutions", "attention", "embedding"])
    if kind == "dense":
        parts = [nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 15)]
        return nn.Sequential(*parts), lambda b: torch.randn(b, 12).double(), True
    if kind == "convolutions":
        groups = int(rng.integers(1, 3))
        parts = [nn.Conv2d(8, 32, 2, groups=groups), nn.ReLU(), nn.Conv2d(32, 40, 1), nn.Flatten()]
        return nn.Sequential(*parts), lambda b: torch.randn(b, 8, 2, 2).double(), False
    if kind == "attention":
        layer = nn.TransformerEncoderLayer(24, 2, 32, dropout=0.0, batch_first=True)
        return layer, lambda b: torch.randn(b, 2, 24).double(), False
    return nn.Sequential(nn.Embedding(40, 30), nn.Linear(30, 30)), lambda b: torch.randint(40, (b,)), False


def optimiser(net: Any, rng: np.random.Generator) -> Any:
    momentum = float(rng.choice([0.0, 0.0, 0.5, 0.9]))
    nesterov = bool(momentum and rng.random() < 0.4)
    return torch.optim.SGD(
        net.parameters(),
        lr=10 ** rng.uniform(-2, -0.3),
        weight_decay=10 ** rng.uniform(-2, 0.5),
        momentum=momentum,
        nesterov=nesterov,
        dampening=0.3 if momentum and not nesterov and rng.random() < 0.5 else 0.0,
        maximize=bool(rng.random() < 0.2),
        foreach=bool(rng.random() < 0.5),
    )


@pytest.mark.parametrize("seed", range(24))
def test_a_random_run(seed: int) -> None:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    net, draw, dense = network(rng)
    net.double()
    optimizer = optimiser(net, rng)
    tolerance = 10 ** rng.uniform(-3, 0.3)
    memory = RankMemory(optimizer, net, relative=False, tolerance=tolerance, factors=dense)
    size, accumulated = int(rng.integers(1, 4)), int(rng.choice([1, 1, 2]))
    zeroed, clipped = rng.choice(["none", "fill", "sometimes"]), bool(rng.random() < 0.3)
    sign = -1 if optimizer.param_groups[0]["maximize"] else 1
    for step in range(50):
        if zeroed != "sometimes" or rng.random() < 0.8:
            optimizer.zero_grad(set_to_none=bool(zeroed == "none"))
        for _ in range(accumulated):
            (sign * (torch.tanh(net(draw(size))) - 0.5).square().mean()).backward()
        if clipped:
            nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        if rng.random() < 0.03:
            with torch.no_grad():
                next(net.parameters()).mul_(2)
        optimizer.step()
        if step % 7 == 0:
            check(memory, 1e-8)
    # no audit takes an honest gradient for another
    assert not any("explain" in found.reason for found in memory.certified_rank().values())
