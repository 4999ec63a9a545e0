"""Is one commit slower than another? Both are measured in turns, each in a worktree of its own.

    make bench-regression
    python benchmarks/regression.py --base v0.1.0 --head HEAD --rounds 15
    python benchmarks/regression.py --cases train exact-100 --fail-above 1.1

Seconds of two runs an hour apart, or on two machines, say little: what else the machine does
differs more than the code. Here a process of each commit waits, both have compiled their kernels,
and in every round each of them runs the case once; who begins alternates. A line shows the medians
and the ratio of the medians, head to base, with its bootstrap interval (rounds are drawn again, so
that a round in which the machine was busy counts for both). Each process has one thread, unless
--threads says otherwise.

It only measures: the exit code is 1 only with --fail-above X, if the whole interval of a case lies
above X. What is not committed is not measured. A case that one of the commits cannot run is left
out, with the reason.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from peer_process import environment, start_afresh

ROOT = Path(__file__).resolve().parents[1]
COVERAGE = 0.95
RESAMPLES = 10_000


# -- what is measured, in a process of each commit ---------------------------------------------------------


def train() -> Callable[[], object]:
    """Steps of SGD on one chain: 100 x 100, depth 3, width 100, one entry a step."""
    import rankfall as rf

    problem, _ = rf.datasets.low_rank((100, 100), rank=5, observed=0.3, seed=0)
    network = rf.Network.gaussian((100, 100, 100, 100), scale=1.0, seed=0)
    sgd = rf.SGD(lr=0.02, ridge=1e-3, n_steps=100_000, batch_size=1)
    return lambda: rf.train(problem, network, sgd, seed=0, record=rf.Record(every=50_000))


def exact(n: int) -> Callable[[], object]:
    """Complete an n x n matrix of rank 5 without noise, three times as many cells as unknowns."""
    import rankfall as rf

    problem, _ = rf.datasets.low_rank((n, n), rank=5, oversampling=3.0, seed=0)
    return lambda: rf.complete(problem, seed=0)


def noisy() -> Callable[[], object]:
    """Complete a 60 x 40 matrix of rank 2, half known, with noise."""
    import rankfall as rf

    problem, _ = rf.datasets.low_rank((60, 40), rank=2, observed=0.5, noise=0.2, seed=0)
    return lambda: rf.complete(problem, seed=0)


def ratings() -> Callable[[], object]:
    """Complete ratings from 1 to 5 of 300 items by 200 people, a tenth known."""
    import rankfall as rf

    rng = np.random.default_rng(0)
    tastes = rng.standard_normal((300, 3)) @ rng.standard_normal((3, 200)) + rng.standard_normal((300, 200))
    table = np.where(rng.random(tastes.shape) < 0.1, np.clip(np.round(3 + 0.6 * tastes), 1, 5), np.nan)
    return lambda: rf.complete(table, seed=0)


CASES: dict[str, Callable[[], Callable[[], object]]] = {
    "train": train,
    "exact-100": lambda: exact(100),
    "exact-300": lambda: exact(300),
    "noisy": noisy,
    "ratings": ratings,
}


def serve() -> None:
    """Answer each line of stdin, the name of a case, with the seconds of a run (its second or later)."""
    ready: dict[str, Callable[[], object]] = {}
    for name in map(str.strip, sys.stdin):
        answer: dict[str, Any] = {}
        try:
            if name not in ready:
                ready[name] = CASES[name]()
                ready[name]()
            began = time.perf_counter()
            ready[name]()
            answer["seconds"] = time.perf_counter() - began
        except Exception as error:  # whatever an old commit raises: the other cases go on
            answer["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), flush=True)


# -- two commits -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Side:
    """A process that has one commit's library."""

    name: str
    process: subprocess.Popen[str]

    def seconds(self, case: str) -> float:
        """Of one run of a case.

        Raises
        ------
        RuntimeError
            If this commit cannot run it.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(case + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: the process ended")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}")
        return answer["seconds"]


@contextlib.contextmanager
def side(name: str, commit: str, folder: Path, threads: int) -> Iterator[Side]:
    """A worktree of a commit, and a process that measures its library with this file's cases."""
    tree = folder / name
    git("worktree", "add", "--quiet", "--detach", str(tree), commit)
    try:
        variables = environment(threads)
        variables["PYTHONPATH"] = str(tree / "src")
        command = [sys.executable, str(Path(__file__).resolve()), "--serve"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables
        ) as process:
            try:
                yield Side(name, process)
            finally:
                process.kill()
    finally:
        git("worktree", "remove", "--force", str(tree))


