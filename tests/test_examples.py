"""The examples read well and run: `-m slow` executes every one."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import warnings
from pathlib import Path
from types import ModuleType

import matplotlib.pyplot as plt
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_examples", ROOT / "scripts" / "run_examples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_script_is_one_of_the_gallery(runner: ModuleType) -> None:
    assert runner.names() == [path.stem for path in EXAMPLES]
    told = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(plot_\w+\.py)`", told)) == {path.name for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_form(path: Path) -> None:
    """What sphinx-gallery needs, and a reader: a title, prose between the code, a picture at the end."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    compile(tree, str(path), "exec")
    title, rule, blank, *story = (ast.get_docstring(tree) or "").splitlines()
    assert title
    assert rule == "=" * len(title)
    assert not blank
    assert len(" ".join(story).split()) > 30

    # a block of prose goes on to the first line that is no comment
    blocks = re.findall(r"^# %%\n((?:#.*\n)+)", source, re.MULTILINE)
    assert len(blocks) == source.count("# %%") >= 4
    for heading, line in re.findall(r"^# (\S.*)\n# (-+)$", source, re.MULTILINE):
        assert len(heading) == len(line), heading
    assert sum(len(block.split()) for block in blocks) > 150
    assert source.rstrip().endswith("plt.show()")
    # no gallery runs a script under its own path
    assert "__file__" not in source


def test_the_runner_saves_the_last_picture(runner: ModuleType, tmp_path: Path, monkeypatch) -> None:
    script = "import sys\nimport matplotlib.pyplot as plt\nassert len(sys.argv) == 1\n"
    script += "plt.rcParams['font.size'] = 3\nplt.figure()\nplt.figure().gca().plot([1, 2])\nplt.show()\n"
    (tmp_path / "plot_small.py").write_text(script, encoding="utf-8")
    monkeypatch.setattr(runner, "EXAMPLES", tmp_path)
    before = plt.rcParams["font.size"]
    monkeypatch.setattr(sys, "argv", ["run_examples.py", "--output", str(tmp_path / "out"), "plot_small"])
    runner.main()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["small.png"]
    assert plt.rcParams["font.size"] == before
    plt.close("all")
    monkeypatch.setattr(sys, "argv", ["run_examples.py", "plot_large"])
    with pytest.raises(SystemExit):
        runner.main()


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_run(path: Path, runner: ModuleType, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RANKFALL_MOVIELENS", raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # a user's run does not end at a warning
        figures = runner.run(path.stem)
    assert not list(tmp_path.iterdir()), "an example leaves no files"
    assert "nan" not in capsys.readouterr().out.lower().split()
    figures[-1].canvas.draw()
    pixels = np.asarray(figures[-1].canvas.buffer_rgba())
    assert pixels.std() > 10, "the last picture is not empty"
    plt.close("all")
