"""
Gaps in a sensor network
========================

Twelve stations in Beijing measure fine particles every hour, and sometimes a station fails. This example
fills the gaps and says how far to trust each value.

The table has one row per day and one column per station and hour. Stations measure the same air, and days
resemble each other, so a few patterns explain most of the table. This is what *low rank* means. rankfall
finds the number of patterns itself.
"""

import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MultipleLocator, PercentFormatter

import rankfall as rf
from rankfall.plot import STYLE
from rankfall.plot.style import INK, KEPT, VALIDATION

plt.rcParams.update(STYLE)

# %%
# The data
# --------
# Half a year of data keeps the example quick. The measurements are in micrograms per cubic metre and have
# gaps of their own.

table = rf.datasets.beijing("PM2.5").loc["2016-09-01":]
known = table.notna().to_numpy()
print(f"{table.shape[0]} days, {table.shape[1]} station hours, {1 - known.mean():.1%} of the cells missing")

# %%
# The evaluation needs cells whose true value is known. Two kinds of cells are hidden: 30% of all cells at
# random, and one whole week of one station, as if its sensor had failed.

STATION = "Dongsi"
rng = np.random.default_rng(0)
week = (table.index >= "2016-12-15") & (table.index <= "2016-12-21")
outage = known & np.outer(week, table.columns.str.startswith(f"{STATION} "))
scattered = known & ~outage & (rng.random(table.shape) < 0.3)
holes = table.mask(scattered | outage)
print(f"hidden: {scattered.sum()} scattered cells, {outage.sum()} hours of the outage")

# %%
# Fill the gaps
# -------------
# Concentrations are positive, and their errors grow with their size, so a model of their logarithm fits
# better. With ``scale="log"`` the model is fitted to logarithms, and the results are in micrograms again.
# Nothing else needs to be chosen.

result = rf.complete(holes, scale="log", seed=0)
print(result.summary())

# %%
# How good is it?
# ---------------
# A simple estimate of a missing value is the mean of the other stations at the same hour. It is a good one,
# and a model should be better. The table shows the median relative error and the fraction of hidden values in
# their 90% intervals.


def mean_of_other_stations(values):
    """Geometric mean of the stations that measured in the same hour."""
    logs = np.log(values).reshape(len(values), -1, 24)  # day, station, hour
    count = np.sum(~np.isnan(logs), axis=1, keepdims=True)
    mean = np.nansum(logs, axis=1, keepdims=True) / np.where(count, count, np.nan)
    return np.exp(np.broadcast_to(mean, logs.shape)).reshape(values.shape)


truth, others = table.to_numpy(), mean_of_other_stations(holes.to_numpy())
print(f"{'median error':<18}{'rankfall':>10}{'other stations':>16}{'in the 90% interval':>22}")
for name, cells in (("scattered cells", scattered), ("outage", outage)):
    rows, cols = np.nonzero(cells)
    ours, theirs = (
        np.nanmedian(np.abs(guess / truth[cells] - 1))
        for guess in (result.predict(rows, cols), others[cells])
    )
    lower, upper = result.interval(rows, cols, coverage=0.9)
    inside = np.mean((lower <= truth[cells]) & (truth[cells] <= upper))
    print(f"{name:<18}{ours:>10.0%}{theirs:>16.0%}{inside:>22.1%}")

# %%
# The intervals are calibrated on cells that were held out at random, so their coverage is meant for scattered
# gaps: about nine in ten of the scattered cells. An outage is different. The hours before and after are
# missing as well, and the errors of one week are correlated. The coverage may then be higher or lower than
# 90%.
#
# Two weeks in detail
# -------------------
# Top: a week with scattered gaps. Bottom left: the week of the outage. Bottom right: the fraction of
# scattered values that lie in intervals of other coverages. On the dotted line, both agree.


