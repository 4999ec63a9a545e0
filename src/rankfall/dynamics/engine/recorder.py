"""Takes the measurements that a Record asks for, during a run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...compute.cache_lines import DEFERRED
from ...compute.threads import uninterrupted
from ...errors import InputError
from ...measurements import Measurements
from ...problem import Problem
from ..kernels import ledger
from ..record import Record, measure
from .snapshots import Snapshots
from .state import State

# chains measured at a time
PORTION = 1024

# stored as they are, not computed from the networks
NOT_MEASURED = {"weights", "ledger", "displacement"}
SPECTRA = ("singular_values", "hidden_singular_values")


class Recorder:
    """Measures a state at given steps.

    Attributes
    ----------
    steps : ndarray of int64, shape (n_records,)
        When to measure.
    taken : int
        Records taken so far.
    """

    def __init__(
        self, record: Record, problem: Problem | Measurements, state: State, steps: np.ndarray
    ) -> None:
        self.record = record
        self.problem = problem
        self.state = state
        self.steps = steps
        self.taken = 0
        self.columns: dict[str, np.ndarray] = {}
        if "weights" in record.what:
            n_records, n_chains = steps.size, state.n_chains
            self.columns["_buffers"] = np.zeros((n_records, *state.buffer.shape), state.buffer.dtype)
            self.columns["_scales"] = np.zeros((n_records, n_chains))
            self.columns["_widths"] = np.zeros((n_records, *state.widths.shape), np.int64)
            self.columns["_bounds"] = np.zeros((n_records, n_chains))

    def take(self, index: int) -> None:
        """Measure all running chains as record number `index`."""
        state = self.state
        needed = bool(self.record.extra) or bool(set(self.record.what) - NOT_MEASURED)
        measured = np.flatnonzero(state.running & within_range(state)) if needed else np.arange(0)
        for members in self._portions(measured):
            network = state.ensemble(members)
            for name, values in measure(self.problem, network, self.record).items():
                column = self._column(name, values)
                if name in SPECTRA:
                    # a deflated chain has fewer values; the others are zero
                    column[members, index] = 0.0
                    column[members, index, ..., : values.shape[-1]] = values
                else:
                    column[members, index] = values
        if {"ledger", "displacement"} & set(self.record.what):
            uninterrupted(lambda: self._finish(index))
        else:
            self._finish(index)

    def _finish(self, index: int) -> None:
        """Store what the state itself keeps, which begins anew from here, and count the record."""
        state = self.state
        if "ledger" in self.record.what:
            running = np.flatnonzero(state.running)
            values = ledger.read(state.ledgers)
            self._column("ledger", values)[running, index] = values[running]
            state.ledgers[:] = ledger.blank(*state.ledgers.shape[::2])
        if "displacement" in self.record.what:
            column = self._column("displacement", np.zeros((state.n_chains, 2)))
            for k in np.flatnonzero(state.running).tolist():
                column[k, index] = state.moved(k)
                state.anchor(k, state.network(k))
        if "_buffers" in self.columns:
            self.columns["_buffers"][index] = state.buffer
            self.columns["_scales"][index] = state.scales
            self.columns["_widths"][index] = state.widths
            self.columns["_bounds"][index] = state.bounds
        self.taken = index + 1

    def _portions(self, members: np.ndarray) -> Iterator[np.ndarray]:
        """Chains of equal widths, few enough that copies of their weights stay small."""
        for group in self.state.groups(members):
            for start in range(0, group.size, PORTION):
                yield group[start : start + PORTION]

    def _column(self, name: str, values: np.ndarray) -> np.ndarray:
        if name not in self.columns:
            shape = (self.state.n_chains, self.steps.size, *values.shape[1:])
            whole = values.dtype.kind in "iu"
            self.columns[name] = np.full(shape, -1 if whole else np.nan, np.int64 if whole else np.float64)
        column = self.columns[name]
        rest, now = column.shape[2:], values.shape[1:]
        narrower = name in SPECTRA and rest[:-1] == now[:-1] and rest[-1] >= now[-1]
        if rest != now and not narrower:
            raise InputError(f"{name!r} had shape {rest} when it was first recorded, and has {now} now.")
        return column

    def result(self) -> tuple[np.ndarray, dict[str, np.ndarray], Snapshots | None]:
        """Steps, observables and snapshots of the records taken so far."""
        n = self.taken
        snapshots = None
        if "_buffers" in self.columns:
            names = ("_buffers", "_scales", "_widths", "_bounds")
            snapshots = Snapshots(*(self.columns[name][:n] for name in names))
        measured = {name: c[:, :n] for name, c in self.columns.items() if not name.startswith("_")}
        return self.steps[:n], measured, snapshots


def within_range(state: State) -> np.ndarray:
    """Chains whose product certainly does not overflow, shape (n_chains,).

    A single step may leave the number range; the next step detects that.
    """
    return products_within_range(state.buffer, state.scales, state.widths)


def products_within_range(flat: np.ndarray, scales: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """:func:`within_range` of stored weights; flat (c, row_size), scales (c,), widths (c, L + 1)."""
    limit = 0.5 * np.log(np.finfo(flat.dtype).max)
    # no array of absolute values, which would be as large as the ensemble
    largest = np.maximum(flat.max(axis=1), -flat.min(axis=1)).astype(np.float64)
    depth = widths.shape[1] - 1
    with np.errstate(divide="ignore", over="ignore"):
        # deferred updates add at most DEFERRED largest^2 to a weight
        weight = np.log(largest) + np.log1p(DEFERRED * largest) + np.log(scales)
        # |W_1| ... |W_L| with |W|^2 <= largest weight^2 times number of weights
        sizes = np.log(widths).sum(axis=1) - 0.5 * np.log(widths[:, [0, -1]]).sum(axis=1)
        logs = depth * weight + sizes
    return logs < limit
