"""
Spectra with missing ranges
===========================

An infrared spectrum has missing ranges if the detector saturates, if absorption lines of the air are masked,
or if instruments with different ranges are combined. Most methods of chemometrics need complete spectra.
:class:`~rankfall.LowRankImputer` is a scikit-learn imputer that fits into a pipeline: it learns from
incomplete spectra and completes others that it has not seen.
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
# The data are twenty mid-infrared spectra each of coffee from Ethiopia, Brazil and Vietnam. They are smooth,
# so every sixth of the 1841 positions is enough and keeps the example quick. The spectrum of a mixture of
# substances is a mixture of their spectra, so the table has nearly low rank.

spectra = rf.datasets.coffee().iloc[:, ::6]
origin = spectra.index.str.split().str[0].to_numpy()
position = spectra.columns.to_numpy()
truth = spectra.to_numpy()
print(f"{truth.shape[0]} spectra of {truth.shape[1]} positions")

# %%
# Every spectrum loses two ranges at random positions. The true values are kept for evaluation.

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
# The imputer is fitted to forty incomplete spectra. Then each of the other twenty is completed separately.
# Two imputers of scikit-learn do the same: the mean of each position, and the mean of the five most similar
# spectra.

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
# For comparison, the standard deviation of the absorbances around the mean spectrum is

print(f"{np.std(truth - truth.mean(axis=0)):.5f}")

# %%
# Does it matter?
# ---------------
# The next step is often a principal component analysis. Here, two components are computed from the forty true
# spectra. Then the other twenty are projected onto their plane, both the true spectra and the ones completed
# by each imputer. A good completion is close to the true spectrum.

pca = PCA(n_components=2).fit(truth[learn])
scores = {name: pca.transform(values) for name, values in filled.items()}
scores["truth"] = pca.transform(truth[later])
for name in imputers:
    shift = np.linalg.norm(scores[name] - scores["truth"], axis=1)
    print(f"{name:<14} median shift of a spectrum in the plane: {np.median(shift):.3f}")

# %%
# Top: three unseen spectra, one of each origin, with vertical offsets. Bottom: all twenty unseen spectra in
# the plane of the first two components. A line connects each true spectrum with the completed one.

# colours that colour-blind readers can distinguish, and a marker for each
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
ax.set(xlabel="position along the spectrum", ylabel="absorbance, with offset", title="Three unseen spectra")
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
