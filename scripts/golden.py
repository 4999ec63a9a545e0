"""Hash a fixed set of results, or compare them with the hashes of an earlier commit, to the last bit.

    python scripts/golden.py record [FILE] [--only NAME ...] [--skip-demo]
    python scripts/golden.py compare [FILE] [--only NAME ...] [--skip-demo]

For changes that must not change a number: record before, compare after. NAME selects the cases whose names
begin with it, as ``trace`` or ``completion-log``. Bits differ between processors and between versions of the
libraries, so hashes belong to one machine and its versions: they are kept in ``.golden/`` by default, and
never committed. ``record`` with a selection replaces the hashes of the selected cases and keeps the others.
``compare`` exits with 1 if any case differs, raises or was not recorded, and with 2 if there is nothing to
compare with.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import golden_completions  # noqa: F401
import golden_runs  # noqa: F401
from golden_api import CASES, Numbers

FOLDER = Path(__file__).parents[1] / ".golden"
# digits of a hash that are printed
SHOWN = 16

Hashes = dict[str, dict[str, str]]


def machine() -> dict[str, str]:
    """What the last bits depend on beside the code."""
    import numba
    import scipy.linalg  # brings a BLAS of its own
    from numba.core import config, cpu
    from numba.core.registry import cpu_target
    from threadpoolctl import threadpool_info

    assert isinstance(cpu_target.target_context, cpu.CPUContext)
    codegen = cpu_target.target_context.codegen()
    libraries = [
        f"{pool['internal_api']} {pool['version']} {pool.get('architecture')}, threads: {pool['num_threads']}"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]
    return {
        "processor": _processor(),
        "numba processor": str(codegen.magic_tuple()),
        "numba options": f"{config.OPT} {config.ENABLE_AVX}",  # pyright: ignore[reportAttributeAccessIssue]
        "BLAS": "; ".join(sorted(libraries)),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return f"{platform.machine()} {platform.processor()}".strip()


def hashed(value: object) -> str:
    """Hash of an array, with dtype and shape, or of bytes."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"Numbers are hashed, not {array.dtype}.")
    if array.dtype.kind in "fc":
        # a NaN has many bit patterns, which mean the same
        array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
    head = f"{array.dtype.newbyteorder('<').str} {array.shape} ".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


def together(parts: Mapping[str, str]) -> str:
    """One hash of a case; does not depend on the order of its parts."""
    return hashlib.sha256(json.dumps(dict(parts), sort_keys=True).encode()).hexdigest()[:SHOWN]


def computed(name: str) -> tuple[dict[str, str], str]:
    """Hashes of a case by part, and the error if it raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            numbers: Numbers = CASES[name]()
        return {part: hashed(value) for part, value in numbers.items()}, ""
    except Exception as error:  # one broken case must not hide the others
        return {}, f"{type(error).__name__}: {error}"


def verdict(new: dict[str, str], old: dict[str, str] | None) -> str:
    """ "same", or what differs."""
    if old is None:
        return "DIFFERENT: was not recorded"
    if new == old:
        return "same"
    parts = [part for part in sorted({*new, *old}) if new.get(part) != old.get(part)]
    return f"DIFFERENT in {len(parts)} of {len({*new, *old})} parts: {', '.join(parts)}"


def selected(only: Sequence[str], skip_demo: bool) -> list[str]:
    """Names of the cases to run."""
    return [
        name
        for name in CASES
        if not (skip_demo and name == "demo") and (not only or name.startswith(tuple(only)))
    ]


def read(file: Path, here: dict[str, str]) -> Hashes:
    """Recorded hashes.

    Raises
    ------
    SystemExit
        If there are none, or they belong to another machine or other versions.
    """
    if not file.exists():
        _refuse(f"There is no {file}: run `python scripts/golden.py record` at the commit to compare with.")
    stored = json.loads(file.read_text())
    there = stored["machine"]
    apart = [
        f"{name} ({_short(there.get(name))}; here {_short(here[name])})"
        for name in here
        if there.get(name) != here[name]
    ]
    if apart:
        _refuse(f"{file} was recorded elsewhere, and bits cannot be compared: {'; '.join(apart)}.")
    return stored["hashes"]


def _short(text: str | None) -> str | None:
    """Lists of a processor's features are long."""
    return text if text is None or len(text) <= 90 else f"{text[:60]}... ({hashed(text.encode())[:8]})"


def _refuse(sentence: str) -> None:
    print(sentence, file=sys.stderr)
    raise SystemExit(2)


def write(file: Path, here: dict[str, str], hashes: Hashes) -> None:
    """Keep the hashes with what they depend on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps({"machine": here, "hashes": hashes}, indent=1))
    temporary.replace(file)


def run(names: Sequence[str], before: Hashes | None) -> tuple[Hashes, int]:
    """Compute the cases, print a line for each; their hashes, and how many are not as they should be."""
    hashes, bad = {}, 0
    for name in names:
        started = time.perf_counter()
        parts, error = computed(name)
        if error:
            said = f"DIFFERENT: {error}" if before is not None else f"FAILED: {error}"
        else:
            hashes[name] = parts
            said = "recorded" if before is None else verdict(parts, before.get(name))
        bad += said not in ("same", "recorded")
        shown = together(parts) if parts else "-" * SHOWN
        print(f"{name:34} {shown} {time.perf_counter() - started:6.1f} s  {said}", flush=True)
    return hashes, bad


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("record", "compare"))
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="cases that begin with NAME")
    parser.add_argument("--skip-demo", action="store_true", help="leave the demo out, the longest case")
    arguments = parser.parse_args()
    names = selected(arguments.only, arguments.skip_demo)
    if not names:
        parser.error(f"no case begins with {', '.join(arguments.only)}; there are {', '.join(CASES)}")
    here = machine()
    key = hashlib.sha256(json.dumps(here, sort_keys=True).encode()).hexdigest()[:12]
    file = arguments.file or FOLDER / f"{key}.json"

    started = time.perf_counter()
    if arguments.action == "record":
        kept = read(file, here) if file.exists() and len(names) < len(CASES) else {}
        hashes, bad = run(names, None)
        write(file, here, {**{name: parts for name, parts in kept.items() if name not in names}, **hashes})
        print(f"{len(hashes)} of {len(names)} cases recorded in {file}", end="")
    else:
        _, bad = run(names, read(file, here))
        print(f"{len(names) - bad} of {len(names)} cases are the same, {bad} are not", end="")
    print(f" ({time.perf_counter() - started:.0f} s)")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
