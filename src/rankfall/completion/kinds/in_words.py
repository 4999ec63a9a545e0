"""What a completion of a table with kinds says of itself."""

from __future__ import annotations

from typing import Any

from ..descent.watched_run import sentence
from .errors import error_lines


def summary_of(result: Any, certificate: bool) -> str:
    """A few lines for a person about a completion with kinds; with `certificate` also what that of the latent
    table says.
    """
    (m, n), problem = result.shape, result.table.problem
    certified = sentence(result.latent.certificate) if certificate else None
    kinds = [one.kind for one in result.table.kinds]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    lines = [
        f"{m} x {n} table ({counted}), {problem.n_observed} cells observed "
        f"({problem.n_observed / (m * n):.1%})"
        + ("." if result.limits is None else f", {len(result.limits)} known by a limit only."),
        f"Rank {result.rank} of {result.latent.shape[1]} latent columns ({result.outcome.value}): "
        f"{result.outcome.advice}",
        *error_lines(result.errors),
        f"{result.seconds:.1f} s.",
        *([certified] if certified else []),
        *(f"Warning: {text}" for text in result.warnings),
    ]
    return "\n".join(lines)
