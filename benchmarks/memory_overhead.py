"""What watching a network costs: the time of a training step with RankMemory over one without.

    python benchmarks/memory_overhead.py
    python benchmarks/memory_overhead.py --only mlp --seconds 5

A ResNet-18 for images of 32 x 32 pixels (random weights, made images), a small transformer
(nn.TransformerEncoder, made tokens), an MLP on scikit-learn's digits and a wide one of 512 units. Two copies
of a network are trained in turns, some steps of each at a time, watched and not; the ratio is that of their
medians. No bound may be violated. Needs PyTorch: pip install "rankfall[torch]".
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from sklearn.datasets import load_digits
from torch import nn  # pyright: ignore[reportMissingImports]

from rankfall.memory import RankMemory

Batch = tuple[Any, Any]


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(n_out) for _ in range(2))
        self.around = nn.Sequential()
        if stride > 1 or n_in != n_out:
            self.around = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Any) -> Any:
        inner = torch.relu(self.norms[0](self.first(x)))
        return torch.relu(self.norms[1](self.second(inner)) + self.around(x))


def resnet18(n_classes: int = 10) -> nn.Module:
    """ResNet-18 as it is used on images of 32 x 32 pixels: eleven million weights."""
    parts: list[nn.Module] = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    width = 64
    for n_out, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        parts += [Block(width, n_out, stride), Block(n_out, n_out, 1)]
        width = n_out
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, n_classes))


class Transformer(nn.Module):
    """Tokens, two encoder layers, a class."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(200, 128)
        layer = nn.TransformerEncoderLayer(128, 4, 256, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(128, 10)

    def forward(self, x: Any) -> Any:
        return self.head(self.encoder(self.tokens(x)).mean(1))


def mlp(*widths: int) -> nn.Module:
    """Dense layers with ReLU."""
    parts: list[nn.Module] = []
    for n, m in pairwise(widths):
        parts += [nn.Linear(n, m), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def digits(size: int) -> Callable[[np.random.Generator], Batch]:
    """Batches of the digits."""
    data: Any = load_digits()
    X, y = torch.tensor(data.data / 16, dtype=torch.float32), torch.tensor(data.target)

    def draw(rng: np.random.Generator) -> Batch:
        k = torch.as_tensor(rng.integers(len(X), size=size))
        return X[k], y[k]

    return draw


def images(size: int) -> Callable[[np.random.Generator], Batch]:
    """Made images, whose class is a bright corner."""

    def draw(rng: np.random.Generator) -> Batch:
        x, y = rng.standard_normal((size, 3, 32, 32)), rng.integers(10, size=size)
        for k, label in enumerate(y):
            x[k, 0, 3 * label : 3 * label + 3] += 2
        return torch.tensor(x, dtype=torch.float32), torch.as_tensor(y)

    return draw


def sentences(size: int) -> Callable[[np.random.Generator], Batch]:
    """Made tokens, whose class is the most frequent residue."""

    def draw(rng: np.random.Generator) -> Batch:
        y = rng.integers(10, size=size)
        x = np.where(rng.random((size, 24)) < 0.5, 10 * rng.integers(20, size=(size, 24)) + y[:, None], 0)
        return torch.as_tensor(x), torch.as_tensor(y)

    return draw


@dataclass(frozen=True)
class Case:
    """A network with its batches and settings of SGD; the ratio that is asked for; steps in a turn."""

    build: Callable[[], nn.Module]
    draw: Callable[[np.random.Generator], Batch]
    settings: dict[str, Any]
    asked: float
    turn: int
    factors: bool = False


HEAVY_BALL = {"momentum": 0.9, "weight_decay": 5e-4}
PLAIN = {"weight_decay": 5e-3}
SMALL, WIDE = (64, 48, 48, 10), (64, 512, 512, 10)
CASES = {
    "resnet": Case(resnet18, images(16), HEAVY_BALL, 1.15, 1),
    "transformer": Case(Transformer, sentences(16), HEAVY_BALL, 1.15, 5),
    "mlp": Case(lambda: mlp(*SMALL), digits(32), PLAIN, 1.6, 50),
    "mlp, momentum": Case(lambda: mlp(*SMALL), digits(32), HEAVY_BALL, 1.6, 50),
    "mlp, factors": Case(lambda: mlp(*SMALL), digits(32), PLAIN, 1.6, 50, factors=True),
    "mlp 512, factors": Case(lambda: mlp(*WIDE), digits(32), PLAIN, 1.6, 10, factors=True),
}


class Training:
    """A network that is trained step by step."""

    def __init__(self, name: str, watched: bool) -> None:
        case = CASES[name]
        self._draw = case.draw
        torch.manual_seed(0)
        self.net = case.build()
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.02, **case.settings)
        self.memory = RankMemory(self.optimizer, self.net, factors=case.factors) if watched else None
        self._rng = np.random.default_rng(0)

    def steps(self, count: int) -> float:
        """Seconds of the processor per step."""
        batches = [self._draw(self._rng) for _ in range(count)]
        began = time.process_time()
        for x, y in batches:
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(self.net(x), y).backward()
            self.optimizer.step()
        return (time.process_time() - began) / count


def violations(memory: RankMemory) -> int:
    """Certificates and bounds that the singular values of today exceed by more than single precision."""
    found = 0
    for name, s in memory.singular_values().items():
        answer, bound = memory.certified_rank()[name], memory.spectral_bound()[name]
        if answer.rank is not None:
            found += int(np.count_nonzero(s > answer.tolerance * (1 + 1e-4)) > answer.rank)
        if bound is not None:
            found += int(np.any(s > bound * (1 + 1e-4)))
    return found


def measure(name: str, seconds: float) -> tuple[int, float, float, int]:
    """Steps, seconds per step without and with, and violations."""
    plain, watched = Training(name, False), Training(name, True)
    turn = CASES[name].turn
    for each in (plain, watched):
        each.steps(4)
    times: list[tuple[float, float]] = []
    broken, until, looked = 0, time.perf_counter() + seconds, 0.0
    assert watched.memory is not None
    while len(times) < 5 or time.perf_counter() < until:
        # who is first changes, so that neither always follows the other
        order = (plain, watched) if len(times) % 2 else (watched, plain)
        taken = {id(each): each.steps(turn) for each in order}
        times.append((taken[id(plain)], taken[id(watched)]))
        if time.perf_counter() > looked:
            broken += violations(watched.memory)
            looked = time.perf_counter() + seconds / 4
    without, with_memory = (float(np.median(column)) for column in zip(*times, strict=True))
    return watched.memory.steps, without, with_memory, broken + violations(watched.memory)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=CASES, help="one network")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="for each network (resnet: six times as long)"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    names = ("network", "steps", "without (ms)", "with (ms)", "ratio", "asked")
    print("{:>18} {:>6} {:>13} {:>10} {:>6} {:>6}  violated".format(*names))
    for name in [options.only] if options.only else CASES:
        longer = 6 if name == "resnet" else 1
        steps, without, with_memory, broken = measure(name, longer * options.seconds)
        print(
            f"{name:>18} {steps:>6,} {1e3 * without:>13.2f} {1e3 * with_memory:>10.2f} "
            f"{with_memory / without:>6.2f} {CASES[name].asked:>6.2f}  {broken}"
        )


if __name__ == "__main__":
    main()
