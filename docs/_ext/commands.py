"""The directive ``command``: what ``--help`` says about one command, made from the command line itself."""

from __future__ import annotations

import inspect
from html import escape
from pathlib import Path
from typing import Any

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from rankfall import cli
from rankfall.cli.app import app as program
from rankfall.cli.help_text import EXAMPLES, exit_codes


def commands() -> dict[str, Any]:
    """The commands of the program by name."""
    return typer.main.get_command(program).commands  # type: ignore[attr-defined]


def options(name: str) -> list[tuple[str, str]]:
    """Arguments and options of a command: how they are written, and what they do."""
    out = []
    for parameter in commands()[name].params:
        if parameter.param_type_name == "argument":
            shown = parameter.metavar or parameter.name.upper()
        else:
            value = "" if parameter.is_flag else f" {parameter.metavar}"
            shown = ", ".join(parameter.opts) + value
        text = parameter.help or ""
        if parameter.default not in (None, False, "", ...) and not parameter.required:
            text += f" Default: {getattr(parameter.default, 'value', parameter.default)}."
        out.append((shown, text))
    return out


def _list(title: str, pairs: list[tuple[str, str]]) -> str:
    # a list of choices may be broken between two of them
    terms = [escape(term).replace("|", "|<wbr>") for term, _ in pairs]
    rows = "".join(
        f"<dt><code>{term}</code></dt><dd>{escape(text)}</dd>"
        for term, (_, text) in zip(terms, pairs, strict=True)
    )
    return f'<p class="rubric">{title}</p><dl class="options">{rows}</dl>'


class Command(SphinxDirective):
    """The only argument is the name of a command."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        for file in Path(cli.__file__).parent.glob("*.py"):
            self.env.note_dependency(str(file))
        paragraphs = inspect.cleandoc(commands()[name].help or "").split("\n\n")
        out: list[nodes.Node] = [nodes.paragraph(text=text.replace("\n", " ")) for text in paragraphs]
        lines = "\n".join(f"# {what}\n{words}" for what, words in EXAMPLES[name])
        out.append(nodes.literal_block(lines, lines, language="sh"))
        ends = [(str(code), text) for code, text in exit_codes(name).items()]
        html = _list("Arguments and options", options(name)) + _list("Exit codes", ends)
        return [*out, nodes.raw("", html, format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("command", Command)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
