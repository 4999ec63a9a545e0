"""
Spectra with missing stretches
==============================

An infrared spectrum loses stretches when the detector saturates, when a line of the air is masked, or when
instruments with different ranges are put together. Most methods of chemometrics cannot start before the holes
are filled. :class:`~rankfall.LowRankImputer` is a scikit-learn imputer that takes its place in a pipeline: it
learns from spectra that have holes, and completes others that it has never seen.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.model_selection import train_test_split

import rankfall as rf
from rankfall.plot import STYLE
from rankfall.plot.style import GREEN, INK, KEPT, MISSING, VALIDATION

plt.rcParams.update(STYLE)

# %%
# Sixty cups of coffee
# --------------------
# Twenty spectra each of coffee from Ethiopia, Brazil and Vietnam, measured in the mid infrared. They are smooth:
# every sixth of the 1841 positions keeps what there is to see and makes the example quick. A blend of a few
# substances has a spectrum that is a blend of a few spectra; that is why such a table is nearly of low rank.

spectra = rf.datasets.coffee().iloc[:, ::6]
origin = spectra.index.str.split().str[0].to_numpy()
position = spectra.columns.to_numpy()
truth = spectra.to_numpy()
print(f"{truth.shape[0]} spectra of {truth.shape[1]} positions")

# %%
# Every spectrum loses two stretches, at random places of its own. The truth is kept for the judgement.

rng = np.random.default_rng(0)
hidden = np.zeros(truth.shape, bool)
for row in hidden:
    for start in rng.integers(0, truth.shape[1] - 50, size=2):
        row[start : start + 50] = True
holes = spectra.mask(hidden)
print(
    f"{hidden.mean():.0%} of all cells hidden, {hidden.all(axis=0).sum()} positions hidden in every spectrum"
)

# %%
# Learn from two thirds, complete the rest
# ----------------------------------------
# The imputer is fitted to forty spectra, with their holes. The other twenty come later; each of them is completed
# by itself. Two other imputers of scikit-learn do the same: the mean of each position, and the mean of the five
# most similar spectra.

learn, later = train_test_split(np.arange(len(truth)), test_size=20, stratify=origin, random_state=0)
imputers = {
    "mean": SimpleImputer(),
    "5 neighbours": KNNImputer(n_neighbors=5),
    "rankfall": rf.LowRankImputer(random_state=0),
}
filled = {}
for name, imputer in imputers.items():
    imputer.set_output(transform="pandas").fit(holes.iloc[learn])
    filled[name] = imputer.transform(holes.iloc[later]).to_numpy()
    error = np.sqrt(np.mean((filled[name] - truth[later])[hidden[later]] ** 2))
    print(f"{name:<14} RMSE {error:.5f} on the {hidden[later].sum()} hidden cells of unseen spectra")
print(f"rank chosen by rankfall: {imputers['rankfall'].rank_}")

# %%
# For comparison: the absorbances spread about the mean spectrum by

print(f"{np.std(truth - truth.mean(axis=0)):.5f}")

# %%
# Does it matter?
# ---------------
# What happens next is often a principal component analysis. Its two components are learned here from the forty
# spectra as they truly are; then the other twenty are placed in the plane, completed by each imputer and as they
# truly are. A good completion puts them where the true spectra lie.

pca = PCA(n_components=2).fit(truth[learn])
scores = {name: pca.transform(values) for name, values in filled.items()}
scores["truth"] = pca.transform(truth[later])
for name in imputers:
    shift = np.linalg.norm(scores[name] - scores["truth"], axis=1)
    print(f"{name:<14} median shift of a spectrum in the plane: {np.median(shift):.3f}")

# %%
# Above, three of the unseen spectra, one of each origin, shifted upwards one by one. Below, all twenty in the plane
# of the first two components: where the true spectrum lies, and where the completed one does. A line joins the
# two.

# colours that stay apart for colour-blind eyes, and a mark for each
LOOKS = {"Ethiopia": (KEPT, "o"), "Brasil": (VALIDATION, "s"), "Vietnam": (GREEN, "^")}
figure = plt.figure(figsize=(11, 8.2), layout="constrained")
panels = figure.subplot_mosaic([["spectra"] * 3, list(imputers)], height_ratios=(1.15, 1))

ax = panels["spectra"]
for lift, (name, (colour, _)) in enumerate(LOOKS.items()):
    k = np.flatnonzero(origin[later] == name)[0]
    up, gap = 0.35 * lift, hidden[later][k]
    for start, stop in np.flatnonzero(np.diff(gap, prepend=False, append=False)).reshape(-1, 2):
        stretch = truth[later][k, start:stop] + up
        ax.plot(position[start:stop], stretch, color=MISSING, lw=13, zorder=1, solid_capstyle="butt")
    ax.plot(position, np.where(gap, np.nan, truth[later][k]) + up, color=colour, lw=1.6)
    ax.plot(position, np.where(gap, filled["rankfall"][k], np.nan) + up, color=colour, lw=2.6)
    ax.plot(position[gap][::2], truth[later][k, gap][::2] + up, ".", color=INK, ms=3.5, zorder=3)
    ax.annotate(
        name, (position[-1], truth[later][k, -1] + up), (6, 0), textcoords="offset points", color=colour
    )
ax.plot([], [], color=INK, lw=1.6, label="observed")
ax.plot([], [], color=MISSING, lw=13, label="hidden", solid_capstyle="butt")
ax.plot([], [], color=INK, lw=2.6, label="completed by rankfall")
ax.plot([], [], ".", color=INK, ms=3.5, label="hidden truth")
ax.legend(loc="upper left", ncols=4)
ax.set(xlabel="position along the spectrum", ylabel="absorbance, shifted", title="Three unseen spectra")
ax.margins(x=0.01)

for name in imputers:
    ax = panels[name]
    for country, (colour, mark) in LOOKS.items():
        chosen = origin[later] == country
        ends = np.stack([scores["truth"][chosen], scores[name][chosen]])
        ax.plot(*ends.transpose(2, 0, 1), color=colour, lw=1)
        ax.plot(*ends[0].T, mark, color=colour, ms=8, mfc="white")
        ax.plot(*ends[1].T, mark, color=colour, ms=3)
    ax.set(title=f"Filled by {name}", xlabel="first component")
    if name != "mean":
        ax.sharex(panels["mean"])
        ax.sharey(panels["mean"])
    ax.grid(visible=True, axis="both")
panels["mean"].set_ylabel("second component")
panels["rankfall"].plot([], [], "o", color=INK, ms=8, mfc="white", label="true spectrum")
panels["rankfall"].plot([], [], "o", color=INK, ms=3, label="completed")
panels["rankfall"].legend(loc="lower left")

plt.show()
