"""
A photograph with half of its pixels
====================================

A grey photograph is a matrix, and what a completion gets right or wrong can be seen at a glance. Half of the
pixels are hidden; rankfall fills them in from the rest. It is not told that pixels have neighbours: to it the
columns are measurements, and their order says nothing.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.layout_engine import ConstrainedLayoutEngine
from scipy.interpolate import griddata

import rankfall as rf
from rankfall.plot import STYLE
from rankfall.plot.style import KEPT

plt.rcParams.update(STYLE)

# %%
# Half a picture
# --------------
# The photograph is by Lav Varshney, who waived all rights to it. Every second pixel in both directions is enough
# to see the point and keeps the example quick. Each of these is hidden with probability one half; a missing
# pixel is a NaN.

photo = rf.datasets.camera()[::2, ::2].astype(float)
hidden = np.random.default_rng(0).random(photo.shape) < 0.5
holes = np.where(hidden, np.nan, photo)
print(f"{photo.shape[0]} x {photo.shape[1]} pixels, {hidden.mean():.1%} of them hidden")

# %%
# Completing it
# -------------
# Grey values lie between 0 and 255. ``bounds`` says so, and neither predictions nor intervals leave that range.

result = rf.complete(holes, bounds=(0, 255), seed=0)
print(result.summary())

# %%
# A photograph is not of low rank; it only is near to matrices of low rank. The error at each rank shows how
# the choice was made: more patterns describe the known pixels ever better, but beyond some rank the held-out ones
# hardly gain, as there are too few pixels to estimate so many patterns.

print(result.path[["rank", "train", "validation", "chosen"]].round(2).to_string(index=False))

# %%
# Honest comparisons
# ------------------
# The mean of its column is the least that one can put into a hidden pixel. Straight lines between the nearest
# known pixels are much more: they use what rankfall ignores, that a pixel resembles the pixels next to it.

completed = result.to_dense()
rows, cols = np.nonzero(hidden)
known = np.argwhere(~hidden)
lines = griddata(known, photo[~hidden], (rows, cols), method="linear")
outside = np.isnan(lines)  # pixels at the rim that no triangle of known pixels contains
nearest = griddata(known, photo[~hidden], (rows[outside], cols[outside]), method="nearest")
lines[outside] = nearest


def rmse(values):
    return np.sqrt(np.mean((values - photo[hidden]) ** 2))


for name, values in (
    ("mean of the column", np.nanmean(holes, axis=0)[cols]),
    ("rankfall", completed[hidden]),
    ("lines between neighbours", lines),
):
    print(f"{name:<26} RMSE {rmse(values):5.1f} grey values")

# %%
# If your columns have an order and the values change smoothly along it, a method that knows this will do
# better, as here. rankfall is for tables whose columns could be shuffled without loss: shuffle the photograph's
# rows and columns, and its result stays about as good, while nothing is left to interpolate.
#
# How far to trust a pixel
# ------------------------
# Every hidden pixel has an interval. Of the true values, about nine in ten should lie in their 90% intervals.

lower, upper = result.interval(rows, cols, coverage=0.9)
inside = (lower <= photo[hidden]) & (photo[hidden] <= upper)
print(f"{inside.mean():.1%} of the hidden pixels lie in their 90% interval")

# %%
# The intervals are not all equally wide. The model gives rows and columns a noise of their own where the data
# call for it, and its intervals are wider where that is large. So are the errors:

miss = np.abs(completed[hidden] - photo[hidden])
for fifth in np.array_split(np.argsort(upper - lower), 5):
    print(f"width {np.mean((upper - lower)[fifth]):5.1f}, mean error {miss[fifth].mean():5.1f} grey values")

# %%
# The last panel shows the widths, averaged over the hidden pixels of every block of 4 x 4; bright means
# uncertain. As they come from rows and columns, there are stripes in them.

width = np.full(photo.shape, np.nan)
width[rows, cols] = upper - lower
blocks = np.nanmean(width.reshape(64, 4, 64, 4), axis=(1, 3))

figure, panels = plt.subplots(2, 2, figsize=(9, 8.7), layout=ConstrainedLayoutEngine(h_pad=0.08))
grey = {"cmap": "gray", "vmin": 0, "vmax": 255, "interpolation": "nearest"}
panels[0, 0].imshow(photo, **grey)
panels[0, 0].set_title("The photograph")
panels[0, 1].set_facecolor(KEPT)
panels[0, 1].imshow(holes, **grey)
panels[0, 1].set_title("Half of the pixels hidden (blue)")
panels[1, 0].imshow(completed, **grey)
panels[1, 0].set_title(f"Completed: rank {result.rank}, RMSE {rmse(completed[hidden]):.1f}")
wide = panels[1, 1].imshow(blocks, cmap="cividis", interpolation="nearest", vmin=0)
panels[1, 1].set_title("Width of the 90% intervals")
for panel in panels.flat:
    panel.set(xticks=[], yticks=[])
    panel.spines[:].set_visible(False)
figure.colorbar(wide, ax=panels[1, 1], label="grey values", shrink=0.9, pad=0.02)

plt.show()
