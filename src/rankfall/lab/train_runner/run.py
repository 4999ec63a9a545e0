"""The generic runner, "train": a problem, a network and an optimiser, as tables of settings.

[settings]
chains = 8                      # independent chains
repeat = 0                      # changes nothing but the seeds, if the study's seed_axes name it
[settings.problem]              # arguments of rankfall.datasets.low_rank, or
path = "ratings.csv"            # a table, relative to the study's file (triplets = true for triplets)
[settings.network]
depth = 3                       # with width (of the hidden layers), or all of them: widths = [30, 8, 30]
width = 10
scale = 1.0
common_start = false            # true: all chains start at the same weights
[settings.optimiser]
method = "SGD"                  # or "GD"; below it the arguments of rankfall.SGD or rankfall.GD
lr = 0.1                        # a number, a list of n_steps of them, or a schedule:
                                # { kind = "geometric", first = 0.1, last = 0.01, n_steps = 1000 }
ridge = 1e-3
n_steps = 100_000
momentum = 0.9                  # of SGD, as batch_size, sampling and label_noise
[settings.record]
every = 1000
rank_tol = 0.01
leading = 5                     # singular values to keep
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ..cell import Cell

if TYPE_CHECKING:
    import pandas as pd

    from ...dynamics import GD, SGD, Record
    from ...dynamics.schedules import Schedule
    from ...network import Network
    from ...problem import Problem

_LEADING = 5


def run(cell: Cell, folder: Path | None = None) -> pd.DataFrame:
    """Train, and return what was recorded.

    Parameters
    ----------
    cell : Cell
        Settings as in the head of this module.
    folder : Path, optional
        Where the path of a data file starts; the present folder by default.

    Returns
    -------
    DataFrame
        One row for every chain and record: ``chain``, ``step``, ``rank`` (-1 after a chain has diverged),
        ``train_loss`` and the leading singular values of A, ``s1``, ``s2``, ... (NaN after that).
    """
    import numpy as np
    import pandas as pd

    from ...dynamics import train

    problem = _problem(cell, folder)
    chains = int(cell.get("chains", 1))
    settings = cell.get("record", {})
    trace = train(
        problem,
        _network(cell, problem, chains),
        optimiser_of(cell.get("optimiser")),
        chains=chains,
        seed=cell.seed("noise"),
        record=record_of(settings),
        deflate=cell.get("deflate", None),
        dtype=cell.get("dtype", "float64"),
    )
    n_records = trace.steps.size
    leading = min(int(settings.get("leading", _LEADING)), trace.singular_values.shape[-1])
    columns: dict[str, np.ndarray] = {
        "chain": np.repeat(trace.chains, n_records),
        "step": np.tile(trace.steps, trace.n_chains),
        "rank": trace.rank.ravel(),
        "train_loss": trace.train_loss.ravel(),
    }
    for k in range(leading):
        columns[f"s{k + 1}"] = trace.singular_values[..., k].ravel()
    return pd.DataFrame(columns)


def hashes(settings: dict[str, Any], folder: Path, known: dict[str, str]) -> dict[str, str]:
    """The data file of a cell, if it has one, and its SHA-256 (which is looked up in `known` first)."""
    name = settings["problem"].get("path")
    if name is None:
        return {}
    return {name: known[name] if name in known else _sha256(folder / name)}


def _problem(cell: Cell, folder: Path | None) -> Problem:
    from ...datasets import low_rank
    from ...files import read_table
    from ...problem import Problem

    settings = dict(cell.get("problem"))
    if "path" not in settings:
        settings.setdefault("seed", cell.seed("problem"))
        settings.pop("sha256", None)
        settings["shape"] = tuple(settings["shape"])
        # whole numbers may be written as 2.0
        settings.update({name: int(settings[name]) for name in ("rank", "seed")})
        return low_rank(**settings)[0]
    path = (folder or Path()) / settings["path"]
    if "sha256" in settings and _sha256(path) != settings["sha256"]:
        raise InputError(f"{settings['path']} is not the file that it was when the study was read.")
    table = read_table(path, triplets=settings.get("triplets", False))
    return Problem.from_triplets(table.rows, table.cols, table.entries, shape=table.shape)


def _network(cell: Cell, problem: Problem, chains: int) -> Network:
    from ...network import Network

    settings = cell.get("network")
    starts = None if settings.get("common_start", False) else chains
    seed = settings.get("seed", cell.seed("start"))
    scale = settings.get("scale", 1.0)
    return Network.gaussian(widths_of(settings, problem.shape), scale=scale, seed=seed, chains=starts)


def widths_of(network: dict[str, Any], shape: tuple[int, int]) -> list[int]:
    """Widths of all layers, columns of the matrix first; `network` is the table of settings."""
    rows, columns = shape
    if "widths" in network:
        return network["widths"]
    width = network.get("width", min(rows, columns))
    return [columns, *[width] * (int(network["depth"]) - 1), rows]


def optimiser_of(settings: dict[str, Any]) -> SGD | GD:
    """The optimiser of a table of settings.

    Raises
    ------
    InputError
        If a value is out of range.
    """
    from ...dynamics import GD, SGD

    settings = dict(settings)
    method = settings.pop("method", "SGD")
    for name in ("lr", "ridge"):
        settings[name] = _schedule(settings[name], name)
    return GD(**settings) if method == "GD" else SGD(**settings)


def record_of(settings: dict[str, Any]) -> Record:
    """What is recorded, by a table of settings."""
    from ...dynamics import Record

    return Record(**{name: settings[name] for name in ("every", "rank_tol") if name in settings})


def _schedule(value: Any, name: str) -> float | Schedule:
    from ...dynamics import Geometric, Linear, Piecewise

    if not isinstance(value, dict):
        return value
    kinds = {"linear": Linear, "geometric": Geometric, "piecewise": Piecewise}
    settings = dict(value)
    kind = settings.pop("kind", None)
    if not isinstance(kind, str) or kind not in kinds:
        raise InputError(f"optimiser.{name}: kind must be one of {', '.join(kinds)}, not {kind!r}.")
    expected = ("starts", "levels") if kind == "piecewise" else ("first", "last", "n_steps")
    what = "a list of numbers" if kind == "piecewise" else "a number"
    if set(settings) != set(expected):
        raise InputError(
            f"optimiser.{name}: a {kind} schedule has kind, {', '.join(expected)}, and no others."
        )
    for item, inner in settings.items():
        numbers = inner if isinstance(inner, list) else [inner]
        plain = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in numbers)
        if not plain or isinstance(inner, list) != (kind == "piecewise"):
            raise InputError(f"optimiser.{name}: {item} of a {kind} schedule must be {what}, not {inner!r}.")
    try:
        return kinds[kind](**settings)
    except InputError as error:
        raise InputError(f"optimiser.{name}: {error}") from error


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
