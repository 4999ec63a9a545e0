"""Keys and seeds: the same content is the same cell, and seeds come from the named axes alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankfall.errors import InputError
from rankfall.lab import Cell

CELL = Cell(
    "s", "train", {"optimiser": {"lr": 0.1, "ridge": 1.0}, "repeat": 1}, {"repeat": 1}, 3, ("repeat",)
)


def test_the_key_is_a_hash_of_the_content() -> None:
    # written down once: files of older sweeps must be found again
    assert CELL.key == "7abc2cf3c1d05bde511069d9a217269a"
    assert CELL.seed("noise") == 3379257991084548204
    same = [
        replace(CELL, study="other"),
        replace(CELL, axes={}),
        replace(CELL, time_limit=5.0),
        replace(CELL, settings={"repeat": 1, "optimiser": {"ridge": 1, "lr": 0.1}}),
    ]
    assert {cell.key for cell in same} == {CELL.key}
    other = [
        replace(CELL, runner="depth"),
        replace(CELL, root_seed=4),
        replace(CELL, seed_axes=("optimiser.lr",)),
        replace(CELL, settings={"optimiser": {"lr": 0.1, "ridge": 1.0}, "repeat": 2}),
        replace(CELL, settings={"optimiser": {"lr": 0.1, "ridge": 1.0}, "repeat": "1"}),
    ]
    assert len({cell.key for cell in [CELL, *other]}) == 6


@given(lr=st.floats(0, 1), repeat=st.integers(0, 5), root=st.integers(0, 2**64))
def test_seeds_are_shared_where_the_named_axes_agree(lr: float, repeat: int, root: int) -> None:
    cell = Cell("s", "train", {"optimiser": {"lr": lr}, "repeat": repeat}, {}, root, ("repeat",))
    base = replace(cell, settings={"optimiser": {"lr": 0.5}, "repeat": 0}, root_seed=0)
    assert (cell.seed("noise") == base.seed("noise")) == (repeat == 0 and root == 0)
    assert cell.seed("noise") != cell.seed("start")
    assert 0 <= cell.seed("noise") < 2**63


def test_get() -> None:
    assert CELL.get("optimiser.lr") == 0.1
    assert CELL.get("optimiser.momentum", None) is None
    for name in ("optimiser.momentum", "optimiser.lr.x", "nothing"):
        with pytest.raises(InputError, match=f"Study s needs the setting {name}, which is not given"):
            CELL.get(name)
