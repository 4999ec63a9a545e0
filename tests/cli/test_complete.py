"""``rankfall complete`` and ``report``: what is written and printed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rankfall as rf

# delimiters, quotes, dates, exponents, leading zeros: nothing of it may change
ODD = '''\
"when, where";Temp °C;"b ""x""";003;empty
2024-01-02;1,50;2e0;003;
2024-01-01;;4,000;6;
2024-01-03;+4,5;6,0;;
2024-01-05;6,00;8;12;
2024-01-04;1,0;;2;
'''


def test_a_csv_comes_back_as_it_was(tmp_path: Path, rankfall: Callable) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(ODD.replace("\n", "\r\n").encode("utf-8"))
    ran = rankfall("complete", source, "-o", out)
    assert (ran.code, ran.err) == (0, "")
    written = out.read_bytes().decode("utf-8")
    assert written.count("\r\n") == written.count("\n") == 6
    before = [line.split(";") for line in ODD.splitlines()]
    after = [line.split(";") for line in written.splitlines()]
    assert after[0] == before[0]
    for old, new in zip(before[1:], after[1:], strict=True):
        assert new[0] == old[0]
        for was, now in zip(old[1:-1], new[1:-1], strict=True):
            assert now == was if was else float(now.replace(",", ".")) > 0
        # a column without observations is not made up
        assert new[-1] == ""
    assert "1 column without any entry" in ran.out


def test_summary_path_and_files(table: Path, rankfall: Callable) -> None:
    out, page, saved = (table.with_name(name) for name in ("out.csv", "page.html", "result.npz"))
    ran = rankfall("complete", table, "-o", out, "--report", page, "--save", saved)
    assert (ran.code, ran.err) == (0, "")
    assert "Rank 1 (exact)" in ran.out
    assert "oversampling" in ran.out
    assert "chosen" in ran.out
    assert f"Wrote {out}, {saved}, {page}." in ran.out
    result = rf.load(saved)
    assert result.rank == 1
    assert result.row_names == tuple(f"r{i}" for i in range(12))
    np.testing.assert_allclose(pd.read_csv(out, index_col=0).to_numpy(), result.to_dense(), rtol=1e-5)
    again = table.with_name("again.html")
    ran = rankfall("report", saved, "-o", again)
    assert (ran.code, ran.err) == (0, "")
    assert again.read_bytes() == page.read_bytes()
    assert "table.csv" in page.read_text(encoding="utf-8")


def test_report_refuses_what_is_not_a_result(table: Path, rankfall: Callable) -> None:
    page = table.with_name("page.html")
    for source, says in ((table, "npz"), (table.with_name("none.npz"), "no file")):
        ran = rankfall("report", source, "-o", page)
        assert ran.code == 2
        assert says in ran.err
        assert "Traceback" not in ran.err
    assert rankfall("report", table, "-o", table).code == 2
    assert not page.exists()


def test_json_is_one_object(table: Path, rankfall: Callable) -> None:
    ran = rankfall("complete", table, "-o", table.with_name("out.csv"), "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("\n") == 1
    # no NaN: not every program can read it
    facts = json.loads(ran.out, parse_constant=lambda word: pytest.fail(word))
    assert facts["rank"] == 1
    assert facts["outcome"] == "exact"
    assert facts["converged"] is True
    assert facts["shape"] == [12, 8]
    assert facts["observed"] == 76
    assert facts["validation_rmse"] is None
    assert [row["rank"] for row in facts["path"] if row["chosen"]] == [1]
    assert all(isinstance(row["steps"], int) for row in facts["path"])
    assert len(facts["column_errors"]) == 8
    assert facts["column_errors"][0].keys() == {"column", "error", "relative", "spread", "n_held_out"}
    assert facts["column_errors"][0]["error"] is None


def test_the_certificate_is_printed_if_asked_for(table: Path, rankfall: Callable) -> None:
    call = ("complete", table, "-o", table.with_name("out.csv"))
    assert "hidden layers" not in rankfall(*call).out
    assert "trusted to stay at rank 1" in rankfall(*call, "--certificate").out


def test_a_full_table_is_noted(tmp_path: Path, rankfall: Callable) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("a,b,c\n1,2,3\n2,4,6\n3,6,9\n", encoding="utf-8")
    ran = rankfall("complete", source, "-o", out)
    assert (ran.code, ran.err) == (0, "")
    assert "Note: No cell is empty" in ran.out
    assert out.read_bytes() == source.read_bytes()


def test_stdout_holds_the_table_only(table: Path, rankfall: Callable) -> None:
    out = table.with_name("out.csv")
    assert rankfall("complete", table, "-o", out).code == 0
    ran = rankfall("complete", table, "-o", "-")
    assert ran.code == 0
    assert ran.out == out.read_text(encoding="utf-8")
    assert "Rank 1 (exact)" in ran.err
    ran = rankfall("complete", table, "-o", "-", "--json")
    assert json.loads(ran.err)["rank"] == 1


def test_single_cells(table: Path, rankfall: Callable) -> None:
    wanted, whole, out = (table.with_name(name) for name in ("cells.csv", "whole.csv", "out.csv"))
    wanted.write_text("row,column\nr3,c2\nr11,c0\n", encoding="utf-8")
    assert rankfall("complete", table, "-o", whole).code == 0
    assert rankfall("complete", table, "-o", out, "--cells", wanted).code == 0
    expected = pd.read_csv(whole, index_col=0)
    lines = list(csv.reader(out.read_text(encoding="utf-8").splitlines()))
    assert lines[0] == ["row", "column", "value"]
    assert [line[:2] for line in lines[1:]] == [["r3", "c2"], ["r11", "c0"]]
    for row, column, value in lines[1:]:
        assert float(value) == pytest.approx(expected.loc[row, column], rel=1e-5)
    wanted.write_text("row,column\nr3,nowhere\n", encoding="utf-8")
    out.unlink()
    ran = rankfall("complete", table, "-o", out, "--cells", wanted)
    assert ran.code == 2
    assert "'nowhere'" in ran.err
    assert not out.exists()


def test_triplets(tmp_path: Path, rankfall: Callable) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    lines = [
        "who,what,value",
        *(f"u{i},v{j},{(i + 1) * (j + 2)}" for i in range(6) for j in range(5) if (i * j) % 4 != 1),
    ]
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert rankfall("complete", source, "--triplets", "-o", out).code == 0
    filled = pd.read_csv(out, index_col=0)
    np.testing.assert_allclose(filled, np.outer(np.arange(1, 7), np.arange(2, 7)), rtol=1e-5)


def test_log_is_undone(tmp_path: Path, rankfall: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """The logarithms of a table of products are of rank 1 or 2; the products are found again."""
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    truth = np.exp(np.outer(np.linspace(1, 2, 9), np.linspace(0.5, 1.5, 7)))
    holes = truth.copy()
    holes[[0, 3, 8], [1, 4, 6]] = np.nan
    pd.DataFrame(holes).to_csv(source)
    ran = rankfall("complete", source, "-o", out, "--log", "--save", tmp_path / "r.npz")
    assert ran.code == 0
    np.testing.assert_allclose(pd.read_csv(out, index_col=0), truth, rtol=1e-5)
    assert ran.out.count("logarithms") == 1
    assert rf.load(tmp_path / "r.npz").scale == "log"
    drawn = []
    monkeypatch.setattr("rankfall.cli.reports.render", lambda tables: drawn.append(tables) or "")
    assert rankfall("report", tmp_path / "r.npz", "-o", tmp_path / "page.html").code == 0
    assert drawn[0].errors.label == "root mean square error of the logarithms"
    np.testing.assert_allclose(drawn[0].heat_maps.after, truth)
    longer = tmp_path / "longer.csv"
    assert rankfall("complete", source, "-o", longer, "--log", "--scale", "log").code == 0
    assert longer.read_bytes() == out.read_bytes()


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """A 30 x 20 table of positive numbers with noise and 100 holes, the first of which is r0, c0."""
    rng = np.random.default_rng(0)
    values = np.exp(np.outer(rng.normal(size=30), rng.normal(size=20)) + 0.3 * rng.normal(size=(30, 20)))
    values.flat[[0, *rng.choice(600, 99, replace=False)]] = np.nan
    frame = pd.DataFrame(values, [f"r{i}" for i in range(30)], [f"c{j}" for j in range(20)])
    path = tmp_path / "noisy.csv"
    frame.to_csv(path, index_label="site")
    return path


def test_model_options_arrive(noisy: Path, rankfall: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def spy(problem: object, **options: object) -> rf.Completion:
        asked.update(options)
        return complete(problem, **options)

    complete = rf.complete
    monkeypatch.setattr("rankfall.completion.complete.complete", spy)
    out = noisy.with_name("out.csv")
    wishes = {"scale": "log1p", "effects": "both", "scaling": "all", "rule": "min", "folds": 3, "max-rank": 0}
    wishes["noise"] = "student"
    options = [text for name, value in wishes.items() for text in (f"--{name}", value)]
    ran = rankfall("complete", noisy, "-o", out, "--json", "--bounds", "0.5,2", *options)
    assert (ran.code, ran.err) == (0, "")
    expected = {name.replace("-", "_"): value for name, value in wishes.items()}
    assert {**expected, "bounds": (0.5, 2.0)}.items() <= asked.items()
    facts = json.loads(ran.out)
    assert (facts["scale"], facts["errors"], facts["coverage"]) == ("log1p", "logarithms", None)
    expected = {"scale": "log1p", "bounds": [0.5, 2.0], "effects": "both", "scaling": "all"}
    assert expected.items() <= facts["settings"].items()
    assert "log" not in facts
    holes = pd.read_csv(noisy, index_col=0).isna().to_numpy()
    filled = pd.read_csv(out, index_col=0).to_numpy()
    assert 0.5 <= filled[holes].min() < filled[holes].max() <= 2.0
    assert filled[~holes].max() > 2.0


def test_bounds_may_be_open(table: Path, rankfall: Callable) -> None:
    for bounds, expected in (("-1,", [-1.0, None]), (",5e3", [None, 5e3])):
        ran = rankfall("complete", table, "-o", table.with_name("out.csv"), "--json", "--bounds", bounds)
        assert ran.code == 0
        assert json.loads(ran.out)["settings"]["bounds"] == expected


def test_bounds_of_columns(noisy: Path, rankfall: Callable) -> None:
    out, saved = noisy.with_name("out.csv"), noisy.with_name("r.npz")
    given = pd.read_csv(noisy, index_col=0)
    low, high = float(given["c1"].quantile(0.4)), float(given["c2"].quantile(0.6))
    options = ["--max-rank", "0", "--bounds", f"c1={low},", "--bounds", f"c2=,{high}", "--save", saved]
    ran = rankfall("complete", noisy, "-o", out, *options, "--bounds", "observed", "--json")
    assert (ran.code, ran.err) == (0, "")
    facts = json.loads(ran.out)
    assert facts["settings"]["bounds"]["c1"] == [low, None]
    least, most = rf.load(saved).bounds
    np.testing.assert_allclose(least, [given["c0"].min(), low, -np.inf, *given.iloc[:, 3:].min()])
    np.testing.assert_allclose(most, [given["c0"].max(), np.inf, high, *given.iloc[:, 3:].max()])
    filled = pd.read_csv(out, index_col=0)
    for name, lowest, highest in zip(given.columns, least, most, strict=True):
        holes = given[name].isna()
        assert filled[name][holes].between(lowest - 1e-9, highest + 1e-9).all()


def test_other_methods_are_compared(noisy: Path, table: Path, rankfall: Callable) -> None:
    out = noisy.with_name("out.csv")
    ran = rankfall("complete", noisy, "-o", out, "--max-rank", "0", "--compare")
    assert ran.code == 0
    for name in (
        "this completion",
        "column means",
        "nearest rows",
        "ridge regression",
        "chained extra trees",
    ):
        assert name in ran.out
    assert "held-out cells, in standard deviations of their columns" in ran.out
    ran = rankfall("complete", noisy, "-o", out, "--max-rank", "0", "--compare", "--json")
    comparison = json.loads(ran.out)["comparison"]
    own = comparison["methods"][0]
    assert (own["name"], own["difference"]) == ("this completion", None)
    ran = rankfall("complete", table, "-o", out, "--compare")
    assert "Other methods were not compared: no cell was held out" in ran.out
    ran = rankfall("complete", table, "-o", out, "--json")
    assert json.loads(ran.out)["comparison"] is None


def test_negative_cells_are_said_with_the_option_that_helps(tmp_path: Path, rankfall: Callable) -> None:
    rng = np.random.default_rng(0)
    rain = rng.gamma(0.3, 9, (60, 1)) * rng.gamma(1.0, 1, 8) * rng.gamma(2, 0.5, (60, 8))
    frame = pd.DataFrame(rain, columns=list("abcdefgh")).mask(rng.random(rain.shape) < 0.2)
    frame.round(1).to_csv(tmp_path / "t.csv", index=False)
    options = ["-o", tmp_path / "out.csv", "--max-rank", "0", "--effects", "both", "--scaling", "all"]
    ran = rankfall("complete", tmp_path / "t.csv", *options)
    assert ran.code == 0
    assert "no negative number" in ran.out
    assert "(--bounds 0,)" in ran.out
    ran = rankfall("complete", tmp_path / "t.csv", *options, "--bounds", "0,")
    assert ran.code == 0
    assert "no negative number" not in ran.out


def test_intervals_stand_beside_single_cells(noisy: Path, rankfall: Callable) -> None:
    wanted, out, saved = (noisy.with_name(name) for name in ("cells.csv", "out.csv", "r.npz"))
    wanted.write_text("row,column\nr0,c0\nr11,c3\n", encoding="utf-8")
    options = ["--cells", wanted, "--scale", "log", "--max-rank", "0"]
    ran = rankfall("complete", noisy, "-o", out, *options, "--interval", "0.8", "--save", saved)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("logarithms") == 1
    assert "unbounded" not in ran.out
    written = pd.read_csv(out)
    assert list(written.columns) == ["row", "column", "value", "lower", "upper"]
    assert (written["lower"] > 0).all()
    assert (written["lower"] < written["value"]).all()
    assert (written["value"] < written["upper"]).all()
    expected = rf.load(saved).interval(np.array([0, 11]), np.array([0, 3]), 0.8)
    np.testing.assert_allclose(written[["lower", "upper"]].to_numpy().T, expected, rtol=1e-5)
    # fifty cells held out cannot speak of one in a thousand
    ran = rankfall("complete", noisy, "-o", out, *options, "--interval", "0.999", "--json")
    facts = json.loads(ran.out)
    assert facts["coverage"] == 0.999
    assert "2 of 2 intervals are unbounded" in facts["notes"][-1]
    assert np.isinf(pd.read_csv(out)["upper"]).all()


def test_parquet_and_arrays(tmp_path: Path, rankfall: Callable) -> None:
    truth = np.outer(np.arange(1.0, 10), np.arange(1.0, 8))
    holes = truth.copy()
    holes[[0, 3, 8], [1, 4, 6]] = np.nan
    frame = pd.DataFrame(holes, [f"r{i}" for i in range(9)], [f"c{j}" for j in range(7)])
    frame.to_parquet(tmp_path / "in.parquet")
    assert rankfall("complete", tmp_path / "in.parquet", "-o", tmp_path / "out.parquet").code == 0
    written = pd.read_parquet(tmp_path / "out.parquet")
    assert list(written.index) == list(frame.index)
    np.testing.assert_allclose(written, truth, rtol=1e-9)
    np.save(tmp_path / "in.npy", holes)
    assert rankfall("complete", tmp_path / "in.npy", "-o", tmp_path / "out.npy").code == 0
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), truth, rtol=1e-9)


def test_out_of_time_is_exit_code_3(table: Path, rankfall: Callable) -> None:
    out = table.with_name("out.csv")
    ran = rankfall("complete", table, "-o", out, "--max-time", "1e-9", "--json")
    assert ran.code == 3
    facts = json.loads(ran.out)
    assert (facts["outcome"], facts["converged"]) == ("time limit", False)
    assert pd.read_csv(out, index_col=0).notna().all(axis=None)


def test_the_seed_is_passed_on(table: Path, rankfall: Callable) -> None:
    facts = json.loads(rankfall("complete", table, "-o", "-", "--json", "--seed", "5", "--jobs", "1").err)
    assert facts["settings"]["seed"] == 5


def test_usage(rankfall: Callable) -> None:
    assert rankfall("--version").out.strip() == f"rankfall {rf.__version__}"
    assert rankfall("complete").code == 2
    assert rankfall("complete", "x.csv").code == 2
    assert rankfall("nonsense").code == 2
    for name, value in (
        ("fill", "zero"),
        ("scale", "root"),
        ("effects", "rows"),
        ("scaling", "rows"),
        ("rule", "max"),
        ("noise", "loud"),
        ("folds", "1"),
    ):
        ran = rankfall("complete", "x.csv", "-o", "y.csv", f"--{name}", value)
        assert ran.code == 2
        assert f"--{name}" in ran.err
    assert rankfall("--help").code == 0
    assert rankfall("complete", "--help").code == 0
