"""The bundled tables and the readers of data we may not ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rankfall as rf
from rankfall.datasets import beijing, camera, coffee, movielens_100k


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


def test_coffee_spectra() -> None:
    spectra = coffee()
    assert spectra.shape == (60, 1841)
    assert not spectra.isna().to_numpy().any()
    assert spectra.index.is_unique
    origins = spectra.index.str.split().str[0]
    assert origins.value_counts().to_dict() == {"Ethiopia": 20, "Brasil": 20, "Vietnam": 20}
    assert list(spectra.columns) == list(range(1841))
    # the ends of the source's first spectrum, to the millionth that is kept
    np.testing.assert_allclose(spectra.loc["Ethiopia 01", [0, 1840]], [0.05037489, 0.05012507], atol=6e-7)
    # the two bands of water, as the reader's docstring has them
    mean = spectra.mean()
    assert abs(mean.loc[500:700].idxmax() - 620) <= 5
    assert abs(mean.idxmax() - 1528) <= 5


def test_camera() -> None:
    picture = camera()
    assert picture.shape == (512, 512)
    assert picture.dtype == np.uint8
    assert (picture.min(), picture.max()) == (0, 255)
    assert picture[:100].mean() > 150 > picture[200:300, 150:250].mean(), "bright sky, dark coat"
    picture[0, 0] = 0  # every caller has a copy to spoil
    assert camera()[0, 0] != 0


def test_bundled_data_are_small_and_attributed() -> None:
    data = Path(rf.datasets.__file__).parent / "data"
    assert sum(file.stat().st_size for file in data.glob("*.npz")) < 1_500_000
    told = (data / "README.md").read_text(encoding="utf-8")
    for file in data.glob("*.npz"):
        assert f"`{file.name}`" in told
    for words in ("CC BY 4.0", "Copyright (c) 2026 Pau Cabaneros", "Lav Varshney", "CC0 1.0"):
        assert words in told
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
    with pytest.raises(rf.InputError, match="k must be a whole number from 1 to 5"):
        data.fold(6)


@pytest.mark.parametrize("content", [b"", b"1\t2\t3\t4\n", b"a\tb\n", b"\xff\xfe\x00", b"1,2,3,4\n"])
def test_movielens_refuses_other_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "u.data"
    path.write_bytes(content)
    with pytest.raises(rf.InputError, match="MovieLens"):
        movielens_100k(path)
    with pytest.raises(rf.InputError, match="Cannot read"):
        movielens_100k(tmp_path / "missing")
