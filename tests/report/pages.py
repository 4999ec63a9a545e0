"""Tables for pages: one of each kind, with a string of choice wherever a string goes."""

from __future__ import annotations

import numpy as np

from rankfall.report import (
    AxisCounts,
    Chains,
    ClaimText,
    HeatMaps,
    HeldOutCells,
    History,
    JumpMarks,
    RankErrors,
    Raster,
    ReportTables,
    StudyTables,
    SurvivalCurve,
    TextTable,
    TraceTables,
)

HOSTILE = (
    "</script><script>window.harmed = 1</script>"
    '<img src=x onerror="window.harmed = 2"> \'q\' & "p" ]]> --> <!-- '
    "{{ 7 * 7 }} ${window.harmed = 3} $$x$$ \\(y\\) @step{safe} \u202e\u2028 ü 列"
)


def marks(note: str = "plain") -> JumpMarks:
    return JumpMarks(
        after=np.array([1000, 3000]),
        step=np.array([1100, 3100]),
        rank_from=np.array([3, 2]),
        rank_to=np.array([2, 1]),
        value=np.array([0.03, 0.02]),
        chain=np.array([0, 1]),
        note=(note, note),
    )


def completion_tables(text: str = "plain") -> ReportTables:
    rng = np.random.default_rng(0)
    steps = np.arange(0, 5000, 100)
    values = np.exp(-np.outer(steps / 1000, np.arange(6))) + 1e-9
    after = rng.standard_normal((20, 30))
    before = np.where(rng.random(after.shape) < 0.4, np.nan, after)
    observed = rng.standard_normal(40)
    predicted = observed + 0.2 * rng.standard_normal(40)
    nominal = np.array([0.5, 0.8, 0.9])
    pairs = ((text, text),)
    return ReportTables(
        title=text,
        subtitle=text,
        headline=pairs,
        outcome=text,
        advice=text,
        found=text,
        warnings=(text,),
        history=History(steps, values, np.repeat([1e-4, 1e-3], 25), kept=2, jumps=marks(text)),
        errors=RankErrors(
            np.array([1, 2, 3]), np.array([1.0, 0.3, 0.2]), np.array([1.1, 0.4, np.nan]), 1, text
        ),
        heat_maps=HeatMaps(
            before,
            after,
            (200, 300),
            text,
            text,
            text,
            np.abs(after),
            row_names=tuple(f"{text} {k}" for k in range(20)),
            col_names=tuple(f"{text} {k}" for k in range(30)),
        ),
        held_out=HeldOutCells(
            observed,
            predicted,
            predicted - 0.3,
            predicted + 0.3,
            row=(text,) * 40,
            col=(text,) * 40,
            total=50,
            coverage=0.9,
            nominal=nominal,
            realised=nominal - 0.02,
            label=text,
        ),
        path=TextTable((text, "error"), ((text, "1"), ("b", "2")), marked=1),
        comparison=TextTable((text,), ((text,),)),
        certificate=TextTable((text,), ((text,),)),
        certified=text,
        counts=AxisCounts(np.arange(5, 25), np.arange(8, 38), 20, 30, 2),
        thin=TextTable((text,), ((text,),)),
        repeat=pairs,
        identifiability=pairs,
        settings=pairs,
        versions=pairs,
    )


def trace_tables(text: str = "plain") -> TraceTables:
    steps = np.arange(0, 5000, 100)
    values = np.exp(-np.outer(steps / 1000, np.arange(6))) + 1e-9
    pairs = ((text, text),)
    at = np.array([1000, 2000])
    return TraceTables(
        title=text,
        subtitle=text,
        found=text,
        headline=pairs,
        warnings=(text,),
        chains=Chains(steps, np.stack([values, 0.9 * values]), np.array([0, 1]), 20),
        raster=Raster(marks(text), 0, 5000, (0, 1), 100),
        survival=(
            SurvivalCurve(
                1,
                0,
                at,
                np.array([0.5, 0.0]),
                np.array([0.1, 0.0]),
                np.array([0.9, 0.9]),
                np.array([2, 1]),
                2,
            ),
        ),
        rates=TextTable((text,), ((text,),)),
        repeat=pairs,
        settings=pairs,
        versions=pairs,
    )


def study_tables(text: str = "plain") -> StudyTables:
    import io

    from matplotlib.figure import Figure

    stream = io.BytesIO()
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([1, 2, 3])
    figure.savefig(stream, format="png")
    pairs = ((text, text),)
    return StudyTables(
        title=text,
        subtitle=text,
        found=text,
        headline=pairs,
        warnings=(text,),
        claims=(ClaimText(text, "1", "0 to 2", text, text, text),),
        picture=stream.getvalue(),
        picture_text=text,
        results=TextTable((text,), ((text,),) * 30),
        results_total=100,
        source=text,
        repeat=pairs,
        settings=pairs,
        versions=pairs,
    )
