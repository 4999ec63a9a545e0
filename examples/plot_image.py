"""
A photograph with half of its pixels
====================================

A grey photograph is a matrix, so you can see where a completion is right or wrong. Half of the pixels are
hidden, and rankfall fills them from the rest. Neighbouring pixels resemble each other, along rows and along
columns, and rankfall finds this out by itself.
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
# The photograph is by Lav Varshney, who waived all rights to it. Every second pixel in both directions is
# kept, so that the example runs quickly. Each of these is hidden with probability one half. Missing pixels
# are NaN.

photo = rf.datasets.camera()[::2, ::2].astype(float)
hidden = np.random.default_rng(0).random(photo.shape) < 0.5
holes = np.where(hidden, np.nan, photo)
print(f"{photo.shape[0]} x {photo.shape[1]} pixels, {hidden.mean():.1%} of them hidden")

# %%
# Complete it
# -----------
# Grey values lie between 0 and 255. With ``bounds``, predictions and intervals stay in this range.

result = rf.complete(holes, bounds=(0, 255), seed=0)
print(result.summary())

# %%
# A photograph does not have low rank, but matrices of low rank approximate it. The errors show how the rank
# was chosen. The error on the fitted pixels falls with every rank. Beyond some rank, the error on the
# held-out pixels hardly changes, because the pixels are too few to estimate so many patterns.

print(result.path[["rank", "train", "validation", "chosen"]].round(2).to_string(index=False))

# %%
# Compare it with other methods
# -----------------------------
# The simplest value for a hidden pixel is the mean of its column. With ``ordered="none"`` rankfall treats
# rows and columns as if they stood in no particular order. Linear interpolation between the nearest known
# pixels does the opposite: it uses nothing but the neighbours.

completed = result.to_dense()
without_order = rf.complete(holes, bounds=(0, 255), ordered="none", seed=0).to_dense()
rows, cols = np.nonzero(hidden)
known = np.argwhere(~hidden)
interpolated = griddata(known, photo[~hidden], (rows, cols), method="linear")
outside = np.isnan(interpolated)  # pixels at the border, in no triangle of known pixels
nearest = griddata(known, photo[~hidden], (rows[outside], cols[outside]), method="nearest")
interpolated[outside] = nearest


def rmse(values):
    return np.sqrt(np.mean((values - photo[hidden]) ** 2))


for name, values in (
    ("mean of the column", np.nanmean(holes, axis=0)[cols]),
    ("rankfall without order", without_order[hidden]),
    ("rankfall", completed[hidden]),
    ("linear interpolation", interpolated),
):
    print(f"{name:<26} RMSE {rmse(values):5.1f} grey values")

# %%
# If rows or columns have an order and the values change smoothly along it, as here, a method that uses the
# order is better. If the rows and columns of the photograph are shuffled, interpolation no longer works;
# rankfall then finds no order, and is about as good as without one here.
#
# How far to trust a pixel
# ------------------------
# Every hidden pixel has an interval. About nine in ten of the true values should lie in their 90% intervals.

lower, upper = result.interval(rows, cols, coverage=0.9)
inside = (lower <= photo[hidden]) & (photo[hidden] <= upper)
print(f"{inside.mean():.1%} of the hidden pixels lie in their 90% interval")

# %%
# The intervals differ in width. Where the data require it, the model estimates a noise scale for each row and
# column, and the intervals are wider where the noise is larger. The errors are larger there, too:

miss = np.abs(completed[hidden] - photo[hidden])
for fifth in np.array_split(np.argsort(upper - lower), 5):
    print(f"width {np.mean((upper - lower)[fifth]):5.1f}, mean error {miss[fifth].mean():5.1f} grey values")

# %%
# The last panel shows the widths, averaged over the hidden pixels of each block of 4 x 4. Bright means
# uncertain. The stripes appear because the noise scales belong to rows and columns.

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
