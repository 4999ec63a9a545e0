"""
A local minimum of too high a rank
==================================

Three of the four cells of a 2 x 2 matrix are observed. One number completes them to rank one, and for a range of
the data that is the cheapest completion; yet a deep linear network has a local minimum of rank two there, in which
gradient descent stays. This is the smallest case of what stochastic gradient descent is needed for.
:func:`rankfall.theory.minima` finds the minima of each rank, so the range can be measured.
"""

import matplotlib.pyplot as plt
import numpy as np

import rankfall as rf
from rankfall.plot import STYLE
from rankfall.plot.style import FALLEN, INK, KEPT, VALIDATION

plt.rcParams.update(STYLE)

# %%
# Three cells
# -----------
# The observed cells are 1, e and 1; the missing one is ``?``:
#
#     1  e
#     ?  1
#
# With ``? = 1/e`` the matrix has rank one. The ridge, small here, picks among the completions the one with the
# smallest sum of the singular values to the power 2/L, where L is the depth of the network: that is what the squared
# norm of the weights amounts to. For e = 0.48 and depth 3 there are these minima:

RIDGE = 1e-6


def minima(e, depth):
    """The minima of rank one and two."""
    problem, _ = rf.datasets.two_by_two(e)
    return rf.theory.minima(problem, depth, RIDGE, ranks=(1, 2), n_starts=8)


for point in minima(0.48, depth=3):
    print(
        f"rank {point.rank}: ? = {point.matrix()[1, 0]:8.3f}, loss / ridge {point.loss / RIDGE:10.4f}, "
        f"misfit {point.misfit:.0e}, gradient {point.gradient_norm:.0e}, smallest curvature {point.curvature:.0e}"
    )

# %%
# The first line is the completion that one would want, the last one the trap: it fits as well, with a rank too many
# and at a higher price, and its gradient is zero. (There is a third, of rank one: it gives up the cell e and makes
# the missing one huge. It does not fit.)
#
# Gradient descent stays
# ----------------------
# From the trap's weights, disturbed by one percent, gradient descent comes back, at a ridge large enough to wait for.

problem, _ = rf.datasets.two_by_two(0.48)
trap = rf.theory.minima(problem, depth=3, ridge=1e-3, ranks=[2]).lowest
net = trap.network()
noise = rf.Network.gaussian(net.widths, scale=1.0, seed=0)
start = rf.Network(tuple(W + 0.01 * V for W, V in zip(net.weights, noise.weights, strict=True)))
trace = rf.train(problem, start, rf.GD(lr=0.2, ridge=1e-3, n_steps=50_000))
for name, A in (("trap", trap.matrix()), ("start", start.product()), ("end", trace.final(0).product())):
    s = np.linalg.svd(A, compute_uv=False)
    print(f"{name:<6} ? = {A[1, 0]:.6f}, singular values {s[0]:.6f} {s[1]:.6f}")

# %%
# From where to where
# -------------------
# For small e the trap is the better completion; from some e on, rank one is cheaper, and from a larger e on the trap
# is no minimum any more. Bisection finds both. At this ridge they differ from their limits, for a ridge that goes
# to zero, by about one in ten thousand.


def bisect(holds, low, high, tol=2e-5):
    """Where a statement that holds at `low` and not at `high` ends to hold."""
    while high - low > tol:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return (low + high) / 2


def trap_is_cheaper(e, depth):
    """Whether rank two has the smaller loss."""
    found = minima(e, depth)
    return found.at(2)[0].loss < found.at(1)[0].loss


windows = {}
print("depth  rank one cheaper from  trap exists up to")
for depth in (3, 4, 5, 6, 8):
    end = bisect(lambda e, L=depth: bool(minima(e, L).at(2)), 0.02, 0.9)
    begin = bisect(lambda e, L=depth: trap_is_cheaper(e, L), 0.02, end - 1e-3)
    windows[depth] = begin, end
    print(f"{depth:<5}  {begin:<21.4f}  {end:.4f}")

# %%
# Depth 2 has no such range: its loss is convex in the matrix, and a minimum of the weights is the only one.
#
# Left, the price of a completion against the missing entry, for depth 3 and three values of e: the dent is the trap,
# the cusp the completion of rank one. Right, the range for each depth.


def price(x, e, depth):
    """The sum of the singular values to the power 2/depth of [[1, e], [x, 1]], for many x."""
    A = np.array([[np.ones_like(x), np.full_like(x, e)], [x, np.ones_like(x)]])
    return np.sum(np.linalg.svd(np.moveaxis(A, -1, 0), compute_uv=False) ** (2 / depth), axis=-1)


figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
x = np.linspace(-0.3, 3.4, 3000)
for e, colour in ((0.42, VALIDATION), (0.48, KEPT), (0.55, FALLEN)):
    left.plot(x, price(x, e, 3), color=colour, lw=1.8, label=f"e = {e}")
    for point in minima(e, 3):
        if point.misfit < 0.1:
            at = point.matrix()[1, 0]
            mark = "o" if point.rank == 2 else "v"
            left.plot(at, price(np.array([at]), e, 3), mark, color=colour, mec=INK, ms=7, zorder=3)
left.plot([], [], "o", color="white", mec=INK, ms=7, label="minimum of rank two")
left.plot([], [], "v", color="white", mec=INK, ms=7, label="minimum of rank one")
left.set(xlabel="missing entry", ylabel="sum of singular values$^{2/3}$", title="Depth 3")
left.legend(loc="upper left", ncols=2)
left.set_ylim(1.7, 2.45)

for depth, (begin, end) in windows.items():
    right.plot([begin, end], [depth, depth], color=KEPT, lw=9, solid_capstyle="butt")
    right.annotate(f"{begin:.4f} to {end:.4f}", (end, depth), (8, -4), textcoords="offset points", color=INK)
right.set(xlabel="e", ylabel="depth", title="Rank one is cheaper, yet rank two is a minimum")
right.set(xlim=(0, 0.7), yticks=list(windows))
right.invert_yaxis()

plt.show()
