"""What the README shows works as shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from documents import README, ROOT, blocks, commands
from rankfall.cli import main


def test_the_readme_runs() -> None:
    source = "\n".join(block.text for block in blocks(README) if block.language == "python")
    assert source.count("\n") >= 8
    # one after the other, as a reader would paste them
    exec(compile(source, str(README), "exec"), {"__name__": "readme"})


def test_the_commands_write_the_table_that_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before, after = (block.text for block in blocks(README) if block.language == "csv")
    Path("mixtures.csv").write_text(before, encoding="utf-8")
    lines = [line for line in commands(README) if line.startswith("rankfall ")]
    assert len(lines) == 2
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0
    assert Path("filled.csv").read_text(encoding="utf-8") == after


def test_its_figures_are_those_of_the_comparison() -> None:
    prose = re.sub(r"^```.*?^```", "", README.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    peers = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")
    measured = {f"{float(number):.3f}" for number in re.findall(r"\b0\.\d{3,}", peers)}
    figures = re.findall(r"\b0\.\d{3}\b", prose)
    assert figures
    assert set(figures) <= measured


def test_what_the_readme_points_to_is_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README.read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target


def test_it_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").split()) <= 560
