"""From the folder of a study or a sweep to the plain tables of its report."""

from __future__ import annotations

import json
import math
import shlex
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...lab.sweep.status import open_sweep, sweep_status
from ...lab.sweep.store import Store
from .. import ClaimText, StudyTables, TextTable
from .study_figure import darkened, figure_file, is_svg

if TYPE_CHECKING:
    import pandas as pd

    from ...lab.sweep.study import Study

# rows of the results, and failed cells, that are shown
_MAX_ROWS, _MAX_FAILURES = 200, 10


def study_tables(folder: str | PathLike[str], command: str | None = None) -> StudyTables:
    """What the report of a study or a sweep shows: read from its folder, nothing is run.

    Parameters
    ----------
    folder : path
        What ``rankfall study`` or ``rankfall sweep`` wrote. Claims and the figure are there if it was judged.
    command : str, optional
        The command that made it; by default one that would.

    Returns
    -------
    StudyTables
        To be given to :func:`rankfall.report.render`.

    Raises
    ------
    InputError
        If the folder holds no sweep, or a file in it is damaged.
    """
    from ...version import __version__

    folder = Path(folder)
    study = Store(folder).study()
    status = sweep_status(folder)
    results = open_sweep(folder)
    claims = _claims(folder / "claims.csv")
    picture = figure_file(folder)
    cells = f"{status.done:,} of {status.n_cells:,} cells done"
    failed = [f"{status.failed:,} cells failed."] if status.failed else []
    failed += [f"Failed: {_axes(axes)}: {why}" for axes, why in status.failures[:_MAX_FAILURES]]
    return StudyTables(
        title=study.name,
        subtitle=f"{'Study' if claims else 'Sweep'}{', the quick version' if study.quick else ''}: {cells}",
        found=_found(claims, status.done, status.n_cells),
        headline=(
            ("cells", f"{status.n_cells:,}"),
            ("rows", f"{len(results):,}"),
            ("computing", _time(status.seconds)),
        ),
        warnings=tuple(failed),
        claims=claims,
        picture=picture,
        picture_dark=None if picture is None or not is_svg(picture) else darkened(picture),
        picture_text=f"Figure of the study {study.name}: the results that the claims are judged by.",
        results=_table(results),
        results_total=len(results),
        source=json.dumps(study.as_dict(), indent=2, ensure_ascii=False),
        repeat=(("On the command line", command or _command(study, bool(claims), folder)),),
        settings=(
            ("runner", study.runner),
            ("root seed", f"{study.root_seed:,}"),
            ("seeds depend on", ", ".join(study.seed_axes) or "nothing but the root seed"),
            ("axes", ", ".join(study.axes) or "none"),
        ),
        versions=(("rankfall", __version__),),
    )


def _claims(path: Path) -> tuple[ClaimText, ...]:
    import pandas as pd

    try:
        table = pd.read_csv(
            path, keep_default_na=False, na_values={"estimate": [""], "low": [""], "high": [""]}
        )
        return tuple(
            ClaimText(
                str(row["statement"]),
                _number(row["estimate"]),
                f"{_number(row['low'])} to {_number(row['high'])}",
                str(row["verdict"]),
                str(row["rule"]),
                str(row["note"]),
            )
            for row in table.to_dict("records")
        )
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is damaged ({error}); run the study again.") from error


def _found(claims: tuple[ClaimText, ...], done: int, n_cells: int) -> str:
    if not claims:
        return f"{done:,} of {n_cells:,} cells are done."
    counts = {
        verdict: sum(claim.verdict == verdict for claim in claims)
        for verdict in ("supported", "not supported", "undecided")
    }
    parts = [f"{count} {verdict}" for verdict, count in counts.items() if count]
    return f"Of {len(claims)} claim{'' if len(claims) == 1 else 's'}: {', '.join(parts)}."


def _table(results: pd.DataFrame) -> TextTable | None:
    if not len(results):
        return None
    rows = results.head(_MAX_ROWS)
    cells = [[_number(value) for value in rows[name]] for name in rows.columns]
    return TextTable(tuple(map(str, rows.columns)), tuple(zip(*cells, strict=True)))


def _number(value: object) -> str:
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.4g}"
    return str(value)


def _axes(axes: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in axes.items()) or "the only cell"


def _time(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def _command(study: Study, judged: bool, folder: Path) -> str:
    quick = ["--quick"] if study.quick else []
    if judged:
        return shlex.join(["rankfall", "study", study.name, *quick, "--out", str(folder)])
    return shlex.join(["rankfall", "sweep", f"{study.name}.toml", *quick, "--out", str(folder)])
