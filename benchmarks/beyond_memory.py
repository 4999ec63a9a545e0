"""Completion of triplets that need not fit in memory, beside an oracle and beside the completion in memory.

    python benchmarks/beyond_memory.py --rows 12000 --columns 6000 --cells 1000000 --rank 10 --in-memory
    python benchmarks/beyond_memory.py --rows 480000 --columns 18000 --cells 100000000 --rank 12 --folder DIR

The table is ``U diag(s) V^T + noise`` with normal factors; strengths s fall geometrically by ``--condition``
in all, and the signal has standard deviation 1. Numbers of cells of rows follow a power law (Pareto with
shape 1.2, at most a fifth of the columns), columns are drawn with probability j^-0.7. It is drawn and written
a piece of rows at a time, as a folder of Parquet, one cell in fifty kept hidden. The oracle is told the rank,
the noise, the strengths and the true column factors: its rows are posterior means given their cells. What is
in the folder already is not drawn again, and a completion that was stopped goes on. Memory is the largest
resident memory of this process, the sum of the largest ones of its children (workers) added.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import rankfall as rf
from peak_memory import peak_megabytes
from rankfall.completion.solvers.kernels import variational as kernels

# cells of a piece, and the share of cells that are hidden
PIECE, HIDDEN = 2_000_000, 0.02
SHAPE, COLUMNS = 1.2, 0.7


@dataclass(frozen=True)
class Table:
    """What is drawn."""

    rows: int
    columns: int
    cells: int
    rank: int
    noise: float
    condition: float
    seed: int

    def strengths(self) -> np.ndarray:
        """Standard deviations of the factors' parts of the signal."""
        s = np.geomspace(1.0, 1.0 / self.condition, self.rank)
        return s / np.linalg.norm(s)

    def loadings(self) -> np.ndarray:
        """Column factors with their strengths, (columns, rank)."""
        rng = np.random.default_rng([self.seed, 0])
        return rng.standard_normal((self.columns, self.rank)) * self.strengths()

    def counts(self) -> np.ndarray:
        """Cells of every row, in random order."""
        rng = np.random.default_rng([self.seed, 1])
        most = self.columns // 5
        raw = np.minimum(1 + rng.pareto(SHAPE, self.rows), most)
        # rounding and the cap change the total: a few steps of scaling
        scale = self.cells / raw.sum()
        for _ in range(20):
            counts = np.clip(np.round(raw * scale), 3, most)
            scale *= self.cells / counts.sum()
        return counts.astype(np.int64)


def write(table: Table, folder: Path) -> dict[str, float]:
    """Draw what is not there yet; the oracle's squared errors and their number."""
    counts, V = table.counts(), table.loadings()
    popular = np.arange(1, table.columns + 1) ** -COLUMNS
    bounds = np.cumsum(popular / popular.sum())
    names = np.random.default_rng([table.seed, 2]).permutation(table.columns)
    edges = np.searchsorted(np.cumsum(counts), np.arange(0, counts.sum(), PIECE))
    edges = np.unique(np.append(edges, table.rows))
    total = {"squares": 0.0, "cells": 0.0, "hidden": 0.0}
    for k, (first, last) in enumerate(pairwise(edges)):
        facts = folder / f"facts-{k:05d}.json"
        if not facts.exists():
            found = _piece(table, folder, k, first, counts[first:last], V, bounds, names)
            facts.write_text(json.dumps(found))
        for name, value in json.loads(facts.read_text()).items():
            total[name] += value
    return total


