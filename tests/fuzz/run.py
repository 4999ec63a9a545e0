"""Fuzz for long: ``make fuzz``, or ``python tests/fuzz/run.py --seconds 900 --state fuzz.json``.

Mutated files are read, and public functions called with wild arguments, in processes that may crash; what
goes wrong is counted and kept (files in the folder of the state). A run with the same state goes on where the
last one stopped, with seeds that no run has used. Exit code 1 if anything was found.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.arguments import own_samples
from fuzz.calls import WILD_CALLS, wild_call
from fuzz.formats import FORMATS, MEGABYTES, SECONDS, verdict
from fuzz.mutations import mutated

# pieces of work that a process does before another takes over
_BATCH = 20
_OWN_ERROR = 99


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--count", type=int, default=10**9, help="stop after so many files and calls")
    parser.add_argument("--state", type=Path, default=Path("fuzz-output/state.json"))
    parser.add_argument("--only", default="", help="formats, or functions, whose names hold this")
    asked = parser.parse_args()
    asked.state.parent.mkdir(parents=True, exist_ok=True)
    state = (
        json.loads(asked.state.read_text())
        if asked.state.exists()
        else {"seed": 0, "counts": {}, "found": {}}
    )
    counts, found = Counter(state["counts"]), dict(state["found"])
    names = [f"file: {name}" for name in FORMATS] + [f"call: {name}" for name in WILD_CALLS]
    names = [name for name in names if asked.only in name]
    files = [name for name in names if name.startswith("file")]
    calls = [name for name in names if name.startswith("call")]
    # once, before processes are forked
    own_samples("rankfall")
    for name, format in FORMATS.items():
        _sound(name, format.make)
    end, number = time.time() + asked.seconds, 0
    try:
        while time.time() < end and number < asked.count:
            seed = state["seed"]
            state["seed"] += 1
            # as many files as calls
            of = [kind for kind in (files, calls) if kind][seed % (1 + bool(files and calls))]
            name = of[(seed // 2 if files and calls else seed) % len(of)]
            number += _batch(name, seed, counts, found, asked.state.parent)
            asked.state.write_text(
                json.dumps({"seed": state["seed"], "counts": counts, "found": found}, indent=1)
            )
    except KeyboardInterrupt:
        pass
    print(json.dumps(dict(sorted(counts.items())), indent=1))
    for what, example in found.items():
        print(f"FOUND {what} ({example})")
    return int(bool(found))


def _batch(name: str, seed: int, counts: Counter[str], found: dict[str, str], folder: Path) -> int:
    """A process does a batch; where it dies, another goes on behind what killed it."""
    kind, _, what = name.partition(": ")
    shared = mmap.mmap(-1, 1 << 16)
    at = 0
    with TemporaryDirectory() as temporary:
        while at < _BATCH:
            shared.seek(0)
            shared.write(bytes(1 << 16))
            pid = os.fork()
            if pid == 0:
                _child(kind, what, seed, at, Path(temporary), shared)
            _, status, used = os.wait4(pid, 0)
            shared.seek(0)
            lines = shared.read().rstrip(b"\0").decode(errors="replace").splitlines()
            told = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
            for each in told:
                counts[f"{kind}s"] += 1
                if each["wrong"] is not None:
                    _note(each["wrong"], name, seed, each["k"], counts, found, folder, Path(temporary))
            done = [each["k"] for each in told]
            at = max(done, default=at - 1) + 1
            if used.ru_maxrss > MEGABYTES * 1000:
                _note(
                    f"memory {used.ru_maxrss // 1000} MB",
                    name,
                    seed,
                    at,
                    counts,
                    found,
                    folder,
                    Path(temporary),
                )
            if status != 0 and at < _BATCH:
                number = os.waitstatus_to_exitcode(status)
                slow = -number in (signal.SIGALRM, signal.SIGPROF)
                reason = f"hang over {SECONDS} s" if slow else f"crash ({number})"
                # an exception outside of what is tried
                reason = "error of the fuzzer itself" if number == _OWN_ERROR else reason
                _note(reason, name, seed, at, counts, found, folder, Path(temporary))
                counts[f"{kind}s"] += 1
                at += 1
    return _BATCH


def _child(kind: str, what: str, seed: int, at: int, folder: Path, shared: mmap.mmap) -> None:
    """Do the rest of a batch, and say after each piece how it went."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (1, 2):
            os.dup2(null, stream)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        shared.seek(0)
        for k in range(at, _BATCH):
            rng = np.random.default_rng((seed, k))
            # the default action ends the process; a busy machine is given time, a deadlock is not
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.alarm(6 * SECONDS)
            wrong = _one(kind, what, rng, folder, k)
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
            shared.write(json.dumps({"k": k, "wrong": wrong and wrong[:400]}).encode() + b"\n")
        os._exit(0)
    finally:
        os._exit(_OWN_ERROR)


def _one(kind: str, what: str, rng: np.random.Generator, folder: Path, k: int) -> str | None:
    if kind == "call":
        return wild_call(what, rng)
    format = FORMATS[what]
    path = folder / f"{k}{format.suffix}"
    path.write_bytes(mutated(_sound(what, format.make), format.inside, rng))
    return verdict(lambda: format.use(path))


_SOUND: dict[str, bytes] = {}


def _sound(name: str, make: Callable[[], bytes]) -> bytes:
    if name not in _SOUND:
        _SOUND[name] = make()
    return _SOUND[name]


def _note(
    wrong: str,
    name: str,
    seed: int,
    k: int,
    counts: Counter[str],
    found: dict[str, str],
    folder: Path,
    temporary: Path,
) -> None:
    kind = "wrong type or traceback"
    for word in ("crash", "hang", "memory", "no sentence", "SilentDifference", "error of"):
        kind = word if wrong.startswith(word) else kind
    counts[kind] += 1
    # the same line with the same type is the same thing
    key = (
        f"{name}: {wrong}"
        if " at " not in wrong
        else f"{wrong.partition(':')[0]} at {wrong.rpartition(' at ')[2]}"
    )
    if key in found:
        return
    found[key] = f"{name}, seed {seed}, {k}: {wrong}"
    for path in temporary.glob(f"{k}.*"):
        if path.suffix != ".html":
            called = f"{name.removeprefix('file: ').replace(' ', '-')}-{seed}-{k}{''.join(path.suffixes)}"
            (folder / called).write_bytes(path.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
