"""README and docs say what is so: their code runs, their commands exist, their numbers have a source."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shlex
import tomllib
import warnings
from pathlib import Path
from types import ModuleType

import click
import pytest
import typer

import rankfall as rf
from documents import (
    PAGES,
    README,
    ROOT,
    Block,
    allowance,
    blocks,
    commands,
    compare,
    run,
    sections,
)
from rankfall.cli.app import app
from rankfall.cli.help_text import EXIT_CODES

COMMANDS = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
WORDS = [README, ROOT / "CONTRIBUTING.md", ROOT / "RELEASING.md", *PAGES]
# numbers that nobody measured: versions, identifiers, formulas, and the percentages of the rule of choice
NOT_MEASURED = re.compile(
    r"0\.[25]%|\d{4}\.\d{5}|CC BY [\d.]+|`[^`]*`|\$[^$]*\$|\]\([^)]*\)|https?://\S+|"
    r"Python 3[\d., tor]+|numba[^|]*|\bv?\d+\.\d+\.\d+\b"
)
MEASURED = re.compile(r"\d+\.\d+|\d+ ?%")
SOURCE = re.compile(r"`(?:make |python |rankfall |pytest )[^`]+`|@@python")


def of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module", autouse=True)
def quiet() -> None:
    import matplotlib as mpl

    mpl.use("agg")


@pytest.mark.parametrize("page", [p for p in PAGES if any(b.language == "python" for b in blocks(p))], ids=of)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "import torch" in page.read_text(encoding="utf-8") and os.environ.get("RANKFALL_TORCH") != "required":
        pytest.importorskip("torch", reason="PyTorch is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    run(page)


def test_no_page_is_left_out() -> None:
    assert len([page for page in PAGES if "python" in {block.language for block in blocks(page)}]) >= 10
    known = {
        "python",
        "text",
        "sh",
        "bibtex",
        "{toctree}",
        "{layers}",
        "{bibliography}",
        "{eval-rst}",
        "{glossary}",
    }
    known |= {f"{{command}} {name}" for name in COMMANDS}
    for page in PAGES:
        for block in blocks(page):
            assert block.language in known or block.language.startswith("{include}"), (of(page), block)


def test_what_is_shown_as_printed_follows_code() -> None:
    for page in PAGES:
        found = blocks(page)
        for before, block in zip([Block("", "", 0), *found], found, strict=False):
            if block.language == "text":
                assert before.language == "python", f"{of(page)}:{block.line}"
                assert block.text.strip(), f"{of(page)}:{block.line}"


def test_every_rule_of_comparison_is_understood_and_used() -> None:
    for page in [README, *PAGES]:
        ruled = [block for block in blocks(page) if block.rule is not None]
        assert len(ruled) == page.read_text(encoding="utf-8").count("<!-- compare:"), of(page)
        for block in ruled:
            assert block.language == "text", f"{of(page)}:{block.line}"
            allowance(block.rule)


@pytest.mark.parametrize(
    ("shown", "printed", "rule", "equal"),
    [
        ("rank 3, 0.101 s", "rank 3, 0.1 s", None, True),
        ("rank 3", "rank 4", None, False),
        ("rank 3.", "rank 4.", None, False),
        ("error 0.12", "error 0.13", None, True),
        ("error 0.12", "error 0.14", None, False),
        ("error -0.0", "error 0.0", None, True),
        ("[20.  19.8]", "[20.1 19.7]", None, True),
        ("[ 9.9 19.8]", "[10.0 19.7]", None, True),
        ("took ... s in all", "took 1 or 2 s in all", None, True),
        ("took ...", "took 3 s", None, True),
        ("error 2e-15", "error 8e-16", None, True),
        ("error 2e-15", "error 8e-7", None, False),
        ("error 1.0e-3", "error 1.1e-3", None, True),
        ("error 1.0e-3", "error 1.2e-3", None, False),
        ("one", "one two", None, False),
        ("step 9804 to rank 2", "step 10310 to rank 2", "numbers within 10%", True),
        ("step 9804 to rank 2", "step 11310 to rank 2", "numbers within 10%", False),
        ("step 9804 to rank 2", "step 9804 to rank 3", "numbers within 10%", False),
        ("error 0.01", "error 0.02", "numbers within 2.5%", True),  # one in the last digit
        ("step 9804 to rank 2", "step 3 to rank 1", "words only", True),
        ("step 9804", "steps 9804", "words only", False),
    ],
)
def test_comparison(shown: str, printed: str, rule: str | None, equal: bool) -> None:
    assert (compare(shown, printed, rule) is None) == equal


def test_a_page_states_its_rule_before_the_block(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    code = "```python\nprint('rank', 2, 'step', 9804)\n```\n\n"
    shown = "```text\nrank 2 step 10000\n```\n"
    for rule in ("<!-- compare: numbers within 5% -->\n", "<!-- compare: words only -->\n\n"):
        page.write_text(code + rule + shown, encoding="utf-8")
        run(page)
    for rule, error in [("", "'10000' is shown"), ("<!-- compare: roughly -->\n", "'roughly' is neither")]:
        page.write_text(code + rule + shown, encoding="utf-8")
        with pytest.raises(AssertionError, match=error):
            run(page)
    # a rule holds for the next block only
    page.write_text(code + "<!-- compare: words only -->\n" + shown + code + shown, encoding="utf-8")
    with pytest.raises(AssertionError, match="'10000' is shown"):
        run(page)


# -- commands ---------------------------------------------------------------------------------------------


def test_commands_exist() -> None:
    """Every command line names a command that exists, with options that it has and files that are there."""
    found = [(of(page), line) for page in WORDS for line in commands(page)]
    assert len(found) > 25
    for page, line in found:
        words = shlex.split(line.split(" #")[0])
        check = {"rankfall": check_rankfall, "make": check_make, "python": check_python}.get(words[0])
        if check is not None:
            try:
                check(words[1:])
            except (AssertionError, click.ClickException, KeyError) as error:
                raise AssertionError(f"{page}: {line}: {error!r}") from error


def test_every_command_is_in_the_reference() -> None:
    page = ROOT / "docs" / "command_line.md"
    shown = [block.language.split()[1] for block in blocks(page) if block.language.startswith("{command}")]
    assert sorted(shown) == sorted(COMMANDS)
    text = page.read_text(encoding="utf-8")
    assert all(f"## rankfall {name}\n" in text for name in COMMANDS)
    assert all(f"{code}: " in text for code in EXIT_CODES if code != 130)
    assert "130: interrupted" in text


def check_rankfall(words: list[str]) -> None:
    command = typer.main.get_command(app)
    options = [word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    assert isinstance(command, click.core.Group) or hasattr(command, "commands")
    if words[0] in command.commands:  # type: ignore[attr-defined]
        command = command.commands[words[0]]  # type: ignore[attr-defined]
    elif not options:
        raise KeyError(words[0])
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for option in options:
        assert option in known | {"--help", "-h"}, option


def check_make(words: list[str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for word in words:
        assert "=" in word or word in targets, word


def check_python(words: list[str]) -> None:
    if words[0] == "-m":
        assert words[1] in {"rankfall", "pytest", "pip", "zipfile"} or importlib.util.find_spec(words[1])
        return
    script = ROOT / words[0]
    source = script.read_text(encoding="utf-8")
    for option in (word.split("=")[0] for word in words[1:] if word.startswith("--")):
        assert f'"{option}"' in source, option


# -- numbers ----------------------------------------------------------------------------------------------


# the constants of theory.md are those of proofs, and its tests are named beside them
@pytest.mark.parametrize("page", [README, *(page for page in PAGES if page.name != "theory.md")], ids=of)
def test_measured_numbers_have_a_source(page: Path) -> None:
    """A section with measured numbers runs code, or names the command that prints them."""
    for heading, prose in sections(page):
        # without displayed formulas and indented commands
        bare = re.sub(r"\$\$.*?\$\$|^ {4}[^\n]*$", "", prose, flags=re.DOTALL | re.MULTILINE)
        bare = NOT_MEASURED.sub("", bare)
        if page.parent.name == "studies":  # the whole page is one command's, named under its title
            prose = page.read_text(encoding="utf-8")
        if MEASURED.search(bare):
            assert SOURCE.search(prose), f"{of(page)}, {heading}: {MEASURED.findall(bare)}"


def test_versions_agree() -> None:
    for file in ("CITATION.cff", "docs/cite.md"):
        assert rf.__version__ in (ROOT / file).read_text(encoding="utf-8"), file


# -- troubleshooting --------------------------------------------------------------------------------------


def spoken(node: ast.AST) -> list[str]:
    """The constant parts of a text that the program says, longest first."""
    parts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return sorted((part.strip(" .,:;\"'") for part in parts), key=len, reverse=True)


def sayings() -> list[tuple[str, str]]:
    """Where a warning is made, and the longest constant part of each."""
    out = []
    for file in (ROOT / "src" / "rankfall").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn":
                name = node.args[0]
                source = next(
                    (
                        n.value
                        for n in ast.walk(tree)
                        if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == ast.unparse(name)
                    ),
                    name,
                )
                out += [(file.name, part) for part in spoken(source)[:1]]
        said_in = (
            "warnings",
            "input_notes",
            "absurd_cells",
            "totals_note",
            "unlike_observed",
            "low_values",
            "kinds_note",
        )
        if any(file.match(f"completion/deliver/{name}.py") for name in said_in):
            functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
            texts = [n for f in functions for n in ast.walk(f) if isinstance(n, ast.JoinedStr | ast.Constant)]
            inner = {id(v) for n in texts if isinstance(n, ast.JoinedStr) for v in ast.walk(n) if v is not n}
            inner |= {id(f.body[0].value) for f in functions if isinstance(f.body[0], ast.Expr)}
            long = [n for n in texts if id(n) not in inner and spoken(n) and len(spoken(n)[0]) > 25]
            out += [(file.name, spoken(n)[0]) for n in long]
    return out


# functions that make a note of what they are given
NOTING = ("_unbounded", "_rounded", "left_out", "note", "unused_note", "limits_note")


def notes() -> list[tuple[str, str]]:
    """Where the command line notes something about a table, and the longest constant part of each note."""
    out = []
    for file in (ROOT / "src" / "rankfall").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "notes.append":
                out += [(file.name, part) for part in spoken(node)[:1]]
            if isinstance(node, ast.FunctionDef) and node.name in NOTING:
                said = [n for n in ast.walk(node) if isinstance(n, ast.JoinedStr)]
                out += [(file.name, spoken(text)[0]) for text in said]
    return out


def test_every_note_is_explained() -> None:
    page = " ".join((ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").split())
    found = notes()
    assert len(found) >= 4
    for file, part in found:
        assert " ".join(part.split()) in page, f"{file} notes {part!r}"


def test_every_outcome_and_warning_is_explained() -> None:
    page = " ".join((ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").split())
    for outcome in rf.Outcome:
        assert f"**{outcome.value}** :" in page, outcome
    found = sayings()
    assert len(found) >= 11
    for file, part in found:
        assert " ".join(part.split()) in page, f"{file} says {part!r}"


# -- the site ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def extension() -> ModuleType:
    spec = importlib.util.spec_from_file_location("layers", ROOT / "docs" / "_ext" / "layers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Sphinx, about its own future
        spec.loader.exec_module(module)
    return module


def test_the_picture_of_the_layers(extension: ModuleType) -> None:
    with (ROOT / "pyproject.toml").open("rb") as stream:
        contract = tomllib.load(stream)["tool"]["importlinter"]["contracts"][0]["layers"]
    found = extension.layers()
    assert [" | ".join(name for name, _ in layer) for layer in found] == contract
    assert all(text.endswith(".") or text for layer in found for _, text in layer)
    assert extension.picture([[("a<b", "x & y")]]).count("a&lt;b") == 1


def test_every_public_name_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "api" / "index.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   ([\w.]+)$", page, re.MULTILINE))
    assert set(rf.__all__) - listed == set()


def test_pictures_are_small_and_come_from_a_script() -> None:
    names = {path.stem for path in (ROOT / "docs" / "images").glob("*.svg")}
    source = (ROOT / "docs" / "pictures.py").read_text(encoding="utf-8")
    for name in names:
        assert f'"{name}": {name}' in source
        assert (ROOT / "docs" / "images" / f"{name}.svg").stat().st_size < 100_000


def test_displayed_formulas_stand_alone() -> None:
    """Sphinx reads a formula between two dollars only as a paragraph of its own."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"\$\$.+?\$\$", text, re.DOTALL):
            alone = text[: match.start()].endswith("\n\n") and text[match.end() :].startswith("\n\n")
            assert alone, f"{of(page)}: {match[0][:60]}"
