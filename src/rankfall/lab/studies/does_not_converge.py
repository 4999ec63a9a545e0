"""Study `does-not-converge`: steps of SGD at a constant learning rate, and what converging would need.

Networks 64-32-32-10 (tanh or ReLU, no biases, He's start) learn ten digits of scikit-learn with the squared
loss on one-hot labels. With weight decay and batches of b < N distinct samples SGD can only converge to a
point at which the gradients of all samples agree: each must be ``-decay W``. Then every layer has rank one or
zero, and the first one vanishes as soon as two inputs are not parallel.

So the steps of such runs must not become short, unless the network dies. Where one of the hypotheses fails,
with batches of all samples or without decay, nothing is in the way of convergence. The third hypothesis is
that gradients are continuous: those of tanh are everywhere, those of ReLU are not at its kinks.

Constant steps have a ratio of 1 between late and earlier ones, steps that fall like 1/t one of 0.47; the
rules say "above 0.8" and "below 0.6". (These thresholds, tanh and ten samples instead of 40 come from trial
runs of one repeat, in which the steps of gradient descent fell like 1/t with tanh and not at all with ReLU.)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cell import Cell
from ..claims import Claim, Verdict
from .common.digits_network import count_above, digits, he_start, outputs, signals

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

RANK_TOL = 0.1
WANDERS, SETTLES = 0.8, 0.6
DISAGREE, VANISHED = 0.1, 1e-3

_STEPS = (
    "Mean length of the steps in the last tenth of the run over that between 40% and 50% of it, {}: mean and "
    "range. Supported if {} everywhere, not supported if nowhere, undecided otherwise."
)
_AGREE = (
    "Root mean square distance of the gradients of single samples from their mean at the end, over the "
    "norm of decay W, {}: mean and range. Supported if above 0.1 everywhere, not supported if nowhere, "
    "undecided otherwise."
)
RULES = {
    "wanders": _STEPS.format("runs with decay and batches of fewer than all samples", "above 0.8"),
    "last": _STEPS.format("runs whose batches lack one sample", "above 0.8"),
    "momentum": _STEPS.format("runs with momentum", "above 0.8"),
    "full": _STEPS.format("runs with decay and batches of all samples, tanh", "below 0.6"),
    "kinks": _STEPS.format("runs with decay and batches of all samples, ReLU", "below 0.6"),
    "no decay": _STEPS.format("runs without decay", "below 0.6"),
    "dies": _STEPS.format("runs that die", "below 0.6"),
    "disagree": _AGREE.format("runs with decay and batches of fewer than all samples"),
    "end": _AGREE.format("runs with decay and batches of all samples"),
    "rank": (
        "Smallest rank of the first two layers (singular values above a tenth of the largest) at the end, "
        "runs with decay and batches of fewer than all samples: mean and range. Supported if 2 or more "
        "everywhere, not supported if nowhere, undecided otherwise."
    ),
    "first": (
        "Norm of the first layer at the end over that at the start, the same runs: mean and range. "
        "Supported if above 0.1 everywhere, not supported if nowhere, undecided otherwise."
    ),
    "zero": (
        "Root mean square norm of the gradients of single samples at the end over that at the start, runs "
        "without decay: mean and range. Supported if below 0.001 everywhere, not supported if nowhere, "
        "undecided otherwise."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """Rows of kind "steps" (one for each part of the run) and one of kind "end"."""
    import pandas as pd

    get = cell.get
    lr, decay, momentum, b = (get(f"optimiser.{name}") for name in ("lr", "decay", "momentum", "batch"))
    X, Y = digits(get("samples"), cell.seed("data"))
    weights = he_start(get("widths"), np.random.default_rng(cell.seed("init")))
    velocity = [np.zeros_like(W) for W in weights]
    rng = np.random.default_rng(cell.seed("sgd"))
    smooth = get("activation") == "tanh"
    start = _facts(weights, X, Y, decay, smooth)
    n_steps = get("n_steps")
    lengths = np.empty(n_steps)
    for step in range(n_steps):
        chosen = rng.permutation(len(X))[:b]
        squared = 0.0
        found = signals(weights, X[chosen], Y[chosen], smooth)
        for W, V, (deltas, features) in zip(weights, velocity, found, strict=True):
            V *= momentum
            V += deltas.T @ features / b + decay * W
            W -= lr * V
            squared += float(np.vdot(V, V))
        lengths[step] = lr * math.sqrt(squared)
    parts = np.array_split(lengths, get("bins"))
    ends = np.cumsum([part.size for part in parts])
    rows: list[dict[str, Any]] = [
        {"row": "steps", "step": int(end), "length": float(part.mean())}
        for end, part in zip(ends, parts, strict=True)
    ]
    late, middle = lengths[-(n_steps // 10) :], lengths[2 * n_steps // 5 : n_steps // 2]
    end = _facts(weights, X, Y, decay, smooth)
    end |= {
        "ratio": float(late.mean() / middle.mean()),
        "norm_first": end["norm_first"] / start["norm_first"],
        "gradients": end["gradients"] / start["gradients"],
    }
    rows.append({"row": "end", "step": n_steps, "length": float(late.mean()), **end})
    facts = {"state": get("kind"), "b": b, "mu": float(momentum), "N": len(X), "sigma": get("activation")}
    return pd.DataFrame(rows).assign(**facts)


def _facts(
    weights: list[np.ndarray], X: np.ndarray, Y: np.ndarray, decay: float, smooth: bool
) -> dict[str, float]:
    """Of one point: the gradients of single samples, ranks, norms."""
    spread = whole = pull = 0.0
    for W, (deltas, features) in zip(weights, signals(weights, X, Y, smooth), strict=True):
        # |delta h^T| = |delta| |h|
        squares = float(np.mean(np.sum(deltas**2, axis=1) * np.sum(features**2, axis=1)))
        mean = deltas.T @ features / len(X)
        whole += squares
        spread += max(squares - float(np.vdot(mean, mean)), 0.0)
        pull += decay**2 * float(np.vdot(W, W))
    ranks = [_rank(W) for W in weights[:2]]
    return {
        "gradients": math.sqrt(whole),
        # without decay the common gradient would be zero
        "disagreement": math.sqrt(spread / pull) if pull else math.inf,
        "smallest_rank": float(min(ranks)),
        "norm_first": float(np.linalg.norm(weights[0])),
        "right": float(np.mean(outputs(weights, X, smooth).argmax(axis=1) == Y.argmax(axis=1))),
    }


def _rank(W: np.ndarray) -> int:
    values = np.linalg.svd(W, compute_uv=False)
    return count_above(values, RANK_TOL * float(values[0]))


# -- what they say ----------------------------------------------------------------------------------------


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """The claims; see `RULES`."""
    ends = results[results["row"] == "end"]
    decay = ends[ends["state"] == "decay"]
    state = {name: ends[ends["state"] == name] for name in ("full batch", "no decay", "dies")}
    whole = state["full batch"]
    return (
        _wanders("With weight decay, SGD at a constant learning rate does not settle.", "wanders", decay),
        _wanders(
            "It does not settle either when a batch lacks one sample.",
            "last",
            decay[decay["b"] == decay["N"] - 1],
        ),
        _wanders("Nor does it with momentum.", "momentum", decay[decay["mu"] > 0]),
        _settles("With all samples in every batch it settles.", "full", whole[whole["sigma"] == "tanh"]),
        _settles("With kinks it settles then, too.", "kinks", whole[whole["sigma"] == "relu"]),
        _settles("Without decay it settles.", "no decay", state["no decay"]),
        _settles("A network that dies settles.", "dies", state["dies"]),
        _disagree("Where SGD ends, gradients of single samples do not agree.", "disagree", decay),
        _disagree("Where gradient descent ends, they do not agree either.", "end", whole),
        _rank_claim(decay),
        _first(decay),
        _zero(state["no decay"]),
    )


def _wanders(statement: str, rule: str, ends: pd.DataFrame) -> Claim:
    ratio = ends["ratio"].to_numpy(float)
    return _range(statement, rule, ratio, ratio > WANDERS, _learnt(ends))


def _settles(statement: str, rule: str, ends: pd.DataFrame) -> Claim:
    ratio = ends["ratio"].to_numpy(float)
    return _range(statement, rule, ratio, ratio < SETTLES, _learnt(ends))


def _learnt(ends: pd.DataFrame) -> str:
    """What the networks have learnt, in words."""
    return f"{len(ends)} runs; {ends['right'].mean():.0%} of the samples are right." if len(ends) else ""


def _disagree(statement: str, rule: str, ends: pd.DataFrame) -> Claim:
    found = ends["disagreement"].to_numpy(float)
    return _range(statement, rule, found, found > DISAGREE)


def _rank_claim(decay: pd.DataFrame) -> Claim:
    ranks = decay["smallest_rank"].to_numpy(float)
    return _range("Layers keep more rank than a limit could have.", "rank", ranks, ranks >= 2)


def _first(decay: pd.DataFrame) -> Claim:
    norms = decay["norm_first"].to_numpy(float)
    return _range("The first layer, which would have to vanish, does not.", "first", norms, norms > 0.1)


def _zero(ends: pd.DataFrame) -> Claim:
    gradients = ends["gradients"].to_numpy(float)
    statement = "Without decay the gradients of all samples vanish at the end."
    return _range(statement, "zero", gradients, gradients < VANISHED)


def _range(statement: str, rule: str, values: np.ndarray, good: np.ndarray, note: str = "") -> Claim:
    """A mean and its range, and whether all, none or some are as the claim says."""
    if not values.size:
        return Claim(statement, RULES[rule], math.nan, math.nan, math.nan, "undecided", note)
    answer: Verdict = "supported" if good.all() else "undecided" if good.any() else "not supported"
    return Claim(statement, RULES[rule], float(values.mean()), values.min(), values.max(), answer, note)


def draw(results: pd.DataFrame) -> Figure:
    """Lengths of the steps along the runs, and how far the gradients of samples are from agreeing."""
    from .figures.does_not_converge import steps_figure

    return steps_figure(results)
