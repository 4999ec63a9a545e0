"""The settings of a run in plain types, its fingerprint, and its arrays for files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files.schema import Saved, blamed_on
from ..network import Network
from ..problem import Problem
from .engine.state import pack, unpack
from .kernels.layout import VERSION
from .optimisers import GD, SGD
from .record import Record
from .schedules import Constant, Geometric, Linear, Listed, Piecewise, Schedule
from .schemas import TRACE

if TYPE_CHECKING:
    from .trace import Trace

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
    return out


def describe(trace: Trace) -> dict[str, Any]:
    """All settings of a run, in plain types."""
    return {
        **describe_optimiser(trace.optimiser),
        "widths": list(trace.start.widths),
        "shape": list(trace.problem.shape),
        "n_observed": trace.problem.n_observed,
        "chains": trace.chains.tolist(),
        "seed": trace.seed,
        "dtype": trace.dtype,
        "deflate": trace.deflate,
    }


def fingerprint(
    problem: Problem,
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
    for array in (problem.rows, problem.cols, problem.values, *start.weights, chains):
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


def trace_arrays(trace: Trace) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """A trace as arrays and plain metadata."""
    flat, widths = pack(list(trace.networks))
    optimiser = trace.optimiser
    arrays = {
        "rows": trace.problem.rows,
        "cols": trace.problem.cols,
        "values": trace.problem.values,
        "steps": trace.steps,
        "diverged": trace.diverged,
        "n_steps": trace.n_steps,
        "stable_lr": trace.stable_lr,
        "deflation_bound": trace.deflation_bound,
        "chains": trace.chains,
        "final_weights": flat,
        "final_widths": widths,
        **{f"measured_{name}": values for name, values in trace.measured.items()},
        **{f"start_{layer}": W for layer, W in enumerate(trace.start.weights)},
    }
    for name in ("lr", "ridge"):
        schedule = getattr(optimiser, name)
        if isinstance(schedule, Listed):
            arrays[name] = schedule.listed
    if isinstance(optimiser, SGD) and optimiser.entries is not None:
        arrays["entries"] = optimiser.entries
    if trace.snapshots is not None:
        arrays |= {f"snapshot_{name}": values for name, values in vars(trace.snapshots).items()}
    return arrays, {
        **describe(trace),
        "seconds": trace.seconds,
        "rank_tol": trace.rank_tol,
        "layout": VERSION,
    }


def save_trace(trace: Trace, path: str | PathLike[str]) -> None:
    """See :meth:`Trace.save`."""
    TRACE.write(path, *trace_arrays(trace))


def load_trace(path: str | PathLike[str]) -> Trace:
    """See :meth:`Trace.load`."""
    from .trace import Snapshots, Trace

    saved = TRACE.read(path)
    meta = saved.meta
    flat, widths = saved["final_weights"], saved["final_widths"]
    ones, snapshots = np.ones(len(flat)), saved.group("snapshot_")
    with blamed_on(path):
        optimiser = _optimiser(saved)
        start = Network(tuple(saved[f"start_{layer}"] for layer in range(len(meta["widths"]) - 1)))
    return Trace(
        steps=saved["steps"],
        measured=saved.group("measured_"),
        diverged=saved["diverged"],
        n_steps=saved["n_steps"],
        stable_lr=saved["stable_lr"],
        deflation_bound=saved["deflation_bound"],
        networks=tuple(unpack(flat[[k]], ones[[k]], widths[[k]]).chain(0) for k in range(len(flat))),
        problem=Problem(saved["rows"], saved["cols"], saved["values"], meta["shape"]),
        start=start,
        optimiser=optimiser,
        seed=meta["seed"],
        chains=saved["chains"],
        dtype=meta["dtype"],
        deflate=meta["deflate"],
        seconds=meta["seconds"],
        snapshots=Snapshots(**snapshots) if snapshots else None,
        rank_tol=meta["rank_tol"],
    )


def _optimiser(saved: Saved) -> SGD | GD:
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
    )


def _schedule(meta: Mapping[str, Any]) -> Schedule:
    fields: dict[str, Any] = {key: value for key, value in meta.items() if key != "kind"}
    return _SCHEDULES[meta["kind"]](**fields)
