"""
Ratings, and new people
=======================

A shop knows the ratings that some people gave to some films, a few per cent of all possible ratings. Which of
the other films would they like? And what can be predicted for a person who has rated only two films?

The best known data of this kind, MovieLens-100K, may not be redistributed. If you have downloaded it, give
its path (``u.data``, or ``ml-100k.inter`` of recbole) in the environment variable ``RANKFALL_MOVIELENS`` or
as the first argument. Otherwise the example draws ratings at random from a similar model: tastes of low rank,
generous and strict people, a few films that many have seen and many films that few have seen, and whole
numbers of stars. Results on such ratings show that the method works, not how well it works on your data.
"""

import os
import sys

import matplotlib.pyplot as plt
import numpy as np

import rankfall as rf
from rankfall.plot import STYLE
from rankfall.plot.style import KEPT, TRAIN, VALIDATION

plt.rcParams.update(STYLE)

# %%
# The ratings
# -----------
# In both cases, the ratings are three arrays: person, film, and number of stars.


def simulated_ratings(n_people=600, n_films=400, n_ratings=30_000, tastes=4, seed=0):
    """Ratings of 1 to 5 stars: effects of person and film, `tastes` patterns, and noise."""
    rng = np.random.default_rng(seed)
    often = rng.permutation(np.arange(1, n_films + 1) ** -0.7)  # many people see a few films
    busy = rng.lognormal(sigma=0.8, size=n_people)
    # the smallest waiting times are a draw without replacement, with these products as weights
    waits = rng.exponential(size=(n_people, n_films)) / np.outer(busy, often)
    cells = np.argsort(waits, axis=None)[:n_ratings]
    people, films = np.divmod(rng.permutation(cells), n_films)
    liking = rng.normal(size=(n_people, tastes)) @ rng.normal(size=(tastes, n_films)) / np.sqrt(tastes)
    effects = 3.6 + rng.normal(scale=0.45, size=(n_people, 1)) + rng.normal(scale=0.5, size=n_films)
    stars = (effects + 0.6 * liking)[people, films] + rng.normal(scale=0.75, size=n_ratings)
    return people, films, np.clip(np.round(stars), 1, 5)


path = os.environ.get("RANKFALL_MOVIELENS") or (sys.argv[1] if len(sys.argv) > 1 else None)
if path:
    data = rf.datasets.movielens_100k(path)
    people, films, stars, source = data.users, data.items, data.ratings, "MovieLens-100K"
else:
    people, films, stars = simulated_ratings()
    source = "simulated ratings"
shape = (people.max() + 1, films.max() + 1)
print(f"{source}: {shape[0]} people, {shape[1]} films, {len(stars)} ratings")

# %%
# Sixty people with many ratings are removed from the table; they return later as newcomers. A fifth of the
# other ratings is hidden and used only for evaluation.

rng = np.random.default_rng(1)
counts = np.bincount(people)
newcomers = rng.choice(np.flatnonzero(counts >= 50), size=60, replace=False)
old = ~np.isin(people, newcomers)
hidden = old & (rng.random(len(stars)) < 0.2)
shown = old & ~hidden
train = rf.Problem.from_triplets(people[shown], films[shown], stars[shown], shape)

# %%
# Two models
# ----------
# The baseline has row and column effects only: one number per person (how generous) plus one number per film
# (how good). ``effects="both"`` selects these effects, and ``max_rank=0`` excludes everything else. The
# second model may also find tastes. Ratings lie between 1 and 5. Films without ratings and the rows of the
# newcomers cannot be determined; ``fill="effects"`` fills them with effects.

options = {"bounds": (1, 5), "fill": "effects", "seed": 0}
plain = rf.complete(train, effects="both", max_rank=0, **options)
result = rf.complete(train, **options)
print(result.summary())

# %%
# The errors on the hidden ratings:


def rmse(predicted, true):
    return np.sqrt(np.mean((predicted - true) ** 2))


