"""Pages opened from disk in a headless Chromium with the network off.

Skipped where there is no Chromium; ``.ci/run`` installs one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import rankfall as rf
from lab.toys import write_study
from rankfall.cli import main
from rankfall.lab import Claim, read_study, run_sweep
from rankfall.lab.claims import write_claims
from rankfall.report import render
from rankfall.report.theme import DARK, LIGHT
from report import browser as b
from report.pages import HOSTILE, completion_tables, study_tables, trace_tables

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# where they must run, a missing browser is a failure
pytestmark = pytest.mark.skipif(
    b.CHROMIUM is None and os.environ.get("RANKFALL_BROWSER") != "required",
    reason="no chromium: install the Debian packages chromium and chromium-driver to run the browser tests",
)


_REMARK = "</script><script>window.harmed = 1</script> & <b>bold</b> ]]>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with b.chromium() as it:
        yield it


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # a name that the page's own title repeats
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def completion(folder: Path) -> tuple[Path, rf.Completion]:
    """A noisy table with hostile names, through the command line; its page and its saved result."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2)) @ rng.normal(size=(2, 20)) + 0.1 * rng.normal(size=(30, 20))
    X[rng.random(X.shape) < 0.25] = np.nan
    names = [f"c{j} {'<b>&' if j == 3 else ''}" for j in range(20)]
    rows = ["," + ",".join(names)]
    for i, line in enumerate(X):
        name = 'r"0" </script><script>window.harmed=1</script>' if i == 0 else f"r{i}"
        quoted = '"' + name.replace('"', '""') + '"'
        rows.append(",".join([quoted, *("" if np.isnan(x) else f"{x:.6g}" for x in line)]))
    source = folder / "table & <i>'s.csv"
    source.write_text("\n".join(rows) + "\n", encoding="utf-8")
    out, saved, page = folder / "out.csv", folder / "result.npz", folder / "completion.html"
    command = ["complete", source, "-o", out, "--save", saved, "--report", page, "--seed", "0", "-q"]
    assert main([str(part) for part in command]) == 0
    return page, rf.load(saved)


@pytest.fixture(scope="module")
def trace(folder: Path) -> tuple[Path, rf.Trace]:
    problem, _ = rf.datasets.low_rank((10, 10), rank=2, observed=0.8, seed=0)
    start = rf.Network.gaussian((10, 10, 10, 10), scale=1.0, seed=0)
    run = rf.train(
        problem, start, rf.SGD(lr=0.02, ridge=0.02, n_steps=4000), chains=20, record=rf.Record(every=40)
    )
    saved, page = folder / "trace.npz", folder / "trace.html"
    run.save(saved)
    assert main(["report", str(saved), "-o", str(page)]) == 0
    return page, run


def _hostile_figure() -> bytes:
    """A figure as a study writes it, with a script, an address and a handler in it."""
    from matplotlib.figure import Figure

    stream, figure = BytesIO(), Figure(figsize=(4, 2))
    figure.add_subplot().plot([1, 2, 3])
    figure.savefig(stream, format="svg")
    evil = (
        b"<script>window.top.harmed = 1</script>"
        b'<image href="http://localhost:9/x.png" onerror="harmed = 1"/></svg>'
    )
    return stream.getvalue().replace(b"</svg>", evil)


@pytest.fixture(scope="module")
def study(folder: Path) -> Path:
    """A study's folder as `rankfall study` leaves it, with a hostile setting."""
    toml = write_study(folder / "toy.toml")
    text = toml.read_text(encoding="utf-8").replace("[grid]", f'remark = """{_REMARK}"""\n[grid]')
    toml.write_text(text, encoding="utf-8")
    out, page = folder / "study", folder / "study.html"
    run_sweep(read_study(toml), out, ThreadPoolExecutor(1))
    write_claims([Claim(f"a claim {_REMARK}", "the rule", 1.0, 0.5, 1.5, "supported", "a note")], out)
    (out / "figure.svg").write_bytes(_hostile_figure())
    assert main(["report", str(out), "-o", str(page)]) == 0
    return page


