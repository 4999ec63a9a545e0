"""What the file of a completion holds beside the latent table where columns are of several kinds."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...argument_checks import one_of, text
from ...errors import InputError
from ...files.plain_values import any_number, anything, listed, nullable, record
from ...files.schema import Field, Saved
from ...scale import SCALES

KINDS_OF_COLUMNS = ("number", "boolean", "ordinal", "category", "count")


def _level(name: str, value: Any) -> Any:
    """Text, a number, or a boolean."""
    return value if isinstance(value, (str, bool)) else any_number(name, value)


_column = record(
    {
        "kind": partial(one_of, allowed=KINDS_OF_COLUMNS),
        "levels": listed(_level),
        "dtype": text,
        "categories": listed(_level),
    }
)
kinds_meta = record(
    {
        "columns": listed(_column, least=1),
        "scale": partial(one_of, allowed=SCALES),
        "layout": nullable(record({}, others=anything)),
        "row_names": nullable(listed(text)),
        "col_names": nullable(listed(text)),
        "fill": partial(one_of, allowed=(None, "effects")),
    }
)

_GROUP, _BOUNDS, _LIMITS = "kinds", "bounds of kinds", "limits of kinds"
KINDS_FIELDS = (
    # one for each column of the table, and the observed cells, levels counted from 0
    Field("kinds_center", "float", ("J",), optional=_GROUP),
    Field("kinds_spread", "float", ("J",), above=0, optional=_GROUP),
    Field("kinds_widths", "whole", ("J",), least=0, optional=_GROUP),
    Field("kinds_rows", "index", ("Q",), of="m", optional=_GROUP),
    Field("kinds_cols", "index", ("Q",), of="J", optional=_GROUP),
    Field("kinds_values", "float", ("Q",), optional=_GROUP),
    # probabilities of all levels of all columns, side by side; and at held-out cells, one after the other
    Field("kinds_probabilities", "float", ("m", "E"), least=0, most=1 + 1e-6, optional=_GROUP),
    Field("kinds_held_rows", "index", ("W",), of="m", optional=_GROUP),
    Field("kinds_held_cols", "index", ("W",), of="J", optional=_GROUP),
    Field("kinds_held", "float", ("X",), least=0, most=1 + 1e-6, optional=_GROUP),
    Field("kinds_bounds_low", "float", ("J",), allowing=("inf",), optional=_BOUNDS),
    Field("kinds_bounds_high", "float", ("J",), allowing=("inf",), optional=_BOUNDS),
    Field("kinds_limits_rows", "index", ("Y",), of="m", optional=_LIMITS),
    Field("kinds_limits_cols", "index", ("Y",), of="J", optional=_LIMITS),
    Field("kinds_limits_lower", "float", ("Y",), allowing=("inf",), optional=_LIMITS),
    Field("kinds_limits_upper", "float", ("Y",), allowing=("inf",), optional=_LIMITS),
    Field("kinds_limits_mean", "float", ("Y",), optional=_LIMITS),
    Field("kinds_limits_sd", "float", ("Y",), least=0, optional=_LIMITS),
)


def kinds_fit(saved: Saved) -> str | None:
    """Whether kinds, levels and latent columns go together."""
    meta = saved.meta["kinds"]
    if (meta is None) != ("kinds_center" not in saved):
        return "it says kinds without their arrays, or the reverse."
    if meta is None:
        return None
    columns, lengths = meta["columns"], saved.lengths
    if len(columns) != lengths["J"]:
        return f"it has {len(columns)} kinds for {lengths['J']} columns."
    sizes = np.array([len(one["levels"]) for one in columns])
    has_levels = np.array([one["kind"] in ("boolean", "ordinal", "category") for one in columns])
    if np.any(has_levels != (sizes > 0)) and np.any(~has_levels & (sizes > 0)):
        return "a column without levels has some."
    widths = saved["kinds_widths"]
    if widths.sum() != lengths["n"] or np.any(~has_levels & (widths != 1)):
        return "kinds_widths does not fit the latent table."
    if sizes.sum() != lengths["E"]:
        return "kinds_probabilities does not have a column for each level."
    rows, cols, values = saved["kinds_rows"], saved["kinds_cols"], saved["kinds_values"]
    keys = rows * lengths["J"] + cols
    if np.any(np.diff(keys) <= 0):
        return "kinds_rows and kinds_cols are not in order."
    coded = has_levels[cols]
    if np.any((values[coded] < 0) | (values[coded] >= sizes[cols[coded]]) | (values[coded] % 1 != 0)):
        return "kinds_values holds a level that its column does not have."
    held = saved["kinds_held_rows"] * lengths["J"] + saved["kinds_held_cols"]
    if not np.isin(held, keys).all() or sizes[saved["kinds_held_cols"]].sum() != lengths["X"]:
        return "kinds_held does not fit the held-out cells."
    for name in ("row_names", "col_names"):
        names, length = meta[name], lengths["m" if name == "row_names" else "J"]
        if names is not None and len(names) != length:
            return f"kinds.{name} has {len(names)} entries, not {length}."
    return None


def required_kinds(name: str, value: Any) -> Any:
    """What :func:`kinds_fit` may rely on; None where all columns are numbers."""
    if value is None:
        return None
    found = kinds_meta(name, value)
    for k, one in enumerate(found["columns"]):
        if len(set(one["levels"])) < len(one["levels"]):
            raise InputError(f"{name}.columns[{k}] has a level twice.")
    return found
