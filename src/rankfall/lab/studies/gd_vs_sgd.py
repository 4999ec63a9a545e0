"""Study `gd-vs-sgd`: where gradient descent and SGD end at different ranks.

Each row begins with a random problem of known rank and random weights of a given scale. Gradient descent
runs until the norm of its gradient is small. SGD (one entry per step) runs from the same weights, and again
from where gradient descent ended. Ranks are numerical ranks of A at tolerance 1e-2 of the largest singular
value. Where gradient descent ended above the true rank, the ridge is stated relative to the critical one, at
which the minimum there ceases to exist.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ...analysis import find_jumps
from ...datasets import low_rank
from ...dynamics import GD, SGD, Record, train
from ...dynamics.schedules import Piecewise
from ...network import Network
from ...problem import Problem
from ...theory import weight_gradient
from ..cell import Cell
from ..claims import Claim, verdict
from .common.chains import able_to_rise, fastest
from .common.critical import ridge_share, told_shares
from .common.intervals import binomial_share, paired_signs, poisson_rate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ...dynamics import Trace

ERROR = 0.05
RECORDS = 200  # of every run of SGD; a change of rank must last 5 of them
HALVINGS = 6  # of the learning rate of an SGD that diverges
NEAR = 0.9  # of the critical ridge: above it falls become frequent (docs/studies/index.md)
MINIMUM = ["depth", "scale", "ridge", "repeat"]  # what tells the minima of gradient descent apart

RULES = {
    "positive": (
        "Of the points where gradient descent converged (gradient norm below 1e-7) at a rank above the true "
        "one, each with its own problem: share from which SGD (one run at each lr) ends at the true rank at "
        "some lr, exact 95% binomial interval by minimum. Supported if at least one does (so that the "
        "interval lies above 0), undecided otherwise: a probability too small to be seen can be positive."
    ),
    "falls": (
        "Of the same points: share from which SGD at this lr ends at the true rank, exact 95% binomial "
        "interval by minimum. Supported if it lies above 1/2, not supported if below, undecided otherwise or "
        "if there is no such point."
    ),
    "lower": (
        "Same weights to begin with, converged descents, at each row's larger lr of SGD: among the rows "
        "whose final ranks differ, share in which SGD's is the lower one, exact 95% binomial interval "
        "(McNemar). Supported if it lies above 1/2, not supported if below, undecided otherwise."
    ),
    "true": (
        "The same for ending at the true rank: among the rows in which exactly one of the two does, share in "
        "which it is SGD."
    ),
    "back": (
        "Lasting rises of the rank of SGD after gradient descent had converged, per step (if none was seen, "
        "in the runs that do not end at the zero matrix, from which nothing rises): exact 95% Poisson "
        "interval. Supported if none was seen and at least one fall was, not supported if one was seen, "
        "undecided otherwise."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """One row per problem and learning rate of SGD."""
    import pandas as pd

    rows = [row for k in range(cell.get("repeats")) for row in _repeat(cell, k)]
    return pd.DataFrame(rows)


def _repeat(cell: Cell, index: int) -> list[dict[str, float]]:
    get = cell.get
    size, depth, ridge = get("problem.size"), get("network.depth"), get("optimiser.ridge")
    problem, truth = low_rank(
        (size, size),
        rank=get("problem.rank"),
        oversampling=get("problem.oversampling"),
        seed=cell.seed(f"problem {index}"),
        mask="guaranteed",
    )
    network = Network.gaussian(
        [size] * (depth + 1), scale=get("network.scale"), seed=cell.seed(f"start {index}")
    )
    descent, gradient, gd_lr, gd_steps = descend(
        problem,
        network,
        ridge,
        get("descent.lrs"),
        get("descent.n_steps"),
        get("descent.rounds"),
        get("descent.gradient"),
    )
    setting = {
        "repeat": index,
        "depth": depth,
        "scale": get("network.scale"),
        "ridge": ridge,
        "true_rank": get("problem.rank"),
        "gd_rank": int(descent.rank[0, -1]),
        "gradient": gradient,
        "converged": int(gradient < get("descent.gradient")),
        "gd_lr": gd_lr,
        "gd_steps": gd_steps,
        "ridge_share": math.nan,
    }
    if setting["converged"] and setting["gd_rank"] > setting["true_rank"]:
        setting["ridge_share"] = ridge_share(problem, descent.final(0), int(setting["gd_rank"]), ridge)
    kernel = fastest(problem, Network.lift(truth, depth=depth))
    n_steps, rows = get("optimiser.n_steps"), []
    for relative in get("optimiser.relative_lr"):
        lr, seed = relative / kernel, cell.seed(f"sgd {index} {relative}")
        cold = _sgd(problem, network, lr, ridge, n_steps, get("optimiser.warm_up"), seed)
        warm = _sgd(problem, descent.final(0), lr, ridge, n_steps, 0, seed)
        jumps = find_jumps(warm, dwell=5 * (n_steps // RECORDS))
        rows.append(
            {
                **setting,
                "relative_lr": relative,
                "sgd_rank": int(cold.rank[0, -1]),
                "sgd_lr": _last_lr(cold),
                "after_rank": int(warm.rank[0, -1]),
                "after_lr": _last_lr(warm),
                "falls": jumps.count(False),
                "rises": jumps.count(True),
                "observed": int(jumps.exposure.sum()),
            }
        )
    return rows


def descend(
    problem: Problem, network: Network, ridge: float, lrs: list[float], n_steps: int, rounds: int, tol: float
) -> tuple[Trace, float, float, int]:
    """Gradient descent in rounds until the norm of the gradient of the regularised loss is below `tol`.

    The first round takes the largest of the learning rates with which it does not diverge; one that does not
    lower the gradient by a tenth while it is above 1e-3 jumps about a minimum, and the next round takes a
    third of its lr.

    Returns
    -------
    trace, gradient, lr, steps
        Of the last round; norm of the gradient; learning rate of the last round; steps in all.
    """
    record = Record(every=n_steps, what=("rank",))
    trace, lr = None, lrs[-1]
    for lr in lrs:
        trace = train(problem, network, GD(lr=lr, ridge=ridge, n_steps=n_steps), record=record, n_threads=1)
        if not trace.diverged[0]:
            break
    assert trace is not None
    slope, steps = slope_at(problem, trace.final(0), ridge), n_steps
    for _ in range(rounds - 1):
        if slope < tol or trace.diverged[0]:
            break
        trace = train(
            problem, trace.final(0), GD(lr=lr, ridge=ridge, n_steps=n_steps), record=record, n_threads=1
        )
        before, slope, steps = slope, slope_at(problem, trace.final(0), ridge), steps + n_steps
        if slope > 1e-3 and slope > 0.9 * before:
            lr /= 3
    return trace, slope, lr, steps


def slope_at(problem: Problem, network: Network, ridge: float) -> float:
    """Norm of the gradient of the regularised loss in the weights."""
    return float(np.sqrt(sum(np.sum(G**2) for G in weight_gradient(problem, network, ridge))))


def _sgd(
    problem: Problem, network: Network, lr: float, ridge: float, n_steps: int, warm_up: int, seed: int
) -> Trace:
    """SGD; at half the learning rate, and so on, if it diverges."""
    record = Record(every=n_steps // RECORDS, what=("rank",))
    gentle = 0.5 / fastest(problem, network) if warm_up else lr
    trace = None
    for _ in range(HALVINGS + 1):
        schedule = Piecewise((0, warm_up), (min(lr, gentle), lr)) if warm_up else lr
        trace = train(
            problem,
            network,
            SGD(lr=schedule, ridge=ridge, n_steps=n_steps),
            seed=seed,
            record=record,
            n_threads=1,
        )
        if not trace.diverged[0]:
            break
        lr, gentle = lr / 2, gentle / 2
    assert trace is not None
    return trace


def _last_lr(trace: Trace) -> float:
    last = trace.optimiser.n_steps
    return float(trace.optimiser.lr.values(last - 1, last)[-1])


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """Whether SGD leaves the minima of gradient descent for the true rank, and which one ends lower."""
    good = results[(results["converged"] == 1) & (results["sgd_rank"] >= 0) & (results["after_rank"] >= 0)]
    fast = good[good["relative_lr"] == good["relative_lr"].max()]
    stuck = good[good["gd_rank"] > good["true_rank"]]
    lost = len(results) - len(good)
    lower, higher = fast["sgd_rank"] < fast["gd_rank"], fast["sgd_rank"] > fast["gd_rank"]
    sgd_true, gd_true = fast["sgd_rank"] == fast["true_rank"], fast["gd_rank"] == fast["true_rank"]
    return (
        _positive(stuck),
        *(_falls(lr, group, lost) for lr, group in _by_lr(results, stuck)),
        _paired(
            "From the same weights SGD ends at a lower rank than gradient descent.", "lower", lower, higher
        ),
        _paired(
            "From the same weights SGD ends at the true rank where gradient descent does not, more often "
            "than the reverse.",
            "true",
            sgd_true & ~gd_true,
            gd_true & ~sgd_true,
        ),
        _never_back(good),
    )  # fmt: skip


def _positive(stuck: pd.DataFrame) -> Claim:
    fell = (stuck["after_rank"] == stuck["true_rank"]).groupby([stuck[name] for name in MINIMUM]).any()
    once = stuck.drop_duplicates(MINIMUM)
    share = binomial_share(int(fell.sum()), len(fell), ERROR)
    falling = stuck.loc[stuck["after_rank"] == stuck["true_rank"], "ridge_share"].tolist()
    near = int((once["ridge_share"] >= NEAR).sum())
    note = (
        f"{int(fell.sum())} of {len(fell)} minima; {told_shares(once['ridge_share'].tolist())}, {near} of "
        f"them at {NEAR:g} or more"
    )
    return Claim(
        "From minima of too high a rank that gradient descent converged to, SGD falls to the true rank with "
        "positive probability.",
        RULES["positive"],
        *share,
        "supported" if fell.any() else "undecided",
        note + (f"; those that were left: {told_shares(falling)}." if falling else "."),
    )


def _by_lr(results: pd.DataFrame, stuck: pd.DataFrame) -> list[tuple[float, pd.DataFrame]]:
    return [(lr, stuck[stuck["relative_lr"] == lr]) for lr in sorted(results["relative_lr"].unique())]


def _falls(relative_lr: float, stuck: pd.DataFrame, lost: int) -> Claim:
    ends = (stuck["after_rank"] - stuck["true_rank"]).to_numpy()
    share = binomial_share(int((ends == 0).sum()), len(stuck), ERROR)
    return Claim(
        "From minima of too high a rank that gradient descent converged to, SGD falls to the true rank more "
        f"often than not (lr max K = {relative_lr:g}).",
        RULES["falls"],
        *share,
        verdict(share.low, share.high, above=0.5) if len(stuck) else "undecided",
        f"Of {len(stuck)} such minima {int((ends > 0).sum())} were not left for the true rank, "
        f"{int((ends == 0).sum())} ended at it, {int((ends < 0).sum())} below it; {lost} rows of all without "
        "convergence are left out.",
    )  # fmt: skip


def _paired(statement: str, rule: str, for_sgd: pd.Series, for_gd: pd.Series) -> Claim:
    better, worse = int(for_sgd.sum()), int(for_gd.sum())
    share = paired_signs(better, worse, ERROR)
    outcome = verdict(share.low, share.high, above=0.5) if better + worse else "undecided"
    note = f"{better} rows for, {worse} against, {len(for_sgd) - better - worse} alike."
    return Claim(statement, RULES[rule], *share, outcome, note)


def _never_back(good: pd.DataFrame) -> Claim:
    rises, falls = int(good["rises"].sum()), int(good["falls"].sum())
    observed = int(able_to_rise(good, rises, "after_rank")["observed"].sum())
    rate = poisson_rate(rises, observed, ERROR)
    if rises:
        outcome = "not supported"
    else:
        outcome = "supported" if falls else "undecided"
    return Claim(
        "From where gradient descent converged, SGD never raises the rank.",
        RULES["back"],
        *rate,
        outcome,
        f"{rises} lasting rises and {falls} falls in {observed:,} "
        f"steps{'' if rises else ' of networks that live'}.",
    )


def maps(results: pd.DataFrame) -> pd.DataFrame:
    """Shares by depth, scale and ridge.

    Gradient descent and SGD above the true rank, SGD below it, SGD lower than it.
    """
    fast = results[results["relative_lr"] == results["relative_lr"].max()]
    fast = fast[(fast["sgd_rank"] >= 0) & (fast["after_rank"] >= 0)]
    flags = fast.assign(
        gd_above=fast["gd_rank"] > fast["true_rank"],
        sgd_above=fast["sgd_rank"] > fast["true_rank"],
        sgd_below=fast["sgd_rank"] < fast["true_rank"],
        after_above=fast["after_rank"] > fast["true_rank"],
        unconverged=fast["converged"] == 0,
    )
    names = ["gd_above", "sgd_above", "after_above", "sgd_below", "unconverged"]
    return flags.groupby(["depth", "scale", "ridge"])[names].mean().reset_index()


def draw(results: pd.DataFrame) -> Figure:
    """Maps over initial scale and ridge, a row for each depth."""
    from .figures.maps import map_figure

    titles = {
        "gd_above": "gradient descent\nabove the true rank",
        "sgd_above": "SGD, same start,\nabove the true rank",
        "after_above": "SGD after descent,\nabove the true rank",
        "sgd_below": "SGD, same start,\nbelow the true rank",
    }
    return map_figure(maps(results), titles)
