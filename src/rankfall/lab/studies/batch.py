"""Study `batch`: how often the rank falls, against the number of entries per step, and against a rank bound.

Every chain starts at the minimum that gradient descent has found and is followed until its rank first falls
(a numerical rank of A at tolerance 1e-2 of the largest singular value, lower for at least `dwell` steps).
Batches hold different entries, so that a batch of all N is gradient descent: it has no noise, and therefore
starts from that minimum disturbed by one percent, another time for each run, and has no rate, only a share of
the runs that fell.

The bound is that of Galanti, Siegel, Gupte and Poggio (arXiv 2206.05794): with weight decay a layer
remembers only its last ``n = log(1/eps) / -log(1 - 2 lr ridge)`` updates, each of rank at most b, so that no
more than ``b n`` of its singular values exceed ``eps`` times its norm (where that norm is stationary). It
says nothing, is vacuous, where ``b n`` reaches the smaller side of the layer.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ...analysis import find_jumps
from ...dynamics import SGD, Record, train
from ...network import Network
from ..cell import Cell
from ..claims import Claim, Verdict, verdict
from .common.chains import able_to_rise, disturbed
from .common.critical import ridge_share, told_shares
from .common.intervals import binomial_share, none_seen, poisson_rate, rate_ratio
from .common.problems import gradient_descent, problem_of
from .common.rows import rows_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ERROR = 0.05
_DISTURBANCE = 0.01  # of the starts of gradient descent
FEWEST = 5  # falls that a rate needs before the next batch size is compared with it
TEMPERATURES = (1 / 3, 3.0)  # "equal" jump rates at equal lr / batch_size

RULES = {
    "full": (
        "Share of the full-batch runs (from starts disturbed by 1%) that fell, of each problem, exact 95% "
        "binomial interval; shown is the problem with the largest upper end. Supported if none fell and on "
        "every problem the upper end of this share lies below the lower end of that of the chains with "
        "single entries at the same lr that fell within as many steps; not supported if a full-batch run "
        "fell; undecided otherwise."
    ),
    "steeper": (
        "On each problem at one lr, for consecutive batch sizes b < b' < N of which b saw at least 5 first "
        "falls: exact conditional intervals, jointly 95% (Bonferroni), of rate(b) / rate(b') per step, "
        "divided by b'/b. Shown is the pair with the smallest lower end. Supported if all intervals lie "
        "above 1, not supported if one lies below 1, undecided otherwise."
    ),
    "temperature": (
        "For pairs of settings on one problem with the same lr / batch_size: exact conditional intervals, "
        "jointly 95% (Bonferroni), of the ratio of the rates of first falls per unit of time lr * step. "
        "Shown is the pair farthest from 1. Supported if all intervals lie within 1/3 to 3, not supported if "
        "one lies outside, undecided otherwise."
    ),
    "one-way": (
        "Rises of the rank that last, per step, over all chains of SGD that did not diverge (if none was "
        "seen, those that do not end at the zero matrix, from which nothing rises): exact Poisson interval. "
        "Supported if none was seen and its upper end lies below the lower end of the rate of falls, not "
        "supported if one was seen, undecided otherwise."
    ),
    "holds": (
        "Largest ratio of a layer's rank at tolerance eps, at the end of a chain, to the bound, over the "
        "settings where the bound is not vacuous. No sampling error is involved: supported if at most 1, not "
        "supported if above, undecided if the bound is vacuous everywhere."
    ),
    "explains": (
        "Among the settings in which at least one chain fell to a network that lives: the share in which the "
        "bound is not vacuous. Supported if 1, not supported if 0, undecided in between or without falls."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """One row per chain."""
    import pandas as pd

    get = cell.get
    problem = problem_of(cell)
    depth, size, width = get("network.depth"), get("problem.size"), get("network.width")
    lr, ridge, eps = get("optimiser.lr"), get("optimiser.ridge"), get("eps")
    batch_size = min(get("optimiser.batch_size"), problem.n_observed)
    widths = [size, *[width] * (depth - 1), size]
    network = Network.gaussian(widths, scale=get("network.scale"), seed=get("problem.seed"))
    start, start_rank = gradient_descent(problem, network, get("descent.lr"), ridge, get("descent.n_steps"))
    share = ridge_share(problem, start, start_rank, ridge)
    n_steps = max(get("every"), min(get("n_steps"), get("entries") // batch_size))
    n_chains = get("chains")
    if batch_size == problem.n_observed > 1:
        start = disturbed(start, _DISTURBANCE, cell.seed("descent start"), n_chains)
    trace = train(
        problem,
        start,
        SGD(lr=lr, ridge=ridge, n_steps=n_steps, batch_size=batch_size, sampling="distinct"),
        chains=n_chains,
        seed=cell.seed("sgd"),
        record=Record(every=get("every"), what=("rank",)),
        n_threads=1,
    )
    bound = galanti_bound(eps, lr, ridge, batch_size)
    jumps = find_jumps(trace, dwell=get("dwell")).table
    rows = []
    for chain in range(trace.n_chains):
        kinds = jumps[jumps["chain"] == chain]
        falls = kinds.loc[kinds["kind"] == "fall", "step"].to_numpy()
        followed = int(trace.n_steps[chain])
        end = trace.final(chain)
        rows.append(
            {
                "problem": f"{size} x {size}, seed {get('problem.seed')}",
                "n_observed": problem.n_observed,
                "lr": float(lr),
                "ridge": float(ridge),
                "batch_size": batch_size,
                "chain": chain,
                "start_rank": start_rank,
                "true_rank": get("problem.rank"),
                "ridge_share": share,
                "fell": int(falls.size > 0),
                "at_risk": int(falls[0]) if falls.size else followed,
                "falls": falls.size,
                "rises": len(kinds) - falls.size,
                "steps": followed,
                "end_rank": int(max(trace.rank[chain, -1], 0)),
                "diverged": int(trace.diverged[chain]),
                "layer_rank": layer_rank(end, eps) if not trace.diverged[chain] else 0,
                "bound": bound,
                "width": min(start.widths[1:-1]) if depth > 2 else min(widths),
            }
        )
    return pd.DataFrame(rows)


def galanti_bound(eps: float, lr: float, ridge: float, batch_size: int) -> int:
    """``b ceil(log(1/eps) / -log(1 - 2 lr ridge))``."""
    return batch_size * math.ceil(math.log(eps) / math.log1p(-2 * lr * ridge))


def layer_rank(network: Network, eps: float) -> int:
    """Largest number, over the layers, of singular values above `eps` times the layer's Frobenius norm."""
    counts = [
        np.count_nonzero(np.linalg.svd(W, compute_uv=False) > eps * np.linalg.norm(W))
        for W in network.weights
    ]
    return int(max(counts))


