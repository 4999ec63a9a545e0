"""Completions on disk."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from types import MappingProxyType
from typing import Any

import numpy as np

from ...errors import Outcome
from ...files.schema import Saved, blamed_on
from ...frames.layout import read_layout
from ...problem import Problem
from ...scale import scaled
from ..solvers.chain import Chain
from ..solvers.noise_model import NoiseModel
from ..solvers.posterior import Posterior, Side
from .fitted_model import FittedModel, HeldOut
from .limit_cells import LimitCells
from .schema import CHAIN, HELD, LIMITS, MODEL, SCHEMA, SIDE

# attributes whose names in files are others
_ATTRIBUTES = {"line": "axis_noise", "row_share": "row_noise_scale", "col_share": "col_noise_scale"}


# fields that are written as they are
_PLAIN = ("scale", "settings", "seconds", "versions", "fill", "row_names", "col_names")


def write(
    path: str | PathLike[str],
    fields: Mapping[str, Any],
    more: Mapping[str, np.ndarray] = MappingProxyType({}),
    kinds: Mapping[str, Any] | None = None,
) -> None:
    """Write the fields of a completion to one .npz archive (arrays and JSON, no pickle), whole or not at
    all; `more` and `kinds` are what is beside it where columns are of several kinds.
    """
    problem, table, certificate = fields["problem"], fields["path"], fields["watched"]
    arrays = {"rows": problem.rows, "cols": problem.cols, "values": problem.values, "units": fields["units"]}
    arrays |= {f"path_{name}": table[name].to_numpy() for name in table.columns}
    arrays |= {f"history_{name}": value for name, value in fields["history"].items()}
    arrays |= {f"model_{name}": value for name, value in _arrays(fields["model"]).items()}
    bounds = fields["bounds"]
    if bounds is not None and np.ndim(bounds[0]) > 0:
        arrays |= {"bounds_low": bounds[0], "bounds_high": bounds[1]}
        bounds = None
    if problem.weights is not None:
        arrays["weights"] = problem.weights
    limits = fields["limits"]
    if limits is not None:
        arrays |= {f"limits_{name}": getattr(limits, name) for name in LIMITS}
    meta = {
        "shape": list(problem.shape),
        "outcome": fields["outcome"].value,
        "warnings": list(fields["warnings"]),
        **{name: fields[name] for name in _PLAIN},
        "layout": None if problem.layout is None else problem.layout.as_plain(),
        "bounds": bounds,
        "certificate": None if certificate is None else certificate.as_dict(),
    }
    if kinds is not None:
        meta["kinds"] = dict(kinds)
    SCHEMA.write(path, {**arrays, **more}, meta)


def read_saved(path: str | PathLike[str]) -> tuple[Saved, dict[str, Any]]:
    """What a file holds, and the fields of the completion that :func:`write` wrote.

    Raises
    ------
    InputError
        If the file is not one of ours, is damaged, or was written by a later format.
    """
    import pandas as pd

    saved = SCHEMA.read(path)
    meta = saved.meta
    with blamed_on(path):
        layout = meta["layout"]
        if layout is not None:
            names = (meta["row_names"], meta["col_names"])
            layout = read_layout("layout", layout, *names, meta["shape"][1])
        weights = saved.get("weights")
        problem = Problem(saved["rows"], saved["cols"], saved["values"], meta["shape"], weights, layout)
        fitted = scaled(problem, meta["scale"])
    return saved, {
        "problem": problem,
        "outcome": Outcome(meta["outcome"]),
        "warnings": meta["warnings"],
        "model": _model(saved, fitted),
        "path": pd.DataFrame(saved.group("path_")),
        "history": saved.group("history_"),
        "units": saved["units"],
        **{name: meta[name] for name in _PLAIN},
        "bounds": meta["bounds"]
        if "bounds_low" not in saved
        else (saved["bounds_low"], saved["bounds_high"]),
        "watched": meta["certificate"],
        "limits": LimitCells(*(saved[f"limits_{name}"] for name in LIMITS))
        if "limits_rows" in saved
        else None,
    }


def _arrays(model: FittedModel) -> dict[str, Any]:
    """The model as arrays; the covariances of the rows, the largest of all, are computed again on loading."""
    posterior = model.posterior
    out = {
        f"{name}_{part}": np.asarray(getattr(side, _ATTRIBUTES.get(part, part)))
        for name, side in (("rows", posterior.rows), ("cols", posterior.cols))
        for part in SIDE
    }
    for name, side in (("rows", posterior.rows), ("cols", posterior.cols)):
        if side.chain is not None:
            out |= {f"{name}_{part}": np.asarray(getattr(side.chain, part)) for part in CHAIN}
    held = model.held_out
    if held is not None:
        out |= {f"held_out_{name}": getattr(held, name) for name in HELD}
    return out | {
        "cols_cov": posterior.cols.cov,
        "rank": np.asarray(posterior.rank),
        "noise": np.asarray(posterior.noise),
        "line_cells": np.asarray(posterior.noise_model.prior_cells),
        "tail_dof": np.asarray(posterior.noise_model.dof),
        "converged": np.asarray(posterior.converged),
        **{name: getattr(model, _ATTRIBUTES.get(name, name)) for name in MODEL},
    }


def _model(saved: Saved, problem: Problem) -> FittedModel:
    """Back from :func:`_arrays`; `problem` is on the scale of the fit."""

    def side(name: str, cov: np.ndarray) -> Side:
        mean, free, fixed, prior, center, axis_noise = (saved[f"model_{name}_{part}"] for part in SIDE)
        chain = None
        if f"model_{name}_order" in saved:
            order, steps, coefficients, step, is_time = (saved[f"model_{name}_{part}"] for part in CHAIN)
            chain = Chain(order, steps, coefficients, float(step), bool(is_time))
        return Side(mean, cov, free, int(fixed), prior, center, axis_noise, chain)

    free = saved.lengths["F"]
    rows = side("rows", np.zeros((problem.n_rows, free * (free + 1) // 2)))
    posterior = Posterior(
        int(saved["model_rank"]),
        rows,
        side("cols", saved["model_cols_cov"]),
        float(saved["model_noise"]),
        NoiseModel(float(saved["model_line_cells"]), float(saved["model_tail_dof"])),
        bool(saved["model_converged"]),
    )
    held = None
    if "model_held_out_rows" in saved:
        held = HeldOut(*(saved[f"model_held_out_{name}"] for name in HELD))
    model = FittedModel(posterior, *(saved[f"model_{name}"] for name in MODEL), held_out=held)
    return model if model.exact else model.with_row_covariances(problem)
