"""Formulas as MathML: browsers draw it themselves, so that the pages need no script, no font and no
network.
"""

from __future__ import annotations

import re
import warnings
from html import escape
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

# spellings that latex2mathml does not know, or draws badly
_REWRITTEN = (
    (re.compile(r"\\[Bb]igg?[lr]?(?![a-zA-Z])"), ""),
    (re.compile(r"\\math(cal|frak) (\w)"), r"\\math\1{\2}"),
    (re.compile(r"\\tag\{\(?([^)}]*)\)?\}"), r"\\qquad(\1)"),
    (re.compile(r"\\operatorname\{(\w+)\}"), r"\\mathrm{\1}"),
    (re.compile(r"\\[td]frac(?=[^a-zA-Z])"), r"\\frac"),
)


def mathml(latex: str, display: bool = False) -> str:
    """One formula as MathML."""
    latex = re.sub(r"\\texttt\{[^}]*\}", lambda match: match[0].replace(r"\_", "_"), latex)
    for pattern, replacement in _REWRITTEN:
        latex = pattern.sub(replacement, latex)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return convert(latex, display="block" if display else "inline")


def _html(node: nodes.Element, display: bool) -> str:
    latex = node.astext()
    try:
        return mathml(latex, display)
    except Exception as error:
        # a warning, and warnings end the build
        logger.warning("this formula cannot be converted (%r): %s", error, latex, location=node)
        return f"<code>{escape(latex)}</code>"


def visit_inline(self: Any, node: nodes.Element) -> None:
    self.body.append(_html(node, display=False))
    raise nodes.SkipNode


def visit_display(self: Any, node: nodes.Element) -> None:
    number = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    identity = f' id="{node["ids"][0]}"' if node.get("ids") else ""
    self.body.append(f'<div class="math"{identity}>{number}{_html(node, display=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
