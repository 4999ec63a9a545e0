"""Putting a page together: one file, no network."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from ..files.plain_values import is_list, is_table
from .completion_page import completion_page
from .lab_pages import study_page, trace_page
from .lab_tables import StudyTables, TraceTables
from .memory_page import memory_page
from .memory_tables import MemoryTables
from .parts import Page
from .tables import ReportTables
from .theme import DARK, LIGHT

if TYPE_CHECKING:
    import jinja2


def render(tables: ReportTables | TraceTables | StudyTables | MemoryTables) -> str:
    """The whole report as one HTML page.

    Parameters
    ----------
    tables : ReportTables, TraceTables, StudyTables or MemoryTables
        What to show; parts that are None or empty are left out.

    Returns
    -------
    str
        A page that refers to nothing outside itself. Every string of `tables` is escaped. Its figures are
        drawn by Bokeh's script, which the page holds whole if it has any figure.
    """
    if isinstance(tables, TraceTables):
        page = trace_page(tables)
    elif isinstance(tables, StudyTables):
        page = study_page(tables)
    elif isinstance(tables, MemoryTables):
        page = memory_page(tables)
    else:
        page = completion_page(tables)
    return _html(page)


def _html(page: Page) -> str:
    from markupsafe import Markup

    drawn = bool(page.charts)
    return _template().render(
        page=page,
        style=Markup(_file("page.css")),
        themes=Markup(_variables()),
        # both are written by us or by Bokeh; what comes from the user is inside the JSON, which is escaped
        library=Markup(_library()) if drawn else "",
        script=Markup(_file("page.js")) if drawn else "",
        figures=Markup(safe_json(_figures(page))) if drawn else "",
    )


def _figures(page: Page) -> dict[str, Any]:
    """The figures as Bokeh's own JSON, where each of them goes, and how the colours are exchanged."""
    from bokeh.document import Document

    document = Document()
    roots: list[tuple[str, str]] = []
    for chart in page.charts:
        for figure, place in zip(chart.figures, chart.places, strict=True):
            document.add_root(figure)
            roots.append((figure.id, place))
    numbers: dict[str, str] = {}
    plain = _renumbered(document.to_json(deferred=False), numbers)
    return {
        "document": plain,
        "roots": {numbers[name]: place for name, place in roots},
        "dark": {LIGHT[role]: DARK[role] for role in LIGHT},
    }


def _renumbered(value: Any, numbers: dict[str, str]) -> Any:
    """Number Bokeh's models from the start of the page, not of the process, so that pages are reproducible.

    Only models are objects with an "id" in Bokeh's JSON: what the user brings are strings in lists.
    """
    if is_table(value):
        return {
            key: numbers.setdefault(item, f"m{len(numbers)}")
            if key == "id" and isinstance(item, str)
            else _renumbered(item, numbers)
            for key, item in value.items()
        }
    return [_renumbered(item, numbers) for item in value] if is_list(value) else value


def safe_json(value: object) -> str:
    """JSON that may stand inside a <script>: no character of it can end the element or begin a comment."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _library() -> str:
    """Bokeh's script for the browser."""
    from bokeh.resources import Resources

    return Resources(mode="inline", components=["bokeh"]).js_raw[0]


def _variables() -> str:
    light, dark = ("".join(f"--{role}:{value};" for role, value in theme.items()) for theme in (LIGHT, DARK))
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def _file(name: str) -> str:
    return (resources.files(__name__.rpartition(".")[0]) / name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_file("page.html.j2"))
