"""The progress line, and Ctrl-C, on a real terminal."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rankfall.cli.progress import live_progress
from rankfall.completion import Progress
from rankfall.progress_display import ProgressLine, duration

# a shell may start a job in the background with Ctrl-C switched off, and its children inherit that
_START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from rankfall.cli import main; sys.exit(main(sys.argv[1:]))"
)


def test_the_line_says_what_is_known() -> None:
    line = ProgressLine(started=0.0)
    assert "compiling" in line.text(1.0)
    line.update(
        Progress("falling", rank=7, train_rmse=0.5, validation_rmse=0.625, steps_per_second=210_000.0)
    )
    line.update(Progress("falling", fraction=0.5, time_left=30.0))
    text = line.text(time.perf_counter())
    for part in (
        "falling",
        "rank 7",
        "training RMSE 0.5",
        "held-out RMSE 0.625",
        "210,000 steps/s",
        "30 s left",
    ):
        assert part in text
    line.update(Progress("refitting on all cells"))
    assert "rank" not in line.text(1.0)
    assert "left" not in line.text(1.0)


def test_durations() -> None:
    assert [duration(x) for x in (0.2, 59.4, 61, 3600)] == ["0 s", "59 s", "1 min 1 s", "60 min 0 s"]


def test_nothing_live_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with live_progress() as callback:
        assert callback is None
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(
    sys.platform == "win32", reason="opens a pseudo-terminal and sends SIGINT, which Windows does not have"
)
def test_ctrl_c_writes_what_is_done(tmp_path: Path) -> None:
    """Noise of full rank keeps the search busy for long; it is interrupted once the line shows a rank."""
    values = np.random.default_rng(0).standard_normal((150, 120))
    values[np.random.default_rng(1).random(values.shape) < 0.3] = np.nan
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    pd.DataFrame(values).round(3).to_csv(source)
    command = [
        sys.executable,
        "-c",
        _START,
        "complete",
        str(source),
        "-o",
        str(out),
        "--save",
        str(tmp_path / "r.npz"),
    ]
    shown, ran = _until(command, lambda text: re.search(r"rank \d", text) is not None)
    assert "steps/s" in shown
    assert ran.returncode == 130, ran.stdout
    assert "Traceback" not in ran.stderr
    assert "interrupted" in ran.stdout
    assert "Next: the same command starts again from the beginning" in ran.stdout
    filled = pd.read_csv(out, index_col=0)
    assert filled.shape == values.shape
    assert filled.notna().all(axis=None)
    known = ~np.isnan(values)
    np.testing.assert_array_equal(filled.to_numpy()[known], values.round(3)[known])
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "out.csv", "r.npz"}


def _until(command: list[str], ready: Callable[[str], bool]) -> tuple[str, subprocess.CompletedProcess[str]]:
    """Run with stderr on a pseudo-terminal, press Ctrl-C when it shows something, wait for the end."""
    ours, theirs = os.openpty()
    environment = {**os.environ, "COLUMNS": "150", "TERM": "xterm"}
    shown, pressed = "", False
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, text=True, env=environment
    ) as process:
        os.close(theirs)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    shown += os.read(ours, 65536).decode("utf-8", errors="replace")
                except OSError:  # the other end is closed
                    break
            if not pressed and ready(shown):
                process.send_signal(signal.SIGINT)
                pressed = True
        if process.poll() is None and not pressed:
            process.kill()
        output = process.communicate(timeout=60)[0]
    os.close(ours)
    return shown, subprocess.CompletedProcess(command, process.returncode, output, shown)
