"""Study `neurons-at-minima`: rays, neurons and bounds where training ends.

Wide ReLU networks (no biases) fit a few samples of a noisy random network with the squared loss and an L2
penalty, by gradient descent with momentum whose learning rate falls to zero. Minima of such losses lie on
kinks, where no gradient vanishes; so the end of training is judged by what Theorem S2 can still save there.

Rays are counted with tolerance 0.01 among the neurons with ``|z|^2 >= 1e-4``. Pruning starts from all
neurons, also those that training has almost, but not quite, brought to zero or onto one ray.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ...neurons import (
    HomogeneousNetwork,
    covariance_cost,
    is_not_local_minimum,
    live_neurons,
    prune,
    rays,
    sgd_step,
)
from ..cell import Cell
from ..claims import Claim, Verdict

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

RAY_TOL, DEAD = 1e-2, 1e-4
FAR, NEAR = 1e-2, 1e-3

_RAYS = (
    "Rays of the last hidden layer at the end over N times the outputs, networks with {}: mean and range. "
    "Supported if it is at most 1 everywhere, not supported if nowhere, undecided otherwise. (The theorem "
    "says that as few neurons suffice, not that every minimum has as few rays.)"
)
RULES = {
    "certificate": (
        "Share of the networks, at the start and at the end of training, for which the certificate of "
        "pruning holds: outputs to 1e-8, norm to 1e-10, every count within its bound. No sampling error is "
        "involved: supported if all, not supported otherwise."
    ),
    "start": (
        "Relative decrease of the squared norm that is found at the start: mean and range. Supported if it "
        "is above 0.01 everywhere, not supported if nowhere, undecided otherwise."
    ),
    "end": (
        "The same at the end of training. Supported if it is below 0.001 everywhere, not supported if "
        "nowhere, undecided otherwise."
    ),
    "excess": (
        "Squared norm beyond Tr[K_l (K^sigma_{l-1})^+], relative to all, at the end: mean and range. "
        "Supported if it is below 0.001 everywhere, not supported if nowhere, undecided otherwise."
    ),
    "one": _RAYS.format("one output"),
    "several": _RAYS.format("several outputs"),
    "gram": (
        "Width over N (N + 1) / 2: mean and range. Supported if it is above 1 everywhere, not supported if "
        "nowhere, undecided otherwise."
    ),
}


def run(cell: Cell) -> pd.DataFrame:
    """One row per hidden layer, with what is known of the whole network in each."""
    import pandas as pd

    get = cell.get
    rng = np.random.default_rng(cell.seed("data"))
    n, d, outputs = get("samples"), get("inputs"), get("outputs")
    X = rng.standard_normal((n, d))
    Y = gaussian([d, 10, outputs], rng)(X) + get("noise") * rng.standard_normal((n, outputs))
    widths = [d, *[get("width")] * (get("depth") - 1), outputs]
    begin = gaussian(widths, np.random.default_rng(cell.seed("init")))
    descent = {name: get(f"descent.{name}") for name in ("lr", "momentum", "ridge", "n_steps")}
    end = descend(begin, X, Y, **descent)
    before, after = is_not_local_minimum(begin, X), is_not_local_minimum(end, X)
    pruned = prune(end, X)
    whole = {
        "N": n,
        "n_outputs": outputs,
        "n_layers": get("depth"),
        "width": get("width"),
        "loss": loss(end, X, Y, descent["ridge"]),
        "loss_pruned": loss(pruned.network, X, Y, descent["ridge"]),
        "certified": int(pruned.certificate.holds),
        "certified_start": int(prune(begin, X).certificate.holds),
        "decrease_start": before.decrease,
        "decrease_end": after.decrease,
        "excess": covariance_cost(end, X).excess / end.squared_norm,
    }
    alive = live_neurons(end, threshold=DEAD)
    directions = rays(end, of="input", tol=RAY_TOL)
    rows = []
    for layer, live, found in zip(pruned.layers, alive, directions, strict=True):
        counted = len({int(label) for label in found.labels[live]})
        rows.append(
            {
                **whole,
                "layer": layer.layer,
                "live": int(live.sum()),
                "rays": counted,
                "pruned": layer.after,
                "bound": layer.bound,
                "last": int(layer.layer == get("depth") - 1),
            }
        )
    return pd.DataFrame(rows)


def gaussian(widths: list[int], rng: np.random.Generator) -> HomogeneousNetwork:
    """He's start."""
    return HomogeneousNetwork(
        tuple(rng.standard_normal((up, low)) * math.sqrt(2 / low) for low, up in pairwise(widths))
    )


