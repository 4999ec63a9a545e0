"""Closed and full outputs, odd names, pipes, folders that are gone, installations that cannot be written."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import rankfall as rf
from plain_user import for_permissions, run_plain
from rankfall import compute
from rankfall.cli import main
from rankfall.cli.show import Printer
from rankfall.errors import InputError
from rankfall.files import atomic_path, load_archive, read_table, save_archive
from rankfall.files.inputs import LIMIT_VARIABLE, check_unpacked

posix = pytest.mark.skipif(os.name != "posix", reason="as on POSIX")
LINES = "site,a,b,c\nx,1,2,\ny,2,,6\nz,3,6,9\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(LINES)
    return path


def err(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


# -- outputs ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_sentence(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """cli_tracebacks.sh, its first line."""
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["diagnose", str(table)]) == 2
        monkeypatch.undo()
    assert err(capsys) == "rankfall: The system refuses to go on: No space left on device.\n"


def test_closed_streams(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(["diagnose", str(table)]) == 0
    assert main(["diagnose", str(table) + "x"]) == 2
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()


def test_a_name_of_300_letters(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["complete", str(table), "-o", "b" * 300 + ".csv"]) == 2
    text = err(capsys)
    assert text.endswith("File name too long.\n")
    assert text.count("\n") == 1


@posix
def test_a_folder_that_is_gone(
    table: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["complete", str(table), "-o", "g.csv"]) == 2
    text = err(capsys)
    assert "Traceback" not in text
    assert text.count("\n") == 1
    monkeypatch.chdir(tmp_path)


# -- inputs -----------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_a_pipe_is_read_to_its_end(tmp_path: Path, suffix: str) -> None:
    pipe, file = tmp_path / f"pipe{suffix}", tmp_path / f"file{suffix}"
    os.mkfifo(pipe)
    file.write_text(LINES) if suffix == ".csv" else np.save(file, np.eye(3))
    thread = threading.Thread(target=lambda: pipe.write_bytes(file.read_bytes()))
    thread.start()
    read = read_table(pipe)
    thread.join()
    assert np.array_equal(read.values, read_table(file).values, equal_nan=True)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are any bytes on Linux")
def test_names_that_are_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """cli_tracebacks.sh: the page of a table whose name is no UTF-8."""
    name = os.path.join(tmp_path, os.fsdecode(b"\xff.csv"))
    Path(name).write_text(
        "site,a,b,c\n" + "".join(f"r{i},{i + 1},{2 * i + 2},{3 * i + 3}\n" for i in range(9))
    )
    page = tmp_path / "p.html"
    assert main(["complete", name, "-o", str(tmp_path / "o.csv"), "--report", str(page), "-q"]) == 0
    assert "\\udcff.csv" in page.read_text(encoding="utf-8")
    assert err(capsys) == ""


def test_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: Path) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("rankfall.files.tables.read_sheet", refuse)
    with pytest.raises(InputError, match=r"^Cannot read .*table\.csv: Input/output error\.$"):
        read_table(table)


def test_limits_come_before_unpacking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file of 300 kB with 300 MB of zeros."""
    path = tmp_path / "zeros.npz"
    np.savez_compressed(path, a=np.zeros((2000, 2)))
    check_unpacked(10**9, 10**8, path)
    with pytest.raises(
        InputError, match=f"would unpack to 1,000 MB, 1,000 times its size.*{LIMIT_VARIABLE}=1e9"
    ):
        check_unpacked(10**9, 10**6, path)
    monkeypatch.setenv(LIMIT_VARIABLE, "1.1e9")
    check_unpacked(10**9, 10**6, path)
    monkeypatch.setenv(LIMIT_VARIABLE, "1000")
    with pytest.raises(InputError, match=LIMIT_VARIABLE):
        read_table(path)
    monkeypatch.setenv(LIMIT_VARIABLE, "much")
    with pytest.raises(InputError, match=r"must be a number of bytes .* not 'much'"):
        read_table(path)


@pytest.mark.parametrize("changed", ["a", "meta"])
def test_a_digest_tells_what_was_changed(tmp_path: Path, changed: str) -> None:
    """Forged checkpoints went on silently, with other numbers."""
    path = tmp_path / "it.npz"
    arrays, meta = {"a": np.arange(6.0).reshape(2, 3), "b": np.asfortranarray(np.eye(3))}, {"n": 1}
    save_archive(path, arrays, meta, "test")
    assert load_archive(path)[1] == meta
    content = path.read_bytes()
    old, new = (
        (np.float64(5).tobytes(), np.float64(7).tobytes()) if changed == "a" else (b'"n": 1', b'"n": 2')
    )
    assert content.count(old) == 1
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(path, "w") as after:
        for name in before.namelist():
            after.writestr(name, before.read(name).replace(old, new))
    with pytest.raises(InputError, match="it does not hold what was written"):
        load_archive(path)


# -- messages ---------------------------------------------------------------------------------------------


def test_messages_are_short_and_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    error = InputError("x" * 10_000 + "\nname \x1b]0;title\x07 and\x9b2J; do this instead.")
    assert len(str(error)) <= 700
    assert str(error).isprintable()
    assert str(error).endswith("; do this instead.")
    many = InputError(" ".join(f"word{k}" for k in range(1000)))
    assert len(str(many)) <= 700
    assert str(many).endswith("word999")
    printer = Printer(sys.stdout)
    printer.text("a\x1b[2Jb")
    printer.json({"a": "\x1b\x9b"})
    out = capsys.readouterr().out
    assert out == 'a\\x1b[2Jb\n{"a": "\\u001b\\u009b"}\n'


# -- installations ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["0", "-1", "many", ""])
def test_numbers_of_threads_on_which_numba_trips(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", said)
    with pytest.raises(InputError, match="NUMBA_NUM_THREADS must be a whole number from 1"):
        compute._check_threads()


@for_permissions
def test_neither_package_nor_home_can_be_written(tmp_path: Path) -> None:
    """ro_cache.sh: kernels are compiled in each process, instead of none."""
    package = Path(rf.__file__).parent
    copy = tmp_path / "copy" / "rankfall"
    (copy / "compute").mkdir(parents=True)
    for name in ("errors.py", "argument_checks.py", "compute/__init__.py", "compute/njit_options.py"):
        shutil.copy(package / name, copy / name)
    (copy / "__init__.py").write_text("")
    for folder in (copy / "compute", copy, tmp_path / "copy"):
        folder.chmod(0o555)
    code = "from rankfall.compute.njit_options import KEPT; print(KEPT)"
    home = {"HOME": "/proc", "XDG_CACHE_HOME": "/proc", "PYTHONPATH": str(tmp_path / "copy")}
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    ran = run_plain("-B", "-c", code, env=environment | home)
    for folder in (tmp_path / "copy", copy, copy / "compute"):
        folder.chmod(0o755)
    assert (ran.stdout, ran.stderr) == ("False\n", "")


def test_a_full_disk_at_the_second_write(tmp_path: Path) -> None:
    from faults import full_disk

    with full_disk(2):
        with atomic_path(tmp_path / "a") as temporary:
            temporary.write_text("whole")
        with pytest.raises(InputError, match="No space left"), atomic_path(tmp_path / "b") as temporary:
            temporary.write_text("half")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
