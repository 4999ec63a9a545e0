"""What every command tells about itself, prints for programs, and does when it is interrupted."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import typer

import rankfall as rf
from lab.toys import write_study
from rankfall.cli.app import app
from rankfall.cli.help_text import EXAMPLES, EXIT_CODES, exit_codes
from rankfall.cli.shell_completion import Shell
from rankfall.doctor import Check, DoctorReport
from rankfall.lab import demo

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
QUICK_RUN = "[quick]\n[quick.grid]\nrepeat = [0]\nlr = [0.1]\n"


def parsed(words: list[str]) -> None:
    """Parse a command line as the program would; nothing runs."""
    COMMANDS[words[1]].make_context(words[1], words[2:])


@pytest.fixture
def place(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with every file that the examples begin with.

    The demonstration is about a corner of its table.
    """
    shutil.copy(table, tmp_path / "ratings.csv")
    (tmp_path / "sites.csv").write_text("rain,share\n0,0.5\n2,1\n4,\n,0\n", encoding="utf-8")
    lines = table.read_text(encoding="utf-8").splitlines()
    names = lines[0].split(",")[1:]
    cells = [
        (row.split(",")[0], name, value)
        for row in lines[1:]
        for name, value in zip(names, row.split(",")[1:], strict=True)
    ]
    known, missing = [c for c in cells if c[2]], [c for c in cells if not c[2]]
    (tmp_path / "log.csv").write_text("row,column,value\n" + "\n".join(map(",".join, known)) + "\n")
    (tmp_path / "wanted.csv").write_text("row,column\n" + "\n".join(f"{r},{c}" for r, c, _ in missing) + "\n")
    study = write_study(tmp_path / "study.toml", repeats=1)
    study.write_text(study.read_text(encoding="utf-8") + QUICK_RUN, encoding="utf-8")
    corner = demo.beijing("PM2.5").iloc[:24, :12]
    monkeypatch.setattr(demo, "beijing", lambda _quantity: corner)
    monkeypatch.setattr(demo, "complete", partial(demo.complete, max_rank=1))
    well = DoctorReport((Check("versions", "ok", "rankfall 1."),))
    monkeypatch.setattr("rankfall.cli.doctor.examine", lambda *_: well)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def runs(words: list[str]) -> bool:
    """Whether an example takes no more than this machine and a moment; ``rankfall demo`` has its own test."""
    return "--scheduler" not in words and words[1] != "demo" and (words[1] != "study" or "--list" in words)


# -- help -------------------------------------------------------------------------------------------------


def test_every_command_has_examples_and_every_example_a_command() -> None:
    assert set(EXAMPLES) == set(COMMANDS)
    for name, examples in EXAMPLES.items():
        assert len(examples) >= 2
        for _, line in examples:
            words = shlex.split(line)
            assert words[:2] == ["rankfall", name]
            # so that no terminal breaks it
            assert len(line) < 78
            parsed(words)


def test_examples_run(place: Path, rankfall: Callable) -> None:
    """In the order of the help: later ones read what earlier ones wrote."""
    order = ["complete", "diagnose", "demo", "certify", "doctor", "sweep", "status", "report", "study"]
    assert set(order) == set(EXAMPLES)
    for name in order:
        for _, line in EXAMPLES[name]:
            words = shlex.split(line)
            if runs(words):
                ran = rankfall(*words[1:])
                assert ran.code == 0, (line, ran)
                assert "Traceback" not in ran.err, line
    for file in ("filled.csv", "page.html", "result.npz", "some.csv", "sweep.html"):
        assert (place / file).exists(), file


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_ends_with_examples_and_exit_codes(name: str, rankfall: Callable) -> None:
    ran = rankfall(name, "--help")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    for what, line in EXAMPLES[name]:
        assert lines.index(f"   {line}") == lines.index(f"   # {what}") + 1
    for code, text in exit_codes(name).items():
        assert f"   {code:>3}  {text}" in lines
    # the codes are in one place of the help, not in two
    assert ran.out.count("Exit codes") == 1


