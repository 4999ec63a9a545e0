"""Cells such as <0.5 in text tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rankfall as rf
from rankfall.files import read_table, write_table
from rankfall.files.limit_cells import as_limit
from rankfall.files.notation import Notation

TABLE = "site,p,q,r\na,<0.5,2,3\nb,1.5,> 7,4\nc,2.5,6,≤1\nd,3.5,>=8,\n"


def read(path: Path, text: str, **more):
    path.write_text(text, encoding="utf-8")
    return read_table(path, **more)


@pytest.mark.parametrize(
    ("cell", "limit"),
    [
        ("<0.5", (-np.inf, 0.5)),
        (" < 25 ", (-np.inf, 25.0)),
        ("<=5", (-np.inf, 5.0)),
        ("≤5", (-np.inf, 5.0)),
        (">200", (200.0, np.inf)),
        (">= 7", (7.0, np.inf)),
        ('"<-1e-3"', (-np.inf, -1e-3)),
        ("<", None),
        ("<few", None),
        ("0.5", None),
        ("<NA", None),
        ("<inf", None),
        ("<>5", None),
    ],
)
def test_what_is_a_limit(cell: str, limit: tuple[float, float] | None) -> None:
    assert as_limit(cell, Notation()) == limit


def test_a_decimal_comma_is_understood() -> None:
    assert as_limit("<0,5", Notation(",")) == (-np.inf, 0.5)


def test_limits_are_read_and_noted(tmp_path: Path) -> None:
    table = read(tmp_path / "t.csv", TABLE)
    limits = table.limits
    assert limits is not None
    assert list(zip(limits.rows, limits.cols, strict=True)) == [(0, 0), (1, 1), (2, 2), (3, 1)]
    assert limits.lower.tolist() == [-np.inf, 7, -np.inf, 8] and limits.upper.tolist() == [
        0.5,
        np.inf,
        1,
        np.inf,
    ]
    assert np.isnan(table.values[limits.rows, limits.cols]).all()
    assert "4 cells hold limits ('<0.5') in columns p, q and r" in table.notes[0]


def test_what_is_named_as_missing_is_no_limit(tmp_path: Path) -> None:
    table = read(tmp_path / "t.csv", TABLE, missing=("<*", ">*", "≤*"))
    assert table.limits is None and np.isnan(table.values).sum() == 5


def test_among_words_the_old_remedy_stays(tmp_path: Path) -> None:
    with pytest.raises(rf.InputError, match="it is a limit of detection, not a value"):
        read(tmp_path / "t.csv", TABLE.replace("1.5", "few"))
    with pytest.raises(rf.InputError, match="is not a number: '> 7'; it is a limit of detection"):
        read(tmp_path / "t.csv", TABLE.replace("c,2.5,6", "c,2.5,much"))


def test_cells_with_limits_are_written_as_holes_are_and_never_beyond(tmp_path: Path) -> None:
    table = read(tmp_path / "t.csv", "p,q\n<0.45,2\n1.5,3\n2.5,>4\n")
    dense = table.values.copy()
    dense[0, 0], dense[2, 1] = 0.449, 4.2
    write_table(tmp_path / "o.csv", table, lambda a, b: dense[a:b])
    # as many decimals as the column shows, unless that would be on the wrong side
    assert (tmp_path / "o.csv").read_text() == "p,q\n0.4,2\n1.5,3\n2.5,4.2\n"
    dense[0, 0] = 0.4485
    table = read(tmp_path / "t.csv", "p,q\n<0.449,2\n1.52,3\n2.5,4\n")
    write_table(tmp_path / "o.csv", table, lambda a, b: dense[a:b])
    assert (tmp_path / "o.csv").read_text().splitlines()[1] == "0.4485,2"
