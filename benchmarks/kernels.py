"""Microseconds per SGD step: rankfall, the machine's own limit, NumPy, PyTorch and JAX, in one run.

    make bench                                        # makes .venv-bench with PyTorch and JAX, then runs this
    python benchmarks/kernels.py --peers PYTHON       # with a Python that has them already
    python benchmarks/kernels.py --quick              # widths (100, 100, 100, 100) only

One entry per step, nothing recorded, one thread; the fastest of many short repeats counts, for everybody,
and the median beside it shows how busy the machine is (a repeat is shorter than a time slice, so that other
processes disturb few of them). All programs start from the same weights and are given the same entries, and
after the same first steps their product of all layers must be that of the NumPy twin.

- rankfall: ``rf.train``, call included, random numbers included.
- twin: ``rankfall.dynamics.kernels.reference``, the formula line by line in NumPy.
- PyTorch: the loop one usually writes (``outside/torch_loop.py``).
- JAX: a jitted ``lax.scan``, the fastest of several ways to write the step, chosen anew for every row;
  "usual" is the way without any tuning (``outside/jax_scan.py``).
- limit: the larger of two times measured here (``limits.py``): that of the passes through the
  hidden-to-hidden layers that a step needs (2 h - 1 for h layers, h of which write), and that of its
  multiply-adds (three per weight). What a step does outside these layers is left out. The passes are those
  of one entry at a time: a kernel that delays updates and makes several of them in one pass could go below
  theirs, but not below the arithmetic.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import limits
import rankfall as rf
from peer_process import HOW_TO_MAKE, OUTSIDE, ask, find_python, start_afresh, verdict
from rankfall.dynamics.kernels import reference

WIDTHS = [(30,) * 4, (100,) * 4, (100,) * 5, (300,) * 4, (1000, 50, 50, 1000)]
JUDGED = (100,) * 4
DTYPES = ("float64", "float32")
LR, RIDGE = 0.003, 1e-4
CHECK_STEPS = 50
# how far the product may be from the twin's after these steps, relative to its norm
AGREE = {"float64": 1e-12, "float32": 1e-4}
# a repeat of rankfall lasts about this long
REPEAT_SECONDS = 0.02
CHAINS = 64
SCRIPTS = {"torch": OUTSIDE / "torch_loop.py", "jax": OUTSIDE / "jax_scan.py"}


@dataclass(frozen=True)
class Row:
    """What was measured for one network and one precision; microseconds per step.

    Attributes
    ----------
    twin : float
        NaN where it was not measured.
    peers : mapping
        For "torch" and "jax" the answer of their script for this row; empty if there is none.
    """

    widths: tuple[int, ...]
    dtype: str
    fastest: float
    median: float
    limit: limits.Limit
    twin: float = math.nan
    peers: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Of the machine's limit that is reached."""
        return self.limit.microseconds / self.fastest

    def peer(self, name: str, what: str = "fastest") -> float:
        return float(self.peers.get(name, {}).get(what, math.nan))


# -- rankfall ----------------------------------------------------------------------------------------------


def start(widths: tuple[int, ...]) -> tuple[rf.Problem, rf.Network]:
    shape = widths[-1], widths[0]
    problem, _ = rf.datasets.low_rank(shape, rank=5, oversampling=2.0, seed=0)
    return problem, rf.Network.gaussian(widths, scale=1.0, seed=0)


def once(problem: rf.Problem, network: rf.Network, steps: int, **options: Any) -> float:
    """Microseconds per step and chain of one run."""
    record = rf.Record(every=steps, what=())
    trace = rf.train(problem, network, rf.SGD(lr=LR, ridge=RIDGE, n_steps=steps), record=record, **options)
    if trace.diverged.any():
        raise SystemExit("A chain diverged; the times mean nothing.")
    return 1e6 * trace.seconds / (steps * trace.n_chains)


def microseconds(
    problem: rf.Problem, network: rf.Network, repeats: int, dtype: str = "float64"
) -> tuple[float, float]:
    """Fastest and median time of one step of one chain on one thread."""
    options = {"n_threads": 1, "dtype": np.dtype(dtype)}
    once(problem, network, 10, **options)  # compiles
    steps = max(int(1e6 * REPEAT_SECONDS / once(problem, network, 2000, **options)), 100)
    times = [once(problem, network, steps, **options) for _ in range(repeats)]
    return min(times), statistics.median(times)


