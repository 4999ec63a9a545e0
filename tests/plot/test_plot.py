"""The figures draw what they are given and draw it again the same."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import rankfall as rf
from rankfall import plot
from rankfall.plot.picking import map_positions


def panels(number: int):
    return Figure(figsize=(4 * number, 3)).subplots(1, number)


def test_falling_singular_values_draws_one_line_each() -> None:
    ax = panels(1)
    steps = np.arange(10) * 100
    values = np.exp(-np.outer(np.arange(10), np.arange(4)))
    values[-1, 3] = 0.0
    plot.falling_singular_values(ax, steps, values, kept=2)
    curves = [line for line in ax.lines if len(line.get_xdata())]
    assert len(curves) == 4
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel() == "SGD steps"


@pytest.mark.parametrize(("train", "scale"), [([1.0, 0.5, 0.4], "linear"), ([1.0, 0.5, 1e-15], "log")])
def test_error_per_rank_marks_the_choice(train: list[float], scale: str) -> None:
    ax = panels(1)
    plot.error_per_rank(
        ax, np.array([1, 2, 3]), np.array(train), np.array([np.nan] * 3), chosen=2, label="RMSE (K)"
    )
    assert ax.get_yscale() == scale
    assert ax.get_ylabel() == "RMSE (K)"
    assert "delivered: rank 3" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_before_after_share_their_colours() -> None:
    axes = panels(2)
    before = np.arange(12.0).reshape(3, 4)
    before[1, 1] = np.nan
    plot.before_after(tuple(axes), before, np.arange(12.0).reshape(3, 4), shape=(30, 40), label="value (K)")
    first, second = (ax.images[0] for ax in axes)
    assert first.get_clim() == second.get_clim()
    assert axes[0].get_xlim() == (0, 40)
    plot.before_after(tuple(panels(2)), np.full((2, 2), np.nan), np.full((2, 2), np.nan))


def test_overview_is_reproducible_and_leaves_settings_alone() -> None:
    rng = np.random.default_rng(0)
    settings = dict(mpl.rcParams)
    arguments = (
        np.arange(5),
        np.exp(-rng.random((5, 3))),
        np.array([1, 2]),
        np.array([0.5, 0.4]),
        np.array([0.6, 0.5]),
        1,
        rng.random((6, 7)),
        rng.random((6, 7)),
    )
    pictures = []
    for _ in range(2):
        stream = io.BytesIO()
        plot.overview(*arguments).savefig(stream, format="png", dpi=50)
        pictures.append(stream.getvalue())
    assert pictures[0] == pictures[1]
    assert dict(mpl.rcParams) == settings


@pytest.fixture(scope="module")
def trace() -> rf.Trace:
    problem, _ = rf.datasets.low_rank((8, 8), rank=2, observed=0.8, seed=0)
    start = rf.Network.gaussian((8, 8, 8, 8), scale=1.0, seed=0)
    return rf.train(
        problem,
        start,
        rf.SGD(lr=0.02, ridge=0.03, n_steps=2000),
        chains=20,
        record=rf.Record(every=50),
        seed=3,
    )


@pytest.fixture(scope="module")
def result() -> rf.Completion:
    return rf.complete(rf.datasets.low_rank((30, 25), rank=2, oversampling=2.5, seed=1)[0], seed=0)


def test_singular_values_of_a_trace(trace: rf.Trace) -> None:
    (ax,) = plot.singular_values(trace).axes
    curves = [line for line in ax.lines if len(line.get_xdata())]
    # sixteen of twenty chains, eight values each
    assert len(curves) == 16 * 8
    np.testing.assert_array_equal(curves[0].get_xdata(), trace.steps)


def test_singular_values_and_path_and_heatmap_of_a_completion(result: rf.Completion) -> None:
    assert plot.singular_values(result).axes[0].get_yscale() == "log"
    (ax,) = plot.path(result, label="RMSE (K)").axes
    assert ax.get_ylabel() == "RMSE (K)"
    before, after = plot.heatmap(result).axes[:2]
    np.testing.assert_array_equal(before.images[0].get_array().filled(np.nan), result.problem.to_dense())
    np.testing.assert_allclose(after.images[0].get_array(), result.to_dense(), atol=1e-12)


def test_they_draw_where_they_are_told(trace: rf.Trace) -> None:
    ax = panels(1)
    assert plot.singular_values(trace, ax=ax) is ax.figure
    assert ax.lines


def test_survival(trace: rf.Trace) -> None:
    jumps = rf.find_jumps(trace)
    (ax,) = plot.survival(jumps, 1).axes
    curve = jumps.survival(1)
    np.testing.assert_array_equal(ax.lines[0].get_xdata()[1:], curve["step"])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [1.0, *curve["survival"]])
    names = plot.survival(jumps).axes[0].get_legend_handles_labels()[1]
    assert 1 <= len(names) <= 6
    assert all(name.startswith("to rank ") for name in names)
    with pytest.raises(rf.InputError, match="say which rank"):
        plot.survival(rf.find_jumps([[3, 3, 3]]))


def test_phase() -> None:
    rows = [
        (ridge, depth, ridge * depth)
        for ridge in (0.1, 0.2, 0.4)
        for depth in (2, 3)
        if (ridge, depth) != (0.4, 3)
    ]
    table = pd.DataFrame(rows + rows[:1], columns=["ridge", "depth", "share"])
    figure = plot.phase(table)
    tiles = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(tiles.filled(np.nan), [[0.2, 0.4, 0.8], [0.3, 0.6, np.nan]])
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["0.1", "0.2", "0.4"]
    assert plot.phase(table, "depth", "ridge", "share").axes[0].get_xlabel() == "depth"
    with pytest.raises(rf.InputError, match="no column 'noise'"):
        plot.phase(table, x="noise")


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_saved_figures_repeat(kind: str, trace: rf.Trace, tmp_path: Path) -> None:
    paths = [tmp_path / f"{k}.{kind}" for k in range(2)]
    for path in paths:
        plot.save(plot.singular_values(trace), path)
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    if kind == "svg":
        assert b"singular value</text>" in first
    if kind == "pdf":
        assert b"/Subtype /Image" not in first  # lines, not pixels


def test_save_names_the_formats(trace: rf.Trace, tmp_path: Path) -> None:
    with pytest.raises(rf.InputError, match=r"ends in .*\.pdf"):
        plot.save(plot.singular_values(trace), tmp_path / "figure.nonsense")
    assert not list(tmp_path.iterdir())


def test_nothing_to_draw_is_said() -> None:
    empty = rf.complete(np.zeros((4, 4)), seed=0)
    for draw, says in ((plot.singular_values, "no SGD run"), (plot.path, "no rank")):
        with pytest.raises(rf.InputError, match=says):
            draw(empty)


@pytest.mark.parametrize("shape", [(5, 7), (1000, 900), (12, 100_000), (100_000, 3)])
def test_maps_are_small_and_keep_their_ends(shape: tuple[int, int]) -> None:
    rows, cols = map_positions(shape)
    assert rows.size * cols.size <= 600 * 240
    for lines, size in ((rows, shape[0]), (cols, shape[1])):
        assert lines[0] == 0 and lines[-1] == size - 1
        assert lines.size == min(size, lines.size)
        assert lines.size == size or lines.size >= 240
