"""The checks: facts from this interpreter and from others, and what to say about them."""

from __future__ import annotations

import math
import os
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from . import system
from .child import Answer, ask
from .libraries import versions
from .report import Check, DoctorReport

_LEAST_MEMORY = 0.5e9
# many times what all compiled kernels take
_LEAST_DISK = 200e6

_COMPLETIONS = (
    # shape, rank and cells of which every seed and processor that was tried found the rank
    {"shape": (60, 60), "rank": 3, "oversampling": 2.5, "seed": 0},
    {"shape": (40, 30), "rank": 2, "observed": 0.8, "noise": 0.2, "seed": 0},
)
_LARGEST_ERRORS = (1e-6, 0.15)
# compiling all kernels takes twenty seconds on a usual computer
_COMPLETION_SECONDS = 600.0

_GENERIC = (
    "Set the environment variable NUMBA_CPU_NAME=generic and run this again. If that helps, numba takes this "
    "processor for another one; if not, reinstall the compiler: "
    f'{sys.executable} -m pip install --force-reinstall "numba" "llvmlite".'
)
_SET_CACHE = (
    "Set the environment variable NUMBA_CACHE_DIR to a permanent folder that only you can write: "
    + ("set NUMBA_CACHE_DIR=%LOCALAPPDATA%\\numba" if os.name == "nt" else "export NUMBA_CACHE_DIR=FOLDER")
    + ". In a container, mount a volume there."
)


def examine(
    starting: Callable[[str], None] | None = None, told: Callable[[Check], None] | None = None
) -> DoctorReport:
    """Check this computer and this installation.

    Parameters
    ----------
    starting : function, optional
        Called with the name of every check before it is made.
    told : function, optional
        Called with every :class:`Check` when it is done.

    Returns
    -------
    DoctorReport

    Notes
    -----
    Nothing that is broken raises: what may crash or hang runs in another interpreter. It takes ten seconds,
    and half a minute more if the kernels are not compiled yet.
    """
    done: dict[str, Check] = {}
    for name, check, needs in _CHECKS:
        if starting is not None:
            starting(name)
        blocker = _blocker(needs, done)
        done[name] = check() if blocker is None else Check(name, "skipped", f"It needs {blocker}.")
        if told is not None:
            told(done[name])
    return DoctorReport(tuple(done.values()))


def _blocker(needs: tuple[str, ...], done: dict[str, Check]) -> str | None:
    """The first thing that a check needs and that does not work: a library, or another check."""
    broken = done["versions"].facts.get("broken", ()) if "versions" in done else ()
    for need in needs:
        if need in broken:  # type: ignore[operator]
            return need
        if need in done and not done[need].facts.get("usable", True):
            return f"the check {need!r} to pass"
    return None


def host() -> Check:
    """Operating system, processor, and what changes how programs run there."""
    variables = system.variables()
    facts = {
        "system": platform.platform(),
        "machine": platform.machine(),
        "processor": system.processor(),
        "processors": system.processors(),
        "python": sys.executable,
        "rankfall": str(Path(__file__).parents[1]),
        "variables": variables,
    }
    message = (
        f"{facts['system']}, {facts['processor']}, {_count(system.processors(), 'processor')} "
        f"of {os.cpu_count() or 1}; {facts['python']} runs {facts['rankfall']}"
    )
    if variables:
        message += "; " + ", ".join(f"{name}={value}" for name, value in variables.items())
    return Check("system", "ok", f"{message}.", facts=facts)


def threads() -> Check:
    """How many threads the loops of rankfall and the libraries of linear algebra use."""
    answer = ask("pools")
    count, pools = answer.get("threads"), answer.get("pools") or []
    asked, quota = os.environ.get("NUMBA_NUM_THREADS"), system.processor_quota()
    facts = {"rankfall": count, "NUMBA_NUM_THREADS": asked, "pools": pools, "quota": quota}
    if answer.failure:
        remedy = "Unset NUMBA_NUM_THREADS, or set it to a whole number from 1." if asked else _REPORT
        return Check("threads", "problem", f"They cannot be counted: {answer.failure}.", remedy, facts)
    message = f"rankfall {count} (NUMBA_NUM_THREADS is {'not set' if asked is None else asked})"
    for pool in pools:
        words = [pool["internal_api"], pool["version"], _count(pool["num_threads"] or 0, "thread")]
        words += [f"for {pool['architecture']}"] if pool["architecture"] else []
        message += "; " + " ".join(word for word in words if word)
    if quota is not None and math.ceil(quota) < count:
        allowed = math.ceil(quota)
        return Check(
            "threads",
            "problem",
            f"{message}. This container has only {quota:g} processors' worth of time, so threads wait.",
            f"Set NUMBA_NUM_THREADS={allowed} and OMP_NUM_THREADS={allowed}, or give the container more.",
            facts,
        )
    return Check("threads", "ok", f"{message}.", facts=facts)


def cache() -> Check:
    """Where compiled kernels are kept, and whether that can be written."""
    answer = ask("cache")
    asked, folder = answer.get("asked"), answer.get("folder")
    free = None if folder is None else _free_space(folder)
    facts = {"folder": folder, "NUMBA_CACHE_DIR": asked, "free_bytes": free, "usable": folder is not None}
    if answer.get("compiles") is False:
        return Check("cache", "skipped", "Nothing is compiled (NUMBA_DISABLE_JIT).", facts=facts)
    if folder is None:
        return Check("cache", "problem", *_no_folder(answer), facts)
    if asked and not Path(folder).absolute().is_relative_to(Path(asked).absolute()):
        text = (
            f"NUMBA_CACHE_DIR is {asked}, which is not writable; {folder} takes the compiled kernels instead."
        )
        remedy = "Set NUMBA_CACHE_DIR to a folder that you can write, or unset it."
        return Check("cache", "problem", text, remedy, facts)
    beside = Path(folder).name == "__pycache__"
    where = "NUMBA_CACHE_DIR" if asked else "beside the source" if beside else "this user's cache"
    text = f"Compiled kernels are kept in {folder} ({where}), which is writable"
    if free is not None and free < _LEAST_DISK:
        remedy = "Make room on this disk, or set NUMBA_CACHE_DIR to a folder on another one."
        return Check("cache", "problem", f"{text}, but only {_size(free)} are free there.", remedy, facts)
    return Check("cache", "ok", f"{text}.", facts=facts)