def twin_microseconds(problem: rf.Problem, network: rf.Network, steps: int = 10, repeats: int = 5) -> float:
    """Time of one step of the NumPy twin, the fastest repeat."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        reference.train(problem, network, rf.SGD(lr=LR, ridge=RIDGE, n_steps=steps))
        times.append(1e6 * (time.perf_counter() - began) / steps)
    return min(times)


def side_by_side(repeats: int, steps: int = 20_000) -> tuple[float, float]:
    """64 chains: microseconds per step of one, on one thread and on two, in turns; the fastest of each.

    Runs of a second: shorter ones measure how fast 64 networks are stored and read.
    """
    problem, network = start(JUDGED)
    times: dict[int, list[float]] = {1: [], 2: []}
    for n_threads in times:
        once(problem, network, 10, chains=CHAINS, n_threads=n_threads)  # starts the threads
    for _ in range(repeats):
        for n_threads, found in times.items():
            found.append(once(problem, network, steps, chains=CHAINS, n_threads=n_threads))
    return min(times[1]), min(times[2])


# -- the others --------------------------------------------------------------------------------------------


def peer_rows(python: Path, widths: tuple[int, ...], folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """The answers of PyTorch and JAX for both precisions: ``[dtype][peer]``."""
    problem, network = start(widths)
    lengths = {"torch": (200, 7), "jax": (2000, 40)}  # steps of a repeat, repeats
    rng = np.random.default_rng(0)
    entries = rng.integers(problem.n_observed, size=max(steps for steps, _ in lengths.values()))
    file = folder / "start.npz"
    weights = {f"W{layer}": W for layer, W in enumerate(network.weights, 1)}
    of_entry = {name: getattr(problem, name)[entries] for name in ("rows", "cols", "values")}
    np.savez(file, allow_pickle=False, **of_entry, **weights)
    expected = twin_product(problem, network, entries[:CHECK_STEPS])
    found: dict[str, dict[str, dict[str, Any]]] = {dtype: {} for dtype in DTYPES}
    for name, (steps, repeats) in lengths.items():
        common = {"file": str(file), "lr": LR, "ridge": RIDGE, "check_steps": CHECK_STEPS}
        common |= {"steps": steps, "repeats": repeats}
        cases = [{**common, "dtype": d, "answer": str(folder / f"{name}-{d}.npy")} for d in DTYPES]
        answer = ask(SCRIPTS[name], {"cases": cases}, python=python, threads=1)
        if "error" in answer:
            print(answer["error"], flush=True)
            continue
        for case, row in zip(cases, answer["rows"], strict=True):
            check(name, case["dtype"], np.load(case["answer"]), expected)
            found[case["dtype"]][name] = {**row, "version": answer["version"]}
    return found


def twin_product(problem: rf.Problem, network: rf.Network, entries: np.ndarray) -> np.ndarray:
    """The product of all layers after the twin's steps on these entries."""
    optimiser = rf.SGD(lr=LR, ridge=RIDGE, n_steps=entries.size, entries=entries[:, None])
    return reference.train(problem, network, optimiser).product()


def check(name: str, dtype: str, product: np.ndarray, expected: np.ndarray) -> None:
    """A peer that does not make the same steps must not be timed."""
    difference = np.linalg.norm(product - expected) / np.linalg.norm(expected)
    if not difference < AGREE[dtype]:
        raise SystemExit(
            f"{name} in {dtype} does not make the twin's steps: the products differ by {difference:.1e}."
        )


# -- what is printed ---------------------------------------------------------------------------------------

HEADER = [
    "widths", "precision", "rankfall", "median", "limit", "passes", "arithm.", "share", "twin",
    "PyTorch", "ratio", "JAX", "ratio", "usual JAX", "ratio",
]  # fmt: skip


def cells(row: Row) -> list[str]:
    """One line of the table; "-" for what was not measured."""

    def us(value: float) -> str:
        return "-" if math.isnan(value) else f"{value:.3f}" if value < 1 else f"{value:.4g}"

    def ratio(value: float) -> str:
        return "-" if math.isnan(value) else f"{value / row.fastest:.3g}"

    torch, jax, usual = row.peer("torch"), row.peer("jax"), row.peer("jax", "usual")
    return [
        "x".join(map(str, row.widths)), row.dtype, us(row.fastest), us(row.median),
        us(row.limit.microseconds), us(row.limit.passes), us(row.limit.arithmetic), f"{row.share:.2f}",
        us(row.twin), us(torch), ratio(torch), us(jax), ratio(jax), us(usual), ratio(usual),
    ]  # fmt: skip


def in_columns(line: Sequence[str]) -> str:
    return f"{line[0]:20} {line[1]:9} " + " ".join(f"{cell:>9}" for cell in line[2:])


