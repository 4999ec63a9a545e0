"""The bundled tables and the readers of data we may not ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rankfall as rf
from rankfall.datasets import beijing, movielens_100k


def test_beijing_tables() -> None:
    pm, temperature = beijing("PM2.5"), beijing("temperature")
    for frame in (pm, temperature):
        assert frame.shape == (1461, 288)
        assert str(frame.index[0].date()) == "2013-03-01"
        assert str(frame.index[-1].date()) == "2017-02-28"
        assert frame.columns.is_unique
    assert int(pm.isna().sum().sum()) == 8739
    assert int(temperature.isna().sum().sum()) == 398
    # the first hours of the source table
    assert pm.loc["2013-03-01", "Aotizhongxin 01h"] == 8.0
    assert temperature.loc["2013-03-01", "Aotizhongxin 00h"] == -0.7
    assert np.nanmin(pm) > 0, "the demo takes logarithms"


def test_beijing_is_small_and_attributed() -> None:
    data = Path(rf.datasets.__file__).parent / "data"
    assert sum(file.stat().st_size for file in data.glob("*.npz")) < 1_500_000
    assert "CC BY 4.0" in (data / "README.md").read_text(encoding="utf-8")
    with pytest.raises(rf.InputError, match="temperature"):
        beijing("ozone")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("header", ["", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"])
def test_movielens_reader_and_folds(tmp_path: Path, header: str) -> None:
    order = np.random.default_rng(0).permutation(943 * 1682)[:100_000]
    users, items = np.divmod(order, 1682)
    lines = (f"{u + 1}\t{i + 1}\t{(u + i) % 5 + 1}\t0\n" for u, i in zip(users, items, strict=True))
    path = tmp_path / "ratings"
    path.write_text(header + "".join(lines), encoding="utf-8")
    data = movielens_100k(path)
    assert data.problem().shape == (943, 1682)
    train, test = data.fold(2)
    assert (train.n_observed, test.n_observed) == (80_000, 20_000)
    np.testing.assert_array_equal(np.sort(order[20_000:40_000]), test.rows * 1682 + test.cols)
    assert not np.isin(test.rows * 1682 + test.cols, train.rows * 1682 + train.cols).any()
    np.testing.assert_array_equal(test.values, (test.rows + test.cols) % 5 + 1)
    with pytest.raises(rf.InputError, match="folds"):
        data.fold(6)


@pytest.mark.parametrize("content", [b"", b"1\t2\t3\t4\n", b"a\tb\n", b"\xff\xfe\x00", b"1,2,3,4\n"])
def test_movielens_refuses_other_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "u.data"
    path.write_bytes(content)
    with pytest.raises(rf.InputError, match="MovieLens"):
        movielens_100k(path)
    with pytest.raises(rf.InputError, match="Cannot read"):
        movielens_100k(tmp_path / "missing")
