"""Study `phase`: where SGD leaves the minimum of one rank too many, at which gradient descent stays.

Every problem is a noisy matrix of known rank r. Its minimum of rank r + 1 is followed in the ridge to where
it ceases to exist, its critical ridge. At a share of that ridge, 16 chains of SGD and 16 descents start from
the same 16 points, the minimum with every layer off by 3%, and run at the same learning rate, given as lr K,
K the largest tangent kernel entry at the minimum. A problem counts once, whatever the number of its chains:
they share their minimum.

Ranks are numerical ranks of A at tolerance 1e-2 of the largest singular value.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ...analysis import find_jumps
from ...dynamics import GD, SGD, Record, train
from ...errors import InputError
from ...network import Network
from ...problem import Problem
from ...theory import critical_ridge, weight_gradient
from ..cell import Cell
from .common.branch_points import Stage, lowest, stage
from .common.chains import ensemble, passages, scattered
from .common.phase_claims import RULES, by_problem, judge
from .common.problems import unit_instance
from .common.tail_exponent import NOTHING, tail_exponent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ...dynamics import Trace

DWELL = 5  # records
# The columns of a row beside its strings, from which the row of a problem without the minimum is made.
_COUNTS = (
    "next_rank", "batch_size", "n_observed", "chains", "at_true", "below", "above", "diverged", "falls",
    "rises", "steps", "gd_chains", "gd_stayed", "gd_true", "tails",
)  # fmt: skip
_NUMBERS = (
    "share", "critical", "sharpness", "margin", "relative_lr", "lr", "ridge", "gd_gradient", "sgd_error",
    "gd_error", "exponent", "exponent_error", "log_factor", "excess", "excess_error",
)  # fmt: skip
ABSENT: dict[str, float] = {**dict.fromkeys(_COUNTS, 0), **dict.fromkeys(_NUMBERS, math.nan)}

__all__ = ["RULES", "by_problem", "draw", "judge", "run"]


def run(cell: Cell) -> pd.DataFrame:
    """One row per share of the critical ridge, learning rate and batch size."""
    import pandas as pd

    get = cell.get
    size, rank, depth = get("problem.size"), get("problem.rank"), get("network.depth")
    noise, part = get("problem.noise"), get("part")
    problem, truth = unit_instance(size, rank, get("problem.observed"), noise, cell.seed("matrix"))
    shared = {
        "problem": f"{size} x {size}, depth {depth}, noise {noise:g}, {get('problem.seed')}",
        "size": size,
        "depth": depth,
        "noise": float(noise),
        "true_rank": rank,
    }
    try:
        end = critical_ridge(problem, rank + 1, depth)
    except InputError:  # no minimum of one rank too many, as in most problems without noise
        return pd.DataFrame([shared | ABSENT])
    shared["next_rank"] = end.next_rank
    rows = []
    for share in get(f"plan.{part}.shares"):
        here = stage(problem, end, share)
        lower = lowest(problem, here, rank)
        at_share = {
            "share": float(share),
            "critical": here.critical,
            "sharpness": here.sharpness,
            "margin": math.nan if lower is None else lower.critical / here.critical,
        }
        for relative in get(f"plan.{part}.relative_lrs"):
            rows += [
                shared | at_share | {"relative_lr": float(relative)} | row
                for row in _setting(cell, problem, truth, here, lower, relative)
            ]
    return pd.DataFrame(rows)


def _setting(
    cell: Cell, problem: Problem, truth: np.ndarray, here: Stage, lower: Stage | None, relative: float
) -> list[dict[str, float]]:
    """Both methods from the same starts at one ridge and learning rate; a row for each batch size."""
    get, rank, part = cell.get, cell.get("problem.rank"), cell.get("part")
    lr, ridge = relative / here.sharpness, here.ridge
    starts = scattered(here.network, get("disturbance"), cell.seed("starts"), get("chains"))
    descents, slope, gd_error = _descended(problem, starts, truth, lr, ridge, get("descent_steps"))
    tail = NOTHING
    if part == "band" and lower is not None:
        tail = tail_exponent(
            problem,
            lower.network,
            rank,
            lr=lr,
            ridge=ridge,
            chains=get("chains"),
            seed=cell.seed("tail"),
        )
    rows = []
    for batch_size in get(f"plan.{part}.batches"):
        trace = _sgd(cell, problem, starts, lr, ridge, min(batch_size, problem.n_observed))
        error = math.nan
        if part == "falls":
            living = [end for end, gone in zip(trace.finals(), trace.diverged, strict=True) if not gone]
            if living:
                error = _descended(problem, ensemble(living), truth, lr, ridge, get("polish_steps"))[2]
        rows.append(
            {
                "lr": lr,
                "ridge": ridge,
                "batch_size": int(batch_size),
                "n_observed": problem.n_observed,
                **_counts(trace, rank),
                "gd_chains": len(descents),
                "gd_stayed": int((descents == rank + 1).sum()),
                "gd_true": int((descents == rank).sum()),
                "gd_gradient": slope,
                "sgd_error": error,
                "gd_error": gd_error,
                "exponent": tail.exponent,
                "exponent_error": tail.error,
                "log_factor": tail.log_factor,
                "excess": tail.excess,
                "excess_error": tail.excess_error,
                "tails": tail.chains,
            }
        )
    return rows


def _sgd(cell: Cell, problem: Problem, starts: Network, lr: float, ridge: float, batch_size: int) -> Trace:
    n_steps = cell.get(f"plan.{cell.get('part')}.n_steps")
    return train(
        problem,
        starts,
        SGD(lr=lr, ridge=ridge, n_steps=n_steps, batch_size=batch_size, sampling="distinct"),
        seed=cell.seed("sgd"),
        record=Record(every=max(n_steps // cell.get("records"), 1), what=("rank",)),
        n_threads=1,
    )


def _counts(trace: Trace, rank: int) -> dict[str, int]:
    """Where the chains ended, and their jumps; those that diverged count as nothing else."""
    every = int(trace.steps[1] - trace.steps[0])
    went = passages(find_jumps(trace, dwell=DWELL * every))
    alive, last = ~trace.diverged, trace.rank[:, -1]
    return {
        "chains": trace.n_chains,
        "at_true": int((alive & (last == rank)).sum()),
        "below": int((alive & (last < rank)).sum()),
        "above": int((alive & (last > rank)).sum()),
        "diverged": int((~alive).sum()),
        "falls": int(went["falls"][alive].sum()),
        "rises": int(went["rises"][alive].sum()),
        "steps": int(went["observed"][alive].sum()),
    }


def _descended(
    problem: Problem, starts: Network, truth: np.ndarray, lr: float, ridge: float, n_steps: int
) -> tuple[np.ndarray, float, float]:
    """Ranks after gradient descent, largest gradient norm, median relative error of the whole matrix."""
    record = Record(every=n_steps, what=("rank",))
    trace = train(problem, starts, GD(lr=lr, ridge=ridge, n_steps=n_steps), record=record, n_threads=1)
    ends = [end for end, gone in zip(trace.finals(), trace.diverged, strict=True) if not gone]
    if not ends:
        return trace.rank[:, -1], math.nan, math.nan
    slopes = [
        math.sqrt(sum(float(np.sum(G**2)) for G in weight_gradient(problem, end, ridge))) for end in ends
    ]
    errors = [np.linalg.norm(end.product() - truth) / np.linalg.norm(truth) for end in ends]
    return trace.rank[:, -1], max(slopes), float(np.median(errors))


def draw(results: pd.DataFrame) -> Figure:
    """Band, problems, errors, exponents, noise and batches."""
    from .figures.phase import phase_figure

    return phase_figure(results[results["chains"] > 0])
