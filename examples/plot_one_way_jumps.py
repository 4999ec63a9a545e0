"""
One-way jumps, in three figures
===============================

Wang and Jacot (ICLR 2024) describe three things: gradient descent can stay in a minimum whose rank is too
high, stochastic gradient descent jumps from there to a lower rank and not back, and lowering the learning
rate and the ridge afterwards removes the shrinkage without raising the rank. This script shows each on one
small problem. The studies of the laboratory test the same claims on many.
"""

import matplotlib.pyplot as plt
import numpy as np

import rankfall as rf
from rankfall.measures import tangent_diagonal
from rankfall.plot import STYLE
from rankfall.plot.style import FALLEN, KEPT, VALIDATION

plt.rcParams.update(STYLE)

# %%
# A problem with a minimum of one rank too many
# ---------------------------------------------
# Seven tenths of the cells of a noisy 10 x 10 matrix of rank two are observed, and the data are scaled to a
# root mean square of 1. As the ridge rises, the minima of rank three cease to exist one after another. A
# bisection finds the ridge at which the last one that ``minima`` finds is gone; the ridge used here is a
# little below it, where the minimum still exists but is shallow.

problem, truth = rf.datasets.low_rank((10, 10), rank=2, observed=0.7, noise=0.5, seed=3)
scale = np.sqrt(np.mean(problem.values**2))
problem = rf.Problem.from_triplets(problem.rows, problem.cols, problem.values / scale, problem.shape)
truth = truth / scale
DEPTH = 3


def at_rank_three(ridge):
    """The minima of rank three that eight starts find."""
    return rf.theory.minima(problem, depth=DEPTH, ridge=ridge, ranks=[3], n_starts=8).at(3)


low, high = 1e-3, 0.1
while high / low > 1.001:
    middle = np.sqrt(low * high)
    low, high = (middle, high) if at_rank_three(middle) else (low, middle)
RIDGE = 0.95 * low
point = at_rank_three(RIDGE)[0]
print(f"the last minimum of rank three is gone at ridge {high:.4f}; here the ridge is {RIDGE:.4f}")

# %%
# Gradient descent stays, SGD falls
# ---------------------------------
# Both start at this minimum, disturbed by three percent. A step of SGD on one cell is stable up to about
# ``lr K = 2``, where K is the largest entry on the diagonal of the tangent kernel there; at 2.5 the steps on
# a few cells overshoot, and the noise is strong. A change of the rank counts if it lasts 2000 steps.

trap = point.network(width=10)
K = float(tangent_diagonal(trap, problem.rows, problem.cols).max())
noise = rf.Network.gaussian(trap.widths, scale=0.03, seed=0)
start = rf.Network(tuple(W + V for W, V in zip(trap.weights, noise.weights, strict=True)))
record = rf.Record(every=200)
descent = rf.train(problem, start, rf.GD(lr=0.5 / K, ridge=RIDGE, n_steps=60_000), record=record)
sgd = rf.train(
    problem, start, rf.SGD(lr=2.5 / K, ridge=RIDGE, n_steps=60_000), chains=16, seed=0, record=record
)
print("gradient descent ends at rank", descent.rank[0, -1])
print("sixteen chains of SGD end at ranks", np.bincount(sgd.rank[:, -1], minlength=4))
jumps = rf.find_jumps(sgd, dwell=2000)
print(f"lasting falls {jumps.count(upward=False)}, lasting rises {jumps.count(upward=True)}")

# %%
# Annealing
# ---------
# The ridge that makes ranks fall also shrinks what it keeps. A second run lowers the learning rate and the
# ridge, and the rank stays. Gradient descent gets the same two settings, from its own minimum. The data are
# noisy: at the small ridge three directions fit more of the noise than two, and the error of the whole matrix
# shows it.


def error(network):
    """Relative error of the whole matrix."""
    return float(np.linalg.norm(network.product() - truth) / np.linalg.norm(truth))


chain = int(np.argmin(np.abs(sgd.rank[:, -1] - 2)))
SMALL = 0.1 * RIDGE
cool = rf.SGD(lr=0.1 / K, ridge=SMALL, n_steps=60_000)
after = rf.train(problem, sgd.final(chain), cool, seed=1, record=record)
alone = rf.train(problem, descent.final(0), rf.GD(lr=0.1 / K, ridge=SMALL, n_steps=60_000), record=record)
errors = {
    "gradient descent": (error(descent.final(0)), error(alone.final(0))),
    "SGD": (error(sgd.final(chain)), error(after.final(0))),
}
for name, (before, later) in errors.items():
    print(f"{name}: error {before:.3f} at the large ridge, {later:.3f} at the small one")

# %%
# The figures
# -----------
# Left: the singular values of gradient descent, with three above the rest to the end. Middle: those of one
# chain of SGD; the third vanishes at a jump and does not return while the settings are lowered, to the right
# of the line. Right: the share of the sixteen chains at each rank.

figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
steps = sgd.steps / 1000
for ax, parts, title in (
    (axes[0], [descent.singular_values[0]], "Gradient descent"),
    (axes[1], [sgd.singular_values[chain], after.singular_values[0]], "SGD, then lowered"),
):
    for number, part in enumerate(parts):
        for k in range(5):
            colour = KEPT if k < 2 else VALIDATION if k == 2 else FALLEN
            ax.plot(steps + 60 * number, np.maximum(part[:, k], 1e-6), color=colour, lw=1.4)
    ax.set(yscale="log", ylim=(1e-6, 30), xlabel="thousand steps", ylabel="singular value", title=title)
axes[1].axvline(60, color=FALLEN, lw=1)
for rank, colour in ((3, VALIDATION), (2, KEPT), (1, FALLEN)):
    axes[2].plot(steps, (sgd.rank == rank).mean(axis=0), color=colour, lw=1.8, label=f"rank {rank}")
axes[2].set(xlabel="thousand steps", ylabel="share of the chains", title="Sixteen chains of SGD")
axes[2].legend()

plt.show()