@pytest.mark.parametrize("screen", b.SCREENS.values(), ids=b.SCREENS.keys())
@pytest.mark.parametrize("kind", ["completion", "trace", "study"])
def test_page(kind: str, screen: dict[str, Any], browser: Browser, request: pytest.FixtureRequest) -> None:
    """No error, every plot there, nothing overlaps, and axe finds nothing serious."""
    made = request.getfixturevalue(kind)
    path = made if kind == "study" else made[0]
    expected = {
        "completion": [
            "falling",
            "falling-1",
            "errors",
            "observed",
            "completed",
            "uncertainty",
            "held-out",
            "coverage",
            "counts",
        ],
        "trace": ["chains", "raster", "survival"],
        "study": [],
    }[kind]
    with b.opened(browser, path, screen) as page:
        assert b.drawn(page) == [f"chart-{name}" for name in expected]
        assert b.laid_out_badly(page) == []
        for details in page.locator("details").all():
            details.locator("summary").click()
        assert b.laid_out_badly(page) == []
        assert b.violations(page) == []
        dark = screen.get("color_scheme") == "dark"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(20, 24, 28)" if dark else "rgb(255, 255, 255)"
        )
        assert page.evaluate("window.harmed") is None
        if kind == "study":
            assert page.locator("img").evaluate("image => image.complete && image.naturalWidth > 50")
            # vectors, in the colours of the screen
            source = page.locator("img").evaluate("image => atob(image.currentSrc.split(',')[1])")
            assert source.count("<svg ") == 1
            assert (DARK["ink"] in source) == dark
            assert page.get_by_text(_REMARK).count() >= 2


