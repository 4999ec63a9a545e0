"""What a report says in words: what was found, and how to do it again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...completion.options import EFFECTS_IN_WORDS, PLACES, default_of
from ...completion.result.completion import Completion
from ...completion.result.determined import components
from ...completion.result.in_words import order_line, rank_choices
from ...files.plain_values import is_list, is_table


def found(completion: Completion) -> str:
    """What was found, in one sentence, and one about each order that was used."""
    return " ".join([_matrix(completion), *order_line(completion.model.posterior)])


def _matrix(completion: Completion) -> str:
    problem, rank = completion.problem, completion.rank
    filled = _filled(completion)
    if completion.model.exact:
        return f"A matrix of rank {rank} reproduces all {problem.n_observed:,} observed cells, {filled}."
    beside = EFFECTS_IN_WORDS[str(completion.settings.get("effects", "none"))]
    cells = f"the {problem.n_observed:,} observed cells {_error(completion)}, {filled}"
    if not rank:
        verb = "explain" if beside.endswith("effects") else "explains"
        return f"{beside.capitalize() or 'A matrix of zeros'} alone {verb} {cells}."
    what, verb = (f"rank {rank} and {beside}", "explain") if beside else (f"rank {rank}", "explains")
    return f"A matrix of {what} {verb} {cells}."


def _filled(completion: Completion) -> str:
    problem = completion.problem
    missing = problem.n_rows * problem.n_cols - problem.n_observed
    if not missing:
        return "and no cell is missing"
    # cells whose row and column hang together, counted without the whole matrix
    labels = components(problem, completion.model.posterior)
    size = max(int(each.max(initial=-1)) for each in labels) + 1
    rows, cols = (np.bincount(each[each >= 0], minlength=size) for each in labels)
    known = int(rows @ cols) - problem.n_observed
    if known == missing or completion.fill is not None:
        return f"and fills in the other {missing:,}"
    return f"and fills in {known:,} of the other {missing:,}; the rest cannot be determined"


def choice(completion: Completion) -> str:
    """On which cells the rank was chosen, and whether other ways agree; empty if nothing was chosen."""
    choices = completion.settings.get("rank_choices")
    if not is_table(choices):
        return ""
    alone = ", and every fold alone," if choices["by_fold"] else ""
    agreed = f"The smallest held-out error and the smallest rank as good{alone} point at this rank."
    parts = rank_choices(completion.rank, choices) or [agreed]
    held_out = completion.settings.get("held_out_in")
    if held_out is not None and completion.model.posterior.has_order:
        parts.insert(0, f"Held out were {held_out}.")
    return " ".join(parts)


def _error(completion: Completion) -> str:
    error, where = completion.validation_rmse, "held-out cells"
    if np.isnan(error):
        error, where = completion.train_rmse, "these cells"
    unit = " of the logarithms" if completion.scale != "linear" else ""
    unit += " in columns' standard deviations" if completion.mixed_units else ""
    return f"with a root mean square error{unit} of {error:.3g} at {where}"


def _bounds(completion: Completion) -> object:
    """The bounds as the caller gave them: a side without a bound is infinite inside, and None for her."""
    asked = completion.settings.get("bounds")
    if is_table(asked):
        numbered = completion.col_names is None
        return {int(col) if numbered else col: _pair(pair) for col, pair in asked.items()}
    return _pair(asked) if is_list(asked) else asked


def _pair(sides: Sequence[float]) -> tuple[float | None, ...]:
    return tuple(side if np.isfinite(side) else None for side in sides)


# options that bear on the result, in the order of the call
_REPEATED = ("max_rank", "effects", "scaling", "rule", "folds", "fill", "scale", "bounds", "ordered")


def repeat(completion: Completion) -> tuple[tuple[str, str], ...]:
    """The command line that made the result, if there was one, and the same in Python."""
    settings = completion.settings
    out: list[tuple[str, str]] = []
    if "command" in settings:
        out.append(("On the command line", str(settings["command"])))
    asked = settings.get("asked")
    given = {**(asked if is_table(asked) else {}), **{k: settings.get(k) for k in ("fill", "scale")}}
    given["bounds"] = _bounds(completion)
    arguments = [f"seed={settings.get('seed', 0)}"]
    arguments += [
        f"{name}={given[name]!r}" for name in _REPEATED if given.get(name) not in (default_of(name), None)
    ]
    arguments += [f"{name}={name}" for name in PLACES if given.get(name)]
    if completion.problem.weights is not None:
        arguments.append("weights=weights")
    # dates and numbers among the labels say how far rows, or columns, are apart
    labels = " with its labels" if completion.model.posterior.has_order and completion.problem.layout else ""
    out.append(
        (
            f"In Python (X: the matrix{labels}, NaN where nothing was observed)",
            f"import rankfall\n\nresult = rankfall.complete(X, {', '.join(arguments)})",
        )
    )
    return tuple(out)
