"""Running the programs that rankfall is compared with.

In a process, and if need be in a Python, of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
OUTSIDE = HERE / "outside"
USUAL_PYTHON = HERE.parent / ".venv-bench" / "bin" / "python"
HOW_TO_MAKE = (
    "PyTorch, JAX and pymanopt are not there: `make bench` makes .venv-bench with them, or `--peers PYTHON` "
    "names a Python that has what benchmarks/requirements-bench.txt lists."
)
# these make OpenBLAS behave like that of another processor
BLAS_OVERRIDES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def start_afresh() -> None:
    """Replace this process by one whose BLAS knows its processor.

    It reads the variables when it is loaded.
    """
    if any(name in os.environ for name in BLAS_OVERRIDES):
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.argv], environment())


def environment(threads: int | None = None, own_python: bool = True) -> dict[str, str]:
    """Variables for a process that measures: no overrides of the BLAS, and so many threads (None: all).

    Another Python (`own_python` false) does not get this one's search path.
    """
    left_out = BLAS_OVERRIDES if own_python else (*BLAS_OVERRIDES, "PYTHONPATH", "PYTHONHOME")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return kept if threads is None else kept | dict.fromkeys(_THREADS, str(threads))


def find_python(given: str | None) -> Path | None:
    """The Python of the peers: the one given, else that of `make bench`, else none."""
    if given is None:
        return USUAL_PYTHON if USUAL_PYTHON.exists() else None
    if not Path(given).exists():
        raise SystemExit(f"--peers {given}: there is no such file.")
    return Path(given).absolute()  # not resolved: a virtual environment is known by the link


def ask(
    script: Path,
    request: dict[str, Any],
    *arguments: str,
    python: Path | None = None,
    threads: int | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Give a script a JSON object and return its answer; ``{"error": sentence}`` if there is none.

    python: None for the one that runs this. threads: None for all. seconds: after which it is ended.
    """
    command = [str(python or sys.executable), str(script), *arguments]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(request),
            env=environment(threads, own_python=python is None),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"{script.name} did not end within {seconds:.0f} s"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"error": f"{script.name} failed (exit code {done.returncode}): {last}"}
    return read_answer(done.stdout, script.name)


def read_answer(text: str, name: str) -> dict[str, Any]:
    """The JSON object that a script wrote as its last line."""
    try:
        answer = json.loads(text.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return {"error": f"{name} wrote no JSON: {text[-200:]!r}"}
    return answer if isinstance(answer, dict) else {"error": f"{name} wrote {answer!r}"}


def verdict(what: str, met: bool, figure: str) -> str:
    """One line about one requirement."""
    return f"{'met' if met else 'MISSED':7}{what}: {figure}"
