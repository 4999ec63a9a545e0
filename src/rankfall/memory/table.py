"""The answers of a RankMemory as a frame and as a table in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from .certified import CertifiedRank
    from .weight import Weight

Row = tuple["Weight", "CertifiedRank", int | None, np.ndarray | None]


def answers_frame(steps: int, rows: Sequence[Row]) -> pd.DataFrame:
    """One row per layer; ranks that are not known are missing."""
    import pandas as pd

    out: list[dict[str, object]] = []
    for weight, answer, numerical, bound in rows:
        lost = weight.factors.lost if weight.factors is not None else ""
        out.append(
            {
                "step": steps,
                "layer": weight.name,
                "rows": weight.shape[0],
                "columns": weight.shape[1],
                "norm": weight.norm,
                "tolerance": answer.tolerance,
                "numerical_rank": numerical,
                "spectral_bound": None if bound is None else int(np.count_nonzero(bound > answer.tolerance)),
                "certified_rank": answer.rank,
                "vacuous": answer.vacuous,
                "window": answer.window,
                "directions_per_step": weight.last_rank,
                "decay_clock": weight.clock,
                "restarts": weight.restarts,
                "reason": answer.reason,
                "factors_lost": lost,
            }
        )
    frame = pd.DataFrame(out)
    whole = ("numerical_rank", "spectral_bound", "certified_rank", "window")
    return frame.astype(dict.fromkeys(whole, "Int64"))


def table(frame: pd.DataFrame) -> Table:
    """The frame for people; why something is vacuous stands below."""
    from rich.table import Table

    steps = int(frame["step"].iloc[0]) if len(frame) else 0
    out = Table(title=f"Rank memory after {steps:,} steps", title_justify="left", caption_justify="left")
    for name in ("layer", "matrix", "today", "Theorem S1", "certified", "window", "clock"):
        out.add_column(name, justify="left" if name == "layer" else "right")
    notes: list[str] = []

    def note(words: str) -> str:
        if words and words not in notes:
            notes.append(words)
        return f" ({notes.index(words) + 1})" if words else ""

    for row in frame.to_dict("records"):
        certified = (
            "vacuous" + note(row["reason"]) if row["vacuous"] else _shown(row["certified_rank"], "<= ")
        )
        out.add_row(
            str(row["layer"]),
            f"{row['rows']} x {row['columns']}",
            _shown(row["numerical_rank"]),
            _shown(row["spectral_bound"], "<= ") + note(row["factors_lost"]),
            certified,
            _shown(row["window"]),
            f"{row['decay_clock']:.3g}",
        )
    out.caption = "\n".join(f"({k}) {words}" for k, words in enumerate(notes, 1)) or None
    return out


def _shown(value: object, before: str = "") -> str:
    import pandas as pd

    return "–" if pd.isna(value) else f"{before}{value:,}"  # type: ignore[call-overload]


@contextmanager
def live_table(draw: Callable[[], Table], every: float) -> Iterator[Callable[[], None]]:
    """A table on stderr that is drawn anew when it is told to, but not more often than `every` seconds."""
    from rich.console import Console
    from rich.live import Live

    drawn = -every
    with Live(draw(), console=Console(stderr=True), auto_refresh=False) as live:

        def tell() -> None:
            nonlocal drawn
            if perf_counter() - drawn >= every:
                live.update(draw(), refresh=True)
                drawn = perf_counter()

        yield tell
        live.update(draw(), refresh=True)
