"""The methods of end_to_end.py that run in rankfall's own Python: one method on one instance.

Reads a JSON object from standard input, writes one to standard output, as
``outside/pymanopt_fixed_rank.py`` does.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import rankfall as rf
from big_problems import relative_error

Record = dict[str, Any]
# soft-impute: lambda as a share of the largest singular value, from this downwards
_STEP, _FLOOR = 0.5, 1e-9


class Instance:
    """The observed entries and the cells by which errors are measured."""

    def __init__(self, file: str) -> None:
        data = np.load(file)
        self.rank = int(data["rank"])
        shape = tuple(data["shape"].tolist())
        self.problem = rf.Problem.from_triplets(data["rows"], data["cols"], data["values"], shape)
        self.rows, self.cols, self.truth = (data[f"check_{name}"] for name in ("rows", "cols", "values"))

    def error(self, values: np.ndarray) -> float:
        return relative_error(values, self.truth)


def rankfall(instance: Instance, seconds: float, target: float) -> Record:
    """To its own end: it is told neither the rank nor when to stop."""
    rf.complete(rf.datasets.low_rank((30, 30), rank=2, oversampling=2.5)[0], seed=0)  # loads the kernels
    began = time.perf_counter()
    result = rf.complete(instance.problem, seed=0)
    took = time.perf_counter() - began
    error = instance.error(result.predict(instance.rows, instance.cols))
    return {"seconds": took, "error": error, "reached": error < target, "rank": result.rank}


def als(instance: Instance, seconds: float, target: float) -> Record:
    """Told the rank; stopped as soon as the error is reached. The clock stops while it is looked up."""
    from peers.als import als as solve

    state: Record = {}

    def keep_on(rounds: int, U: np.ndarray, V: np.ndarray, took: float) -> bool:
        if rounds % 5 and took < seconds:
            return True
        error = instance.error(np.einsum("ij,ij->i", U[instance.rows], V[instance.cols]))
        state.update(seconds=took, error=error, reached=error < target, iterations=rounds)
        return error >= target and took < seconds

    warm, _ = rf.datasets.low_rank((20, 20), rank=1, oversampling=2.5)
    solve(warm, 1, lambda rounds, U, V, took: False)  # compiles
    solve(instance.problem, instance.rank, keep_on)
    return state


def soft_impute(instance: Instance, seconds: float, target: float) -> Record:
    """Down a path of penalties, with warm starts; not told the rank, which it has no use for."""
    from peers.soft_impute import largest_penalty, solve

    problem = instance.problem
    began, paused, steps = time.perf_counter(), 0.0, 0
    top, Z = largest_penalty(problem, problem.values), np.zeros(problem.shape)
    share, best = 1.0, np.inf
    while True:
        share *= _STEP
        # towards the minimum of smallest nuclear norm that fits; few steps for each penalty but the last
        last = share < _FLOOR
        penalty, patience = max(share, _FLOOR) * top, 100 if last else 30
        Z = solve(problem, problem.values, penalty, Z, tolerance=1e-10, max_steps=patience).matrix
        steps += 1
        now = time.perf_counter()
        error = instance.error(Z[instance.rows, instance.cols])
        paused += time.perf_counter() - now
        took = now - began - paused
        if error < target or took > seconds or (last and error > 0.9999 * best):
            return {"seconds": took, "error": error, "reached": error < target, "iterations": steps}
        best = min(best, error)


METHODS: dict[str, Callable[[Instance, float, float], Record]] = {
    "rankfall": rankfall,
    "als": als,
    "soft-impute": soft_impute,
}


def main() -> None:
    request = json.load(sys.stdin)
    instance = Instance(request["file"])
    record = METHODS[request["method"]](instance, request["seconds"], request["target"])
    json.dump(record, sys.stdout)


if __name__ == "__main__":
    main()
