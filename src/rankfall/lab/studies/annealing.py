"""Study `annealing`: a large learning rate and ridge find the rank; small ones then remove the shrinkage.

Five schedules run from the same weights on the same problem, for the same number of steps: large then small
values of both ("annealed"), and the four combinations that stay the same. The rank is the numerical rank of A
at tolerance 1e-2 of the largest singular value; the error is the root mean square on the cells that were not
observed, against the matrix without noise, relative to the standard deviation of its entries; the shrinkage
is the mean of ``1 - s_i / s_i(true)`` over the true rank.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...datasets import low_rank
from ...dynamics import SGD, Record, train
from ...dynamics.schedules import Piecewise
from ...network import Network
from ...problem import Problem
from ..cell import Cell
from ..claims import Claim, verdict
from .common.critical import shares_by_rank
from .common.intervals import Interval, binomial_share, paired_signs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ERROR = 0.05
ANNEALED = "annealed"
CONSTANT = (
    "large lr, large ridge",
    "small lr, small ridge",
    "large lr, small ridge",
    "small lr, large ridge",
)

RULES = {
    "finds": (
        "Share of the annealed runs whose rank is the true one when the settings change, exact 95% binomial "
        "interval. Supported if it lies above 0.8, not supported if below, undecided otherwise."
    ),
    "keeps": (
        "Of the annealed runs at the true rank when the settings change: share that ends at it, exact 95% "
        "binomial interval. Supported if it lies above 0.8, not supported if below, undecided otherwise."
    ),
    "shrinkage": (
        "Pairs of runs on the same problem: share in which the annealed run's |shrinkage| is less than a "
        "tenth of that of the constant large settings, exact 95% binomial interval. Supported if it lies "
        "above 1/2, not supported if below, undecided otherwise. A run that diverged counts as the worse one."
    ),
    "error": (
        "Pairs of runs on the same problem: share in which the annealed run has the smaller error on the "
        "cells that were not observed, exact 95% binomial interval, Bonferroni over the four constant "
        "settings; shown is the one with the smallest low end. Supported if all intervals lie above 1/2, not "
        "supported if one lies below, undecided otherwise. A run that diverged counts as the worse one."
    ),
    "rank": (
        "Pairs of runs on the same problem: among those in which exactly one of annealed and constant small "
        "settings ends at the true rank, share in which it is the annealed one, exact 95% binomial interval. "
        "Supported if it lies above 1/2, not supported if below, undecided otherwise."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """One row per problem and schedule."""
    import pandas as pd

    return pd.DataFrame([row for k in range(cell.get("repeats")) for row in _repeat(cell, k)])


def _repeat(cell: Cell, index: int) -> list[dict[str, float | str]]:
    get = cell.get
    size, depth = get("problem.size"), get("network.depth")
    problem, truth = low_rank(
        (size, size),
        rank=get("problem.rank"),
        observed=get("problem.observed"),
        noise=get("problem.noise"),
        seed=cell.seed(f"problem {index}"),
    )
    network = Network.gaussian(
        [size] * (depth + 1), scale=get("network.scale"), seed=cell.seed(f"start {index}")
    )
    half, n_steps = get("optimiser.n_steps") // 2, get("optimiser.n_steps")
    large, small = (
        (get("optimiser.large_lr"), get("optimiser.large_ridge")),
        (
            get("optimiser.small_lr"),
            get("optimiser.small_ridge"),
        ),
    )
    above = get("problem.rank") + 1
    share = shares_by_rank(problem, depth, large[1], [above], n_starts=3).get(above, np.nan)
    schedules = {
        ANNEALED: (Piecewise((0, half), (large[0], small[0])), Piecewise((0, half), (large[1], small[1]))),
        CONSTANT[0]: large,
        CONSTANT[1]: small,
        CONSTANT[2]: (large[0], small[1]),
        CONSTANT[3]: (small[0], large[1]),
    }
    rows: list[dict[str, float | str]] = []
    for name, (lr, ridge) in schedules.items():
        trace = train(
            problem,
            network,
            SGD(lr=lr, ridge=ridge, n_steps=n_steps),
            # the same entries in the same order for all schedules
            seed=cell.seed(f"sgd {index}"),
            record=Record(every=half, what=("rank",)),
            n_threads=1,
        )
        rank = trace.rank[0]
        row: dict[str, float | str] = {
            "repeat": index,
            "schedule": name,
            "depth": depth,
            "noise": get("problem.noise"),
            "true_rank": get("problem.rank"),
            "rank_at_change": int(rank[1]),
            "rank": int(rank[-1]),
            "diverged": int(trace.diverged[0]),
            "share_above": share,
        }
        rows.append(
            row | _errors(problem, truth, trace.final(0), bool(trace.diverged[0]), get("problem.rank"))
        )
    return rows


def _errors(
    problem: Problem, truth: np.ndarray, network: Network, diverged: bool, rank: int
) -> dict[str, float]:
    """Error on the hidden cells and shrinkage; infinite for a run that diverged."""
    if diverged:
        return {"error": np.inf, "shrinkage": np.inf}
    hidden = np.ones(truth.shape, bool)
    hidden[problem.rows, problem.cols] = False
    A = network.product()
    s, true = (np.linalg.svd(M, compute_uv=False)[:rank] for M in (A, truth))
    error = float(np.sqrt(np.mean((A - truth)[hidden] ** 2)) / truth.std())
    return {"error": error, "shrinkage": float(np.mean(1 - s / true))}


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """Whether annealing finds and keeps the rank, removes the shrinkage, and predicts better than without."""
    runs = {name: _of(results, name) for name in (ANNEALED, *CONSTANT)}
    annealed = runs[ANNEALED]
    true = annealed["true_rank"]
    found = annealed["rank_at_change"] == true
    kept = annealed["rank"] == true
    return (
        _share(
            "The large settings find the true rank.", "finds", int(found.sum()), len(found),
            f" At the large ridge minima of one rank more were found in {_overestimates(annealed)} of them.",
        ),
        _share(
            "The rank is kept when learning rate and ridge become small.",
            "keeps",
            int((kept & found).sum()),
            int(found.sum()),
        ),
        _shrinkage(annealed, runs[CONSTANT[0]]),
        _error(annealed, {name: runs[name] for name in CONSTANT}),
        _rank(kept, runs[CONSTANT[1]]["rank"] == true),
    )  # fmt: skip


def _overestimates(annealed: pd.DataFrame) -> int:
    """On how many problems there is something to jump over at the large ridge."""
    return int(annealed["share_above"].notna().sum())


def _of(results: pd.DataFrame, schedule: str) -> pd.DataFrame:
    """The runs of one schedule, in the same order for each."""
    part = results[results["schedule"] == schedule]
    return part.sort_values(["depth", "noise", "repeat"]).reset_index(drop=True)


def _share(statement: str, rule: str, count: int, total: int, besides: str = "") -> Claim:
    share = binomial_share(count, total, ERROR)
    outcome = verdict(share.low, share.high, above=0.8) if total else "undecided"
    return Claim(statement, RULES[rule], *share, outcome, f"{count} of {total} runs.{besides}")


def _shrinkage(annealed: pd.DataFrame, large: pd.DataFrame) -> Claim:
    less = int((annealed["shrinkage"].abs() < 0.1 * large["shrinkage"].abs()).sum())
    share = binomial_share(less, len(annealed), ERROR)
    medians = (annealed["shrinkage"].median(), large["shrinkage"].median())
    note = f"Median shrinkage {medians[0]:.2g} annealed, {medians[1]:.2g} with the large settings throughout."
    outcome = verdict(share.low, share.high, above=0.5)
    return Claim(
        "Small settings afterwards take the shrinkage away.", RULES["shrinkage"], *share, outcome, note
    )


def _error(annealed: pd.DataFrame, constant: dict[str, pd.DataFrame]) -> Claim:
    shares: dict[str, Interval] = {}
    for name, runs in constant.items():
        better = int((annealed["error"] < runs["error"]).sum())
        shares[name] = paired_signs(
            better, int((annealed["error"] > runs["error"]).sum()), ERROR / len(constant)
        )
    verdicts = [verdict(share.low, share.high, above=0.5) for share in shares.values()]
    if "not supported" in verdicts:
        outcome = "not supported"
    else:
        outcome = "supported" if set(verdicts) == {"supported"} else "undecided"
    worst = min(shares, key=lambda name: shares[name].low)
    medians = ", ".join(f"{name} {runs['error'].median():.2g}" for name, runs in constant.items())
    note = f"Shown: against {worst}. Median errors: annealed {annealed['error'].median():.2g}; {medians}."
    return Claim(
        "Annealing predicts the hidden cells better than any of the constant settings.",
        RULES["error"],
        *shares[worst],
        outcome,
        note,
    )


def _rank(annealed: pd.Series, small: pd.Series) -> Claim:
    better, worse = int((annealed & ~small).sum()), int((small & ~annealed).sum())
    share = paired_signs(better, worse, ERROR)
    outcome = verdict(share.low, share.high, above=0.5) if better + worse else "undecided"
    note = f"{better} pairs for annealing, {worse} against, {len(annealed) - better - worse} alike."
    statement = "Annealing ends at the true rank where small settings throughout do not."
    return Claim(statement, RULES["rank"], *share, outcome, note)


def draw(results: pd.DataFrame) -> Figure:
    """Rank, error and shrinkage of every run, by schedule."""
    from .figures.annealing import annealing_figure

    return annealing_figure(results, (ANNEALED, *CONSTANT))
