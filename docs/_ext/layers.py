"""The directive ``layers``: the architecture as a picture, drawn from the import contract and the modules
themselves.
"""

from __future__ import annotations

import ast
import re
import tomllib
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]


def layers(root: Path = ROOT) -> list[list[tuple[str, str]]]:
    """The layers from top to bottom; of every module its name and the first sentence of its docstring."""
    with (root / "pyproject.toml").open("rb") as stream:
        contract = tomllib.load(stream)["tool"]["importlinter"]["contracts"][0]
    out = []
    for layer in contract["layers"]:
        names = [name.strip(" ()") for name in layer.split("|")]
        out.append([(name, sentence(root / "src" / "rankfall" / name)) for name in names])
    return out


def sentence(module: Path) -> str:
    """First line of a module's docstring."""
    file = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    # :class:`~rankfall.Problem` is Problem here
    return re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"\1", text.partition("\n")[0])


def picture(found: list[list[tuple[str, str]]]) -> str:
    """The layers as HTML: one row for each, one box for each module."""
    rows = []
    for layer in found:
        boxes = [
            f'<div class="module"><code>{escape(name)}</code><span>{escape(text)}</span></div>'
            for name, text in layer
        ]
        rows.append(f'<div class="layer" role="listitem">{"".join(boxes)}</div>')
    label = "Layers of the package, from the top; imports go downward only"
    return f'<div class="layers" role="list" aria-label="{label}">{"".join(rows)}</div>'


class Layers(SphinxDirective):
    """No arguments, no options, no content."""

    def run(self) -> list[nodes.Node]:
        # so that the page is made anew when a layer or a first sentence changes
        for file in (ROOT / "pyproject.toml", *(ROOT / "src" / "rankfall").glob("*/__init__.py")):
            self.env.note_dependency(str(file))
        return [nodes.raw("", picture(layers()), format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("layers", Layers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
