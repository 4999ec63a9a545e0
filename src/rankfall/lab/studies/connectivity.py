"""Study `connectivity`: low rank or low nuclear norm, by the graph of the observed cells.

Rows and columns are the vertices of a bipartite graph, observed cells its edges. Bai, Zhao and Zhang
("Connectivity shapes implicit regularization in matrix factorization models for matrix completion", NeurIPS
2024) find that gradient descent on ``W_2 W_1`` from small weights, without ridge, ends at low rank where this
graph is connected, and at the smallest nuclear norm where it falls into complete parts. The matrices here
have rank one, so every graph has a completion of rank one.

Where the graph falls into parts, the factors of each part move as if there were no other: gradient descent
has no reason to align them, and any rotation of one against the other fits as well. A ridge at depth three
has a reason: the aligned completion has the smallest cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...dynamics import GD, SGD, Record, train
from ...errors import InputError
from ...measures import numerical_rank
from ...network import Network
from ...problem import Problem
from ...theory import minima
from ..cell import Cell
from ..claims import Claim, verdict
from .common.chains import fastest
from .common.critical import shares_by_rank
from .common.intervals import binomial_share

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ERROR = 0.05
FITTED = 1e-3  # relative misfit at which a descent has found a completion
SAME = 0.01  # relative excess up to which a nuclear norm counts as the smallest
# the smallest nuclear norm is that of the minimum at depth two with this ridge, which shrinks it by less
# than SAME
_RIDGE = 1e-5

RULES = {
    "rank": (
        "Of the descents that fit the observed cells to 1e-3: share of problems in which A has numerical "
        "rank one (tolerance 1e-2), exact 95% binomial interval. Supported if it lies above 1/2, not "
        "supported if below, undecided otherwise."
    ),
    "sum": (
        "Of the descents that fit the observed cells to 1e-3: share of problems in which A has numerical "
        "rank two, the sum of the ranks of the parts (tolerance 1e-2), exact 95% binomial interval. "
        "Supported if it lies above 1/2, not supported if below, undecided otherwise."
    ),
    "nuclear": (
        "Of the descents that fit the observed cells to 1e-3: share of problems in which the nuclear norm of "
        "A exceeds the smallest one of any completion by at most 1%, exact 95% binomial interval. Supported "
        "if it lies above 1/2, not supported if below, undecided otherwise."
    ),
    "ridge": (
        "Share of problems in which SGD with a ridge at depth three ends at numerical rank one, exact 95% "
        "binomial interval. Supported if it lies above 1/2, not supported if below, undecided otherwise."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """One row per problem."""
    import pandas as pd

    return pd.DataFrame([_repeat(cell, k) for k in range(cell.get("repeats"))])


def _repeat(cell: Cell, index: int) -> dict[str, float]:
    get = cell.get
    size = get("problem.size")
    rng = np.random.default_rng(cell.seed(f"problem {index}"))
    problem, truth = rank_one(observed_cells(get("graph"), size, get("problem.extra"), rng), size, rng)
    n_steps = get("descent.n_steps")
    start = Network.gaussian([size] * 3, scale=get("descent.scale"), seed=cell.seed(f"start {index}"))
    end = train(
        problem,
        start,
        GD(lr=get("descent.lr"), ridge=0.0, n_steps=n_steps),
        record=Record(every=n_steps, what=()),
        n_threads=1,
    ).final(0)
    residual = end.predict(problem.rows, problem.cols) - problem.values
    smallest = minima(problem, 2, _RIDGE, range(size + 1), 3).lowest
    ridge, n_steps = get("optimiser.ridge"), get("optimiser.n_steps")
    lr = get("optimiser.relative_lr") / fastest(problem, Network.lift(truth, depth=3))
    deep = Network.gaussian([size] * 4, scale=1.0, seed=cell.seed(f"deep start {index}"))
    sgd = train(
        problem,
        deep,
        SGD(lr=lr, ridge=ridge, n_steps=n_steps),
        seed=cell.seed(f"sgd {index}"),
        record=Record(every=n_steps, what=("rank",)),
        n_threads=1,
    )
    return {
        "repeat": index,
        "n_observed": problem.n_observed,
        "misfit": float(np.linalg.norm(residual) / np.linalg.norm(problem.values)),
        "rank": int(numerical_rank(end.singular_values(), problem)),
        "nuclear": float(end.singular_values().sum()),
        "smallest_nuclear": float(smallest.s.sum()),
        "true_nuclear": float(np.linalg.norm(truth)),
        "sgd_rank": int(sgd.rank[0, -1]),
        "ridge_share": shares_by_rank(problem, 3, ridge, [1, 2]).get(2, np.nan),
    }


def observed_cells(graph: str, size: int, extra: int, rng: np.random.Generator) -> np.ndarray:
    """The observed cells of a square matrix, as a mask.

    Parameters
    ----------
    graph : {"connected", "disconnected", "blocks"}
        A spanning tree of all rows and columns, or one of each of two halves of both, and `extra` cells that
        connect no more; or all cells of two diagonal blocks.
    size : int
        Even.
    extra : int
    rng : Generator
    """
    half = size // 2
    inside = np.equal.outer(np.arange(size) < half, np.arange(size) < half)
    match graph:
        case "blocks":
            return inside
        case "connected":
            allowed = np.ones((size, size), bool)
        case "disconnected":
            allowed = inside
        case other:
            raise InputError(f'graph is "connected", "disconnected" or "blocks", not {other!r}.')
    mask = np.zeros((size, size), bool)
    part = np.arange(2 * size)  # rows, then columns; equal numbers are connected
    order = rng.permutation(np.argwhere(allowed))
    for i, j in order:
        if part[i] != part[size + j]:
            part[part == part[size + j]] = part[i]
            mask[i, j] = True
    rest = [cell for cell in order if not mask[tuple(cell)]]
    for i, j in rest[:extra]:
        mask[i, j] = True
    return mask


def rank_one(mask: np.ndarray, size: int, rng: np.random.Generator) -> tuple[Problem, np.ndarray]:
    """Some cells of ``u v^T``, of root mean square 1; entries of u and v differ by up to a factor of 3."""
    u, v = (rng.uniform(0.5, 1.5, size) * rng.choice([-1.0, 1.0], size) for _ in range(2))
    truth = np.outer(u, v)
    truth /= np.sqrt(np.mean(truth**2))
    return Problem.from_dense(np.where(mask, truth, np.nan)), truth


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """Rank and nuclear norm by graph; what a ridge at depth three does where the graph falls apart."""
    fitted = results[results["misfit"] < FITTED]
    connected, blocks = (fitted[fitted["graph"] == graph] for graph in ("connected", "blocks"))
    apart = results[results["graph"] != "connected"]
    return (
        _share(
            "Where the observed cells are connected, gradient descent at depth two without ridge ends at low "
            "rank.",
            "rank", connected, connected["rank"] == 1, _told(results, "connected"),
        ),
        _share(
            "Where they are connected, it ends at the smallest nuclear norm.",
            "nuclear", connected, _is_smallest(connected), _excess(connected),
        ),
        _share(
            "Where they fall into complete parts, it ends at the sum of the parts' ranks.",
            "sum", blocks, blocks["rank"] == 2, _told(results, "blocks"),
        ),
        _share(
            "Where they fall into complete parts, it ends at the smallest nuclear norm.",
            "nuclear", blocks, _is_smallest(blocks), _excess(blocks),
        ),
        _share(
            "Where they fall into parts, SGD with a ridge at depth three ends at rank one.",
            "ridge", apart, apart["sgd_rank"] == 1,
            f"Ranks at the end: {_counts(apart['sgd_rank'])}. Minima of rank two at this ridge were found in "
            f"{int(apart['ridge_share'].notna().sum())} problems.",
        ),
    )  # fmt: skip


def _is_smallest(rows: pd.DataFrame) -> pd.Series:
    return rows["nuclear"] <= (1 + SAME) * rows["smallest_nuclear"]


def _share(statement: str, rule: str, rows: pd.DataFrame, holds: pd.Series, note: str) -> Claim:
    share = binomial_share(int(holds.sum()), len(rows), ERROR)
    answer = verdict(share.low, share.high, above=0.5) if len(rows) else "undecided"
    note = f"{int(holds.sum())} of {len(rows)} problems. {note}"
    return Claim(statement, RULES[rule], *share, answer, note)


def _told(results: pd.DataFrame, graph: str) -> str:
    here = results[results["graph"] == graph]
    lost = int((here["misfit"] >= FITTED).sum())
    return f"Ranks: {_counts(here['rank'])}; {lost} descents that do not fit are left out."


def _counts(ranks: pd.Series) -> str:
    counts = ranks.value_counts().sort_index()
    return ", ".join(f"{count} x {rank}" for rank, count in counts.items())


def _excess(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "None fits."
    excess = rows["nuclear"] / rows["smallest_nuclear"] - 1
    return f"Excess over it: median {excess.median():.1%}, largest {excess.max():.1%}."


def draw(results: pd.DataFrame) -> Figure:
    """Nuclear norm over the smallest one, and ranks of both methods, by graph."""
    from .figures.connectivity import connectivity_figure

    return connectivity_figure(results)
