"""Tiny cells of the packaged studies, and how a cell's rows look to judge and draw."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pandas as pd

from rankfall.lab.cell import Cell
from rankfall.lab.claims import Claim
from rankfall.lab.reading import read_study
from rankfall.lab.studies import study_module, study_path


def tiny_cell(name: str, number: int = 0, **changes) -> Cell:
    """Cell `number` of the quick version of a study, with some settings (dotted names, dots as __) replaced."""
    cell = read_study(study_path(name), quick=True).cells[number]
    settings = deepcopy(cell.settings)
    for dotted, value in changes.items():
        *tables, last = dotted.split("__")
        table = settings
        for part in tables:
            table = table[part]
        assert last in table, dotted
        table[last] = value
    return replace(cell, settings=settings)


def rows_of(name: str, cell: Cell) -> pd.DataFrame:
    """The cell's rows with the columns of its axes, as a sweep would have them."""
    return study_module(name).run(cell).assign(**cell.axes)


def check_study(name: str, cell: Cell, columns: set[str]) -> pd.DataFrame:
    """Runs twice to the same bits, has the columns, is judged and drawn; returns the rows."""
    first, second = rows_of(name, cell), rows_of(name, cell)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert columns <= set(first.columns)
    plain = [dtype for dtype in first.dtypes if dtype.kind in "iufb" or pd.api.types.is_string_dtype(dtype)]
    assert len(plain) == first.shape[1]
    module = study_module(name)
    for claim in module.judge(first):
        assert isinstance(claim, Claim)
        assert claim.rule in module.RULES.values()
    figure = module.draw(first)
    assert figure.axes
    figure.canvas.draw()
    return first


def verdict_of(name: str, results: pd.DataFrame, part: str) -> str:
    """Verdict of the only claim whose statement contains `part`."""
    (claim,) = [claim for claim in study_module(name).judge(results) if part in claim.statement]
    return claim.verdict
