"""Study `jumps-per-irrep`: ranks of equivariant networks fall irrep by irrep.

An equivariant network is one deep linear network over the real numbers, the complex numbers or the
quaternions for each irrep, coupled through the data alone. Followed are the ranks over D of each irrep, of
the product (tolerance 1e-2 of the largest singular value of A) and of the hidden spaces ``Z_l`` (the largest
of the layers, tolerance 1e-2^(1/L)). The rank of A is ``sum d r`` over the irreps, d their dimensions.
Changes count when they last `dwell` steps.

Starts: "full", Gaussian weights; "low", weights of rank one in every irrep, embedded in wider hidden layers.
Theory says that the exact ranks of ``Z_l`` never rise (identity I2, block by block).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...dynamics import SGD
from ...measures import RANK_TOL
from ...symmetry import EquivariantMaps, EquivariantNetwork, EquivariantTrace, train
from ...symmetry.algebra import components, embed
from ..cell import Cell
from ..claims import Claim, verdict
from .common.intervals import binomial_share, none_seen, poisson_rate
from .common.operators import channels_of, group_named, low_rank_operator, some_cells

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ...problem import Problem

ROUNDING = 1e-12

RULES = {
    "one-way": (
        "Lasting rises of the rank of an irrep, in its hidden spaces, per step after the burn-in, all groups "
        "together, start full: exact Poisson interval. Supported if none was seen and the upper end lies "
        "below the lower end of the rate of falls over the whole run; not supported if one was seen; "
        "undecided otherwise."
    ),
    "exact": (
        "Largest sigma_2(Z_l) / sigma_1(Z_l) over D of any irrep at any record, start low, where each Z_l "
        "has rank one exactly. No sampling error is involved: supported up to 1e-12, not supported above."
    ),
    "alone": (
        "Lasting falls of one irrep, in the product, after the first tenth of the run: share with no fall of "
        "another irrep in the same chain within `dwell` steps, exact 95% binomial interval. Supported if it "
        "lies above 1/2, not supported if below, undecided otherwise."
    ),
    "whole": (
        "Chains, start full: share whose last product, decomposed without the group, has the numerical rank "
        "sum d r, exact 95% binomial interval. Supported if it lies above 0.8, not supported if below, "
        "undecided otherwise."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """Rows of kind "chain" (an irrep of a chain), "fall" (a lasting one, in A) and "path" (a record)."""
    import pandas as pd

    get = cell.get
    rho = channels_of(group_named(get("group")), get("channels"))
    maps = EquivariantMaps.between(rho, rho)
    trace = train(
        _problem(cell, maps),
        _starts(cell, maps),
        SGD(lr=get("optimiser.lr"), ridge=get("optimiser.ridge"), n_steps=get("n_steps")),
        seed=cell.seed("sgd"),
        every=get("every"),
    )
    rows = [*_chains(cell, trace), *_falls(cell, trace), *_path(trace)]
    return pd.DataFrame(rows)


def _problem(cell: Cell, maps: EquivariantMaps) -> Problem:
    """Noisy cells of a low-rank operator, of root mean square 1."""
    get = cell.get
    A = low_rank_operator(maps, get("problem.rank"), cell.seed("operator"))
    noise = np.random.default_rng(cell.seed("noise")).standard_normal(A.shape)
    count = round(get("problem.cells_per_freedom") * maps.degrees_of_freedom)
    problem = some_cells(A + get("problem.noise") * noise, count, cell.seed("cells"))
    return problem.with_values(problem.values / np.sqrt(np.mean(problem.values**2)))


def _starts(cell: Cell, maps: EquivariantMaps) -> list[EquivariantNetwork]:
    get = cell.get
    settings = {"depth": get("network.depth"), "scale": get("network.scale")}
    full = get("start") == "full"
    starts = [
        EquivariantNetwork.gaussian(
            maps, hidden=None if full else 1, seed=cell.seed(f"start {k}"), **settings
        )
        for k in range(get("chains"))
    ]
    return starts if full else [_embedded(net, get("channels"), k) for k, net in enumerate(starts)]


def _embedded(net: EquivariantNetwork, channels: int, seed: int) -> EquivariantNetwork:
    """The network in hidden layers as wide as the spaces of the data, in random orthonormal frames over D."""
    rng = np.random.default_rng(seed)
    blocks: dict[str, tuple[np.ndarray, ...]] = {}
    for name, layers in net.blocks.items():
        irrep = net.maps.irrep(name)
        e, width = irrep.endomorphisms, min(net.maps.sizes[name])
        weights = [embed(W) for W in layers]
        for l in range(len(weights) - 1):
            turn = embed(rng.standard_normal((e, width, 1)))
            turn = turn / np.linalg.norm(turn, 2)
            weights[l], weights[l + 1] = turn @ weights[l], weights[l + 1] @ turn.T
        blocks[name] = tuple(components(W, e) for W in weights)
    return EquivariantNetwork(net.maps, blocks)


def _chains(cell: Cell, trace: EquivariantTrace) -> list[dict[str, float | str]]:
    get = cell.get
    whole = _whole_ranks(trace)
    rows: list[dict[str, float | str]] = []
    for name in trace.dimensions:
        jumps = trace.jumps(name, dwell=get("dwell"), hidden=True)
        table, end = jumps.table, jumps.begin + jumps.exposure
        s = trace.hidden_singular_values[name]
        tails = _ratio(s)
        for chain in range(trace.n_chains):
            own = table[table["chain"] == chain]
            late = own["step"] > get("burn_in")
            rows.append(
                {
                    "kind": "chain",
                    "irrep": name,
                    "dimension": trace.dimensions[name],
                    "chain": chain,
                    "step": int(trace.steps[-1]),
                    "falls": int((own["kind"] == "fall").sum()),
                    "rises": int(((own["kind"] == "rise") & late).sum()),
                    "seen": int(end[chain]),
                    "seen_late": max(0, int(end[chain]) - get("burn_in")),
                    "tail": float(tails[chain]),
                    "rank": float(trace.ranks[name][chain, -1]),
                    "whole": int(whole[chain] == trace.rank[chain, -1]),
                    "diverged": int(trace.diverged[chain]),
                }
            )
    return rows


def _ratio(s: np.ndarray) -> np.ndarray:
    """Largest ``sigma_2 / sigma_1`` of each chain over records and layers; 0 where an irrep has died."""
    if s.shape[-1] < 2:
        return np.zeros(s.shape[0])
    # below a millionth of its largest value an irrep has died, and its ratios are rounding
    alive = s[..., 0] > 1e-6 * np.nanmax(s)
    ratio = np.divide(s[..., 1], s[..., 0], out=np.zeros(s.shape[:-1]), where=alive)
    return ratio.max(axis=(1, 2))


def _whole_ranks(trace: EquivariantTrace) -> np.ndarray:
    """Numerical rank of the last products, without regard to the group; -1 after divergence."""
    out = []
    for network in trace.networks:
        s = np.zeros(1) if network is None else np.linalg.svd(network.product(), compute_uv=False)
        out.append(-1 if network is None else np.count_nonzero(s > RANK_TOL * s[0]))
    return np.array(out)


def _falls(cell: Cell, trace: EquivariantTrace) -> list[dict[str, float | str]]:
    dwell = cell.get("dwell")
    table = trace.jump_table(dwell=dwell)
    falls = table[table["kind"] == "fall"]
    rows: list[dict[str, float | str]] = []
    for fall in falls.to_dict("records"):
        same = falls[(falls["chain"] == fall["chain"]) & (falls["irrep"] != fall["irrep"])]
        near = bool(((same["step"] - fall["step"]).abs() <= dwell).any())
        rows.append(
            {
                "kind": "fall",
                "irrep": fall["irrep"],
                "dimension": fall["dimension"],
                "chain": fall["chain"],
                "step": fall["step"],
                "alone": int(not near),
                "late": int(fall["step"] > 0.1 * cell.get("n_steps")),
            }
        )
    return rows


def _path(trace: EquivariantTrace) -> list[dict[str, float | str]]:
    """Ranks of the first chain, record by record."""
    return [
        {
            "kind": "path",
            "irrep": name,
            "dimension": trace.dimensions[name],
            "chain": 0,
            "step": step,
            "rank": float(rank),
        }
        for name, ranks in trace.ranks.items()
        for step, rank in zip(trace.steps.tolist(), ranks[0].tolist(), strict=True)
    ]


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """The claims; see `RULES`."""
    chains = results[results["kind"] == "chain"]
    full, low = chains[chains["start"] == "full"], chains[chains["start"] == "low"]
    falls = results[(results["kind"] == "fall") & (results["start"] == "full")]
    late = falls[falls["late"] == 1]
    worst = float(low["tail"].max()) if len(low) else float("nan")
    return (
        _one_way(full),
        Claim(
            "The exact rank over D of the hidden spaces of an irrep does not rise.",
            RULES["exact"],
            worst,
            worst,
            worst,
            verdict(worst, worst, below=ROUNDING),
            f"{len(low)} irreps of chains of {int(low['step'].max())} steps." if len(low) else "None.",
        ),
        _share("Irreps fall one at a time.", "alone", late["alone"], 0.5),
        _share(
            "The rank of A is made of whole irreps: sum d r.",
            "whole",
            full.drop_duplicates(["group", "chain"])["whole"],
            0.8,
        ),
    )


def _one_way(chains: pd.DataFrame) -> Claim:
    rises, steps = int(chains["rises"].sum()), float(chains["seen_late"].sum())
    rate = poisson_rate(rises, steps)
    fallen = poisson_rate(int(chains["falls"].sum()), float(chains["seen"].sum()))
    answer = "not supported" if rises else "supported" if rate.high < fallen.low else "undecided"
    note = f"{rises} rises in {steps:.3g} steps; {int(chains['falls'].sum())} falls."
    if not rises:
        note += f" At most {none_seen(steps):.2g} per step by the 3/n bound."
    return Claim("The rank of an irrep, once fallen, does not rise.", RULES["one-way"], *rate, answer, note)


def _share(statement: str, rule: str, true: pd.Series, above: float) -> Claim:
    share = binomial_share(int(true.sum()), len(true))
    outcome = verdict(share.low, share.high, above=above) if len(true) else "undecided"
    return Claim(statement, RULES[rule], *share, outcome, f"{int(true.sum())} of {len(true)}.")


def draw(results: pd.DataFrame) -> Figure:
    """Ranks of one chain along the run, by irrep, one panel per group."""
    from .figures.jumps_per_irrep import jumps_figure

    return jumps_figure(results[(results["kind"] == "path") & (results["start"] == "full")])
