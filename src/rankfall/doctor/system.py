"""What the operating system says about a computer; None where it says nothing."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_CONTROL_GROUP = Path("/sys/fs/cgroup")
_RELEVANT = re.compile(r"(NUMBA|OMP|OPENBLAS|MKL|BLIS|VECLIB|KMP)_|PYTHON(PATH|WARNINGS|OPTIMIZE)$")


@dataclass(frozen=True)
class Memory:
    """Bytes of memory that this process may have in all, and those that are free for it."""

    total: int | None
    available: int | None


def processor() -> str:
    """The name of the processor."""
    name = ""
    with suppress(OSError, subprocess.SubprocessError):
        if sys.platform == "linux":
            text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
            found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
            name = found[1] if found else ""
        elif sys.platform == "darwin":
            words = ["sysctl", "-n", "machdep.cpu.brand_string"]
            name = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False).stdout
    return name.strip() or platform.processor() or platform.machine() or "unknown processor"


def processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_quota(folder: Path = _CONTROL_GROUP) -> float | None:
    """How many processors' time a container gives (Linux); None if it does not limit it."""
    words = _words(folder / "cpu.max")
    if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):
        return int(words[0]) / int(words[1])
    return None


def memory(folder: Path = _CONTROL_GROUP) -> Memory:
    """Memory of the computer, or of the container if that has less."""
    total, available = _memory()
    limit, used = (_number(folder / name) for name in ("memory.max", "memory.current"))
    if limit is not None and (total is None or limit < total):
        total = limit
    if limit is not None and used is not None:
        # what files occupy is given back when it is needed
        reclaimable = _field(folder / "memory.stat", r"^inactive_file (\d+)$") or 0
        left = max(limit - used + reclaimable, 0)
        available = left if available is None else min(left, available)
    return Memory(total, available)


def variables() -> dict[str, str]:
    """Environment variables that change how compiled code runs, or what is imported."""
    return {name: value for name, value in sorted(os.environ.items()) if _RELEVANT.match(name)}


def _memory() -> tuple[int | None, int | None]:
    if sys.platform == "win32":
        return _memory_of_windows()
    total = None
    with suppress(AttributeError, OSError, ValueError):
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    kilobytes = _field(Path("/proc/meminfo"), r"^MemAvailable:\s*(\d+) kB$")
    return total, None if kilobytes is None else kilobytes * 1024


def _memory_of_windows() -> tuple[int | None, int | None]:
    # MEMORYSTATUSEX: its own length, the load, total and available physical memory, and five more
    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((f"bytes{k}", ctypes.c_ulonglong) for k in range(7)),
        )

    status = Status(length=ctypes.sizeof(Status))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):  # type: ignore[attr-defined]
        return None, None
    return status.bytes0, status.bytes1


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    words = _words(path)
    return int(words[0]) if len(words) == 1 and words[0].isdigit() else None


def _field(path: Path, pattern: str) -> int | None:
    try:
        found = re.search(pattern, path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None
