"""The settings of a run in plain types, its fingerprint, and its arrays for files."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..measures import RANK_TOL
from ..network import Network
from ..problem import Problem
from .engine.state import pack, unpack
from .kernels.layout import VERSION
from .optimisers import GD, SGD
from .record import Record
from .schedules import Constant, Geometric, Linear, Listed, Piecewise, Schedule

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


def trace_from_arrays(arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> Trace:
    """The inverse of :func:`trace_arrays`."""
    from .trace import Snapshots, Trace

    if meta.get("layout") != VERSION:
        raise InputError(
            "This trace was written by an earlier version of rankfall, whose steps stored or rounded weights "
            "differently; run it again."
        )
    try:
        flat, widths = arrays["final_weights"], arrays["final_widths"]
        ones = np.ones(len(flat))
        depth = len(meta["widths"]) - 1
        snapshots = {k.removeprefix("snapshot_"): v for k, v in arrays.items() if k.startswith("snapshot_")}
        return Trace(
            steps=arrays["steps"],
            measured={k.removeprefix("measured_"): v for k, v in arrays.items() if k.startswith("measured_")},
            diverged=arrays["diverged"],
            n_steps=arrays["n_steps"],
            stable_lr=arrays["stable_lr"],
            deflation_bound=arrays["deflation_bound"],
            networks=tuple(unpack(flat[[k]], ones[[k]], widths[[k]]).chain(0) for k in range(len(flat))),
            problem=Problem.from_triplets(
                arrays["rows"], arrays["cols"], arrays["values"], (meta["shape"][0], meta["shape"][1])
            ),
            start=Network(tuple(arrays[f"start_{layer}"] for layer in range(depth))),
            optimiser=_optimiser(arrays, meta),
            seed=meta["seed"],
            chains=arrays["chains"],
            dtype=meta["dtype"],
            deflate=meta["deflate"],
            seconds=meta["seconds"],
            snapshots=Snapshots(**snapshots) if snapshots else None,
            # files written before the tolerance was kept
            rank_tol=meta.get("rank_tol", RANK_TOL),
        )
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(f"The file does not hold a complete trace ({error}).") from error


def _optimiser(arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> SGD | GD:
    lr, ridge = (arrays.get(name) for name in ("lr", "ridge"))
    lr = _schedule(meta["lr"]) if lr is None else Listed(lr)
    ridge = _schedule(meta["ridge"]) if ridge is None else Listed(ridge)
    if meta["optimiser"] == "GD":
        return GD(lr=lr, ridge=ridge, n_steps=meta["n_steps"])
    entries = arrays.get("entries")
    sampling = "replacement" if entries is not None else meta["sampling"]
    return SGD(
        lr=lr,
        ridge=ridge,
        n_steps=meta["n_steps"],
        batch_size=meta["batch_size"],
        sampling=sampling,
        entries=entries,
    )


def _schedule(meta: dict[str, Any]) -> Schedule:
    fields: dict[str, Any] = {key: value for key, value in meta.items() if key != "kind"}
    return _SCHEDULES[meta["kind"]](**fields)
