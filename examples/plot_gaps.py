"""
Gaps in a time series
=====================

Twelve stations measure fine particles every hour. Sometimes one of them fails for days, and sometimes all of
them are silent for some hours. The air of one hour resembles that of the hour before, so rows that follow
each other say something about a gap, even where no station measured anything.

The table has one row per hour and one column per station. ``rankfall.complete`` finds out by itself whether
neighbouring rows resemble each other. This example compares its result with that of ``ordered="none"``, which
treats the rows as a set.
"""

import matplotlib.dates as mdates
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
# The bundled table has a row per day and a column per station and hour. Two months of it become hours x
# stations. The index holds the times, and rankfall reads the distances between rows from it.

days = rf.datasets.beijing("PM2.5").loc["2016-10-01":"2016-11-30"]
stations = [name.removesuffix(" 00h") for name in days.columns[::24]]
hours = days.to_numpy().reshape(len(days), len(stations), 24).transpose(0, 2, 1).reshape(-1, len(stations))
index = pd.date_range(days.index[0], periods=len(hours), freq="h")
table = pd.DataFrame(hours, index, stations)
known = table.notna().to_numpy()
print(f"{len(table):,} hours x {len(stations)} stations, {1 - known.mean():.1%} of the cells missing")

# %%
# Two kinds of gaps are made, of cells whose true value is known. Each station fails three times, for one to
# three days. Ten times, no station measures anything for three to twelve hours.

rng = np.random.default_rng(0)
one_fails = np.zeros(table.shape, bool)
for station in range(len(stations)):
    for first in rng.integers(len(table) - 72, size=3):
        one_fails[first : first + rng.integers(24, 73), station] = True
all_fail = np.zeros(table.shape, bool)
for first in rng.integers(24, len(table) - 24, size=10):
    all_fail[first : first + rng.integers(3, 13)] = True
kinds = {"one station fails": one_fails & known & ~all_fail, "all stations fail": all_fail & known}
holes = table.mask(one_fails | all_fail)
print(", ".join(f"{name}: {cells.sum():,} cells" for name, cells in kinds.items()))

# %%
# Fill the gaps
# -------------
# Concentrations are positive and their errors grow with their size, so their logarithms are fitted. Whether
# the order of the rows matters need not be said: fits that know it are compared with the best one that does
# not, on cells that are held out in gaps like those of the table.

with_order = rf.complete(holes, scale="log", seed=0)
without = rf.complete(holes, scale="log", ordered="none", seed=0)
print(with_order.summary())
print("ordered:", with_order.settings["ordered"], "- held out:", with_order.settings["held_out_in"])

# %%
# The half-lives say how persistent the factors are: the time over which their correlation falls to a half.
#
# How good is it?
# ---------------
# The table shows the median relative error, and the fraction of hidden values in their 90% intervals. Linear
# interpolation in time is a third method. Hours without any station stay empty without the order.

truth = table.to_numpy()
interpolated = np.exp(holes.apply(np.log).interpolate(limit_direction="both").to_numpy())


def scores(values, cells, result=None):
    """Median relative error and coverage as text; dashes where nothing was filled in."""
    error = np.abs(values[cells] / truth[cells] - 1)
    if np.isnan(error).any():
        return f"{'–':>8}{'–':>10}"
    if result is None:
        return f"{np.median(error):>8.0%}{'–':>10}"
    lower, upper = result.interval(*np.nonzero(cells), coverage=0.9)
    return f"{np.median(error):>8.0%}{np.mean((lower <= truth[cells]) & (truth[cells] <= upper)):>10.1%}"


print(f"{'':<16}" + "".join(f"{name:>20}" for name in kinds))
print(f"{'':<16}" + f"{'error':>10}{'covered':>10}" * 2)
for name, values, result in (
    ("interpolation", interpolated, None),
    ("without order", without.to_dense(), without),
    ("with order", with_order.to_dense(), with_order),
):
    print(f"{name:<16}" + "".join(f"  {scores(values, cells, result)}" for cells in kinds.values()))

# %%
# While one station fails, the others say what it would have measured, and the order adds little;
# interpolation between the hours before and after is far off. In hours without any station only the
# neighbouring hours are left, and the order fills them about as well as interpolation. One model does both,
# with intervals.
#
# The intervals are calibrated on cells that were held out in gaps of the same kinds. There are few such gaps,
# and the errors inside one are alike, so the measured coverage may differ from 90% by several per cent.
#
# One station in detail
# ---------------------
# Eight days of one station: hours in which no station measured (grey), and a gap of its own. Without the
# order the grey hours stay empty. With it they are filled, and the intervals are widest in the middle, where
# the measurements are farthest away.

STATION = "Shunyi"
GREY = {"color": INK, "alpha": 0.1, "lw": 0}
column = stations.index(STATION)
week = np.flatnonzero((table.index >= "2016-11-01") & (table.index < "2016-11-09"))
hidden = one_fails[week, column] | all_fail[week, column]

figure, panels = plt.subplots(2, 1, figsize=(11, 6.4), sharex=True, sharey=True, layout="constrained")
for panel, result, title in (
    (panels[0], without, f"{STATION}, without the order of the rows"),
    (panels[1], with_order, f"{STATION}, with the order of the rows"),
):
    when = table.index[week]
    lower, upper = result.interval(week, column, coverage=0.9)
    filled = result.predict(week, column)
    lower, upper, filled = (np.where(hidden, values, np.nan) for values in (lower, upper, filled))
    panel.fill_between(when, 0, 1, all_fail[week, column], transform=panel.get_xaxis_transform(), **GREY)
    panel.fill_between(when, lower, upper, color=KEPT, alpha=0.25, lw=0, label="90% interval")
    panel.plot(when, filled, color=KEPT, lw=1.6, label="filled in")
    panel.plot(when, holes[STATION].iloc[week], color=INK, lw=1.3, marker=".", ms=3, label="observed")
    panel.plot(when[hidden], truth[week[hidden], column], "o", color=VALIDATION, ms=2.6, label="hidden truth")
    panel.set_title(title)
    panel.set(yscale="log", ylabel="PM2.5 (µg/m³)")
    panel.yaxis.set_major_formatter("{x:g}")
    panel.xaxis.set_major_locator(mdates.DayLocator())
    panel.xaxis.set_major_formatter(mdates.DateFormatter("%d %b"))
    panel.grid(visible=True)
    panel.margins(x=0.01)
panels[0].legend(ncols=4, loc="lower right", bbox_to_anchor=(1, 0.99), borderaxespad=0)

plt.show()
