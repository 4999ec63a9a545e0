"""
A regression on a table with holes
==================================

How fast does the heart rate rise with the load? A table of 150 people holds eight measurements, and a fifth
of its cells are missing. Dropping incomplete rows throws most people away; filling the table once and
analysing it as if it were data gives standard errors that are too small. Twenty draws of what is missing,
analysed one by one and pooled, do neither.

The table is simulated, so that the answer without missing cells is known.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import rankfall as rf
from rankfall.plot import STYLE
from rankfall.plot.style import INK, KEPT, VALIDATION

plt.rcParams.update(STYLE)

# %%
# The data
# --------
# Two traits, say fitness and size, are behind all eight measurements. People with a high resting rate skip
# the later tests more often: what is missing depends on a column that is always there.

rng = np.random.default_rng(1)
names = ["rest", "load", "rate", "lactate", "uptake", "power", "time", "recovery"]
traits = rng.normal(size=(150, 2))
values = traits @ rng.normal(size=(2, 8)) + 0.6 * rng.normal(size=(150, 8))
full = pd.DataFrame(values, columns=names)
chance = 0.25 / (1 + np.exp(-1.5 * full["rest"].to_numpy() / full["rest"].std())) * 2
hidden = rng.random(full.shape) < chance[:, None]
hidden[:, 0] = False
table = full.mask(hidden)
print(f"{hidden.mean():.0%} of the cells missing, {table.notna().all(axis=1).sum()} rows complete")

# %%
# Draw, analyse, pool
# -------------------
# The regression of the rate on load and lactate: coefficients and their covariance matrix.


def regression(data):
    """Coefficients and covariance matrix."""
    design = np.column_stack([np.ones(len(data)), data["load"], data["lactate"]])
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ data["rate"].to_numpy()
    rest = data["rate"].to_numpy() - design @ coefficients
    return coefficients, inverse * (rest @ rest) / (len(data) - 3)


result = rf.complete(table, seed=0)
draws = result.draws(20, seed=0)
analyses = [regression(draw) for draw in draws]
pooled = rf.pool(*zip(*analyses, strict=True), dof_complete=147)
print(pd.DataFrame({
    "estimate": pooled.estimate, "standard error": pooled.standard_error, "degrees of freedom": pooled.dof,
    "missing information": pooled.missing_information,
}, index=["(constant)", "load", "lactate"]).round(3))  # fmt: skip

# %%
# Beside other ways
# -----------------
# Complete rows alone, one completion taken for data, the pooled draws, and the table without holes. Complete
# rows are few, and not like the others, since people with a high resting rate are rarely complete. The single
# completion lies too near to its own model: filled cells have no noise, so that the regression fits them
# better than it would fit measurements.

ways = {
    "complete rows": regression(table.dropna()),
    "filled once": regression(result.to_frame()),
    "20 draws, pooled": (pooled.estimate, pooled.covariance),
    "nothing missing": regression(full),
}
figure, axes = plt.subplots(1, 2, figsize=(8, 2.6), sharey=True)
for axis, k, name in zip(axes, (1, 2), ("load", "lactate"), strict=True):
    for place, (way, (estimate, covariance)) in enumerate(ways.items()):
        half = 1.96 * np.sqrt(covariance[k, k])
        color = {"20 draws, pooled": KEPT, "nothing missing": VALIDATION}.get(way, INK)
        axis.errorbar(estimate[k], -place, xerr=half, fmt="o", color=color, capsize=3)
    axis.set_title(f"coefficient of {name}")
axes[0].set_yticks([-place for place in range(len(ways))], list(ways))
figure.tight_layout()

# %%
# What the draws are worth
# ------------------------
# Draws are taken from Gibbs chains, some sweeps apart, and the effective size says how many independent ones
# they are worth. A draw lies within the interval of a missing cell with the interval's coverage. Both are
# looked at here before the pooled answer is believed.

rows, cols = np.nonzero(hidden)
low, high = result.interval(rows, cols, coverage=0.9)
cells = result.draws(20, seed=0, cells=(rows, cols))
print(f"worth {draws.effective_size:.0f} independent draws")
print(f"{np.mean((cells >= low) & (cells <= high)):.0%} of the drawn numbers lie within the 90% intervals")

plt.show()
