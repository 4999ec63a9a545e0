"""The laboratory: sweeps of many cells that survive crashes, packaged studies, the demonstration on real data.

A study (:func:`read_study`, a TOML file) says which cells there are; :func:`run_sweep` computes those that its
folder does not have yet, :func:`sweep_status` says how far it is and :func:`open_sweep` reads the results as one
data frame. :func:`run_study` runs a packaged study, judges its claims and draws its figure.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cell import Cell
    from .claims import Claim, claims_markdown, claims_table, verdict, write_claims
    from .clusters import cluster
    from .packaged import StudyResult, run_study
    from .reading import read_study
    from .results import SweepStatus, open_sweep, sweep_status
    from .studies import study_names
    from .study import Study
    from .sweep import Sweep, SweepProgress, run_sweep

_HOMES = {
    "Cell": ".cell",
    "Claim": ".claims",
    "claims_markdown": ".claims",
    "claims_table": ".claims",
    "verdict": ".claims",
    "write_claims": ".claims",
    "cluster": ".clusters",
    "StudyResult": ".packaged",
    "run_study": ".packaged",
    "read_study": ".reading",
    "study_names": ".studies",
    "Study": ".study",
    "Sweep": ".sweep",
    "SweepProgress": ".sweep",
    "SweepStatus": ".results",
    "open_sweep": ".results",
    "run_sweep": ".sweep",
    "sweep_status": ".results",
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
