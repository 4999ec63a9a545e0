"""What the situations of this folder are run with."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

import pytest
import typer.main

from rankfall.cli import main
from rankfall.completion.descent.watched_run import WatchedRun


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it printed."""

    code: int
    out: bytes
    err: str


_command = cache(typer.main.get_command)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what is not the point here: the certificate, and reading all options anew for each command."""
    monkeypatch.setattr(WatchedRun, "certificate", lambda self: None)
    monkeypatch.setattr(typer.main, "get_command", _command)


@pytest.fixture
def rankfall(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    """The command line inside the test's own process, with bytes on stdin."""

    def run(*args: object, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        capfdbinary.readouterr()
        code = main([str(arg) for arg in args])
        out, err = capfdbinary.readouterr()
        return Ran(code, out, err.decode())

    return run