def hours_of(station, days):
    """Positions, hours and values of one station's cells, day after day."""
    rows = np.repeat(np.flatnonzero(days), 24)
    first = list(table.columns).index(f"{station} 00h")
    cols = np.tile(np.arange(first, first + 24), days.sum())
    return rows, cols, table.index[rows] + np.tile(np.arange(24), days.sum()) * np.timedelta64(1, "h")


def draw_hidden(ax, rows, cols, when, connected):
    """The hidden cells of a period, with their intervals."""
    lower, upper = result.interval(rows, cols, coverage=0.9)
    predicted = result.predict(rows, cols)
    if connected:
        ax.fill_between(when, lower, upper, color=KEPT, alpha=0.22, lw=0, label="90% interval")
        ax.plot(when, predicted, color=KEPT, lw=1.6, label="filled in")
    else:
        ax.vlines(when, lower, upper, color=KEPT, alpha=0.35, lw=2.6, label="90% interval")
        ax.plot(when, predicted, "_", color=KEPT, ms=6, mew=1.8, label="filled in")
    ax.plot(when, truth[rows, cols], "o", color=VALIDATION, ms=2.6, label="hidden truth", zorder=3)


figure = plt.figure(figsize=(11, 6.4), layout="constrained")
panels = figure.subplot_mosaic([["gaps", "gaps", "gaps"], ["outage", "outage", "cover"]])

days = (table.index >= "2016-11-08") & (table.index <= "2016-11-14")
rows, cols, when = hours_of(STATION, days)
seen = np.where(np.isnan(holes.to_numpy()[rows, cols]), np.nan, truth[rows, cols])
panels["gaps"].plot(when, seen, color=INK, lw=1.3, marker=".", ms=3, label="observed")
hidden = scattered[rows, cols]
draw_hidden(panels["gaps"], rows[hidden], cols[hidden], when[hidden], connected=False)
panels["gaps"].set_title(f"{STATION}: scattered gaps")

days = (table.index >= "2016-12-13") & (table.index <= "2016-12-23")
rows, cols, when = hours_of(STATION, days)
seen = np.where(np.isnan(holes.to_numpy()[rows, cols]), np.nan, truth[rows, cols])
panels["outage"].plot(when, seen, color=INK, lw=1.3, marker=".", ms=3)
hidden = week[rows]
draw_hidden(panels["outage"], rows[hidden], cols[hidden], when[hidden], connected=True)
panels["outage"].set_title(f"{STATION}: a week without the sensor")

for name in ("gaps", "outage"):
    panels[name].set_yscale("log")
    panels[name].yaxis.set_major_formatter("{x:g}")
    panels[name].set_ylabel("PM2.5 (µg/m³)")
    panels[name].xaxis.set_major_locator(mdates.DayLocator(interval=1 if name == "gaps" else 2))
    panels[name].xaxis.set_major_formatter(mdates.DateFormatter("%d %b"))
    panels[name].grid(visible=True)
    panels[name].margins(x=0.01)
panels["gaps"].legend(ncols=4, loc="lower right", bbox_to_anchor=(1, 0.99), borderaxespad=0)

rows, cols = np.nonzero(scattered)
nominal = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
bands = [result.interval(rows, cols, coverage=c) for c in nominal]
covered = [np.mean((low <= truth[scattered]) & (truth[scattered] <= high)) for low, high in bands]
panels["cover"].plot([0.45, 1], [0.45, 1], ":", color=INK, lw=1)
panels["cover"].plot(nominal, covered, "o-", color=KEPT, lw=1.8, ms=5)
panels["cover"].set(title="Coverage, scattered cells", xlabel="nominal", ylabel="measured")
panels["cover"].set(xlim=(0.45, 1), ylim=(0.45, 1), aspect="equal")
for axis in (panels["cover"].xaxis, panels["cover"].yaxis):
    axis.set_major_locator(MultipleLocator(0.1))
    axis.set_major_formatter(PercentFormatter(1))
panels["cover"].grid(visible=True)

plt.show()
