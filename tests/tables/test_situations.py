"""Every situation through the command line and through Python."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from rankfall.errors import InputError
from rankfall.files import Roles, Table, read_table
from tables.situations import SITUATIONS, Situation


@pytest.mark.parametrize("case", SITUATIONS)
def test_on_the_command_line(case: str, tmp_path: Path, rankfall: Callable) -> None:
    situation = SITUATIONS[case]
    content = _bytes(situation.content)
    source, out = "-", "-"
    if situation.name != "-":
        source = tmp_path / situation.name
        source.write_bytes(content)
    if situation.out_name != "-":
        out = tmp_path / situation.out_name
    before = set(tmp_path.iterdir())
    rank = ("--max-rank", _max_rank(situation), "-q")
    ran = rankfall("complete", source, "-o", out, *situation.args, *rank, stdin=content)
    if situation.error:
        assert ran.code == 2
        assert situation.error in ran.err
        assert ran.err.startswith("rankfall: ") and ran.err.count("\n") == 1 and ran.err.endswith(".\n")
        assert (ran.out, set(tmp_path.iterdir())) == (b"", before)
        return
    assert ran.code in (0, 3), ran.err
    printed = " ".join((ran.err if out == "-" else ran.out.decode()).split())
    for note in situation.notes:
        assert note in printed
    written = ran.out if out == "-" else _unpacked(Path(out))
    if situation.out is not None:
        assert written.decode() == situation.out
    if situation.cells is not None:
        # a workbook does not tell 2 from 2.0
        typed = not situation.out_name.endswith(".xlsx")
        pd.testing.assert_frame_equal(_frame(Path(out)), situation.cells, check_dtype=typed)


@pytest.mark.parametrize("case", [name for name, one in SITUATIONS.items() if one.name != "-"])
def test_in_python(case: str, tmp_path: Path) -> None:
    """The same cells as a frame: the same numbers, and the same words about them."""
    situation = SITUATIONS[case]
    path = tmp_path / situation.name
    path.write_bytes(_bytes(situation.content))
    if situation.error:
        with pytest.raises(InputError) as error:
            _read(path, situation.args)
        assert situation.error in str(error.value)
        return
    table = _read(path, situation.args)
    result = rf.complete(_as_frame(table), max_rank=_max_rank(situation))
    said = " ".join((*table.notes, *result.warnings))
    for note in situation.notes:
        assert note in said or note.startswith("Only whole numbers")
    if situation.out == SITUATIONS["plain"].out:
        np.testing.assert_allclose(result.to_dense()[[0, 3], [0, 2]], [2, 21], rtol=1e-9)


def test_there_are_enough() -> None:
    assert len(SITUATIONS) >= 60


def _max_rank(situation: Situation) -> int:
    """Where only the notes count, nothing needs to be fitted."""
    return 0 if situation.out is None and situation.cells is None else 1


def _as_frame(table: Table) -> pd.DataFrame:
    return pd.DataFrame(table.values, table.row_names, table.col_names)


def _read(path: Path, args: tuple[str, ...]) -> Table:
    words: dict[str, list[str]] = {}
    rest = list(args)
    while rest:
        word = rest.pop(0)
        words.setdefault(word, []).extend([] if word in ("--triplets", "--no-round") else [rest.pop(0)])
    roles = [words.get(f"--{role}", [None])[0] for role in ("row", "column", "value")]
    return read_table(
        path,
        triplets="--triplets" in words,
        aside=words.get("--aside", ()),
        missing=words.get("--missing", ()),
        skip=int(words.get("--skip", ["0"])[0]),
        roles=Roles(*roles) if any(roles) else None,
        sheet=words.get("--sheet", [None])[0],
    )


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (name,) = archive.namelist()
            return archive.read(name)
    return data


def _frame(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_feather(path) if path.suffix == ".feather" else pd.read_excel(path)
