"""Study `depth`: at which ranks there are minima, and how the rate of falls depends on the depth.

The same random problems (low rank and noise) for every depth. Minima are looked for rank by rank; from the
lowest minimum of each of the highest ranks that have any, disturbed by one percent, chains of SGD start at
several learning rates, given relative to the fastest entry: ``lr max K`` with the diagonal K of the neural
tangent kernel at the minimum.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...analysis import find_jumps
from ...datasets import low_rank
from ...dynamics import SGD, Record, train
from ...problem import Problem
from ...theory import Minimum, minima
from ..cell import Cell
from ..claims import Claim, verdict
from .common.chains import disturbed, fastest, never_back, passages, rate_of
from .common.critical import ridge_share, told_shares
from .common.intervals import binomial_share, paired_signs, poisson_rate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ERROR = 0.05
FIRM = 1e-3

RULES = {
    "one rank": (
        "Share of the problems in which depth 2 has minima at exactly one rank, exact 95% binomial interval. "
        "Supported if it lies above 1/2, not supported if below, undecided otherwise. Minima are those that "
        "were found, saddles left out."
    ),
    "many ranks": (
        "Share of the problems and depths of 3 and more with minima at three ranks or more, counted as one "
        "per problem (all its depths must have them), exact 95% binomial interval. Supported if it lies "
        "above 1/2, not supported if below, undecided otherwise."
    ),
    "fewer": (
        "Paired by problem: depths 3 and the largest; share, among the problems that differ, in which the "
        "largest depth has minima at fewer ranks, exact 95% binomial interval. Supported if it lies above "
        "1/2, not supported if below, undecided otherwise or if none differs."
    ),
    "falls": (
        "First lasting falls per step of chains that started at the highest minima, depth 3 and more, all "
        "learning rates: 95% Poisson interval by problem (quasi-Poisson). Supported if at least one was seen "
        "(so that the interval lies above 0), undecided otherwise."
    ),
    "slower": (
        "Paired by problem and relative lr, chains from the highest rank with minima: share, among the pairs "
        "whose share of fallen chains differs (diverged ones do not count), in which the largest depth has "
        "the smaller one than depth 3. One problem counts once: it goes to the depth with more pairs. Exact "
        "95% binomial interval. Supported if it lies above 1/2, not supported if below, undecided otherwise."
    ),
    "back": (
        "Lasting rises of the rank after the first fall, per step after it (if none was seen, in the chains "
        "that do not end at the zero matrix, from which nothing rises), depth 3 and more: 95% Poisson "
        "interval by problem (quasi-Poisson). Supported if none was seen and its high end lies below the low "
        "end of the rate of first falls, not supported if one was seen, undecided otherwise."
    ),
    "firm": (
        "The same for the number of singular values above 1e-3 of the largest one at the start, depth 3 and "
        "more. Added after a first full run, in which ranks relative to the present largest singular value "
        "rose when whole networks died."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """Rows of two kinds (``table``): "minima", one per rank, and "chains", one per chain."""
    import pandas as pd

    get = cell.get
    size, depth, ridge = get("problem.size"), get("network.depth"), get("optimiser.ridge")
    problem, _ = low_rank(
        (size, size),
        rank=get("problem.rank"),
        oversampling=get("problem.oversampling"),
        noise=get("problem.noise"),
        seed=cell.seed("problem"),
        mask="guaranteed",
    )
    ranks = range(get("search.max_rank") + 1)
    found = minima(problem, depth, ridge, ranks, get("search.n_starts"), seed=cell.seed("search") % 2**32)
    tables = [_minima_rows(found.summary())]
    for place, rank in enumerate(found.ranks[: -get("n_minima") - 1 : -1]):
        tables += _chains(cell, problem, found.at(rank)[0], place)
    return pd.concat(tables, ignore_index=True).assign(depth=depth, problem=get("repeat"))


def _minima_rows(summary: pd.DataFrame) -> pd.DataFrame:
    rows = summary[["rank", "n_minima", "n_starts", "n_stalled", "loss"]].copy()
    return rows.assign(table="minima")


def _chains(cell: Cell, problem: Problem, point: Minimum, place: int) -> list[pd.DataFrame]:
    """Chains from one minimum at every learning rate; `place` 0 is the highest rank with minima."""
    import pandas as pd

    get = cell.get
    network = point.network(get("problem.size"))
    kernel = fastest(problem, network)
    share = ridge_share(problem, network, point.rank, get("optimiser.ridge")) if point.depth > 2 else np.nan
    tables = []
    for relative in get("relative_lr"):
        purpose = f"{place} {relative}"
        trace = train(
            problem,
            disturbed(network, get("disturbance"), cell.seed(f"start {purpose}"), get("chains")),
            SGD(lr=relative / kernel, ridge=get("optimiser.ridge"), n_steps=get("n_steps")),
            seed=cell.seed(f"sgd {purpose}"),
            record=Record(every=get("every"), what=("rank", "singular_values")),
            n_threads=1,
        )
        jumps = find_jumps(trace, dwell=get("dwell"))
        rows = pd.DataFrame(passages(jumps))
        firm = passages(find_jumps(firm_ranks(trace.singular_values), steps=trace.steps, dwell=get("dwell")))
        for name in ("fell", "first_step", "rises_after"):
            rows[f"firm_{name}"] = firm[name]
        rows["end_rank"], rows["diverged"] = jumps.last_rank, trace.diverged.astype(int)
        tables.append(
            rows.assign(
                table="chains",
                rank=point.rank,
                place=place,
                ridge_share=share,
                relative_lr=relative,
                lr=relative / kernel,
            )
        )
    return tables


def firm_ranks(singular_values: np.ndarray) -> np.ndarray:
    """Number of singular values above 1e-3 of the largest at the first record; -1 once a chain has diverged.

    The scale does not move: when a whole network dies, the ratios of its singular values say nothing.

    Parameters
    ----------
    singular_values : ndarray, shape (n_chains, n_records, k)
    """
    scale = FIRM * singular_values[:, :1, :1]
    with np.errstate(invalid="ignore"):
        ranks = np.count_nonzero(singular_values > scale, axis=-1)
    return np.where(np.isnan(singular_values).any(axis=-1), -1, ranks)


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """Ranks that have minima, and falls from the highest of them, by depth."""
    counts = ranks_with_minima(results)
    chains = results[(results["table"] == "chains") & (results["depth"] >= 3)]
    return (
        *_ranks(counts),
        _falls(chains),
        _slower(chains),
        never_back(chains, RULES["back"], ERROR, "problem"),
        _firm(chains),
    )


def ranks_with_minima(results: pd.DataFrame) -> pd.DataFrame:
    """Number of ranks that have minima: a row for each problem, a column for each depth."""
    rows = results[results["table"] == "minima"]
    having = rows.assign(has=rows["n_minima"] > 0).groupby(["problem", "depth"])["has"].sum()
    return having.unstack("depth")


def _ranks(counts: pd.DataFrame) -> list[Claim]:
    claims = []
    if 2 in counts:
        one = int((counts[2] == 1).sum())
        share = binomial_share(one, len(counts), ERROR)
        note = f"Ranks with minima at depth 2: {', '.join(f'{n:g}' for n in counts[2])}."
        outcome = verdict(share.low, share.high, above=0.5)
        claims.append(Claim("Depth 2 has minima at one rank only.", RULES["one rank"], *share, outcome, note))
    deep = counts.drop(columns=2, errors="ignore")
    many = int((deep >= 3).all(axis="columns").sum())
    share = binomial_share(many, len(deep), ERROR)
    means = ", ".join(f"{depth}: {deep[depth].mean():.2g}" for depth in deep)
    outcome = verdict(share.low, share.high, above=0.5)
    note = f"Mean number of ranks with minima by depth: {means}."
    claims.append(
        Claim("From depth 3 on there are minima of many ranks.", RULES["many ranks"], *share, outcome, note)
    )
    low, high = deep.columns.min(), deep.columns.max()
    fewer, more = int((deep[high] < deep[low]).sum()), int((deep[high] > deep[low]).sum())
    share = paired_signs(fewer, more, ERROR)
    outcome = verdict(share.low, share.high, above=0.5) if fewer + more else "undecided"
    equal = len(deep) - fewer - more
    note = f"Fewer at depth {high} than at {low} in {fewer} problems, more in {more}, as many in {equal}."
    claims.append(Claim("Deeper networks have minima at fewer ranks.", RULES["fewer"], *share, outcome, note))
    return claims


def _falls(chains: pd.DataFrame) -> Claim:
    fell, at_risk = int(chains["fell"].sum()), int(chains["first_step"].sum())
    rate = rate_of(chains, chains["fell"], chains["first_step"], ERROR, "problem")
    once = chains.drop_duplicates(["problem", "depth", "place"])
    lost = int(((chains["fell"] == 1) & (chains["diverged"] == 1)).sum())
    note = (
        f"{fell} of {len(chains)} chains fell, in {at_risk:,} steps at risk; "
        f"{int(chains['diverged'].sum())} diverged, {lost} of them after a fall. The minima: "
        f"{told_shares(once['ridge_share'].tolist())}."
    )
    return Claim(
        "SGD falls from minima of too high a rank.",
        RULES["falls"],
        *rate,
        "supported" if fell else "undecided",
        note,
    )


def _slower(chains: pd.DataFrame) -> Claim:
    statement = "At the same relative learning rate falls are rarer in deeper networks."
    top = chains[(chains["place"] == 0) & (chains["diverged"] == 0)]
    share = top.groupby(["problem", "relative_lr", "depth"])["fell"].mean().unstack("depth")
    low, high = share.columns.min(), share.columns.max()
    if share.empty or low == high:
        return Claim(statement, RULES["slower"], np.nan, 0.0, 1.0, "undecided", "No pairs of depths.")
    pairs = share[[low, high]].dropna()
    balance = (pairs[low] - pairs[high]).apply(np.sign).groupby("problem").sum()
    rarer, oftener = int((balance > 0).sum()), int((balance < 0).sum())
    result = paired_signs(rarer, oftener, ERROR)
    outcome = verdict(result.low, result.high, above=0.5) if rarer + oftener else "undecided"
    note = (
        f"Rarer at depth {high:g} than at {low:g} in {rarer} problems, more frequent in {oftener}, alike in "
        f"{len(balance) - rarer - oftener}; pairs: {int((pairs[low] > pairs[high]).sum())} to "
        f"{int((pairs[low] < pairs[high]).sum())}."
    )
    return Claim(statement, RULES["slower"], *result, outcome, note)


def _firm(chains: pd.DataFrame) -> Claim:
    renamed = {f"firm_{name}": name for name in ("fell", "first_step", "rises_after")}
    firm = chains[["problem", "observed", "diverged", "end_rank", *renamed]].rename(columns=renamed)
    claim = never_back(firm, RULES["firm"], ERROR, "problem")
    return replace(
        claim, statement="The number of singular values above 1e-3 of the start's scale never rises again."
    )


def rates_table(results: pd.DataFrame) -> pd.DataFrame:
    """One row per depth and relative lr, chains from the highest minima.

    Rate of first falls with its interval.
    """
    import pandas as pd

    chains = results[(results["table"] == "chains") & (results["place"] == 0)]
    rows = []
    for (depth, relative), group in chains.groupby(["depth", "relative_lr"]):
        fell = int(group["fell"].sum())
        rate = poisson_rate(fell, int(group["first_step"].sum()), ERROR)
        rows.append(
            {
                "depth": depth,
                "relative_lr": relative,
                "fell": fell,
                "chains": len(group),
                "diverged": int(group["diverged"].sum()),
                "rate": rate.estimate,
                "low": rate.low,
                "high": rate.high,
            }
        )
    return pd.DataFrame(rows)


def draw(results: pd.DataFrame) -> Figure:
    """Where minima are, by depth and rank; rates of first falls against the relative learning rate."""
    from .figures.depth import depth_figure

    rows = results[results["table"] == "minima"]
    found = rows.assign(share=rows["n_minima"] > 0).groupby(["depth", "rank"])["share"].mean().reset_index()
    return depth_figure(found, rates_table(results))
