"""Small tables of triplets, and all that a completion of one consists of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import rankfall as rf

# effects are said: a sample so small may have them as factors just as well
NAMES: dict[str, Any] = {"row": "user", "column": "item", "value": "rating", "effects": "both"}


@dataclass(frozen=True)
class Table:
    """Triplets with text for rows and numbers for columns, and hidden cells of the same table."""

    cells: pd.DataFrame
    hidden: pd.DataFrame
    noise: float


def draw(
    shape: tuple[int, int] = (300, 40),
    rank: int = 2,
    observed: float = 0.5,
    noise: float = 0.3,
    seed: int = 0,
) -> Table:
    rng = np.random.default_rng(seed)
    m, n = shape
    dense = 2 * (rng.standard_normal((m, rank)) @ rng.standard_normal((n, rank)).T)
    dense += 3 + rng.standard_normal((m, 1)) + 2 * rng.standard_normal(n)
    dense += noise * rng.standard_normal(shape)
    mask = rng.random(shape)
    frames = []
    for chosen in (mask < observed, mask > 1 - min(0.3, 1 - observed)):
        i, j = np.nonzero(chosen)
        order = rng.permutation(i.size)
        i, j = i[order], j[order]
        frames.append(
            pd.DataFrame({"user": [f"u{k:04d}" for k in i], "item": j + 100, "rating": dense[i, j]})
        )
    return Table(*frames, noise)


def write(folder: Path, cells: pd.DataFrame, n_files: int, **options: Any) -> Path:
    folder.mkdir()
    for k in range(n_files):
        part = cells.iloc[k::n_files]
        table = pa.Table.from_pandas(part, preserve_index=False)
        pq.write_table(table, folder / f"part-{k}.parquet", **options)
    return folder


def bits(result: rf.dask.DistributedCompletion) -> dict[str, bytes]:
    """Everything that a completion consists of."""
    state = result.model.columns.state
    found = {name: getattr(state, name) for name in ("mean", "cov", "row_prior", "col_prior", "spread")}
    found |= {"noise": np.asarray(state.noise), "scores": result.model.scores, "errors": result.held_errors}
    found |= {f"path_{name}": result.path[name].to_numpy() for name in result.path}
    for axis in ("rows", "columns"):
        factors = result.factors(axis)
        found |= {
            f"{axis}_{name}": np.array(factors.column(name).to_pylist()) for name in factors.column_names
        }
    return {name: np.ascontiguousarray(array).tobytes() for name, array in found.items()}
