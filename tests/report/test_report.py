"""The page: self-contained, escaped, complete, small, and with the numbers that it was given."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankfall.report import (
    Chains,
    HeatMaps,
    HeldOutCells,
    History,
    JumpMarks,
    RankErrors,
    Raster,
    TextTable,
    render,
)
from rankfall.report.charts import axis_counts, errors, falling, held_out, ridge
from rankfall.report.completion_page import completion_page, jump_table
from rankfall.report.lab_pages import trace_page
from rankfall.report.maps import heat_maps
from rankfall.report.page import safe_json
from rankfall.report.parts import Chart, TablePart
from rankfall.report.theme import DARK, LIGHT, SERIES, new_figure
from rankfall.report.trace_charts import overlaid, raster, survival
from report.colours import contrast, luminance
from report.pages import HOSTILE, completion_tables, marks, study_tables, trace_tables

ALL = (completion_tables, trace_tables, study_tables)
_LARGEST = 3_000_000


class _Tags(HTMLParser):
    """Collects tags, the ids of places, and text; checks that tags close in order."""

    void = frozenset({"meta", "link", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.references += [given[name] or "" for name in ("src", "href", "action", "data") if name in given]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: str) -> _Tags:
    parser = _Tags()
    parser.feed(page)
    assert not parser.open
    return parser


def figures(page: str) -> dict:
    """What the page's script draws."""
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    return json.loads(found.group(1)) if found else {"document": {"roots": []}, "roots": {}}


def lists(value: object) -> dict[str, np.ndarray]:
    """The columns of a data source in Bokeh's JSON that are arrays."""
    out = {}
    for name, column in value["entries"]:  # type: ignore[index]
        if isinstance(column, list) and column and isinstance(column[0], dict):
            out[name] = _array(column[0])
        elif isinstance(column, dict) and column.get("type") == "ndarray":
            out[name] = _array(column)
        elif isinstance(column, list):
            out[name] = np.array(column)
    return out


def _array(plain: dict) -> np.ndarray:
    data = base64.b64decode(plain["array"]["data"])
    data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    return np.frombuffer(data, plain["dtype"]).reshape(plain["shape"])


@pytest.mark.parametrize("make", ALL)
def test_page_is_self_contained_and_small(make) -> None:
    page = render(make())
    seen = parsed(page)
    assert not {"iframe", "object", "embed", "form"} & set(seen.seen)
    assert all(reference.startswith("data:") for reference in seen.references)
    assert "default-src 'none'" in page
    assert len(page.encode()) < _LARGEST
    # a page without figures needs no script
    assert ("script" in seen.seen) == (make is not study_tables)
    assert len(set(seen.ids)) == len(seen.ids)


@pytest.mark.parametrize("make", ALL)
def test_every_figure_has_its_place_and_its_words(make) -> None:
    page = render(make())
    places = set(figures(page)["roots"].values())
    expected = {
        completion_tables: {
            "falling", "falling-1", "errors", "observed", "completed", "uncertainty", "held-out", "coverage",
            "counts",
        },
        trace_tables: {"chains", "raster", "survival"},
        study_tables: set(),
    }[make]  # fmt: skip
    assert places == {f"chart-{name}" for name in expected}
    assert places <= set(parsed(page).ids)
    words = re.findall(r'<div role="group" aria-label="([^"]+)"', page)
    assert len(words) == len([name for name in expected if name != "falling-1"])
    assert all(len(text) > 20 for text in words)


@pytest.mark.parametrize("make", ALL)
def test_strings_are_escaped(make) -> None:
    plain, page = (parsed(render(make(text))) for text in ("plain", HOSTILE))
    # the same elements, whatever the strings are
    assert page.seen == plain.seen
    assert page.ids == plain.ids


@given(
    st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
)
def test_json_cannot_leave_its_script(value) -> None:
    text = safe_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


