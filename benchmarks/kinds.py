"""Columns of every kind: hidden cells of simulated mixed tables, beside an oracle and other methods.

``python benchmarks/kinds.py`` draws tables of 300 rows with five columns of each kind (number, boolean,
ordinal, category, count) from three factors and prints, for each kind, errors (root mean square over the
spread of numbers, of log(1 + count) for counts; share of wrong levels otherwise) and log losses.
IterativeImputer gets indicators and codes, and is rounded. The oracle knows the columns' loadings, thresholds
and noise, and integrates over each row's factors by importance sampling.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from scipy.stats import norm, poisson

import rankfall as rf
from rankfall.completion.solvers.level_probabilities import category_probabilities, grade_probabilities

ROWS, EACH, RANK, HIDDEN = 300, 5, 3, 0.15
# three levels beside the base one, and thresholds of four grades
UTILITIES, THRESHOLDS = 3, np.array([-1.5, -0.3, 0.8])
# draws of the factors over which the oracle integrates
DRAWS = 40_000


@dataclass(frozen=True, eq=False)
class Column:
    """A simulated column: its kind, loadings and offset, and the cells."""

    kind: str
    loadings: np.ndarray
    offset: np.ndarray
    cells: np.ndarray

    def log_likelihood(self, factors: np.ndarray) -> np.ndarray:
        """Of every cell's content given draws of the factors, shape (draws, levels) or (draws, cells)."""
        mean = factors @ self.loadings
        if self.kind == "number":
            return norm.logpdf(self.cells, mean)
        if self.kind == "count":
            return poisson.logpmf(self.cells, np.exp(0.5 * mean + self.offset))
        if self.kind == "category":
            found = category_probabilities(mean + self.offset, np.ones(UTILITIES))
        else:
            found = grade_probabilities(mean[:, 0], 1.0, self.offset)
        return np.log(np.maximum(found, 1e-300))


def simulated(seed: int) -> tuple[list[Column], np.ndarray]:
    """Columns, and which cells are hidden."""
    rng = np.random.default_rng(seed)
    U = rng.normal(size=(ROWS, RANK))
    columns: list[Column] = []
    for kind in ("number", "boolean", "ordinal", "category", "count"):
        for _ in range(EACH):
            V = rng.normal(size=(RANK, UTILITIES if kind == "category" else 1))
            latent = U @ V + rng.normal(size=(ROWS, V.shape[1]))
            offset = np.zeros(1)
            if kind == "number":
                cells = latent[:, 0]
            elif kind == "boolean":
                offset = 0.5 * rng.normal(size=1)
                cells = np.digitize(latent[:, 0], offset)
            elif kind == "ordinal":
                offset = THRESHOLDS + 0.3 * rng.normal()
                cells = np.digitize(latent[:, 0], offset)
            elif kind == "category":
                offset = 0.5 * rng.normal(size=UTILITIES)
                cells = np.column_stack([np.zeros(ROWS), latent + offset]).argmax(axis=1)
            else:
                offset = rng.uniform(0, 1.5, 1)
                cells = rng.poisson(np.exp(0.5 * (U @ V)[:, 0] + offset))
            columns.append(Column(kind, V, offset, cells))
    return columns, rng.random((ROWS, len(columns))) < HIDDEN


def as_frame(columns: list[Column], hidden: np.ndarray) -> tuple[pd.DataFrame, dict[str, str]]:
    """The table with holes, and its kinds."""
    frame, kinds = {}, {}
    for j, column in enumerate(columns):
        name = f"{column.kind}{j}"
        frame[name] = np.where(hidden[:, j], np.nan, column.cells)
        kinds[name] = column.kind
    return pd.DataFrame(frame), kinds


def oracle(columns: list[Column], hidden: np.ndarray, seed: int) -> list[np.ndarray]:
    """Probabilities of levels, or means of numbers and counts' logarithms, in every row."""
    draws = np.random.default_rng([seed, 7]).normal(size=(DRAWS, RANK))
    tables = [column.log_likelihood(draws) for column in columns]
    out = [np.zeros((ROWS, one.shape[1] if c.kind not in ("number", "count") else 1))
           for c, one in zip(columns, tables, strict=True)]  # fmt: skip
    for i in range(ROWS):
        log = np.zeros(DRAWS)
        for j, (column, table) in enumerate(zip(columns, tables, strict=True)):
            if not hidden[i, j]:
                log += table[:, i if column.kind in ("number", "count") else int(column.cells[i])]
        weights = np.exp(log - log.max())
        weights /= weights.sum()
        for j, (column, table) in enumerate(zip(columns, tables, strict=True)):
            if not hidden[i, j]:
                continue
            if column.kind == "number":
                out[j][i] = weights @ (draws @ column.loadings)[:, 0]
            elif column.kind == "count":
                rate = np.exp(0.5 * (draws @ column.loadings)[:, 0] + column.offset)
                out[j][i] = np.log1p(weights @ rate)
            else:
                out[j][i] = weights @ np.exp(table)
    return out


