"""Every byte of an archive in turn is damaged: an error of ours, or nothing that matters."""

from __future__ import annotations

import contextlib
import gzip
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rankfall.errors import InputError
from rankfall.files import load_archive, read_table, save_archive


def test_every_truncation_and_every_flipped_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    array = np.arange(4.0)
    save_archive(path, {"a": array}, {"seed": 1}, "test")
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            load_archive(path)
    for k in range(len(whole)):
        path.write_bytes(whole[:k] + bytes([whole[k] ^ 0x55]) + whole[k + 1 :])
        try:
            arrays, _ = load_archive(path)
        except InputError:
            continue
        # the time of writing and the like have no checksum; the numbers have
        assert all(back.tobytes() == array.tobytes() for back in arrays.values())


@pytest.mark.parametrize("text", ["{'descr': '<f8', 'shape': (3\n", "{1: 2, 'shape': (3,)}\n"])
def test_headers_that_numpy_stumbles_over(tmp_path: Path, text: str) -> None:
    header = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.npy", header)
    (tmp_path / "x.npz").write_bytes(stream.getvalue())
    with pytest.raises(InputError, match="damaged"):
        load_archive(tmp_path / "x.npz")


def test_importing_files_is_light() -> None:
    code = (
        "import sys, rankfall.files; "
        "print([m for m in ('pandas', 'pyarrow', 'numba', 'scipy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _packed(name: str) -> bytes:
    """A small table in a file of some format."""
    stream = io.BytesIO()
    table = pd.DataFrame({"k": ["a", "b", "c"], "a": [1.0, None, 3.0], "b": [2.0, 4.0, None]})
    if name.endswith(".gz"):
        return gzip.compress(table.to_csv(index=False).encode())
    if name.endswith(".zip"):
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", table.to_csv(index=False))
    elif name.endswith(".xlsx"):
        table.to_excel(stream, index=False)
    else:
        table.to_feather(stream)
    return stream.getvalue()


@pytest.mark.parametrize("name", ["x.csv.gz", "x.zip", "x.xlsx", "x.feather"])
def test_damaged_tables(tmp_path: Path, name: str) -> None:
    path, whole = tmp_path / name, _packed(name)
    assert path.write_bytes(whole) and read_table(path).shape == (3, 2)
    rng = np.random.default_rng(0)
    for k in rng.integers(0, len(whole), 60).tolist():
        damaged = whole[:k] + bytes([whole[k] ^ 0xFF]) + whole[k + 1 :]
        for data in (damaged, whole[:k]):
            path.write_bytes(data)
            # no other error than ours
            with contextlib.suppress(InputError):
                read_table(path)
