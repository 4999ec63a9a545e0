"""The laboratory: crash-safe sweeps of many cells, packaged studies, and a demonstration on real data.

A study (:func:`read_study`, a TOML file) says which cells there are; :func:`run_sweep` computes those that
its folder does not have yet, :func:`sweep_status` says how far it is and :func:`open_sweep` reads the results
as one data frame. :func:`run_study` runs a packaged study, judges its claims and draws its figure.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cell import Cell
    from .claims import Claim, claims_markdown, claims_table, verdict, write_claims
    from .packaged_study import StudyResult, run_study
    from .studies import study_names
    from .sweep.clusters import cluster
    from .sweep.config import read_study
    from .sweep.run import Sweep, SweepProgress, run_sweep
    from .sweep.status import SweepStatus, open_sweep, sweep_status
    from .sweep.study import Study

_HOMES = {
    "Cell": ".cell",
    "Claim": ".claims",
    "claims_markdown": ".claims",
    "claims_table": ".claims",
    "verdict": ".claims",
    "write_claims": ".claims",
    "cluster": ".sweep.clusters",
    "StudyResult": ".packaged_study",
    "run_study": ".packaged_study",
    "read_study": ".sweep.config",
    "study_names": ".studies",
    "Study": ".sweep.study",
    "Sweep": ".sweep.run",
    "SweepProgress": ".sweep.run",
    "SweepStatus": ".sweep.status",
    "open_sweep": ".sweep.status",
    "run_sweep": ".sweep.run",
    "sweep_status": ".sweep.status",
}

__all__ = [
    "Cell",
    "Claim",
    "Study",
    "StudyResult",
    "Sweep",
    "SweepProgress",
    "SweepStatus",
    "claims_markdown",
    "claims_table",
    "cluster",
    "open_sweep",
    "read_study",
    "run_study",
    "run_sweep",
    "study_names",
    "sweep_status",
    "verdict",
    "write_claims",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
