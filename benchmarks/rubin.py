"""Do pooled intervals from draws cover? Rubin's rules on simulated tables with 30% of the cells missing.

    python benchmarks/rubin.py
    python benchmarks/rubin.py --tables 150 --peer-tables 50 --first 1000 --json rubin.json

A table has 100 rows and 8 columns, ``x_ij = mu_j + u_i . v_j + e_ij`` with two factors; u, v and mu are
standard normal, e normal with standard deviation 0.7. Of each table 30% of the cells are hidden: at random
(MCAR), or in columns 3 to 8 with a probability that rises with the first two, which are observed (MAR:
logistic, 2/5 of the cells of those columns). From each completed table come a mean (column 8), a
correlation (7 and 8, by Fisher's z) and a coefficient of the regression of column 8 on 6 and 7, with
variances as if nothing had been missing.

Coverage is the share of tables whose 95% interval holds the value of the population. ``rankfall``: 20 draws,
pooled. ``single``: rankfall's completion taken for data. ``iterative``: scikit-learn's
IterativeImputer(sample_posterior=True) from 20 seeds, pooled. ``complete``: nothing hidden. The standard
error of a coverage of 95% from T tables is ``sqrt(0.0475 / T)``. The widths are means relative to
``complete``.

With ``--json`` the file is written after every table; tables that it holds are not run again.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import rankfall as rf

SHAPE, RANK, NOISE = (100, 8), 2, 0.7
MISSING, DRAWS, COVERAGE = 0.3, 20, 0.95
WAYS = ("MCAR", "MAR")
# slope of the logistic function by which the first two columns hide cells of the others
SLOPE = 1.0
ESTIMANDS = ("mean", "correlation", "coefficient")
METHODS = ("complete", "rankfall", "single", "iterative")

Analysis = list[tuple[float, float, float]]  # estimate, variance, degrees of freedom of each estimand


def make(number: int, way: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A table, the same with holes, and the values of the estimands in the population."""
    m, n = SHAPE
    rng = np.random.default_rng([2026, number, WAYS.index(way)])
    loadings, mu = rng.standard_normal((n, RANK)), rng.standard_normal(n)
    table = mu + rng.standard_normal((m, RANK)) @ loadings.T + NOISE * rng.standard_normal(SHAPE)
    covariance = loadings @ loadings.T + NOISE**2 * np.eye(n)
    z = np.arctanh(covariance[6, 7] / np.sqrt(covariance[6, 6] * covariance[7, 7]))
    slopes = np.linalg.solve(covariance[5:7, 5:7], covariance[5:7, 7])
    truth = np.array([mu[7], z, slopes[1]])
    chance = np.full(SHAPE, MISSING)
    if way == "MAR":
        standard = (table[:, :2] - mu[:2]) / np.sqrt(np.diag(covariance)[:2])
        slope = SLOPE * standard.sum(axis=1)
        share = MISSING * n / (n - 2)
        offset = _offset(slope, share)
        chance[:, :2], chance[:, 2:] = 0.0, (1 / (1 + np.exp(-slope - offset)))[:, None]
    hidden = rng.random(SHAPE) < chance
    return table, np.where(hidden, np.nan, table), truth


def _offset(slope: np.ndarray, share: float) -> float:
    """What makes the mean of the logistic function a given share."""
    from scipy.optimize import brentq

    return float(brentq(lambda a: np.mean(1 / (1 + np.exp(-slope - a))) - share, -20, 20))  # type: ignore[arg-type]


def analysed(table: np.ndarray) -> Analysis:
    """Estimates from a completed table, with variances and degrees of freedom as if it were data."""
    m = table.shape[0]
    x, y = table[:, 5:7], table[:, 7]
    z = np.arctanh(np.corrcoef(table[:, 6], y)[0, 1])
    design = np.column_stack([np.ones(m), x])
    inverse = np.linalg.inv(design.T @ design)
    slopes = inverse @ design.T @ y
    variance = np.sum((y - design @ slopes) ** 2) / (m - 3)
    return [
        (float(y.mean()), float(y.var(ddof=1) / m), m - 1),
        (float(z), 1 / (m - 3), np.inf),
        (float(slopes[2]), float(variance * inverse[2, 2]), m - 3),
    ]


