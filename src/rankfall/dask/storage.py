"""The file of a finished completion, and reading it back: all of it is checked."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ..argument_checks import flag, number, one_of, text, whole
from ..completion.options import EFFECTS, RULES
from ..errors import InputError, Outcome
from ..files.plain_values import any_number, listed, mapping, nullable, record
from ..files.schema import Field, Saved, Schema
from ..scale import SCALES
from .blocks import Layout, block_path
from .deliver import Delivered
from .ingest import key_paths
from .keys import Keys
from .model import Model
from .sources import Names
from .state import STATE_BINDS, STATE_META, Loaded, state_arrays, state_fields, state_meta, state_of
from .work import RESULT

_natural = partial(whole, least=0)
PATH = ("rank", "validation", "validation_mae", "relative", "sweeps", "chosen")


def _known(saved: Saved) -> str | None:
    return None if saved["known"].all() else "known is not true of all columns."


SCHEMA = Schema(
    kind="completion of triplets",
    meta=record(
        {
            **STATE_META,
            "names": listed(text, length=3),
            "weight": nullable(text),
            "seed": _natural,
            "max_rank": nullable(_natural),
            "rule": partial(one_of, allowed=tuple(RULES)),
            "asked_effects": partial(one_of, allowed=("auto", *EFFECTS)),
            "effects": partial(one_of, allowed=EFFECTS),
            "scale": partial(one_of, allowed=SCALES),
            "duplicates": partial(one_of, allowed=("error", "mean")),
            "bounds": nullable(listed(any_number, length=2)),
            "outcome": partial(one_of, allowed=tuple(outcome.value for outcome in Outcome)),
            "center": number,
            "deviation": partial(number, above=0),
            "swapped": flag,
            "n_cells": _natural,
            "n_held": _natural,
            "seconds": partial(number, least=0),
            "sample": record({"rank": _natural, "shape": listed(_natural, length=2), "cells": _natural}),
            "bytes_per_sweep": _natural,
            "versions": mapping(text),
        }
    ),
    binds=STATE_BINDS,
    not_empty=("n", "B", "R"),
    fields=(
        *state_fields(),
        Field("edges", "whole", ("B",), least=0, order="increasing"),
        Field("scores", "float", ("s",), least=0, order="ascending"),
        Field("held_errors", "float", ("s",), least=0, order="ascending"),
        Field("by_group", "float", ("g", 3), least=0),
        Field("by_column", "float", ("k", 5)),
        Field("singular_values", "float", ("r",), least=0),
        Field("path_rank", "whole", ("R",), least=0, order="increasing"),
        Field("path_validation", "float", ("R",), least=0),
        Field("path_validation_mae", "float", ("R",), least=0),
        Field("path_relative", "float", ("R",), least=0),
        Field("path_sweeps", "whole", ("R",), least=0),
        Field("path_chosen", "flag", ("R",)),
    ),
    rules=(_known,),
)


def write_result(
    folder: Path,
    found: Delivered,
    settings: Any,
    layout: Layout,
) -> None:
    """Write the file that makes a folder a finished completion."""
    state = found.judged.state
    meta = {
        **found.meta,
        **state_meta(state),
        "names": [settings.names.row, settings.names.column, settings.names.value],
        "weight": settings.names.weight,
        "bounds": None if settings.bounds is None else list(settings.bounds),
        "asked_effects": settings.effects,
        **{name: getattr(settings, name) for name in ("seed", "max_rank", "rule", "scale", "duplicates")},
    }
    arrays = {
        **state_arrays(state),
        "edges": layout.edges,
        "scores": found.scores,
        "held_errors": found.errors,
        "by_group": found.judged.by_group,
        "by_column": found.by_column,
        "singular_values": found.judged.singular_values,
        **{f"path_{name}": found.path[name] for name in PATH},
    }
    SCHEMA.write(folder / RESULT, arrays, meta)


def model_at(folder: str) -> Model:
    """The model in a folder, read once by every process."""
    file = Path(folder) / RESULT
    return _model_at(folder, file.stat().st_mtime_ns if file.exists() else 0)


@lru_cache(maxsize=2)
def _model_at(folder: str, stamp: int) -> Model:
    return read_folder(Path(folder))[0]


def read_folder(folder: Path) -> tuple[Model, Saved]:
    """The model of a finished completion, and all that its file holds.

    Raises
    ------
    InputError
        If there is none, it is not finished, or is damaged.
    """
    if not (folder / RESULT).is_file():
        what = "no completion of triplets"
        if (folder / "plan.json").is_file():
            what = "a completion that is not finished; the call that began it goes on with it"
        raise InputError(f"{folder} holds {what}.")
    saved = SCHEMA.read(folder / RESULT)
    meta = saved.meta
    layout = Layout(saved["edges"], meta["n_cols"], meta["swapped"])
    keys = [Keys.read(path) for path in key_paths(folder)]
    sizes = (layout.n_cols, layout.n_rows) if layout.swapped else (layout.n_rows, layout.n_cols)
    if tuple(map(len, keys)) != sizes or saved["by_column"].shape[0] != sizes[1] or saved["edges"][0] != 0:
        raise InputError(f"{folder} is damaged: its keys are not those of its factors.")
    for block in range(layout.n_blocks):
        if not block_path(folder, block).is_file():
            raise InputError(f"{folder} is damaged: {block_path(folder, block).name} is missing.")
    row, column, value = meta["names"]
    model = Model(
        folder,
        layout,
        Names(row, column, value, meta["weight"]),
        keys[0],
        keys[1],
        Loaded.of(state_of(saved)),
        meta["center"],
        meta["deviation"],
        meta["scale"],
        None if meta["bounds"] is None else (meta["bounds"][0], meta["bounds"][1]),
        saved["scores"],
    )
    return model, saved