def _piece(table, folder, k, first, counts, V, bounds, names) -> dict[str, float]:
    rng = np.random.default_rng([table.seed, 3, k])
    m, rank = counts.size, table.rank
    U = rng.standard_normal((m, rank))
    # without replacement, nearly: a column drawn twice is drawn once
    rows = np.repeat(np.arange(m), counts + counts // 8)
    cols = names[np.searchsorted(bounds, rng.random(rows.size)).clip(0, table.columns - 1)]
    cells = np.unique(rows * table.columns + cols)
    rows, cols = np.divmod(cells, table.columns)
    kept = np.arange(rows.size) - np.searchsorted(rows, np.arange(m))[rows]
    order = rng.permutation(rows.size)
    # a random part of those of a row, no more than its number
    kept = np.empty(rows.size, np.int64)
    by_row = order[np.argsort(rows[order], kind="stable")]
    kept[by_row] = np.arange(rows.size) - np.searchsorted(rows, rows)
    inside = kept < counts[rows]
    rows, cols = rows[inside], cols[inside]
    values = np.einsum("kr,kr->k", U[rows], V[cols]) + table.noise * rng.standard_normal(rows.size)
    hidden = rng.random(rows.size) < HIDDEN
    for name, part in (("hidden", hidden), ("cells", ~hidden)):
        out = pa.table({"row": rows[part] + first, "column": cols[part], "value": values[part]})
        pq.write_table(out, folder / name / f"part-{k:05d}.parquet", row_group_size=1_000_000)
    known = ~hidden
    mean, cov = np.zeros((m, rank)), np.zeros((m, rank * (rank + 1) // 2))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows[known], minlength=m))])
    free, zero = np.arange(rank), np.zeros((table.columns, rank * (rank + 1) // 2))
    kernels.update_rows(
        indptr, cols[known], values[known], np.ones(np.count_nonzero(known)), V,
        kernels.second_moments(V, zero, free), free, -1, np.ones(rank), np.zeros(rank), table.noise**2,
        np.inf, 1, mean, cov, np.ones((m, 2)),
    )  # fmt: skip
    errors = values[hidden] - np.einsum("kr,kr->k", mean[rows[hidden]], V[cols[hidden]])
    return {"squares": float(errors @ errors), "cells": float(np.count_nonzero(known)), "hidden": errors.size}


def hidden_errors(result: Any, folder: Path) -> tuple[float, float, int]:
    """RMSE at the hidden cells, coverage of 90% intervals, and the number of cells."""
    squares, inside, n = 0.0, 0, 0
    for path in sorted((folder / "hidden").glob("*.parquet")):
        cells = pq.read_table(path)
        values = cells.column("value").to_numpy()
        squares += float(np.sum((result.predict(cells) - values) ** 2))
        low, high = result.interval(cells, 0.9)
        inside += int(np.count_nonzero((low <= values) & (values <= high)))
        n += values.size
    return float(np.sqrt(squares / n)), inside / n, n


def in_memory(folder: Path, table: Table) -> dict[str, Any]:
    """The completion in memory of the same cells."""
    cells = pq.read_table(folder / "cells")
    rows, cols, values = (cells.column(name).to_numpy() for name in ("row", "column", "value"))
    problem = rf.Problem.from_triplets(rows, cols, values, (table.rows, table.columns))
    began = time.perf_counter()
    result = rf.complete(problem, seed=0)
    seconds = time.perf_counter() - began
    hidden = pq.read_table(folder / "hidden")
    at = hidden.column("row").to_numpy(), hidden.column("column").to_numpy()
    truth = hidden.column("value").to_numpy()
    low, high = result.interval(*at, 0.9)
    return {
        "rank": result.rank,
        "rmse": float(np.sqrt(np.mean((result.predict(*at) - truth) ** 2))),
        "coverage": float(np.mean((low <= truth) & (truth <= high))),
        "seconds": seconds,
    }


def peak() -> float:
    """Megabytes of this process, and of its children."""
    import resource

    return peak_megabytes() + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10


def show(progress: Any) -> None:
    """One line for every sweep, and for what comes between."""
    if "sweep" not in progress.phase and "sort" not in progress.phase and "sample" not in progress.phase:
        return
    error = "" if progress.validation_rmse is None else f", held-out RMSE {progress.validation_rmse:.5g}"
    print(f"  {progress.seconds:7.1f} s  {progress.phase}{error}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    for name, default in (
        ("rows", 12_000),
        ("columns", 6_000),
        ("cells", 1_000_000),
        ("rank", 10),
        ("seed", 0),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--noise", type=float, default=0.5)
    parser.add_argument("--condition", type=float, default=3.0)
    parser.add_argument("--folder", type=Path, help="kept, and gone on with; by default a temporary one")
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes of a local cluster; 0: none")
    parser.add_argument("--in-memory", action="store_true", help="complete in memory, too")
    parser.add_argument("--quiet", action="store_true")
    given = parser.parse_args(arguments)
    table = Table(**{name: getattr(given, name) for name in Table.__dataclass_fields__})
    if given.folder is not None:
        run(table, given.folder, given)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(table, Path(folder), given)


def run(table: Table, folder: Path, given: argparse.Namespace) -> None:
    """Draw, complete, compare, print."""
    for name in ("cells", "hidden"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    print(", ".join(f"{name} {value:,}" for name, value in asdict(table).items()), flush=True)
    print("strengths", np.round(table.strengths(), 3), flush=True)
    total = write(table, folder)
    oracle = float(np.sqrt(total["squares"] / total["hidden"]))
    print(f"{total['cells']:,.0f} cells, {total['hidden']:,.0f} hidden ones", flush=True)
    rf.complete(
        rf.datasets.low_rank((40, 40), rank=2, observed=0.2, noise=0.1, seed=0)[0]
    )  # loads the kernels
    began = time.perf_counter()
    settings: dict[str, Any] = {
        **{name: name for name in ("row", "column", "value")},
        "memory": given.memory,
        "n_jobs": given.threads,
        "callback": None if given.quiet else show,
    }
    if given.workers:
        from distributed import Client, LocalCluster

        options: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": None}
        with LocalCluster(n_workers=given.workers, **options) as cluster, Client(cluster) as client:
            result = rf.dask.complete(folder / "cells", out=folder / "out", client=client, **settings)
    else:
        result = rf.dask.complete(folder / "cells", out=folder / "out", **settings)
    seconds = time.perf_counter() - began
    memory = peak()
    print(result.summary())
    print(result.path.to_string(index=False))
    rmse, coverage, _ = hidden_errors(result, folder)
    print(f"rank {result.rank} (of {table.rank}); {seconds:.1f} s; {memory:,.0f} MB at most")
    print(
        f"RMSE at hidden cells {rmse:.5f}: oracle {oracle:.5f}, ratio {rmse / oracle:.4f}; "
        f"noise {table.noise}, ratio {rmse / table.noise:.4f}; coverage of 90% intervals {coverage:.4f}"
    )
    if given.in_memory:
        other = in_memory(folder, table)
        print(
            f"in memory: rank {other['rank']}, RMSE {other['rmse']:.5f} (beyond memory over this "
            f"{rmse / other['rmse']:.4f}), coverage {other['coverage']:.4f}, {other['seconds']:.1f} s, "
            f"{peak():,.0f} MB at most"
        )


if __name__ == "__main__":
    main()
