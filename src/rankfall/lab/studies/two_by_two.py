"""Study `two-by-two`: a rank-two minimum in which gradient descent stays, and how long SGD stays there.

All runs start at the rank-two minimum of ``[[1, e], [?, 1]]`` (three entries observed), disturbed by one
percent, with e in the window of docs/theory.md, section 9, and a ridge below the one at which that minimum
disappears. A fall or rise of the numerical rank (tolerance 1e-2 of the largest singular value) counts when it
lasts `dwell` steps.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ...analysis import find_jumps
from ...datasets import two_by_two
from ...dynamics import GD, SGD, Record, train
from ...network import Network
from ...problem import Problem
from ...theory import minima, weight_gradient
from ..cell import Cell
from ..claims import Claim, verdict
from .common.chains import disturbed, never_back, passages
from .common.intervals import binomial_share, poisson_rate, rate_ratio

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ERROR = 0.05
FEWEST = 5  # falls that a rate needs before another one is compared with it
SETTING = ["depth", "ridge_share", "lr"]

RULES = {
    "stays": (
        "Share of the gradient descents that end at the minimum they were pushed away from (gradient norm "
        "below 1e-8, A within 1e-3 of it, relative), all depths and ridges together, with the exact 95% "
        "binomial interval. Supported if the interval lies above 0.95, not supported if below, undecided "
        "otherwise."
    ),
    "leaves": (
        "Share of the chains of SGD whose rank fell, in the setting (depth, ridge, lr) where most fell, with "
        "the exact 95% binomial interval (Bonferroni over the settings). Supported if the interval lies "
        "above 0, undecided if no chain fell anywhere."
    ),
    "small": (
        "First falls per step at the smallest lr of every depth and ridge together, exact 95% Poisson "
        "interval. Supported if at least one was seen (so that the interval lies above 0), undecided if none "
        "was: then the high end is the bound."
    ),
    "one": (
        "Of the chains of this depth whose rank fell and that did not diverge: share that ends at rank one "
        "(and not at zero), exact 95% binomial interval. Supported if it lies above 1/2, not supported if "
        "below, undecided otherwise."
    ),
    "lr": (
        "For consecutive learning rates of one depth and ridge of which the smaller saw at least 5 first "
        "falls: exact conditional intervals of rate(larger) / rate(smaller), jointly 95% (Bonferroni). Shown "
        "is the pair with the smallest low end. Supported if all lie above 1, not supported if one lies "
        "below 1, undecided otherwise."
    ),
    "ridge": (
        "The same for consecutive ridges of one depth and lr of which the smaller saw at least 5 first falls."
    ),
    "back": (
        "Lasting rises of the rank after the first fall, per step after it (if none was seen, in the chains "
        "that do not end at the zero matrix, from which nothing rises): exact 95% Poisson interval. "
        "Supported if none was seen and its high end lies below the low end of the rate of first falls, not "
        "supported if one was seen, undecided otherwise."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """One row per chain of SGD, and one per gradient descent (``method``)."""
    import pandas as pd

    get = cell.get
    depth, share = get("network.depth"), get("optimiser.ridge_share")
    problem, _ = two_by_two(get("problem.entry"))
    ridge = share * last_ridge(problem, depth)
    lr = get("optimiser.relative_lr") * get("optimiser.edge")
    trap = minima(problem, depth, ridge, ranks=(2,), n_starts=8).at(2)[0]
    setting = {"depth": depth, "ridge": ridge, "ridge_share": share, "lr": lr}
    network = trap.network(2)

    trace = train(
        problem,
        disturbed(network, get("disturbance"), cell.seed("sgd start"), get("chains")),
        SGD(lr=lr, ridge=ridge, n_steps=get("n_steps")),
        seed=cell.seed("sgd"),
        record=Record(every=get("every"), what=("rank",)),
        n_threads=1,
    )
    jumps = find_jumps(trace, dwell=get("dwell"))
    chains = pd.DataFrame(passages(jumps))
    chains["end_rank"] = jumps.last_rank
    chains["diverged"] = trace.diverged.astype(int)
    chains["method"] = "SGD"
    descents = _descents(cell, problem, network, trap.matrix(), ridge)
    return pd.concat([chains, descents], ignore_index=True).assign(**setting)


def _descents(cell: Cell, problem: Problem, network: Network, trap: np.ndarray, ridge: float) -> pd.DataFrame:
    """Gradient descent from disturbed copies of the minimum: where it ended, and how steep it is there."""
    import pandas as pd

    get = cell.get
    n_steps = get("descent.n_steps")
    starts = disturbed(network, get("disturbance"), cell.seed("descent start"), get("descent.starts"))
    optimiser = GD(lr=get("descent.lr"), ridge=ridge, n_steps=n_steps)
    trace = train(problem, starts, optimiser, record=Record(every=n_steps, what=("rank",)), n_threads=1)
    rows = []
    for chain, end in enumerate(trace.finals()):
        gap = float(np.linalg.norm(end.product() - trap) / np.linalg.norm(trap))
        slope = float(np.sqrt(sum(np.sum(G**2) for G in weight_gradient(problem, end, ridge))))
        rank = int(trace.rank[chain, -1])
        rows.append({"method": "GD", "end_rank": rank, "gap": gap, "gradient": slope})
    return pd.DataFrame(rows)


def last_ridge(problem: Problem, depth: int, tol: float = 1e-2) -> float:
    """The ridge at which the rank-two minimum disappears, from below, to a relative `tol`, by bisection."""

    def exists(ridge: float) -> bool:
        return bool(minima(problem, depth, ridge, ranks=(2,), n_starts=6).at(2))

    low, high = 1e-6, 0.1
    while high > (1 + tol) * low:
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if exists(middle) else (low, middle)
    return low


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """Whether gradient descent stays, SGD leaves, where to, how fast, and whether it comes back."""
    descents, chains = results[results["method"] == "GD"], results[results["method"] == "SGD"]
    rates = settings_table(chains)
    return (
        _stays(descents),
        _leaves(rates),
        _small(rates),
        *(_ends_at_one(depth, group) for depth, group in chains.groupby("depth")),
        _faster(
            rates, ["depth", "ridge_share"], "lr", "A larger learning rate shortens the stay", RULES["lr"]
        ),
        _faster(rates, ["depth", "lr"], "ridge_share", "A larger ridge shortens the stay", RULES["ridge"]),
        never_back(chains, RULES["back"], ERROR),
    )


def settings_table(chains: pd.DataFrame) -> pd.DataFrame:
    """One row per setting: chains, first falls, steps at risk, rate with its interval, where chains ended."""
    import pandas as pd

    rows = []
    for (depth, share, lr), group in chains.groupby(SETTING):
        fell, at_risk = int(group["fell"].sum()), int(group["first_step"].sum())
        rate = poisson_rate(fell, at_risk, ERROR)
        alive = group[group["diverged"] == 0]
        ends = {f"end_{k}": int((alive["end_rank"] == k).sum()) for k in (0, 1, 2)}
        rows.append(
            {
                "depth": depth,
                "ridge_share": share,
                "lr": lr,
                "chains": len(group),
                "fell": fell,
                "at_risk": at_risk,
                "rate": rate.estimate,
                "low": rate.low,
                "high": rate.high,
                **ends,
                "diverged": len(group) - len(alive),
            }
        )
    return pd.DataFrame(rows)


def _stays(descents: pd.DataFrame) -> Claim:
    held = (descents["end_rank"] == 2) & (descents["gradient"] < 1e-8) & (descents["gap"] < 1e-3)
    share = binomial_share(int(held.sum()), len(descents), ERROR)
    return Claim(
        "Gradient descent stays at the rank-two minimum.",
        RULES["stays"],
        *share,
        verdict(share.low, share.high, above=0.95),
        f"{int(held.sum())} of {len(descents)} descents came back; largest gradient norm "
        f"{descents['gradient'].max():.1e}.",
    )


def _leaves(rates: pd.DataFrame) -> Claim:
    most = rates.iloc[int(np.argmax(rates["fell"] / rates["chains"]))]
    share = binomial_share(int(most["fell"]), int(most["chains"]), ERROR / len(rates))
    n_settings = int((rates["fell"] > 0).sum())
    return Claim(
        "SGD leaves the rank-two minimum, where gradient descent stays.",
        RULES["leaves"],
        *share,
        "supported" if share.low > 0 else "undecided",
        f"Falls in {n_settings} of {len(rates)} settings, {int(rates['fell'].sum())} in all; ridges at "
        f"{', '.join(f'{share:g}' for share in sorted(rates['ridge_share'].unique()))} of the critical one.",
    )


def _small(rates: pd.DataFrame) -> Claim:
    smallest = rates["lr"] == rates.groupby("depth")["lr"].transform("min")
    fell, at_risk = int(rates.loc[smallest, "fell"].sum()), int(rates.loc[smallest, "at_risk"].sum())
    rate = poisson_rate(fell, at_risk, ERROR)
    return Claim(
        "SGD leaves it at small learning rates too (the smallest of each depth).",
        RULES["small"],
        *rate,
        "supported" if fell else "undecided",
        f"{fell} falls in {at_risk:,} steps (lr "
        f"{', '.join(f'{lr:.3g}' for lr in sorted(set(rates.loc[smallest, 'lr'])))}).",
    )


def _ends_at_one(depth: object, chains: pd.DataFrame) -> Claim:
    fallen = chains[(chains["fell"] == 1) & (chains["diverged"] == 0)]
    ends = [int((fallen["end_rank"] == k).sum()) for k in (0, 1, 2)]
    share = binomial_share(ends[1], len(fallen), ERROR)
    gone = int((chains["diverged"] == 1).sum())
    return Claim(
        f"Depth {depth}: SGD falls from rank two to rank one.",
        RULES["one"],
        *share,
        verdict(share.low, share.high, above=0.5) if len(fallen) else "undecided",
        f"Ends of the fallen: rank 0 {ends[0]}, rank 1 {ends[1]}, rank 2 {ends[2]}; {gone} chains diverged.",
    )


def _faster(rates: pd.DataFrame, fixed: list[str], varied: str, statement: str, rule: str) -> Claim:
    pairs = []
    for _, group in rates.groupby(fixed):
        ordered = group.sort_values(varied).to_dict("records")
        pairs += [(a, b) for a, b in pairwise(ordered) if a["fell"] >= FEWEST]
    statement += ": the rate of first falls grows."
    if not pairs:
        note = f"No pair of settings whose smaller one saw {FEWEST} falls."
        return Claim(statement, rule, np.nan, 0.0, np.inf, "undecided", note)
    error = ERROR / len(pairs)
    ratios = [rate_ratio(b["fell"], b["at_risk"], a["fell"], a["at_risk"], error) for a, b in pairs]
    verdicts = [verdict(ratio.low, ratio.high, above=1.0) for ratio in ratios]
    if "not supported" in verdicts:
        outcome = "not supported"
    else:
        outcome = "supported" if set(verdicts) == {"supported"} else "undecided"
    worst = min(range(len(pairs)), key=lambda k: ratios[k].low)
    a, b = pairs[worst]
    note = (
        f"{verdicts.count('supported')} of {len(pairs)} pairs lie above 1, {verdicts.count('not supported')} "
        f"below; shown: depth {a['depth']}, ridge share {a['ridge_share']:g} to {b['ridge_share']:g}, lr "
        f"{a['lr']:.3g} to {b['lr']:.3g}."
    )
    return Claim(statement, rule, *ratios[worst], outcome, note)


def draw(results: pd.DataFrame) -> Figure:
    """Rates of first falls, and where chains ended, against the learning rate, a column for each depth."""
    from .figures.two_by_two import two_by_two_figure

    return two_by_two_figure(settings_table(results[results["method"] == "SGD"]))
