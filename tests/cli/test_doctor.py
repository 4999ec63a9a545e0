"""rankfall doctor: lines, JSON, exit codes, and a sentence where the command line itself cannot start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rankfall.doctor import Check, DoctorReport

GOOD = Check("versions", "ok", "rankfall 1.", facts={"python": "3"})
BAD = Check("cache", "problem", "Nothing can be written.", "Set NUMBA_CACHE_DIR.")


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say what the checks are to find."""

    def find(*checks: Check) -> None:
        def examine(starting: Callable[[str], None], told: Callable[[Check], None]) -> DoctorReport:
            for check in checks:
                starting(check.name)
                told(check)
            return DoctorReport(checks)

        monkeypatch.setattr("rankfall.cli.doctor.examine", examine)

    return find


def test_all_is_well(finds: Callable[..., None], rankfall: Callable) -> None:
    finds(GOOD)
    ran = rankfall("doctor")
    assert (ran.code, ran.err) == (0, "")
    first, *_, last = ran.out.splitlines()
    assert first == "ok        versions    rankfall 1."
    assert last.startswith("All checks passed. ")


def test_a_problem_has_a_remedy_and_an_exit_code(finds: Callable[..., None], rankfall: Callable) -> None:
    finds(GOOD, BAD)
    ran = rankfall("doctor")
    assert (ran.code, ran.err) == (3, "")
    assert "problem   cache       Nothing can be written.\n" in ran.out
    assert "Remedy: Set NUMBA_CACHE_DIR." in ran.out
    assert "1 of 2 checks found a problem: cache." in ran.out


def test_for_programs(finds: Callable[..., None], rankfall: Callable) -> None:
    finds(GOOD, BAD)
    ran = rankfall("doctor", "--json")
    assert (ran.code, ran.err) == (3, "")
    facts = json.loads(ran.out)
    assert facts["ok"] is False
    assert facts["checks"][0] == {
        "name": "versions",
        "status": "ok",
        "message": "rankfall 1.",
        "remedy": "",
        "facts": {"python": "3"},
    }


@pytest.mark.parametrize(
    ("broken", "command", "code"), [("numpy", ["doctor", "--json"], 3), ("typer", ["complete", "--help"], 1)]
)
def test_no_traceback_whatever_is_broken(tmp_path: Path, broken: str, command: list[str], code: int) -> None:
    (tmp_path / f"{broken}.py").write_text("raise ImportError('it is broken')", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    ran = subprocess.run(
        [sys.executable, "-m", "rankfall", *command],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == code
    assert "Traceback" not in ran.stdout + ran.stderr
    assert "it is broken" in ran.stdout + ran.stderr
    if broken == "typer":
        assert ran.stderr.startswith("rankfall: The command line cannot be loaded (it is broken).")
        assert f"{sys.executable} -m rankfall.doctor" in ran.stderr
        return
    facts = {check["name"]: check for check in json.loads(ran.stdout)["checks"]}
    assert facts["versions"]["status"] == "problem"
    assert facts["completion"]["status"] == "skipped"
