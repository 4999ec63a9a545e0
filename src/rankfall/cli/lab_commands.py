"""The commands of the laboratory and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .exit_codes import one_sentence
from .options import Json, Quiet
from .shell_completion import studies

Quick = Annotated[bool, typer.Option("--quick", help="The short version that the study itself defines.")]
Workers = Annotated[
    int | None,
    typer.Option("--jobs", min=1, metavar="N", help="Worker processes, one for each processor by default."),
]
Report = Annotated[
    Path | None,
    typer.Option("--report", metavar="PAGE", help="Write a report (one HTML page) when it is done."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Run the cells on this Dask cluster (tcp://host:8786) instead."),
]


def sweep(
    context: typer.Context,
    study: Annotated[
        Path, typer.Argument(metavar="STUDY", help="TOML file of the study.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.", show_default=False),
    ],
    report: Report = None,
    jobs: Workers = None,
    scheduler: Scheduler = None,
    quick: Quick = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compute the cells of a study that DIR does not have yet.

    Every finished cell is kept, whatever happens to the others: the same command goes on where it stopped.
    Cells that failed are tried again.
    """
    with one_sentence():
        from .sweep import Where, page_of, run

        raise typer.Exit(
            run(
                study, out, quick, Where(jobs, scheduler, quiet), page_of(report, context.obj, study), as_json
            )
        )


def status(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="What rankfall sweep --out wrote.", show_default=False)
    ],
    as_json: Json = False,
) -> None:
    """Say which cells of a sweep are done, which failed and why, and how long it took so far."""
    with one_sentence():
        from .sweep import show_status

        show_status(folder, as_json)


def study(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A packaged study, or all of them: all.",
            show_default=False,
            autocompletion=studies,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder for claims.csv, claims.md, figure.png, figure.svg and results.parquet, by default "
            "study-output/NAME; with all, a folder for each study in it.",
            show_default=False,
        ),
    ] = None,
    report: Report = None,
    jobs: Workers = None,
    scheduler: Scheduler = None,
    quick: Quick = False,
    listing: Annotated[bool, typer.Option("--list", help="List the studies and stop.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a packaged study: its cells, its figure, and a table of claims with verdicts.

    The rule of every verdict was written before the run. Cells that the folder has already are not computed
    again.
    """
    with one_sentence():
        from .study import list_studies, run
        from .sweep import Where, page_of

        if listing:
            list_studies(as_json)
        else:
            raise typer.Exit(
                run(name, out, quick, Where(jobs, scheduler, quiet), page_of(report, context.obj), as_json)
            )
