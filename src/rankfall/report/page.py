"""Putting the page together."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from . import figures
from .tables import ReportTables

if TYPE_CHECKING:
    import jinja2


def render(tables: ReportTables) -> str:
    """The whole report as one HTML page.

    Parameters
    ----------
    tables : ReportTables
        What to show; parts that are None or empty are left out.

    Returns
    -------
    str
        A page that refers to nothing outside itself. Every string of `tables` is escaped.
    """
    from markupsafe import Markup

    history, ranks = tables.history, tables.errors
    return _template().render(
        t=tables,
        falling_ridge=history is not None and history.ridge.size and history.ridge[-1] > history.ridge[0],
        held_out=ranks is not None and bool(np.any(np.isfinite(ranks.validation))),
        # the drawings escape their own text
        falling=Markup(figures.falling(tables.history)) if tables.history else "",
        errors=Markup(figures.errors(tables.errors)) if tables.errors else "",
        heat_maps=Markup(figures.heat_maps(tables.heat_maps)) if tables.heat_maps else "",
    )


@cache
def _template() -> jinja2.Template:
    import jinja2

    source = (resources.files(__name__.rpartition(".")[0]) / "page.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(source)