def test_pointing_at_a_jump_shows_its_step(completion: tuple[Path, rf.Completion], browser: Browser) -> None:
    from rankfall.report.adapters.evidence import completion_jumps

    path, result = completion
    jumps = completion_jumps(result)
    assert jumps.step.size > 2
    with b.opened(browser, path, b.DESK) as page:
        for k in (jumps.step.size - 1, jumps.step.size // 2):
            tip = b.point_at_mark(page, "chart-falling", "jumps", k)
            assert f"{jumps.step[k]:,}" in tip
            assert f"{jumps.rank_from[k]} to {jumps.rank_to[k]}" in tip
            assert "of the largest" in tip or "died" in tip


def test_pointing_at_a_jump_of_a_chain(trace: tuple[Path, rf.Trace], browser: Browser) -> None:
    path, run = trace
    table = rf.find_jumps(run).table
    first = table[table.kind == "fall"].iloc[0]
    with b.opened(browser, path, b.DESK) as page:
        tip = b.point_at_mark(page, "chart-raster", "falls", 0)
        assert f"{first.step:,}" in tip
        assert f"{first.rank_from} to {first.rank_to}" in tip


def test_pointing_at_a_cell_shows_its_names_and_value(
    completion: tuple[Path, rf.Completion], browser: Browser
) -> None:
    path, result = completion
    assert result.row_names is not None
    with b.opened(browser, path, b.DESK) as page:
        page.locator("#chart-completed").scroll_into_view_if_needed()
        x, y = page.evaluate(_CELL, ["chart-completed", 3.5, 0.5])
        tip = b.point_at(page, x, y)
        assert result.row_names[0] in tip
        assert "c3 <b>&" in tip
        value = float(tip.rpartition("value")[2])
        assert value == pytest.approx(result.to_dense()[0, 3], abs=1e-4)
        assert page.evaluate("window.harmed") is None


def test_pointing_at_a_cell_among_different_units(folder: Path, browser: Browser) -> None:
    """Colours are of the column's own scale, but what is shown is the value."""
    tables = completion_tables()
    assert tables.heat_maps is not None
    after = tables.heat_maps.after
    maps = replace(tables.heat_maps, center=np.full(after.shape[1], 5.0), unit=np.full(after.shape[1], 1e3))
    path = folder / "units.html"
    path.write_text(render(replace(tables, heat_maps=maps)), encoding="utf-8")
    with b.opened(browser, path, b.DESK) as page:
        page.locator("#chart-completed").scroll_into_view_if_needed()
        tip = b.point_at(page, *page.evaluate(_CELL, ["chart-completed", 150, 100]))
        height, width = after.shape
        value = after[int(100 / maps.shape[0] * height), int(150 / maps.shape[1] * width)]
        assert float(tip.rpartition("value")[2]) == pytest.approx(value, abs=1e-3)


def test_every_tool_is_reached_by_keyboard(completion: tuple[Path, rf.Completion], browser: Browser) -> None:
    """Tab goes through the buttons of every figure, and each of them has a name."""
    with b.opened(browser, completion[0], b.DESK) as page:
        reached: set[tuple[str, str]] = set()
        for _ in range(150):
            page.keyboard.press("Tab")
            place, name = page.evaluate(_FOCUS)
            if name:
                reached.add((place, name))
        places = set(page.eval_on_selector_all(".place", "all => all.map(e => e.id)")) - {"chart-falling-1"}
        for tool in ("Zoom In", "Zoom Out", "Reset", "Save"):
            assert {place for place, name in reached if name == tool} == places


# the figure and the name of the button that has the focus
_FOCUS = """() => {
  const outer = document.activeElement;
  let inner = outer;
  while (inner?.shadowRoot?.activeElement) inner = inner.shadowRoot.activeElement;
  return [outer?.closest(".place")?.id ?? "", /Button/.test(inner?.className ?? "") ? inner.title : ""];
}"""


# where a point of a figure's own coordinates is on the screen
_CELL = """([place, x, y]) => {
  const root = Bokeh.index.roots.find((view) => document.getElementById(place).contains(view.el));
  const box = (root.canvas_view ?? root.canvas).el.getBoundingClientRect();
  return [box.x + root.frame.x_scale.compute(x), box.y + root.frame.y_scale.compute(y)];
}"""
_RANGES = """() => Bokeh.index.roots
  .filter((view) => /observed|completed|uncertainty/.test(view.el.parentElement.id))
  .map((view) => [view.model.x_range.start, view.model.x_range.end])"""


def test_maps_zoom_together_by_keyboard(completion: tuple[Path, rf.Completion], browser: Browser) -> None:
    with b.opened(browser, completion[0], b.DESK) as page:
        before = page.evaluate(_RANGES)
        assert before == [[0, 20]] * 3
        button = page.locator("#chart-completed .bk-ZoomInTool, #chart-completed [title*='Zoom In' i]").first
        button.focus()
        page.keyboard.press("Enter")
        page.wait_for_function(f"({_RANGES})()[0][0] > 0")
        after = page.evaluate(_RANGES)
        assert after[0] == after[1] == after[2]


def test_colours_follow_the_screen(completion: tuple[Path, rf.Completion], browser: Browser) -> None:
    """A reader who turns the lights off while the page is open."""
    ink = (
        "() => Bokeh.index.roots.filter((view) => view.model.type === 'Figure')"
        ".map((view) => view.model.below[0].axis_label_text_color)"
    )
    with b.opened(browser, completion[0], b.DESK) as page:
        assert set(page.evaluate(ink)) == {LIGHT["ink"]}
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(f"({ink})().every((colour) => colour === '{DARK['ink']}')")
        page.emulate_media(color_scheme="light")
        page.wait_for_function(f"({ink})().every((colour) => colour === '{LIGHT['ink']}')")


@pytest.mark.parametrize("make", [completion_tables, trace_tables, study_tables])
def test_hostile_strings_do_nothing(make, folder: Path, browser: Browser) -> None:
    """In every string of every page: shown as they are, and no more than that."""
    path = folder / f"{make.__name__}.html"
    path.write_text(render(make(HOSTILE)), encoding="utf-8")
    visible = " ".join(HOSTILE.split())
    with b.opened(browser, path, b.PHONE) as page:
        assert b.laid_out_badly(page) == []
        assert page.locator("h1").inner_text() == page.evaluate(_SHOWN, HOSTILE)
        assert visible[:20] in page.title()
        for details in page.locator("details").all():
            details.locator("summary").click()
        assert page.locator("main img[src='x'], main script").count() == 0
        for place, name in (
            ("chart-falling", "jumps"),
            ("chart-raster", "falls"),
            ("chart-held-out", "held-out cells"),
        ):
            if page.locator(f"#{place}").count():
                tip = b.point_at_mark(page, place, name, 0)
                assert "<script>window.harmed" in tip
                assert "$$x$$" in tip
        if page.locator("#chart-completed").count():
            page.locator("#chart-completed").scroll_into_view_if_needed()
            tip = b.point_at(page, *page.evaluate(_CELL, ["chart-completed", 150, 100]))
            assert tip.count("<script>window.harmed") == 2
        assert page.evaluate("window.harmed") is None


# how the browser shows a string that is nothing but text
_SHOWN = """(text) => {
  const heading = document.createElement("h1");
  heading.textContent = text;
  document.querySelector("header").append(heading);
  const shown = heading.innerText;
  heading.remove();
  return shown;
}"""


def test_figures_can_be_named_without_sight(completion: tuple[Path, rf.Completion], browser: Browser) -> None:
    """What a screen reader is told about each figure says what is in it."""
    with b.opened(browser, completion[0], b.DESK) as page:
        labels = page.eval_on_selector_all("figure [role=group]", "all => all.map(e => e.ariaLabel)")
        assert len(labels) == 8
        assert all(len(label) > 40 for label in labels)
        # no button without a name
        assert page.get_by_role("button").count() == 0 or all(
            button.get_attribute("title") or button.inner_text()
            for button in page.get_by_role("button").all()
        )
