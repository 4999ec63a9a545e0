"""The end of a run: the chosen rank fitted to all cells, intervals calibrated, factors written down."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import Outcome
from ..files import atomic_path
from ..version import __version__
from .fit import CONVERGED, Fit
from .ingest import Totals, read_keys
from .keys import Keys
from .sample import Sample
from .state import Judged
from .sweep import Source, both_scores, chunks, fold, held_out_scores
from .work import RESULT

# scores that are kept to calibrate intervals: more do not make a quantile more certain
_SCORES = 1_000_000
# relative held-out error below which a fit is called exact, where the sample has an exact fit
_EXACT = 1e-6


@dataclass(frozen=True, eq=False)
class Delivered:
    """What a run found, for the file of the result.

    Attributes
    ----------
    judged : Judged
        The fit to all cells, with the held-out errors of the one that had not seen them.
    scores, errors : ndarray, shape (n_kept,)
        Ascending: absolute errors at held-out cells over their local scales, and without.
    by_column : ndarray, shape (k, 5)
        See :func:`~.sweep.held_out_scores`; of the columns of the source, standardised.
    path : dict of ndarray
    meta : dict
    """

    judged: Judged
    scores: np.ndarray
    errors: np.ndarray
    by_column: np.ndarray
    path: dict[str, np.ndarray]
    meta: dict[str, Any]


def deliver(fit: Fit, tried: dict[int, Judged], chosen: int, sample: Sample, totals: Totals) -> Delivered:
    """Fit what was chosen on all cells, and write its factors."""
    best = fit.chosen(tried[chosen])
    fit.tell("calibrating intervals")
    source = fit.write("calibrated", best)
    scores, errors, by_column = fit.scheduler.reduce(
        held_out_scores, both_scores, range(fit.layout.n_blocks), source, merge_more=(fit.layout.swapped,)
    )
    step = max(-(-scores.size // _SCORES), 1)
    final = fit.on_everything(best)
    fit.tell("writing the factors")
    _write_factors(fit, final)
    exact = sample.exact and best.rmse <= _EXACT
    outcome = Outcome.EXACT if exact else Outcome.CHOSEN if chosen else Outcome.EFFECTS_ONLY
    if len(best.state.history) >= CONVERGED and not exact:
        outcome = Outcome.NOT_CONVERGED
    meta = {
        "outcome": outcome.value,
        "center": fit.source.center,
        "deviation": fit.source.scale,
        "swapped": fit.layout.swapped,
        "n_cells": totals.n_cells,
        "n_held": totals.n_held,
        "seconds": time.perf_counter() - fit.started,
        "effects": sample.effects,
        "sample": {"rank": sample.rank, "shape": list(sample.shape), "cells": sample.n_cells},
        "sweeps": final.state.sweeps,
        "bytes_per_sweep": fit.n_bytes,
        "versions": _versions(),
    }
    return Delivered(
        final,
        np.sort(scores[::step]),
        np.sort(errors[::step]) * fit.source.scale,
        by_column,
        _path(tried, chosen, fit.source.scale),
        meta,
    )


def finish(folder: Path) -> None:
    """Remove what a finished completion does not need."""
    if (folder / RESULT).exists():
        rmtree(folder / "work", ignore_errors=True)


def factor_folders(folder: Path, swapped: bool) -> tuple[Path, Path]:
    """Where the factors of the layout's rows and columns are."""
    names = ("column_factors", "row_factors") if swapped else ("row_factors", "column_factors")
    return folder / names[0], folder / names[1]


def _write_factors(fit: Fit, final: Judged) -> None:
    """Parquet with the key, the number of cells, factors and effect of every row and column."""
    by_row, by_col = factor_folders(fit.folder, fit.layout.swapped)
    for path in (by_row, by_col):
        path.mkdir(exist_ok=True)
    source = fit.write("delivered", final)
    fit.scheduler.map(_write_rows, range(fit.layout.n_blocks), source, str(by_row))
    state, scale = final.state, fit.source.scale
    keys = read_keys(fit.folder)[0 if fit.layout.swapped else 1]
    effect = state.mean[:, -1] * scale if state.col_effects else None
    _write(by_col / "part-00000.parquet", keys, 0, state.mean[:, : state.rank] * scale, effect)


def _write_rows(block: int, source: Source, folder: str) -> None:
    columns, layout = source.loaded(), source.layout
    state = columns.state
    cells = source.standardised(source.block(block).cells(None))
    mean = np.concatenate(
        [np.zeros((0, state.size)), *(fold(part, columns).mean for _, part in chunks(cells, state.size))]
    )
    keys = read_keys(Path(source.folder))[1 if layout.swapped else 0]
    effect = mean[:, state.rank] * source.scale if state.row_effects else None
    path = Path(folder) / f"part-{block:05d}.parquet"
    _write(path, keys, int(layout.edges[block]), mean[:, : state.rank], effect)


def _write(path: Path, keys: Keys, first: int, factors: np.ndarray, effect: np.ndarray | None) -> None:
    last = first + factors.shape[0]
    columns: dict[str, Any] = {
        "key": keys.labels[first:last],
        "cells": pa.array(keys.counts[first:last]),
        **{f"factor_{k}": pa.array(np.ascontiguousarray(factors[:, k])) for k in range(factors.shape[1])},
    }
    if effect is not None:
        columns["effect"] = pa.array(np.ascontiguousarray(effect))
    with atomic_path(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def _path(tried: dict[int, Judged], chosen: int, scale: float) -> dict[str, np.ndarray]:
    ranks = sorted(tried)
    columns = {
        "rank": np.array(ranks, dtype=np.int64),
        "validation": np.array([tried[rank].rmse for rank in ranks]) * scale,
        "validation_mae": np.array([tried[rank].mae for rank in ranks]) * scale,
        "relative": np.array([tried[rank].error for rank in ranks]),
        "sweeps": np.array([len(tried[rank].state.history) for rank in ranks], dtype=np.int64),
    }
    return {**columns, "chosen": columns["rank"] == chosen}


def _versions() -> dict[str, str]:
    import numba

    return {
        "rankfall": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "pyarrow": pa.__version__,
        "dask": version("dask"),
    }
