"""From a study's folder to the tables of its page."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.toys import write_study
from rankfall.errors import InputError
from rankfall.lab import Claim, open_sweep, read_study, run_sweep
from rankfall.lab.claims import write_claims
from rankfall.plot import style
from rankfall.report.adapters.study import study_tables
from rankfall.report.adapters.study_figure import darkened
from rankfall.report.theme import DARK
from report.colours import contrast

SVG = b"""<?xml version="1.0"?><svg width="9"><path style="fill: #ffffff"/><path style="fill: #0072b2"/>
<path style="fill: #e8f1f8"/><path style="fill: #123456"/><path d="M 0 0"/></svg>"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run_sweep(read_study(write_study(tmp_path / "toy.toml")), tmp_path / "out", ThreadPoolExecutor(1))
    return tmp_path / "out"


def test_a_sweep_has_its_results_and_no_claims(folder: Path) -> None:
    tables = study_tables(folder)
    results = open_sweep(folder)
    assert tables.claims == ()
    assert tables.picture is None
    assert tables.results is not None
    assert tables.results.header == tuple(results.columns)
    assert len(tables.results.rows) == tables.results_total == len(results) == 18
    assert '"seed": 5' in tables.source
    assert dict(tables.settings)["root seed"] == "5"


def test_a_judged_study_has_its_claims(folder: Path) -> None:
    nan, inf = float("nan"), float("inf")
    claims = [
        Claim('it rains, "mostly"', "above 0", 1.25, 0.5, 2.0, "supported", "a, note"),
        Claim("it snows", "above 0", nan, nan, nan, "undecided"),
        Claim("NA", "above 0", 1.0, -inf, inf, "undecided"),
    ]
    write_claims(claims, folder, "heading")
    (folder / "figure.png").write_bytes(b"png")
    tables = study_tables(folder, "rankfall study toy")
    assert tables.found == "Of 3 claims: 1 supported, 2 undecided."
    first, second, third = tables.claims
    assert (first.statement, first.estimate, first.interval) == ('it rains, "mostly"', "1.25", "0.5 to 2")
    assert (first.rule, first.note, first.verdict) == ("above 0", "a, note", "supported")
    assert (second.estimate, second.interval, second.note) == ("–", "– to –", "")
    assert (third.statement, third.interval) == ("NA", "-inf to inf")
    assert tables.picture == b"png"
    assert tables.repeat[0][1] == "rankfall study toy"


def test_the_figure_is_of_vectors_unless_they_are_too_many(folder: Path) -> None:
    assert study_tables(folder).picture_dark is None
    (folder / "figure.png").write_bytes(b"png")
    (folder / "figure.svg").write_bytes(SVG)
    tables = study_tables(folder)
    assert tables.picture == SVG
    assert tables.picture_dark is not None
    dark = tables.picture_dark.decode()
    # known colours have partners, pale ones become the panel's, others stay, and black is what has no colour
    for color in (DARK["paper"], DARK["kept"], DARK["panel"], "#123456", f'style="fill: {DARK["ink"]}"'):
        assert color in dark
    assert "#0072b2" not in dark
    (folder / "figure.svg").write_bytes(SVG + b" " * 1_000_000)
    tables = study_tables(folder)
    assert (tables.picture, tables.picture_dark) == (b"png", None)


def test_lines_of_figures_are_seen_on_paper_and_in_the_dark() -> None:
    """WCAG 2: at least 3 to 1 between a curve and the ground."""
    for color in style.SERIES:
        assert contrast(color, "#ffffff") >= 3, color
        dark = darkened(f'<svg fill="{color}"></svg>'.encode()).decode()
        found = re.findall(r"#[0-9a-f]{6}", dark)
        assert contrast(found[-1], DARK["paper"]) >= 3, color


def test_damage_is_one_sentence(folder: Path) -> None:
    (folder / "claims.csv").write_text("nonsense\n1\n", encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        study_tables(folder)
    with pytest.raises(InputError, match="not the folder of a sweep"):
        study_tables(folder.parent)
