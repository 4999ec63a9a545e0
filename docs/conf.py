"""How the site is made: ``make docs``, or ``sphinx-build docs docs/_build/html``.

The gallery is executed only with ``-D plot_gallery=1`` (a minute or two); otherwise its pages show the
scripts alone.
No page needs the network, neither to be made nor to be read.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

from docutils.nodes import Element, TextElement
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import rankfall  # noqa: E402

project = "rankfall"
author = "The rankfall developers"
project_copyright = "2026, the rankfall developers"
version = release = rankfall.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
    "mathml",
    "layers",
    "commands",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_build", "gallery/sg_execution_times.*", "sg_execution_times.*"]
templates_path = ["_templates"]
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
# one page for each object, made from its docstring; types are in the docstrings, not in the signatures
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # autodoc does


def public_names(module: str) -> list[str]:
    """What a module offers: its ``__all__``, or the functions and constants that it defines, in their
    order.
    """
    found = import_module(module)
    names = getattr(found, "__all__", None)
    if names is not None:
        # what is in the package itself is described there
        return [name for name in names if getattr(found, name) is not getattr(rankfall, name, None)]
    own = [name for name, item in vars(found).items() if getattr(item, "__module__", None) == module]
    return [name for name in own if not name.startswith("_")]


autosummary_context = {"public_names": public_names}

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"plot_\w+\.py$",
    "ignore_pattern": r"__init__\.py|README",
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 1e9,
    "show_signature": False,
    "abort_on_example_error": True,
}
# the Makefile executes the gallery with -D plot_gallery=1
plot_gallery = "False"

bibtex_bibfiles = ["references.bib"]
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(sklearn|numpy|scipy|pandas|matplotlib|concurrent)\..*")]
# the context of the templates holds a function
suppress_warnings = ["config.cache"]

html_theme = "furo"
html_title = "rankfall"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5d8f", "color-brand-content": "#0b5d8f"},
    "dark_css_variables": {"color-brand-primary": "#7cc4ec", "color-brand-content": "#7cc4ec"},
}


def readable(app: Sphinx, what: str, name: str, item: object, options: object, lines: list[str]) -> None:
    """Docstrings are written to be read as they are; a few things mean something else to Sphinx.

    Indented formulas become literal blocks; |x| is a norm, not a substitution; "..." ends no sentence in a
    formula.
    """
    rules = [number for number, line in enumerate(lines) if re.fullmatch(r"-{3,}", line.strip())]
    end = rules[0] - 1 if rules else len(lines)
    shown: list[str] = []
    for number, line in enumerate(lines):
        indented = line.startswith("    ") and number < end
        if (
            indented
            and number > 1
            and not lines[number - 1]
            and not lines[number - 2].startswith((" ", ".."))
        ):
            shown += ["::", ""]
        # marked, so that it survives until the literals are known
        shown.append(line.replace("|", "\0") if indented else line)
    parts = re.split(r"(``.+?``)", "\n".join(shown), flags=re.DOTALL)
    parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
    parts[1::2] = [part.replace("...", "…") for part in parts[1::2]]
    lines[:] = "".join(parts).replace("\0", "|").split("\n")


def public_home(app: Sphinx, env: BuildEnvironment, node: Element, text: TextElement) -> Element | None:
    """What is called by the module in which it was written is described under its public name."""
    target = str(node.get("reftarget", ""))
    if node.get("refdomain") != "py" or not target.startswith("rankfall."):
        return None
    domain = env.domains["py"]
    name = target.rpartition(".")[2]
    found = [
        full
        for full, *_ in domain.get_objects()
        if full.startswith("rankfall.") and full.endswith(f".{name}")
    ]
    if len(found) != 1:
        return None
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", found[0], node, text)


def skip_made_by_sklearn(
    app: Sphinx, what: str, name: str, item: object, skip: bool, options: object
) -> bool | None:
    """Methods that scikit-learn adds for the routing of metadata."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def setup(app: Sphinx) -> None:
    # before numpydoc, which asks for 500
    app.connect("autodoc-process-docstring", readable, priority=400)
    app.connect("missing-reference", public_home)
    app.connect("autodoc-skip-member", skip_made_by_sklearn)
