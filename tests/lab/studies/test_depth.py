"""Study depth: verdicts at their boundaries and a tiny cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.lab.studies import study_module
from rankfall.lab.studies.depth import firm_ranks

NAME = "depth"


def minima(depth: int, ranks: int, problems: int = 8) -> pd.DataFrame:
    rows = [
        {"table": "minima", "problem": p, "depth": depth, "rank": rank, "n_minima": int(rank < ranks)}
        for p in range(problems)
        for rank in range(7)
    ]
    return pd.DataFrame(rows)


def chains(depth: int, fell: int, n: int = 10, problems: int = 8, **changes) -> pd.DataFrame:
    rows = [
        {
            "table": "chains", "problem": p, "depth": depth, "place": 0, "relative_lr": 3.0, "rank": 4,
            "ridge_share": 0.3,
            "fell": int(k < fell),
            "first_step": 1000 if k < fell else 60_000, "observed": 60_000, "rises_after": 0, "end_rank": 1,
            "diverged": 0,
        }
        for p in range(problems)
        for k in range(n)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    for name in ("fell", "first_step", "rises_after"):
        table[f"firm_{name}"] = table[name]
    return table.assign(**changes)


def verdict(part: str, *tables: pd.DataFrame) -> str:
    return verdict_on(NAME, pd.concat(tables, ignore_index=True), part)


USUAL = (minima(2, 1), minima(3, 5), minima(6, 4), chains(3, 5), chains(6, 1))


def test_usual_verdicts() -> None:
    assert verdict("one rank only", *USUAL) == "supported"
    assert verdict("many ranks", *USUAL) == "supported"
    assert verdict("fewer ranks", *USUAL) == "supported"
    assert verdict("SGD falls", *USUAL) == "supported"
    assert verdict("rarer", *USUAL) == "supported"
    assert verdict("rises again after a fall", *USUAL) == "supported"


def test_opposite_verdicts() -> None:
    tables = (minima(2, 3), minima(3, 2), minima(6, 4), chains(3, 1), chains(6, 5, rises_after=1))
    for part in ("one rank only", "many ranks", "fewer ranks", "rarer", "rises again after a fall"):
        assert verdict(part, *tables) == "not supported", part


def test_ranks_on_a_fixed_scale() -> None:
    # the second chain dies as a whole, the third diverges
    s = np.array([[[9.0, 1.0], [9.0, 0.008]], [[9.0, 1.0], [8e-3, 8e-3]], [[9.0, 1.0], [np.nan, np.nan]]])
    assert firm_ranks(s).tolist() == [[2, 1], [2, 0], [2, -1]]
    tables = (*USUAL[:4], chains(6, 5, firm_rises_after=1))
    assert verdict("start's scale", *USUAL) == "supported"
    assert verdict("start's scale", *tables) == "not supported"
    assert verdict("rises again after a fall", *tables) == "supported"


def test_undecided_verdicts() -> None:
    few = [minima(2, 1, 5), minima(3, 5, 5), minima(6, 5, 5), chains(3, 0, 1, 5), chains(6, 0, 1, 5)]
    # five of five problems: Clopper-Pearson from 0.48
    for part in (
        "one rank only",
        "many ranks",
        "fewer ranks",
        "SGD falls",
        "rarer",
        "rises again after a fall",
    ):
        assert verdict(part, *few) == "undecided", part


@pytest.mark.parametrize("number", [0, 3])
def test_a_small_cell(number: int) -> None:
    cell = small_cell(
        NAME, number, problem__size=5, problem__rank=1, chains=2, n_steps=2000, relative_lr=[2.0],
        search__max_rank=4, search__n_starts=3
    )  # fmt: skip
    columns = {
        "table",
        "rank",
        "n_minima",
        "depth",
        "problem",
        "relative_lr",
        "fell",
        "first_step",
        "rises_after",
    }
    rows = check_rows(cell, columns) if cell.get("network.depth") > 2 else None
    if rows is None:
        rows = study_module(NAME).run(cell).assign(**cell.axes)
    assert (rows["table"] == "minima").sum() == 5
    assert (rows["table"] == "chains").sum() == 2
