"""Study `one-way`: falls and rises of numerical ranks over very many steps.

Ranks of A (singular values above 1e-2 of the largest) and of every ``Z_l = [W_l | W_{l+1}^T]`` (above
``0.01^(1/L)`` of the largest, the same at balanced weights). The exact rank of Z_l never changes while ``lr
|B_l| < 1 - 2 lr ridge`` (docs/theory.md, section 0), so only numerical ranks move. A change counts when it
lasts `dwell` steps; the first steps, in which singular values still grow from the initial weights, are
counted apart.

In the certified regime the learning rate is half the largest that Theorem 1 certifies, and the sets B_r,
which no step leaves, are checked at every record. The ridge of every setting is stated relative to the
critical ones, at which the lowest minima of each rank cease to exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...analysis import find_jumps
from ...datasets import two_by_two
from ...dynamics import SGD, Record, train
from ...errors import InputError
from ...network import Network
from ...problem import Problem
from ...theory import AbsorbingSet, solve
from ..cell import Cell
from ..claims import Claim
from .common.chains import able_to_rise
from .common.critical import shares_by_rank
from .common.intervals import clustered_rate, none_seen, poisson_rate
from .common.problems import unit_problem

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ...theory import Constants

ERROR = 0.05
MAX_RANK = 4  # of the minima whose critical ridge is stated

RULES = {
    "rises": (
        "Lasting rises after the burn-in, per step (of each layer, for Z_l; if none was seen, in the chains "
        "that do not end at the zero matrix, from which nothing rises): exact 95% Poisson interval. "
        "Supported if none was seen while at least one lasting fall was (at any time), not supported if a "
        "rise was seen, undecided otherwise. The one-sided bound when nothing was seen is 3/n."
    ),
    "falls": (
        "Lasting falls of the rank of A per step after the burn-in, in which ranks fall because the initial "
        "weights decay: 95% Poisson interval by setting (quasi-Poisson). Supported if at least one was seen "
        "(so that the interval lies above 0), undecided otherwise."
    ),
    "exits": (
        "Records at which a chain was outside a set B_r in which it had been at the record before, per step: "
        "exact 95% Poisson interval. Supported if there was none while chains were inside some B_r with r "
        "below full rank, not supported if there was one, undecided otherwise."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """One row per chain and matrix (``object``: A, Z_1, ...)."""
    import pandas as pd

    get = cell.get
    problem = _problem(cell)
    depth, ridge, n_steps, every = get("network.depth"), get("optimiser.ridge"), get("n_steps"), get("every")
    constants = _constants(problem, depth, ridge) if get("optimiser.certified") else None
    lr = constants.lr if constants else get("optimiser.lr")
    extra = {"basin": _basin(constants, problem)} if constants else {}
    chains = get("chains")
    trace = train(
        problem,
        Network.gaussian(
            [problem.shape[1], *[min(problem.shape)] * (depth - 1), problem.shape[0]],
            scale=1.0,
            seed=cell.seed("start"),
            chains=chains,
        ),
        SGD(lr=lr, ridge=ridge, n_steps=n_steps),
        seed=cell.seed("sgd"),
        record=Record(every=every, what=("rank", "hidden_singular_values"), extra=extra),
        n_threads=1,
    )  # fmt: skip
    burn_in = every * round(get("burn_in") * n_steps / every)
    shares = shares_by_rank(problem, depth, ridge, range(1, min(MAX_RANK, *problem.shape) + 1))
    told = ", ".join(f"{rank} at {share:.2f}" for rank, share in shares.items()) or "no minimum but zero"
    label = f"{get('problem.kind')} {problem.shape[0]} x {problem.shape[1]}, depth {depth}"
    rows = []
    for layer in range(depth):
        late = find_jumps(trace, of=layer, dwell=get("dwell"), start=burn_in)
        early = find_jumps(trace, of=layer, dwell=get("dwell"))
        every_count, late_count = _per_chain(early.table, chains), _per_chain(late.table, chains)
        for k in range(chains):
            row = {
                "setting": label,
                "regime": "certified" if constants else "outside",
                "depth": depth,
                "lr": lr,
                "ridge": ridge,
                "ridge_shares": told,
                "object": f"Z_{layer}" if layer else "A",
                "chain": k,
                "steps": int(trace.n_steps[k]),
                "observed": int(late.exposure[k]),
                "falls": late_count[0][k],
                "rises": late_count[1][k],
                "all_falls": every_count[0][k],
                "early_rises": every_count[1][k] - late_count[1][k],
                "first_rank": int(early.first_rank[k]),
                "last_rank": int(late.last_rank[k]),
                "diverged": int(trace.diverged[k]),
                "inside": 0,
                "exits": 0,
            }
            if constants and layer == 0:
                row["inside"], row["exits"] = _stays(trace.measured["basin"][k], min(problem.shape))
            rows.append(row)
    return pd.DataFrame(rows)


def _problem(cell: Cell) -> Problem:
    """The problem; noisy ones are scaled to root mean square 1."""
    get = cell.get
    kind, size = get("problem.kind"), get("problem.size")
    if kind == "ones":
        return Problem.from_dense(np.ones((size, size)))
    if kind == "window":
        return two_by_two(get("problem.entry"))[0]
    if kind != "noisy":
        raise InputError(f'problem.kind must be "ones", "window" or "noisy", not {kind!r}.')
    rank, observed, noise = (get(f"problem.{name}") for name in ("rank", "observed", "noise"))
    return unit_problem(size, rank, observed, noise, cell.seed("problem"), min_entries=rank)


def _constants(problem: Problem, depth: int, ridge: float) -> Constants:
    bound = float(np.abs(problem.values).max())
    return solve(depth, ridge, bound, lr=solve(depth, ridge, bound).lr / 2)


def _basin(constants: Constants, problem: Problem):
    """The smallest r with the network in B_r; full rank + 1 if it is in none below (the sets grow with r)."""
    full = min(problem.shape)

    def smallest(network: Network) -> np.ndarray:
        inside = (r for r in range(full) if AbsorbingSet(r, constants).contains(network))
        return np.array(float(next(inside, full)))

    return smallest


def _per_chain(table: pd.DataFrame, chains: int) -> tuple[list[int], list[int]]:
    """Falls and rises of every chain."""
    counts = [table[table["kind"] == kind].groupby("chain").size() for kind in ("fall", "rise")]
    falls, rises = ([int(count.get(k, 0)) for k in range(chains)] for count in counts)
    return falls, rises


def _stays(basin: np.ndarray, full: int) -> tuple[int, int]:
    """Records inside some B_r with r below full rank, and records at which the smallest such r had grown."""
    basin = basin[np.isfinite(basin)]
    return int((basin < full).sum()), int((np.diff(basin) > 0).sum())


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """Rises of A and of Z_l in and out of the certified regime, falls, and the sets B_r."""
    claims = []
    for regime in ("certified", "outside"):
        part = results[results["regime"] == regime]
        if part.empty:
            continue
        where = "In the certified regime" if regime == "certified" else "Outside the certified regime"
        of_A = part[part["object"] == "A"]
        claims.append(_falls(where, of_A))
        claims.append(_no_rises(f"{where} the rank of A never rises.", of_A))
        claims.append(_no_rises(f"{where} the ranks of the Z_l never rise.", part[part["object"] != "A"]))
        if regime == "certified":
            claims.append(_no_exits(of_A))
    return tuple(claims)


def _falls(where: str, rows: pd.DataFrame) -> Claim:
    by_setting = rows.groupby("setting", sort=False)
    counts = by_setting[["falls", "observed"]].sum()
    rate = clustered_rate(counts["falls"].tolist(), counts["observed"].tolist(), ERROR)
    falls = int(counts["falls"].sum())
    shares = "; ".join(f"{setting}: {text}" for setting, text in by_setting["ridge_shares"].first().items())
    note = (
        f"{falls} falls in {int(counts['observed'].sum()):,} steps after the burn-in, "
        f"{int(rows['all_falls'].sum()) - falls} during it. Ridge over the critical one by rank: {shares}."
    )
    verdict = "supported" if falls else "undecided"
    return Claim(f"{where} the rank of A falls.", RULES["falls"], *rate, verdict, note)


def _no_rises(statement: str, rows: pd.DataFrame) -> Claim:
    rises = int(rows["rises"].sum())
    observed = int(able_to_rise(rows, rises, "last_rank")["observed"].sum())
    rate = poisson_rate(rises, observed, ERROR)
    if rises:
        outcome, where = "not supported", ", ".join(sorted(set(rows.loc[rows["rises"] > 0, "setting"])))
        seen = f"{rises} rises ({int((rows['rises'] > 0).sum())} chains; {where})"
    else:
        outcome = "supported" if rows["all_falls"].sum() else "undecided"
        seen = f"No rise, so below {none_seen(observed):.2g} per step (3/n) where the network lives,"
    note = (
        f"{seen} in {observed:,} of {int(rows['observed'].sum()):,} steps after the burn-in, against "
        f"{int(rows['all_falls'].sum())} falls; {int(rows['early_rises'].sum())} rises during it; "
        f"{_diverged(rows)} chains diverged."
    )
    return Claim(statement, RULES["rises"], *rate, outcome, note)


def _diverged(rows: pd.DataFrame) -> int:
    return int(rows.drop_duplicates(["setting", "chain"])["diverged"].sum())


def _no_exits(rows: pd.DataFrame) -> Claim:
    exits, inside, observed = (int(rows[name].sum()) for name in ("exits", "inside", "steps"))
    rate = poisson_rate(exits, observed, ERROR)
    if exits:
        outcome = "not supported"
    else:
        outcome = "supported" if inside else "undecided"
    note = f"{exits} exits; chains were inside some B_r with r below full rank at {inside:,} records."
    return Claim("No chain leaves a certified set B_r.", RULES["exits"], *rate, outcome, note)


def counts_table(results: pd.DataFrame) -> pd.DataFrame:
    """One row per setting and matrix: falls, rises, steps, and intervals of both rates."""
    import pandas as pd

    rows = []
    for (regime, setting, name), group in results.groupby(["regime", "setting", "object"], sort=False):
        rises, steps = int(group["rises"].sum()), int(group["steps"].sum())
        up = poisson_rate(rises, int(able_to_rise(group, rises, "last_rank")["observed"].sum()), ERROR)
        down = poisson_rate(int(group["all_falls"].sum()), steps, ERROR)
        rows.append(
            {
                "regime": regime,
                "setting": setting,
                "object": name,
                "falls": int(group["all_falls"].sum()),
                "rises": rises,
                "steps": steps,
                **{f"fall_{n}": value for n, value in zip(("rate", "low", "high"), down, strict=True)},
                **{f"rise_{n}": value for n, value in zip(("rate", "low", "high"), up, strict=True)},
            }
        )
    return pd.DataFrame(rows)


def draw(results: pd.DataFrame) -> Figure:
    """Rates of falls and rises with their intervals, and the ranks at the beginning and at the end."""
    from .figures.one_way import one_way_figure

    ranks = results[results["object"] == "A"].groupby(["setting", "last_rank"]).size().rename("chains")
    return one_way_figure(counts_table(results), ranks.reset_index())
