"""A short run of the fuzzing of files (``make fuzz`` makes a long one), and all that long runs have found."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from fuzz.formats import (
    FORMATS,
    SAVED,
    Format,
    use_folder,
    use_result,
    use_study,
    use_table,
    use_trace,
    verdict,
)
from fuzz.mutations import mutated

FOUND = Path(__file__).parent / "found"
# what stands for which file of a sweep in the names of the issue
PLACES = {
    "log": "log.jsonl",
    "failure": "failures/*.json",
    "study": "study.json",
    "cellfile": "cells/*.parquet",
}
# mutated files of each format
EACH = 12


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_sound_is_read(name: str, tmp_path: Path) -> None:
    format = FORMATS[name]
    path = tmp_path / f"sound{format.suffix}"
    path.write_bytes(format.make())
    format.use(path)


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_damaged_is_read_or_refused(name: str, tmp_path: Path) -> None:
    format = FORMATS[name]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    sound, path = format.make(), tmp_path / f"it{format.suffix}"
    # of results most of the time goes into the page of what is sound enough
    for k in range(EACH if not name.startswith("result") else EACH // 3):
        path.write_bytes(mutated(sound, format.inside, rng))
        wrong = verdict(lambda: format.use(path))
        assert wrong is None, f"{name}, file {k}: {wrong}"


def found() -> Iterator[tuple[str, bytes]]:
    """Files that once ended in a crash, a traceback or a sentence of many screens."""
    for path in sorted(FOUND.glob("*.tar.xz")):
        with tarfile.open(path) as archive:
            for member in archive:
                stream = archive.extractfile(member)
                assert stream is not None
                yield member.name, stream.read()


def user(name: str) -> tuple[Format, ...]:
    """What reads a file that was found: its name says what it was."""
    format = next((FORMATS[known] for known in FORMATS if name.startswith(known.replace(" ", "-"))), None)
    if format is not None:
        return (format,)
    suffix = Path(name).suffix

    def with_(use: object) -> Format:
        return Format(bytes, use, suffix)  # type: ignore[arg-type]

    for word, place in PLACES.items():
        if f"_{word}_" in name:
            return (with_(partial(use_folder, name=place)),)
    if suffix == ".toml":
        return (with_(use_study),)
    if "trace" in name:
        return (with_(use_trace),)
    if suffix == ".npz" and any(word in name for word in ("segv", "rreport", "rcertify", "result")):
        return (with_(use_result),)
    if "cells" in name:
        return (FORMATS["cells"],)
    if "check" in name:
        return (FORMATS["checkpoint"],)
    return (with_(use_table), FORMATS["triplets"]) if "trip" in name else (with_(use_table),)


def test_what_was_found_once(tmp_path: Path) -> None:
    """The files of the issue (names as there) and those that ``make fuzz`` found."""
    wrong, number = [], 0
    for name, content in found():
        number += 1
        for format in user(name):
            path = tmp_path / f"it{''.join(Path(name).suffixes) or format.suffix}"
            path.write_bytes(content)
            reason = verdict(lambda: format.use(path))  # noqa: B023
            if reason is not None:
                wrong.append(f"{name}: {reason}")
            path.unlink(missing_ok=True)
    assert not wrong, "\n".join(wrong)
    assert number >= 88
    assert SAVED.exists()
