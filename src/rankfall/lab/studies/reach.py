"""Study `reach`: Theorem 2's path into ``B_r``, executed, and its probability beside what is measured.

On the problem "square", the fully observed ``[[1, 1], [1, -1]]``, chains start at the minimum of rank two
and the event is a fall: the numerical rank of A is r = 1 at some look within `blocks` times the T steps of
the theorem, which is no less likely than within the first T. The minimum vanishes at ridge 0.09375, so that
falls are frequent just below and very rare further down, at learning rates that Theorem 1 certifies. On
"holed" problems chains start with ``|W_l|_F^2 = C`` in every layer, as far out as the theorem allows, and the
event is what it says: ``theta_T`` lies in ``B_r``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ...analysis import splitting
from ...dynamics import GD, SGD, Record, train
from ...errors import InputError
from ...measures import numerical_rank
from ...network import Network
from ...problem import Problem
from ...theory import AbsorbingSet, reach_bound, solve
from ..cell import Cell
from ..claims import Claim, Verdict, verdict
from .common.critical import ridge_share
from .common.intervals import binomial_share
from .common.rows import rows_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ENOUGH = 20  # events below which the direct estimate is joined by splitting
CLOSE = 3.0  # decades within which a bound "tells" a probability

RULES = {
    "path": (
        "Executed paths that end in B_r, of all: exact binomial interval. Supported if all did (the theorem "
        "is about every path), not supported if one did not."
    ),
    "below": (
        "log10 of the measured probability over the bound, the smallest over the settings; the interval is "
        "that of the measured probability (exact binomial for direct sampling, spread of the independent "
        "repeats for splitting, which is used where direct sampling saw fewer than 20 events). Supported if "
        "the lower end is at least 0 in all settings, not supported if an upper end is below 0, undecided "
        "otherwise (also where nothing was measured)."
    ),
    "tells": (
        "As before. Supported if the upper end is at most 3 in all settings, not supported if the lower end "
        "is above 3 in all settings, undecided otherwise."
    ),
    "agree": (
        "Splitting over direct sampling, in the settings where both measured the event: the ratio of the "
        "estimates and of the ends of their 95% intervals, of the setting farthest from 1. Supported if the "
        "two intervals overlap in all settings, not supported if in none, undecided otherwise or where no "
        "setting has both."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """One row: the bound, the executed paths, the direct and the splitting estimate."""
    import pandas as pd

    get = cell.get
    problem, rank, ridge = _problem(cell), get("rank"), get("optimiser.ridge")
    depth = get("network.depth")
    largest = solve(depth, ridge, float(np.abs(problem.values).max()))
    k = largest.at_lr(get("optimiser.certified") * largest.lr)
    reach = reach_bound(problem, k, rank)
    inside = AbsorbingSet(rank, k)
    start = _start(cell, problem, k.C)
    falls = get("problem.kind") == "square"
    # within several blocks of T steps a fall is no less likely than within the first of them
    wanted = reach.n_steps * (get("blocks") if falls else 1)
    every = max(1, -(-wanted // get("looks")))
    horizon = every * -(-wanted // every)
    ends = []
    for number in range(get("paths")):
        path = reach.path(seed=number)
        blank = Record(every=reach.n_steps, what=())
        trace = train(
            problem,
            start,
            SGD(lr=k.lr, ridge=ridge, n_steps=reach.n_steps, entries=path),
            record=blank,
            n_threads=1,
        )
        ends.append(trace.final(0))
    direct = train(
        problem,
        start,
        SGD(lr=k.lr, ridge=ridge, n_steps=horizon if falls else reach.n_steps),
        chains=get("chains"),
        seed=cell.seed("direct"),
        record=Record(every=every, what=("rank",)),
        n_threads=1,
    )
    entered = np.asarray(inside.contains(Network.stack(direct.finals())))
    events = int((direct.rank.min(axis=1) <= rank).sum() if falls else entered.sum())
    row = {
        "problem": get("problem.kind"),
        "ridge": float(ridge),
        "ridge_share": ridge_share(problem, start, 2, ridge) if falls else math.nan,
        "lr": float(k.lr),
        "n_steps": reach.n_steps,
        "horizon": horizon if falls else reach.n_steps,
        "start_rank": int(numerical_rank(start.singular_values(), problem)),
        "log10_bound": reach.log_probability / math.log(10),
        "paths": len(ends),
        "paths_inside": sum(bool(inside.contains(end)) for end in ends),
        "paths_rank": int(max(numerical_rank(end.singular_values(), problem) for end in ends)),
        "chains": get("chains"),
        "events": events,
        "split": math.nan,
        "split_low": math.nan,
        "split_high": math.nan,
        "split_extinct": 0,
        "split_steps": 0,
    }
    if falls and get("repeats") > 0:
        found = splitting(
            problem,
            start,
            SGD(lr=k.lr, ridge=ridge, n_steps=horizon),
            rank,
            horizon,
            n_replicas=get("replicas"),
            repeats=get("repeats"),
            seed=cell.seed("splitting") % 2**31,
            every=every,
            n_threads=1,
        )
        low, high = found.interval()
        row |= {"split": found.estimate, "split_low": low, "split_high": high}
        row |= {"split_extinct": int(found.extinct.sum()), "split_steps": found.n_steps}
    return pd.DataFrame([row])


def _problem(cell: Cell) -> Problem:
    kind = cell.get("problem.kind")
    if kind == "square":
        return Problem.from_dense(np.array([[1.0, 1.0], [1.0, -1.0]]))
    if kind == "holed":
        rng = np.random.default_rng(cell.get("problem.seed"))
        X = rng.uniform(-1, 1, (6, 5))
        X[rng.random(X.shape) > 0.7] = np.nan
        X[rng.integers(6), rng.integers(5)] = 1.0  # the largest entry, on which the constants depend
        return Problem.from_dense(X)
    raise InputError(f'problem.kind is "square" or "holed", not {kind!r}.')


def _start(cell: Cell, problem: Problem, C: float) -> Network:
    depth = cell.get("network.depth")
    if cell.get("problem.kind") == "square":
        near = Network.lift(problem.to_dense(), depth=depth)
        settings = GD(lr=0.2, ridge=cell.get("optimiser.ridge"), n_steps=100_000)
        return train(problem, near, settings, record=Record(every=100_000, what=()), n_threads=1).final(0)
    widths = [problem.n_cols, *[4] * (depth - 1), problem.n_rows]
    network = Network.gaussian(widths, scale=1.0, seed=cell.get("problem.seed"))
    return Network(tuple(W * math.sqrt(C) / np.linalg.norm(W) for W in network))


def measured(results: pd.DataFrame) -> pd.DataFrame:
    """One row per setting: log10 of the probability with its interval, by splitting where events were few."""
    import pandas as pd

    rows = []
    for row in results.to_dict("records"):
        share = binomial_share(int(row["events"]), int(row["chains"]))
        split = row["events"] < ENOUGH and not math.isnan(row["split"]) and row["split"] > 0
        numbers = (row["split"], row["split_low"], row["split_high"]) if split else share
        estimate, low, high = (_log10(number) for number in numbers)
        rows.append(
            {
                **{name: row[name] for name in ("problem", "ridge", "lr", "n_steps", "log10_bound")},
                "method": "splitting" if split else "direct",
                "log10": estimate,
                "log10_low": low,
                "log10_high": high,
                "direct": share.estimate,
                "direct_low": share.low,
                "direct_high": share.high,
                "split": row["split"],
                "split_low": row["split_low"],
                "split_high": row["split_high"],
                "seen": bool(split or row["events"] > 0),
            }
        )
    return pd.DataFrame(rows)


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """The claims; see `RULES`."""
    table = measured(results)
    return (_paths(results), _below(table), _tells(table), _agree(table))


def _paths(results: pd.DataFrame) -> Claim:
    inside, total = int(results["paths_inside"].sum()), int(results["paths"].sum())
    answer: Verdict = "undecided" if not total else "supported" if inside == total else "not supported"
    longest = int(results["n_steps"].max()) if len(results) else 0
    return Claim(
        "The path of Theorem 2 ends in B_r.",
        RULES["path"],
        *binomial_share(inside, total),
        answer,
        f"{inside} of {total} paths, of up to {longest} steps.",
    )


def _gaps(table: pd.DataFrame) -> list[tuple[float, float, float]]:
    return [
        (row.log10 - row.log10_bound, row.log10_low - row.log10_bound, row.log10_high - row.log10_bound)
        for row in rows_of(table)
    ]


def _below(table: pd.DataFrame) -> Claim:
    gaps = _gaps(table)
    verdicts = [verdict(low, high, above=0.0) for _, low, high in gaps]
    answer: Verdict = "undecided"
    if "not supported" in verdicts:
        answer = "not supported"
    elif verdicts and all(v == "supported" for v in verdicts):
        answer = "supported"
    shown = min(gaps, key=lambda gap: gap[1], default=(math.nan, -math.inf, math.inf))
    rarest = min((row for row in rows_of(table) if row.seen), key=lambda row: row.log10, default=None)
    return Claim(
        "Theorem 2's bound lies below the measured probability.",
        RULES["below"],
        *shown,
        answer,
        "Nothing was seen." if rarest is None
        else f"Smallest probability measured: 10^{rarest.log10:.3g} ({rarest.method}), where the bound is "
        f"10^{rarest.log10_bound:.5g}.",
    )  # fmt: skip


def _tells(table: pd.DataFrame) -> Claim:
    gaps = _gaps(table)
    answer: Verdict = "undecided"
    if gaps and all(high <= CLOSE for _, _, high in gaps):
        answer = "supported"
    elif gaps and all(low > CLOSE for _, low, _ in gaps):
        answer = "not supported"
    shown = min(gaps, key=lambda gap: gap[1], default=(math.nan, -math.inf, math.inf))
    return Claim(
        "Theorem 2's bound tells the probability of a fall, within a factor of 1000.",
        RULES["tells"],
        *shown,
        answer,
        "Shown is the setting in which the bound comes nearest, in decades." if gaps else "No settings.",
    )


def _agree(table: pd.DataFrame) -> Claim:
    both = [row for row in rows_of(table) if row.direct > 0 and row.split > 0]
    if not both:
        return Claim(
            "Splitting and direct sampling agree.", RULES["agree"], math.nan, 0.0, math.inf, "undecided",
            "No setting in which both saw the event.",
        )  # fmt: skip
    overlaps = [row.split_low <= row.direct_high and row.direct_low <= row.split_high for row in both]
    worst = max(both, key=lambda row: abs(math.log(row.split / row.direct)))
    answer: Verdict = "supported" if all(overlaps) else "undecided" if any(overlaps) else "not supported"
    return Claim(
        "Splitting and direct sampling agree.",
        RULES["agree"],
        worst.split / worst.direct,
        worst.split_low / worst.direct_high,
        worst.split_high / worst.direct_low,
        answer,
        f"Both saw the event in {len(both)} settings; the intervals overlap in {sum(overlaps)}.",
    )


def _log10(x: float) -> float:
    return math.log10(x) if x > 0 else -math.inf


def draw(results: pd.DataFrame) -> Figure:
    """Measured probabilities and the bound, log10."""
    from .figures.reach import reach_figure

    return reach_figure(measured(results))