def intervals(tables: Sequence[np.ndarray]) -> list[tuple[float, float]]:
    """Intervals of the estimands from one completed table, or from several, pooled."""
    from scipy.stats import norm, t

    found = [analysed(table) for table in tables]
    out = []
    for k in range(len(ESTIMANDS)):
        estimates, variances = ([analysis[k][part] for analysis in found] for part in (0, 1))
        dof = found[0][k][2]
        if len(tables) > 1:
            pooled: Any = rf.pool(estimates, variances, dof_complete=None if np.isinf(dof) else dof)
            out.append(pooled.interval(COVERAGE))
            continue
        tail = (1 + COVERAGE) / 2
        half = (norm.ppf(tail) if np.isinf(dof) else t.ppf(tail, dof)) * np.sqrt(variances[0])
        out.append((estimates[0] - half, estimates[0] + half))
    return out


def by_rankfall(holes: np.ndarray, number: int) -> dict[str, Any]:
    """Intervals from draws and from the completion, and what was found."""
    # a row may have lost all of its cells: it is drawn from what the model believes of any row
    result = rf.complete(holes, seed=number, fill="effects")
    return {
        "rankfall": intervals(list(result.draws(DRAWS, seed=number))),
        "single": intervals([result.to_dense()]),
        "rank": result.rank,
        "effects": result.settings["effects"],
    }


def by_iterative(holes: np.ndarray, number: int) -> list[tuple[float, float]]:
    """Intervals by scikit-learn's chained Bayesian regressions."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    tables = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for draw in range(DRAWS):
            imputer = IterativeImputer(sample_posterior=True, random_state=1000 * number + draw)
            tables.append(imputer.fit_transform(holes))
    return intervals(tables)


def run(number: int, way: str, with_peer: bool) -> dict[str, Any]:
    """All methods on one table."""
    table, holes, truth = make(number, way)
    started = time.perf_counter()
    found = {"complete": intervals([table]), **by_rankfall(holes, number)}
    if with_peer:
        found["iterative"] = by_iterative(holes, number)
    covered = {
        method: [bool(low <= value <= high) for (low, high), value in zip(found[method], truth, strict=True)]
        for method in METHODS
        if method in found
    }
    widths = {method: [high - low for low, high in found[method]] for method in covered}
    return {
        "covered": covered,
        "widths": widths,
        "rank": found["rank"],
        "effects": found["effects"],
        "seconds": time.perf_counter() - started,
    }


def lines(way: str, records: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each method: coverages, and widths relative to those without missing cells."""
    out = []
    full = np.mean([record["widths"]["complete"] for record in records], axis=0)
    for method in METHODS:
        own = [record for record in records if method in record["covered"]]
        if not own:
            continue
        coverage = np.mean([record["covered"][method] for record in own], axis=0)
        width = np.mean([record["widths"][method] for record in own], axis=0) / full
        cells = "  ".join(
            f"{name} {share:5.1%} (width {wide:4.2f})"
            for name, share, wide in zip(ESTIMANDS, coverage, width, strict=True)
        )
        out.append(f"{way:5s} {method:10s} {len(own):4d} tables  {cells}")
    ranks = np.bincount([record["rank"] for record in records])
    out.append(f"{way:5s} ranks found: " + ", ".join(f"{k}: {count}" for k, count in enumerate(ranks)))
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=int, default=20, help="of each way to hide cells")
    parser.add_argument("--peer-tables", type=int, default=5, help="of these, for IterativeImputer")
    parser.add_argument("--first", type=int, default=0, help="number of the first table")
    parser.add_argument("--json", type=Path, default=None, help="results, which are taken up again")
    asked = parser.parse_args(arguments)
    known: dict[str, Any] = {}
    if asked.json is not None and asked.json.exists():
        known = json.loads(asked.json.read_text())
    for place in range(asked.tables):
        for way in WAYS:
            number, with_peer = asked.first + place, place < asked.peer_tables
            name = f"{way} {number}"
            if name in known and (not with_peer or "iterative" in known[name]["covered"]):
                continue
            known[name] = run(number, way, with_peer)
            if asked.json is not None:
                asked.json.write_text(json.dumps(known))
    numbers = range(asked.first, asked.first + asked.tables)
    for way in WAYS:
        print("\n".join(lines(way, [known[f"{way} {number}"] for number in numbers])))


if __name__ == "__main__":
    main()
