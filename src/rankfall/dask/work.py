"""The folder of a completion: what it was begun with, and what is in it at the end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import atomic_path
from ..files.plain_values import read_json

# version of the layout of blocks and states; raised when older ones could be misread
FORMAT = 1
RESULT = "result.npz"
# bytes on disk per cell: a piece and a block, with some room
_BYTES = 36


def begin(folder: Path, plan: Mapping[str, Any], resumable: bool) -> bool:
    """Make the folder, or find there what the same call left; whether it holds the finished completion.

    Raises
    ------
    InputError
        If the folder holds anything else, or cannot be made.
    """
    plan = json.loads(json.dumps({**plan, "format": FORMAT}))
    marker = folder / "plan.json"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not marker.is_file():
            raise InputError(f"{folder} exists and is no completion that was begun; choose another folder.")
        if not resumable:
            raise InputError(
                f"{folder} holds another completion, and one of a table in memory cannot be gone on with; "
                "choose another folder."
            )
        with_what = read_json(str(marker), marker.read_bytes())
        if with_what != plan:
            changed = _changed(with_what, plan)
            raise InputError(
                f"{folder} holds a completion that was begun with other {changed}; choose another folder, or "
                "remove this one."
            )
        return (folder / RESULT).exists()
    try:
        (folder / "work").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be made ({error.strerror}).") from error
    with atomic_path(marker) as temporary:
        temporary.write_text(json.dumps(plan))
    return False


def check_disk(folder: Path, n_cells: int) -> None:
    """Refuse to begin what the disk has no room for.

    Raises
    ------
    InputError
        With the room that is needed.
    """
    needed, free = _BYTES * n_cells, shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{n_cells:,} cells take about {needed / 1e9:.1f} GB of disk while they are sorted, and the disk "
            f"of {folder} has {free / 1e9:.1f} GB; choose another folder with out=."
        )


def size_of(folder: Path) -> int:
    """Bytes of the blocks in a folder."""
    return sum(path.stat().st_size for path in (folder / "cells").glob("block-*.arrow"))


def _changed(one: Any, other: Mapping[str, Any]) -> str:
    names = {"source": "data", "names": "columns"}
    if not isinstance(one, dict):
        return "settings"
    differing = [key for key in other if one.get(key) != other[key]]  # type: ignore[union-attr]
    return " and ".join(names.get(key, key) for key in differing[:2]) or "settings"
