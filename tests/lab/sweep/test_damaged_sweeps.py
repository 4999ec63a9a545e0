"""No file in the folder of a sweep, however it was damaged, ends in another error than ours."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from damage import damaged_texts
from lab.toys import write_study
from rankfall.errors import InputError
from rankfall.lab import Study, open_sweep, read_study, run_sweep, sweep_status
from rankfall.lab.sweep.store import Store


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = read_study(write_study(tmp_path / "toy.toml", repeats=1))
    with ThreadPoolExecutor(1) as executor:
        run_sweep(study, tmp_path / "out", executor)
    return study


def test_the_study(tmp_path: Path, study: Study) -> None:
    path = tmp_path / "out" / "study.json"
    sound = 0
    for what, text in damaged_texts(path.read_text()):
        path.write_text(text)
        try:
            sweep_status(tmp_path / "out")
            sound += 1
        except InputError as error:
            sentence = str(error)
            assert sentence.startswith(str(path)), what
            assert "\n" not in sentence, what
    assert sound
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"study\.json is damaged .* delete it and run the sweep again"):
        sweep_status(tmp_path / "out")


def test_the_log(tmp_path: Path, study: Study) -> None:
    path = tmp_path / "out" / "log.jsonl"
    lines = path.read_text().splitlines()
    for what, text in damaged_texts(lines[0]):
        path.write_text("\n".join([text, *lines[1:]]))
        log = Store(tmp_path / "out").log()
        assert len(lines) - 1 <= len(log) <= len(lines), what
        assert sweep_status(tmp_path / "out").seconds >= 0, what
    path.write_bytes(b"\xff\n" + lines[1].encode())
    assert len(Store(tmp_path / "out").log()) == 1


def test_the_record_of_a_failure(tmp_path: Path, study: Study) -> None:
    store, cell = Store(tmp_path / "out"), study.cells[0]
    store.path(cell).unlink()
    path = tmp_path / "out" / "failures" / f"{cell.key}.json"
    record = json.dumps({"failure": "too warm", "axes": cell.axes, "settings": {}, "traceback": ""})
    for what, text in damaged_texts(record):
        path.write_text(text)
        ((_, sentence),) = sweep_status(tmp_path / "out").failures
        assert isinstance(sentence, str), what
    path.write_text(record)
    assert sweep_status(tmp_path / "out").failures[0][1] == "too warm"


def test_the_provenance_of_a_cell(tmp_path: Path, study: Study) -> None:
    store, cell = Store(tmp_path / "out"), study.cells[0]
    path = store.path(cell)
    table = pq.read_table(path)
    metadata: dict[Any, Any] = dict(table.schema.metadata)
    for what, text in damaged_texts(metadata[b"rankfall"].decode()):
        pq.write_table(table.replace_schema_metadata({**metadata, b"rankfall": text.encode()}), path)
        assert not store.has(cell), what
        with pytest.raises(InputError, match="is damaged") as refused:
            open_sweep(tmp_path / "out")
        assert "\n" not in str(refused.value), what
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(InputError, match="is damaged"):
        open_sweep(tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[study]\nx = " + "[" * 5000 + "]" * 5000, "is not a TOML file: nested too deeply"),
        ("[study]\nx = " + "9" * 5000, "is not a TOML file: Exceeds the limit"),
        (".".join("a" * 60) + " = 1", "is nested too deeply"),
    ],
    ids=["lists", "digits", "tables"],
)
def test_toml(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_study(tmp_path / "s.toml")