for name, model in (("row and column effects", plain), (f"rankfall, rank {result.rank}", result)):
    print(f"{name:<24} RMSE {rmse(model.predict(people[hidden], films[hidden]), stars[hidden]):.3f} stars")

lower, upper = result.interval(people[hidden], films[hidden], coverage=0.9)
inside = (lower <= stars[hidden]) & (stars[hidden] <= upper)
print(f"{inside.mean():.1%} of the hidden ratings lie in their 90% intervals")
print(f"mean width of these intervals: {np.mean(upper - lower):.2f} stars")

# %%
# The intervals are wide because people are hard to predict. A single number would hide this.
#
# Newcomers
# ---------
# A newcomer has no row in the completed table. :meth:`~rankfall.Completion.transform` folds the newcomer in:
# it fits a new row to the known patterns of the films by a small ridge regression, without fitting anything
# else again. Every newcomer gives 0, 1, 2, 4, ... ratings, and twenty other ratings are predicted.

GIVEN = (0, 1, 2, 4, 8, 16, 30)
asked, steps = np.full((60, shape[1]), np.nan), [np.full((60, shape[1]), np.nan) for _ in GIVEN]
for k, person in enumerate(newcomers):
    own = rng.permutation(np.flatnonzero(people == person))
    asked[k, films[own[-20:]]] = stars[own[-20:]]
    for step, n in zip(steps, GIVEN, strict=True):
        step[k, films[own[:n]]] = stars[own[:n]]

known = ~np.isnan(asked)
print("ratings given   effects   rankfall")
errors = []
for n, step in zip(GIVEN, steps, strict=True):
    errors.append([rmse(model.transform(step)[known], asked[known]) for model in (plain, result)])
    print(f"{n:>13}   {errors[-1][0]:>7.3f}   {errors[-1][1]:>8.3f}")

# %%
# Without any rating, both models predict the effects of the films, with a warning. After one or two ratings
# they hardly differ, because so few ratings say little about tastes. With more ratings, the patterns describe
# the person better, and the difference grows.
#
# One person, and sixty newcomers
# -------------------------------
# Left: the hidden ratings of one person, each with its 90% interval, the highest prediction on top. Right:
# the error for the newcomers against the number of their ratings.

figure, (one, many) = plt.subplots(1, 2, figsize=(11, 5.6), layout="constrained", width_ratios=(1.15, 1))

person = np.argmin(np.abs(np.bincount(people[hidden]) - 16))
own = np.flatnonzero(hidden & (people == person))
own = own[np.argsort(result.predict(people[own], films[own]))]
lower, upper = result.interval(people[own], films[own], coverage=0.9)
place = np.arange(len(own))
one.hlines(place, lower, upper, color=KEPT, alpha=0.3, lw=7, label="90% interval")
one.plot(result.predict(people[own], films[own]), place, "|", color=KEPT, ms=13, mew=2.4, label="prediction")
one.plot(stars[own], place, "o", color=VALIDATION, ms=6, label="hidden rating")
one.set_yticks(place, [f"film {films[k]}" for k in own])
one.set(xlabel="stars", xlim=(0.8, 5.2), xticks=range(1, 6), ylim=(-0.7, len(own) + 0.9))
one.set_title(f"Person {person}, from {np.sum(people[shown] == person)} other ratings")
one.grid(visible=True, axis="x")
one.spines["left"].set_visible(False)
one.tick_params(axis="y", length=0)
one.legend(ncols=3, loc="upper center", handlelength=1.4)

errors = np.array(errors)
place = np.arange(len(GIVEN))
for column, colour, style, name in ((0, TRAIN, "s--", "row and column effects"), (1, KEPT, "o-", "rankfall")):
    many.plot(place, errors[:, column], style, color=colour, lw=1.8, ms=5.5, label=name)
many.set_xticks(place, GIVEN)
many.set(xlabel="ratings given so far", ylabel="RMSE (stars)", title=f"{len(newcomers)} newcomers ({source})")
many.grid(visible=True)
many.legend()

plt.show()
