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
lr = 0.1                        # a number, or { kind = "geometric", first = 0.1, last = 0.01, n_steps = 1000 }
ridge = 1e-3
n_steps = 100_000
[settings.record]
every = 1000
rank_tol = 0.01
leading = 5                     # singular values to keep
"""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .cell import Cell

if TYPE_CHECKING:
    import pandas as pd

    from ..dynamics import GD, SGD
    from ..dynamics.schedules import Schedule
    from ..network import Network
    from ..problem import Problem

_SETTINGS: dict[str, tuple[str, ...]] = {
    "problem": (
        "shape",
        "rank",
        "observed",
        "oversampling",
        "noise",
        "condition",
        "min_per_line",
        "mask",
        "seed",
        "path",
        "triplets",
        "sha256",
    ),
    "network": ("widths", "depth", "width", "scale", "common_start", "seed"),
    "optimiser": ("method", "lr", "ridge", "n_steps", "batch_size", "sampling"),
    "record": ("every", "rank_tol", "leading"),
}
_SINGLE = ("chains", "repeat", "deflate", "dtype")
_FROM_FILE = ("path", "triplets", "sha256")
_SCHEDULES = ("linear", "geometric", "piecewise")
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

    from ..dynamics import Record, train

    problem = _problem(cell, folder)
    chains = cell.get("chains", 1)
    settings = cell.get("record", {})
    record = Record(**{name: settings[name] for name in ("every", "rank_tol") if name in settings})
    trace = train(
        problem,
        _network(cell, problem, chains),
        _optimiser(cell),
        chains=chains,
        seed=cell.seed("noise"),
        record=record,
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


def is_setting(name: str) -> bool:
    """Whether a dotted name is a setting of this runner."""
    table, _, rest = name.partition(".")
    return name in _SINGLE or rest.split(".")[0] in _SETTINGS.get(table, ())


def check_settings(settings: dict[str, Any], place: str) -> None:
    """Refuse unknown and missing settings; what the values mean is checked when they are used.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    for name, value in settings.items():
        if name not in (*_SETTINGS, *_SINGLE):
            choices = ", ".join((*_SETTINGS, *_SINGLE))
            raise InputError(f"{place}: there is no setting {name!r}; known are {choices}.")
        if name in _SETTINGS:
            if not isinstance(value, dict):
                raise InputError(f"{place}: {name} must be a table, not {value!r}.")
            for item in value:
                if item not in _SETTINGS[name]:
                    choices = ", ".join(_SETTINGS[name])
                    raise InputError(f"{place}: there is no setting {name}.{item}; known are {choices}.")
    problem, network, optimiser = (settings.get(name, {}) for name in ("problem", "network", "optimiser"))
    _check_problem(problem, place)
    if ("widths" in network) == ("depth" in network):
        raise InputError(f"{place}: the network needs either widths (of all layers) or depth.")
    if "widths" in network and "width" in network:
        raise InputError(f"{place}: network.width goes with depth; widths names every layer's.")
    if optimiser.get("method", "SGD") not in ("SGD", "GD"):
        raise InputError(f'{place}: optimiser.method must be "SGD" or "GD", not {optimiser["method"]!r}.')
    _need(optimiser, ("lr", "ridge", "n_steps"), "optimiser", place)
    if optimiser.get("method") == "GD" and {"batch_size", "sampling"} & set(optimiser):
        raise InputError(f"{place}: gradient descent uses all entries; it has no batch_size and no sampling.")


def hashes(settings: dict[str, Any], folder: Path, known: dict[str, str]) -> dict[str, str]:
    """The data file of a cell, if it has one, and its SHA-256 (which is looked up in `known` first)."""
    name = settings["problem"].get("path")
    if name is None:
        return {}
    return {name: known[name] if name in known else _sha256(folder / name)}


def _check_problem(problem: dict[str, Any], place: str) -> None:
    if "path" not in problem:
        _need(problem, ("shape", "rank"), "problem", place)
        return
    if not isinstance(problem["path"], str):
        raise InputError(f"{place}: problem.path must be a text, not {problem['path']!r}.")
    if PurePath(problem["path"]).is_absolute():
        raise InputError(
            f"{place}: problem.path must start from the study's folder, since results must not depend on where "
            "that is; it is absolute."
        )
    other = [name for name in problem if name not in _FROM_FILE]
    if other:
        raise InputError(f"{place}: problem.{other[0]} has no meaning beside problem.path.")


def _need(table: dict[str, Any], names: tuple[str, ...], place: str, file: str) -> None:
    for name in names:
        if name not in table:
            raise InputError(f"{file}: the setting {place}.{name} is missing.")


def _problem(cell: Cell, folder: Path | None) -> Problem:
    from ..datasets import low_rank
    from ..files import read_table
    from ..problem import Problem

    settings = dict(cell.get("problem"))
    if "path" not in settings:
        settings.setdefault("seed", cell.seed("problem"))
        settings.pop("sha256", None)
        settings["shape"] = tuple(settings["shape"])
        return low_rank(**settings)[0]
    path = (folder or Path()) / settings["path"]
    if "sha256" in settings and _sha256(path) != settings["sha256"]:
        raise InputError(f"{settings['path']} is not the file that it was when the study was read.")
    table = read_table(path, triplets=settings.get("triplets", False))
    return Problem.from_triplets(table.rows, table.cols, table.entries, shape=table.shape)


def _network(cell: Cell, problem: Problem, chains: int) -> Network:
    from ..network import Network

    settings = cell.get("network")
    rows, columns = problem.shape
    widths = settings.get("widths")
    if widths is None:
        width = settings.get("width", min(rows, columns))
        widths = [columns, *[width] * (int(settings["depth"]) - 1), rows]
    starts = None if settings.get("common_start", False) else chains
    seed = settings.get("seed", cell.seed("start"))
    return Network.gaussian(widths, scale=settings.get("scale", 1.0), seed=seed, chains=starts)


def _optimiser(cell: Cell) -> SGD | GD:
    from ..dynamics import GD, SGD

    settings = dict(cell.get("optimiser"))
    method = settings.pop("method", "SGD")
    for name in ("lr", "ridge"):
        settings[name] = _schedule(settings[name], name)
    return GD(**settings) if method == "GD" else SGD(**settings)


def _schedule(value: Any, name: str) -> float | Schedule:
    from ..dynamics import Geometric, Linear, Piecewise

    if not isinstance(value, dict):
        return value
    kinds = dict(zip(_SCHEDULES, (Linear, Geometric, Piecewise), strict=True))
    settings = dict(value)
    kind = settings.pop("kind", None)
    try:
        return kinds[kind](**settings)
    except KeyError:
        raise InputError(f"optimiser.{name}: kind must be one of {', '.join(kinds)}, not {kind!r}.") from None
    except TypeError as error:
        raise InputError(f"optimiser.{name}: these are not the arguments of {kind} ({error}).") from error


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