def rates(results: pd.DataFrame) -> pd.DataFrame:
    """One row per setting: first falls, steps at risk, their rate per step and per epoch, and the bound.

    Gradient descent has no rate: its runs differ by where they start.
    """
    import pandas as pd

    keys = ["problem", "ridge", "lr", "batch_size"]
    rows = []
    for values, group in results.groupby(keys, sort=True):
        fell, at_risk = int(group["fell"].sum()), int(group["at_risk"].sum())
        rate = poisson_rate(fell, at_risk)
        full = bool(_full(group).any())
        steps_per_epoch = group["n_observed"].iloc[0] / group["batch_size"].iloc[0]
        bound, width = int(group["bound"].iloc[0]), int(group["width"].iloc[0])
        rows.append(
            {
                **dict(zip(keys, values, strict=True)),
                "n_observed": int(group["n_observed"].iloc[0]),
                "start_rank": int(group["start_rank"].iloc[0]),
                "chains": len(group),
                "diverged": int(group["diverged"].sum()),
                "fell": fell,
                "at_risk": at_risk,
                "rate": math.nan if full else rate.estimate,
                "low": math.nan if full else rate.low,
                "high": math.nan if full else rate.high if fell else none_seen(at_risk),
                "per_epoch": math.nan if full else rate.estimate * steps_per_epoch,
                "rises": int(group["rises"].sum()),
                "living_falls": int(((group["fell"] == 1) & (group["end_rank"] > 0)).sum()),
                "layer_rank": int(group["layer_rank"].max()),
                "bound": bound,
                "width": width,
                "vacuous": bound >= width,
            }
        )
    return pd.DataFrame(rows)


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """The claims; see `RULES`."""
    table = rates(results)
    table_of_sgd = table[~_full(table)]
    return (
        _full_batch(results),
        _steeper(table_of_sgd),
        _temperature(table_of_sgd),
        _one_way(results[~_full(results)]),
        _bound_holds(table),
        _bound_explains(table),
    )


