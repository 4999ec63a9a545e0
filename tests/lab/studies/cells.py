"""Small cells of the packaged studies for tests, and what is asked of every study."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pandas as pd

from rankfall.lab.cell import Cell
from rankfall.lab.claims import Claim
from rankfall.lab.studies import study_module, study_path
from rankfall.lab.sweep.config import read_study


def small_cell(name: str, number: int = 0, **changes: object) -> Cell:
    """One cell of the quick version of a study, with some settings replaced (two underscores for a dot)."""
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


def check_rows(cell: Cell, columns: set[str]) -> pd.DataFrame:
    """The cell's rows as a sweep would keep them: the same twice, plain, with the columns; judged and drawn.

    Returned as a sweep returns them, with the columns of the axes.
    """
    module = study_module(cell.runner)
    rows, again = module.run(cell), module.run(cell)
    pd.testing.assert_frame_equal(rows, again, check_exact=True)
    assert columns <= set(rows.columns)
    assert not set(cell.axes) & set(rows.columns)
    for name in rows:
        assert rows[name].dtype.kind in "iufb" or rows[name].map(lambda value: isinstance(value, str)).all()
    results = rows.assign(**cell.axes)
    claims = module.judge(results)
    assert claims and all(
        isinstance(claim, Claim) and claim.rule in module.RULES.values() for claim in claims
    )
    figure = module.draw(results)
    assert figure.axes
    figure.canvas.draw()
    return results


def verdict_on(name: str, results: pd.DataFrame, part: str) -> str:
    """The verdict on the one claim whose statement contains `part`."""
    (claim,) = [claim for claim in study_module(name).judge(results) if part in claim.statement]
    return claim.verdict
