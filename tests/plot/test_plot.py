"""The figures draw what they are given and draw it again the same."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from rankfall import plot


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
