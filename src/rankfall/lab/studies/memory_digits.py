"""Study `memory-digits`: rank against batch size, learning rate and weight decay, and what the bounds say.

Networks 64-48-48-10 (ReLU, no biases, He's start) learn all of scikit-learn's digits with the squared loss on
one-hot labels by plain SGD, samples drawn with replacement. Runs that differ in one setting are compared
after the same number of epochs, and after the same decay clock ``lr * decay * steps``. For runs that differ
in their batch size, a matched clock is a matched number of steps; for the others, matched epochs are matched
steps. Ranks count singular values above a tenth of the largest one.

Two runs are about the hypotheses of rank bounds: with a large decay the network dies, and without decay
nothing is forgotten.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...memory import certified_rank, predict
from ..cell import Cell
from ..claims import Claim, Verdict, verdict
from .common.digits_network import (
    CollectedFactors,
    count_above,
    digits,
    he_start,
    outputs,
    signals,
    violation,
)
from .common.intervals import binomial_share

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ROUNDING = 1 + 1e-9

_EFFECT = (
    "Share of the repeats in which the rank of the first layer after matched epochs is smaller with {} than "
    "with {}, exact 95% binomial interval. Supported if it lies above 1/2, not supported if below, undecided "
    "otherwise."
)
_CLOCK = (
    "Share of the repeats in which the ranks of the first layer with {} and {} differ at the matched clock "
    "by less than half of what they differ by at matched epochs, exact 95% binomial interval. Supported if "
    "it lies above 1/2, not supported if below, undecided otherwise."
)
RULES = {
    "certified": (
        "Share of the looks at layers of the learning runs at which the memory lemma certifies nothing. No "
        "sampling error is involved: supported if all, not supported if none, undecided otherwise."
    ),
    "holds": (
        "Largest singular value relative to its bound by Theorem S1, all looks of all runs. No sampling "
        "error is involved: supported if at most 1 + 1e-9, not supported otherwise."
    ),
    "says": (
        "Singular values that Theorem S1 allows above the tolerance, as a share of all of the layer, first "
        "two layers of the learning runs at the matched clock: mean and range. Supported if below 1 "
        "everywhere, not supported if nowhere, undecided otherwise."
    ),
    "batch": _EFFECT.format("batches of 1", "batches of 64"),
    "lr": _EFFECT.format("the largest learning rate", "the smallest"),
    "decay": _EFFECT.format("the largest decay", "the smallest"),
    "batch clock": _CLOCK.format("batches of 1", "of 64"),
    "lr clock": _CLOCK.format("the largest learning rate", "the smallest"),
    "decay clock": _CLOCK.format("the largest decay", "the smallest"),
    "dies": (
        "Rank of the first two layers at the end of the dying runs over the bound b ceil(ln(1 / tolerance) / "
        "-ln(1 - lr decay)), their norms being below 1e-6 of the first: mean and range. Supported if above 1 "
        "everywhere, not supported if nowhere, undecided otherwise, or if a network has not died."
    ),
    "blank": (
        "Largest change of a first-layer weight of a pixel that is blank in all digits, runs without decay. "
        "No sampling error is involved: supported if it is 0, not supported otherwise."
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """Of one run."""

    lr: float
    decay: float
    batch: int
    tolerance: float

    @property
    def a(self) -> float:
        """What a step leaves of the weights."""
        return 1 - self.lr * self.decay


def run(cell: Cell) -> pd.DataFrame:
    """A row for every layer and look: along the run ("curve"), at matched epochs and at the matched clock."""
    import pandas as pd

    get = cell.get
    settings = Settings(
        *(get(f"optimiser.{name}") for name in ("lr", "decay", "batch")), tolerance=get("tolerance")
    )
    X, Y = digits(get("samples"), cell.seed("data"))
    looks = when(settings, len(X), get("epochs"), get("clock"), get("looks"), get("n_steps"))
    weights = he_start(get("widths"), np.random.default_rng(cell.seed("init")))
    rng = np.random.default_rng(cell.seed("sgd"))
    watched = Watched(weights, X, Y, settings, max(looks))
    rows: list[dict[str, Any]] = []
    for step in range(max(looks) + 1):
        watched.note(step)
        for at in looks.get(step, ()):
            rows += [{"at": at, "step": step, **row} for row in watched.look(step)]
        if step < max(looks):
            watched.step(rng.integers(len(X), size=settings.batch))
    facts = {"state": get("kind"), "rate": settings.lr, "omega": settings.decay, "b": settings.batch}
    return pd.DataFrame(rows).assign(**facts, predicted=_predicted(settings))


def when(
    settings: Settings, n: int, epochs: float, clock: float, n_looks: int, n_steps: int
) -> dict[int, list[str]]:
    """The steps of the looks, and what they are for."""
    matched = {"end": n_steps}
    if not n_steps:
        matched = {
            "epochs": math.ceil(epochs * n / settings.batch),
            "clock": round(clock / (settings.lr * settings.decay)),
        }
    last = max(matched.values())
    out: dict[int, list[str]] = {}
    for step in np.unique(np.geomspace(max(last / 1000, 1), last, n_looks).round().astype(int)).tolist():
        out.setdefault(step, []).append("curve")
    for name, step in matched.items():
        out.setdefault(step, []).append(name)
    return out


def _predicted(settings: Settings) -> float:
    """The bound of Galanti et al.; without decay there is none."""
    if not settings.decay:
        return math.inf
    found = predict(settings.lr, settings.decay, settings.batch, shape=(64, 64), tolerance=settings.tolerance)
    return float(found.bound)


class Watched:
    """A network in training, with its log and its factors."""

    def __init__(
        self, weights: list[np.ndarray], X: np.ndarray, Y: np.ndarray, settings: Settings, n_steps: int
    ) -> None:
        self.weights, self.X, self.Y, self.settings = weights, X, Y, settings
        self.first = [W.copy() for W in weights]
        self.norms = np.empty((n_steps + 1, len(weights)))
        self.factors = [CollectedFactors(W, settings.a, settings.lr) for W in weights]
        self.blank = ~X.any(axis=0)

    def note(self, step: int) -> None:
        """Write the norms down."""
        self.norms[step] = [math.sqrt(np.vdot(W, W)) for W in self.weights]

    def step(self, chosen: np.ndarray) -> None:
        """One step of SGD."""
        set_, b = self.settings, len(chosen)
        found = signals(self.weights, self.X[chosen], self.Y[chosen])
        for W, factors, (deltas, features) in zip(self.weights, self.factors, found, strict=True):
            factors.collect(deltas, features)
            W *= set_.a
            W -= set_.lr / b * (deltas.T @ features)

    def look(self, step: int) -> list[dict[str, Any]]:
        """What is seen of every layer, and what the bounds say."""
        guesses = outputs(self.weights, self.X).argmax(axis=1)
        right = float(np.mean(guesses == self.Y.argmax(axis=1)))
        log_a = np.full(step, math.log(self.settings.a) if self.settings.a > 0 else -math.inf)
        rows: list[dict[str, Any]] = []
        for l, W in enumerate(self.weights):
            values = np.linalg.svd(W, compute_uv=False)
            bounds = self.factors[l].bound()
            tolerance = self.settings.tolerance * float(values[0])
            certified = certified_rank(
                log_a,
                np.full(step, self.settings.batch),
                self.norms[: step + 1, l],
                tolerance,
                relative=False,
                shape=(W.shape[0], W.shape[1]),
            )
            rows.append(
                {
                    "layer": l + 1,
                    "limit": min(W.shape),
                    "rank": count_above(values, tolerance),
                    "allowed": count_above(bounds, tolerance),
                    "certified": -1 if certified.rank is None else certified.rank,
                    "violation": violation(values, bounds),
                    "shrunk": float(self.norms[step, l] / self.norms[0, l]),
                    "blank_moved": float(np.abs(W - self.first[l])[:, self.blank].max()) if l == 0 else 0.0,
                    "right": right,
                }
            )
        return rows


# -- what they say ----------------------------------------------------------------------------------------


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """The claims; see `RULES`."""
    learns = results[results["state"] == "learns"]
    first = learns[learns["layer"] == 1]
    return (
        _certified(learns),
        _holds(results),
        _says(learns[(learns["at"] == "clock") & (learns["layer"] < 3)]),
        _effect(first, "b", "After as many epochs, smaller batches leave lower ranks.", "batch"),
        _effect(first, "rate", "After as many epochs, larger learning rates leave lower ranks.", "lr"),
        _effect(first, "omega", "After as many epochs, larger decays leave lower ranks.", "decay"),
        _clock(first, "b", "Most of the effect of the batch size is that of the clock.", "batch clock"),
        _clock(first, "rate", "Most of the effect of the learning rate is that of the clock.", "lr clock"),
        _clock(first, "omega", "Most of the effect of the decay is that of the clock.", "decay clock"),
        _dies(results[(results["state"] == "dies") & (results["at"] == "end") & (results["layer"] < 3)]),
        _blank(results[(results["state"] == "no decay") & (results["layer"] == 1)]),
    )


def _certified(learns: pd.DataFrame) -> Claim:
    nothing = learns["certified"].to_numpy(int) < 0
    share = float(nothing.mean()) if nothing.size else math.nan
    answer: Verdict = "undecided"
    if nothing.size and (nothing.all() or not nothing.any()):
        answer = "supported" if nothing.all() else "not supported"
    note = ""
    if nothing.size:
        predicted = learns["predicted"].min()
        note = f"{nothing.size} looks; predicted from settings: {predicted:.0f} or more directions."
    statement = "Where networks learn, the memory lemma certifies nothing."
    return Claim(statement, RULES["certified"], share, share, share, answer, note)


def _holds(results: pd.DataFrame) -> Claim:
    worst = float(results["violation"].max())
    statement = "No bound of Theorem S1 is violated."
    note = f"{len(results)} looks."
    answer: Verdict = "supported" if worst <= ROUNDING else "not supported"
    return Claim(statement, RULES["holds"], worst, worst, worst, answer, note)


def _says(looks: pd.DataFrame) -> Claim:
    share = (looks["allowed"] / looks["limit"]).to_numpy(float)
    seen = (looks["rank"] / looks["limit"]).to_numpy(float)
    note = f"The ranks themselves: {seen.mean():.2f} of the layer on average." if seen.size else ""
    return _range("Theorem S1 says something at the matched clock.", "says", share, share < 1, note)


def _ends(first: pd.DataFrame, name: str, at: str) -> pd.DataFrame:
    """Ranks at the two ends of one axis, one row for each repeat; column 0 is the side of low rank."""
    import pandas as pd

    others = [column for column in ("b", "rate", "omega") if column != name]
    # the base run has the commonest value of every setting
    here = first[first["at"] == at]
    for other in others:
        here = here[here[other].isin(first[other].mode()[:1])]
    table = here.pivot_table(index="repeat", columns=name, values="rank")
    if table.shape[1] < 2:
        return pd.DataFrame({0: [], 1: []}, dtype=float)
    low, high = min(table.columns), max(table.columns)
    pair = table[[low, high] if name == "b" else [high, low]].dropna()
    pair.columns = [0, 1]
    return pair


def _effect(first: pd.DataFrame, name: str, statement: str, rule: str) -> Claim:
    pair = _ends(first, name, "epochs")
    lower = int((pair[0] < pair[1]).sum())
    note = f"Mean ranks {pair[0].mean():.1f} and {pair[1].mean():.1f}."
    return _share(statement, rule, lower, len(pair), note)


def _clock(first: pd.DataFrame, name: str, statement: str, rule: str) -> Claim:
    epochs, clock = _ends(first, name, "epochs"), _ends(first, name, "clock")
    left = (clock[0] - clock[1]).abs() < (epochs[0] - epochs[1]).abs() / 2
    note = f"Mean ranks at the matched clock {clock[0].mean():.1f} and {clock[1].mean():.1f}."
    return _share(statement, rule, int(left.sum()), len(left), note)


def _share(statement: str, rule: str, count: int, total: int, note: str) -> Claim:
    share = binomial_share(count, total)
    answer = verdict(share.low, share.high, above=0.5)
    return Claim(statement, RULES[rule], *share, answer, f"{count} of {total}. {note}")


def _dies(ends: pd.DataFrame) -> Claim:
    statement = "A network that dies keeps more rank than the bound relative to the norm allows."
    ratio = (ends["rank"] / ends["predicted"]).to_numpy(float)
    if not len(ends) or float(ends["shrunk"].max()) >= 1e-6:
        return Claim(statement, RULES["dies"], math.nan, math.nan, math.nan, "undecided")
    note = f"Ranks {ends['rank'].min()} to {ends['rank'].max()}, bound {ends['predicted'].max():.0f}."
    return _range(statement, "dies", ratio, ratio > 1, note)


def _blank(looks: pd.DataFrame) -> Claim:
    statement = "Without decay, weights of blank pixels keep what the start gave them."
    if not len(looks):
        return Claim(statement, RULES["blank"], math.nan, math.nan, math.nan, "undecided")
    moved = float(looks["blank_moved"].max())
    answer: Verdict = "supported" if moved == 0 else "not supported"
    return Claim(statement, RULES["blank"], moved, moved, moved, answer)


def _range(statement: str, rule: str, values: np.ndarray, good: np.ndarray, note: str = "") -> Claim:
    """A mean and its range, and whether all, none or some are as the claim says."""
    if not values.size:
        return Claim(statement, RULES[rule], math.nan, math.nan, math.nan, "undecided", note)
    answer: Verdict = "supported" if good.all() else "undecided" if good.any() else "not supported"
    return Claim(statement, RULES[rule], float(values.mean()), values.min(), values.max(), answer, note)


def draw(results: pd.DataFrame) -> Figure:
    """Ranks of the first layer against each setting, at matched epochs and at the matched clock."""
    from .figures.memory_digits import digits_figure

    return digits_figure(results[(results["state"] == "learns") & (results["layer"] == 1)])
