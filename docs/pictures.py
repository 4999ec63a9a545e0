"""The pictures of the page "How it works": made by this script, kept in docs/images.

    python docs/pictures.py [--output docs/images]

Half a minute. Each is an SVG below 100 kB.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import rankfall as rf
from rankfall.plot.style import FALLEN, INK, KEPT, STYLE, VALIDATION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETTINGS = STYLE | {
    "svg.hashsalt": "rankfall",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "DejaVu Sans"],
}


def factors() -> Figure:
    """A table with holes, and the chain of narrow matrices that is to explain it."""
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
    """What the loss of one singular value looks like for depth 2 and 3, below and above the threshold."""
    import matplotlib.pyplot as plt

    ridge = 0.5
    s = np.linspace(0, 3.6, 1200)
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.2), sharey=True, layout="constrained")
    for ax, depth in zip(axes, (2, 3), strict=True):
        for target, colour in ((0.8, FALLEN), (1.9, VALIDATION), (2.5, KEPT)):
            loss = 0.5 * (s - target) ** 2 + ridge * depth * s ** (2 / depth) - 0.5 * target**2
            ax.plot(s, loss, color=colour, lw=2, label=f"the data ask for {target}")
            lows = [0] if loss[1] > loss[0] else []
            lows += [i for i in range(1, s.size - 1) if loss[i] < loss[i - 1] and loss[i] <= loss[i + 1]]
            ax.plot(s[lows], loss[lows], "o", color=colour, ms=7)
        ax.axhline(0, color=FALLEN, lw=0.8, zorder=0)
        ax.set(xlabel="singular value", title=f"depth {depth}", ylim=(-1.3, 0.6), xlim=(-0.1, 3.6))
    axes[0].set(ylabel="loss, against that of zero")
    axes[1].legend(loc="lower right", fontsize=9)
    return figure


def falls() -> Figure:
    """Singular values of one chain against steps, and the ranks of sixteen."""
    import matplotlib.pyplot as plt

    problem, _ = rf.datasets.low_rank((20, 20), rank=2, oversampling=2.5, seed=0)
    net = rf.Network.gaussian((20, 20, 20, 20), scale=1.0, seed=0)
    trace = rf.train(
        problem, net, rf.SGD(lr=0.03, ridge=3e-3, n_steps=30_000), chains=16, record=rf.Record(every=150)
    )
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


def choice() -> Figure:
    """The error of the refits at every rank met, at the cells that they saw and at those held out."""
    import matplotlib.pyplot as plt

    noisy, _ = rf.datasets.low_rank((60, 40), rank=3, observed=0.5, noise=0.4, seed=4)
    result = rf.complete(noisy, seed=0)
    path = result.path
    figure, ax = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
    ax.plot(path["rank"], path["train"], "o-", color=FALLEN, label="cells that were fitted")
    ax.plot(path["rank"], path["validation"], "o-", color=KEPT, label="cells that were held out")
    best = path[path["chosen"]].iloc[0]
    ax.plot(best["rank"], best["validation"], "o", ms=14, mfc="none", mec=VALIDATION, mew=2, label="chosen")
    ax.set(xlabel="rank", ylabel="error (RMSE)", ylim=(0, None))
    ax.legend()
    return figure


PICTURES = {"factors": factors, "barrier": barrier, "falls": falls, "choice": choice}


def main() -> None:
    import matplotlib as mpl

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "images")
    arguments = parser.parse_args()
    mpl.use("svg")
    for name, draw in PICTURES.items():
        with mpl.rc_context(SETTINGS):
            # without the date, so that the same picture is the same file
            draw().savefig(arguments.output / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
