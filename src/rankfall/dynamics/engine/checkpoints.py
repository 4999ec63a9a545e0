"""A run on disk: its whole state, written atomically, and refused if it belongs to another run."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...files import check_writable, load_archive, save_archive
from .recorder import Recorder
from .state import State

KIND = "rankfall checkpoint"
# seconds between two writes; the last state is always written
INTERVAL = 10.0

_STATE = ("scales", "clock", "running", "widths", "bounds", "deflated", "ledgers")


class Checkpoint:
    """Keeps one run in one file.

    Parameters
    ----------
    path : path
    fingerprint : str
        Of the run's settings; a file with another one is not touched.
    """

    def __init__(self, path: str | os.PathLike[str], fingerprint: str) -> None:
        self.path = Path(path)
        check_writable(self.path)
        self.fingerprint = fingerprint
        self.written = time.perf_counter()

    def resume(self, state: State, recorder: Recorder) -> bool:
        """Restore the state and the records from the file; False if there is no file.

        Raises
        ------
        InputError
            If the file is something else, or the checkpoint of a run with other settings.
        """
        if not self.path.exists():
            return False
        arrays, meta = load_archive(self.path, kind=KIND)
        if meta.get("fingerprint") != self.fingerprint:
            raise InputError(
                f"{self.path} is the checkpoint of a run with other settings; give another path, "
                "or delete it to start afresh."
            )
        # the room may have shrunk by padding only, so shapes agree whenever the fingerprint does
        state.buffer[:] = arrays["buffer"]
        for name in _STATE:
            getattr(state, name)[:] = arrays[name]
        recorder.columns = {
            k.removeprefix("record_"): v for k, v in arrays.items() if k.startswith("record_")
        }
        recorder.taken = int(meta["taken"])
        return True

    def save(self, state: State, recorder: Recorder) -> None:
        """Write the state; the old file remains until the new one is complete."""
        arrays = {
            "buffer": np.ascontiguousarray(state.buffer),
            **{name: getattr(state, name) for name in _STATE},
            **{f"record_{name}": column for name, column in recorder.columns.items()},
        }
        save_archive(self.path, arrays, {"fingerprint": self.fingerprint, "taken": recorder.taken}, KIND)
        self.written = time.perf_counter()

    def save_if_due(self, state: State, recorder: Recorder) -> None:
        """Write the state if the last write was some time ago."""
        if time.perf_counter() - self.written >= INTERVAL:
            self.save(state, recorder)
