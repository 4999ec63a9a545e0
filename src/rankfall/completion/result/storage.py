"""Completions on disk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import InputError, Outcome
from ...files import load_archive, save_archive
from ...problem import Problem
from ...scale import scaled
from ...theory import Certificate
from ..solvers.noise_model import NoiseModel
from ..solvers.variational import Posterior, Side, compressed, folded
from .completion import Completion
from .fitted_model import FittedModel, HeldOut

KIND = "completion"


def save(result: Completion, path: object) -> None:
    """Write a completion to one .npz archive (arrays and JSON, no pickle), whole or not at all."""
    arrays = {
        "rows": result.problem.rows,
        "cols": result.problem.cols,
        "values": result.problem.values,
        "units": result.units,
    }
    arrays |= {f"path_{name}": result.path[name].to_numpy() for name in result.path.columns}
    arrays |= {f"history_{name}": value for name, value in result.history.items()}
    arrays |= {f"model_{name}": value for name, value in _arrays(result.model).items()}
    if result.problem.weights is not None:
        arrays["weights"] = result.problem.weights
    meta = {
        "shape": list(result.shape),
        "scale": result.scale,
        "bounds": result.bounds,
        "outcome": result.outcome.value,
        "warnings": list(result.warnings),
        "settings": result.settings,
        "seconds": result.seconds,
        "versions": result.versions,
        "fill": result.fill,
        "row_names": result.row_names,
        "col_names": result.col_names,
        "certificate": None if result.certificate is None else result.certificate.as_dict(),
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
        problem = Problem.from_triplets(
            arrays["rows"], arrays["cols"], arrays["values"], tuple(meta["shape"])
        )
        if "weights" in arrays:
            problem = replace(problem, weights=arrays["weights"])
        return Completion(
            problem=problem,
            outcome=Outcome(meta["outcome"]),
            warnings=tuple(meta["warnings"]),
            model=_model(group("model_"), scaled(problem, meta["scale"])),
            path=pd.DataFrame(group("path_")),
            history=group("history_"),
            settings=meta["settings"],
            seconds=float(meta["seconds"]),
            versions=meta["versions"],
            units=arrays["units"],
            scale=meta["scale"],
            bounds=None if meta["bounds"] is None else tuple(meta["bounds"]),
            fill=meta["fill"],
            row_names=None if meta["row_names"] is None else tuple(meta["row_names"]),
            col_names=None if meta["col_names"] is None else tuple(meta["col_names"]),
            watched=_certificate(meta.get("certificate")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not a complete rankfall result ({error}).") from error


def _certificate(plain: dict[str, object] | None) -> Certificate | None:
    return None if plain is None else Certificate.from_dict(plain)


_HELD = ("rows", "cols", "predicted", "spread")
_SIDE = ("mean", "free", "fixed", "prior", "center", "line")
# names in files that stayed while fields were renamed
_FIELDS = {"line": "axis_noise"}


def _arrays(model: FittedModel) -> dict[str, np.ndarray]:
    """The model as arrays; the covariances of the rows, the largest of all, are computed again on loading."""
    posterior = model.posterior
    out = {
        f"{name}_{part}": np.asarray(getattr(side, _FIELDS.get(part, part)))
        for name, side in (("rows", posterior.rows), ("cols", posterior.cols))
        for part in _SIDE
    }
    held = model.held_out
    if held is not None:
        out |= {f"held_out_{name}": getattr(held, name) for name in _HELD}
    return out | {
        "cols_cov": posterior.cols.cov,
        "rank": np.asarray(posterior.rank),
        "noise": np.asarray(posterior.noise),
        "line_cells": np.asarray(posterior.noise_model.prior_cells),
        "converged": np.asarray(posterior.converged),
        "center": model.center,
        "scale": model.scale,
        "row_share": model.row_noise_scale,
        "col_share": model.col_noise_scale,
        "calibration": model.calibration,
        "held_errors": model.held_errors,
    }


def _model(arrays: dict[str, np.ndarray], problem: Problem) -> FittedModel:
    """Back from :func:`_arrays`; `problem` is on the scale of the fit."""

    def side(name: str, cov: np.ndarray) -> Side:
        # results of earlier versions lack the means of the priors, which were 0
        zeros = np.zeros_like(arrays[f"{name}_prior"])
        mean, free, fixed, prior, center, line = (arrays.get(f"{name}_{part}", zeros) for part in _SIDE)
        return Side(mean, cov, free, int(fixed), prior, center, line)

    free = arrays["rows_free"].size
    rows = side("rows", np.zeros((problem.n_rows, free * (free + 1) // 2)))
    posterior = Posterior(
        int(arrays["rank"]),
        rows,
        side("cols", arrays["cols_cov"]),
        float(arrays["noise"]),
        NoiseModel(float(arrays["line_cells"])),
        bool(arrays["converged"]),
    )
    names = ("center", "scale", "row_share", "col_share", "calibration", "held_errors")
    # results of rankfall 0.1 lack them
    held = HeldOut(*(arrays[f"held_out_{name}"] for name in _HELD)) if "held_out_rows" in arrays else None
    model = FittedModel(posterior, *(arrays[name] for name in names), held_out=held)
    if model.exact:
        return model
    problem = problem.subset(model.scale[problem.cols] > 0)
    rest = (problem.values - model.center[problem.cols]) / model.scale[problem.cols]
    again = folded(compressed(problem.with_values(rest)), posterior.cols, rows, posterior)
    return replace(model, posterior=replace(posterior, rows=replace(rows, cov=again.cov)))
