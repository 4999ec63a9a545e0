"""Study `label-noise`: depth two, no ridge, and noise that is drawn anew with every label.

Varre, Sagitova and Flammarion ("SGD vs GD: rank deficiency in linear networks", NeurIPS 2024) show for
two-layer linear networks in continuous time that gradient descent keeps the rank of the weights and that SGD
with label noise lowers it, through the determinant of a matrix of parameters. Here that matrix is the Gram
matrix of ``Z = [W_1 | W_2^T]``, and the *log volume* is half the logarithm of its determinant, the sum of the
logarithms of the singular values of Z.

A label ``x_ij +- sigma`` with a random sign is an entry that is listed twice, so the kernels need no option
for it. The matrix is fully observed and has low rank: without label noise the residuals vanish, and SGD
stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...datasets import low_rank
from ...dynamics import GD, SGD, Record, train
from ...measures import RANK_TOL
from ...network import Network
from ...problem import Problem
from ..cell import Cell
from ..claims import Claim, verdict
from .common.chains import fastest
from .common.intervals import Interval, binomial_share, paired_signs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ERROR = 0.05
ROUNDING = 1e-12  # of the largest singular value of Z: smaller ones are rounding
KEPT = 0.1  # of the smallest singular value of Z, which gradient descent must not fall below

RULES = {
    "keeps": (
        "Share of problems in which the smallest singular value of Z at the end of gradient descent is more "
        "than a tenth of that at the start, exact 95% binomial interval. Supported if it lies above 1/2, not "
        "supported if below, undecided otherwise."
    ),
    "volume": (
        "Change of the log volume of Z per step from the first record after the start to the last one at "
        "which its singular values are above rounding (1e-12 of the largest), mean over the chains of a "
        "problem that did not diverge; mean over problems with its 95% Student interval, the problem being "
        "the unit. Supported if it lies below 0, not supported if above, undecided otherwise."
    ),
    "deficient": (
        "Share of problems in which more than half of the chains that did not diverge end with a numerical "
        "rank of Z (singular values above 0.1 of the largest, the square root of 1e-2) equal to the rank of "
        "the matrix, exact 95% binomial interval. Supported if it lies above 1/2, not supported if below, "
        "undecided otherwise."
    ),
    "without": (
        "Paired by problem: share, among the problems whose mean numerical rank of Z at the end differs, in "
        "which it is lower with the largest label noise than without any, exact 95% binomial interval "
        "(McNemar). Supported if it lies above 1/2, not supported if below, undecided otherwise."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """One row per chain and record (``method`` "SGD"), two per problem of gradient descent ("GD")."""
    import pandas as pd

    return pd.concat([_one(cell, k) for k in range(cell.get("problems"))], ignore_index=True)


def _one(cell: Cell, index: int) -> pd.DataFrame:
    import pandas as pd

    get = cell.get
    size, rank, n_steps = get("problem.size"), get("problem.rank"), get("n_steps")
    clean, truth = low_rank((size, size), rank=rank, observed=1.0, seed=cell.seed(f"problem {index}"))
    unit = np.sqrt(np.mean(truth**2))
    clean = Problem(clean.rows, clean.cols, clean.values / unit, clean.shape)
    start = Network.gaussian([size] * 3, scale=1.0, seed=cell.seed(f"start {index}"))
    lr = get("optimiser.relative_lr") / fastest(clean, Network.lift(truth / unit, depth=2))
    record = Record(every=get("every"), what=("rank", "hidden_singular_values"))
    sgd = train(
        with_label_noise(clean, get("problem.label_noise")),
        start,
        SGD(lr=lr, ridge=0.0, n_steps=n_steps),
        chains=get("chains"),
        # the same cells in the same order, and the same signs, at every size of the noise
        seed=cell.seed(f"sgd {index}"),
        record=record,
        n_threads=1,
    )
    steps = get("descent.n_steps")
    gd = train(
        clean, start, GD(lr=lr, ridge=0.0, n_steps=steps), record=Record(every=steps, what=record.what),
        n_threads=1,
    )  # fmt: skip
    tables = []
    for method, trace in (("SGD", sgd), ("GD", gd)):
        s = trace.hidden_singular_values[:, :, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            columns = {
                "volume": np.log(s).sum(axis=-1),
                "smallest": s[..., -1],
                "largest": s[..., 0],
                "hidden_rank": (s > np.sqrt(RANK_TOL) * s[..., :1]).sum(axis=-1),
                "rank": trace.rank,
            }
        rows = {name: values.ravel() for name, values in columns.items()}
        rows["chain"] = np.repeat(np.arange(trace.n_chains), trace.steps.size)
        rows["step"] = np.tile(trace.steps, trace.n_chains)
        rows["diverged"] = np.repeat(trace.diverged.astype(int), trace.steps.size)
        tables.append(pd.DataFrame(rows).assign(method=method))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(problem=index, true_rank=rank, noise=float(get("problem.label_noise")), lr=lr)


def with_label_noise(problem: Problem, sigma: float) -> Problem:
    """Every entry twice, with `sigma` added to its value and subtracted: a random draw has a random sign."""
    rows, cols = (np.repeat(each, 2) for each in (problem.rows, problem.cols))
    signs = np.tile([1.0, -1.0], problem.n_observed)
    return Problem(rows, cols, np.repeat(problem.values, 2) + sigma * signs, problem.shape)


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """Whether gradient descent keeps the rank of Z, and label noise lowers it."""
    sgd = results[(results["method"] == "SGD") & (results["diverged"] == 0)]
    noisy = sorted(noise for noise in sgd["noise"].unique() if noise > 0)
    return (
        _keeps(results[results["method"] == "GD"]),
        *(_volume(sgd[sgd["noise"] == noise], noise) for noise in noisy),
        *(_deficient(sgd[sgd["noise"] == noise], noise) for noise in noisy),
        _without(sgd),
    )


def _ends(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["step"] == rows["step"].max()]


def _keeps(rows: pd.DataFrame) -> Claim:
    # gradient descent knows nothing of the label noise: one run for each problem
    once = rows[rows["noise"] == rows["noise"].min()]
    first, last = (
        once[once["step"] == step].set_index("problem")["smallest"]
        for step in (once["step"].min(), once["step"].max())
    )
    ratio = last / first
    share = binomial_share(int((ratio > KEPT).sum()), len(ratio), ERROR)
    return Claim(
        "Gradient descent at depth two without ridge keeps the rank of Z.",
        RULES["keeps"],
        *share,
        verdict(share.low, share.high, above=0.5),
        f"Smallest singular value of Z, end over start: {ratio.min():.2f} to {ratio.max():.2f}.",
    )


def _volume(rows: pd.DataFrame, noise: float) -> Claim:
    kept = rows[(rows["step"] > 0) & (rows["smallest"] > ROUNDING * rows["largest"])].sort_values("step")
    ends = kept.groupby(["problem", "chain"])[["step", "volume"]].agg(["first", "last"])
    ends = ends[ends["step", "last"] > ends["step", "first"]]
    change = ends["volume", "last"] - ends["volume", "first"]
    of_chain = change / (ends["step", "last"] - ends["step", "first"])
    slopes = of_chain.groupby("problem").mean().to_numpy()
    interval = student(slopes, ERROR)
    down = int((slopes < 0).sum())
    told = (
        f"It falls in {down} of {len(slopes)} problems, by {-interval.estimate * 1e6:.3g} per million steps."
    )
    return Claim(
        f"SGD with label noise {noise:g} lowers the volume of Z on and on.",
        RULES["volume"],
        *interval,
        verdict(interval.low, interval.high, below=0.0) if len(slopes) > 1 else "undecided",
        told if len(slopes) else "No two records lie between the start and rounding.",
    )


def student(values: np.ndarray, error: float) -> Interval:
    """Mean of independent values with Student's interval."""
    from scipy.stats import t

    n = values.size
    mean = float(np.mean(values)) if n else float("nan")
    if n < 2:
        return Interval(mean, -np.inf, np.inf)
    reach = float(t.ppf(1 - error / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
    return Interval(mean, mean - reach, mean + reach)


def _deficient(rows: pd.DataFrame, noise: float) -> Claim:
    ends = _ends(rows)
    mostly = (ends["hidden_rank"] == ends["true_rank"]).groupby(ends["problem"]).mean() > 0.5
    share = binomial_share(int(mostly.sum()), len(mostly), ERROR)
    counts = ends["hidden_rank"].value_counts().sort_index()
    return Claim(
        f"With label noise {noise:g} the rank of Z falls to that of the matrix.",
        RULES["deficient"],
        *share,
        verdict(share.low, share.high, above=0.5),
        f"Ranks of Z at the end: {', '.join(f'{n} x {rank}' for rank, n in counts.items())}.",
    )


def _without(sgd: pd.DataFrame) -> Claim:
    means = _ends(sgd).groupby(["problem", "noise"])["hidden_rank"].mean().unstack("noise")
    least, most = (float(each) for each in (min(means.columns), max(means.columns)))
    lower, higher = int((means[most] < means[least]).sum()), int((means[most] > means[least]).sum())
    share = paired_signs(lower, higher, ERROR)
    usable = least == 0 < most and lower + higher > 0
    return Claim(
        "Without label noise SGD ends at a higher rank of Z.",
        RULES["without"],
        *share,
        verdict(share.low, share.high, above=0.5) if usable else "undecided",
        f"Mean ranks of Z: {means[least].mean():.2f} at noise {least:g}, {means[most].mean():.2f} at "
        f"{most:g}.",
    )


def draw(results: pd.DataFrame) -> Figure:
    """Log volume and rank of Z against steps, by label noise."""
    from .figures.label_noise import label_noise_figure

    return label_noise_figure(results)
