"""A trace as a moving picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rankfall as rf
from dynamics.problems import holed


@pytest.fixture(scope="module")
def trace() -> rf.Trace:
    network = rf.Network.gaussian((7, 7, 7, 8), scale=1.0, seed=0)
    sgd = rf.SGD(lr=0.03, ridge=3e-2, n_steps=4000)
    return rf.train(holed((8, 7)), network, sgd, chains=2, seed=0, record=rf.Record(every=200))


def test_frames_show_the_records(trace: rf.Trace) -> None:
    film = rf.plot.animate(trace, chain=1, max_values=5)
    film._draw_was_started = True  # or matplotlib warns that nobody saw it
    left, right = film._fig.axes
    for frame in (0, 7, trace.steps.size - 1):
        film._draw_frame(frame)
        s = np.maximum(trace.singular_values[1, frame, :5], left.get_ylim()[0])
        assert [bar.get_height() + bar.get_y() for bar in right.patches] == pytest.approx(list(s))
        assert [line.get_ydata()[-1] for line in left.lines] == pytest.approx(list(s))
        assert all(len(line.get_xdata()) == frame + 1 for line in left.lines)
        # grey below the tolerance: the bars that are left are the rank
        colours = {bar.get_facecolor() for bar in right.patches[: trace.rank[1, frame]]}
        assert len(colours) == 1
        assert all(bar.get_facecolor() not in colours for bar in right.patches[trace.rank[1, frame] :])
        assert f"step {trace.steps[frame]:,}" in right.get_title(loc="left")


def test_it_is_saved_as_a_gif(trace: rf.Trace, tmp_path: Path) -> None:
    film = rf.plot.animate(trace, max_frames=4)
    film.save(tmp_path / "run.gif", writer="pillow", dpi=30)
    with Image.open(tmp_path / "run.gif") as picture:
        assert picture.format == "GIF"
        assert picture.n_frames == 4


def test_what_cannot_be_drawn(trace: rf.Trace) -> None:
    sgd = rf.SGD(lr=0.03, ridge=3e-2, n_steps=10)
    bare = rf.train(trace.problem, trace.start, sgd, record=rf.Record(what=("rank",)))
    with pytest.raises(rf.InputError, match="was not recorded"):
        rf.plot.animate(bare)
    gone = rf.train(trace.problem, trace.start, rf.SGD(lr=1e3, ridge=1e-4, n_steps=10))
    with pytest.raises(rf.InputError, match="two records"):
        rf.plot.animate(gone)
    with pytest.raises(rf.InputError, match="chain"):
        rf.plot.animate(trace, chain=2)
