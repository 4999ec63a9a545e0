"""Ranks and survival curves are drawn as the tables have them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rankfall import plot


def test_few_chains_are_lines_with_their_jumps() -> None:
    ax = Figure().subplots()
    ranks = np.array([[3, 3, 2, 2], [3, 2, 3, -1]])
    jumps = pd.DataFrame(
        {"chain": [0, 1, 1], "step": [20, 10, 20], "rank_to": [2, 2, 3], "kind": ["fall", "fall", "rise"]}
    )
    plot.rank_over_time(ax, np.arange(4) * 10, ranks, jumps)
    paths, marks = ax.lines[:2], ax.lines[2:]
    np.testing.assert_array_equal(paths[0].get_ydata(), [2.75, 2.75, 1.75, 1.75])
    np.testing.assert_array_equal(paths[1].get_ydata(), [3.25, 2.25, 3.25, np.nan])
    assert [line.get_label() for line in marks] == ["falls: 2", "rises: 1"]
    np.testing.assert_array_equal(marks[0].get_ydata(), [1.75, 2.25])


def test_many_chains_are_shares_that_fill_the_axis() -> None:
    ax = Figure().subplots()
    ranks = np.repeat([[3, 2, 1], [3, 3, -1]], 50, axis=0)
    plot.rank_over_time(ax, np.arange(3), ranks)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["diverged", "rank 3", "rank 2", "rank 1"]
    assert ax.get_ylim() == (0, 1)


def test_survival_curves_begin_at_one() -> None:
    ax = Figure().subplots()
    curve = pd.DataFrame(
        {"step": [10, 20], "survival": [0.5, 0.5], "low": [0.2, 0.2], "high": [0.9, 0.9], "censored": [0, 3]}
    )
    plot.survival_curves(ax, {"lr 0.1": curve}, begin=5)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [5, 10, 20])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [1, 0.5, 0.5])
    np.testing.assert_array_equal(ax.lines[1].get_xdata(), [20])
    assert ax.get_legend().get_texts()[0].get_text() == "lr 0.1"
