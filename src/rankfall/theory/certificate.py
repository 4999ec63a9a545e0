"""What theory says about one point or one setting: a list of inequalities, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING, Any

from ..argument_checks import flag, text, whole
from ..declared_arguments import declared
from ..files.plain_values import any_number, listed, mapping, nullable, record

if TYPE_CHECKING:
    import pandas as pd


def complement(p_fail: float) -> str:
    """The probability ``1 - p_fail`` in words, which rounding must not make larger than it is."""
    return f"{1 - p_fail:.10g}" if p_fail >= 1e-6 or p_fail == 0 else f"1 - {p_fail:.3g}"


@dataclass(frozen=True)
class Condition:
    """One inequality ``left <= right`` (``left < right`` if `strict`).

    Attributes
    ----------
    name : str
        Short name, as in the text: "(B)", "eta beta <= 1".
    statement : str
        The inequality in symbols, left side first.
    left, right : float
    source : str
        Where it stands: "Theorem 1", "Lemma 2", "equation (3.1)".
    strict : bool
    """

    name: str
    statement: str
    left: float
    right: float
    source: str
    strict: bool = False

    @property
    def holds(self) -> bool:
        """Whether it holds in floating point; never if a side is not a number."""
        return self.left < self.right if self.strict else self.left <= self.right

    @property
    def margin(self) -> float:
        """``right - left``."""
        return self.right - self.left

    @property
    def relative_margin(self) -> float:
        """Margin over the larger of both sides in absolute value; 0 where both are 0, -inf for a NaN."""
        if isnan(self.left) or isnan(self.right):
            return float("-inf")
        size = max(abs(self.left), abs(self.right))
        if size == float("inf"):
            return 1.0 if self.left < self.right else -1.0 if self.left > self.right else 0.0
        return self.margin / size if size else 0.0


@dataclass(frozen=True)
class Certificate:
    """Which hypotheses of a theorem hold here, and with what to spare.

    ``holds = False`` means "not certified", never "refuted". The inequalities are evaluated in floating
    point: evidence of what exact arithmetic would say, up to relative errors of about 1e-12.

    Attributes
    ----------
    theorem : str
        "Theorem 1", "Theorem 3", ...
    claim : str
        One sentence: what follows if all conditions hold, no more than is proved.
    conditions : tuple of Condition
    rank : int or None
        The certified rank; None if the statement is about every rank, or nothing is certified.
    p_fail : float or None
        Bound on the probability that the claim fails; None for a sure statement.
    assumptions : tuple of str
        What is taken for granted and not checked here, one sentence each.
    values : mapping of str to float
        Constants that a reader may want beside the inequalities, by their names in the text.
    """

    theorem: str
    claim: str
    conditions: tuple[Condition, ...]
    rank: int | None = None
    p_fail: float | None = None
    assumptions: tuple[str, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def holds(self) -> bool:
        """Whether every condition holds (and there is one)."""
        return bool(self.conditions) and all(condition.holds for condition in self.conditions)

    @property
    def tightest(self) -> Condition:
        """The condition with the smallest relative margin."""
        return min(self.conditions, key=lambda condition: condition.relative_margin)

    def table(self) -> pd.DataFrame:
        """One row per condition: name, statement, left, right, margin, holds, source."""
        import pandas as pd

        names = ("name", "statement", "left", "right", "margin", "holds", "source")
        return pd.DataFrame({name: [getattr(c, name) for c in self.conditions] for name in names})

    def as_dict(self) -> dict[str, object]:
        """Plain types, for JSON; :meth:`from_dict` reads them back."""
        conditions = [
            {name: getattr(c, name) for name in ("name", "statement", "left", "right", "source", "strict")}
            for c in self.conditions
        ]
        return {
            "theorem": self.theorem,
            "claim": self.claim,
            "holds": self.holds,
            "conditions": conditions,
            "rank": self.rank,
            "p_fail": self.p_fail,
            "assumptions": list(self.assumptions),
            "values": dict(self.values),
        }

    @classmethod
    @declared
    def from_dict(cls, plain: Mapping[str, object]) -> Certificate:
        """What :meth:`as_dict` wrote; whether it holds is told by the conditions, not by "holds".

        Raises
        ------
        InputError
            If a part is missing or of another type.
        """
        return read_certificate("The certificate", plain)

    def __str__(self) -> str:
        rows = [("inequality", "left", "right", "margin", "", "source")]
        rows += [
            (c.statement, f"{c.left:.6g}", f"{c.right:.6g}", f"{c.margin:.3g}",
             "holds" if c.holds else "fails",
             c.source)
            for c in self.conditions
        ]  # fmt: skip
        widths = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(r, widths, strict=True)).rstrip() for r in rows]
        verdict = self.claim if self.holds else "Not certified (which refutes nothing)."
        given = [f"Assumed: {sentence}" for sentence in self.assumptions]
        return "\n".join([f"{self.theorem}: {verdict}", *lines, *given])


_CONDITION = record(
    {"name": text, "statement": text, "left": any_number, "right": any_number, "source": text, "strict": flag}
)
_CERTIFICATE = record(
    {
        "theorem": text,
        "claim": text,
        "conditions": listed(_CONDITION),
        "rank": nullable(whole),
        "p_fail": nullable(any_number),
        "assumptions": listed(text),
        "values": mapping(any_number),
    }
)


def read_certificate(name: str, plain: object) -> Certificate:
    """The certificate that :meth:`Certificate.as_dict` wrote, checked; `name` is what a sentence calls it."""
    found: dict[str, Any] = _CERTIFICATE(name, plain)
    found["conditions"] = tuple(Condition(**c) for c in found["conditions"])
    return Certificate(**found)