def git(*words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(ROOT), *words], capture_output=True, text=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise SystemExit(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def in_turns(case: str, sides: tuple[Side, Side], rounds: int) -> np.ndarray:
    """Seconds of both sides; shape (rounds, 2)."""
    out = np.empty((rounds, 2))
    for side in sides:
        side.seconds(case)  # compiles, and fills the caches
    for k in range(rounds):
        for which in order(k):
            out[k, which] = sides[which].seconds(case)
    return out


def order(k: int) -> tuple[int, int]:
    """Who begins round k."""
    return (0, 1) if k % 2 == 0 else (1, 0)


# -- what it says ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """Median seconds of base and head, the ratio head to base, and its interval."""

    base: float
    head: float
    ratio: float
    low: float
    high: float

    def slower_than(self, limit: float) -> bool:
        """Whether the whole interval lies above a limit."""
        return self.low > limit


def compare(seconds: np.ndarray, seed: int = 0) -> Comparison:
    """The ratio of the medians of seconds, shape (rounds, 2), with the percentile bootstrap over rounds."""
    rng = np.random.default_rng(seed)
    drawn = seconds[rng.integers(len(seconds), size=(RESAMPLES, len(seconds)))]
    medians = np.median(drawn, axis=1)
    low, high = np.quantile(medians[:, 1] / medians[:, 0], [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    base, head = (statistics.median(column) for column in seconds.T.tolist())
    return Comparison(base, head, head / base, float(low), float(high))


HEADER = f"{'case':12} {'base':>8} {'head':>8}  head/base  {COVERAGE:.0%} interval"


def line(case: str, found: Comparison, limit: float | None) -> str:
    late = limit is not None and found.slower_than(limit)
    medians = f"{found.base:7.3f}s {found.head:7.3f}s  {found.ratio:9.3f}"
    text = f"{case:12} {medians}  {found.low:.3f} to {found.high:.3f}"
    return f"{text}  above {limit:g}" if late else text


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base", default="HEAD~1", help="commit to compare with (default: %(default)s)")
    parser.add_argument("--head", default="HEAD", help="commit to judge (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=9, help="runs of a case and commit (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of each process (default: %(default)s)"
    )
    parser.add_argument(
        "--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE", help=", ".join(CASES)
    )
    parser.add_argument(
        "--fail-above", type=float, metavar="X", help="exit 1 if an interval lies above this ratio"
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        serve()
        return 0
    if options.rounds < 3:
        parser.error("--rounds must be at least 3: fewer say nothing about a median.")
    start_afresh()
    print(f"base {git('log', '-1', '--format=%h %s', options.base)}")
    print(f"head {git('log', '-1', '--format=%h %s', options.head)}")
    if git("status", "--porcelain", "--untracked-files=no"):
        print("There are changes that are not committed; they are not measured.")
    print(f"{options.rounds} rounds, {options.threads} thread(s); both compile first, for a minute or two\n")
    print(HEADER)
    late = []
    with (
        tempfile.TemporaryDirectory() as folder,
        side("base", options.base, Path(folder), options.threads) as base,
        side("head", options.head, Path(folder), options.threads) as head,
    ):
        for case in options.cases:
            try:
                found = compare(in_turns(case, (base, head), options.rounds))
            except RuntimeError as error:
                print(f"{case:12} not measured: {error}", flush=True)
                continue
            print(line(case, found, options.fail_above), flush=True)
            if options.fail_above is not None and found.slower_than(options.fail_above):
                late.append(case)
    return int(bool(late))


if __name__ == "__main__":
    sys.exit(main())
