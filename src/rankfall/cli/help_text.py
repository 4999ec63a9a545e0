"""What the help of every command ends with: examples that can be copied, and exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import typer
from typer.core import TyperCommand, TyperGroup

EXIT_CODES = {
    0: "done; warnings may have been printed",
    2: "bad input, or a full disk: one sentence says what is wrong; no file is half-written",
    3: "finished, but not as hoped (see COMMAND --help); what there is, is written",
    130: "interrupted: what is done is kept, and a sentence says how to go on",
    141: "the program that read the output has ended (head, say)",
}
"""What every exit code means, whichever command it is."""

_OF_COMMANDS = {
    "complete": {3: "finished without converging, or out of time; the output is written"},
    "demo": {3: "finished without converging; everything is written"},
    "certify": {
        0: "the certificate holds",
        3: "it does not, or there is none (which refutes nothing)",
    },
    "doctor": {0: "all checks passed", 3: "a check found a problem, and says what to do about it"},
    "sweep": {0: "all cells are done", 3: "cells failed; the others are kept"},
    "study": {0: "done, whatever the verdicts are", 3: "cells failed, and nothing was judged"},
}
# these have nothing that could be finished and yet not be as hoped
_NEVER_3 = ("diagnose", "report", "status")

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "complete": (
        ("fill the empty cells, and show on a page what was found",
         "rankfall complete ratings.csv -o filled.csv --report page.html"),
        ("keep the result, for certify, report and rankfall.load",
         "rankfall complete ratings.csv -o filled.csv --save result.npz"),
        ("positive, skewed values of at most 100",
         "rankfall complete ratings.csv -o filled.csv --scale log --bounds ,100"),
        ("a column of rain and one of shares, filled within their ranges",
         "rankfall complete sites.csv -o filled.csv --bounds rain=0, --bounds share=0,1"),
        ("beside column means, nearest rows, regressions and forests",
         "rankfall complete ratings.csv -o filled.csv --compare"),
        ("the cells listed in wanted.csv only, with 90% intervals",
         "rankfall complete ratings.csv -o some.csv --cells wanted.csv --interval 0.9"),
        ("twenty tables drawn from the posterior, below each other, for multiple imputation",
         "rankfall complete ratings.csv -o draws.csv --draws 20"),
        ("from lines of row,column,value",
         "rankfall complete log.csv --triplets -o filled.csv"),
        ("where -999 and n.d. mark missing values, too",
         "rankfall complete ratings.csv --missing -999 --missing n.d. -o filled.csv"),
        ("for programs: the table on stdout, the facts on stderr",
         "rankfall complete ratings.csv -o - --json"),
    ),
    "diagnose": (
        ("before anything is fitted", "rankfall diagnose ratings.csv"),
        ("lines of row,column,value; for programs", "rankfall diagnose log.csv --triplets --json"),
    ),
    "demo": (
        ("into demo-output/", "rankfall demo"),
        ("other hidden cells, another folder", "rankfall demo --seed 1 --out elsewhere"),
    ),
    "certify": (
        ("every inequality with both sides", "rankfall certify result.npz"),
        ("for programs", "rankfall certify result.npz --json"),
    ),
    "report": (
        ("a saved completion or trace", "rankfall report result.npz -o page.html"),
        ("the folder of a sweep or a study", "rankfall report sweep-output -o sweep.html"),
    ),
    "doctor": (
        ("is all well on this computer?", "rankfall doctor"),
        ("for programs", "rankfall doctor --json"),
    ),
    "sweep": (
        ("run it; after Ctrl-C, the same again goes on",
         "rankfall sweep study.toml --out sweep-output --jobs 2"),
        ("its short version, with a page",
         "rankfall sweep study.toml --out quick-output --quick --report sweep.html"),
        ("on a Dask cluster",
         "rankfall sweep study.toml --out sweep-output --scheduler tcp://host:8786"),
    ),
    "status": (
        ("while it runs, or after", "rankfall status sweep-output"),
        ("for programs", "rankfall status sweep-output --json"),
    ),
    "study": (
        ("which there are", "rankfall study --list"),
        ("about a minute, into study-output/one-way", "rankfall study one-way --quick"),
        ("all of it, with a page", "rankfall study one-way --out one-way --report one-way.html"),
        ("every study, one after the other", "rankfall study all --quick"),
    ),
}  # fmt: skip
"""For every command: what an example does, and its words."""


class _Formatter(Protocol):
    def write(self, string: str) -> None: ...
    def getvalue(self) -> str: ...


class Command(TyperCommand):
    """A command whose help ends with examples and exit codes."""

    def format_help(self, ctx: typer.Context, formatter: _Formatter) -> None:  # type: ignore[override]
        """The help, then what can be copied from it."""
        super().format_help(ctx, formatter)  # type: ignore[arg-type]
        name = self.name or ""
        _add(formatter, [*_examples(name), "", *_exits(exit_codes(name))])


class Group(TyperGroup):
    """All commands; the help ends with what holds for every one of them."""

    def format_help(self, ctx: typer.Context, formatter: _Formatter) -> None:  # type: ignore[override]
        """The help, then exit codes and the next step."""
        super().format_help(ctx, formatter)  # type: ignore[arg-type]
        _add(
            formatter,
            [*_exits(EXIT_CODES), "", " Next: rankfall demo, or rankfall COMMAND --help for examples."],
        )


def exit_codes(command: str) -> dict[int, str]:
    """The exit codes that a command can end with, and what they mean there."""
    codes = {**EXIT_CODES, **_OF_COMMANDS.get(command, {})}
    return {code: text for code, text in codes.items() if code != 3 or command not in _NEVER_3}


def _examples(command: str) -> Iterator[str]:
    yield " Examples:"
    for what, words in EXAMPLES[command]:
        yield f"   # {what}"
        yield f"   {words}"


def _exits(codes: dict[int, str]) -> Iterator[str]:
    yield " Exit codes:"
    for code, text in codes.items():
        yield f"   {code:>3}  {text}"


def _add(formatter: _Formatter, lines: list[str]) -> None:
    # typer has printed already if it draws with rich, which would break lines that are there to be copied
    text = "\n".join(lines)
    if formatter.getvalue():
        formatter.write(f"\n{text}\n")
    else:
        print(text)
