"""One packaged study from its cells to its claims and its figure."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from ..files import atomic_path
from .claims import Claim, write_claims
from .studies import study_module, study_path
from .sweep.config import read_study
from .sweep.run import Sweep, SweepProgress, run_sweep
from .sweep.status import open_sweep

RESULTS = ("claims.csv", "claims.md", "figure.png", "figure.svg", "results.parquet")
_DPI = 150
# without date and version of matplotlib, which are in no figure of the same look
_UNSIGNED: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}


@dataclass(frozen=True)
class StudyResult:
    """What a study found.

    Attributes
    ----------
    name : str
    folder : Path
        With ``claims.csv``, ``claims.md``, ``figure.png``, ``figure.svg`` and ``results.parquet``, and the
        sweep's cells.
    sweep : Sweep
        How its cells ended.
    claims : tuple of Claim
        Empty if cells failed: half of the results are not judged.
    """

    name: str
    folder: Path
    sweep: Sweep
    claims: tuple[Claim, ...]


def run_study(
    name: str,
    out: str | PathLike[str],
    quick: bool = False,
    executor: Executor | None = None,
    n_workers: int | None = None,
    progress: Callable[[SweepProgress], None] | None = None,
) -> StudyResult:
    """Run a packaged study, judge its claims and draw its figure.

    Parameters
    ----------
    name : str
        One of :func:`~rankfall.lab.study_names`.
    out : path
        Folder for the cells and for the files of the result; cells that are there are not computed again.
    quick : bool
        The version of about a minute.
    executor, n_workers, progress
        As for :func:`~rankfall.lab.sweep.run.run_sweep`.

    Returns
    -------
    StudyResult

    Raises
    ------
    InputError
        If there is no such study, or the folder cannot be written.
    """
    study = read_study(study_path(name), quick)
    sweep = run_sweep(study, out, executor, n_workers, progress)
    return write_results(name, sweep, Path(out), f"rankfall study {name}{' --quick' if quick else ''}")


def write_results(name: str, sweep: Sweep, folder: Path, command: str) -> StudyResult:
    """Judge and draw the cells in a folder, which `command` computed."""
    import matplotlib.pyplot as plt

    module = study_module(name)
    if sweep.failed:
        # what an earlier run judged does not belong to these cells
        for file in RESULTS:
            (folder / file).unlink(missing_ok=True)
        return StudyResult(name, folder, sweep, ())
    results = open_sweep(folder)
    claims = tuple(module.judge(results))
    with atomic_path(folder / "results.parquet") as temporary:
        results.to_parquet(temporary, index=False)
    write_claims(claims, folder, heading=f"Study {name}: `{command}`, {sweep.n_cells} cells.")
    with plt.rc_context({"svg.hashsalt": "rankfall"}):
        figure = module.draw(results)
        for kind, metadata in _UNSIGNED.items():
            with atomic_path(folder / f"figure.{kind}") as temporary:
                figure.savefig(temporary, format=kind, dpi=_DPI, metadata=metadata)
        plt.close(figure)
    return StudyResult(name, folder, sweep, claims)