def test_the_largest_pages_are_small() -> None:
    """As much of everything as is ever drawn, and noise, which does not compress."""
    rng = np.random.default_rng(0)
    tables = completion_tables()
    maps, cells = (rng.standard_normal(shape) for shape in ((3, 240, 240), (4, 1500)))
    names = tuple(f"a name of ordinary length, number {k}" for k in range(1500))
    page = render(
        dataclasses.replace(
            tables,
            history=History(
                np.arange(300), np.exp(rng.standard_normal((300, 80))), np.arange(1.0, 301), 9, marks()
            ),
            heat_maps=HeatMaps(
                maps[0],
                maps[1],
                (9999, 9999),
                half_width=maps[2],
                row_names=names[:240],
                col_names=names[:240],
            ),
            held_out=HeldOutCells(
                *cells,
                row=names,
                col=names,
                total=9999,
                coverage=0.9,
                nominal=np.empty(0),
                realised=np.empty(0),
            ),
        )
    )
    assert len(page.encode()) < _LARGEST


def test_pages_repeat() -> None:
    assert render(completion_tables()) == render(completion_tables())
    assert render(trace_tables()) == render(trace_tables())


@pytest.mark.parametrize(
    "field",
    ["history", "errors", "heat_maps", "held_out", "path", "comparison", "certificate", "counts", "thin"],
)
def test_parts_may_be_missing(field: str) -> None:
    page = render(dataclasses.replace(completion_tables(), **{field: None}))
    drawn = {"history": 2, "errors": 1, "heat_maps": 3, "held_out": 2, "counts": 1}.get(field, 0)
    assert len(figures(page)["roots"]) == 9 - drawn


@pytest.mark.parametrize("field", ["chains", "raster", "rates"])
def test_parts_of_a_trace_may_be_missing(field: str) -> None:
    page = render(dataclasses.replace(trace_tables(), **{field: None}, survival=()))
    assert len(figures(page)["roots"]) == (2 if field == "rates" else 1)


def test_nothing_to_draw_draws_nothing() -> None:
    nothing = np.full(3, np.nan)
    assert errors(RankErrors(np.arange(3), nothing, nothing, None, "x")) is None
    assert errors(RankErrors(np.array([3]), np.array([0.5]), np.array([0.6]), 0, "x")) is None
    assert heat_maps(HeatMaps(np.full((2, 2), np.nan), np.full((2, 2), np.nan), (2, 2))) == {}
    dead = History(np.arange(4), np.zeros((4, 2)), np.ones(4), 0)
    assert falling(dead) is None
    assert ridge(dead, None) is None
    assert falling(History(np.zeros(0), np.zeros((0, 2)), np.zeros(0), 0)) is None
    none = np.empty(0)
    assert held_out(HeldOutCells(none, none, none, none, (), (), 0, 0.9, none, none)) is None
    assert overlaid(Chains(np.arange(3), np.full((1, 3, 2), np.nan), np.array([0]), 1)) is None
    assert raster(Raster(marks(), 0, 10, (), 0)) is None
    assert survival(()) is None


def test_numbers_arrive_in_the_page() -> None:
    tables = completion_tables()
    document = json.dumps(figures(render(tables))["document"])
    sources = [lists(found) for found in _maps(json.loads(document))]
    jumps = next(s for s in sources if {"step", "note", "change"} <= s.keys())
    np.testing.assert_array_equal(jumps["step"], marks().step)
    assert jumps["change"].tolist() == ["3 to 2", "2 to 1"]
    assert jumps["marker"].tolist() == ["inverted_triangle"] * 2
    assert tables.history is not None
    history = next(s for s in sources if "s0" in s)
    np.testing.assert_array_equal(history["step"], tables.history.steps)
    np.testing.assert_allclose(history["s1"], tables.history.singular_values[:, 1], rtol=1e-6)
    assert tables.heat_maps is not None
    for pixels in (tables.heat_maps.before, tables.heat_maps.after, tables.heat_maps.half_width):
        assert any(_same(s["image"], pixels) for s in sources if "image" in s)
    points = [s for s in sources if {"predicted", "observed", "low"} <= s.keys()]
    inside, outside = points
    assert len(inside["observed"]) + len(outside["observed"]) == 40
    assert (np.abs(inside["observed"] - inside["predicted"]) <= 0.3).all()
    assert (np.abs(outside["observed"] - outside["predicted"]) > 0.3).all()