def verdicts(rows: Sequence[Row], deflated: float, chains: tuple[float, float] | None) -> list[str]:
    """The requirements, with met or MISSED; NaN, what was not measured, is missed."""
    double, single = (
        next(r for r in rows if r.widths == JUDGED and r.dtype == dtype) for dtype in ("float64", "float32")
    )
    jax, torch = (double.peer(name) / double.fastest for name in ("jax", "torch"))
    faster = double.fastest / single.fastest
    out = [
        verdict("at least 10 times JAX", jax >= 10, _times(jax)),
        verdict("at least 150 times PyTorch", torch >= 150, _times(torch)),
        verdict("at least half the machine's limit", double.share >= 0.5, f"{double.share:.2f}"),
        verdict("float32 faster than float64", faster > 1, _times(faster)),
        verdict("width 5: under 0.1 us a step", deflated < 0.1, f"{deflated:.3f} us"),
    ]
    if chains is not None:
        scaling = chains[0] / chains[1]
        out.append(
            verdict(f"{CHAINS} chains, two threads: at least 1.8 times", scaling >= 1.8, _times(scaling))
        )
    if not math.isnan(jax) and 10 * double.limit.microseconds > double.peer("jax"):
        out.append(
            f"(a tenth of JAX's time is {double.peer('jax') / 10:.3f} us: less than the machine's limit, "
            f"{double.limit.microseconds:.3f} us; its multiply-adds alone need "
            f"{double.limit.arithmetic:.3f} us)"
        )
    return out


def _times(ratio: float) -> str:
    return "not measured" if math.isnan(ratio) else f"{ratio:.3g} times"


def main() -> None:
    start_afresh()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=100, help="of rankfall's rows")
    parser.add_argument("--peers", metavar="PYTHON", help="a Python with PyTorch and JAX")
    parser.add_argument("--quick", action="store_true", help=f"widths {JUDGED} only")
    options = parser.parse_args()
    python = find_python(options.peers)
    if python is None:
        print(HOW_TO_MAKE)
    rates = {dtype: limits.multiply_adds_per_second(np.dtype(dtype)) / 1e9 for dtype in DTYPES}
    print(
        f"one core: {rates['float64']:.0f} billion multiply-adds per second in float64, "
        f"{rates['float32']:.0f} in float32, vectors of {8 * limits.vector_bytes()} bits; "
        f"{os.cpu_count()} processors"
    )
    print(f"microseconds per step of one entry, one thread\n{in_columns(HEADER)}")
    rows = []
    for widths in [JUDGED] if options.quick else WIDTHS:
        rows += rows_of(widths, options.repeats, python)
    print_ways(rows)
    small = {}
    for widths in sorted({row.widths for row in rows if row.widths[0] == row.widths[1] == 100}, key=len):
        problem, network = start(widths)
        small[widths] = microseconds(problem, network.compress(5).network, options.repeats)
        print(
            f"{'x'.join(map(str, widths))} deflated to 5: {small[widths][0]:.3f} us, "
            f"median {small[widths][1]:.3f}"
        )
    chains = None
    if (os.cpu_count() or 1) > 1:
        chains = side_by_side(5)
        print(
            f"{CHAINS} chains of {'x'.join(map(str, JUDGED))}, per step of one: {chains[0]:.3f} us on one "
            f"thread, {chains[1]:.3f} us on two: ratio {chains[0] / chains[1]:.2f}"
        )
    print(f"\nwidths {'x'.join(map(str, JUDGED))}, float64:")
    print("\n".join(verdicts(rows, small[JUDGED][0], chains)))


def rows_of(widths: tuple[int, ...], repeats: int, python: Path | None) -> list[Row]:
    """Measure and print both precisions."""
    problem, network = start(widths)
    peers: dict[str, dict[str, dict[str, Any]]] = {}
    if python is not None:
        with tempfile.TemporaryDirectory() as folder:
            peers = peer_rows(python, widths, Path(folder))
    twin = {"float64": twin_microseconds(problem, network)}
    rows = []
    for dtype in DTYPES:
        fastest, median = microseconds(problem, network, repeats, dtype)
        limit = limits.limit(widths, np.dtype(dtype))
        row = Row(widths, dtype, fastest, median, limit, twin.get(dtype, math.nan), peers.get(dtype, {}))
        print(in_columns(cells(row)), flush=True)
        rows.append(row)
    return rows


def print_ways(rows: Sequence[Row]) -> None:
    """Which of their own ways the peers took."""
    for name, title in (("torch", "PyTorch"), ("jax", "JAX")):
        ways = [
            f"{'x'.join(map(str, r.widths))} {r.dtype}: {r.peers[name]['how']}"
            for r in rows
            if name in r.peers
        ]
        if ways:
            version = next(r.peers[name]["version"] for r in rows if name in r.peers)
            cores = max(r.peers[name]["cores"] for r in rows if name in r.peers)
            print(f"{title} {version}, at most {cores:.2f} processors busy, fastest way: " + "; ".join(ways))


if __name__ == "__main__":
    main()
