"""What the file of a completion holds, and what must be true of it."""

from __future__ import annotations

from functools import partial

import numpy as np

from ...argument_checks import number, one_of, text, whole
from ...errors import Outcome
from ...files.plain_values import any_number, anything, listed, mapping, nullable, record
from ...files.schema import Field, Length, Saved, Schema, cells_in_order
from ...scale import SCALES
from ...theory.certificate import read_certificate
from ..descent.watched_run import needed_values
from ..options import EFFECTS, ORDERS
from ..solvers.chain import PROCESSES_PER_COLUMN
from .schema_kinds import KINDS_FIELDS, kinds_fit, required_kinds

KIND = "completion"
_PATH_ERRORS = ("ridge", "sgd_train", "sgd_validation", "train", "validation", "validation_mae")
SIDE = ("mean", "free", "fixed", "prior", "center", "line")
CHAIN = ("order", "steps", "coefficients", "step", "is_time")
HELD = ("rows", "cols", "predicted", "spread")
LIMITS = ("rows", "cols", "lower", "upper", "mean", "sd")
MODEL = ("center", "scale", "row_share", "col_share", "calibration", "held_errors")


def _asked_bounds(name: str, value: object) -> object:
    """The word "observed", a pair of numbers, or pairs by column."""
    if isinstance(value, str):
        return one_of(name, value, ("observed",))
    pair = listed(any_number, length=2)
    return mapping(pair)(name, value) if isinstance(value, dict) else pair(name, value)