def _full(rows: pd.DataFrame) -> pd.Series:
    """Which rows are of gradient descent."""
    return (rows["batch_size"] == rows["n_observed"]) & (rows["n_observed"] > 1)


def _full_batch(results: pd.DataFrame) -> Claim:
    full = results[_full(results)]
    fell = int(full["fell"].sum())
    below, notes, shares = [], [], [binomial_share(0, 0, ERROR)]
    for (problem, ridge, lr), runs in full.groupby(["problem", "ridge", "lr"]):
        same = (results["problem"] == problem) & (results["ridge"] == ridge) & (results["lr"] == lr)
        single = results[same & (results["batch_size"] == 1)]
        shares.append(binomial_share(int(runs["fell"].sum()), len(runs), ERROR))
        if len(single):
            n_steps = int(runs["steps"].max())
            left = int(((single["fell"] == 1) & (single["at_risk"] <= n_steps)).sum())
            alone = binomial_share(left, len(single), ERROR)
            below.append(shares[-1].high < alone.low)
            notes.append(f"{left} of {len(single)}")
    if fell:
        answer = "not supported"
    else:
        answer = "supported" if below and all(below) else "undecided"
    steps = f"{int(full['steps'].max()):,} steps" if len(full) else "no steps"
    return Claim(
        "Gradient descent (the batch of all entries) stays at the rank of the minimum from which SGD falls.",
        RULES["full"],
        *max(shares[1:] or shares, key=lambda share: share.high),
        answer,
        f"{fell} of {len(full)} runs fell in {steps}; of the chains with single entries "
        f"{', '.join(notes) or 'none was run'} within as many.",
    )


def _steeper(table: pd.DataFrame) -> Claim:
    pairs = []
    for _, group in table.groupby(["problem", "ridge", "lr"]):
        group = group.sort_values("batch_size")
        rows = rows_of(group)
        pairs += [(a, b) for a, b in pairwise(rows) if a.fell >= FEWEST]
    best, answer = _worst(
        [
            (a.fell, a.at_risk, b.fell, b.at_risk, b.batch_size / a.batch_size,
             f"{a.problem}, lr {a.lr:g}: b = {a.batch_size} against {b.batch_size}")
            for a, b in pairs
        ],
        above=1.0,
    )  # fmt: skip
    return Claim(
        "The rate of jumps per step falls faster than 1/b as the batch grows (and so, per epoch, faster than "
        "1/b^2).",
        RULES["steeper"],
        *best[:3],
        answer,
        f"{len(pairs)} pairs; shown: {best[3]}." if pairs else "No pair of batch sizes could be compared.",
    )


def _temperature(table: pd.DataFrame) -> Claim:
    pairs = []
    for _, group in table.groupby(["problem", "ridge"]):
        rows = sorted(rows_of(group), key=lambda row: row.batch_size)
        for i, a in enumerate(rows):
            for b in rows[i + 1 :]:
                if math.isclose(a.lr / a.batch_size, b.lr / b.batch_size):
                    pairs.append((a, b))
    best, answer = _worst(
        [
            (a.fell, a.at_risk * a.lr, b.fell, b.at_risk * b.lr, 1.0,
             f"{a.problem}: lr {a.lr:g}, b = {a.batch_size} against lr {b.lr:g}, b = {b.batch_size}")
            for a, b in pairs
        ],
        above=TEMPERATURES[0],
        below=TEMPERATURES[1],
    )  # fmt: skip
    return Claim(
        "Jump rates per unit of time lr * step depend on lr and batch size through lr / b alone, within a "
        "factor of 3.",
        RULES["temperature"],
        *best[:3],
        answer,
        f"{len(pairs)} pairs; shown: {best[3]}." if pairs else "No two settings had the same lr / b.",
    )


