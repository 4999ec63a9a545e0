"""What the files of runs hold: traces, and the parts that checkpoints share with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

from ..argument_checks import fraction, number, one_of, text, whole
from ..compute.cache_lines import lanes
from ..files.plain_values import listed, nullable, record, tagged
from ..files.schema import Field, Length, Saved, Schema, cells_in_order
from ..measures import RANK_TOL
from .kernels.layout import VERSION, layout
from .optimisers import Sampling
from .saved_ledgers import ledger_fields, ledgers_fit

_LARGEST = 2**63 - 1
_count, _size = partial(whole, least=0, most=_LARGEST), partial(whole, least=1, most=_LARGEST)
ANY: tuple[Literal["nan", "inf"], ...] = ("nan", "inf")

_described_schedule = tagged(
    "kind",
    {
        "Constant": {"value": number},
        "Linear": {"first": number, "last": number, "n_steps": whole},
        "Geometric": {"first": number, "last": number, "n_steps": whole},
        "Piecewise": {"starts": listed(whole), "levels": listed(number)},
        "Listed": {"sha256": text},
    },
)
_run = {
    "lr": _described_schedule,
    "ridge": _described_schedule,
    "n_steps": _count,
    "widths": listed(_size, least=3),
    "shape": listed(_size, length=2),
    "n_observed": _size,
    "chains": listed(_count, least=1),
    "seed": partial(whole, least=0),
    "dtype": partial(one_of, allowed=("float64", "float32")),
    "deflate": nullable(fraction),
    "seconds": partial(number, least=0),
}
_SGD = {
    "batch_size": _size,
    "sampling": partial(one_of, allowed=(*get_args(Sampling), "prescribed")),
}


_OPTIONAL = {
    "rank_tol": number,
    "observed": partial(one_of, allowed=("entries", "measurements")),
    "momentum": partial(number, least=0, below=1),
    "label_noise": partial(number, least=0),
}


def _meta(name: str, value: Any) -> dict[str, Any]:
    # files written before the tolerance was kept lack it
    found = record({}, _OPTIONAL, {"rank_tol": RANK_TOL})(name, value)
    return found | tagged("optimiser", {"SGD": {**_run, **_SGD}, "GD": _run})(name, value)


def _refuses(meta: Mapping[str, Any]) -> str | None:
    if meta.get("layout") == VERSION:
        return None
    return (
        "was written by an earlier version of rankfall, whose steps stored or rounded weights differently; "
        "run it again."
    )


def _fields(meta: Mapping[str, Any]) -> list[Field]:
    widths, dtype, n_steps = meta["widths"], meta["dtype"], meta["n_steps"]
    depth = len(widths) - 1
    room = Length(lambda _: padded_room(widths, np.dtype(dtype)))
    snapshots = snapshot_fields("snapshot_", depth, dtype, "C", "R", room)
    entries = [Field("rows", "index", ("N",), of="m"), Field("cols", "index", ("N",), of="n")]
    vectors = [Field(f"{side}_vectors", "float", ("N", of)) for side, of in (("left", "m"), ("right", "n"))]
    fields = [
        *(vectors if meta.get("observed") == "measurements" else entries),
        Field("values", "float", ("N",)),
        # first, so that the widths are true before anything is computed from them
        *(Field(f"start_{k}", "float", (..., widths[k + 1], widths[k]), dtype=None) for k in range(depth)),
        Field("chains", "index", ("C",), of=2**32),
        Field("steps", "whole", ("R",), least=0, most=n_steps, order="increasing"),
        Field("diverged", "flag", ("C",)),
        Field("n_steps", "whole", ("C",), least=0, most=n_steps),
        Field("stable_lr", "float", ("C",), allowing=ANY),
        Field("deflation_bound", "float", ("C",), allowing=ANY),
        Field("final_weights", "float", ("C", "room"), allowing=ANY, dtype=dtype),
        Field("final_widths", "whole", ("C", depth + 1), least=1),
        *measured_fields("measured_", depth, "C", "R"),
        *(replace(each, optional="snapshots") for each in snapshots),
    ]
    fields += [replace(each, optional="rolling") for each in ledger_fields(n_steps)]
    fields += [
        Field(name, "float", (n_steps,), least=0)
        for name in ("lr", "ridge")
        if meta[name]["kind"] == "Listed"
    ]
    if meta.get("sampling") == "prescribed":
        fields.append(Field("entries", "index", (n_steps, meta["batch_size"]), of="N"))
    return fields


def measured_fields(prefix: str, depth: int, chains: int | str, records: int | str) -> list[Field]:
    """What is recorded of chains; names of a user's own may have any further axes."""
    rest = {
        "singular_values": ("k",),
        "train_loss": (),
        "imbalance": (),
        "hidden_singular_values": (depth - 1, "h"),
        "ledger": (2, depth - 1),
        "displacement": (2,),
        "*": (...,),
    }
    return [
        Field(f"{prefix}rank", "whole", (chains, records), least=-1, optional="rank"),
        *(
            Field(f"{prefix}{name}", "float", (chains, records, *axes), allowing=ANY, optional=name)
            for name, axes in rest.items()
        ),
    ]