def rankfall(frame: pd.DataFrame, kinds: dict[str, str], seed: int) -> list[np.ndarray]:
    """The same by a completion; seconds are printed by the caller."""
    result = cast("Any", rf.complete(frame, kinds=kinds, seed=seed))
    out: list[np.ndarray] = []
    rows = np.arange(ROWS)
    for j, kind in enumerate(kinds.values()):
        if kind in ("number", "count"):
            values = result.predict(rows, j).astype(float)
            out.append((np.log1p(values) if kind == "count" else values)[:, None])
        else:
            found = result.probabilities(rows, j)
            whole = np.full((ROWS, int(max(found.columns)) + 1), 1e-12)
            whole[:, [int(level) for level in found.columns]] = found
            out.append(whole)
    return out


def marginals(frame: pd.DataFrame, kinds: dict[str, str]) -> list[np.ndarray]:
    """Frequencies of the levels, and means."""
    out: list[np.ndarray] = []
    for name, kind in kinds.items():
        seen = frame[name].dropna().to_numpy()
        if kind in ("number", "count"):
            mean = np.mean(np.log1p(seen) if kind == "count" else seen)
            out.append(np.full((ROWS, 1), mean))
        else:
            counts = np.bincount(seen.astype(int))
            out.append(np.tile(counts / counts.sum(), (ROWS, 1)))
    return out


def chained(frame: pd.DataFrame, kinds: dict[str, str]) -> list[np.ndarray]:
    """IterativeImputer on indicators of categories and codes of the rest; rounded to levels."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    parts: list[np.ndarray] = []
    for name, kind in kinds.items():
        cells = frame[name].to_numpy()
        if kind == "category":
            levels = np.arange(int(np.nanmax(cells)) + 1)
            parts.append(np.where(np.isnan(cells)[:, None], np.nan, cells[:, None] == levels))
        else:
            parts.append((np.log1p(cells) if kind == "count" else cells)[:, None])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filled = np.asarray(IterativeImputer(random_state=0, max_iter=20).fit_transform(np.hstack(parts)))
    ends = np.cumsum([0, *(part.shape[1] for part in parts)])
    out: list[np.ndarray] = []
    for j, (name, kind) in enumerate(kinds.items()):
        found = filled[:, ends[j] : ends[j + 1]]
        if kind in ("number", "count"):
            out.append(found)
            continue
        n_levels = int(frame[name].max()) + 1
        level = found.argmax(axis=1) if kind == "category" else np.clip(np.rint(found[:, 0]), 0, n_levels - 1)
        out.append(np.eye(n_levels)[level.astype(int)])
    return out


def scores(
    columns: list[Column], hidden: np.ndarray, answers: list[np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Error and log loss of each kind at the hidden cells."""
    errors: dict[str, list[np.ndarray]] = {}
    losses: dict[str, list[np.ndarray]] = {}
    for j, (column, answer) in enumerate(zip(columns, answers, strict=True)):
        here = np.flatnonzero(hidden[:, j])
        if column.kind not in ("number", "count"):  # nobody can know levels that no observed cell holds
            here = here[np.isin(column.cells[here], column.cells[~hidden[:, j]])]
        cells = column.cells[here]
        if column.kind in ("number", "count"):
            truth, found = column.cells, answer[here, 0]
            if column.kind == "count":  # all are rounded
                truth, found = np.log1p(truth), np.log1p(np.maximum(np.rint(np.expm1(found)), 0))
            errors.setdefault(column.kind, []).append((found - truth[here]) ** 2 / np.var(truth))
            continue
        found = answer[here]
        errors.setdefault(column.kind, []).append(found.argmax(axis=1) != cells)
        inside = np.minimum(cells, found.shape[1] - 1)
        known = np.where(cells < found.shape[1], found[np.arange(here.size), inside], 1e-12)
        losses.setdefault(column.kind, []).append(-np.log(np.maximum(known, 1e-12)))
    return {
        kind: (
            float(np.mean(np.concatenate(parts))) ** (1.0 if kind in losses else 0.5),
            float(np.mean(np.concatenate(losses[kind]))) if kind in losses else float("nan"),
        )
        for kind, parts in errors.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=2, help="how many tables")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    asked = parser.parse_args()
    methods = ("oracle", "rankfall", "IterativeImputer", "marginals")
    found: dict[str, list[dict[str, tuple[float, float]]]] = {name: [] for name in methods}
    seconds: list[float] = []
    for seed in range(asked.first, asked.first + asked.tables):
        columns, hidden = simulated(seed)
        frame, kinds = as_frame(columns, hidden)
        started = time.perf_counter()
        answers = {"rankfall": rankfall(frame, kinds, seed)}
        seconds.append(time.perf_counter() - started)
        answers |= {
            "oracle": oracle(columns, hidden, seed),
            "IterativeImputer": chained(frame, kinds),
            "marginals": marginals(frame, kinds),
        }
        for name in methods:
            found[name].append(scores(columns, hidden, answers[name]))
    print(f"{asked.tables} tables; rankfall takes {np.median(seconds):.1f} s each (median)")
    print(f"{'':10}" + "".join(f"{name:>18}" for name in methods))
    for kind in ("number", "count", "boolean", "ordinal", "category"):
        for place, what in enumerate(("error", "log loss")):
            values = [np.mean([one[kind][place] for one in found[name]]) for name in methods]
            if np.isfinite(values[0]):
                label = f"{kind} {what}" if place == 0 else f"  {what}"
                print(f"{label:18}" + "".join(f"{value:14.4f}" for value in values))


if __name__ == "__main__":
    main()