def _maps(value: object) -> list[dict]:
    """All data of data sources in Bokeh's JSON."""
    if isinstance(value, dict):
        found = [value["data"]] if isinstance(value.get("data"), dict) and "entries" in value["data"] else []
        return found + [item for inner in value.values() for item in _maps(inner)]
    return [item for inner in value for item in _maps(inner)] if isinstance(value, list) else []


def _same(a: np.ndarray, b: np.ndarray | None) -> bool:
    return b is not None and a.shape == b.shape and np.allclose(a, b, rtol=1e-6, atol=1e-6, equal_nan=True)


def test_extreme_numbers_are_drawn() -> None:
    exact = RankErrors(
        np.array([0, 1, 2]), np.array([1.0, 1e-15, 0.0]), np.array([2.0, 1e-14, np.nan]), 1, "e"
    )
    lonely = RankErrors(np.array([3, 4]), np.array([0.5, np.nan]), np.array([np.nan] * 2), 0, "e")
    dying = np.geomspace(1, 1e-300, 50)[:, None] * np.ones(3)
    unknown = dataclasses.replace(marks(), value=np.full(2, np.nan))
    tables = completion_tables()
    for history in (
        History(np.arange(50), dying, np.ones(50), 1),
        History(np.arange(50), np.where(dying < 1e-200, 0, dying), np.geomspace(1e-5, 1, 50), 1, unknown),
    ):
        for errors_of in (exact, lonely):
            constant = HeatMaps(
                np.full((1, 5), 2.0), np.full((1, 5), 2.0), (1, 5), half_width=np.zeros((1, 5))
            )
            page = render(dataclasses.replace(tables, history=history, errors=errors_of, heat_maps=constant))
            # strict JSON has no NaN and no infinity
            json.loads(json.dumps(figures(page)["document"]), parse_constant=pytest.fail)


@pytest.mark.parametrize("with_chain", [False, True])
@pytest.mark.parametrize("n", [0, 1, 60, 200])
def test_long_tables_of_jumps_are_cut(n: int, with_chain: bool) -> None:
    jumps = JumpMarks(*(np.arange(n),) * 4, np.zeros(n), np.arange(n), ("x",) * n)
    table = jump_table(jumps, with_chain)
    assert len(table.rows) == min(n, 60)
    assert all(len(row) == len(table.header) for row in table.rows)


def test_a_table_that_is_cut_says_so() -> None:
    tables = completion_tables()
    jumps = JumpMarks(*(np.arange(200),) * 4, np.zeros(200), np.arange(200), ("x",) * 200)
    assert tables.history is not None
    page = render(dataclasses.replace(tables, history=dataclasses.replace(tables.history, jumps=jumps)))
    assert "The first 60 of 200 changes" in page


def test_down_sampled_maps_say_so() -> None:
    tables = completion_tables()
    assert tables.heat_maps is not None
    assert "20 of 200" in render(tables)
    whole = dataclasses.replace(tables.heat_maps, shape=(20, 30))
    assert "evenly spaced" not in render(dataclasses.replace(tables, heat_maps=whole))


def test_study_says_how_much_it_shows() -> None:
    page = render(study_tables())
    assert "The first 30 of 100 rows" in page
    assert "data:image/png;base64," in page


