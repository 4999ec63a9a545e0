"""``import rankfall`` and ``rankfall --help`` are quick, because what is heavy is loaded when it is used."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

HEAVY = {
    "numba",
    "llvmlite",
    "sklearn",
    "pandas",
    "pyarrow",
    "narwhals",
    "polars",
    "matplotlib",
    "bokeh",
    "tornado",
    "jinja2",
    "distributed",
    "torch",
}
REPORT = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


def loaded(code: str) -> tuple[set[str], float]:
    """The top-level modules that a fresh interpreter has loaded after `code`, and the seconds it took."""
    started = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{REPORT}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(run.stdout.splitlines()[-1])), time.perf_counter() - started


@pytest.mark.parametrize(
    "code",
    [
        "import rankfall",
        "import rankfall.files",
        "import rankfall.doctor",
        "import rankfall.memory",
        "from rankfall.cli import main; main(['--help'])",
        "from rankfall.cli import main; main(['complete', '--help'])",
        "from rankfall.cli import main; main(['study', '--help'])",
        "import rankfall.lab; rankfall.lab.read_study, rankfall.lab.run_sweep, rankfall.lab.cluster",
        "from rankfall.cli import main; main(['--version'])",
    ],
)
def test_light(code: str) -> None:
    modules, seconds = loaded(code)
    # wall time depends on the machine and its load: shown (pytest -rP), not judged
    print(f"{code}: {seconds:.2f} s with the interpreter's own start")
    assert "rankfall" in modules
    assert not modules & HEAVY


def test_public_names_are_found() -> None:
    import rankfall as rf

    assert {name for name in rf.__all__ if getattr(rf, name, None) is None} == set()
    assert set(rf.__all__) <= set(dir(rf))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = rf.nonsense
