"""Study `stochastic-collapse`: a warm-up with noise, then a drop of the learning rate.

Chen, Kunin, Yamamura and Ganguli ("Stochastic collapse: how gradient noise attracts SGD dynamics towards
simpler subnetworks", NeurIPS 2023) find that SGD is drawn to sets that its steps do not leave, among them
those of networks with fewer neurons, that more noise draws more strongly, and that this is why early training
with a large learning rate helps on new inputs. Here a student ``W_2 W_1`` of hidden width 64 learns a teacher
of rank 8 from 1024 samples with label noise, which stay the same, so that every direction beyond the
teacher's fits noise. There is no ridge.

Each student is trained with a warm-up and, from the same weights and for as many steps, without one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..cell import Cell
from ..claims import Claim, verdict
from .common.intervals import binomial_share, paired_signs
from .common.student import Samples, train_student

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ERROR = 0.05
RANK_TOL = 0.05  # of the largest singular value of W_2 W_1; those that only fit noise lie about 0.1 of it
ALIKE = 0.01  # relative difference of two errors up to which a warm-up makes none

RULES = {
    "simpler": (
        "Paired by teacher: share, among the teachers whose ranks (singular values of W_2 W_1 above 0.05 of "
        "the largest) after warm-up and drop differ, in which the smallest batch ends at the lower rank than "
        "the batch of all samples, exact 95% binomial interval. Supported if it lies above 1/2, not "
        "supported if below, undecided otherwise or if none differs."
    ),
    "ordered": (
        "Share of teachers for which this rank does not fall from any batch size to the next larger one, and "
        "is larger at the last than at the first: exact 95% binomial interval. Supported if it lies above "
        "1/2, not supported if below, undecided otherwise."
    ),
    "teacher": (
        "Share of teachers whose rank is that of the student with the smallest batch after warm-up and drop, "
        "exact 95% binomial interval. Supported if it lies above 1/2, not supported if below, undecided "
        "otherwise."
    ),
    "helps": (
        "Paired by teacher, at the smallest batch: share in which the error on new inputs is smaller with "
        "the warm-up than without, exact 95% binomial interval; a student that diverged counts as the worse "
        "one. Supported if it lies above 1/2, not supported if below, undecided otherwise."
    ),
    "full": (
        "Share of teachers for which the errors of the batch of all samples with and without warm-up differ "
        "by at most 1%, exact 95% binomial interval. Supported if it lies above 1/2, not supported if below, "
        "undecided otherwise."
    ),
    "descent": (
        "Paired by teacher: share in which the error on new inputs of the smallest batch with warm-up is "
        "smaller than that of gradient descent without, exact 95% binomial interval. Supported if it lies "
        "above 1/2, not supported if below, undecided otherwise."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """Two rows per teacher: with the warm-up and without."""
    import pandas as pd

    return pd.DataFrame([row for k in range(cell.get("repeats")) for row in _repeat(cell, k)])


def _repeat(cell: Cell, index: int) -> list[dict[str, float]]:
    get = cell.get
    size, width, rank = get("problem.size"), get("network.width"), get("problem.rank")
    samples = Samples.draw(
        size, rank, get("problem.samples"), get("problem.label_noise"), cell.seed(f"samples {index}")
    )
    rng = np.random.default_rng(cell.seed(f"start {index}"))
    scale = get("network.scale") / np.sqrt(size)
    start = (scale * rng.standard_normal((width, size)), scale * rng.standard_normal((size, width)))
    batch_size, lr = get("optimiser.batch_size"), get("optimiser.lr")
    small = lr / get("optimiser.drop")
    rows = []
    for warmed in (1, 0):
        # the same samples in the same order with and without
        noise = np.random.default_rng(cell.seed(f"batches {index} {batch_size}"))
        with np.errstate(over="ignore", invalid="ignore"):  # of students that diverge
            warm = train_student(
                samples, start, lr if warmed else small, get("optimiser.warm_up"), batch_size, noise
            )
            end = train_student(samples, warm, small, get("optimiser.n_steps"), batch_size, noise)
        row: dict[str, float] = {"repeat": index, "warmed": warmed, "true_rank": rank}
        for name, (W1, W2) in (("warm", warm), ("end", end)):
            row |= _facts(samples, W2 @ W1, name)
        rows.append(row)
    return rows


def _facts(samples: Samples, W: np.ndarray, name: str) -> dict[str, float]:
    """Rank and error of a student; -1 and infinite if it diverged."""
    if not np.isfinite(W).all():
        return {f"{name}_rank": -1, f"{name}_error": np.inf}
    s = np.linalg.svd(W, compute_uv=False)
    return {f"{name}_rank": int((s > RANK_TOL * s[0]).sum()), f"{name}_error": samples.error(W)}


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """Whether noise makes the student simpler, and whether that helps it."""
    sizes = sorted(results["optimiser.batch_size"].unique())
    ranks = _table(results, "end_rank", warmed=1)
    errors, plain = _table(results, "end_error", warmed=1), _table(results, "end_error", warmed=0)
    alive = ranks[(ranks >= 0).all(axis="columns")]
    few, full = sizes[0], sizes[-1]
    true = results.groupby("repeat")["true_rank"].first()
    steps = alive.diff(axis="columns").iloc[:, 1:]
    ordered = (steps >= 0).all(axis="columns") & (alive[full] > alive[few])
    means = ", ".join(f"{size}: {alive[size].mean():.1f}" for size in sizes)
    changed = (errors[full] / plain[full] - 1).abs()
    return (
        _paired(
            "After warm-up and drop, single samples leave a student of lower rank than gradient descent.",
            "simpler", alive[few] < alive[full], alive[few] > alive[full], f"Mean ranks by batch: {means}.",
        ),
        _share(
            "The larger the batch, the higher the rank.",
            "ordered", ordered, f"Batches of {', '.join(map(str, sizes))}.",
        ),
        _share(
            "With single samples the rank falls to that of the teacher.",
            "teacher", alive[few] == true[alive.index],
            f"Ranks: {', '.join(f'{rank:g}' for rank in alive[few])}.",
        ),
        _paired(
            "With single samples the warm-up lowers the error on new inputs.",
            "helps", errors[few] < plain[few], errors[few] > plain[few],
            f"Median errors {errors[few].median():.4f} with, {plain[few].median():.4f} without.",
        ),
        _share(
            "For gradient descent the warm-up makes no difference.",
            "full", changed <= ALIKE, f"Largest difference {changed.max():.2%}.",
        ),
        _paired(
            "Single samples with a warm-up have a lower error on new inputs than gradient descent.",
            "descent", errors[few] < plain[full], errors[few] > plain[full],
            f"Median errors {errors[few].median():.4f} and {plain[full].median():.4f}.",
        ),
    )  # fmt: skip


def _table(results: pd.DataFrame, name: str, warmed: int) -> pd.DataFrame:
    """A row for each teacher, a column for each batch size."""
    rows = results[results["warmed"] == warmed]
    return rows.pivot(index="repeat", columns="optimiser.batch_size", values=name)


def _paired(statement: str, rule: str, better: pd.Series, worse: pd.Series, note: str) -> Claim:
    wins, losses = int(better.sum()), int(worse.sum())
    share = paired_signs(wins, losses, ERROR)
    answer = verdict(share.low, share.high, above=0.5) if wins + losses else "undecided"
    return Claim(statement, RULES[rule], *share, answer, f"{wins} teachers for, {losses} against. {note}")


def _share(statement: str, rule: str, holds: pd.Series, note: str) -> Claim:
    share = binomial_share(int(holds.sum()), len(holds), ERROR)
    answer = verdict(share.low, share.high, above=0.5) if len(holds) else "undecided"
    return Claim(statement, RULES[rule], *share, answer, f"{int(holds.sum())} of {len(holds)}. {note}")


def draw(results: pd.DataFrame) -> Figure:
    """Rank and error after the drop against the batch size, with and without warm-up."""
    from .figures.stochastic_collapse import stochastic_collapse_figure

    return stochastic_collapse_figure(results.rename(columns={"optimiser.batch_size": "batch_size"}))
