"""The verb: complete a table of triplets that need not fit in memory, without being told its rank."""

from __future__ import annotations

import tempfile
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, isfinite, log2
from pathlib import Path
from shutil import rmtree
from typing import Any, Literal

import numpy as np

from ..argument_checks import one_of, optional, text, whole
from ..completion.clock import Progress
from ..completion.options import EFFECTS, RULES
from ..compute.threads import max_threads, threads_without_blas
from ..errors import InputError
from ..progress_display import shown_progress
from ..scale import SCALES
from .blocks import Layout
from .deliver import deliver, finish
from .fit import Fit, choose, search
from .ingest import Plan, make_blocks, make_keys
from .result import DistributedCompletion, load
from .sample import ask_sample
from .scheduler import Scheduler, require_dask
from .sources import CELLS_AT_ONCE, Names, parts_of
from .storage import write_result
from .sweep import Source
from .work import begin, check_disk, size_of

# largest rank that is looked for without being asked: sums take n r^2 / 2 numbers
_MOST = 100
# held-out cells without which ranks are not compared: their error has a standard error of an eighth
_LEAST_HELD = 30
# bytes of a cell while it is sorted, sums that a thread holds at a time, and bytes of Python, NumPy, numba
# and pyarrow themselves
_SORTING, _SUMS, _LIBRARIES = 100, 3, 400_000_000


@dataclass(frozen=True)
class Settings:
    """Arguments of :func:`complete` that decide the result, checked."""

    names: Names
    seed: int
    max_rank: int | None
    effects: str
    rule: str
    scale: str
    duplicates: str
    bounds: tuple[float, float] | None

    def plan(self, identity: list[object] | None) -> dict[str, object]:
        """What a folder remembers of a call."""
        plan = {key: value for key, value in vars(self).items() if key not in ("names", "bounds")}
        limits = None if self.bounds is None else [repr(limit) for limit in self.bounds]
        return {**plan, "names": vars(self.names), "bounds": limits, "source": identity}