def test_tables_without_figures_need_no_script() -> None:
    tables = completion_tables()
    nothing = dict.fromkeys(("history", "errors", "heat_maps", "held_out", "counts"))
    page = render(dataclasses.replace(tables, **nothing, path=TextTable(("a",), (("b",),))))  # type: ignore[arg-type]
    assert "<script" not in page
    assert len(page) < 20_000


def test_themes_can_be_exchanged() -> None:
    assert LIGHT.keys() == DARK.keys()
    # the page's script finds a colour's partner by the colour itself
    for theme in (LIGHT, DARK):
        assert len(set(theme.values())) == len(theme)
    assert not set(LIGHT.values()) & set(DARK.values())


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def testcontrast(theme: dict[str, str]) -> None:
    """WCAG 2: 4.5 to 1 for text, 3 to 1 for lines; axe does not look into a canvas."""
    for role, ground, least in (
        *((role, "paper", 4.5) for role in ("ink", "soft", "kept")),
        # tooltips, commands, and warnings
        *((role, "panel", 4.5) for role in ("ink", "soft")),
        ("ink", "warn", 4.5),
        *((role, "paper", 3.0) for role in {*SERIES, "validation", "train"}),
        ("fallen", "paper", 2.5),  # lines that are to stand back
    ):
        assert contrast(theme[role], theme[ground]) >= least, (role, ground)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_missing_cells_stand_out_from_maps(theme: dict[str, str]) -> None:
    """The grey of what was not observed is no colour of the maps: it has none of their saturation."""
    from bokeh.palettes import Cividis256, Viridis256

    def saturation(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
        return max(parts) - min(parts)

    grey = theme["missing"]
    assert saturation(grey) < 20
    for palette in (Viridis256, Cividis256):
        alike = [c for c in palette if abs(luminance(c) - luminance(grey)) < 0.05 and saturation(c) < 20]
        assert alike == []


@pytest.mark.parametrize("make", [completion_tables, trace_tables])
def test_figures_are_told_in_numbers(make) -> None:
    """A canvas says nothing to a screen reader.

    Beside every figure are a table, or words with numbers in them.
    """
    tables = make()
    page = completion_page(tables) if make is completion_tables else trace_page(tables)
    seen = 0
    for section in page.sections:
        charts = [part for part in section.parts if isinstance(part, Chart)]
        has_table = any(isinstance(part, TablePart) for part in section.parts)
        seen += len(charts)
        for chart in charts:
            assert has_table or len(re.findall(r"\d+(?:\.\d+)?", chart.text)) >= 3, chart.name
    assert seen == len(page.charts) > 2


def test_colours_of_columns_with_different_units() -> None:
    """Each column has the colours of its own scale; values are kept beside them, for the hover."""
    values = np.array([[1.0, 1000.0], [3.0, 3000.0]])
    maps = HeatMaps(values, values, (2, 2), center=np.array([2.0, 2000.0]), unit=np.array([1.0, 1000.0]))
    np.testing.assert_array_equal(maps.shade(values), [[-1, -1], [1, 1]])
    np.testing.assert_array_equal(maps.shade(values, width=True), [[1, 1], [3, 3]])
    page = render(dataclasses.replace(completion_tables(), heat_maps=maps))
    assert "own standard deviations" in page
    sources = [lists(found) for found in _maps(figures(page)["document"])]
    both = [s for s in sources if "image" in s]
    assert all(_same(s["image"], maps.shade(values)) and _same(s["value"], values) for s in both)
    assert len(both) == 2


def test_long_labels_are_broken() -> None:
    label = "root mean square error of the logarithms (column standard deviations)"
    fig = new_figure(300, "x", label)
    lines = fig.yaxis[0].axis_label.text.split("\n")
    assert " ".join(lines) == label
    assert max(map(len, lines)) <= 32


def test_axis_counts() -> None:
    counts = completion_tables().counts
    assert counts is not None
    assert axis_counts(counts) is not None
    assert axis_counts(dataclasses.replace(counts, rows=np.empty(0))) is None