def _no_folder(answer: Answer) -> tuple[str, str]:
    """Why there is no place for compiled kernels, and what to do."""
    # numba finds no place where it may write, and keeps nothing
    if answer.failure:
        return f"There is no folder for compiled kernels: {answer.failure}.", _REPORT
    asked = answer.get("asked")
    folders = [f"{asked} (NUMBA_CACHE_DIR)"] if asked else []
    folders += [str(Path(__file__).parent / "__pycache__"), "this user's cache"]
    return (
        "Each process compiles the kernels again, which takes some twenty seconds: they are kept in a "
        f"folder, and none of these is writable: {', '.join(folders)}.",
        _SET_CACHE,
    )


def compiling() -> Check:
    """Whether a small function compiles, and computes what it should."""
    answer = ask("compiling", timeout=180.0)
    facts = {name: answer.get(name) for name in ("processor", "target", "seconds", "value")}
    name = f"for {facts['target'] or facts['processor'] or 'this processor'}"
    facts["usable"] = False
    if answer.get("compiles") is False:
        text = "Compiling is switched off (NUMBA_DISABLE_JIT), which makes rankfall hundreds of times slower."
        return Check("compiling", "problem", text, "Unset NUMBA_DISABLE_JIT.", facts)
    if answer.failure:
        text = f"A small function does not compile {name}: {answer.failure}."
        return Check("compiling", "problem", text, _unlike_processor(), facts)
    if facts["value"] != _SUM_OF_SQUARES:
        text = f"A small function, compiled {name}, gives {facts['value']!r} instead of {_SUM_OF_SQUARES!r}."
        return Check("compiling", "problem", text, _unlike_processor(), facts)
    facts["usable"] = True
    text = f"A small function compiles {name} in {facts['seconds']:.1f} s and gives the right number."
    return Check("compiling", "ok", text, facts=facts)


def memory() -> Check:
    """Memory of the computer or container."""
    found = system.memory()
    facts = {"total_bytes": found.total, "available_bytes": found.available}
    total, free = (_size(value) for value in (found.total, found.available))
    message = f"{total}, of which {free} are free"
    if found.available is not None and found.available < _LEAST_MEMORY:
        remedy = "End other programs, or give the container more memory; a small table takes half a GB."
        return Check("memory", "problem", f"{message}.", remedy, facts)
    return Check("memory", "ok", f"{message}.", facts=facts)


def completion() -> Check:
    """Complete two small matrices of known rank, one of them noisy."""
    answer = ask("completions", _COMPLETIONS, timeout=_COMPLETION_SECONDS)
    runs = [facts["completion"] for facts in answer.facts if "completion" in facts]
    facts: dict[str, object] = {"runs": runs}
    if answer.failure:
        remedy = _unlike_processor() if answer.crashed else _REPORT
        return Check("completion", "problem", f"It fails: {answer.failure}.", remedy, facts)
    parts, wrong = [], False
    for asked, run, largest in zip(_COMPLETIONS, runs, _LARGEST_ERRORS, strict=True):
        kind = "noisy" if "noise" in asked else "exact"
        right = run["rank"] == asked["rank"] and run["error"] <= largest
        wrong |= not right
        parts.append(
            f"{kind} {' x '.join(map(str, asked['shape']))} of rank {asked['rank']}: rank {run['rank']} "
            f"({run['outcome']}), relative error {run['error']:.1e}, {run['seconds']:.1f} s"
            + ("" if right else f"; expected is an error of at most {largest:g}")
        )
    message = "; ".join(parts)
    if wrong:
        return Check("completion", "problem", f"{message}.", _REPORT, facts)
    return Check("completion", "ok", f"{message}.", facts=facts)


_SUM_OF_SQUARES = 332833500.0
_REPORT = (
    "Set NUMBA_CACHE_DIR to an empty folder and run this again. If that helps, the kernels compiled earlier "
    "are damaged: delete the __pycache__ folders of rankfall. If not, report it with this whole output."
)

_LOOPS = ("numpy", "scipy", "numba", "llvmlite", "threadpoolctl")
_CHECKS: tuple[tuple[str, Callable[[], Check], tuple[str, ...]], ...] = (
    ("versions", versions, ()),
    ("system", host, ()),
    ("threads", threads, _LOOPS),
    ("cache", cache, ("numpy", "numba", "llvmlite")),
    ("compiling", compiling, ("numpy", "numba", "llvmlite")),
    ("memory", memory, ()),
    ("completion", completion, (*_LOOPS, "pandas", "cache", "compiling")),
)


def _unlike_processor() -> str:
    """What to do where compiled code or the BLAS may be for another processor than this one."""
    chosen = [
        name for name in system.variables() if name.endswith(("_CPU_NAME", "_CPU_FEATURES", "_CORETYPE"))
    ]
    if chosen:
        return f"Unset {' and '.join(chosen)}, and run this again."
    return _GENERIC


def _free_space(folder: str) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _size(value: float | None) -> str:
    if value is None:
        return "an unknown number of bytes"
    return f"{value / 1e9:.1f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"
