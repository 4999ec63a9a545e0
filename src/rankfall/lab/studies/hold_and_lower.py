"""Study `hold-and-lower`: does a hold near the critical ridge give a better rank?

Gradient descent from Gaussian weights ends at a minimum, often of too high a rank. From there SGD is held
near that minimum's critical ridge, nearer and nearer until the rank falls, the ridge is lowered again and
gradient descent settles; the same from the minimum of the lower rank, and so on down to zero. The rank is
chosen on held-out cells (folds; the smallest rank within one standard error of the best), and a ladder on all
cells gives the matrix. Beside it: gradient descent alone, and the defaults of :func:`rankfall.complete`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ...completion.complete import complete
from ...problem import Problem
from ..cell import Cell
from ..claims import Claim, verdict
from .common.intervals import binomial_share, paired_signs
from .common.ladder import Ladder, chosen
from .common.problems import unit_instance

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ERROR = 0.05

RULES = {
    "right": (
        "Problems in which gradient descent ends above the true rank: share in which the schedule chooses "
        "the true rank; exact 95% binomial interval over problems. Supported if it lies above 1/2, not "
        "supported if below, undecided otherwise."
    ),
    "better": (
        "The same problems: among those in which exactly one of the two chooses the true rank, share in "
        "which it is the schedule and not complete; exact 95% binomial interval (signs). Supported if it "
        "lies above 1/2, not supported if below, undecided otherwise."
    ),
    "descent": (
        "The same problems: share in which the error of the whole matrix, without noise, is smaller for the "
        "schedule than for gradient descent; exact 95% binomial interval (signs). Supported if it lies "
        "above 1/2, not supported if below, undecided otherwise."
    ),
    "complete": (
        "The same problems: share in which the error of the whole matrix is smaller for the schedule than "
        "for complete; exact 95% binomial interval (signs). Supported if it lies above 1/2, not supported "
        "if below, undecided otherwise."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """One row: what each method delivered."""
    import pandas as pd

    get = cell.get
    noise, rank = get("problem.noise"), get("problem.rank")
    problem, truth = unit_instance(
        get("problem.size"), rank, get("problem.observed"), noise, cell.seed("matrix")
    )
    ladder = Ladder(get("depth"), get("ridge"), tuple(get("shares")), get("relative_lr"), get("n_steps"))
    met = ladder.ranks(problem, cell.seed("start"))
    wanted = _choice(cell, problem, ladder)
    # SGD may have missed the chosen rank on all cells: then the nearest one it met
    delivered = min(met, key=lambda k: (abs(k - wanted), k))
    completion = complete(problem, seed=0)
    settings = {"noise": float(noise), "true_rank": rank, "repeat": get("problem.seed")}
    return pd.DataFrame(
        [
            settings
            | {
                "descent_rank": max(met),
                "descent_error": _error(met[max(met)], truth),
                "schedule_rank": delivered,
                "schedule_error": _error(met[delivered], truth),
                "complete_rank": int(completion.rank),
                "complete_error": _error(completion.to_dense(), truth),
                "ladder": " ".join(str(k) for k in met),
            }
        ]
    )


def _choice(cell: Cell, problem: Problem, ladder: Ladder) -> int:
    """The smallest rank whose errors on held-out cells are within one standard error of the smallest."""
    folds = cell.get("folds")
    order = np.random.default_rng(cell.seed("folds")).permutation(problem.n_observed)
    errors: list[dict[int, np.ndarray]] = []
    for fold in range(folds):
        out = order[fold::folds]
        kept = np.setdiff1d(order, out)
        fitted = Problem.from_triplets(
            problem.rows[kept], problem.cols[kept], problem.values[kept], problem.shape
        )
        met = ladder.ranks(fitted, cell.seed(f"start {fold}"))
        errors.append({k: (A[problem.rows[out], problem.cols[out]] - problem.values[out]) ** 2
                       for k, A in met.items()})  # fmt: skip
    ranks = set().union(*errors)
    return chosen({k: np.concatenate([_at(fold, k) for fold in errors]) for k in ranks})


def _at(fold: dict[int, np.ndarray], rank: int) -> np.ndarray:
    """The errors at a rank; where a fold did not meet it, those of the next lower one that it met."""
    lower = [k for k in fold if k <= rank]
    return fold[max(lower) if lower else min(fold)]


def _error(A: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm(A - truth) / np.linalg.norm(truth))


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """The claims; see `RULES`."""
    rows = results[results["descent_rank"] > results["true_rank"]]
    schedule, default = (rows[f"{name}_rank"] == rows["true_rank"] for name in ("schedule", "complete"))
    right = binomial_share(int(schedule.sum()), len(rows), ERROR)
    return (
        Claim(
            "Held near the critical ridge, then lowered, SGD finds the true rank where gradient descent is "
            "above it.",
            RULES["right"],
            *right,
            verdict(right.low, right.high, above=0.5) if len(rows) else "undecided",
            f"{int(schedule.sum())} of {len(rows)} problems, complete in {int(default.sum())}; in "
            f"{len(results) - len(rows)} others gradient descent is not above the true rank.",
        ),
        _signs(
            "This schedule chooses the true rank more often than the defaults of complete.",
            "better",
            schedule & ~default,
            default & ~schedule,
        ),
        _smaller("Its error of the whole matrix is smaller than gradient descent's.", "descent", rows),
        _smaller("Its error of the whole matrix is smaller than complete's.", "complete", rows),
    )  # fmt: skip


def _smaller(statement: str, other: str, rows: pd.DataFrame) -> Claim:
    own, others = rows["schedule_error"], rows[f"{other}_error"]
    claim = _signs(statement, other, own < others, own > others)
    ratio = float((own / others).median()) if len(rows) else math.nan
    return Claim(
        claim.statement,
        claim.rule,
        claim.estimate,
        claim.low,
        claim.high,
        claim.verdict,
        f"{claim.note} Median ratio {ratio:.2f}.",
    )


def _signs(statement: str, rule: str, better: pd.Series, worse: pd.Series) -> Claim:
    yes, no = int(better.sum()), int(worse.sum())
    share = paired_signs(yes, no, ERROR)
    answer = verdict(share.low, share.high, above=0.5) if yes + no else "undecided"
    note = f"{yes} problems for, {no} against, {len(better) - yes - no} alike."
    return Claim(statement, RULES[rule], *share, answer, note)


def draw(results: pd.DataFrame) -> Figure:
    """Ranks and errors of the three methods, problem by problem."""
    from .figures.hold_and_lower import hold_figure

    return hold_figure(results)
