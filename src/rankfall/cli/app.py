"""Commands and their options. What a command does is imported when it runs: ``--help`` must be quick."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..completion.options import default_of, names
from ..version import __version__
from . import lab_commands as laboratory
from .exit_codes import exit_code, one_sentence
from .help_text import Command, Group
from .options import (
    Aside,
    Column,
    Effects,
    Fill,
    Json,
    Kinds,
    Memory,
    Missing,
    Noise,
    Ordered,
    Quiet,
    Row,
    Rule,
    Scale,
    Scaling,
    Scheduler,
    Sheet,
    Skip,
    Triplets,
    Value,
    chosen,
    counted,
    option,
)
from .shell_completion import Shell, answer_shells, show_completion

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    # typer's own options for it would edit files in the user's home; ours prints
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_MODEL = "What is fitted"
_ORDER = "Rows that follow each other"
_LAB = "The laboratory"
Input = Annotated[
    Path,
    typer.Argument(
        metavar="IN",
        help="Table with empty cells: CSV, Excel, Parquet, Feather, NPZ or NPY; - is stdin.",
        show_default=False,
    ),
]
InputOrFolder = Annotated[
    Path,
    typer.Argument(
        metavar="IN",
        help="Table with empty cells: CSV, Excel, Parquet, Feather, NPZ or NPY; - is stdin. Or a folder of "
        "triplets (Parquet or CSV) that need not fit in memory.",
        show_default=False,
    ),
]


def main(args: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    args : list of str, optional
        By default those of the process.

    Returns
    -------
    int
        0 done, 2 bad input, 3 finished without converging, 130 interrupted.
    """
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # a name that the terminal cannot show must not stop the work
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    answer_shells()
    try:
        # the words themselves, for the report to repeat
        app(args=args, prog_name="rankfall", obj=["rankfall", *(sys.argv[1:] if args is None else args)])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    return 0


def _open_closed_streams() -> None:
    """Where stdout or stderr was closed, what is printed goes nowhere, and not into the next file opened."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _version(wanted: bool) -> None:
    if wanted:
        print(f"rankfall {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    completion: Annotated[
        Shell | None,
        typer.Option(
            "--show-completion",
            metavar="SHELL",
            callback=show_completion,
            is_eager=True,
            help="Print the script that teaches bash, zsh, fish or powershell to complete commands.",
        ),
    ] = None,
) -> None:
    """Complete a matrix from some of its entries without being told its rank."""


@app.command(cls=Command)
def complete(
    context: typer.Context,
    source: InputOrFolder,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="Where the completed table goes; - is stdout (as CSV). Of a folder, a folder.",
            show_default=False,
        ),
    ],
    report: Annotated[
        Path | None, typer.Option(metavar="PAGE", help="Write a report (one HTML page).")
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="RESULT", help="Save the result (.npz) for rankfall report and rankfall.load."),
    ] = None,
    cells: Annotated[
        Path | None, typer.Option(metavar="CELLS", help="CSV of row,column: OUT holds these cells only.")
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(
            metavar="COVERAGE",
            help="With --cells: OUT also gets columns lower and upper, which hold this share of missing "
            "cells between them (0.9, say).",
        ),
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(
            metavar="M",
            min=1,
            help="OUT gets M completed tables drawn from the posterior, one below the other, with their "
            "numbers in a first column called draw: multiple imputation.",
        ),
    ] = None,
    certificate: Annotated[
        bool, typer.Option("--certificate", help="Also print why the rank is believed to stay.")
    ] = False,
    triplets: Triplets = False,
    row: Row = None,
    column: Column = None,
    value: Value = None,
    aside: Aside = None,
    missing: Missing = None,
    skip: Skip = 0,
    sheet: Sheet = None,
    no_round: Annotated[
        bool,
        typer.Option(
            "--no-round", help="Write filled cells with six digits, not with the decimals of their column."
        ),
    ] = False,
    fill: Annotated[Fill | None, chosen("fill")] = default_of("fill"),
    seed: Annotated[int, counted("seed", 0)] = default_of("seed"),
    max_rank: Annotated[int | None, counted("max_rank", 0, metavar="R")] = default_of("max_rank"),
    max_time: Annotated[float | None, option("max_time", metavar="SECONDS")] = default_of("max_time"),
    jobs: Annotated[int | None, counted("n_jobs", 1)] = default_of("n_jobs"),
    scale: Annotated[Scale | None, chosen("scale", rich_help_panel=_MODEL)] = None,
    log: Annotated[
        bool, typer.Option("--log", help="Short for --scale log.", rich_help_panel=_MODEL)
    ] = False,
    bounds: Annotated[
        list[str] | None, option("bounds", metavar="[COLUMN=]LOW,HIGH", rich_help_panel=_MODEL)
    ] = default_of("bounds"),
    kinds: Kinds = None,
    effects: Annotated[Effects, chosen("effects", rich_help_panel=_MODEL)] = default_of("effects"),
    scaling: Annotated[Scaling, chosen("scaling", rich_help_panel=_MODEL)] = default_of("scaling"),
    noise: Annotated[Noise, chosen("noise", rich_help_panel=_MODEL)] = default_of("noise"),
    rule: Annotated[Rule, chosen("rule", rich_help_panel=_MODEL)] = default_of("rule"),
    folds: Annotated[int | None, counted("folds", 2, metavar="K", rich_help_panel=_MODEL)] = default_of(
        "folds"
    ),
    ordered: Annotated[Ordered, chosen("ordered", rich_help_panel=_ORDER)] = default_of("ordered"),
    positions: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of times or numbers that say where each row stands; it is written back as it is.",
            rich_help_panel=_ORDER,
        ),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column that says which series a row belongs to; it is written back as it is.",
            rich_help_panel=_ORDER,
        ),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Say how column means, nearest rows, regressions and forests do at the same held-out cells "
            "(seconds more).",
        ),
    ] = False,
    scheduler: Scheduler = None,
    memory: Memory = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fill the empty cells of a table.

    Observed cells come back as they were. Ctrl-C writes the best completion so far.
    """
    given = {**locals(), "n_jobs": jobs, "row_positions": None, "column_positions": None, "groups": None}
    asked = {name: getattr(given[name], "value", given[name]) for name in names()}
    with one_sentence():
        from .complete import Job, run
        from .reading import Reading
        from .triplets_folder import FolderJob, refuse_cluster_options
        from .triplets_folder import run as run_folder

        if source.is_dir():
            asked["scale"] = "log" if log else asked["scale"]
            others = {"no_round": no_round, "positions": positions, "groups": groups} | {
                name: given[name]
                for name in ("report", "save", "cells", "interval", "draws", "certificate", "aside",
                             "missing", "skip", "sheet", "kinds", "compare")
            }  # fmt: skip
            folder = FolderJob(
                source, out, row, column, value, asked, others, scheduler, memory, as_json, quiet
            )
            raise typer.Exit(exit_code(run_folder(folder)))
        refuse_cluster_options(scheduler, memory)
        job = Job(
            source=source,
            out=out,
            asked=asked,
            report=report,
            save=save,
            cells=cells,
            interval=interval,
            draws=draws,
            certificate=certificate,
            reading=Reading(
                triplets, row, column, value, tuple(aside or ()), tuple(missing or ()), skip, sheet
            ).with_columns_beside(positions, groups),
            positions=positions,
            groups=groups,
            rounded=not no_round,
            log=log,
            compare=compare,
            as_json=as_json,
            quiet=quiet,
            command=tuple(context.obj or ()),
            kinds=tuple(kinds or ()),
        )
        outcome = run(job)
        raise typer.Exit(exit_code(outcome))