def _worst(
    comparisons: list[tuple[int, float, int, float, float, str]], above: float, below: float = math.inf
) -> tuple[tuple[float, float, float, str], Verdict]:
    """The interval farthest from the claim, and the joint verdict.

    Each comparison: a count, its exposure, the other count, its exposure, the unit of the ratio, a name.
    """
    if not comparisons:
        return (math.nan, 0.0, math.inf, ""), "undecided"
    error = ERROR / len(comparisons)
    found = []
    for count, exposure, other, other_exposure, unit, name in comparisons:
        ratio = rate_ratio(count, exposure, other, other_exposure, error)
        found.append((ratio.estimate / unit, ratio.low / unit, ratio.high / unit, name))
    verdicts = [verdict(low, high, above, below) for _, low, high, _ in found]

    def lack(item: tuple[float, float, float, str]) -> float:
        _, low, high, _ = item
        return max(
            math.log(above / low) if low > 0 else math.inf,
            math.log(high / below) if below < math.inf and high > 0 else -math.inf,
        )

    worst = max(found, key=lack)
    if "not supported" in verdicts:
        worst = next(item for item, v in zip(found, verdicts, strict=True) if v == "not supported")
        return worst, "not supported"
    return worst, "supported" if all(v == "supported" for v in verdicts) else "undecided"


def _one_way(results: pd.DataFrame) -> Claim:
    kept = results[results["diverged"] == 0]
    rises, falls = int(kept["rises"].sum()), int(kept["falls"].sum())
    steps = int(able_to_rise(kept, rises)["steps"].sum())
    up, down = poisson_rate(rises, steps), poisson_rate(falls, int(kept["steps"].sum()))
    answer = "not supported" if rises else "supported" if up.high < down.low else "undecided"
    low = int(kept.loc[kept["start_rank"] <= kept["true_rank"], "falls"].sum())
    bound = "rises were seen" if rises else f"at most {none_seen(steps):.2g} rises per step by the 3/n bound"
    return Claim(
        "Jumps go one way: the rank falls and does not rise.",
        RULES["one-way"],
        *up,
        answer,
        f"{falls} falls, {low} of them below the rank of the matrix; {rises} rises in {steps:,} steps"
        f"{'' if rises else ' of chains that end alive'}; {bound}. {_told(kept)}.",
    )  # fmt: skip


def _told(results: pd.DataFrame) -> str:
    """The ridge relative to the critical one of the minima from which chains start."""
    minima = results.drop_duplicates(["problem", "ridge"])
    return told_shares(minima["ridge_share"].tolist()).capitalize()


def _bound_holds(table: pd.DataFrame) -> Claim:
    said = table[~table["vacuous"]]
    if said.empty:
        numbers, answer = (math.nan, math.nan, math.nan), "undecided"
    else:
        worst = float((said["layer_rank"] / said["bound"]).max())
        numbers, answer = (worst, worst, worst), verdict(worst, worst, below=1.0)
    return Claim(
        "Galanti et al.'s rank bound holds where it is not vacuous.",
        RULES["holds"],
        *numbers,
        answer,
        f"Vacuous in {int(table['vacuous'].sum())} of {len(table)} settings.",
    )


def _bound_explains(table: pd.DataFrame) -> Claim:
    falling = table[table["living_falls"] > 0]
    share = float((~falling["vacuous"]).mean()) if len(falling) else math.nan
    answer = "undecided"
    if share in (0.0, 1.0):
        answer = "supported" if share else "not supported"
    smallest = falling["bound"].min() if len(falling) else 0
    return Claim(
        "Galanti et al.'s rank bound explains the falls: it is not vacuous where they happen.",
        RULES["explains"],
        share,
        share,
        share,
        answer,
        f"{len(falling)} settings with falls; the smallest bound among them is {smallest}, for layers of "
        "width "
        f"{int(falling['width'].min())}." if len(falling) else "No chain fell to a network that lives.",
    )  # fmt: skip


def draw(results: pd.DataFrame) -> Figure:
    """Rates per step and per epoch against the batch size; the bound against the width."""
    from .figures.batch import batch_figure

    return batch_figure(rates(results))
