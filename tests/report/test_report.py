"""The page: self-contained, escaped, complete, small, and drawn where the numbers say."""

from __future__ import annotations

import base64
import dataclasses
import re
import struct
import zlib
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankfall.report import HeatMaps, History, RankErrors, ReportTables, TextTable, render
from rankfall.report.figures import errors, falling, heat_maps
from rankfall.report.png import heat_map
from rankfall.report.svg import Scale, linear_ticks, nice_number, polylines


def example(evil: str = "plain") -> ReportTables:
    rng = np.random.default_rng(0)
    steps = np.arange(0, 5000, 100)
    values = np.exp(-np.outer(steps / 1000, np.arange(6))) + 1e-9
    before = rng.standard_normal((20, 30))
    after = before.copy()
    before[rng.random(before.shape) < 0.4] = np.nan
    pairs = ((evil, evil),)
    return ReportTables(
        title=evil,
        subtitle=evil,
        headline=pairs,
        outcome=evil,
        advice=evil,
        warnings=(evil,),
        history=History(steps, values, np.repeat([1e-4, 1e-3], 25), kept=2),
        errors=RankErrors(
            np.array([1, 2, 3]), np.array([1.0, 0.3, 0.2]), np.array([1.1, 0.4, np.nan]), 1, evil
        ),
        heat_maps=HeatMaps(before, after, (200, 300), evil, evil, evil),
        path=TextTable((evil, "error"), ((evil, "1"), ("b", "2")), marked=1),
        comparison=TextTable((evil,), ((evil,),)),
        identifiability=pairs,
        settings=pairs,
        versions=pairs,
    )


class _Tags(HTMLParser):
    """Collects tags and checks that they close in order."""

    void = frozenset({"meta", "link", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags(page: str) -> list[str]:
    parser = _Tags()
    parser.feed(page)
    assert not parser.open
    return parser.seen


def test_page_is_self_contained_and_small() -> None:
    page = render(example())
    seen = tags(page)
    assert seen.count("svg") == 3
    assert not {"script", "link", "iframe"} & set(seen)
    references = re.findall(r'(?:href|src)="([^"]{0,30})', page) + re.findall(r"url\(([^)]*)\)", page)
    assert all(r.startswith(("data:image/png", "#")) for r in references)
    assert len(page) < 200_000


def test_strings_are_escaped() -> None:
    evil = "<script>alert('x')</script> & \"quoted\" {{ 7 * 7 }}"
    page = render(example(evil))
    assert "<script" not in page
    assert "script" not in tags(page)
    assert "&lt;script&gt;" in page
    assert "{{ 7 * 7 }}" in page


@pytest.mark.parametrize("field", ["history", "errors", "heat_maps", "path", "comparison"])
def test_parts_may_be_missing(field: str) -> None:
    page = render(dataclasses.replace(example(), **{field: None}))
    assert tags(page).count("svg") == (2 if field in ("history", "errors", "heat_maps") else 3)


def test_nothing_to_draw_draws_nothing() -> None:
    nothing = np.full(3, np.nan)
    assert errors(RankErrors(np.arange(3), nothing, nothing, None, "x")) == ""
    assert errors(RankErrors(np.array([3]), np.array([0.5]), np.array([0.6]), 0, "x")) == ""
    assert heat_maps(HeatMaps(np.full((2, 2), np.nan), np.full((2, 2), np.nan), (2, 2))) == ""
    assert falling(History(np.arange(4), np.zeros((4, 2)), np.ones(4), 0)) == ""
    assert falling(History(np.zeros(0), np.zeros((0, 2)), np.zeros(0), 0)) == ""


def test_drawings_are_valid_xml_with_finite_numbers() -> None:
    tables = example()
    assert tables.history
    assert tables.errors
    assert tables.heat_maps
    exact = RankErrors(
        np.array([0, 1, 2]), np.array([1.0, 1e-15, 0.0]), np.array([2.0, 1e-14, np.nan]), 1, "e"
    )
    lonely = RankErrors(np.array([3, 4]), np.array([0.5, np.nan]), np.array([np.nan] * 2), 0, "e")
    constant = HeatMaps(np.full((1, 5), 2.0), np.full((1, 5), 2.0), (1, 5))
    dying = np.geomspace(1, 1e-300, 50)[:, None] * np.ones(3)
    drawings = [
        falling(tables.history),
        falling(History(np.arange(50), dying, np.ones(50), 1)),
        falling(History(np.arange(50), np.where(dying < 1e-200, 0, dying), np.ones(50), 1)),
        *map(errors, (tables.errors, exact, lonely)),
        *map(heat_maps, (tables.heat_maps, constant)),
    ]
    for text in drawings:
        ElementTree.fromstring(text)
        numbers = re.sub(r"data:image[^\"]*", "", text)
        assert "nan" not in numbers
        assert "inf" not in re.sub("inside", "", numbers)


def test_heat_map_pixels() -> None:
    values = np.array([[0.0, 1.0, np.nan], [0.5, -3.0, 7.0]])
    data = base64.b64decode(heat_map(values, 0.0, 1.0).split(",")[1])
    assert data.startswith(b"\x89PNG")
    chunks, at = {}, 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        chunks[kind], at = body, at + 12 + length
    assert struct.unpack(">II", chunks[b"IHDR"][:8]) == (3, 2)
    pixels = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(2, 4)[:, 1:]
    np.testing.assert_array_equal(pixels, [[0, 254, 255], [127, 0, 254]])
    assert chunks[b"tRNS"][255] == 0
    assert chunks[b"tRNS"][254] == 255


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(1, 12))
def test_linear_ticks_are_few_and_inside(low: float, span: float, at_most: int) -> None:
    high = low + span
    if high - low < 1e-9 * abs(low):
        return
    ticks = linear_ticks(low, high, at_most)
    assert len(ticks) <= at_most + 1
    assert all(low - 1e-6 * span <= t <= high + 1e-6 * span for t in ticks)


@given(st.floats(-200, 100), st.floats(0.1, 100), st.integers(3, 12))
def test_log_ticks_are_few_and_inside(exponent: float, decades: float, at_most: int) -> None:
    scale = Scale(10**exponent, 10 ** (exponent + decades), 0, 100, log=True)
    ticks = scale.ticks(at_most)
    assert len(ticks) <= max(at_most, 9)
    assert all(-0.1 <= scale(t) <= 100.1 for t in ticks)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.05, "0.05"),
        (-2, "-2"),
        (20_000, "20k"),
        (1_500_000, "1.5M"),
        (1e-8, "10⁻⁸"),
        (3e-8, "3·10⁻⁸"),
    ],
)
def test_numbers_on_axes(value: float, text: str) -> None:
    assert nice_number(value) == text


def test_lines_break_at_gaps() -> None:
    x = np.arange(5.0)
    assert polylines(x, np.array([1.0, 2.0, np.nan, 3.0, 4.0]), "k", 0, 10).count("<polyline") == 2
    # far below the frame nothing is drawn but the way there
    assert polylines(x, np.array([1.0, 50.0, 50.0, 50.0, 50.0]), "k", 0, 10).count(",") == 2