def complete(
    source: object,
    *,
    row: str,
    column: str,
    value: str,
    weight: str | None = None,
    client: Any = None,
    out: str | Path | None = None,
    memory: str | int | None = None,
    seed: int = 0,
    max_rank: int | None = None,
    n_jobs: int | None = None,
    callback: Callable[[Progress], None] | None = None,
    progress: bool = False,
    duplicates: Literal["error", "mean"] = "error",
    scale: Literal["linear", "log", "log1p"] = "linear",
    bounds: tuple[float | None, float | None] | None = None,
    effects: Literal["auto", "none", "mean", "columns", "both"] = "auto",
    rule: Literal["one-se", "min"] = "one-se",
    ordered: Literal["none"] = "none",
) -> DistributedCompletion:
    """Complete a table that is given as triplets and need not fit in memory.

    The model is that of :func:`rankfall.complete` with one scale for all columns, ``x_ij = mean + rows_i +
    cols_j + u_i . v_j + noise``. Cells are sorted into blocks of rows on disk. Rank, effects and noise model
    are chosen on a sample of rows and columns by :func:`rankfall.complete`; the rank is then compared with
    two above and two below (further ones while the last is the best) by the error at held-out cells of the
    whole table. Factors have normal posteriors that are independent between rows and columns (variational
    Bayes), found in sweeps: each reads every block once, computes the rows of a block from the columns, and
    adds up what they say about the columns, n (K + 1) (K + 2) / 2 numbers for K coordinates. No bit of the
    result depends on the number of threads or workers, or on how the source is partitioned.

    Parameters
    ----------
    source : path, pyarrow Table or Dataset, frame of Dask, pandas or polars
        One entry for each observed cell. A path is a folder of Parquet or of CSV files (``.parquet``,
        ``.csv``, ``.csv.gz``, ``.tsv``), or one such file.
    row, column, value : str
        Names of the columns that hold the keys of rows and columns (whole numbers, text, dates or times) and
        the values. An entry without a value names its row and column, but is not observed.
    weight : str, optional
        Name of the column that holds weights, in proportion to the inverse noise variance of the cells.
        Cells of weight 0 are not observed.
    client : distributed.Client, optional
        Runs the tasks; by default Dask's threaded scheduler in this process does. Workers must see the
        source and `out` under the same paths.
    out : path, optional
        Folder for the completion: sorted cells, checkpoints, factors. If it holds the beginning of the same
        call, that is gone on with, and at most one sweep is lost; if it holds its end, that is loaded. By
        default a temporary folder, which is removed with the result.
    memory : int or str, optional
        Bytes, or text such as "4GB", that this process may take; fewer threads are used if need be.
        With a client, the memory of its workers counts.
    seed : int
        The same seed gives the same result.
    max_rank : int, optional
        Largest rank considered, 100 by default.
    n_jobs : int, optional
        Threads of this process; all by default. Does not change the result.
    callback : callable, optional
        Called with a :class:`~rankfall.completion.Progress` after every sweep.
    progress : bool
        Show what is being done.
    duplicates : {"error", "mean"}
        What to do with cells that are given more than once with different values.
    scale, effects, rule
        As for :func:`rankfall.complete`.
    bounds : (low, high), optional
        Range in which predictions and intervals are kept; either may be None.
    ordered : {"none"}
        Orders of rows or columns are not used beyond memory.

    Returns
    -------
    DistributedCompletion

    Raises
    ------
    InputError
        If the source cannot be read or used, `out` holds something else, there is not enough disk or memory,
        or an argument is out of range. What is done by then stays in `out`.

    References
    ----------
    Y. J. Lim and Y. W. Teh, "Variational Bayesian approach to movie rating prediction", KDD Cup 2007.
    X. Qin, P. Blomstedt, E. Leppaaho, P. Parviainen and S. Kaski, "Distributed Bayesian matrix factorization
    with limited communication", Machine Learning 108 (2019).
    """
    require_dask()
    names = Names(
        text("row", row), text("column", column), text("value", value), optional(text, "weight", weight)
    )
    settings = Settings(
        names,
        whole("seed", seed, least=0),
        optional(whole, "max_rank", max_rank, least=0),
        one_of("effects", effects, ("auto", *EFFECTS)),
        one_of("rule", rule, tuple(RULES)),
        one_of("scale", scale, SCALES),
        one_of("duplicates", duplicates, ("error", "mean")),
        read_limits(bounds),
    )
    if ordered != "none":
        raise InputError('Orders of rows or columns are not used beyond memory; ordered must be "none".')
    limit = _bytes(memory)
    n_threads = min(optional(whole, "n_jobs", n_jobs, least=1) or max_threads(), max_threads())
    parts, identity = parts_of(source, names)
    folder = Path(tempfile.mkdtemp(prefix="rankfall-")) if out is None else Path(out).resolve()
    if isinstance(source, (str, Path)) and folder.is_relative_to(Path(source).resolve()):
        raise InputError(f"{out} lies inside the source, whose files it would become; choose another folder.")
    if out is not None and begin(folder, settings.plan(identity), identity is not None):
        return load(folder)
    (folder / "work").mkdir(exist_ok=True)
    try:
        with threads_without_blas(n_threads), shown_progress(progress, callback) as tell:
            scheduler = Scheduler(client, n_threads)
            result = _complete(parts, settings, folder, scheduler, limit, tell)
    except BaseException:
        if out is None:
            rmtree(folder, ignore_errors=True)
        raise
    if out is None:
        weakref.finalize(result, rmtree, folder, ignore_errors=True)
    return result


