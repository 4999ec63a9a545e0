"""Two units in one column are said, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rankfall.cli.input_notes import doubts
from rankfall.files import Table


def table(*columns: list[float]) -> Table:
    names = tuple(f"c{k}" for k in range(len(columns)))
    return Table.from_values(np.array(columns, dtype=float).T, None, names)


def test_grams_among_milligrams() -> None:
    found = doubts(table([15, 20, 0.03, 18, 0.02, 0.025, 30, np.nan], [1, 2, 3, 4, 5, 6, 7, 8]))
    assert found == [
        "Column c0 seems to hold two units: 3 of its values are at most 0.03, the others at least 15."
    ]


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3, 4, 5, 6000],  # one outlier
        [1, 10, 100, 1000, 1e4, 1e5],  # skewed, without a gap
        [-1, -2, -3, 500, 600, 700],  # of both signs
        [0, 0, 0, 500, 600, 700],
        [0.01, 0.01, 0.01, np.nan, 5, 6],  # too few
        [np.nan] * 6,
    ],
)
def test_what_is_no_reason(values: list[float]) -> None:
    assert doubts(table(values)) == []


def test_the_commands_say_it(tmp_path: Path, rankfall: Callable) -> None:
    source = tmp_path / "x.csv"
    dose = ["12", "15", "0.013", "", "11", "0.02", "0.014", "14"]
    source.write_text(
        "k,dose,b\n" + "".join(f"r{k},{d},{k + 1}\n" for k, d in enumerate(dose)), encoding="utf-8"
    )
    for words in (["diagnose", source], ["complete", source, "-o", tmp_path / "out.csv", "--max-rank", "0"]):
        ran = rankfall(*words)
        assert ran.code == 0
        assert "Note: Column dose seems to hold two units" in ran.out
