"""Cells that cost nothing, and cells that behave badly."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd

from rankfall.lab.cell import Cell

STUDY = """
[study]
name = "toy"
runner = "lab.toys:run"
seed = 5
seed_axes = ["repeat"]
[settings]
repeat = 0
lr = 0.1
seconds = {seconds}
[grid]
repeat = {repeats}
lr = [0.1, 0.2]
"""


def write_study(path: Path, repeats: int = 3, seconds: float = 0.0) -> Path:
    """A study of ``2 * repeats`` cells that take `seconds` each."""
    path.write_text(STUDY.format(seconds=seconds, repeats=list(range(repeats))), encoding="utf-8")
    return path


def files(folder: Path) -> dict[str, bytes]:
    """Every file of finished cells, half-written ones included."""
    return {path.name: path.read_bytes() for path in sorted((folder / "cells").iterdir())}


def run(cell: Cell) -> pd.DataFrame:
    """A few random numbers, the same for cells that differ only in lr."""
    time.sleep(cell.get("seconds", 0.0))
    noise = np.random.default_rng(cell.seed("noise")).standard_normal(3)
    return pd.DataFrame({"step": range(3), "value": noise * cell.get("lr"), "word": ["a", "b", "ü"]})


def misbehave(cell: Cell) -> pd.DataFrame:
    """Whatever a cell can do to its worker."""
    match cell.get("mode"):
        case "raise":
            raise RuntimeError("the first line\nand the second")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "slow":
            while True:
                time.sleep(0.01)
        case "stuck":
            # a call that does not come back, and hears no alarm
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
            time.sleep(60)
        case "no frame":
            return [1, 2]  # type: ignore[return-value]
        case "objects":
            return pd.DataFrame({"x": [object()]})
        case "axis":
            return pd.DataFrame({"mode": ["good"]})
    return pd.DataFrame({"x": [1]})