@app.command(cls=Command)
def diagnose(
    source: Input,
    triplets: Triplets = False,
    row: Row = None,
    column: Column = None,
    value: Value = None,
    aside: Aside = None,
    missing: Missing = None,
    skip: Skip = 0,
    sheet: Sheet = None,
    as_json: Json = False,
) -> None:
    """Say which ranks the observed cells of a table can determine. Nothing is fitted."""
    with one_sentence():
        from .diagnose import run
        from .reading import Reading

        reading = Reading(triplets, row, column, value, tuple(aside or ()), tuple(missing or ()), skip, sheet)
        run(source, reading, as_json)


@app.command(cls=Command)
def demo(
    folder: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the files go.")] = Path(
        "demo-output"
    ),
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Chooses the hidden cells, and seeds every method.")
    ] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Hide a fifth of Beijing's air quality, fill it in, and compare with three other methods.

    Ctrl-C writes what there is, without the methods that were not run.
    """
    with one_sentence():
        from .demo import run

        outcome = run(folder, seed, as_json, quiet)
        raise typer.Exit(exit_code(outcome))


@app.command(cls=Command)
def certify(
    result: Annotated[
        Path,
        typer.Argument(metavar="RESULT", help="What rankfall complete --save wrote.", show_default=False),
    ],
    as_json: Json = False,
) -> None:
    """Say why the rank of a saved result is believed to stay: every inequality, and what is assumed."""
    with one_sentence():
        from .certify import run

        raise typer.Exit(run(result, as_json))


@app.command(cls=Command)
def report(
    result: Annotated[
        Path,
        typer.Argument(
            metavar="RESULT",
            help="What rankfall complete --save or Trace.save wrote, or the folder of a study or sweep.",
            show_default=False,
        ),
    ],
    page: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="PAGE", help="Where the HTML page goes.", show_default=False),
    ],
    as_json: Json = False,
) -> None:
    """Write the report of a saved completion, trace, study or sweep as one HTML page, which needs no
    network.
    """
    with one_sentence():
        from .reports import run

        run(result, page, as_json)


@app.command(cls=Command)
def doctor(as_json: Json = False, quiet: Quiet = False) -> None:
    """Check this installation and this computer, for the report of a bug.

    Versions, threads, the folder of compiled kernels, the compiler, memory, and a short completion. Every
    problem comes with what to do about it.
    """
    with one_sentence():
        from .doctor import run

        raise typer.Exit(run(as_json, quiet))


for command in (laboratory.sweep, laboratory.status, laboratory.study):
    app.command(rich_help_panel=_LAB, cls=Command)(command)
