"""Study `recovery`: how often a matrix is recovered exactly, without its rank and with it.

Square Gaussian matrices of rank r, uniform masks with at least r entries in every row and column, ``rho r
(2n - r)`` entries in all. Only identifiable instances count: others are drawn again, and how many is
reported. Networks of several depths are not told the rank
(:func:`rankfall.lab.studies.common.baselines.descent`: SGD along a rising ridge, with a least-squares fit
above gaps of the spectrum); alternating least squares and Levenberg-Marquardt are, and begin at the spectral
start. Recovered means a relative error of the whole matrix below 1e-6.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ...datasets import low_rank
from ...errors import InputError
from ...geometry import UNIQUENESS_TOL, smallest_relevant
from ...problem import Problem
from ..cell import Cell
from ..claims import Claim, Verdict, verdict
from .common import baselines
from .common.intervals import binomial_share, paired_signs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

RECOVERED = 1e-6
DEEP = "depth 3"
HARD = 1.5  # oversampling up to which methods are compared
DRAWS = 200

RULES = {
    "recovers": (
        "Share of the instances with rho of 1.5 and more that depth 3 recovers: exact binomial interval. "
        "Supported if it lies above 0.8, not supported if below, undecided otherwise."
    ),
    "better": (
        "Instances with rho up to 1.5 that exactly one of the two recovers: the share that is the first "
        "one's, with its exact binomial interval (McNemar's test). Supported if it lies above one half, not "
        "supported if below, undecided otherwise."
    ),
    "rank": (
        "Share of the exact fits found without the rank (all depths) whose rank is the true one: exact "
        "binomial interval. Supported if it lies above 0.9, not supported if below, undecided otherwise."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """One row per instance and method."""
    import pandas as pd
    from threadpoolctl import threadpool_limits

    get = cell.get
    rank, rows = get("problem.rank"), []
    with threadpool_limits(limits=1, user_api="blas"):
        for number in range(get("instances")):
            problem, truth, redrawn = _instance(cell, number)
            seed = int(np.random.SeedSequence([cell.seed("sgd"), number]).generate_state(1)[0])
            fits = {
                f"depth {depth}": baselines.descent(problem, depth, get("chains"), get("effort"), seed)
                for depth in get("depths")
            }
            fits["least squares"] = baselines.alternating_least_squares(problem, rank, get("peers.sweeps"))
            fits["Levenberg-Marquardt"] = baselines.levenberg_marquardt(
                problem, rank, get("peers.iterations")
            )
            for method, fit in fits.items():
                error = (
                    math.nan
                    if fit is None
                    else float(np.linalg.norm(fit.matrix - truth) / np.linalg.norm(truth))
                )
                rows.append(
                    {
                        "size": get("problem.size"),
                        "true_rank": rank,
                        "rho": float(get("problem.oversampling")),
                        "instance": number,
                        "redrawn": redrawn,
                        "method": method,
                        "given": int(not method.startswith("depth")),
                        "found_rank": -1 if fit is None else fit.rank,
                        "residual": math.nan if fit is None else fit.residual,
                        "error": error,
                        "recovered": int(error < RECOVERED),
                    }
                )
    return pd.DataFrame(rows)


def _instance(cell: Cell, number: int) -> tuple[Problem, np.ndarray, int]:
    """An identifiable instance, and how many draws before it were not."""
    size, rank, rho = (cell.get(f"problem.{name}") for name in ("size", "rank", "oversampling"))
    for draw in range(DRAWS):
        seed = np.random.SeedSequence([cell.seed("problem"), number, draw]).generate_state(1)[0]
        problem, truth = low_rank((size, size), rank=rank, oversampling=rho, seed=int(seed))
        U, s, Vt = np.linalg.svd(truth)
        found = smallest_relevant(problem, U[:, :rank] * s[:rank], Vt[:rank].T)
        if found.orthonormal > UNIQUENESS_TOL:
            return problem, truth, draw
    raise InputError(f"None of {DRAWS} instances of rank {rank} at rho = {rho:g} was identifiable.")


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """The claims; see `RULES`."""
    methods = sorted(set(results["method"]) - {DEEP})
    return (
        _recovers(results),
        *(_better(results, DEEP, other) for other in methods if other != "depth 4"),
        *(_better(results, "depth 4", DEEP) for _ in (0,) if "depth 4" in methods),
        _right_rank(results),
    )


def _recovers(results: pd.DataFrame) -> Claim:
    chosen = results[(results["method"] == DEEP) & (results["rho"] >= HARD)]
    share = binomial_share(int(chosen["recovered"].sum()), len(chosen))
    return Claim(
        "Without the rank, depth 3 recovers identifiable instances from rho = 1.5 on.",
        RULES["recovers"],
        *share,
        _between(share.low, share.high, 0.8),
        f"{int(chosen['recovered'].sum())} of {len(chosen)} instances; "
        f"{int(results[results['method'] == DEEP]['redrawn'].sum())} draws in all were not identifiable.",
    )


def _better(results: pd.DataFrame, first: str, other: str) -> Claim:
    hard = results[results["rho"] <= HARD]
    pairs = hard.pivot_table(
        index=["size", "true_rank", "rho", "instance"], columns="method", values="recovered"
    )
    a, b = (pairs[name].to_numpy() if name in pairs else np.zeros(len(pairs)) for name in (first, other))
    share = paired_signs(int(np.sum((a == 1) & (b == 0))), int(np.sum((a == 0) & (b == 1))))
    given = "" if other.startswith("depth") else ", which is given the rank"
    return Claim(
        f"Near the limit, {first} recovers more than {other}{given}.",
        RULES["better"],
        *share,
        _between(share.low, share.high, 0.5),
        f"{int(a.sum())} against {int(b.sum())} of {len(pairs)} instances with rho up to 1.5.",
    )


def _right_rank(results: pd.DataFrame) -> Claim:
    found = results[(results["given"] == 0) & (results["found_rank"] >= 0)]
    right = int((found["found_rank"] == found["true_rank"]).sum())
    share = binomial_share(right, len(found))
    return Claim(
        "An exact fit found without the rank has the true one.",
        RULES["rank"],
        *share,
        _between(share.low, share.high, 0.9),
        f"{right} of {len(found)} exact fits.",
    )


def _between(low: float, high: float, threshold: float) -> Verdict:
    """Above or below a threshold; an interval that touches it decides nothing."""
    if low == threshold or high == threshold:
        return "undecided"
    return verdict(low, high, above=threshold)


def shares(results: pd.DataFrame) -> pd.DataFrame:
    """One row per method, rank and rho: the share recovered with its interval."""
    import pandas as pd

    rows = []
    for (method, rank, rho), group in results.groupby(["method", "true_rank", "rho"]):
        share = binomial_share(int(group["recovered"].sum()), len(group))
        row = {
            "method": method,
            "rank": rank,
            "rho": rho,
            "instances": len(group),
            "size": group["size"].iloc[0],
        }
        rows.append({**row, "share": share.estimate, "low": share.low, "high": share.high})
    return pd.DataFrame(rows)


def draw(results: pd.DataFrame) -> Figure:
    """Share recovered against rho, one panel per rank."""
    from .figures.recovery import recovery_figure

    return recovery_figure(shares(results))
