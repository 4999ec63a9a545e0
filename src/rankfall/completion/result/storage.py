"""Completions on disk."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any

import numpy as np

from ...checks import number, one_of, text, whole
from ...errors import Outcome
from ...files.plain_values import any_number, anything, listed, mapping, nullable, record
from ...files.schema import Field, Length, Saved, Schema, blamed_on, cells_in_order
from ...problem import Problem
from ...scale import SCALES, scaled
from ...theory.certificate import read_certificate
from ..descent.anchors import NEEDED
from ..solvers.variational import Posterior, Side, compressed, folded
from .completion import Completion
from .fitted_model import FittedModel, HeldOut

KIND = "completion"

# -- what a file holds ------------------------------------------------------------------------------------

_PATH_ERRORS = ("ridge", "sgd_train", "sgd_validation", "train", "validation", "validation_mae")
_SIDE = ("mean", "free", "fixed", "prior", "center", "line")
_HELD = ("rows", "cols", "predicted", "spread")
_MODEL = ("center", "scale", "row_share", "col_share", "calibration", "held_errors")

# what reports and the summary read of the settings; the rest is shown as it is
_settings = record(
    {},
    optional={
        "effects": partial(one_of, allowed=("none", "mean", "columns", "both")),
        "bounds": nullable(listed(any_number, length=2)),
        "rule": text,
        "command": text,
        "source": text,
    },
    others=anything,
)
_meta = record(
    {
        "shape": listed(partial(whole, least=1), length=2),
        "scale": partial(one_of, allowed=SCALES),
        "bounds": nullable(listed(any_number, length=2)),
        "outcome": partial(one_of, allowed=tuple(outcome.value for outcome in Outcome)),
        "warnings": listed(text),
        "settings": _settings,
        "seconds": partial(number, least=0),
        "versions": mapping(text),
        "fill": partial(one_of, allowed=(None, "effects")),
        "row_names": nullable(listed(text)),
        "col_names": nullable(listed(text)),
    },
    optional={"certificate": nullable(read_certificate)},
    # results of early versions lack it
    defaults={"certificate": None},
)


def _packed(saved: Saved) -> int:
    """Numbers of a packed covariance; an exact fit has none."""
    F = saved.lengths["G"]
    return 0 if saved["model_noise"] == 0 else F * (F + 1) // 2


def _side(name: str, length: str, free: str) -> tuple[Field, ...]:
    return (
        Field(f"model_{name}_mean", "float", (length, "K")),
        Field(f"model_{name}_free", "index", (free,), of="K", order="increasing"),
        Field(f"model_{name}_fixed", "index", of="K", least=-1),
        Field(f"model_{name}_prior", "float", (free,), least=0),
        # results of earlier versions lack the means of the priors, which were 0
        Field(f"model_{name}_center", "float", (free,), default=0.0),
        Field(f"model_{name}_line", "float", (length, 2), least=0),
    )


_FIELDS = (
    Field("rows", "index", ("N",), of="m"),
    Field("cols", "index", ("N",), of="n"),
    Field("values", "float", ("N",)),
    Field("weights", "float", ("N",), above=0, optional="weights"),
    Field("units", "float", ("n",), above=0),
    # one row for each rank that was visited
    Field("path_rank", "whole", ("V",), least=0),
    Field("path_oversampling", "float", ("V",), allowing=("inf",)),
    *(Field(f"path_{name}", "float", ("V",), allowing=("nan", "inf")) for name in _PATH_ERRORS),
    Field("path_refit_ridge", "float", ("V",), allowing=("nan", "inf")),
    Field("path_steps", "float", ("V",), allowing=("nan",)),
    Field("path_chosen", "flag", ("V",)),
    # one entry for each record of the chain, if there was one
    Field("history_step", "whole", ("T",), order="increasing", optional="history"),
    Field("history_rank", "whole", ("T",), least=-1, optional="history"),
    Field("history_singular_values", "float", ("T", "S"), allowing=("nan", "inf"), optional="history"),
    *(
        Field(f"history_{name}", "float", ("T",), allowing=("nan", "inf"), optional="history")
        for name in ("ridge", "train_rmse", "validation_rmse")
    ),
    # the model: K coordinates, of which r are factors
    Field("model_rank", "whole", least=0, binds="r"),
    Field("model_noise", "float", least=0),
    Field("model_line_cells", "float", least=0, allowing=("inf",)),
    Field("model_converged", "flag"),
    *_side("rows", "m", "F"),
    *_side("cols", "n", "G"),
    Field("model_cols_cov", "float", ("n", Length(_packed))),
    Field("model_center", "float", ("n",)),
    Field("model_scale", "float", ("n",), least=0),
    Field("model_row_share", "float", ("m",), least=0),
    Field("model_col_share", "float", ("n",), least=0),
    Field("model_calibration", "float", ("H",), least=0, allowing=("inf",), order="ascending"),
    Field("model_held_errors", "float", ("H",), least=0, allowing=("inf",), order="ascending"),
    # results of rankfall 0.1 lack them
    Field("model_held_out_rows", "index", ("H",), of="m", optional="held out"),
    Field("model_held_out_cols", "index", ("H",), of="n", optional="held out"),
    Field("model_held_out_predicted", "float", ("H",), optional="held out"),
    Field("model_held_out_spread", "float", ("H",), least=0, optional="held out"),
)


def _coordinates(saved: Saved) -> str | None:
    """Each of the K coordinates of a side is free or fixed; the factors come first and are free."""
    lengths = saved.lengths
    rank, most = lengths["r"], min(lengths["m"], lengths["n"])
    if rank > most:
        return f"model_rank is {rank}, more than {most}."
    for side in ("model_rows", "model_cols"):
        free, fixed = saved[f"{side}_free"].tolist(), int(saved[f"{side}_fixed"])
        named = sorted([*free, fixed] if fixed >= 0 else free)
        if named != list(range(lengths["K"])) or free[:rank] != list(range(rank)):
            return f"{side}_free and {side}_fixed do not name every coordinate of {side}_mean once."
    return None


def _held_out_are_observed(saved: Saved) -> str | None:
    if "model_held_out_rows" not in saved:
        return None
    n = saved.lengths["n"]
    held = saved["model_held_out_rows"] * n + saved["model_held_out_cols"]
    observed = np.isin(held, saved["rows"] * n + saved["cols"]).all()
    return (
        None if observed else "model_held_out_rows and model_held_out_cols name a cell that is not observed."
    )


def _names_fit(saved: Saved) -> str | None:
    for name, length in (("row_names", "m"), ("col_names", "n")):
        names = saved.meta[name]
        if names is not None and len(names) != saved.lengths[length]:
            return f"{name} has {len(names)} entries, not {saved.lengths[length]}."
    return None


def _bounds_fit(saved: Saved) -> str | None:
    bounds = saved.meta["bounds"]
    return "its bounds leave nothing between." if bounds is not None and not bounds[0] < bounds[1] else None


def _certificate_says_enough(saved: Saved) -> str | None:
    certificate = saved.meta["certificate"]
    if certificate is None:
        return None
    if not certificate.conditions:
        return "its certificate has no condition."
    lacks = [name for name in NEEDED if certificate.holds and name not in certificate.values]
    return f"its certificate lacks the value {lacks[0]!r}." if lacks else None


SCHEMA = Schema(
    KIND,
    _FIELDS,
    _meta,
    binds={"shape": ("m", "n")},
    not_empty=("N", "S"),
    rules=(
        cells_in_order("rows", "cols"),
        _coordinates,
        _held_out_are_observed,
        _names_fit,
        _bounds_fit,
        _certificate_says_enough,
    ),
)

# -- writing and reading ----------------------------------------------------------------------------------


def save(result: Completion, path: str | PathLike[str]) -> None:
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
    SCHEMA.write(path, arrays, meta)


def load(path: str | PathLike[str]) -> Completion:
    """Read a completion that :meth:`Completion.save` wrote.

    Raises
    ------
    InputError
        If the file is not one of ours, is damaged, or was written by a later format.
    """
    import pandas as pd

    saved = SCHEMA.read(path)
    meta = saved.meta
    problem = Problem(
        saved["rows"],
        saved["cols"],
        saved["values"],
        meta["shape"],
        saved.get("weights"),
    )
    with blamed_on(path):
        fitted = scaled(problem, meta["scale"])
    return Completion(
        problem=problem,
        outcome=Outcome(meta["outcome"]),
        warnings=meta["warnings"],
        model=_model(saved, fitted),
        path=pd.DataFrame(saved.group("path_")),
        history=saved.group("history_"),
        settings=meta["settings"],
        seconds=meta["seconds"],
        versions=meta["versions"],
        units=saved["units"],
        scale=meta["scale"],
        bounds=meta["bounds"],
        fill=meta["fill"],
        row_names=meta["row_names"],
        col_names=meta["col_names"],
        watched=meta["certificate"],
    )


def _arrays(model: FittedModel) -> dict[str, Any]:
    """The model as arrays; the covariances of the rows, the largest of all, are computed again on loading."""
    posterior = model.posterior
    out = {
        f"{name}_{part}": np.asarray(getattr(side, part))
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
        "line_cells": np.asarray(posterior.line_cells),
        "converged": np.asarray(posterior.converged),
        **{name: getattr(model, name) for name in _MODEL},
    }


def _model(saved: Saved, problem: Problem) -> FittedModel:
    """Back from :func:`_arrays`; `problem` is on the scale of the fit."""

    def side(name: str, cov: np.ndarray) -> Side:
        mean, free, fixed, prior, center, line = (saved[f"model_{name}_{part}"] for part in _SIDE)
        return Side(mean, cov, free, int(fixed), prior, center, line)

    free = saved.lengths["F"]
    rows = side("rows", np.zeros((problem.n_rows, free * (free + 1) // 2)))
    posterior = Posterior(
        int(saved["model_rank"]),
        rows,
        side("cols", saved["model_cols_cov"]),
        float(saved["model_noise"]),
        float(saved["model_line_cells"]),
        bool(saved["model_converged"]),
    )
    held = None
    if "model_held_out_rows" in saved:
        held = HeldOut(*(saved[f"model_held_out_{name}"] for name in _HELD))
    model = FittedModel(posterior, *(saved[f"model_{name}"] for name in _MODEL), held_out=held)
    if model.exact:
        return model
    problem = problem.subset(model.scale[problem.cols] > 0)
    rest = (problem.values - model.center[problem.cols]) / model.scale[problem.cols]
    again = folded(compressed(problem.with_values(rest)), posterior.cols, rows, posterior)
    return replace(model, posterior=replace(posterior, rows=replace(rows, cov=again.cov)))
