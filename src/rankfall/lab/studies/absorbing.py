"""Study `absorbing`: membership in the sets ``B_1 c ... c B_R`` of Theorem 1, and the certified rank.

In some settings the learning rate is one that Theorem 1 certifies, so that a network in ``B_r`` stays there
whatever the batches; there the chains go on, after SGD, with one and the same batch for ever. In the others,
at the learning rates of practice, Theorem 1 has no constants and only the monitor of Theorem 3 speaks.

At every look: the smallest r with the network in ``B_r`` (-1: none, or no constants), the rank that the
monitor certifies (-1: none), the largest number of ``sigma(Z_l) > sqrt(Phi_thr)`` in any hidden layer, and
the numerical rank of A.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...analysis import monitor
from ...datasets import low_rank
from ...dynamics import SGD, Record, train
from ...errors import InputError
from ...network import Network
from ...problem import Problem
from ...theory import AbsorbingSet, Constants, phi_threshold, solve
from ..cell import Cell
from ..claims import Claim, Verdict
from .common.intervals import binomial_share, none_seen, poisson_rate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NONE = -1

RULES = {
    "entered": (
        "Share of the chains with certified constants whose smallest r with theta in B_r is, at the end of "
        "SGD, the numerical rank of A: exact binomial interval. Supported if it lies above one half, not "
        "supported if below, undecided otherwise."
    ),
    "stays": (
        "Looks at which the smallest r is larger than at the look before, or there is none any more, per "
        "look after entering some B_r, in chains with certified constants under SGD: exact Poisson interval. "
        "Supported if there were such looks and none of them was an exit, not supported if one was, "
        "undecided without looks."
    ),
    "attack": "As before, for the looks during the steps that repeat one batch.",
    "alive": (
        "Smallest numerical rank of A at the end of SGD among the chains with certified constants. No "
        "sampling error is involved: supported if above 0 in all, not supported if 0 in all, undecided "
        "otherwise."
    ),
    "fires": (
        "Share of the chains without constants for which, at the end, the monitor certifies the rank that "
        "their hidden layers have: exact binomial interval. Supported if it lies above one half, not "
        "supported if below, undecided otherwise."
    ),
    "holds": (
        "Share of the chains with a certified rank in which at some later look a hidden layer or A had a "
        "larger rank: exact binomial interval. Supported if there was none (the monitor may fail with "
        "probability p_fail), not supported if the lower end lies above p_fail, undecided otherwise."
    ),
    "practice": (
        "Learning rate over the largest one that Theorem 1 certifies at the same ridge, depth, batch and "
        "largest entry, the smallest over the settings without constants. No sampling error is involved: "
        "supported if at most 1, not supported if above."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """One row per chain and look, of the phases "sgd" and "attack"."""
    import pandas as pd

    get = cell.get
    problem = _problem(get("problem.kind"), cell)
    depth, ridge, every = get("network.depth"), get("optimiser.ridge"), get("every")
    batch_size, sampling = min(get("optimiser.batch_size"), problem.n_observed), get("optimiser.sampling")
    largest = solve(depth, ridge, float(np.abs(problem.values).max()), batch_size, sampling)
    given = get("optimiser.lr")
    constants = None if given else largest.at_lr(get("optimiser.certified") * largest.lr)
    lr = given or constants.lr  # type: ignore[union-attr]
    starts = Network.stack([_start(cell, problem, chain) for chain in range(get("chains"))])
    optimiser = SGD(lr=lr, ridge=ridge, n_steps=get("n_steps"), batch_size=batch_size, sampling=sampling)
    seen = monitor(
        problem, starts, optimiser, seed=cell.seed("sgd"), p_fail=get("p_fail"), every=every, n_threads=1
    )
    shared = {
        "setting": get("name"),
        "lr": float(lr),
        "lr_ratio": float(lr / largest.lr),
        "certified_lr": int(constants is not None),
        "p_fail": float(get("p_fail")),
        "width": min(starts.widths),
    }
    rows: list[dict[str, Any]] = []
    for chain, log in enumerate(seen.logs):
        for index, step in enumerate(log.steps.tolist()):
            rows.append(
                {
                    **shared,
                    "phase": "sgd",
                    "chain": chain,
                    "step": step,
                    "member": smallest_set(seen.trace.weights(chain, index), constants),
                    "monitored": int(log.certified[index]),
                    "hidden_rank": int(log.numerical_rank[index]),
                    "rank": int(seen.trace.rank[chain, index]),
                    "proved": int(log.proved[index]),
                    "violated": int(log.violated[index]),
                }
            )
    if constants is not None and get("attack_steps"):
        ends = Network.stack(seen.trace.finals())
        rows += _attack(cell, problem, ends, constants, get("n_steps"), shared)
    return pd.DataFrame(rows)


def _attack(
    cell: Cell, problem: Problem, ends: Network, k: Constants, done: int, shared: dict[str, Any]
) -> list[dict[str, Any]]:
    """The chains go on with the first entries of the list, which lie in few rows, at every step."""
    n_steps = cell.get("attack_steps")
    batch = np.tile(np.arange(k.batch_size), (n_steps, 1))
    trace = train(
        problem,
        ends,
        SGD(lr=k.lr, ridge=k.ridge, n_steps=n_steps, entries=batch),
        record=Record(every=max(n_steps // 10, 1), what=("rank", "weights")),
        n_threads=1,
    )
    threshold = math.sqrt(phi_threshold(problem, ends.depth, k.ridge))
    rows = []
    for chain in range(trace.n_chains):
        for index, step in enumerate(trace.steps.tolist()):
            network = trace.weights(chain, index)
            hidden = [np.linalg.svd(Z, compute_uv=False) for Z in network.hidden_spaces()]
            rows.append(
                {
                    **shared,
                    "phase": "attack",
                    "chain": chain,
                    "step": done + step,
                    "member": smallest_set(network, k),
                    "monitored": NONE,
                    "hidden_rank": int(max(np.count_nonzero(s > threshold) for s in hidden)),
                    "rank": int(trace.rank[chain, index]),
                    "proved": 0,
                    "violated": 0,
                }
            )
    return rows


def _problem(kind: str, cell: Cell) -> Problem:
    size, rank, observed = (cell.get(f"problem.{name}") for name in ("size", "rank", "observed"))
    seed = cell.get("problem.seed")
    if kind == "signs":
        return sign_problem(size, rank, observed, seed)
    if kind == "gaussian":
        return low_rank(
            (size, size), rank=rank, observed=observed, noise=cell.get("problem.noise"), seed=seed
        )[0]
    raise InputError(f'problem.kind is "signs" or "gaussian", not {kind!r}.')


def sign_problem(size: int, rank: int, observed: float, seed: int) -> Problem:
    """Entries 1 and -1 of rank `rank`, a power of two: a Hadamard matrix with repeated rows and columns.

    All entries are as large as the largest, which is where Theorem 1 says most: its constants depend on the
    largest entry, whether a minimum of rank r lives on the singular values.
    """
    if rank < 1 or rank & (rank - 1):
        raise InputError(f"A pattern of signs has a rank that is a power of two; {rank} is none.")
    H = np.ones((1, 1))
    while len(H) < rank:
        H = np.block([[H, H], [H, -H]])
    rng = np.random.default_rng(seed)
    rows, cols = (rng.permutation(np.arange(size) % rank) for _ in range(2))
    X = H[np.ix_(rows, cols)] * rng.choice([-1.0, 1.0], size)[:, None] * rng.choice([-1.0, 1.0], size)
    X[rng.random((size, size)) >= observed] = np.nan
    return Problem.from_dense(X)


def _start(cell: Cell, problem: Problem, chain: int) -> Network:
    depth, size, scale = cell.get("network.depth"), cell.get("problem.size"), cell.get("network.scale")
    # one number per chain: starts must not depend on how many chains there are
    seed = int(np.random.SeedSequence([cell.seed("start"), chain]).generate_state(1)[0])
    noise = Network.gaussian([size] * (depth + 1), scale=scale, seed=seed)
    if cell.get("network.start") == "gaussian":
        return noise
    filled = np.zeros(problem.shape)
    filled[problem.rows, problem.cols] = problem.values * (filled.size / problem.n_observed)
    lift = Network.lift(filled, depth=depth)
    return Network(tuple(W + E for W, E in zip(lift, noise, strict=True)))


def smallest_set(network: Network, constants: Constants | None) -> int:
    """The smallest r with the network in ``B_r``, -1 if it is in none."""
    if constants is None:
        return NONE
    margins = AbsorbingSet(0, constants).margins(network)
    if margins["C"].min() < 0 or margins["V"].min() < 0:
        return NONE
    s = np.linalg.svd(network.weights[0], compute_uv=False)
    room = constants.delta - constants.beta * float(np.sum(network.weights[0] ** 2))
    return NONE if room < 0 else int(np.count_nonzero(s > room))


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """The claims; see `RULES`."""
    sure, other = results[results["certified_lr"] == 1], results[results["certified_lr"] == 0]
    return (
        _alive(sure),
        _entered(sure),
        _stays(sure, "sgd", "stays", "A network that SGD has brought into B_r never leaves it."),
        _stays(sure, "attack", "attack", "Nor does it leave B_r when one and the same batch is repeated."),
        _practice(other),
        _fires(other),
        _holds(results),
    )


def _ends(rows: pd.DataFrame) -> pd.DataFrame:
    """The last look of every chain under SGD."""
    sgd = rows[rows["phase"] == "sgd"].sort_values("step")
    return sgd.groupby(["setting", "chain"], as_index=False).last()


def _alive(sure: pd.DataFrame) -> Claim:
    ranks = _ends(sure)["rank"] if len(sure) else sure["rank"]
    least = float(ranks.min()) if len(ranks) else math.nan
    answer: Verdict = "undecided"
    if len(ranks) and (ranks > 0).all():
        answer = "supported"
    elif len(ranks) and (ranks == 0).all():
        answer = "not supported"
    return Claim(
        "There are settings in which Theorem 1 says something about a network that lives.",
        RULES["alive"],
        least,
        least,
        least,
        answer,
        f"{len(ranks)} chains in {sure['setting'].nunique()} settings.",
    )


def _share(good: int, total: int) -> tuple[tuple[float, float, float], Verdict]:
    share = binomial_share(good, total)
    answer: Verdict = "undecided"
    if share.low > 0.5:
        answer = "supported"
    elif share.high < 0.5:
        answer = "not supported"
    return share, answer


def _entered(sure: pd.DataFrame) -> Claim:
    ends = _ends(sure)
    share, answer = _share(int((ends["member"] == ends["rank"]).sum()), len(ends))
    return Claim(
        "SGD by itself brings chains into B_r, r the rank of their matrix.",
        RULES["entered"],
        *share,
        answer,
        f"{len(ends)} chains; ranks at the end: {_counts(ends['rank'])}.",
    )


def _stays(sure: pd.DataFrame, phase: str, rule: str, statement: str) -> Claim:
    looks = exits = 0
    for _, chain in sure[sure["phase"] == phase].sort_values("step").groupby(["setting", "chain"]):
        member = chain["member"].to_numpy()
        inside = np.flatnonzero(member[:-1] != NONE)
        looks += inside.size
        after, before = member[inside + 1], member[inside]
        exits += int(np.count_nonzero((after == NONE) | (after > before)))
    answer: Verdict = "undecided" if not looks else "not supported" if exits else "supported"
    note = f"{exits} exits in {looks} looks"
    return Claim(
        statement,
        RULES[rule],
        *poisson_rate(exits, looks),
        answer,
        f"{note}: at most {none_seen(looks):.2g} per look by the 3/n bound." if not exits else f"{note}.",
    )


def _practice(other: pd.DataFrame) -> Claim:
    ratio = float(other["lr_ratio"].min()) if len(other) else math.nan
    answer: Verdict = "undecided" if math.isnan(ratio) else "supported" if ratio <= 1 else "not supported"
    return Claim(
        "Theorem 1 covers the learning rates of practice.",
        RULES["practice"],
        ratio,
        ratio,
        ratio,
        answer,
        f"{other['setting'].nunique()} settings without constants; the largest ratio is "
        f"{other['lr_ratio'].max():.2g}.",
    )


def _fires(other: pd.DataFrame) -> Claim:
    ends = _ends(other)
    good = (ends["monitored"] != NONE) & (ends["monitored"] == ends["hidden_rank"])
    share, answer = _share(int(good.sum()), len(ends))
    return Claim(
        "Where Theorem 1 says nothing, the monitor certifies the rank at the end.",
        RULES["fires"],
        *share,
        answer,
        f"Certified at the end, by setting: {_by_setting(ends, good)}.",
    )


def _holds(results: pd.DataFrame) -> Claim:
    chains = broken = looks = proved = violated = 0
    for _, chain in results[results["phase"] == "sgd"].sort_values("step").groupby(["setting", "chain"]):
        certified = chain["monitored"].to_numpy()
        found = np.flatnonzero(certified != NONE)
        if not found.size:
            continue
        chains += 1
        # a rank once certified bounds all later ones, also after the monitor has lapsed
        bound = np.minimum.accumulate(np.where(certified == NONE, 10**9, certified))[found[0] : -1]
        later = chain[["hidden_rank", "rank"]].to_numpy().max(axis=1)[found[0] + 1 :]
        broken += int(np.any(later > bound))
        looks += later.size
        proved += int(chain["proved"].to_numpy()[found[0] + 1 :].sum())
        violated += int(chain["violated"].to_numpy()[found[0] + 1 :].sum())
    share = binomial_share(broken, chains)
    p_fail = float(results["p_fail"].max())
    answer: Verdict = "undecided"
    if chains and not broken:
        answer = "supported"
    elif share.low > p_fail:
        answer = "not supported"
    return Claim(
        "A rank that the monitor has certified is not exceeded later.",
        RULES["holds"],
        *share,
        answer,
        f"{chains} chains, {looks} looks after certification; the ledger proves {proved} of the stretches "
        f"between them; Lambda_l was 1 or more at {violated}.",
    )


def _counts(numbers: pd.Series) -> str:
    return ", ".join(f"{count} x {value}" for value, count in numbers.value_counts().sort_index().items())


def _by_setting(ends: pd.DataFrame, good: pd.Series) -> str:
    groups = good.groupby(ends["setting"], sort=False)
    return "; ".join(f"{name}: {int(group.sum())} of {len(group)}" for name, group in groups)


def draw(results: pd.DataFrame) -> Figure:
    """The first chain of every setting: its rank, the smallest r with theta in B_r, the certified rank."""
    from .figures.absorbing import absorbing_figure

    return absorbing_figure(results[results["chain"] == 0])
