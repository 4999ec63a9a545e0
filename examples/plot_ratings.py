"""
Ratings, and people who have just arrived
=========================================

A shop knows some ratings that some people gave to some films, a few in a hundred of all that there could be.
Which of the others would they like? And what can be said about somebody who has rated only two films so far?

The best known data of this kind, MovieLens-100K, may not be passed on. If you have fetched it yourself, give its
path (``u.data``, or recbole's ``ml-100k.inter``) in the environment variable ``RANKFALL_MOVIELENS`` or as the
first argument, and the example uses it. Otherwise it draws ratings at random from a recipe that resembles them:
tastes of low rank, generous and strict people, a few films that many have seen and many that few have, and
whole numbers of stars. Numbers from such ratings say that the method works, not how well it works on yours.
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
# Either way they are three arrays: who, what, and how many stars.


def invented_ratings(n_people=600, n_films=400, n_ratings=30_000, tastes=4, seed=0):
    """Ratings of 1 to 5 stars: effects of person and film, `tastes` patterns, and a mood of the day."""
    rng = np.random.default_rng(seed)
    often = rng.permutation(np.arange(1, n_films + 1) ** -0.7)  # few films are seen by many
    busy = rng.lognormal(sigma=0.8, size=n_people)
    # the cells with the smallest waiting times: drawn without replacement, in proportion to the product
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
    people, films, stars = invented_ratings()
    source = "invented ratings"
shape = (people.max() + 1, films.max() + 1)
print(f"{source}: {shape[0]} people, {shape[1]} films, {len(stars)} ratings")

# %%
# Sixty people with many ratings leave the table entirely; they will come back as newcomers. Of the other ratings
# a fifth is hidden, and used for nothing but the judgement.

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
# Row and column effects are the model to beat: a number for every person, how generous, plus a number for every
# film, how good. ``effects="both"`` asks for them, and ``max_rank=0`` for nothing else. The other model is free to
# find tastes.
# Stars lie between 1 and 5. Films that nobody rated, and the newcomers' rows, cannot be determined;
# ``fill="effects"`` asks for effects there.

options = {"bounds": (1, 5), "fill": "effects", "seed": 0}
plain = rf.complete(train, effects="both", max_rank=0, **options)
result = rf.complete(train, **options)
print(result.summary())

# %%
# On the hidden ratings:


def rmse(predicted, true):
    return np.sqrt(np.mean((predicted - true) ** 2))


for name, model in (("row and column effects", plain), (f"rankfall, rank {result.rank}", result)):
    print(f"{name:<24} RMSE {rmse(model.predict(people[hidden], films[hidden]), stars[hidden]):.3f} stars")

lower, upper = result.interval(people[hidden], films[hidden], coverage=0.9)
inside = (lower <= stars[hidden]) & (stars[hidden] <= upper)
print(
    f"{inside.mean():.1%} of the hidden ratings lie in their 90% intervals of {np.mean(upper - lower):.2f} stars"
)

# %%
# The intervals are wide, because people are hard to predict: a rating says as much about the evening as about
# the film. It is better to see that than to see a single number.
#
# Newcomers
# ---------
# A newcomer has no row in the completed table. :meth:`~rankfall.Completion.transform` folds one in: a small
# ridge regression of the ratings given so far on the patterns of the films, without fitting anything again.
# We let every newcomer give 0, 1, 2, 4, ... ratings, and predict twenty that are never given.

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
# Somebody who has said nothing gets the films' effects from either model, with a warning. After one or two
# ratings there is still little between them: so few ratings say little about what somebody likes. With further
# ratings the patterns know more of the person, and the gap widens.
#
# One person, and sixty newcomers
# -------------------------------
# On the left, the hidden ratings of one person, the best prediction on top, each with its 90% interval. On the
# right, the error for the newcomers as they talk.

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
