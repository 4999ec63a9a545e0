"""
Few neurons with the same outputs, on the samples
=================================================

A wide network fits eight points. :func:`rankfall.neurons.prune` finds a network with one neuron per point,
the same outputs there and no larger norm. Between the points it may be another function.
"""

import matplotlib.pyplot as plt
import numpy as np

import rankfall as rf
from rankfall.plot import STYLE
from rankfall.plot.style import FALLEN, INK, KEPT, VALIDATION

plt.rcParams.update(STYLE)

# %%
# A wide network
# --------------
# One input, 100 neurons with biases, one output. It is trained for a while with the gradient of all points
# and little weight decay, which counts weights and biases alike. :func:`rankfall.neurons.sgd_step` is plain
# NumPy; a ``torch.nn.Sequential`` could stand here as well.

rng = np.random.default_rng(0)
X = np.linspace(-1, 1, 8)[:, None]
Y = np.sin(3 * X) + 0.2 * rng.standard_normal(X.shape)
network = rf.neurons.HomogeneousNetwork(
    (rng.standard_normal((100, 1)), 0.15 * rng.standard_normal((1, 100))),
    (rng.standard_normal(100), None),
)
for _ in range(1000):
    network = rf.neurons.sgd_step(network, X, Y, lr=0.05, ridge=1e-4)

print(f"misfit {np.abs(network(X) - Y).max():.2f}")

# %%
# Is training at its end? Certainly not. There is a path along which the outputs on all points stay the same
# and the norm falls, so whatever the loss is, this point is no local minimum of it with weight decay. The
# test goes one way only: where it finds nothing to save, it proves nothing.

test = rf.neurons.is_not_local_minimum(network, X)
print(f"certainly no local minimum: {test.certified}, {test.decrease:.0%} of the norm can be saved")

# %%
# Merged and pruned
# -----------------
# Neurons whose in-weights have the same direction can be merged, which keeps the function everywhere. No two
# of these have, so merging only balances their weights: a ReLU does not change if its in-weights are
# multiplied and its out-weights divided by the same number. Pruning goes further. The outputs on the eight
# points are a sum over the neurons of vectors with eight entries, and by Carathéodory's theorem eight of
# these, with other positive coefficients, have the same sum. The coefficients are chosen so that the norm
# does not grow.

merged = rf.neurons.merge_rays(network)
pruned = rf.neurons.prune(network, X)
print(
    f"merged: {merged.widths[1]} neurons, norm {merged.squared_norm / network.squared_norm:.2f} of the first"
)
print(f"pruned: {pruned.after[0]} neurons, norm {pruned.norm_after / pruned.norm_before:.2f} of the first")
print(pruned.certificate)

# %%
# On the eight points the two functions agree to 15 digits. The certificate says nothing about any other
# input, and the picture shows why: the kinks of the function have moved.

x = np.linspace(-1.4, 1.4, 400)[:, None]
fig, ax = plt.subplots(figsize=(7, 4))
ax.plot(x, network(x), color=FALLEN, lw=4, label="100 neurons")
ax.plot(x, pruned.network(x), color=KEPT, ls="--", label=f"{pruned.after[0]} neurons")
ax.plot(X, network(X), "o", color=INK, ms=5, label="the samples")
ax.plot(X, Y, "x", color=VALIDATION, label="targets")
ax.set(xlabel="input", ylabel="output", title="The same on the samples only")
ax.legend()
plt.show()
