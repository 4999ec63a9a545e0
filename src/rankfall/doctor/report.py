"""What the checks found."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["ok", "problem", "skipped"]

_WIDTH = 100
_INDENT = " " * 22


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes
    ----------
    name : str
    status : {"ok", "problem", "skipped"}
        "skipped": it needs what another check found broken.
    message : str
        What was found.
    remedy : str
        What to do about it; empty unless there is a problem.
    facts : mapping
        The same in plain types, for programs.
    """

    name: str
    status: Status
    message: str
    remedy: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = _wrapped(f"{self.status:<9} {self.name:<11} {self.message}")
        if self.remedy:
            lines += _wrapped(f"{_INDENT}Remedy: {self.remedy}")
        return "\n".join(lines)


@dataclass(frozen=True)
class DoctorReport:
    """All checks, in order."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(check.status == "ok" for check in self.checks)

    @property
    def verdict(self) -> str:
        """One sentence."""
        wrong = [check.name for check in self.checks if check.status == "problem"]
        if not wrong:
            return "All checks passed."
        return f"{len(wrong)} of {len(self.checks)} checks found a problem: {', '.join(wrong)}."

    def as_dict(self) -> dict[str, object]:
        """Plain types, for JSON."""
        names = ("name", "status", "message", "remedy", "facts")
        checks = [{name: getattr(check, name) for name in names} for check in self.checks]
        return {"ok": self.ok, "verdict": self.verdict, "checks": checks}

    def __str__(self) -> str:
        return "\n".join([*map(str, self.checks), self.verdict])


def _wrapped(text: str) -> list[str]:
    # paths and commands are there to be copied: nothing is broken inside a word
    return textwrap.wrap(
        text, _WIDTH, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False
    )
