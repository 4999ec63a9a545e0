"""The figure and the page of a RankMemory show what its frames say."""

from __future__ import annotations

import numpy as np
import pytest

from memory.networks import fit, mlp, torch
from rankfall import plot
from rankfall.errors import InputError
from rankfall.memory import RankMemory
from rankfall.report import render
from rankfall.report.adapters.memory import memory_tables


@pytest.fixture(scope="module")
def memory() -> RankMemory:
    net = mlp()
    groups = [
        {"params": net[:4].parameters()},
        {"params": net[4].parameters(), "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.3, weight_decay=0.1)
    found = RankMemory(optimizer, net, relative=False, factors=True, every=25)
    fit(net, optimizer, 200)
    return found


def test_one_panel_for_each_layer(memory: RankMemory) -> None:
    figure = plot.rank_memory(memory)
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in figure.axes]
    assert titles == ["0", "2", "4"]
    lines = {line.get_label(): line for line in figure.axes[1].lines}
    history = memory.history.query("layer == '2'")
    np.testing.assert_array_equal(lines["today"].get_ydata(), history["numerical_rank"].to_numpy(float))
    np.testing.assert_array_equal(lines["Theorem S1"].get_xdata(), history["step"])
    certified = lines["certified"].get_ydata()
    assert np.isnan(certified[0]) and certified[-1] == memory.certified_rank()["2"].rank
    # of a single step the ranks are marked
    one = plot.rank_memory(memory.to_frame())
    assert one.axes[0].lines[-1].get_marker() == "o"
    with pytest.raises(InputError, match="no layer"):
        plot.rank_memory(memory.to_frame().iloc[:0])


def test_the_page(memory: RankMemory) -> None:
    tables = memory_tables(memory, title="digits & MLP")
    vacuous = sum(memory.vacuous.values())
    assert 0 < vacuous < 3
    assert dict(tables.headline)["vacuous"] == str(vacuous)
    assert [row[0] for row in tables.layers.rows] == ["0", "2", "4"]
    assert len(tables.curves) == 3 and tables.curves[0].steps[-1] == 200
    assert len(tables.reasons) == 1 and tables.reasons[0] == "4: without weight decay nothing is forgotten."
    page = render(tables)
    assert "digits &amp; MLP" in page and "Ranks along the run" in page and "nothing is forgotten" in page
    assert f"for {3 - vacuous} of 3" in tables.found


def test_a_page_without_a_history() -> None:
    net = mlp()
    optimizer = torch.optim.AdamW(net.parameters())
    found = RankMemory(optimizer, net)
    fit(net, optimizer, 2)
    tables = memory_tables(found)
    assert tables.curves == () and tables.found.endswith("the rank of no layer.")
    assert tables.reasons[0].startswith("0, 2, 4: the optimiser divides the gradient")
    assert "Ranks along the run" not in render(tables)