def test_the_first_help_says_how_to_go_on(rankfall: Callable) -> None:
    ran = rankfall("--help")
    assert ran.code == 0
    for text in (*EXIT_CODES.values(), "rankfall COMMAND --help", "--show-completion"):
        assert text in ran.out
    # without a command, the same
    assert rankfall().out.strip() == ran.out.strip()


def test_help_without_rich() -> None:
    """The plain help of typer, too, has the examples, after the options."""
    ran = subprocess.run(
        [sys.executable, "-m", "rankfall", "certify", "--help"],
        env={**os.environ, "TYPER_USE_RICH": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.index("--json") < ran.stdout.index("Examples:") < ran.stdout.index("Exit codes:")


def test_values_of_options_have_names() -> None:
    """The help and the reference say SECONDS, not <float>."""
    for name, command in COMMANDS.items():
        for parameter in command.params:
            assert getattr(parameter, "is_flag", False) or parameter.metavar, (name, parameter.name)


# -- shells -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", list(Shell))
def test_scripts_for_shells(shell: Shell, rankfall: Callable) -> None:
    ran = rankfall("--show-completion", shell.value)
    assert (ran.code, ran.err) == (0, "")
    assert "_RANKFALL_COMPLETE" in ran.out
    assert "rankfall" in ran.out


def test_other_shells_are_refused(rankfall: Callable) -> None:
    ran = rankfall("--show-completion", "nosh")
    assert ran.code == 2
    assert "powershell" in ran.err


@pytest.mark.skipif(shutil.which("bash") is None, reason="runs bash, which this system does not have")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("rankfall st", ["status", "study"]),
        ("rankfall study tw", ["two-by-two"]),
        ("rankfall complete --sca", ["--scale", "--scaling"]),
        ("rankfall complete x.csv --scale l", ["linear", "log", "log1p"]),
        ("rankfall complete rat", []),
    ],
)
def test_bash_completes(typed: str, expected: list[str], tmp_path: Path) -> None:
    """In a real bash, as after pressing Tab; with nothing to say, bash itself completes names of files."""
    program = tmp_path / "rankfall"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rankfall "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    words = typed.split()
    script = (
        "source <(rankfall --show-completion bash)\ncomplete -p rankfall\n"
        f"COMP_WORDS=({shlex.join(words)})\nCOMP_CWORD={len(words) - 1}\n"
        "_rankfall_completion rankfall\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    ran = subprocess.run(
        ["bash", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    first, *answers = ran.stdout.split("\n")
    assert "-o default" in first
    assert [answer for answer in answers if answer] == expected
    assert ran.stderr == ""


# -- for programs -----------------------------------------------------------------------------------------


def test_every_command_speaks_json(place: Path, rankfall: Callable) -> None:
    """One object on one line of stdout, and nothing else there."""
    assert rankfall("complete", "ratings.csv", "-o", "filled.csv", "--save", "result.npz").code == 0
    lines = {
        "complete": "ratings.csv -o filled.csv",
        "diagnose": "ratings.csv",
        "demo": "--out demo",
        "certify": "result.npz",
        "doctor": "-q",
        "report": "result.npz -o page.html",
        "sweep": "study.toml --out out --jobs 1 --report page.html -q",
        "status": "out",
        "study": "--list",
    }
    assert set(lines) == set(COMMANDS)
    facts = {}
    for name, words in lines.items():
        ran = rankfall(name, *words.split(), "--json")
        assert (ran.code, ran.err) == (0, ""), (name, ran)
        assert ran.out.count("\n") == 1, name
        facts[name] = json.loads(ran.out, parse_constant=lambda word: pytest.fail(word))
    assert facts["report"] == {"input": "result.npz", "kind": "completion", "report": "page.html"}
    assert (facts["sweep"]["done"], facts["sweep"]["failures"], facts["sweep"]["report"]) == (
        2,
        [],
        "page.html",
    )
    assert facts["status"]["open"] == 0
    assert facts["demo"]["scores"][-1]["method"] == "rankfall"
    assert not facts["demo"]["interrupted"]
    assert [each["study"] for each in facts["study"]["studies"]] == list(rf.lab.study_names())


# -- Ctrl-C -----------------------------------------------------------------------------------------------

MODULES = {
    "complete": ("complete", "run"),
    "diagnose": ("diagnose", "run"),
    "demo": ("demo", "run"),
    "certify": ("certify", "run"),
    "doctor": ("doctor", "run"),
    "report": ("reports", "run"),
    "sweep": ("sweep", "run"),
    "status": ("sweep", "show_status"),
    "study": ("study", "run"),
}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_ctrl_c_is_one_line(name: str, rankfall: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_args: object) -> None:
        raise KeyboardInterrupt

    module, function = MODULES[name]
    monkeypatch.setattr(importlib.import_module(f"rankfall.cli.{module}"), function, stop)
    words = next(words for _, line in EXAMPLES[name] if "--list" not in (words := shlex.split(line)))
    ran = rankfall(*words[1:])
    assert ran.code == 130
    assert ran.err.startswith("rankfall: Interrupted; ")
    assert "The same command starts again" in ran.err
    assert ran.err.count("\n") == 1


def test_a_demo_that_is_interrupted_keeps_what_is_done(
    place: Path, rankfall: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def others(*_args: object) -> Iterator[demo.Score]:
        yield demo.Score("the first", 1.0, 2.0)
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_others", others)
    ran = rankfall("demo", "-o", "one", "--json")
    assert (ran.code, ran.err) == (130, "")
    assert {"completed.csv", "report.html"} <= {path.name for path in (place / "one").iterdir()}
    facts = json.loads(ran.out)
    assert (facts["interrupted"], facts["outcome"]) == (True, "interrupted")
    assert [score["method"] for score in facts["scores"]] == ["the first", "rankfall"]


def test_a_study_that_is_interrupted_says_how_to_resume(
    tmp_path: Path, rankfall: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(_name: str, folder: Path, *_args: object) -> None:
        study = rf.lab.read_study(write_study(tmp_path / "toy.toml", repeats=2))
        ended = 0

        def stop(_now: object) -> None:
            nonlocal ended
            ended = len(list(folder.glob("cells/[!.]*.parquet")))
            if ended:
                raise KeyboardInterrupt

        rf.lab.run_sweep(study, folder, n_workers=1, progress=stop)

    monkeypatch.setattr("rankfall.cli.study.run_study", half)
    out = tmp_path / "out"
    ran = rankfall("study", "one-way", "--out", out, "-q", "--json")
    assert ran.code == 130
    assert "the same command goes on from there" in ran.err
    facts = json.loads(ran.out)
    assert facts["interrupted"]
    assert 1 <= facts["done"] < facts["cells"] == 4
    assert facts["folder"] == str(out)


def test_a_report_that_is_interrupted_leaves_nothing(
    table: Path, tmp_path: Path, rankfall: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, page = tmp_path / "result.npz", tmp_path / "page.html"
    assert rankfall("complete", table, "-o", tmp_path / "out.csv", "--save", saved).code == 0

    def stop(_tables: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("rankfall.cli.reports.render", stop)
    assert rankfall("report", saved, "-o", page).code == 130
    assert not page.exists()


def test_ctrl_c_while_loading(rankfall: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("rankfall.cli.app.main", stop)
    ran = rankfall("--help")
    assert (ran.code, ran.err) == (130, "rankfall: Interrupted before anything was begun.\n")


# -- the next step ----------------------------------------------------------------------------------------


def test_messages_name_the_next_step(place: Path, rankfall: Callable) -> None:
    """And it is a command that parses, where it is one."""
    for words in (
        "diagnose ratings.csv",
        "diagnose log.csv --triplets",
        "complete ratings.csv -o filled.csv",
        "complete ratings.csv -o filled.csv --save result.npz",
        "complete ratings.csv -o filled.csv --report page.html",
        "report result.npz -o page.html",
        "sweep study.toml --out sweep-output --jobs 1",
        "status sweep-output",
    ):
        ran = rankfall(*words.split())
        assert ran.code == 0
        step = ran.out.splitlines()[-1].partition("Next: ")[2]
        assert step, words
        if step.startswith("rankfall "):
            parsed(shlex.split(step.partition(", or")[0]))
