"""Random networks and degenerate data on which Theorem S2 is attacked.

    python tests/neurons/attack.py 20000

prints the worst output error, the worst growth of the norm, how often a count exceeds its bound, and what a
layer of 512 neurons takes.
"""

from __future__ import annotations

import sys
import time
from itertools import pairwise

import numpy as np

from rankfall.neurons import Activation, HomogeneousNetwork, prune

ACTIVATIONS = (
    Activation("relu"),
    Activation("absolute"),
    Activation("identity"),
    Activation("leaky_relu", 0.01),
    Activation("leaky_relu", 0.5),
    Activation("leaky_relu", -0.3),
)
BIASES = ("none", "penalised", "free")
DATA = ("generic", "duplicates", "zero rows", "constant column", "low rank", "whole numbers", "all zero")
MODES = (("gram", "out"), ("gram",), ("out",))


def data(rng: np.random.Generator, kind: str, n: int, d: int) -> np.ndarray:
    """Samples, generic or degenerate."""
    X = rng.standard_normal((n, d))
    match kind:
        case "duplicates":
            return X[rng.integers(0, max(1, n // 2), n)]
        case "zero rows":
            return X * (rng.random(n) < 0.5)[:, None]
        case "constant column":
            X[:, 0] = 1.0
            return X
        case "low rank":
            return X[:, :1] @ rng.standard_normal((1, d))
        case "whole numbers":
            return rng.integers(-1, 2, (n, d)).astype(float)
        case "all zero":
            return np.zeros((n, d))
        case _:
            return X


def network(
    rng: np.random.Generator, widths: list[int], activation: object, biases: str
) -> HomogeneousNetwork:
    """Gaussian weights; some neurons dead, silent, copied at another scale, or very small."""
    weights = [rng.standard_normal((up, low)) for low, up in pairwise(widths)]
    vectors = [None if biases == "none" else rng.standard_normal(up) for up in widths[1:]]
    for l in range(len(widths) - 2):
        n = widths[l + 1]
        for index in range(n):
            kind = rng.random()
            if kind < 0.1:
                weights[l][index] = 0.0
            elif kind < 0.2:
                weights[l + 1][:, index] = 0.0
            elif kind < 0.4:
                other, scale = rng.integers(n), np.exp(rng.normal())
                weights[l][index] = scale * weights[l][other]
                if biases != "none":
                    vectors[l][index] = scale * vectors[l][other]
            elif kind < 0.45:
                weights[l][index] *= 1e-5
                weights[l + 1][:, index] *= 1e-5
    return HomogeneousNetwork(
        tuple(weights), None if biases == "none" else tuple(vectors), activation, biases != "free"
    )


def case(seed: int) -> tuple[HomogeneousNetwork, np.ndarray, tuple[str, ...], bool]:
    """Network, samples, modes, and whether to merge first; each seed another combination."""
    rng = np.random.default_rng(seed)
    activation = ACTIVATIONS[seed % 6]
    biases, kind = BIASES[seed // 6 % 3], DATA[seed // 18 % 7]
    depth, n, d = 2 + seed // 126 % 3, 1 + seed // 378 % 5, int(rng.integers(1, 5))
    widths = [d, *rng.integers(1, 13, depth - 1).tolist(), int(rng.integers(1, 4))]
    modes = MODES[int(rng.integers(3))]
    return network(rng, widths, activation, biases), data(rng, kind, n, d), modes, bool(rng.random() < 0.5)


def main() -> None:
    n_cases = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    worst, grown, over, started = 0.0, -1.0, 0, time.perf_counter()
    for seed in range(n_cases):
        net, X, modes, merge = case(seed)
        found = prune(net, X, modes, merge=merge)
        growth = found.norm_after / found.norm_before - 1 if found.norm_before else 0.0
        worst, grown = max(worst, found.output_error), max(grown, growth)
        exceeded = any(each.after > each.bound for each in found.layers)
        over += exceeded
        if found.output_error > 1e-9 or growth > 1e-11 or exceeded:
            print(seed, net, X.shape, modes, merge, found.output_error, growth, found.layers)
    print(
        f"{n_cases} cases: output error {worst:.2g}, norm {grown:+.2g}, {over} counts above their bound; "
        f"{time.perf_counter() - started:.0f} s"
    )
    rng = np.random.default_rng(0)
    wide = HomogeneousNetwork((rng.standard_normal((512, 64)), rng.standard_normal((10, 512))))
    for n in (30, 300):
        started = time.perf_counter()
        found = prune(wide, rng.standard_normal((n, 64)))
        seconds = time.perf_counter() - started
        print(f"512 neurons, {n} samples, 10 outputs: {found.after[0]} left after {seconds:.1f} s")


if __name__ == "__main__":
    main()