# what reports and the summary read of the settings; the rest is shown as it is
_settings = record(
    {},
    optional={
        "effects": partial(one_of, allowed=EFFECTS),
        "bounds": nullable(_asked_bounds),
        "missing_values": listed(any_number),
        "rule": text,
        "ordered": partial(one_of, allowed=ORDERS),
        "held_out_by_split": listed(partial(whole, least=1)),
        "command": text,
        "source": text,
        "rank_choices": record(
            {
                "one_se": partial(whole, least=0),
                "smallest_error": partial(whole, least=0),
                "by_fold": listed(partial(whole, least=0)),
            }
        ),
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
    optional={
        "certificate": nullable(read_certificate),
        "layout": nullable(record({}, others=anything)),
        "kinds": required_kinds,
    },
    # results of early versions lack them
    defaults={"certificate": None, "layout": None, "kinds": None},
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
        # where neighbours resemble each other
        Field(f"model_{name}_order", "index", (length,), of=length, optional=f"order of {name}"),
        Field(
            f"model_{name}_steps", "float", (length,), least=0, allowing=("inf",), optional=f"order of {name}"
        ),
        Field(f"model_{name}_coefficients", "float", (free,), above=0, optional=f"order of {name}"),
        Field(f"model_{name}_step", "float", above=0, optional=f"order of {name}"),
        Field(f"model_{name}_is_time", "flag", optional=f"order of {name}"),
    )


_FIELDS = (
    Field("rows", "index", ("N",), of="m"),
    Field("cols", "index", ("N",), of="n"),
    Field("values", "float", ("N",)),
    Field("weights", "float", ("N",), above=0, optional="weights"),
    Field("units", "float", ("n",), above=0),
    # bounds of single columns; a pair for all of them is in the metadata
    Field("bounds_low", "float", ("n",), allowing=("inf",), optional="bounds"),
    Field("bounds_high", "float", ("n",), allowing=("inf",), optional="bounds"),
    # cells that are known by a limit only; they are among the observed ones
    Field("limits_rows", "index", ("L",), of="m", optional="limits"),
    Field("limits_cols", "index", ("L",), of="n", optional="limits"),
    Field("limits_lower", "float", ("L",), allowing=("inf",), optional="limits"),
    Field("limits_upper", "float", ("L",), allowing=("inf",), optional="limits"),
    Field("limits_mean", "float", ("L",), optional="limits"),
    Field("limits_sd", "float", ("L",), least=0, optional="limits"),
    # one row for each rank that was tried
    Field("path_rank", "whole", ("P",), least=0),
    Field("path_oversampling", "float", ("P",), allowing=("inf",)),
    *(Field(f"path_{name}", "float", ("P",), allowing=("nan", "inf")) for name in _PATH_ERRORS),
    Field("path_relative", "float", ("P",), allowing=("nan", "inf"), default=float("nan")),
    Field("path_refit_ridge", "float", ("P",), allowing=("nan", "inf")),
    Field("path_steps", "float", ("P",), allowing=("nan",)),
    Field("path_chosen", "flag", ("P",)),
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
    # results of earlier versions have normal noise
    Field("model_tail_dof", "float", above=0, allowing=("inf",), default=float("inf")),
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
    *KINDS_FIELDS,
)


def _coordinates(saved: Saved) -> str | None:
    """Each of the K coordinates of a side is free or fixed; the factors come first and are free."""
    lengths = saved.lengths
    rank, most = lengths["r"], min(lengths["m"], lengths["n"])
    if "model_rows_order" in saved:
        most = max(most, min(lengths["m"], PROCESSES_PER_COLUMN * lengths["n"]))
    if rank > most:
        return f"model_rank is {rank}, more than {most}."
    for side in ("model_rows", "model_cols"):
        free, fixed = saved[f"{side}_free"].tolist(), int(saved[f"{side}_fixed"])
        named = sorted([*free, fixed] if fixed >= 0 else free)
        if named != list(range(lengths["K"])) or free[:rank] != list(range(rank)):
            return f"{side}_free and {side}_fixed do not name every coordinate of {side}_mean once."
    return None


def _orders_are_whole(saved: Saved) -> str | None:
    for side in ("model_rows", "model_cols"):
        if f"{side}_order" not in saved:
            continue
        order, steps = saved[f"{side}_order"], saved[f"{side}_steps"]
        if not np.array_equal(np.sort(order), np.arange(order.size)):
            return f"{side}_order does not name every one once."
        if not np.isinf(steps[0]):
            return f"{side}_steps[0] is {steps[0]:g}, but before the first there is none."
        if np.any(saved[f"{side}_coefficients"] >= 1):
            return f"{side}_coefficients are not below 1."
    return None


def _last_column_is_known(saved: Saved) -> str | None:
    """New columns follow the last one, of which a covariance tells what is known."""
    if "model_cols_order" not in saved or not saved["model_cols_cov"].size:
        return None
    free = saved.lengths["G"]
    covariance = np.zeros((free, free))
    covariance[np.tril_indices(free)] = saved["model_cols_cov"][saved["model_cols_order"][-1]]
    try:
        np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return "model_cols_cov holds what is no covariance."
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


def _limits_are_known(saved: Saved) -> str | None:
    if "limits_rows" not in saved:
        return None
    n = saved.lengths["n"]
    keys = saved["limits_rows"] * n + saved["limits_cols"]
    if np.any(np.diff(keys) <= 0) or not np.isin(keys, saved["rows"] * n + saved["cols"]).all():
        return "limits_rows and limits_cols do not name observed cells in order."
    inside = (saved["limits_lower"] <= saved["limits_mean"]) & (saved["limits_mean"] <= saved["limits_upper"])
    return None if inside.all() else "limits_mean lies outside a limit."


def _names_fit(saved: Saved) -> str | None:
    for name, length in (("row_names", "m"), ("col_names", "n")):
        names = saved.meta[name]
        if names is not None and len(names) != saved.lengths[length]:
            return f"{name} has {len(names)} entries, not {saved.lengths[length]}."
    return None


def _bounds_fit(saved: Saved) -> str | None:
    low, high = saved.meta["bounds"] or (0.0, 0.0)
    if "bounds_low" in saved:
        low, high = saved["bounds_low"], saved["bounds_high"]
    # "observed" may be a single number
    return None if np.all(low <= high) else "its bounds leave nothing between."


def _certificate_says_enough(saved: Saved) -> str | None:
    certificate = saved.meta["certificate"]
    if certificate is None:
        return None
    if not certificate.conditions:
        return "its certificate has no condition."
    needed = needed_values(certificate) if certificate.holds else ()
    lacks = [name for name in needed if name not in certificate.values]
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
        _orders_are_whole,
        _last_column_is_known,
        _held_out_are_observed,
        _limits_are_known,
        kinds_fit,
        _names_fit,
        _bounds_fit,
        _certificate_says_enough,
    ),
)
