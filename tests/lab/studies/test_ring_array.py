"""Study ring-array: verdicts at their boundaries and a tiny cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.lab.studies.ring_array import METHODS

NAME = "ring-array"
GOOD = dict(zip(METHODS, (0.004, 1e-7, 0.003, 1.1, 1.2), strict=True))


def table(n: int = 8, **changes: np.ndarray) -> pd.DataFrame:
    """`n` large and `n` small rings as they should be, unless told otherwise (by method, spaces as _)."""
    parts = []
    for size, observed in ((128, 600), (32, 150)):
        for method in METHODS:
            if size == 128 and method.endswith("network"):
                continue
            error = changes.get(method.replace(", ", "_").replace(" ", "_"), GOOD[method])
            parts.append(
                pd.DataFrame(
                    {
                        "repeat": np.arange(n), "size": size, "observed": observed, "freedom": 1024,
                        "method": method, "error": error, "true_ranks": changes.get("ranks", 1),
                    }
                )
            )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def first(n: int, right: float, wrong: float) -> np.ndarray:
    return np.where(np.arange(8) < n, right, wrong)


@pytest.mark.parametrize(("right", "expected"), [(8, "supported"), (6, "undecided"), (0, "not supported")])
def test_the_large_ring(right: int, expected: str) -> None:
    # Clopper-Pearson: 8 of 8 from 0.63, 6 of 8 from 0.35 to 0.97
    assert verdict_on(NAME, table(equivariant=first(right, 0.01, 0.3)), "600 cells") == expected
    assert verdict_on(NAME, table(ranks=first(right, 1, 0)), "true rank") == expected


def test_without_symmetry() -> None:
    assert verdict_on(NAME, table(), "nothing is learnt") == "supported"
    # the better of the two methods counts
    learnt = table(cells_least_squares=np.full(8, 0.5))
    assert verdict_on(NAME, learnt, "nothing is learnt") == "not supported"


def test_filling() -> None:
    assert verdict_on(NAME, table(), "about as accurate") == "supported"
    worse = table(filled_network=np.full(8, 0.02))
    assert verdict_on(NAME, worse, "about as accurate") == "not supported"
    assert verdict_on(NAME, table(), "told the rank") == "supported"
    lost = table(filled_least_squares=np.full(8, np.inf))
    assert verdict_on(NAME, lost, "told the rank") == "not supported"


def test_a_small_cell() -> None:
    cell = small_cell(
        NAME, number=4, repeats=1, ring__sensors=4, ring__channels=2, cells=16, optimiser__n_steps=100
    )
    rows = check_rows(cell, {"method", "size", "observed", "repeat", "error", "true_ranks", "filled_cells"})
    assert list(rows["method"]) == [METHODS[k] for k in (0, 1, 4, 2, 3)]
    assert (rows["error"] > 0).all()
