"""The long table of a trace holds every recorded number once."""

from __future__ import annotations

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import holed


@pytest.fixture(scope="module")
def trace() -> rf.Trace:
    record = rf.Record(
        every=40,
        what=("singular_values", "train_loss", "rank", "hidden_singular_values", "ledger", "weights"),
        extra={"norm": lambda network: float(np.linalg.norm(network.product()))},
    )
    network = rf.Network.gaussian((7, 5, 6, 8), scale=1.0, seed=0)
    sgd = rf.SGD(lr=0.03, ridge=1e-2, n_steps=100)
    return rf.train(holed((8, 7)), network, sgd, chains=[4, 9], seed=1, record=record)


def test_every_number_is_in_its_row(trace: rf.Trace) -> None:
    table = trace.to_frame()
    assert len(table) == 2 * trace.steps.size
    assert table.columns[:2].tolist() == ["chain", "step"]
    for k, chain in enumerate((4, 9)):
        rows = table[table["chain"] == chain]
        assert rows["step"].tolist() == trace.steps.tolist()
        for name in ("train_loss", "rank"):
            assert rows[name].to_numpy().tolist() == trace.measured[name][k].tolist()
        assert rows["norm"].to_numpy().tolist() == trace.measured["norm"][k].tolist()
        for j in range(trace.singular_values.shape[2]):
            assert (rows[f"singular_values_{j + 1}"] == trace.singular_values[k, :, j]).all()
        assert (rows["hidden_singular_values_2_1"] == trace.hidden_singular_values[k, :, 1, 0]).all()
        # the first record has no steps before it
        for j, part in enumerate(("ledger_1_2", "ledger_2_2")):
            assert np.array_equal(rows[part], trace.ledger[k, :, j, 1], equal_nan=True)
    width = sum(int(np.prod(values.shape[2:])) for values in trace.measured.values())
    assert table.shape[1] == 2 + width
    assert "weights" not in table
    assert table["rank"].dtype.kind == "i"


def test_diverged_chains_keep_their_rows() -> None:
    network = rf.Network.gaussian((7, 5, 8), scale=1.0, seed=0)
    trace = rf.train(
        holed((8, 7)), network, rf.SGD(lr=1e3, ridge=1e-5, n_steps=20), record=rf.Record(every=10)
    )
    table = trace.to_frame()
    assert table["step"].tolist() == [0, 10, 20]
    assert table["rank"].tolist()[1:] == [-1, -1]
    assert table["train_loss"].isna().tolist() == [False, True, True]
