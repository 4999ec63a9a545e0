"""Rates at which SGD leaves a minimum for one of lower rank, predicted and measured, over learning rates.

The matrix [[1, 0.8], [0.7, -1]], all four entries observed, depth 3, hidden width 2, the minimum of rank two
at 0.99, 0.98 and 0.95 of its critical ridge, single entries. Rates are per step. They are measured directly
where a run sees enough falls, and by `rankfall.splitting` where it does not, both ways at one learning rate.
Falls in the first 100 / lr steps, while the chains settle around the minimum, are not counted, nor is that
time. Beside them stand the predictions of `rankfall.theory.escape_rate` divided by the measured rate.

    python benchmarks/escape_rates.py               about an hour; goes on where it was stopped
    python benchmarks/escape_rates.py --quick       four learning rates, measured directly
    python benchmarks/escape_rates.py --out FILE    where measured rates are kept (escape_rates.json)
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

import rankfall as rf
from rankfall.analysis.splitting import spread_interval
from rankfall.analysis.survival import garwood
from rankfall.theory import EscapeRate, Minimum, critical_ridge, escape_rate, minima

X = np.array([[1.0, 0.8], [0.7, -1.0]])
DEPTH, SETTLE = 3, 100
# ridge / critical, 1 / lr: chains and steps of the direct runs, which end with the first fall
DIRECT = {
    (0.99, 50): (100, 200_000),
    (0.99, 100): (100, 500_000),
    (0.99, 200): (60, 2_000_000),
    (0.98, 30): (1000, 20_000),
    (0.98, 40): (400, 50_000),
    (0.98, 50): (100, 200_000),
    (0.98, 100): (60, 1_000_000),
    (0.95, 20): (400, 20_000),
    (0.95, 30): (200, 200_000),
    (0.95, 40): (100, 500_000),
    (0.95, 50): (60, 2_000_000),
}
SPLIT = [(0.95, inverse) for inverse in (50, 60, 80, 100, 110)]
SPLIT += [(0.98, inverse) for inverse in (100, 150, 200, 250, 300)]
QUICK = [(0.99, 50), (0.99, 100), (0.95, 20), (0.95, 30)]
# horizon of the splitting in units of 1 / lr: four times the time to settle and fall
HORIZON, REPLICAS, KILLED, REPEATS = 400, 200, 10, 8


def start(share: float = 0.95) -> tuple[rf.Problem, Minimum]:
    problem = rf.Problem.from_dense(X)
    top = critical_ridge(problem, 2, DEPTH)
    found = minima(problem, DEPTH, share * top.ridge, ranks=[2], starts=[top.last.matrix()])
    return problem, found.at(2)[0]


def settings(point: Minimum, inverse: int) -> rf.SGD:
    return rf.SGD(lr=1 / inverse, ridge=point.ridge, n_steps=1)


def direct(share: float, inverse: int) -> list[float]:
    """The rate and its 95% interval, from first passages after the chains have settled."""
    problem, point = start(share)
    chains, steps = DIRECT[share, inverse]
    every, settle = steps // 1000, SETTLE * inverse
    found = rf.first_passage(
        problem, point.network(), settings(point, inverse), 1, chains=chains, max_steps=steps, every=every
    )
    late = found.times > settle
    watched, falls = float(np.sum(found.times[late] - settle)), int(np.sum(found.seen[late]))
    return [falls / watched, *garwood(falls, watched, 0.95)]


def split(share: float, inverse: int) -> list[float]:
    """The rate and its 95% interval, from the probability of a fall between settling and the horizon."""
    problem, point = start(share)
    horizon, settle = HORIZON * inverse, SETTLE * inverse
    found = rf.splitting(
        problem, point.network(), settings(point, inverse), 1, horizon,
        n_replicas=REPLICAS, n_kill=KILLED, repeats=REPEATS, every=horizon // 200,
    )  # fmt: skip
    late = np.zeros(REPEATS)
    for k in range(REPEATS):
        ends = np.array([path.n_steps for path in found.paths if path.repeat == k])
        late[k] = np.mean(ends > settle) if ends.size else 0.0
    rates = found.repeats * late / (horizon - settle)
    return [float(rates.mean()), *spread_interval(rates)]


def measured(way: str, share: float, inverse: int, file: Path) -> list[float]:
    """A rate with its interval, from the file where it is in it."""
    known: dict[str, list[float]] = json.loads(file.read_text()) if file.exists() else {}
    name = f"{way} {share} {inverse}"
    if name not in known:
        known[name] = (direct if way == "direct" else split)(share, inverse)
        file.write_text(json.dumps(known))
    return known[name]


def predictions(share: float) -> list[EscapeRate]:
    """Least action with the exact law of the entries and with a normal one, and Eyring and Kramers."""
    problem, point = start(share)
    exact = escape_rate(problem, point, lr=0.01)
    normal = escape_rate(problem, point, exact.saddle, lr=0.01, noise="gaussian")
    kramers = escape_rate(problem, point, exact.saddle, lr=0.01, method="eyring-kramers")
    print(f"{share} of the critical ridge: barrier {exact.saddle.barrier:.3e}, K {100 * exact.sharpness:.3f}")
    for name, each in (("least action", exact), ("normal noise", normal), ("Eyring-Kramers", kramers)):
        print(f"    {name:15} V {each.action:.5f}   c {100 * each.prefactor:.4g}")
    return [exact, normal, kramers]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="four direct measurements")
    parser.add_argument("--out", type=Path, default=Path("escape_rates.json"), help="file of measured rates")
    options = parser.parse_args()
    rungs = [("direct", *rung) for rung in (QUICK if options.quick else DIRECT)]
    rungs += [] if options.quick else [("splitting", *rung) for rung in SPLIT]
    for share in (0.99, 0.98, 0.95):
        predicted = predictions(share)
        print("1/lr way             rate  95% interval          predicted / measured: exact, normal, E.-K.")
        for way, inverse in [(way, inverse) for way, at, inverse in rungs if at == share]:
            rate, low, high = measured(way, share, inverse, options.out)
            ratios = [each.at(1 / inverse).rate / rate for each in predicted]
            row = " ".join(f"{ratio:8.2g}" for ratio in ratios)
            print(f"{inverse:>4} {way:9} {rate:10.2e}  {low:.2e} to {high:.2e}  {row}", flush=True)


if __name__ == "__main__":
    main()
