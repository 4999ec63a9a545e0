"""What a study claims: estimate, interval, and a verdict by a rule that was written before the run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from os import PathLike
from typing import TYPE_CHECKING, Literal, get_args

from ..declared_arguments import declared
from ..errors import InputError
from ..files import atomic_path
from ..files.plain_values import any_number

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["supported", "not supported", "undecided"]


@dataclass(frozen=True)
class Claim:
    """One claim and what the results say about it.

    Attributes
    ----------
    statement : str
        The claim, one sentence.
    rule : str
        How the verdict follows from the interval; written before the run.
    estimate, low, high : float
        The quantity that the claim is about, and its interval (say which in `rule`). NaN where there is
        nothing to estimate from; `low` and `high` may be infinite.
    verdict : {"supported", "not supported", "undecided"}
    note : str
        What a reader must know besides, for example after how many steps the event had not occurred.
    """

    statement: str
    rule: str
    estimate: float
    low: float
    high: float
    verdict: Verdict
    note: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Verdict):
            raise InputError(f"A verdict is one of {', '.join(get_args(Verdict))}; {self.verdict!r} is not.")
        if self.low > self.high:
            raise InputError(
                f"An interval goes from low to high, not from {self.low:.6g} to {self.high:.6g}."
            )


@declared(low=any_number, high=any_number, above=any_number, below=any_number)
def verdict(low: float, high: float, above: float = -math.inf, below: float = math.inf) -> Verdict:
    """The verdict on "the quantity lies between `above` and `below`" from an interval for the quantity.

    Parameters
    ----------
    low, high : float
        The interval. NaN (nothing was measured) leaves the claim undecided.
    above, below : float
        What the claim says: ``above <= quantity <= below``.

    Returns
    -------
    {"supported", "not supported", "undecided"}
        Supported if the whole interval agrees with the claim, not supported if none of it does.
    """
    if math.isnan(low) or math.isnan(high):
        return "undecided"
    if low >= above and high <= below:
        return "supported"
    if high < above or low > below:
        return "not supported"
    return "undecided"


@declared
def claims_table(claims: Sequence[Claim]) -> pd.DataFrame:
    """The claims, one a row; columns as the attributes of :class:`Claim`."""
    import pandas as pd

    return pd.DataFrame([asdict(claim) for claim in claims], columns=[f.name for f in fields(Claim)])


@declared
def claims_markdown(claims: Sequence[Claim]) -> str:
    """The claims as a table in Markdown, with the rules below it."""
    lines = ["| | claim | estimate | interval | verdict | note |", "|---|---|---|---|---|---|"]
    for number, claim in enumerate(claims, 1):
        cells = (
            str(number),
            claim.statement,
            _number(claim.estimate),
            f"{_number(claim.low)} to {_number(claim.high)}",
            claim.verdict,
            claim.note,
        )
        lines.append("| " + " | ".join(_escaped(cell) for cell in cells) + " |")
    lines += ["", "Rules of the verdicts, written before the run:", ""]
    lines += [f"{number}. {_one_line(claim.rule)}" for number, claim in enumerate(claims, 1)]
    return "\n".join(lines) + "\n"


@declared
def write_claims(claims: Sequence[Claim], folder: str | PathLike[str], heading: str = "") -> None:
    """Write ``claims.csv`` and ``claims.md`` (below a line of `heading`) into a folder, each whole.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    from pathlib import Path

    with atomic_path(Path(folder) / "claims.csv") as temporary:
        claims_table(claims).to_csv(temporary, index=False, lineterminator="\n")
    with atomic_path(Path(folder) / "claims.md") as temporary:
        text = f"{heading}\n\n" if heading else ""
        temporary.write_text(text + claims_markdown(claims), encoding="utf-8")


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    return _one_line(text).replace("|", "\\|")
