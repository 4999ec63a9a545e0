"""Commands and their options. What a command does is imported when it runs: ``--help`` must be quick."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from .. import __version__
from .failures import exit_code, one_sentence

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Fill(str, Enum):
    """What stands in for cells that the data do not determine."""

    EFFECTS = "effects"


Input = Annotated[
    Path,
    typer.Argument(
        metavar="IN", help="Table with empty cells: CSV, Parquet, NPZ or NPY.", show_default=False
    ),
]
Triplets = Annotated[
    bool, typer.Option("--triplets", help="IN has a line row,column,value for every observed cell.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress line.")]


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
    for stream in (sys.stdout, sys.stderr):
        # a name that the terminal cannot show must not stop the work
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        app(args=args, prog_name="rankfall")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    return 0


def _version(wanted: bool) -> None:
    if wanted:
        print(f"rankfall {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Complete a matrix from some of its entries without being told its rank."""


@app.command()
def complete(
    source: Input,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="Where the completed table goes; - is stdout (as CSV).",
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
    triplets: Triplets = False,
    log: Annotated[
        bool,
        typer.Option(
            "--log", help="Complete the logarithms (positive, skewed data); OUT holds plain values."
        ),
    ] = False,
    fill: Annotated[
        Fill | None,
        typer.Option(
            help="Fill cells that cannot be determined with row and column effects; else they stay empty."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")] = 0,
    max_rank: Annotated[int | None, typer.Option(min=0, help="Largest rank considered.")] = None,
    max_time: Annotated[
        float | None, typer.Option(help="Seconds after which the best so far is written.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Threads; all by default. Does not change the result.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fill the empty cells of a table.

    Observed cells come back as they were. Ctrl-C writes the best completion so far.

    Exit codes: 0 done, 2 bad input (nothing is written), 3 finished without converging or out of time,
    130 interrupted.
    """
    with one_sentence():
        from .complete import Job, run

        job = Job(
            source=source,
            out=out,
            report=report,
            save=save,
            cells=cells,
            triplets=triplets,
            log=log,
            fill="effects" if fill is Fill.EFFECTS else None,
            seed=seed,
            max_rank=max_rank,
            max_time=max_time,
            jobs=jobs,
            as_json=as_json,
            quiet=quiet,
        )
        outcome = run(job)
        raise typer.Exit(exit_code(outcome))


@app.command()
def diagnose(source: Input, triplets: Triplets = False, as_json: Json = False) -> None:
    """Say which ranks the observed cells of a table can determine. Nothing is fitted."""
    with one_sentence():
        from .diagnose import run

        run(source, triplets, as_json)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the files go.")] = Path(
        "demo-output"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Chooses the hidden cells, and seeds every method.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Hide a fifth of Beijing's air quality, fill it in, and compare with three other methods."""
    with one_sentence():
        from .demo import run

        outcome = run(folder, seed, quiet)
        raise typer.Exit(exit_code(outcome))


@app.command()
def report(
    result: Annotated[
        Path,
        typer.Argument(metavar="RESULT", help="What rankfall complete --save wrote.", show_default=False),
    ],
    page: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="PAGE", help="Where the HTML page goes.", show_default=False),
    ],
) -> None:
    """Write the report of a saved result as one HTML page."""
    with one_sentence():
        from .reports import run

        run(result, page)
