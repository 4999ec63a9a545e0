"""A run on disk: its whole state, written atomically, and refused if it belongs to another run."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...argument_checks import text, whole
from ...declared_arguments import path as checked_path
from ...files import check_writable
from ...files.plain_values import record
from ...files.schema import Field, Saved, Schema
from ..schemas import ANY, measured_fields, narrower, snapshot_fields
from .recorder import Recorder
from .state import State

# seconds between two writes; the last state is always written
INTERVAL = 10.0

_STATE = ("scales", "clock", "running", "widths", "bounds", "deflated", "ledgers")
# of runs that record displacements
_PLACES = ("balls", "anchors")
# of runs with momentum
_VELOCITIES = ("velocities",)


class Checkpoint:
    """Keeps one run in one file.

    Parameters
    ----------
    path : path
    fingerprint : str
        Of the run's settings; a file with another one is not touched.
    """

    def __init__(self, path: str | os.PathLike[str], fingerprint: str) -> None:
        self.path = Path(checked_path("checkpoint", path))
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
        saved = self._schema(state, recorder).read(self.path)
        state.buffer[:] = saved["buffer"]
        for name in _kept(state):
            getattr(state, name)[:] = saved[name]
        recorder.columns = saved.group("record_")
        recorder.taken = saved.meta["taken"]
        return True

    def save(self, state: State, recorder: Recorder) -> None:
        """Write the state; the old file remains until the new one is complete."""
        arrays = {
            "buffer": np.ascontiguousarray(state.buffer),
            **{name: np.ascontiguousarray(getattr(state, name)) for name in _kept(state)},
            **{f"record_{name}": column for name, column in recorder.columns.items()},
        }
        meta = {"fingerprint": self.fingerprint, "taken": recorder.taken}
        self._schema(state, recorder).write(self.path, arrays, meta)
        self.written = time.perf_counter()

    def save_if_due(self, state: State, recorder: Recorder) -> None:
        """Write the state if the last write was some time ago."""
        if time.perf_counter() - self.written >= INTERVAL:
            self.save(state, recorder)

    def _schema(self, state: State, recorder: Recorder) -> Schema:
        """What the file of this run holds; `state` is the one that it began with, if a file is read."""
        n_chains, room = state.buffer.shape
        n_records, depth = recorder.steps.size, state.widths.shape[1] - 1
        last, dtype = int(recorder.steps[-1]), state.buffer.dtype.name
        fields = [
            Field("buffer", "float", (n_chains, room), allowing=ANY, dtype=dtype),
            Field("scales", "float", (n_chains,), least=0, allowing=ANY),
            Field("clock", "whole", (n_chains,), least=0, most=last),
            Field("running", "flag", (n_chains,)),
            Field("widths", "whole", (n_chains, depth + 1)),
            Field("bounds", "float", (n_chains,), allowing=ANY),
            Field("deflated", "whole", (1,), least=0, most=last),
            Field("ledgers", "float", state.ledgers.shape, allowing=ANY),
            *measured_fields("record_", depth, n_chains, n_records),
        ]
        if state.balls.shape[1]:
            fields += [
                Field("balls", "float", state.balls.shape, allowing=ANY),
                Field("anchors", "float", state.anchors.shape, allowing=ANY, dtype=dtype),
            ]
        if state.velocities.shape[1]:
            fields.append(Field("velocities", "float", state.velocities.shape, allowing=ANY, dtype=dtype))
        if "weights" in recorder.record.what:
            fields += snapshot_fields("record__", depth, dtype, n_chains, n_records, room)
        return Schema(
            "rankfall checkpoint",
            fields,
            record({"fingerprint": text, "taken": partial(whole, least=0, most=n_records)}),
            refuses=self._refuses,
            not_empty=("k", "h"),
            rules=(partial(_clocks_agree, recorder.steps), partial(_widths_fit, state.widths)),
        )

    def _refuses(self, meta: Mapping[str, Any]) -> str | None:
        if meta.get("fingerprint") == self.fingerprint:
            return None
        return (
            "is the checkpoint of a run with other settings; give another path, or delete it to start afresh."
        )


def _kept(state: State) -> tuple[str, ...]:
    places = _PLACES if state.balls.shape[1] else ()
    return _STATE + places + (_VELOCITIES if state.velocities.shape[1] else ())


def _clocks_agree(steps: np.ndarray, saved: Saved) -> str | None:
    """All chains that run stand at one step: after the last record that was made, not after the next one."""
    running = saved["clock"][saved["running"]]
    if not running.size:
        return None
    taken = saved.meta["taken"]
    low, high = steps[max(taken - 1, 0)], steps[min(taken, steps.size - 1)]
    fits = (running == running[0]).all() and low <= running[0] <= high
    return None if fits else f"clock does not fit {taken} records."


def _widths_fit(start: np.ndarray, saved: Saved) -> str | None:
    taken = saved.meta["taken"]
    for name, widths in (("widths", saved["widths"]), ("record__widths", saved.get("record__widths"))):
        if widths is not None and not narrower(widths if name == "widths" else widths[:taken], start):
            return f"{name} does not hold widths that the networks of this run can be cut to."
    return None