def descend(
    network: HomogeneousNetwork,
    X: np.ndarray,
    Y: np.ndarray,
    *,
    lr: float,
    momentum: float,
    ridge: float,
    n_steps: int,
) -> HomogeneousNetwork:
    """Gradient descent with momentum; the learning rate falls by four decades in the second half."""
    velocity = [np.zeros_like(W) for W in network.weights]
    for step in range(n_steps):
        now = lr * 10 ** (-4 * max(0.0, 2 * step / n_steps - 1))
        target = sgd_step(network, X, Y, lr=1.0, ridge=ridge)  # one step of length 1: minus the gradient
        velocity = [
            momentum * v + W - T for v, W, T in zip(velocity, network.weights, target.weights, strict=True)
        ]
        weights = (W - now * v for W, v in zip(network.weights, velocity, strict=True))
        network = replace(network, weights=tuple(weights))
    return network


def loss(network: HomogeneousNetwork, X: np.ndarray, Y: np.ndarray, ridge: float) -> float:
    """``|f - y|^2 / (2 N) + ridge sum |W_l|^2``."""
    return float(np.sum((network(X) - Y) ** 2) / (2 * len(X)) + ridge * network.squared_norm)


# -- what they say ----------------------------------------------------------------------------------------


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """The claims; see `RULES`."""
    last = results[results["last"] == 1]  # one row for each network
    single, several = last[last["n_outputs"] == 1], last[last["n_outputs"] > 1]
    start, end = last["decrease_start"].to_numpy(float), last["decrease_end"].to_numpy(float)
    excess, few = last["excess"].to_numpy(float), (last["N"] * (last["N"] + 1) / 2).to_numpy(float)
    gram = last["width"].to_numpy(float) / few
    return (
        _certificate(last),
        _range("At random weights the test finds something to save.", "start", start, start > FAR),
        _range("Where training ends it finds next to nothing.", "end", end, end < NEAR),
        _range("There the weights are the cheapest for their activations.", "excess", excess, excess < NEAR),
        _rays("With one output there are at most N rays.", "one", single),
        _rays("With several outputs there are at most N times as many rays.", "several", several),
        _range("The bound N (N + 1) / 2 is below the width.", "gram", gram, gram > 1),
    )


def _certificate(last: pd.DataFrame) -> Claim:
    holds = np.concatenate([last["certified"], last["certified_start"]])
    share = float(holds.mean()) if holds.size else math.nan
    answer: Verdict = "supported" if share == 1 else "not supported" if holds.size else "undecided"
    better = int((last["loss_pruned"] > last["loss"] * (1 + 1e-9)).sum())
    note = f"{holds.size} networks; the loss rose in {better} of the trained ones."
    statement = "Pruning keeps outputs and norm, and its counts stay within the bounds."
    return Claim(statement, RULES["certificate"], share, share, share, answer, note)


def _rays(statement: str, rule: str, last: pd.DataFrame) -> Claim:
    ratio = (last["rays"] / (last["N"] * last["n_outputs"])).to_numpy(float)
    note = "; ".join(
        f"N = {n}: {group['rays'].min()} to {group['rays'].max()}" for n, group in last.groupby("N")
    )
    return _range(statement, rule, ratio, ratio <= 1, note)


def _range(statement: str, rule: str, values: np.ndarray, good: np.ndarray, note: str = "") -> Claim:
    """A mean and its range, and whether all, none or some are as the claim says."""
    if not values.size:
        return Claim(statement, RULES[rule], math.nan, math.nan, math.nan, "undecided", note)
    answer: Verdict = "supported" if good.all() else "undecided" if good.any() else "not supported"
    return Claim(statement, RULES[rule], float(values.mean()), values.min(), values.max(), answer, note)


def draw(results: pd.DataFrame) -> Figure:
    """Rays and neurons against the number of samples."""
    from .figures.neurons_at_minima import minima_figure

    return minima_figure(results[results["last"] == 1])
