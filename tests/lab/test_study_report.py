"""From a study's folder to the tables of its page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.toys import write_study
from rankfall.errors import InputError
from rankfall.lab import Claim, open_sweep, read_study, run_sweep
from rankfall.lab.claims import write_claims
from rankfall.lab.study_report import study_tables


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


def test_damage_is_one_sentence(folder: Path) -> None:
    (folder / "claims.csv").write_text("nonsense\n1\n", encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        study_tables(folder)
    with pytest.raises(InputError, match="not the folder of a sweep"):
        study_tables(folder.parent)
