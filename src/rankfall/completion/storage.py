"""Completions on disk."""

from __future__ import annotations

import numpy as np

from ..errors import InputError, Outcome
from ..files import load_archive, save_archive
from ..problem import Problem
from .result import Completion

KIND = "completion"


def save(result: Completion, path: object) -> None:
    """Write a completion to one .npz archive (arrays and JSON, no pickle), whole or not at all."""
    U, s, Vt = result.factors
    arrays = {
        "rows": result.problem.rows,
        "cols": result.problem.cols,
        "values": result.problem.values,
        "U": U,
        "s": s,
        "Vt": Vt,
    }
    arrays |= {f"path_{name}": result.path[name].to_numpy() for name in result.path.columns}
    arrays |= {f"history_{name}": value for name, value in result.history.items()}
    arrays |= {f"fold_{name}": np.asarray(value) for name, value in result.fold.items()}
    if result.effects is not None:
        arrays |= {f"effects_{name}": np.asarray(value) for name, value in result.effects.items()}
    meta = {
        "shape": list(result.shape),
        "rank": result.rank,
        "outcome": result.outcome.value,
        "warnings": list(result.warnings),
        "settings": result.settings,
        "seconds": result.seconds,
        "versions": result.versions,
        "fill": result.fill,
        "row_names": result.row_names,
        "col_names": result.col_names,
    }
    save_archive(path, arrays, meta, KIND)  # type: ignore[arg-type]


def load(path: object) -> Completion:
    """Read a completion that :meth:`Completion.save` wrote.

    Raises
    ------
    InputError
        If the file is not one of ours, is damaged, or was written by a later format.
    """
    import pandas as pd

    arrays, meta = load_archive(path, KIND)  # type: ignore[arg-type]

    def group(prefix: str) -> dict[str, np.ndarray]:
        return {name[len(prefix) :]: value for name, value in arrays.items() if name.startswith(prefix)}

    try:
        return Completion(
            problem=Problem.from_triplets(
                arrays["rows"], arrays["cols"], arrays["values"], tuple(meta["shape"])
            ),
            rank=int(meta["rank"]),
            outcome=Outcome(meta["outcome"]),
            warnings=tuple(meta["warnings"]),
            factors=(arrays["U"], arrays["s"], arrays["Vt"]),
            effects=group("effects_") or None,
            path=pd.DataFrame(group("path_")),
            history=group("history_"),
            settings=meta["settings"],
            seconds=float(meta["seconds"]),
            versions=meta["versions"],
            fold=group("fold_"),
            fill=meta["fill"],
            row_names=None if meta["row_names"] is None else tuple(meta["row_names"]),
            col_names=None if meta["col_names"] is None else tuple(meta["col_names"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not a complete rankfall result ({error}).") from error
