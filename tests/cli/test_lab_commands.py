"""``rankfall sweep``, ``status`` and ``study`` as a user meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.toys import write_study
from plain_user import for_permissions, run_plain
from rankfall.cli.sweep_progress import PlainLines, told
from rankfall.lab import Study, SweepProgress

TESTS = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "rankfall", *map(str, args)]


def test_sweep_and_status(rankfall, tmp_path: Path) -> None:
    study, out = write_study(tmp_path / "toy.toml", repeats=1), tmp_path / "out"
    ran = rankfall("sweep", study, "--out", out, "--jobs", 1)
    assert ran.code == 0
    assert "toy: 2 of 2 cells done" in ran.out
    assert ran.err.startswith("toy: 0 of 2 cells, after 0 s\n")
    ran = rankfall("sweep", study, "--out", out)
    assert (ran.code, ran.err) == (0, "")
    assert "2 of 2 cells done, 2 of them before" in ran.out
    ran = rankfall("status", out)
    assert ran.out.startswith("toy: 2 cells: 2 done, 0 failed, 0 open; ")
    facts = json.loads(rankfall("status", out, "--json").out)
    assert (facts["study"], facts["cells"], facts["done"], facts["failures"]) == ("toy", 2, 2, [])


def test_report_of_a_sweep(rankfall, tmp_path: Path) -> None:
    study, out, page = write_study(tmp_path / "toy.toml", repeats=1), tmp_path / "out", tmp_path / "page.html"
    ran = rankfall("sweep", study, "--out", out, "--jobs", 1, "-q", "--report", page)
    assert ran.code == 0
    assert f"Wrote {page}." in ran.out
    text = page.read_text(encoding="utf-8")
    # the very command stands in the page
    assert f"rankfall sweep {study} --out {out}" in text
    assert "2 of 2 cells are done" in text
    again = tmp_path / "again.html"
    assert rankfall("report", out, "-o", again).code == 0
    assert "rankfall sweep toy.toml" in again.read_text(encoding="utf-8")
    ran = rankfall("sweep", study, "--out", out, "--report", study)
    assert (ran.code, "same file" in ran.err) == (2, True)
    ran = rankfall("report", tmp_path, "-o", again)
    assert (ran.code, "not the folder of a sweep" in ran.err) == (2, True)
    ran = rankfall("study", "all", "--report", page)
    assert (ran.code, "one study" in ran.err) == (2, True)


def test_failures_are_told(rankfall, tmp_path: Path) -> None:
    text = """
    [study]
    name = "bad"
    runner = "lab.toys:misbehave"
    [settings]
    mode = "good"
    [grid]
    mode = ["raise", "good"]
    """
    (tmp_path / "bad.toml").write_text(text)
    ran = rankfall("sweep", tmp_path / "bad.toml", "--out", tmp_path / "out", "--jobs", 1, "-q")
    assert ran.code == 3
    assert 'failed: mode = "raise": RuntimeError: the first line and the second' in ran.err
    assert "1 cell failed and will be tried again by the same command" in ran.err
    ran = rankfall("status", tmp_path / "out")
    assert ran.out.splitlines()[0].startswith("bad: 2 cells: 1 done, 1 failed, 0 open; ")
    assert ran.out.splitlines()[1] == 'failed: mode = "raise": RuntimeError: the first line and the second'


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("sweep", "none.toml", "--out", "out"), "Cannot read none.toml: No such file or directory."),
        (("sweep", "toy.toml", "--out", "toy.toml/out"), "Cannot write into toy.toml/out: Not a directory."),
        (
            ("sweep", "toy.toml", "--out", "taken"),
            "taken holds the study 'other'; choose another folder for 'toy'.",
        ),
        (("status", "."), ". is not the folder of a sweep: it has no study.json."),
        (("study", "nonsense"), "There is no study 'nonsense'; the studies are: "),
        (("sweep", "toy.toml", "--out", "o", "--scheduler", "x", "--jobs", "2"), "--jobs is about processes"),
        (("study",), "Name a study, or say all; the studies are: "),
        (
            ("sweep", "toy.toml", "--out", "o", "--scheduler", "nonsense://x"),
            "No Dask scheduler answers at nonsense",
        ),
    ],
)
def test_one_sentence(rankfall, tmp_path: Path, monkeypatch, args: tuple[str, ...], sentence: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path / "toy.toml")
    (tmp_path / "taken").mkdir()
    other = Study("other").as_dict()
    (tmp_path / "taken" / "study.json").write_text(
        json.dumps(
            {**other, "study": {**other["study"], "runner": "lab.toys:run"}, "data": {}, "quick": False}
        )
    )
    ran = rankfall(*args)
    assert ran.code == 2
    assert ran.err.startswith(f"rankfall: {sentence}")
    assert ran.err.count("\n") == 1
    assert ran.out == ""


@pytest.mark.skipif(
    sys.platform == "win32",
    reason="limits processes with POSIX calls; lab/sweep/time_limit.py has another way on Windows",
)
def test_no_room_left(tmp_path: Path) -> None:
    """The kernel refuses to let a cell's file grow beyond 1 kB."""
    study, out = write_study(tmp_path / "toy.toml", repeats=1), tmp_path / "out"
    script = (
        "import resource, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from rankfall.cli import main\nsys.exit(main(sys.argv[1:]))"
    )
    args = ("sweep", str(study), "--out", str(out), "--jobs", "1", "-q")
    ran = subprocess.run(
        [sys.executable, "-c", script, *args], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"rankfall: Cannot write {out}/cells/")
    assert ran.stderr.endswith(".parquet: File too large.\n")
    assert ran.stderr.count("\n") == 1
    assert list((out / "cells").iterdir()) == []


