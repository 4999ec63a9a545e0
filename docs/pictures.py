"""The figures of the page "How it works": made by this script, kept in docs/images.

    python docs/pictures.py [--output docs/images] [NAME ...]

All of them take half a minute. Each is an SVG below 100 kB, on a white ground, so that it can be read on a
dark page.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import rankfall as rf
from rankfall.plot.style import FALLEN, INK, KEPT, MISSING, STYLE, TRAIN, VALIDATION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SETTINGS = STYLE | {
    "svg.hashsalt": "rankfall",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "DejaVu Sans"],
}


def factors() -> Figure:
    """A table with missing cells, and the three matrices whose product fits it."""
    import matplotlib.pyplot as plt

    rng = np.random.default_rng(3)
    full = np.tanh(rng.normal(size=(12, 2)) @ rng.normal(size=(2, 10)))
    holes = np.where(rng.random(full.shape) < 0.5, full, np.nan)
    figure, axes = plt.subplots(
        1,
        4,
        figsize=(8.4, 2.9),
        width_ratios=[10, 9, 9, 11],
        layout="constrained",
    )
    span = 1.0
    shapes = [holes, rng.normal(size=(12, 8)), rng.normal(size=(8, 8)), rng.normal(size=(8, 10))]
    titles = ["observed cells", "$W_3$", "$W_2$", "$W_1$"]
    for ax, values, title in zip(axes, shapes, titles, strict=True):
        first = ax is axes[0]
        ax.pcolormesh(
            values,
            cmap="RdBu_r" if first else "PuOr",
            vmin=-span if first else -2.5,
            vmax=span if first else 2.5,
            edgecolors="white",
            linewidth=0.6,
        )
        ax.set(aspect="equal", xlim=(0 if first else -1, values.shape[1]), ylim=(12, 0))
        ax.set_title(title, loc="center")
        ax.axis("off")
    for ax, sign in zip(axes[1:], ("≈", "·", "·"), strict=True):
        ax.text(-0.6, 5, sign, fontsize=18, ha="center", va="center", color=INK)
    return figure


def barrier() -> Figure:
    """The loss of one singular value at depth 2 and 3, below and above the threshold."""
    import matplotlib.pyplot as plt

    ridge = 0.5
    s = np.linspace(0, 3.6, 1200)
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.2), sharey=True, layout="constrained")
    for ax, depth in zip(axes, (2, 3), strict=True):
        for target, colour in ((0.8, FALLEN), (1.9, VALIDATION), (2.5, KEPT)):
            loss = 0.5 * (s - target) ** 2 + ridge * depth * s ** (2 / depth) - 0.5 * target**2
            ax.plot(s, loss, color=colour, lw=2, label=f"best fit at {target}")
            lows = [0] if loss[1] > loss[0] else []
            lows += [i for i in range(1, s.size - 1) if loss[i] < loss[i - 1] and loss[i] <= loss[i + 1]]
            ax.plot(s[lows], loss[lows], "o", color=colour, ms=7)
        ax.axhline(0, color=FALLEN, lw=0.8, zorder=0)
        ax.set(xlabel="singular value", title=f"depth {depth}", ylim=(-1.3, 0.6), xlim=(-0.1, 3.6))
    axes[0].set(ylabel="loss relative to zero")
    axes[1].legend(loc="lower right", fontsize=9)
    return figure


def falls() -> Figure:
    """The singular values of one chain and the ranks of sixteen, against the step."""
    import matplotlib.pyplot as plt

    problem, _ = rf.datasets.low_rank((20, 20), rank=2, oversampling=2.5, seed=0)
    network = rf.Network.gaussian((20, 20, 20, 20), scale=1.0, seed=0)
    sgd = rf.SGD(lr=0.03, ridge=3e-3, n_steps=30_000)
    trace = rf.train(problem, network, sgd, chains=16, record=rf.Record(every=150))
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2), layout="constrained")
    values = np.maximum(trace.singular_values[0, :, :12], 1e-4)
    for index in range(values.shape[1]):
        left.semilogy(
            trace.steps, values[:, index], color=KEPT if index < 2 else FALLEN, lw=2 if index < 2 else 1
        )
    left.set(xlabel="step", title="singular values of one network", ylim=(1e-3, 50))
    shift = np.linspace(-0.15, 0.15, 16)
    for chain in range(16):
        right.plot(trace.steps, trace.rank[chain] + shift[chain], color=VALIDATION, lw=0.8, alpha=0.7)
    right.set(xlabel="step", title="rank of sixteen networks", ylim=(0, None), yticks=range(0, 17, 2))
    return figure


def stays() -> Figure:
    """The third singular value near its critical ridge: gradient descent and SGD from the same points."""
    import matplotlib.pyplot as plt

    problem, _ = rf.datasets.low_rank((20, 20), rank=2, observed=0.5, noise=0.5, seed=0)
    ridge = 0.95 * rf.theory.critical_ridge(problem, 3).ridge
    minimum = rf.theory.minima(problem, ridge=ridge, ranks=[3]).at(3)[0].network(width=20)
    lr = 2.5 / rf.theory.step_sharpness(problem, minimum)
    starts = _beside(minimum, 0.03, 16)
    settings = {"lr": lr, "ridge": ridge, "n_steps": 40_000}
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.2), sharey=True, layout="constrained")
    for ax, optimiser, name in zip(
        axes, (rf.GD(**settings), rf.SGD(**settings)), ("gradient descent", "SGD"), strict=True
    ):
        trace = rf.train(problem, starts, optimiser, record=rf.Record(every=500))
        third = trace.singular_values[:, :, 2].T
        ax.plot(trace.steps, third, color=KEPT if name != "SGD" else VALIDATION, lw=0.9, alpha=0.7)
        ranks = ", ".join(f"{n} of 16 at rank {rank}" for rank, n in _counted(trace.rank[:, -1]))
        ax.set(xlabel="step", title=f"{name}: {ranks}", xticks=range(0, 40_001, 10_000))
    axes[0].set(ylabel="third singular value", ylim=(0, None))
    return figure


def _beside(network: rf.Network, share: float, n: int) -> rf.Network:
    """Copies in which every layer is off by a share of its norm, at random."""
    rng = np.random.default_rng(0)
    layers = []
    for W in network.weights:
        noise = rng.standard_normal((n, *W.shape))
        noise *= share * np.linalg.norm(W) / np.linalg.norm(noise, axis=(1, 2), keepdims=True)
        layers.append(W + noise)
    return rf.Network(tuple(layers))


def _counted(ranks: np.ndarray) -> list[tuple[int, int]]:
    values, counts = np.unique(ranks, return_counts=True)
    return list(zip(values.tolist(), counts.tolist(), strict=True))


def choice() -> Figure:
    """The errors of the refits at every rank that was tried, on fitted and on held-out cells."""
    import matplotlib.pyplot as plt

    noisy, _ = rf.datasets.low_rank((60, 40), rank=3, observed=0.5, noise=0.4, seed=4)
    result = rf.complete(noisy, seed=0)
    path = result.path
    figure, ax = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
    ax.plot(path["rank"], path["train"], "o-", color=FALLEN, label="fitted cells")
    ax.plot(path["rank"], path["validation"], "o-", color=KEPT, label="held-out cells")
    best = path[path["chosen"]].iloc[0]
    ax.plot(best["rank"], best["validation"], "o", ms=14, mfc="none", mec=VALIDATION, mew=2, label="chosen")
    ax.set(xlabel="rank", ylabel="error (RMSE)", ylim=(0, None))
    ax.legend()
    return figure


# The steps of a completion: for every row of boxes its height, and what stands in it from left to right, as
# title and file. Columns, and the lanes that hold the rows of one folder, are drawn around them.
_WIDTH, _HEIGHT, _COLUMNS = 23.0, 7.0, (1.5, 28.5, 55.5)
_ROWS = (
    (
        58.5,
        (("Table with\nmissing cells", ""), ("Check the options,\nfix the units", "options, standardise")),
    ),
    (
        46.0,
        (
            ("SGD, rising ridge:\nthe rank falls", "descent/"),
            ("Least squares\nat that rank", "solvers/least_squares"),
            ("Cells reproduced,\nfit determined?", "exact/"),
        ),
    ),
    (
        31.0,
        (
            ("Hold cells out", "folds"),
            ("Choose the data\nand noise model", "data_model, pilot"),
            ("SGD on the other\ncells: the rank falls", "descent/"),
        ),
    ),
    (
        20.5,
        (
            ("Choose the smallest\nrank among the best", "choose_rank"),
            ("Extend upwards, bisect,\ncompare noise models", "search_ranks, choose_noise_model"),
            ("Refit every\ncandidate rank", "refit, solvers/"),
        ),
    ),
    (
        5.5,
        (
            ("Fit the chosen rank\nto all cells", "noisy/refit"),
            ("Certificate\nand warnings", "deliver/"),
            ("Completion", "result/"),
        ),
    ),
)
_LANES = (
    ("1  Exact search", "exact/", 44.5, 11.5),
    ("2  Noisy search", "noisy/", 19.0, 22.0),
    ("3  Delivery", "deliver/", 4.0, 11.5),
)


def completion() -> Figure:
    """The steps of `complete`, with the folders and files of ``rankfall/completion`` that contain them."""
    import matplotlib.pyplot as plt
    from matplotlib.patches import FancyBboxPatch

    figure, ax = plt.subplots(figsize=(8.4, 6.6), layout="constrained")
    ax.set(xlim=(0, 85), ylim=(2.5, 67))
    ax.axis("off")
    code = {"family": "monospace", "color": KEPT, "fontsize": 8}
    for title, folder, bottom, height in _LANES:
        ax.add_patch(
            FancyBboxPatch(
                (0, bottom), 80, height, boxstyle="round,pad=0,rounding_size=1", fc=MISSING, ec="none"
            )
        )
        ax.text(1.5, bottom + height - 1.9, title, weight="bold", fontsize=9, va="center")
        ax.text(78.5, bottom + height - 1.9, folder, ha="right", va="center", **code)
    for bottom, boxes in _ROWS:
        for left, (title, file) in zip(_COLUMNS, boxes, strict=False):
            style = "round,pad=0,rounding_size=0.8"
            ax.add_patch(
                FancyBboxPatch((left, bottom), _WIDTH, _HEIGHT, boxstyle=style, fc="white", ec=TRAIN)
            )
            middle = left + _WIDTH / 2
            ax.text(middle, bottom + (4.6 if file else 3.5), title, ha="center", va="center", fontsize=9)
            ax.text(middle, bottom + 1.3, file, ha="center", va="center", **code)
    second, third = (left + _WIDTH / 2 for left in _COLUMNS[1:])
    for bottom, leftwards in ((58.5, False), (46.0, False), (31.0, False), (20.5, True), (5.5, False)):
        pairs = [(_COLUMNS[0], _COLUMNS[1]), (_COLUMNS[1], _COLUMNS[2])][: 1 if bottom == 58.5 else 2]
        for a, b in pairs:
            ends = [(a + _WIDTH, bottom + 3.5), (b, bottom + 3.5)]
            _arrow(ax, ends[::-1] if leftwards else ends)
    entry = _COLUMNS[0] + 19.5  # beside the title of a lane
    _arrow(ax, [(second, 58.5), (second, 57.25), (entry, 57.25), (entry, 53)])
    _arrow(ax, [(third, 46), (third, 42.75), (entry, 42.75), (entry, 38)])
    _arrow(ax, [(third, 31), (third, 27.5)])
    _arrow(ax, [(entry, 20.5), (entry, 12.5)])
    _arrow(ax, [(78.5, 49.5), (84, 49.5), (84, 17.25), (second, 17.25), (second, 12.5)])
    ax.text(third + 1, 44.1, "no", fontsize=9, va="top")
    ax.text(82, 50, "yes", fontsize=9, ha="center", va="bottom")
    return figure


def _arrow(ax: Axes, points: list[tuple[float, float]]) -> None:
    """A line through some points, with a head at the last one."""
    x, y = zip(*points, strict=True)
    ax.plot(x[:-1], y[:-1], color=INK, lw=1.1, solid_joinstyle="miter")
    ax.annotate(
        "", points[-1], points[-2], arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.1, "shrinkA": 0}
    )


PICTURES = {
    "factors": factors,
    "barrier": barrier,
    "stays": stays,
    "falls": falls,
    "choice": choice,
    "completion": completion,
}


def main() -> None:
    import matplotlib as mpl

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "images")
    arguments = parser.parse_args()
    mpl.use("svg")
    for name in arguments.names or PICTURES:
        with mpl.rc_context(SETTINGS):
            # without the date, so that the same picture is the same file
            PICTURES[name]().savefig(arguments.output / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
