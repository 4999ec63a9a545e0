"""Rates at which SGD leaves a minimum for one of lower rank, predicted and measured, over learning rates.

The matrix [[1, 0.8], [0.7, -1]], all four entries observed, depth 3, hidden width 2, the minimum of rank two
at 0.95 of its critical ridge, single entries. Rates are per step. They are measured directly where a run sees
enough falls, and by `rankfall.splitting` where it does not, both ways at one learning rate. Falls in the
first 100 / lr steps, while the chains settle around the minimum, are not counted, nor is that time. Beside
them stand the predictions of `rankfall.theory.escape_rate` divided by the measured rate.

    python benchmarks/escape_rates.py               about ten minutes; goes on where it was stopped
    python benchmarks/escape_rates.py --quick       three learning rates, measured directly, seconds
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
from rankfall.theory import Minimum, critical_ridge, escape_rate, minima

X = np.array([[1.0, 0.8], [0.7, -1.0]])
DEPTH, SHARE, SETTLE = 3, 0.95, 100
# 1 / lr: chains and steps of the direct runs, which end with the first fall
DIRECT = {20: (400, 20_000), 30: (200, 200_000), 40: (100, 1_000_000), 50: (100, 2_000_000)}
SPLIT = (50, 60, 70, 80, 90, 100, 110)
# horizon of the splitting in units of 1 / lr: four times the time to settle and fall
HORIZON, REPLICAS, REPEATS = 400, 200, 8


def start() -> tuple[rf.Problem, Minimum]:
    problem = rf.Problem.from_dense(X)
    top = critical_ridge(problem, 2, DEPTH)
    found = minima(problem, DEPTH, SHARE * top.ridge, ranks=[2], starts=[top.last.matrix()])
    return problem, found.at(2)[0]


def settings(point: Minimum, inverse: int) -> rf.SGD:
    return rf.SGD(lr=1 / inverse, ridge=point.ridge, n_steps=1)


def direct(problem: rf.Problem, point: Minimum, inverse: int) -> list[float]:
    """The rate and its 95% interval, from first passages after the chains have settled."""
    chains, steps = DIRECT[inverse]
    every, settle = steps // 1000, SETTLE * inverse
    found = rf.first_passage(
        problem, point.network(), settings(point, inverse), 1, chains=chains, max_steps=steps, every=every
    )
    late = found.times > settle
    watched, falls = float(np.sum(found.times[late] - settle)), int(np.sum(found.seen[late]))
    return [falls / watched, *garwood(falls, watched, 0.95)]


def split(problem: rf.Problem, point: Minimum, inverse: int) -> list[float]:
    """The rate and its 95% interval, from the probability of a fall between settling and the horizon."""
    horizon, settle = HORIZON * inverse, SETTLE * inverse
    found = rf.splitting(
        problem, point.network(), settings(point, inverse), 1, horizon,
        n_replicas=REPLICAS, repeats=REPEATS, every=horizon // 200,
    )  # fmt: skip
    late = np.zeros(REPEATS)
    for k in range(REPEATS):
        ends = np.array([path.n_steps for path in found.paths if path.repeat == k])
        late[k] = np.mean(ends > settle) if ends.size else 0.0
    rates = found.repeats * late / (horizon - settle)
    return [float(rates.mean()), *spread_interval(rates)]


def measured(problem: rf.Problem, point: Minimum, file: Path, quick: bool) -> dict[str, list[float]]:
    """All rates with their intervals, from the file where they are in it."""
    known: dict[str, list[float]] = json.loads(file.read_text()) if file.exists() else {}
    wanted = [("direct", inverse) for inverse in list(DIRECT)[: 3 if quick else None]]
    wanted += [] if quick else [("splitting", inverse) for inverse in SPLIT]
    for way, inverse in wanted:
        if f"{way} {inverse}" not in known:
            known[f"{way} {inverse}"] = (direct if way == "direct" else split)(problem, point, inverse)
            file.write_text(json.dumps(known))
    return {f"{way} {inverse}": known[f"{way} {inverse}"] for way, inverse in wanted}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three learning rates, measured directly")
    parser.add_argument("--out", type=Path, default=Path("escape_rates.json"), help="file of measured rates")
    options = parser.parse_args()
    problem, point = start()
    exact = escape_rate(problem, point, lr=0.01)
    normal = escape_rate(problem, point, exact.saddle, lr=0.01, noise="gaussian")
    kramers = escape_rate(problem, point, exact.saddle, lr=0.01, method="eyring-kramers")
    print(f"barrier {exact.saddle.barrier:.3e}, lr K {exact.sharpness * 100:.3f} lr; V, c per lr:")
    for name, each in (("exact", exact), ("normal noise", normal), ("Eyring-Kramers", kramers)):
        print(f"    {name:15} {each.action:.4f} {each.prefactor * 100:.4g}")
    print("1/lr way            rate  95% interval             exact  normal  Eyring-Kramers")
    for name, (rate, low, high) in measured(problem, point, options.out, options.quick).items():
        way, inverse = name.split()
        ratios = [each.at(1 / int(inverse)).rate / rate for each in (exact, normal, kramers)]
        print(
            f"{inverse:>4} {way:9} {rate:10.2e}  {low:.2e} to {high:.2e}  "
            f"{ratios[0]:7.2f} {ratios[1]:7.2f} {ratios[2]:9.2g}",
            flush=True,
        )


if __name__ == "__main__":
    main()
