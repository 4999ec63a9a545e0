"""Study connectivity: verdicts at their boundaries, the graphs, and small cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.errors import InputError
from rankfall.lab.studies.connectivity import observed_cells, rank_one

NAME = "connectivity"


def rows(graph: str, n: int, rank: int = 1, excess: float = 0.2, sgd: int = 1, misfit: float = 1e-6):
    row = {
        "graph": graph, "rank": rank, "nuclear": 1 + excess, "smallest_nuclear": 1.0, "sgd_rank": sgd,
        "misfit": misfit, "ridge_share": 0.3,
    }  # fmt: skip
    return pd.DataFrame([row] * n)


def verdict(part: str, *tables: pd.DataFrame) -> str:
    return verdict_on(NAME, pd.concat(tables, ignore_index=True), part)


@pytest.mark.parametrize(
    ("good", "bad", "expected"),
    [(6, 0, "supported"), (3, 3, "undecided"), (0, 6, "not supported"), (0, 0, "undecided")],
)
def test_shares(good: int, bad: int, expected: str) -> None:
    other = rows("disconnected", 0)
    lost = rows("connected", 20, rank=3, misfit=0.1), rows("blocks", 20, rank=3, misfit=0.1)
    for part, graph, yes, no in (
        ("ends at low rank", "connected", {}, {"rank": 2}),
        ("connected, it ends at the smallest", "connected", {"excess": 0.0099}, {"excess": 0.0101}),
        ("sum of the parts", "blocks", {"rank": 2}, {"rank": 1}),
        ("complete parts, it ends at the smallest", "blocks", {"excess": 0.0}, {}),
    ):
        assert verdict(part, rows(graph, good, **yes), rows(graph, bad, **no), other, *lost) == expected
    apart = rows("blocks", good), rows("disconnected", bad, sgd=2), rows("connected", 9, sgd=2)
    assert verdict("SGD with a ridge", *apart) == expected


def test_graphs() -> None:
    from scipy.sparse.csgraph import connected_components

    rng = np.random.default_rng(0)
    for graph, parts, n_cells in (("connected", 1, 13), ("disconnected", 2, 12), ("blocks", 2, 18)):
        mask = observed_cells(graph, 6, 2, rng)
        assert mask.sum() == n_cells
        edges = np.block([[np.zeros((6, 6)), mask], [mask.T, np.zeros((6, 6))]])
        assert connected_components(edges)[0] == parts
        problem, truth = rank_one(mask, 6, rng)
        assert np.linalg.matrix_rank(truth) == 1
        assert np.sqrt(np.mean(truth**2)) == pytest.approx(1)
        assert np.array_equal(problem.values, truth[mask])
    with pytest.raises(InputError, match="graph is"):
        observed_cells("tree", 6, 0, rng)


@pytest.mark.parametrize("number", [0, 2])
def test_a_small_cell(number: int) -> None:
    cell = small_cell(NAME, number, repeats=2, descent__n_steps=5000, optimiser__n_steps=2000)
    found = check_rows(cell, {"rank", "nuclear", "smallest_nuclear", "sgd_rank", "misfit", "ridge_share"})
    # no completion has a smaller nuclear norm, but for the ridge that computes it
    assert (found["nuclear"] > 0.99 * found["smallest_nuclear"])[found["misfit"] < 1e-3].all()
