"""rankfall: complete a matrix from some of its entries without being told its rank.

The package reads as one sentence: a problem (:class:`Problem`), a network (:class:`Network`), its dynamics
(:func:`train` with :class:`SGD` or :class:`GD`, recorded as :class:`Record` says into a :class:`Trace`), and
what is delivered (:func:`complete` -> :class:`Completion`). Synthetic and bundled data are in
:mod:`rankfall.datasets`, what theory says about a point in :mod:`rankfall.theory`, watched runs in
:mod:`rankfall.analysis`, sweeps and studies in :mod:`rankfall.lab`; :func:`find_jumps` says where the rank of
a run fell or rose. Ranks of any network that PyTorch trains are bounded by :mod:`rankfall.memory`, neurons
of homogeneous networks are in :mod:`rankfall.neurons`, matrices that commute with a finite group in
:mod:`rankfall.symmetry`. Results are read back with :func:`load`. For scikit-learn there are
:class:`LowRankImputer` and :class:`LowRankRegressor`.

Heavy modules load on first use, so that ``import rankfall`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .errors import InputError, Outcome, RankfallError
from .version import __version__ as __version__

if TYPE_CHECKING:
    from . import analysis, dask, datasets, geometry, lab, measures, memory, neurons, plot, symmetry, theory
    from .analysis import Descended, Jumps, Splitting, descend, find_jumps, first_passage, splitting
    from .completion import Completion, load
    from .completion.complete import complete
    from .dynamics import GD, SGD, Record, Trace, replay, train
    from .estimator import LowRankImputer, LowRankRegressor
    from .measurements import Measurements
    from .network import Network
    from .pooling import Pooled, pool
    from .problem import Problem
    from .progress_log import LogProgress

_HOMES = {
    "Problem": ".problem",
    "LogProgress": ".progress_log",
    "Network": ".network",
    "Pooled": ".pooling",
    "pool": ".pooling",
    "Measurements": ".measurements",
    "SGD": ".dynamics",
    "GD": ".dynamics",
    "Record": ".dynamics",
    "Trace": ".dynamics",
    "train": ".dynamics",
    "replay": ".dynamics",
    "Jumps": ".analysis",
    "find_jumps": ".analysis",
    "Completion": ".completion",
    "complete": ".completion.complete",
    "load": ".completion",
    "Descended": ".analysis",
    "descend": ".analysis",
    "Splitting": ".analysis",
    "first_passage": ".analysis",
    "splitting": ".analysis",
    "LowRankImputer": ".estimator",
    "LowRankRegressor": ".estimator",
}
_MODULES = (
    "analysis",
    "dask",
    "datasets",
    "geometry",
    "lab",
    "measures",
    "memory",
    "neurons",
    "plot",
    "symmetry",
    "theory",
)

__all__ = [
    "GD",
    "SGD",
    "Completion",
    "Descended",
    "InputError",
    "Jumps",
    "LogProgress",
    "LowRankImputer",
    "LowRankRegressor",
    "Measurements",
    "Network",
    "Outcome",
    "Pooled",
    "Problem",
    "RankfallError",
    "Record",
    "Splitting",
    "Trace",
    "analysis",
    "complete",
    "dask",
    "datasets",
    "descend",
    "find_jumps",
    "first_passage",
    "geometry",
    "lab",
    "load",
    "measures",
    "memory",
    "neurons",
    "plot",
    "pool",
    "replay",
    "splitting",
    "symmetry",
    "theory",
    "train",
]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
