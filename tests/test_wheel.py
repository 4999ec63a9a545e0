"""The wheel, installed into an empty environment and used from another folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from documents import README, ROOT, blocks

pytestmark = pytest.mark.slow


def call(*words: str | Path, folder: Path) -> str:
    # nothing of this run may reach the other Python
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{words}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation")
    call(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", folder, ROOT, folder=folder)
    (found,) = folder.glob("rankfall-*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment in which there is the wheel, and what it asks for."""
    folder = tmp_path_factory.mktemp("empty")
    call(sys.executable, "-m", "venv", folder / "venv", folder=folder)
    binary = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    options = ("--quiet", "--disable-pip-version-check", "-c", ROOT / "constraints.txt")
    call(binary, "-m", "pip", "install", *options, wheel, folder=folder)
    return binary


def test_what_is_in_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "rankfall/py.typed" in names
    for file in (ROOT / "src" / "rankfall").rglob("*"):
        inside = file.relative_to(ROOT / "src").as_posix()
        if file.is_file() and "__pycache__" not in inside:
            assert inside in names, inside
    assert not [name for name in names if not name.startswith(("rankfall/", "rankfall-"))]


def test_the_readme_from_another_folder(python: Path, tmp_path: Path) -> None:
    code = "\n".join(block.text for block in blocks(README) if block.language == "python")
    (tmp_path / "readme.py").write_text(code, encoding="utf-8")
    call(python, "-W", "error", "readme.py", folder=tmp_path)
    where = call(python, "-c", "import rankfall; print(rankfall.__file__)", folder=tmp_path)
    assert Path(where.strip()).is_relative_to(python.parent.parent)


def test_the_commands_from_another_folder(python: Path, tmp_path: Path) -> None:
    rankfall = python.with_name("rankfall")
    assert "complete" in call(rankfall, "--help", folder=tmp_path)
    (tmp_path / "holes.csv").write_text("a,b,c,d\n1,2,3,4\n2,,6,8\n3,6,,12\n4,8,12,\n", encoding="utf-8")
    call(rankfall, "complete", "holes.csv", "-o", "filled.csv", "--report", "page.html", folder=tmp_path)
    assert (tmp_path / "filled.csv").read_text(encoding="utf-8").splitlines()[0] == "a,b,c,d"
    assert (tmp_path / "page.html").stat().st_size > 1000


def test_the_demonstration(python: Path, tmp_path: Path) -> None:
    call(python.with_name("rankfall"), "demo", "--out", "demo", "--quiet", folder=tmp_path)
    assert list((tmp_path / "demo").glob("*.html"))
