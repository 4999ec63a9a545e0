"""Every check says what is wrong and what helps, whatever is broken, and raises nothing."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from plain_user import for_permissions, run_plain
from rankfall.doctor import Check, DoctorReport, checks, examine, libraries, system
from rankfall.doctor.child import Answer, ask
from rankfall.doctor.libraries import Library

SOURCE = Path(checks.__file__).parents[2]
NAMES = ["versions", "system", "threads", "cache", "compiling", "memory", "completion"]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Put a module in front of all others of its name, for interpreters that are started."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, code: str) -> Path:
        file = tmp_path / f"{name}.py"
        file.write_text(code, encoding="utf-8")
        return file

    return write


def answers(monkeypatch: pytest.MonkeyPatch, *facts: dict, failure: str = "", crashed: bool = False) -> None:
    """What the other interpreter is to say."""
    monkeypatch.setattr(checks, "ask", lambda *_args, **_more: Answer(facts, failure, crashed))


# -- all of it ----------------------------------------------------------------------------------------------


def test_this_computer_is_well() -> None:
    """As far as that depends on rankfall: how much memory, disk and time it is given is not judged."""
    begun: list[str] = []
    told: list[Check] = []
    report = examine(begun.append, told.append)
    assert begun == [check.name for check in report.checks] == NAMES
    assert tuple(told) == report.checks
    found = {check.name: check for check in report.checks}
    for name in ("versions", "system", "compiling", "completion"):
        assert found[name].status == "ok", found[name]
    for check in report.checks:
        assert bool(check.remedy) == (check.status == "problem")
        assert check.message.endswith(".") and not check.message.endswith("..")
    known: dict = found["versions"].facts["libraries"]  # type: ignore[assignment]
    assert {"numpy", "scipy", "numba", "llvmlite", "pandas", "pyarrow", "scikit-learn"} <= set(known)
    assert found["threads"].facts["rankfall"] >= 1  # type: ignore[operator]
    assert [run["rank"] for run in found["completion"].facts["runs"]] == [3, 2]  # type: ignore[attr-defined]
    assert json.loads(json.dumps(report.as_dict()))["ok"] == report.ok


def test_a_broken_library_is_a_line(
    module: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    module("pandas", "raise ImportError('DLL load failed\\nwhile importing _x.')")
    monkeypatch.setattr(libraries, "required", lambda: tuple(map(Library, ("numpy", "pandas"))))
    check = libraries.versions()
    assert check.status == "problem"
    assert "pandas" in check.message and "(ImportError: DLL load failed while importing _x)" in check.message
    assert "pip install --upgrade --force-reinstall" in check.remedy and "pandas" in check.remedy
    assert check.facts["broken"] == ["pandas"]
    # what needs it is not tried, what does not is
    assert checks._blocker(("numpy",), {"versions": check}) is None
    assert checks._blocker(("numpy", "pandas"), {"versions": check}) == "pandas"


def test_libraries_that_crash_or_hang(
    module: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    module("falls", "import os; os.abort()")
    module("hangs", "import time; time.sleep(600)")
    module("good", "print('hello'); __version__ = '1.5'")
    monkeypatch.setattr(libraries, "required", lambda: tuple(map(Library, ("falls", "hangs", "good"))))
    monkeypatch.setattr(libraries, "_SECONDS_AGAIN", 6.0)
    check = libraries.versions()
    crash = "crashed (SIGABRT)" if os.name == "posix" else ""
    assert f"falls cannot be imported (Python {crash}" in check.message
    assert "hangs cannot be imported (no answer within 6 seconds)" in check.message
    assert "good 1.5" in check.message
    assert check.facts["broken"] == ["falls", "hangs"]


def test_a_file_in_place_of_a_library(
    module: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = module("threadpoolctl", "")
    monkeypatch.setattr(libraries, "required", lambda: tuple(map(Library, ("threadpoolctl", "typer"))))
    check = libraries.versions()
    assert f"{file} is loaded in place of threadpoolctl." in check.message
    assert check.remedy == f"Rename {file}."


def test_versions_that_are_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = (Library("numpy", "999.0"), Library("nothing-of-this-name"), Library("typer", "0.1"))
    monkeypatch.setattr(libraries, "required", lambda: wanted)
    check = libraries.versions()
    assert "is too old: rankfall needs 999.0 or later." in check.message
    assert "nothing-of-this-name cannot be imported (ModuleNotFoundError" in check.message
    assert '"numpy>=999.0" "nothing-of-this-name"' in check.remedy and "typer" not in check.remedy


@pytest.mark.parametrize(
    ("line", "library"),
    [
        ("numpy>=2.0", Library("numpy", "2.0")),
        ("scikit-learn<2,>=1.6", Library("scikit-learn", "1.6")),
        ("rich", Library("rich")),
    ],
)
def test_requirements(line: str, library: Library) -> None:
    assert libraries._library(line) == library


def test_versions_are_compared_as_numbers() -> None:
    assert libraries._numbers("2.10.0rc1") == (2, 10, 0) > libraries._numbers("2.9")


# -- threads, memory ----------------------------------------------------------------------------------------


def test_a_container_with_less_time_than_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = {"internal_api": "openblas", "version": "0.3", "num_threads": 1, "architecture": "Haswell"}
    answers(monkeypatch, {"threads": 8}, {"pools": [pool]})
    monkeypatch.setattr(system, "processor_quota", lambda: 1.5)
    check = checks.threads()
    assert check.status == "problem"
    assert "openblas 0.3 1 thread for Haswell" in check.message
    assert "NUMBA_NUM_THREADS=2" in check.remedy
    monkeypatch.setattr(system, "processor_quota", lambda: 8.0)
    assert checks.threads().status == "ok"


def test_threads_that_cannot_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("NUMBA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "0")
    check = checks.threads()
    assert check.status == "problem"
    assert "Unset NUMBA_NUM_THREADS" in check.remedy
    # numba cannot be imported at all, and installing it again does not help
    monkeypatch.setattr(libraries, "required", lambda: (Library("numba"),))
    assert libraries.versions().remedy.startswith("Unset NUMBA_NUM_THREADS")


def test_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "memory", lambda: system.Memory(int(2e9), int(3e8)))
    check = checks.memory()
    assert (check.status, check.message) == ("problem", "2.0 GB, of which 300 MB are free.")
    monkeypatch.setattr(system, "memory", lambda: system.Memory(None, None))
    assert checks.memory().status == "ok"


def test_limits_of_a_container(tmp_path: Path) -> None:
    assert system.processor_quota(tmp_path) is None
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert system.processor_quota(tmp_path) is None
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert system.processor_quota(tmp_path) == 1.5
    whole = system.memory(tmp_path)
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 300000\n")
    assert system.memory(tmp_path) == system.Memory(1_000_000, 400_000)
    (tmp_path / "memory.max").write_text("max\n")
    assert system.memory(tmp_path).total == whole.total


# -- the cache and the compiler -----------------------------------------------------------------------------


def test_a_folder_for_the_cache_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "cache"))
    check = checks.cache()
    assert check.status == "problem"
    assert f"NUMBA_CACHE_DIR is {tmp_path / 'file' / 'cache'}, which is not writable" in check.message
    assert check.facts["usable"]
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "new"))
    check = checks.cache()
    assert check.status == "ok", check
    assert Path(str(check.facts["folder"])).is_relative_to(tmp_path / "new")


@for_permissions
def test_a_package_and_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    """As in a container whose image is read-only."""
    shutil.copytree(
        SOURCE / "rankfall", tmp_path / "rankfall", ignore=shutil.ignore_patterns("__pycache__", "data")
    )
    folders = [tmp_path, *(path for path in tmp_path.rglob("*") if path.is_dir())]
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NUMBA_", "XDG_")) and name != "PYTHONPATH"
    }
    home = {**clean, "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    for folder in folders:
        folder.chmod(stat.S_IREAD | stat.S_IEXEC)
    try:
        ran = run_plain("-m", "rankfall", "doctor", "--json", env=home)
        found = json.loads(ran.stdout)
        cache, completion = (
            next(check for check in found["checks"] if check["name"] == name)
            for name in ("cache", "completion")
        )
        assert (ran.returncode, ran.stderr) == (3, "")
        assert cache["status"] == "problem"
        assert "Each process compiles the kernels again" in cache["message"]
        assert "export NUMBA_CACHE_DIR=" in cache["remedy"]
        assert (completion["status"], completion["message"]) == (
            "skipped",
            "It needs the check 'cache' to pass.",
        )
        # the remedy helps
        show = ("-c", "from rankfall.doctor.checks import cache; print(cache().status)")
        (elsewhere := tmp_path.parent / f"{tmp_path.name}-cache").mkdir()
        assert run_plain(*show, env={**home, "NUMBA_CACHE_DIR": str(elsewhere)}).stdout == "ok\n"
        # and so does a home that can be written
        assert run_plain(*show, env={**home, "HOME": str(elsewhere)}).stdout == "ok\n"
    finally:
        for folder in folders:
            folder.chmod(stat.S_IRWXU)


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers(monkeypatch, {"asked": None, "compiles": True}, {"folder": str(tmp_path)})
    monkeypatch.setattr(checks, "_free_space", lambda _: 1_000_000)
    check = checks.cache()
    assert check.status == "problem"
    assert "only 1 MB are free there" in check.message
    assert "Make room" in check.remedy


def test_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert checks.cache().status == "skipped"
    check = checks.compiling()
    assert (check.status, check.remedy) == ("problem", "Unset NUMBA_DISABLE_JIT.")
    assert not check.facts["usable"]


@pytest.mark.parametrize(
    ("facts", "failure", "told"),
    [
        ({"value": 1.0, "seconds": 1.0}, "", "gives 1.0 instead of"),
        ({}, "Python crashed (SIGILL)", "does not compile for skylake: Python crashed (SIGILL)."),
    ],
)
def test_a_compiler_that_fails(monkeypatch: pytest.MonkeyPatch, facts: dict, failure: str, told: str) -> None:
    for name in ("NUMBA_CPU_NAME", "OPENBLAS_CORETYPE"):
        monkeypatch.delenv(name, raising=False)
    answers(monkeypatch, {"compiles": True, "processor": "skylake"}, facts, failure=failure)
    check = checks.compiling()
    assert check.status == "problem" and told in check.message
    assert "NUMBA_CPU_NAME=generic" in check.remedy
    assert checks._blocker(("compiling",), {"compiling": check}) == "the check 'compiling' to pass"


# -- completions --------------------------------------------------------------------------------------------


def test_completions_that_go_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    good = {"rank": 3, "outcome": "exact", "error": 1e-15, "seconds": 1.0}
    bad = {"rank": 7, "outcome": "chosen", "error": 0.9, "seconds": 1.0}
    for name in ("NUMBA_CPU_NAME", "OPENBLAS_CORETYPE"):
        monkeypatch.delenv(name, raising=False)
    answers(monkeypatch, {"completion": good}, {"completion": bad})
    check = checks.completion()
    assert check.status == "problem"
    assert "rank 7 (chosen), relative error 9.0e-01" in check.message and "report it" in check.remedy
    answers(monkeypatch, failure="Python crashed (SIGILL)", crashed=True)
    assert "NUMBA_CPU_NAME=generic" in checks.completion().remedy
    monkeypatch.setenv("OPENBLAS_CORETYPE", "SkylakeX")
    assert checks.completion().remedy == "Unset OPENBLAS_CORETYPE, and run this again."
    answers(monkeypatch, failure="MemoryError: no")
    assert checks.completion().message == "It fails: MemoryError: no."


# -- the other interpreter, the report ----------------------------------------------------------------------


def test_python_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert ask("pools").failure.startswith("Python cannot be started")


def test_an_answer_to_a_question_that_is_none() -> None:
    assert ask("nonsense").failure == "KeyError: 'nonsense'"


def test_a_report_reads_well() -> None:
    long = "/a/path/of/some/length/that/must/stay/whole" * 3
    bad = Check("cache", "problem", f"Nothing can be written to {long}.", "Set NUMBA_CACHE_DIR.")
    report = DoctorReport((Check("versions", "ok", "rankfall 1."), bad))
    assert not report.ok
    assert str(report).splitlines()[0] == "ok        versions    rankfall 1."
    assert f"{long}.\n" in str(report)
    assert "                      Remedy: Set NUMBA_CACHE_DIR." in str(report)
    assert str(report).endswith("1 of 2 checks found a problem: cache.")
    assert DoctorReport(report.checks[:1]).verdict == "All checks passed."


def test_nothing_else_is_needed() -> None:
    """It must work where no library can be imported."""
    code = "import json, sys; import rankfall.doctor; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {name.partition(".")[0] for name in json.loads(out)}
    assert not loaded & {library.module for library in libraries.required()}