@for_permissions
def test_an_unwritable_folder(tmp_path: Path) -> None:
    study, protected = write_study(tmp_path / "toy.toml", repeats=1), tmp_path / "protected"
    protected.mkdir()
    protected.chmod(0o555)
    args = ("sweep", str(study), "--out", str(protected / "out"), "--jobs", "1", "-q")
    ran = run_plain("-m", "rankfall", *args, env=ENVIRONMENT)
    assert ran.returncode == 2
    assert ran.stderr == f"rankfall: Cannot write into {protected / 'out'}: Permission denied.\n"
    assert ran.stdout == ""
    assert list(protected.iterdir()) == []


@for_permissions
@pytest.mark.parametrize("part", ["log.jsonl", "cells", "failures", "study.json"])
def test_status_of_what_cannot_be_read(rankfall, tmp_path: Path, part: str) -> None:
    study, out = write_study(tmp_path / "toy.toml", repeats=1), tmp_path / "out"
    rankfall("sweep", study, "--out", out, "--jobs", 1)
    (out / part).chmod(0)
    ran = run_plain("-m", "rankfall", "status", str(out), env=ENVIRONMENT)
    (out / part).chmod(0o755)
    assert ran.returncode == 2
    assert ran.stderr == f"rankfall: Cannot read {out / part}: Permission denied.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="opens a pseudo-terminal, which Windows does not have")
def test_ctrl_c_keeps_what_is_done(tmp_path: Path) -> None:
    """On a terminal, with its bar, and Ctrl-C for the whole process group."""
    study, out = write_study(tmp_path / "toy.toml", repeats=50, seconds=0.05), tmp_path / "out"
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command("sweep", study, "--out", out, "--jobs", 2),
        env={**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        start_new_session=True,
        # a job in the background of a shell is started with Ctrl-C ignored, and so would be its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.close(theirs)
    deadline = time.monotonic() + 60
    while len(list(out.glob("cells/[!.]*.parquet"))) < 4:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # how Linux says that nobody holds the other end any more
        pass
    os.close(ours)
    assert process.wait() == 130
    text = shown.decode()
    assert "of 100 cells" in text
    assert "Traceback" not in text
    kept = len(list(out.glob("cells/[!.]*.parquet")))
    assert f"rankfall: Interrupted; {kept} of 100 cells are done and kept in" in text
    assert 4 <= kept < 100


def test_help_is_there_and_the_list_is(rankfall) -> None:
    for name in ("sweep", "status", "study"):
        assert rankfall(name, "--help").code == 0
    ran = rankfall("study", "--list")
    assert ran.code == 0
    assert ran.out.startswith("study")


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    lines = PlainLines("s", sys.stdout)
    for seconds, done, failed in ((0, 0, 0), (1, 1, 0), (31, 2, 0), (32, 2, 1), (70, 3, 1)):
        lines.update(SweepProgress(4, 0, done, failed, seconds, "no room" if failed else ""))
    assert capsys.readouterr().out.splitlines() == [
        "s: 0 of 4 cells, after 0 s",
        "s: 2 of 4 cells, about 31 s left, after 31 s",
        "s: failed: no room",
        "s: 3 of 4 cells, 1 failed, after 1 min 10 s",
    ]
    assert told(SweepProgress(1, 1, 1, 0, 5.0)) == "1 of 1 cell"


def test_processes_of_a_script(tmp_path: Path) -> None:
    """A script without the guard that spawned processes need gets a sentence, not a flood of tracebacks."""
    write_study(tmp_path / "toy.toml")
    (tmp_path / "script.py").write_text(
        "import rankfall as rf\n"
        "study = rf.lab.read_study('toy.toml')\n"
        "try:\n"
        "    rf.lab.run_sweep(study, 'out', n_workers=1)\n"
        "except rf.InputError as error:\n"
        "    print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert "if __name__ == '__main__':" in ran.stdout
