"""Study `langevin`: which noise can raise the rank again, and which can lower it.

Starts: "full", Gaussian weights of full rank; "minimum", the minimum of gradient descent from there (the
rank has fallen from full, its hidden tails are at rounding); "fallen", one rank below: that minimum with its
last direction dropped from every layer and gradient descent repeated, so that ``rank Z_l`` is exactly one
less.

Two ranks are followed: that of A (tolerance 1e-2 of its largest singular value) and the largest of the
hidden spaces ``Z_l = [W_l | W_{l+1}^T]`` (the same tolerance of their own largest; 0 for a network whose A
has died). A change counts when it lasts `dwell` steps.

What theory says: SGD multiplies ``Z_l`` from the right (I2), and so does a Gaussian residual matrix, so
``rank Z_l`` cannot rise under the joint noise. The same holds for noise that is independent between the
layers but has the right covariance in each: it is ``P_l^T R_l Q_l^T`` with another residual matrix in every
layer, and then ``Z_l' = Z_l [[q I, -lr B_{l+1}^T], [-lr B_l, q I]]`` with ``B_l = P_{l+1}^T R_l Q_l^T`` and
``B_{l+1} = P_{l+1}^T R_{l+1} Q_l^T``. Only isotropic noise feeds the lost directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ...analysis import find_jumps
from ...dynamics import SGD, Record, train
from ...errors import InputError
from ...measures import RANK_TOL, numerical_rank
from ...network import Network
from ...problem import Problem
from ..cell import Cell
from ..claims import Claim, verdict
from .common.critical import ridge_share, told_shares
from .common.gaussian_noise import NoisyDescent
from .common.intervals import Interval, none_seen, poisson_rate, rate_ratio
from .common.problems import gradient_descent, problem_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FORMS = ("sgd", "joint", "layers", "isotropic")
NAMES = {"sgd": "SGD", "joint": "joint noise", "layers": "layerwise noise", "isotropic": "isotropic noise"}
ROUNDING = 1e-12
SAME = (0.5, 2.0)

RULES = {
    "stays": (
        "First rises that last, of A or of a Z_l, per step after the rank had fallen, all starts and "
        "problems together: exact Poisson interval. Supported if none was seen and the upper end lies below "
        "the lower end of the rate under isotropic noise; not supported if one was seen; undecided otherwise."
    ),
    "raises": (
        "First rises that last, of a Z_l, per step after the rank had fallen, all starts and problems "
        "together: exact Poisson interval. Supported if its lower end lies above the upper end of the rate "
        "under SGD; not supported if no rise was seen and its upper end lies below the lower end of the rate "
        "under isotropic noise; undecided otherwise."
    ),
    "raises-product": (
        "As before, for the rank of A. Supported if the lower end lies above the upper end of the rate under "
        "SGD; not supported if no rise was seen and the upper end lies below the lower end of the rate at "
        "which the Z_l rise; undecided otherwise."
    ),
    "exact": (
        "Largest sigma_{k+1}(Z_l) / sigma_1(Z_l) at any record of any chain from the fallen start, whose Z_l "
        "have rank k exactly. No sampling error is involved: supported up to 1e-12, not supported above."
    ),
    "same": (
        "First falls that last, of A, from the minimum: exact conditional intervals of rate(form) / "
        "rate(SGD) on each problem, jointly 95% (Bonferroni). Shown is the one farthest from 1. Supported if "
        "all lie within 1/2 to 2, not supported if one lies outside, undecided otherwise."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """Rows of kind "chain" (one per chain) and of kind "path" (one per record, over all chains)."""
    import pandas as pd

    get = cell.get
    problem = problem_of(cell)
    network, tail_rank = _start(cell, problem)
    share = (
        ridge_share(problem, network, tail_rank, get("optimiser.ridge")) if get("start") != "full" else np.nan
    )
    records = list(_records(cell, problem, network, tail_rank))
    steps = np.array([step for step, _ in records])
    seen = np.array([numbers for _, numbers in records])  # (n_records, 3, n_chains)
    shared = {
        "problem": f"{get('problem.size')} x {get('problem.size')}, seed {get('problem.seed')}",
        "lr": float(get("optimiser.lr")),
        "noise": get("form"),
        "begin": get("start"),
        "begin_rank": network.widths[0] if get("start") == "full" else tail_rank,
        "true_rank": get("problem.rank"),
        "ridge_share": share,
    }
    rows = []
    for chain in range(seen.shape[2]):
        row = {**shared, "kind": "chain", "chain": chain, "step": int(steps[-1])}
        for index, name in enumerate(("A", "Z")):
            row |= _events(seen[:, index, chain].astype(int), steps, get("dwell"), get("start"), name)
        row["tail"] = float(np.nanmax(seen[:, 2, chain], initial=0.0))
        row["diverged"] = int(seen[-1, 0, chain] < 0)
        rows.append(row)
    for step, (rank_A, rank_Z, tail) in zip(steps.tolist(), seen, strict=True):
        alive = rank_A >= 0
        if alive.any():
            rows.append(
                {
                    **shared,
                    "kind": "path",
                    "chain": -1,
                    "step": step,
                    "mean_rank_A": float(rank_A[alive].mean()),
                    "mean_rank_Z": float(rank_Z[alive].mean()),
                    "tail": float(np.median(tail[alive])),
                }
            )
    return pd.DataFrame(rows)


def _start(cell: Cell, problem: Problem) -> tuple[Network, int]:
    """The start, and the index (from 0) of the first singular value of Z_l that counts as its tail."""
    get = cell.get
    size, depth, ridge = get("problem.size"), get("network.depth"), get("optimiser.ridge")
    full = Network.gaussian([size] * (depth + 1), scale=1.0, seed=get("problem.seed"))
    lr, n_steps = get("descent.lr"), get("descent.n_steps")
    minimum, rank = gradient_descent(problem, full, lr, ridge, n_steps)
    if rank < 2:
        raise InputError(
            f"The study needs a minimum of rank 2 or more; gradient descent ended at rank {rank}."
        )
    match get("start"):
        case "full":
            return full, rank
        case "minimum":
            return minimum, rank
        case "fallen":
            # a small network cannot leave its rank; embedded it has no more, up to rounding
            small = minimum.compress(rank - 1)
            lower, _ = gradient_descent(problem, small.network, lr, ridge, n_steps)
            return embedded(lower, size, get("problem.seed")), rank - 1
        case other:
            raise InputError(f'start is "full", "minimum" or "fallen", not {other!r}.')


def embedded(network: Network, width: int, seed: int) -> Network:
    """The network in hidden layers of `width`, in random orthonormal frames: ``F_l W_l F_{l-1}^T``."""
    rng = np.random.default_rng(seed)
    frames = [np.linalg.qr(rng.standard_normal((width, w)))[0] for w in network.widths[1:-1]]
    layers = list(network.weights)
    for index, F in enumerate(frames):
        layers[index], layers[index + 1] = F @ layers[index], layers[index + 1] @ F.T
    return Network(tuple(layers))


def _records(
    cell: Cell, problem: Problem, network: Network, tail_rank: int
) -> Iterator[tuple[int, np.ndarray]]:
    """(step, (rank of A, largest rank of Z_l, largest tail) of every chain); -1 where a chain diverged."""
    get = cell.get
    lr, ridge, batch_size = (get(f"optimiser.{name}") for name in ("lr", "ridge", "batch_size"))
    chains, n_steps, every = get("chains"), get("n_steps"), get("every")
    if get("form") != "sgd":
        iterates = NoisyDescent(problem, lr, ridge, get("form"), batch_size).iterate(
            [np.repeat(W[None], chains, axis=0) for W in network.weights],
            n_steps,
            every,
            np.random.default_rng(cell.seed("noise")),
        )
        for step, weights in iterates:
            yield step, looked_at(problem, weights, tail_rank)
        return

    def hidden(one: Network) -> np.ndarray:
        return looked_at(problem, [W[None] for W in one.weights], tail_rank)[:, 0]

    trace = train(
        problem,
        network,
        SGD(lr=lr, ridge=ridge, n_steps=n_steps * get("sgd_factor"), batch_size=batch_size),
        chains=chains,
        seed=cell.seed("sgd"),
        record=Record(every=every, what=("rank",), extra={"looked_at": hidden}),
        n_threads=1,
    )
    for index, step in enumerate(trace.steps.tolist()):
        numbers = trace.measured["looked_at"][:, index].T
        yield step, np.where(trace.rank[:, index] < 0, [[-1.0], [-1.0], [np.nan]], numbers)


def looked_at(problem: Problem, weights: list[np.ndarray], tail_rank: int) -> np.ndarray:
    """Rank of A, largest rank of ``Z_l``, largest ``sigma_{tail_rank+1} / sigma_1`` of ``Z_l``.

    Shape (3, n_chains).
    """
    good = np.all([np.isfinite(W).all(axis=(1, 2)) for W in weights], axis=0)
    network = Network(tuple(np.where(good[:, None, None], W, 0.0) for W in weights))
    rank = numerical_rank(network.singular_values(), problem)
    # a network that died has no rank: ratios of its remnants, down at rounding, mean nothing
    alive = rank > 0
    ranks, tails = [], []
    for Z in network.hidden_spaces():
        s = np.linalg.svd(Z, compute_uv=False)
        top = np.where(alive, s[:, 0], np.inf)
        ranks.append(np.count_nonzero(s > RANK_TOL * top[:, None], axis=1))
        tails.append(s[:, tail_rank] / top)
    out = np.array([rank, np.max(ranks, axis=0), np.max(tails, axis=0)], dtype=float)
    return np.where(good, out, np.array([[-1.0], [-1.0], [np.nan]]))


def _events(ranks: np.ndarray, steps: np.ndarray, dwell: int, start: str, name: str) -> dict[str, int]:
    """First fall, and first rise after a fall (or after the start, where the rank had fallen before)."""
    jumps = find_jumps(ranks, steps=steps, dwell=dwell).table
    gone = np.flatnonzero(ranks < 0)
    end = int(steps[gone[0] if gone.size else -1])
    falls = jumps.loc[jumps["kind"] == "fall", "step"].tolist()
    rises = jumps.loc[jumps["kind"] == "rise", "step"].tolist()
    fallen = 0 if start != "full" else falls[0] if falls else end
    rises = [step for step in rises if step > fallen]
    return {
        f"fell_{name}": int(bool(falls)),
        f"until_fall_{name}": falls[0] if falls else end,
        f"rose_{name}": int(bool(rises)),
        f"until_rise_{name}": (rises[0] if rises else end) - fallen,
    }


def rises(results: pd.DataFrame, form: str, names: tuple[str, ...] = ("Z",)) -> tuple[int, float]:
    """First rises of the named ranks and the steps during which one could have been seen."""
    chains = results[(results["kind"] == "chain") & (results["noise"] == form)]
    return (
        int(sum(chains[f"rose_{name}"].sum() for name in names)),
        float(min((chains[f"until_rise_{name}"].sum() for name in names), default=0)),
    )


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """The claims; see `RULES`."""
    fed = poisson_rate(*rises(results, "isotropic"))
    claims = [_stays(results, form, fed) for form in ("sgd", "joint")]
    claims += [_raises(results, form, fed) for form in ("layers", "isotropic")]
    claims.append(_raises(results, "isotropic", fed, of="A"))
    claims += [_exact(results, form) for form in FORMS]
    return (*claims, *(_same_falls(results, form) for form in ("joint", "layers")))


def _stays(results: pd.DataFrame, form: str, fed: Interval) -> Claim:
    seen, steps = rises(results, form, ("A", "Z"))
    rate = poisson_rate(seen, steps)
    answer = "not supported" if seen else "supported" if rate.high < fed.low else "undecided"
    return Claim(
        f"Under {NAMES[form]} the rank, once fallen, does not rise.",
        RULES["stays"],
        *rate,
        answer,
        _seen(seen, steps),
    )


def _raises(results: pd.DataFrame, form: str, fed: Interval, of: str = "Z") -> Claim:
    """Whether a form of noise raises the ranks of the Z_l, or (`of` "A") that of the product."""
    seen, steps = rises(results, form, (of,))
    rate, quiet = poisson_rate(seen, steps), poisson_rate(*rises(results, "sgd", (of,)))
    answer = "undecided"
    if rate.low > quiet.high:
        answer = "supported"
    elif not seen and rate.high < fed.low:
        answer = "not supported"
    what, rule = ("the hidden spaces Z_l", "raises") if of == "Z" else ("A", "raises-product")
    return Claim(
        f"The {NAMES[form]} raises the rank of {what} again.", RULES[rule], *rate, answer, _seen(seen, steps)
    )


def _exact(results: pd.DataFrame, form: str) -> Claim:
    chains = results[
        (results["kind"] == "chain") & (results["noise"] == form) & (results["begin"] == "fallen")
    ]
    worst = float(chains["tail"].max()) if len(chains) else float("nan")
    return Claim(
        f"Under {NAMES[form]} the exact rank of Z_l does not rise: a lost direction stays at rounding.",
        RULES["exact"],
        worst,
        worst,
        worst,
        verdict(worst, worst, below=ROUNDING),
        f"{len(chains)} chains of {int(chains['step'].max())} steps." if len(chains) else "No chains.",
    )


def _same_falls(results: pd.DataFrame, form: str) -> Claim:
    chains = results[(results["kind"] == "chain") & (results["begin"] == "minimum")]
    problems = sorted(chains["problem"].unique())
    found: list[tuple[Interval, str]] = []
    for problem in problems:
        here = chains[chains["problem"] == problem]
        numbers = []
        for noise in (form, "sgd"):
            group = here[here["noise"] == noise]
            numbers += [int(group["fell_A"].sum()), float(group["until_fall_A"].sum())]
        found.append((rate_ratio(*numbers, error=0.05 / len(problems)), problem))
    answers = [verdict(interval.low, interval.high, *SAME) for interval, _ in found]
    answer = "undecided"
    if "not supported" in answers:
        answer = "not supported"
    elif answers and all(a == "supported" for a in answers):
        answer = "supported"

    def distance(item: tuple[Interval, str]) -> float:
        estimate = item[0].estimate
        if np.isnan(estimate):
            return -1.0
        return abs(np.log(estimate)) if 0 < estimate < np.inf else np.inf

    shown, problem = max(found, key=distance, default=(Interval(np.nan, 0.0, np.inf), "none"))
    return Claim(
        f"Gaussian noise lowers the rank as often as SGD, within a factor of 2 ({NAMES[form]}).",
        RULES["same"],
        *shown,
        answer,
        f"Shown: {problem}, of {len(problems)} problems. {_beginning(chains)}",
    )


def _beginning(chains: pd.DataFrame) -> str:
    """At which ranks the chains began, beside the true one, and the ridge beside the critical one."""
    once = chains.drop_duplicates("problem")
    low = once["begin_rank"] <= once["true_rank"]
    where = "All falls go below the true rank" if low.all() else f"{int(low.sum())} begin at the true rank"
    return f"{where}; {told_shares(once['ridge_share'].tolist())}."


def _seen(count: int, steps: float) -> str:
    if count:
        return f"{count} first rises in {steps:.3g} steps."
    return f"No rise in {steps:.3g} steps: at most {none_seen(steps):.2g} per step by the 3/n bound."


def draw(results: pd.DataFrame) -> Figure:
    """Rates of rises, tails of the hidden spaces along the way, rates of falls."""
    import pandas as pd

    from .figures.langevin import langevin_figure

    rows = []
    for form in FORMS:
        for name in ("A", "Z"):
            seen, steps = rises(results, form, (name,))
            rows.append(_rate_row(NAMES[form], f"rises of {name}", seen, steps))
        chains = results[
            (results["kind"] == "chain") & (results["noise"] == form) & (results["begin"] == "minimum")
        ]
        for problem, group in chains.groupby("problem"):
            fell, steps = int(group["fell_A"].sum()), float(group["until_fall_A"].sum())
            rows.append(_rate_row(NAMES[form], f"falls, {problem}, lr {group['lr'].iloc[0]:g}", fell, steps))
    paths = results[(results["kind"] == "path") & (results["begin"] == "fallen")].copy()
    paths["noise"] = paths["noise"].map(NAMES)
    return langevin_figure(pd.DataFrame(rows), paths)


def _rate_row(noise: str, what: str, count: int, steps: float) -> dict[str, object]:
    rate = poisson_rate(count, steps)
    high = rate.high if count else none_seen(steps)
    return {
        "noise": noise,
        "what": what,
        "count": count,
        "rate": rate.estimate,
        "low": rate.low,
        "high": high,
    }