def snapshot_fields(
    prefix: str, depth: int, dtype: str, chains: int | str, records: int | str, room: int | Length
) -> list[Field]:
    """Stored weights of chains at records."""
    return [
        Field(f"{prefix}buffers", "float", (records, chains, room), allowing=ANY, dtype=dtype),
        Field(f"{prefix}scales", "float", (records, chains), least=0, allowing=ANY),
        Field(f"{prefix}widths", "whole", (records, chains, depth + 1), least=0),
        Field(f"{prefix}bounds", "float", (records, chains), allowing=ANY),
    ]


def _one_run(saved: Saved) -> str | None:
    """Metadata and arrays speak of the same run."""
    meta, lengths = saved.meta, saved.lengths
    if meta["shape"] != (meta["widths"][-1], meta["widths"][0]):
        return f"its network does not make {meta['shape'][0]} x {meta['shape'][1]} matrices."
    if meta["n_observed"] != lengths["N"]:
        return f"values has {lengths['N']} entries, not {meta['n_observed']}."
    if list(meta["chains"]) != saved["chains"].tolist():
        return "chains and its metadata name other chains."
    return None


def _entries_in_order(saved: Saved) -> str | None:
    return cells_in_order("rows", "cols")(saved) if "rows" in saved else None


def _widths_fit(saved: Saved) -> str | None:
    widths = saved.meta["widths"]
    for name in ("final_widths", "snapshot_widths"):
        if name in saved and not narrower(saved[name], widths):
            return f"{name} does not hold widths that a network of {widths} can be cut to."
    per_line = lanes(saved["final_weights"].dtype)
    needed = max(layout(row, per_line)[-1] for row in np.unique(saved["final_widths"], axis=0))
    if needed > saved.lengths["room"]:
        return f"final_weights has rows of {saved.lengths['room']} numbers, not {needed} or more."
    return None


def narrower(widths: np.ndarray, start: Sequence[int] | np.ndarray) -> bool:
    """Whether these can be the widths of chains that began with others: hidden layers may have been cut."""
    start = np.asarray(start)
    ends = (widths[..., [0, -1]] == start[..., [0, -1]]).all()
    return bool(ends and (widths >= 1).all() and (widths <= start).all())


def padded_room(widths: Sequence[int], dtype: np.dtype) -> int:
    """Size of a row of :class:`State`: that of the layout, in whole cache lines."""
    per_line = lanes(dtype)
    return -(-int(layout(widths, per_line)[-1]) // per_line) * per_line


TRACE = Schema(
    "rankfall trace",
    _fields,
    _meta,
    refuses=_refuses,
    binds={"shape": ("m", "n")},
    not_empty=("k", "h"),
    rules=(_one_run, _entries_in_order, _widths_fit, ledgers_fit),
)
