"""Files appear whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from plain_user import for_permissions, run_plain
from rankfall import InputError
from rankfall.files import atomic_path, check_writable


def test_a_new_file_appears_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".csv"
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")

    def fail_half_way() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail_half_way()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"Cannot write .*out\.csv: No space left"),
        atomic_path(tmp_path / "out.csv"),
    ):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_trouble_with_another_file_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out.csv"):
        (tmp_path / "another").read_text()


@pytest.mark.skipif(os.name != "posix", reason="permissions as on POSIX")
def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    with atomic_path(tmp_path / "out") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "usual").stat().st_mode
    (tmp_path / "out").chmod(0o640)
    with atomic_path(tmp_path / "out") as temporary:
        temporary.write_text("y")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_path(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def places(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    (tmp_path / "file").touch()
    return {
        "missing folder": (tmp_path / "no" / "out.csv", "does not exist"),
        "a folder": (tmp_path, "is a folder"),
        "below a file": (tmp_path / "file" / "out.csv", "Not a directory"),
        "a device": (Path(os.devnull), "not an ordinary file"),
        "too long": (tmp_path / ("x" * 300), "name too long"),
        "no name at all": (tmp_path / "a\0b", "embedded null"),
    }


@pytest.mark.skipif(os.name != "posix", reason="messages as on POSIX")
@pytest.mark.parametrize(
    "place", ["missing folder", "a folder", "below a file", "a device", "too long", "no name at all"]
)
def test_places_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    path, why = places(tmp_path)[place]
    with pytest.raises(InputError, match=f"(?i)Cannot write .*{why}"):
        check_writable(path)
    with pytest.raises(InputError, match=f"(?i)Cannot write .*{why}"), atomic_path(path):
        pytest.fail("the block must not be entered")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the working folder cannot be removed")
def test_a_working_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(InputError, match=r"Cannot write out\.csv: the folder \. does not exist"):
        check_writable("out.csv")


@for_permissions
def test_protected_files_and_folders(tmp_path: Path) -> None:
    folder, target = tmp_path / "folder", tmp_path / "out.csv"
    target.write_text("mine")
    target.chmod(0o444)
    folder.mkdir()
    folder.chmod(0o555)
    script = (
        "import sys\nfrom rankfall import InputError\nfrom rankfall.files import check_writable\n"
        "for path in sys.argv[1:]:\n  try: check_writable(path)\n  except InputError as error: print(error)"
    )
    ran = run_plain("-c", script, str(target), str(folder / "new.csv"))
    assert ran.stderr == ""
    first, second = ran.stdout.splitlines()
    assert "read-only" in first
    assert "Permission denied" in second
    assert target.read_text() == "mine"


def test_checking_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("old")
    check_writable(tmp_path / "out.csv")
    check_writable(tmp_path / "new.csv")
    assert [each.name for each in tmp_path.iterdir()] == ["out.csv"]
    assert (tmp_path / "out.csv").read_text() == "old"


@pytest.mark.parametrize("refusals", [2, 9])
def test_a_file_that_another_program_has_open_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusals: int
) -> None:
    """Windows replaces no open file; a virus scanner holds one for an instant, a spreadsheet for good."""
    target, left = tmp_path / "out.csv", refusals
    target.write_text("old")
    replace = os.replace

    def busy(source: Path, to: Path) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise PermissionError(13, "Access is denied", str(source), None, str(to))
        replace(source, to)

    def write() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("new")

    monkeypatch.setattr("os.replace", busy)
    monkeypatch.setattr("rankfall.files.atomic._PAUSES", (0.0, 0.0, 0.0))
    if refusals > 3:
        with pytest.raises(InputError, match=r"Cannot write .*out\.csv: Access is denied\."):
            write()
        assert target.read_text() == "old"
    else:
        write()
        assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]
