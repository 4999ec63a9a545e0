"""Study `memory-optimisers`: what is certified under SGD, momentum, Nesterov and AdamW, beside what there is.

Networks 64-128-128-10 (ReLU, no biases, He's start) learn scikit-learn's digits, scaled to unit length so
that large learning rates are stable, one sample a step, with the squared loss on one-hot labels. The
optimisers are those of torch, written out. Weight decay is chosen so that the decay clock of all of them
advances by the same amount in a step: ``lr * decay / (1 - momentum)``, for AdamW, whose decay is decoupled,
``lr * decay``.

SGD with and without momentum has certificates from the log and the bounds of Theorem S1; for AdamW there is
the bound by the sum of all updates. All are compared with the singular values at every look.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ...memory import FactorMemory, certified_rank_momentum, sum_bound, transition
from ...memory.momentum import inflow
from ..cell import Cell
from ..claims import Claim, Verdict, verdict
from .common.digits_network import count_above, digits, he_start, outputs, signals, violation
from .common.intervals import binomial_share

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ROUNDING = 1 + 1e-9
ADAM = (0.9, 0.999, 1e-8)
# singular values of an update above this share of the largest count as its rank: far above rounding (1e-15)
UPDATE_TOL = 1e-6
KINDS = {"sgd": "heavy ball", "momentum": "heavy ball", "nesterov": "nesterov"}

_EXACT = "No sampling error is involved: supported if {}, not supported otherwise."
RULES = {
    "certified": (
        "Largest excess of the rank over the certified rank, all looks with a certificate. "
        + _EXACT.format("0 or less") + " Undecided if nothing was certified."
    ),
    "spectral": (
        "Largest singular value relative to its bound by Theorem S1, all looks of SGD, momentum and "
        "Nesterov. "
        + _EXACT.format("at most 1 + 1e-9")
    ),
    "sum": (
        "Largest singular value relative to its bound by the sum of all updates, all looks of AdamW. "
        + _EXACT.format("at most 1 + 1e-9")
    ),
    "strong": (
        "Share of the runs of SGD, momentum and Nesterov with the strongest decay that certify a rank of "
        "the square layer below its size at the end, exact 95% binomial interval. Supported if it lies "
        "above 1/2, not supported if below, undecided otherwise."
    ),
    "weak": (
        "Share of the runs of SGD, momentum and Nesterov with weaker decays that certify nothing of the "
        "square layer at the end, exact 95% binomial interval. Supported if it lies above 1/2, not "
        "supported if below, undecided otherwise."
    ),
    "sharper": (
        "Directions that Theorem S1 allows in the square layer over the certified ones, last looks with a "
        "certificate: mean and range. Supported if at most 1 everywhere, not supported if nowhere, undecided "
        "otherwise."
    ),
    "clock": (
        "Share of the pairs of runs with and without momentum (or Nesterov), same decay and repeat, whose "
        "ranks of the square layer at the end differ by at most a fifth of the larger one, or by 1, exact "
        "95% binomial interval. Supported if it lies above 1/2, not supported if below, undecided "
        "otherwise."
    ),
    "full": (
        "Rank of AdamW's updates of the square layer (singular values above 1e-6 of the largest) at all "
        "looks, over the batch size: mean and range. Supported if above 1 everywhere, not supported if "
        "nowhere, undecided otherwise."
    ),
    "nothing": (
        "Directions that the sum bound allows above the tolerance in the square layer under AdamW, as a "
        "share of all: mean and range over the last looks. Supported if 1 everywhere, not supported if "
        "nowhere, undecided otherwise."
    ),
}  # fmt: skip


class Optimiser(Protocol):
    """One weight matrix in training, and what is known of its singular values."""

    W: np.ndarray
    update_rank: int

    def step(self, deltas: np.ndarray, features: np.ndarray) -> None: ...

    def bounds(self) -> np.ndarray: ...

    def certified(self, tolerance: float) -> int: ...


class Sgd:
    """torch's SGD, with or without momentum; its velocity begins at zero."""

    update_rank = 0

    def __init__(self, W: np.ndarray, lr: float, decay: float, momentum: float, kind: str) -> None:
        self.W, self.V = W, np.zeros_like(W)
        self.lr, self.decay, self.momentum, self.kind = lr, decay, momentum, kind
        self.matrix = transition(lr, decay, momentum, 0.0, kind)
        self.inflow = inflow(lr, momentum, 0.0, kind)
        self.start = np.linalg.svd(W, compute_uv=False)
        self.factors = FactorMemory((W.shape[0], W.shape[1]))
        self.norms, self.ranks = [self._norms()], list[int]()

    def _norms(self) -> tuple[float, float]:
        return math.sqrt(np.vdot(self.W, self.W)), math.sqrt(np.vdot(self.V, self.V))

    def step(self, deltas: np.ndarray, features: np.ndarray) -> None:
        """One step, which the log and the factors follow."""
        g = deltas.T @ features / len(deltas) + self.decay * self.W
        self.V *= self.momentum
        self.V += g
        self.W -= self.lr * (g + self.momentum * self.V if self.kind == "nesterov" else self.V)
        a, b, c, d = self.matrix.ravel().tolist()
        self.factors.advance_momentum((a, b, c, d), self.inflow, deltas, features)
        self.norms.append(self._norms())
        self.ranks.append(len(deltas))

    def bounds(self) -> np.ndarray:
        """Of Theorem S1."""
        return self.factors.bound(self.start)

    def certified(self, tolerance: float) -> int:
        """By the log; -1 if nothing is certified."""
        log = np.array(self.norms)
        found = certified_rank_momentum(
            np.broadcast_to(self.matrix, (len(self.ranks), 2, 2)),
            self.ranks,
            log[:, 0],
            log[:, 1],
            tolerance,
            relative=False,
            shape=(self.W.shape[0], self.W.shape[1]),
        )
        return -1 if found.rank is None else found.rank


