"""Study `ring-array`: an operator that commutes with rotations, completed from few cells.

A ring of n sensors with c channels each has mutual couplings A, nc x nc, that commute with the rotations
``C_n``; here A has rank one in every irrep. Methods, on the same cells:

- "equivariant": a deep linear network in block form;
- "filled, least squares": every observed orbit filled with its mean, then alternating least squares that is
  told the rank of A;
- "cells, least squares": the same without filling;
- "filled, network" and "cells, network" (small ring): whole networks of the same depth, ridge and scale.

The error is relative, on cells of orbits without an observed cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ...dynamics import GD, Geometric, Record, train
from ...network import Network
from ...problem import Problem
from ...symmetry import EquivariantMaps, EquivariantNetwork, Group, fill_orbits, fit_rank
from ...symmetry import train as train_blocks
from ..cell import Cell
from ..claims import Claim, verdict
from .common.intervals import binomial_share
from .common.operators import channels_of, low_rank_operator, relative_error, some_cells, unseen_cells

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

EQUIVARIANT = "equivariant"
METHODS = (
    EQUIVARIANT,
    "filled, least squares",
    "filled, network",
    "cells, network",
    "cells, least squares",
)
SMALL, LARGE = 0.02, 0.8
CELLS = 600

RULES = {
    "completes": (
        "Share of the rings of 16 sensors with 600 observed cells whose error on unseen orbits is below "
        "0.02, exact 95% binomial interval. Supported if it lies above 1/2, not supported if below, "
        "undecided otherwise."
    ),
    "ranks": (
        "Share of the rings of 16 sensors with 600 observed cells that end with rank one in every irrep, "
        "exact 95% binomial interval. Supported if it lies above 1/2, not supported if below, undecided "
        "otherwise."
    ),
    "plain": (
        "Share of the rings, all sizes and numbers of cells, for which every method without filling has an "
        "error above 0.8, exact 95% binomial interval. Supported if it lies above 1/2, not supported if "
        "below, undecided otherwise."
    ),
    "filling": (
        "Share of the small rings in which a whole network on filled orbits has an error below twice that of "
        "the equivariant one, exact 95% binomial interval. Supported if it lies above 1/2, not supported if "
        "below, undecided otherwise."
    ),
    "told": (
        "Share of the rings, all sizes and numbers of cells, in which least squares on filled orbits, told "
        "the rank, has a smaller error than the equivariant network, exact 95% binomial interval. Supported "
        "if it lies above 1/2, not supported if below, undecided otherwise."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """One row per operator and method."""
    import pandas as pd

    return pd.DataFrame([row for k in range(cell.get("repeats")) for row in _repeat(cell, k)])


def _repeat(cell: Cell, index: int) -> Iterator[dict[str, float | str]]:
    get = cell.get
    rho = channels_of(Group.cyclic(get("ring.sensors")), get("ring.channels"))
    maps = EquivariantMaps.between(rho, rho)
    A = low_rank_operator(maps, get("ring.rank"), cell.seed(f"operator {index}"))
    problem = some_cells(A, get("cells"), cell.seed(f"cells {index}"))
    hidden = unseen_cells(problem, rho, rho)
    rank = get("ring.rank") * sum(each.dimension for each in maps.irreps)
    filled = fill_orbits(problem, rho, rho)
    shared = {
        "repeat": index,
        "size": len(A),
        "observed": get("cells"),
        "freedom": maps.degrees_of_freedom,
        "filled_cells": filled.n_observed,
    }

    def row(method: str, found: np.ndarray, as_true: bool = False) -> dict[str, float | str]:
        error = relative_error(found, A, hidden)
        return {**shared, "method": method, "error": error, "true_ranks": int(as_true)}

    seed = cell.seed(f"start {index}")
    net = EquivariantNetwork.gaussian(maps, depth=get("network.depth"), scale=get("network.scale"), seed=seed)
    trace = train_blocks(problem, net, _descent(cell), every=get("optimiser.n_steps"))
    last = trace.networks[0]
    found = np.full(A.shape, np.nan) if last is None else last.product()
    as_true = all(ranks[0, -1] == get("ring.rank") for ranks in trace.ranks.values())
    yield row(EQUIVARIANT, found, as_true)
    yield row("filled, least squares", fit_rank(filled, rank, seed=seed))
    yield row("cells, least squares", fit_rank(problem, rank, seed=seed))
    if get("networks"):
        for name, observed in (("filled, network", filled), ("cells, network", problem)):
            yield row(name, _whole_network(cell, observed, seed))


def _descent(cell: Cell) -> GD:
    get = cell.get
    ridge, n_steps = get("optimiser.ridge"), get("optimiser.n_steps")
    falling = Geometric(get("optimiser.annealing") * ridge, ridge, n_steps // 2)
    return GD(lr=get("optimiser.lr"), ridge=falling, n_steps=n_steps)


def _whole_network(cell: Cell, problem: Problem, seed: int) -> np.ndarray:
    get = cell.get
    widths = [problem.n_cols] * get("network.depth") + [problem.n_rows]
    start = Network.gaussian(widths, scale=get("network.scale"), seed=seed)
    every = Record(every=get("optimiser.n_steps"), what=())
    trace = train(problem, start, _descent(cell), record=every, n_threads=1)
    return np.full(problem.shape, np.nan) if trace.diverged[0] else trace.final().product()


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """What the equivariant network reaches, what nothing else reaches, and what filling does as well."""
    largest = results[(results["observed"] == CELLS) & (results["method"] == EQUIVARIANT)]
    errors = _by_ring(results)
    ours = errors[EQUIVARIANT]
    without = errors[[name for name in errors if str(name).startswith("cells")]]
    small = errors.dropna(subset=["filled, network"]) if "filled, network" in errors else errors.iloc[:0]
    told = errors["filled, least squares"]
    return (
        _share(
            "An equivariant network completes a 128 x 128 operator of 16 sensors from 600 cells.",
            "completes",
            largest["error"] < SMALL,
            f"Median error {largest['error'].median():.2g}." if len(largest) else "",
        ),
        _share(
            "It finds the true rank of every irrep without being told.",
            "ranks",
            largest["true_ranks"] == 1,
        ),
        _share(
            "Without the symmetry nothing is learnt of the unseen cells.",
            "plain",
            without.min(axis=1) > LARGE,
            f"Smallest error {float(without.to_numpy().min()):.3g}." if len(without) else "",
        ),
        _share(
            "A whole network trained on filled orbits is about as accurate.",
            "filling",
            small.get("filled, network", told.iloc[:0]) < 2 * small[EQUIVARIANT],
            _medians(small, (EQUIVARIANT, "filled, network")),
        ),
        _share(
            "Least squares on filled orbits that is told the rank is more accurate.",
            "told",
            told < ours,
            _medians(errors, (EQUIVARIANT, "filled, least squares")),
        ),
    )


def _by_ring(results: pd.DataFrame) -> pd.DataFrame:
    """Errors, one row per ring and one column per method."""
    return results.pivot_table(
        index=["size", "observed", "repeat"], columns="method", values="error", aggfunc="first"
    )


def _medians(errors: pd.DataFrame, methods: tuple[str, ...]) -> str:
    parts = [f"{name} {errors[name].median():.2g}" for name in methods if name in errors and len(errors)]
    return f"Median errors: {', '.join(parts)}." if parts else ""


def _share(statement: str, rule: str, true: pd.Series, note: str = "") -> Claim:
    share = binomial_share(int(true.sum()), len(true))
    outcome = verdict(share.low, share.high, above=0.5) if len(true) else "undecided"
    counted = f"{int(true.sum())} of {len(true)}."
    return Claim(statement, RULES[rule], *share, outcome, f"{counted} {note}".strip())


def draw(results: pd.DataFrame) -> Figure:
    """Errors on unseen orbits against the number of observed cells, one panel per size."""
    from .figures.ring_array import ring_array_figure

    return ring_array_figure(results, METHODS)
