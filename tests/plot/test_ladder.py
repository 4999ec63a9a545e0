from __future__ import annotations

import numpy as np
import pandas as pd

from rankfall import plot

TABLE = pd.DataFrame(
    {
        "ridge": [3.0, 2.0, 1.0, 0.5],
        "estimate": [1e-3, 1e-5, 1e-8, 0.0],
        "low": [8e-4, 7e-6, 5e-9, 0.0],
        "high": [1.2e-3, 1.4e-5, 2e-8, 1.0],
        "direct": [9e-4, 0.0, np.nan, np.nan],
        "direct_low": [0.0, 0.0, np.nan, np.nan],
        "direct_high": [1.5e-3, 3e-4, np.nan, np.nan],
    }
)


def test_a_ladder_shows_what_was_found() -> None:
    ax = plot.ladder(TABLE, "ridge", "strength", "A fall").axes[0]
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel() == "strength" and ax.get_title(loc="left") == "A fall"
    splitting, direct = (bars.lines[0] for bars in ax.containers)
    assert splitting.get_xdata().tolist() == [1.0, 2.0, 3.0]
    assert splitting.get_ydata().tolist() == [1e-8, 1e-5, 1e-3]
    assert direct.get_xdata().tolist() == [3.0]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["splitting", "direct runs"]


def test_a_ladder_without_direct_runs_or_without_anything() -> None:
    bare = TABLE[["ridge", "estimate", "low", "high"]]
    assert len(plot.ladder(bare, "ridge").axes[0].containers) == 1
    assert plot.ladder(bare[3:], "ridge").axes[0].get_legend() is None