class AdamW:
    """torch's AdamW, and the singular values of all its updates."""

    def __init__(self, W: np.ndarray, lr: float, decay: float) -> None:
        self.W, self.lr, self.decay = W, lr, decay
        self.mean, self.square = np.zeros_like(W), np.zeros_like(W)
        self.start = float(np.linalg.norm(W, 2))
        self.spectra: list[np.ndarray] = []
        self.update_rank = 0

    def step(self, deltas: np.ndarray, features: np.ndarray) -> None:
        """One step."""
        beta, gamma, eps = ADAM
        g = deltas.T @ features / len(deltas)
        self.mean += (1 - beta) * (g - self.mean)
        self.square += (1 - gamma) * (g**2 - self.square)
        n = len(self.spectra) + 1
        update = self.lr * self.mean / (1 - beta**n) / (np.sqrt(self.square / (1 - gamma**n)) + eps)
        self.W *= 1 - self.lr * self.decay
        self.W -= update
        values = np.linalg.svd(update, compute_uv=False)
        self.spectra.append(values)
        self.update_rank = count_above(values, UPDATE_TOL * float(values[0]))

    def bounds(self) -> np.ndarray:
        """By the sum of all updates."""
        n = len(self.spectra)
        log_a = np.full(n, math.log1p(-self.lr * self.decay))
        return sum_bound(log_a, np.ones(n), self.spectra, self.start, min(self.W.shape))

    def certified(self, tolerance: float) -> int:
        """Nothing is: updates have no small rank."""
        return -1


def run(cell: Cell) -> pd.DataFrame:
    """A row for every layer and look."""
    import pandas as pd

    get = cell.get
    X, Y = digits(get("samples"), cell.seed("data"))
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    start = he_start(get("widths"), np.random.default_rng(cell.seed("init")))
    rng = np.random.default_rng(cell.seed("sgd"))
    layers = [_optimiser(W, cell) for W in start]
    n_steps, tolerance = get("n_steps"), get("tolerance")
    looks = set(np.linspace(0, n_steps, get("looks") + 1)[1:].round().astype(int).tolist())
    rows: list[dict[str, Any]] = []
    for step in range(1, n_steps + 1):
        chosen = rng.integers(len(X), size=get("optimiser.batch"))
        weights = [each.W for each in layers]
        # all signals are those of the weights before the step
        for each, (deltas, features) in zip(layers, signals(weights, X[chosen], Y[chosen]), strict=True):
            each.step(deltas, features)
        if step in looks:
            right = float(np.mean(outputs(weights, X).argmax(axis=1) == Y.argmax(axis=1)))
            rows += [
                {"step": step, "layer": l, "right": right, **_look(each, tolerance)}
                for l, each in enumerate(layers, 1)
            ]
    facts = {"optimiser": get("optimiser.name"), "rate": get("optimiser.rate"), "b": get("optimiser.batch")}
    return pd.DataFrame(rows).assign(**facts, last=[int(row["step"] == n_steps) for row in rows])


def _optimiser(W: np.ndarray, cell: Cell) -> Optimiser:
    get = cell.get
    name, rate = get("optimiser.name"), get("optimiser.rate")
    if name == "adamw":
        return AdamW(W, get("optimiser.adam_lr"), rate / get("optimiser.adam_lr"))
    momentum = 0.0 if name == "sgd" else get("optimiser.momentum")
    return Sgd(W, get("optimiser.lr") * (1 - momentum), rate / get("optimiser.lr"), momentum, KINDS[name])


def _look(each: Optimiser, tolerance: float) -> dict[str, Any]:
    values, bounds = np.linalg.svd(each.W, compute_uv=False), each.bounds()
    absolute = tolerance * float(values[0])
    return {
        "limit": min(each.W.shape),
        "rank": count_above(values, absolute),
        "allowed": count_above(bounds, absolute),
        "certified": each.certified(absolute),
        "violation": violation(values, bounds),
        "update_rank": each.update_rank,
    }


