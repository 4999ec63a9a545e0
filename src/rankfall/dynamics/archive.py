"""The settings of a run in plain types, its fingerprint, and its optimiser for files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..files.schema import Saved
from ..measurements import Measurements
from ..network import Network
from ..problem import Problem
from .kernels.layout import VERSION
from .optimisers import GD, SGD
from .record import Record
from .schedules import Constant, Geometric, Linear, Listed, Piecewise, Schedule

_SCHEDULES = {kind.__name__: kind for kind in (Constant, Linear, Geometric, Piecewise)}


def describe_schedule(schedule: Schedule) -> dict[str, Any]:
    """A schedule in plain types; a listed one by the hash of its numbers."""
    match schedule:
        case Constant(value):
            return {"kind": "Constant", "value": value}
        case Linear(first, last, n_steps) | Geometric(first, last, n_steps):
            return {"kind": type(schedule).__name__, "first": first, "last": last, "n_steps": n_steps}
        case Piecewise(starts, levels):
            return {"kind": "Piecewise", "starts": list(starts), "levels": list(levels)}
        case Listed(numbers):
            return {"kind": "Listed", "sha256": hashlib.sha256(numbers.tobytes()).hexdigest()}


def describe_optimiser(optimiser: SGD | GD) -> dict[str, Any]:
    """An optimiser in plain types."""
    out: dict[str, Any] = {
        "optimiser": type(optimiser).__name__,
        "lr": describe_schedule(optimiser.lr),
        "ridge": describe_schedule(optimiser.ridge),
        "n_steps": optimiser.n_steps,
    }
    if isinstance(optimiser, SGD):
        out["batch_size"] = optimiser.batch_size
        out["sampling"] = optimiser.sampling
        if optimiser.entries is not None:
            out["sampling"] = "prescribed"
            out["entries"] = hashlib.sha256(optimiser.entries.tobytes()).hexdigest()
        # absent where they are 0: checkpoints of earlier releases go on
        extras = {"momentum": optimiser.momentum, "label_noise": optimiser.label_noise}
        out |= {name: value for name, value in extras.items() if value}
    return out


def data_arrays(problem: Problem | Measurements) -> dict[str, np.ndarray]:
    """What was observed, by the names that it has in files."""
    if isinstance(problem, Measurements):
        return {"left_vectors": problem.U, "right_vectors": problem.V, "values": problem.values}
    return {"rows": problem.rows, "cols": problem.cols, "values": problem.values}


def read_data(saved: Saved) -> Problem | Measurements:
    """What :func:`data_arrays` wrote."""
    if "left_vectors" in saved:
        return Measurements(saved["left_vectors"], saved["right_vectors"], saved["values"])
    return Problem(saved["rows"], saved["cols"], saved["values"], saved.meta["shape"])


def fingerprint(
    problem: Problem | Measurements,
    start: Network,
    optimiser: SGD | GD,
    chains: np.ndarray,
    seed: int,
    dtype: str,
    deflate: float | None,
    record: Record,
) -> str:
    """Hash of everything that determines what a run does and records."""
    digest = hashlib.sha256()
    for array in (*data_arrays(problem).values(), *start.weights, chains):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    settings = {
        **describe_optimiser(optimiser),
        "shape": list(problem.shape),
        "seed": seed,
        "dtype": dtype,
        "deflate": deflate,
        "every": record.every,
        "what": list(record.what),
        "extra": sorted(record.extra),
        "rank_tol": record.rank_tol,
        "layout": VERSION,
    }
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()


def optimiser_arrays(optimiser: SGD | GD) -> dict[str, np.ndarray]:
    """The numbers of an optimiser that its description does not contain."""
    arrays: dict[str, np.ndarray] = {}
    for name, schedule in (("lr", optimiser.lr), ("ridge", optimiser.ridge)):
        if isinstance(schedule, Listed):
            arrays[name] = schedule.listed
    if isinstance(optimiser, SGD) and optimiser.entries is not None:
        arrays["entries"] = optimiser.entries
    return arrays


def read_optimiser(saved: Saved) -> SGD | GD:
    """The optimiser of a saved run, from its description and its arrays."""
    meta = saved.meta
    lr, ridge = (Listed(saved[name]) if name in saved else _schedule(meta[name]) for name in ("lr", "ridge"))
    if meta["optimiser"] == "GD":
        return GD(lr=lr, ridge=ridge, n_steps=meta["n_steps"])
    entries = saved.get("entries")
    sampling = "replacement" if entries is not None else meta["sampling"]
    return SGD(
        lr=lr,
        ridge=ridge,
        n_steps=meta["n_steps"],
        batch_size=meta["batch_size"],
        sampling=sampling,
        entries=entries,
        momentum=meta.get("momentum", 0.0),
        label_noise=meta.get("label_noise", 0.0),
    )


def _schedule(meta: Mapping[str, Any]) -> Schedule:
    fields: dict[str, Any] = {key: value for key, value in meta.items() if key != "kind"}
    return _SCHEDULES[meta["kind"]](**fields)
