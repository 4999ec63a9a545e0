"""What ends a command: one sentence, an exit code, or silence when nobody reads any more."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from rankfall.cli.exit_codes import one_sentence


def ends_with(error: Exception) -> int:
    with pytest.raises(typer.Exit) as end, one_sentence():
        raise error
    return end.value.exit_code


@pytest.fixture
def stdout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A file of its own for stdout, which is turned to nowhere when the reader has gone."""
    with open(tmp_path / "out", "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        yield


@pytest.mark.usefixtures("stdout")
@pytest.mark.parametrize(
    ("platform", "error"),
    [
        ("linux", BrokenPipeError(errno.EPIPE, "Broken pipe")),
        ("win32", OSError(errno.EINVAL, "Invalid argument")),
    ],
)
def test_a_reader_that_has_gone(platform: str, error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rankfall.cli.exit_codes.sys.platform", platform)
    assert ends_with(error) == 141
    print("to nobody", flush=True)


@pytest.mark.parametrize(
    ("platform", "error"),
    [
        ("linux", OSError(errno.EINVAL, "Invalid argument")),
        ("win32", OSError(errno.EINVAL, "Invalid argument", os.devnull)),
        ("win32", OSError(errno.EIO, "Input/output error")),
    ],
)
def test_other_trouble_is_one_sentence(
    platform: str, error: OSError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rankfall.cli.exit_codes.sys.platform", platform)
    assert ends_with(error) == 2
    assert capsys.readouterr().err == (
        f"rankfall: The system refuses to go on: {os.devnull + ': ' if error.filename else ''}"
        f"{error.strerror}.\n"
    )