def _complete(
    parts: list[Any],
    settings: Settings,
    folder: Path,
    scheduler: Scheduler,
    memory: int | None,
    tell: Callable[[Progress], None] | None,
) -> DistributedCompletion:
    started = time.perf_counter()

    def report(phase: str) -> None:
        if tell is not None:
            tell(Progress(phase, seconds=time.perf_counter() - started))

    scheduler.require_folder(str(folder))
    plan = Plan(str(folder), settings.names, settings.duplicates, settings.scale, settings.seed)
    report("reading the keys of rows and columns")
    keys = make_keys(parts, plan, scheduler)
    n_given = int(keys[0].counts.sum())
    if not n_given:
        raise InputError("There is no observed entry: nothing to complete the matrix from.")
    check_disk(folder, n_given)
    layout = Layout.of(keys[0].counts, keys[1].counts)
    report(f"sorting {n_given:,} cells into {layout.n_blocks} blocks")
    totals = make_blocks(parts, plan, layout, _to_sort(memory, scheduler, layout, n_given))
    if totals.n_held < _LEAST_HELD:
        raise InputError(
            f"There are too few cells ({totals.n_cells}) to hold some out; rankfall.complete is for tables "
            "of this size."
        )
    by_axis = [each.counts for each in keys]
    row_counts, col_counts = by_axis[::-1] if layout.swapped else by_axis
    source = Source(str(folder), "", 0, layout, totals.mean, 1.0)
    report("completing a sample")
    options = {"seed": settings.seed, "max_rank": settings.max_rank, "effects": settings.effects,
               "rule": settings.rule}  # fmt: skip
    sample = ask_sample(
        source, scheduler, row_counts, col_counts, float(np.sqrt(totals.variance)), options, tell
    )
    source = Source(str(folder), "", 0, layout, sample.center, sample.scale)
    most = min(_MOST if settings.max_rank is None else settings.max_rank, layout.n_cols, layout.n_rows)
    scheduler = _to_sweep(memory, scheduler, layout, totals.n_cells, min(sample.rank + 2, most))
    fit = Fit(folder, scheduler, source, size_of(folder), tell, started)
    tried = search(fit, sample.start, settings.seed, settings.rule, most)
    chosen = choose(tried, settings.rule)
    write_result(folder, deliver(fit, tried, chosen, sample, totals), settings, layout)
    finish(folder)
    return load(folder)


def _to_sort(memory: int | None, scheduler: Scheduler, layout: Layout, n_cells: int) -> Scheduler:
    """The scheduler with as many threads as the memory allows while cells are sorted."""
    at_once = max(min(n_cells, CELLS_AT_ONCE), n_cells // layout.n_blocks)
    return _within(memory, scheduler, _SORTING * at_once, 0)


def _to_sweep(memory: int | None, scheduler: Scheduler, layout: Layout, n_cells: int, rank: int) -> Scheduler:
    """The scheduler with as many threads as the memory allows in sweeps at this rank."""
    K = rank + 2
    sums = 8 * layout.n_cols * (K + 1) * (K + 2) // 2
    # in every process: the columns' moments, and sums of the tree that wait
    shared = sums * (2 + ceil(log2(len(layout.groups()) + 1)))
    return _within(memory, scheduler, _SORTING * (n_cells // layout.n_blocks) + _SUMS * sums, shared)


def _within(memory: int | None, scheduler: Scheduler, each: int, shared: int) -> Scheduler:
    """The scheduler with as many threads as the memory allows, if each takes so many bytes.

    Raises
    ------
    InputError
        If it allows none.
    """
    if memory is None or scheduler.client is not None:
        return scheduler
    fits = (memory - _LIBRARIES - shared) // each
    if fits < 1:
        raise InputError(
            f"A thread needs about {each / 1e9:.2g} GB beside {(_LIBRARIES + shared) / 1e9:.2g} GB, and "
            f"memory is {memory / 1e9:.2g} GB; in sweeps a smaller max_rank needs less."
        )
    return Scheduler(None, int(min(fits, scheduler.n_threads)))


def _bytes(memory: str | int | None) -> int | None:
    if memory is None:
        return None
    from dask.utils import parse_bytes

    try:
        found = int(parse_bytes(memory)) if not isinstance(memory, bool) else 0
    except (ValueError, TypeError, AttributeError):
        found = 0
    if found < 1:
        raise InputError(f'memory must be a number of bytes or text such as "4GB", not {memory!r}.')
    return found


def read_limits(bounds: object) -> tuple[float, float] | None:
    """A pair of bounds; infinite where there is none.

    Raises
    ------
    InputError
        If they are anything else.
    """
    if bounds is None:
        return None
    try:
        low, high = bounds  # type: ignore[misc]
        low = -np.inf if low is None else float(low)
        high = np.inf if high is None else float(high)
    except (TypeError, ValueError):
        low, high = 1.0, 0.0
    if not low < high or not (isfinite(low) or isfinite(high)):
        raise InputError(
            f"bounds must be one pair (low, high) of numbers or None beyond memory, not {bounds!r}."
        )
    return low, high