# -- what they say ----------------------------------------------------------------------------------------


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """The claims; see `RULES`."""
    adam = results["optimiser"] == "adamw"
    sgd, adamw = results[~adam], results[adam]
    square = results[results["layer"] == 2]
    last, strong = square[square["last"] == 1], square["rate"].max()
    ours = last[last["optimiser"] != "adamw"]
    return (
        _excess(sgd[sgd["certified"] >= 0]),
        _holds("No bound of Theorem S1 is violated, with momentum or without.", "spectral", sgd),
        _holds("No sum bound of AdamW is violated.", "sum", adamw),
        _share(
            "With the strongest decay the log certifies something.",
            "strong",
            (ours[ours["rate"] == strong]["certified"] >= 0).to_numpy(bool),
        ),
        _share(
            "With weaker decays it certifies nothing.",
            "weak",
            (ours[ours["rate"] < strong]["certified"] < 0).to_numpy(bool),
        ),
        _sharper(ours[ours["certified"] >= 0]),
        _same_clock(ours),
        _full(square[square["optimiser"] == "adamw"]),
        _nothing(last[last["optimiser"] == "adamw"]),
    )


def _excess(looks: pd.DataFrame) -> Claim:
    statement = "No certified rank is violated."
    if not len(looks):
        return Claim(statement, RULES["certified"], math.nan, math.nan, math.nan, "undecided")
    excess = float((looks["rank"] - looks["certified"]).max())
    answer: Verdict = "supported" if excess <= 0 else "not supported"
    return Claim(statement, RULES["certified"], excess, excess, excess, answer, f"{len(looks)} certificates.")


def _holds(statement: str, rule: str, looks: pd.DataFrame) -> Claim:
    if not len(looks):
        return Claim(statement, RULES[rule], math.nan, math.nan, math.nan, "undecided")
    worst = float(looks["violation"].max())
    answer: Verdict = "supported" if worst <= ROUNDING else "not supported"
    return Claim(statement, RULES[rule], worst, worst, worst, answer, f"{len(looks)} looks.")


def _sharper(looks: pd.DataFrame) -> Claim:
    ratio = (looks["allowed"] / looks["certified"]).to_numpy(float)
    note = ""
    if len(looks):
        note = (
            f"Ranks {looks['rank'].min()} to {looks['rank'].max()}, allowed {looks['allowed'].min()} to "
            f"{looks['allowed'].max()}, certified {looks['certified'].min()} to {looks['certified'].max()}."
        )
    return _range("Theorem S1 is sharper than the certificate.", "sharper", ratio, ratio <= 1, note)


def _same_clock(last: pd.DataFrame) -> Claim:
    table = last.pivot_table(index=["rate", "repeat"], columns="optimiser", values="rank")
    table = table.reindex(columns=list(KINDS)).dropna()
    plain, others = table[["sgd"]].to_numpy(float), table.drop(columns="sgd").to_numpy(float)
    near = np.abs(others - plain) <= np.maximum(np.maximum(others, plain) / 5, 1)
    means = ", ".join(
        f"{name} {value:.1f}" for name, value in last.groupby("optimiser")["rank"].mean().items()
    )
    statement = "At a matched clock momentum leaves about the same rank as plain SGD."
    return _share(statement, "clock", near.ravel(), f"Mean ranks: {means}.")


def _full(looks: pd.DataFrame) -> Claim:
    ratio = (looks["update_rank"] / looks["b"]).to_numpy(float)
    return _range("AdamW's updates have a larger rank than the batch.", "full", ratio, ratio > 1)


def _nothing(last: pd.DataFrame) -> Claim:
    share = (last["allowed"] / last["limit"]).to_numpy(float)
    note = f"Ranks {last['rank'].min()} to {last['rank'].max()}." if len(last) else ""
    return _range(
        "The sum bound says nothing about the rank under AdamW.", "nothing", share, share == 1, note
    )


def _share(statement: str, rule: str, good: np.ndarray, note: str = "") -> Claim:
    count, total = int(good.sum()), int(good.size)
    share = binomial_share(count, total)
    answer = verdict(share.low, share.high, above=0.5) if total else "undecided"
    return Claim(statement, RULES[rule], *share, answer, f"{count} of {total}. {note}".strip())


def _range(statement: str, rule: str, values: np.ndarray, good: np.ndarray, note: str = "") -> Claim:
    """A mean and its range, and whether all, none or some are as the claim says."""
    if not values.size:
        return Claim(statement, RULES[rule], math.nan, math.nan, math.nan, "undecided", note)
    answer: Verdict = "supported" if good.all() else "undecided" if good.any() else "not supported"
    return Claim(statement, RULES[rule], float(values.mean()), values.min(), values.max(), answer, note)


def draw(results: pd.DataFrame) -> Figure:
    """Rank, allowed and certified directions of the square layer at the end."""
    from .figures.memory_optimisers import optimisers_figure

    return optimisers_figure(results[(results["layer"] == 2) & (results["last"] == 1)])
