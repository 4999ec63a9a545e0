"""Study `neurons`: neurons die under SGD with weight decay; do they come back, and do rays multiply?

A network 64-24-24-10 (ReLU, no biases) learns 200 digits of scikit-learn with the squared loss on one-hot
labels, one sample a step, drawn with replacement. ``z_i = [w_i | v_i^T]`` holds the in- and out-weights of a
hidden neuron; it is called dead when ``|z_i|^2 < 1e-4``, and revived when it is above 1e-2 after that. (A
first run showed that this misses neurons that come back to a small size, so a claim on these was added.)

From the start "plain" (He) one sees which neurons die. When the dead neurons S of a layer are small enough
for Theorem 3-NL, ``Phi_S <= p_fail threshold``, S is fixed and ``Lambda_S`` computed at *every* step, until
the product of the factors exceeds 1 or the watch ends. The start "doubled" has every neuron twice, the copy
at another length (a power of two, which keeps the bits), and some neurons at zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ...neurons import HomogeneousNetwork, neuron_factors, rays, sgd_step
from ..cell import Cell
from ..claims import Claim, Verdict, verdict
from .common.digits_network import digits
from .common.intervals import binomial_share

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

DEAD, REVIVED = 1e-4, 1e-2
RARE = 0.05
RAY_TOL = 1e-6
FIRING = ("step", "phi", "worst", "exceeded", "steps", "covered")

RULES = {
    "zero": (
        "Largest |z_i|^2 of a neuron that began at zero, at any look. No sampling error is involved: "
        "supported if it is 0, not supported otherwise."
    ),
    "rays": (
        "Largest rise of the number of rays (tolerance 1e-6) of a layer between two looks, of all runs with "
        "doubled neurons. No sampling error is involved: supported if none, not supported otherwise."
    ),
    "rank": (
        "Rise of rank Z in one step of the example of two opposite rays. No sampling error is involved: "
        "supported if it is 1."
    ),
    "die": (
        "Dead hidden neurons at the end, as a share of all, mean and range over the plain runs. Supported if "
        "some are dead in every run, not supported if in none, undecided otherwise."
    ),
    "revive": (
        "Share of the neurons that were dead at some look and had |z|^2 above 1e-2 at a later one, plain "
        "runs: exact binomial interval. Supported if it lies below 5%, not supported if above, undecided "
        "otherwise."
    ),
    "grow": (
        "Share of the neurons that were dead at some look and at a later one had |z|^2 above 1e-4 and 100 "
        "times its smallest value, plain runs: exact binomial interval. Supported if it lies below 5%, not "
        "supported if above, undecided otherwise. (Added after a first run, whose live neurons became more "
        "again.)"
    ),
    "single": (
        "Share of looks at single dead neurons that find Lambda_i >= 1: mean and range over the plain runs. "
        "Supported if it is above 0 in every run that saw dead neurons, not supported if in none, undecided "
        "otherwise."
    ),
    "credit": (
        "Share of the watched steps before the product of the Lambda_S exceeded 1: mean and range over the "
        "firings. Supported if it is 1 for all, not supported if for none, undecided otherwise, or without "
        "firing."
    ),
    "holds": (
        "Firings in which Phi_S reached the threshold while the credit lasted: exact binomial interval. The "
        "theorem allows a share of 0.001. Not supported if the lower end is above it, supported if none was "
        "seen, undecided otherwise, or without firing."
    ),
}  # fmt: skip


def run(cell: Cell) -> pd.DataFrame:
    """Rows of kind "look" (a layer at one step), "layer" (its whole run) and "firing"."""
    import pandas as pd

    get = cell.get
    X, Y = digits(get("samples"), cell.seed("data"))
    rng = np.random.default_rng(cell.seed("sgd"))
    network = start(get("start"), get("widths"), get("zero"), np.random.default_rng(cell.seed("init")))
    settings = {"lr": get("optimiser.lr"), "ridge": get("optimiser.ridge")}
    layers = [Watched(l, network) for l in network.hidden]
    draws = rng.integers(0, len(X), get("n_steps"))
    rows: list[dict[str, Any]] = []
    for step in range(get("n_steps") + 1):
        if step % get("every") == 0:
            loss = float(np.sum((network(X) - Y) ** 2) / (2 * len(X)))
            rows += [
                {"kind": "look", "step": step, "loss": loss, **watched.look(network, X, Y, settings)}
                for watched in layers
            ]
            if get("start") == "plain":
                for watched in layers:
                    watched.fire(network, step, get("certificate.p_fail") * get("certificate.threshold"))
        for watched in layers:
            watched.follow(network, X, Y, settings, get("watched"), get("certificate.threshold"))
        if step < get("n_steps"):
            k = draws[step]
            network = sgd_step(network, X[k : k + 1], Y[k : k + 1], **settings)
    for watched in layers:
        rows += [{"kind": "layer", "step": get("n_steps"), **watched.summary()}, *watched.firing()]
    return pd.DataFrame(rows).assign(begin=get("start"), decay=float(settings["ridge"]))


def start(kind: str, hidden: list[int], zero: int, rng: np.random.Generator) -> HomogeneousNetwork:
    """He's start; doubled, half of the neurons of every hidden layer are copies, and `zero` are nothing."""
    widths = [64, *hidden, 10]
    weights = [rng.standard_normal((up, low)) * math.sqrt(2 / low) for low, up in pairwise(widths)]
    if kind == "doubled":
        for l, n in enumerate(hidden):
            half = n // 2
            size = 2.0 ** rng.integers(-2, 2, half)
            weights[l][half : 2 * half] = weights[l][:half] * size[:, None]
            weights[l + 1][:, half : 2 * half] = weights[l + 1][:, :half] * size
            weights[l][:zero], weights[l + 1][:, :zero] = 0.0, 0.0
    return HomogeneousNetwork(tuple(weights))


@dataclass
class Watched:
    """What is seen of one hidden layer along a run."""

    layer: int
    began_at_zero: np.ndarray
    ever_dead: np.ndarray
    revived: np.ndarray
    lowest: np.ndarray
    grown: np.ndarray
    looks: int = 0
    above_one: int = 0
    largest_zero: float = 0.0
    fired: dict[str, Any] | None = None

    def __init__(self, layer: int, network: HomogeneousNetwork) -> None:
        self.layer = layer
        self.began_at_zero = np.all(network.neurons(layer) == 0, axis=1)
        self.ever_dead = np.zeros(network.widths[layer], bool)
        self.revived = np.zeros(network.widths[layer], bool)
        self.lowest = np.full(network.widths[layer], np.inf)
        self.grown = np.zeros(network.widths[layer], bool)

    def look(
        self, network: HomogeneousNetwork, X: np.ndarray, Y: np.ndarray, settings: dict[str, Any]
    ) -> dict[str, Any]:
        """Count, and take the factors of the dead neurons one by one."""
        sizes = np.sum(network.neurons(self.layer) ** 2, axis=1)
        self.revived |= self.ever_dead & (sizes > REVIVED)
        self.lowest = np.minimum(self.lowest, sizes)
        self.grown |= self.ever_dead & (sizes > DEAD) & (sizes >= 100 * self.lowest)
        dead = (sizes < DEAD) & ~self.began_at_zero
        self.ever_dead |= dead
        self.largest_zero = max(self.largest_zero, float(sizes[self.began_at_zero].max(initial=0.0)))
        for i in np.flatnonzero(dead & (sizes > 0)):
            factors = neuron_factors(network, X, Y, layer=self.layer, neurons=[int(i)], **settings)
            self.looks += 1
            self.above_one += factors.mean_factor >= 1
        count = rays(network, tol=RAY_TOL)[self.layer - 1].n_rays
        return {"layer": self.layer, "live": int(np.sum(sizes >= DEAD)), "rays": count}

    def fire(self, network: HomogeneousNetwork, step: int, small: float) -> None:
        """Fix the set of dead neurons, once, when it is small enough."""
        sizes = np.sum(network.neurons(self.layer) ** 2, axis=1)
        dead = np.flatnonzero(sizes < DEAD)
        phi = float(sizes[dead].sum())
        if self.fired is None and dead.size and phi <= small:
            self.fired = {"step": step, "neurons": dead, "phi": phi, "credit": 0.0, "steps": 0, "covered": 0}
            self.fired |= {"worst": phi, "exceeded": 0, "spent": False}

    def follow(
        self,
        network: HomogeneousNetwork,
        X: np.ndarray,
        Y: np.ndarray,
        settings: dict[str, Any],
        n_steps: int,
        threshold: float,
    ) -> None:
        """One step of the watch: ``Phi_S`` while the credit lasts, and the factor of the next step."""
        fired = self.fired
        if fired is None or fired["spent"] or fired["steps"] >= n_steps:
            return
        found = neuron_factors(network, X, Y, layer=self.layer, neurons=fired["neurons"], **settings)
        fired["worst"] = max(fired["worst"], found.phi)
        fired["exceeded"] |= int(found.phi >= threshold)
        fired["credit"] += math.log(found.mean_factor)
        fired["steps"] += 1
        fired["spent"] = fired["credit"] > 0
        fired["covered"] += not fired["spent"]

    def summary(self) -> dict[str, Any]:
        """The whole run in one row."""
        return {
            "layer": self.layer,
            "neurons": int(self.ever_dead.size - self.began_at_zero.sum()),
            "ever_dead": int(self.ever_dead.sum()),
            "revived": int(self.revived.sum()),
            "grown": int(self.grown.sum()),
            "factors": self.looks,
            "above_one": int(self.above_one),
            "zeros": int(self.began_at_zero.sum()),
            "largest_zero": self.largest_zero,
        }

    def firing(self) -> list[dict[str, Any]]:
        """The row of the firing, if there was one."""
        if self.fired is None:
            return []
        row = {name: self.fired[name] for name in FIRING}
        return [{"kind": "firing", "layer": self.layer, **row, "fired": len(self.fired["neurons"])}]


# -- what they say ----------------------------------------------------------------------------------------


def judge(results: pd.DataFrame) -> tuple[Claim, ...]:
    """The claims; see `RULES`."""
    layers, looks = results[results["kind"] == "layer"], results[results["kind"] == "look"]
    plain = layers[layers["begin"] == "plain"]
    # without any firing there are no such columns
    firings = results[results["kind"] == "firing"].reindex(columns=["fired", *FIRING])
    return (
        _zero(layers),
        _rays(looks[looks["begin"] == "doubled"]),
        _rank(),
        _die(plain, looks),
        _back(plain, "revived", "Dead neurons rarely come back.", "revive"),
        _back(plain, "grown", "Dead neurons rarely come back to a small size either.", "grow"),
        _single(plain),
        _credit(firings),
        _holds(firings),
    )


def _exact(statement: str, rule: str, value: float, good: bool, note: str) -> Claim:
    return Claim(statement, RULES[rule], value, value, value, "supported" if good else "not supported", note)


def _zero(layers: pd.DataFrame) -> Claim:
    zeros = layers[layers["zeros"] > 0]
    value = float(zeros["largest_zero"].max()) if len(zeros) else math.nan
    note = f"{int(zeros['zeros'].sum())} neurons in {len(zeros)} layers."
    if not len(zeros):
        return Claim(
            "A neuron that is zero stays zero.", RULES["zero"], value, value, value, "undecided", note
        )
    return _exact("A neuron that is zero stays zero.", "zero", value, value == 0, note)


def _rays(looks: pd.DataFrame) -> Claim:
    statement = "The number of distinct rays of a layer never rises."
    if not len(looks):
        return Claim(statement, RULES["rays"], math.nan, math.nan, math.nan, "undecided")
    runs = looks.sort_values("step").groupby([*_run(looks), "layer"])["rays"]
    rise = float(runs.diff().fillna(0).max())
    first, last = runs.first().astype(int), runs.last().astype(int)
    note = f"{first.min()} to {first.max()} rays at the start, {last.min()} to {last.max()} at the end."
    return _exact(statement, "rays", rise, rise <= 0, note)


def _rank() -> Claim:
    before = HomogeneousNetwork((np.array([[1.0, 0], [-1, 0]]), np.array([[1.0, -1]])))
    after = sgd_step(before, np.array([[1, 0.7]]), np.array([[3.0]]), lr=0.1, ridge=0.01)
    ranks = [int(np.linalg.matrix_rank(one.neurons(1))) for one in (before, after)]
    statement = "The rank of Z, unlike in linear networks, can rise in one step."
    return _exact(
        statement, "rank", ranks[1] - ranks[0], ranks[1] > ranks[0], f"From {ranks[0]} to {ranks[1]}."
    )


def _die(plain: pd.DataFrame, looks: pd.DataFrame) -> Claim:
    last = looks[(looks["begin"] == "plain") & (looks["step"] == looks["step"].max())]
    live = last.groupby(_run(last))["live"].sum()
    total = plain.groupby(_run(plain))["neurons"].sum()
    share = 1 - live / total
    return _range("In every run some neurons die.", "die", share.to_numpy(float), share.gt(0).tolist())


def _back(plain: pd.DataFrame, name: str, statement: str, rule: str) -> Claim:
    dead, back = int(plain["ever_dead"].sum()), int(plain[name].sum())
    share = binomial_share(back, dead)
    return Claim(
        statement,
        RULES[rule],
        *share,
        verdict(share.low, share.high, below=RARE) if dead else "undecided",
        f"{back} of {dead} dead neurons.",
    )


def _single(plain: pd.DataFrame) -> Claim:
    runs = plain.groupby(_run(plain))[["factors", "above_one"]].sum()
    runs = runs[runs["factors"] > 0]
    share = (runs["above_one"] / runs["factors"]).to_numpy(float)
    statement = (
        "Factors of single dead neurons exceed 1 now and then, so that certificates need sums and credit."
    )
    return _range(statement, "single", share, (share > 0).tolist())


def _credit(firings: pd.DataFrame) -> Claim:
    share = (firings["covered"] / firings["steps"]).to_numpy(float)
    statement = "For the set of all dead neurons the credit lasts through the watch."
    note = (
        f"{len(firings)} firings, on sets of {firings['fired'].min():.0f} to {firings['fired'].max():.0f}."
        if len(firings)
        else ""
    )
    return _range(statement, "credit", share, (share == 1).tolist(), note)


def _holds(firings: pd.DataFrame) -> Claim:
    seen, total = int(firings["exceeded"].sum()), len(firings)
    share = binomial_share(seen, total)
    answer: Verdict = "undecided"
    if total:
        answer = "not supported" if share.low > 1e-3 else "undecided" if seen else "supported"
    note = f"Largest Phi_S during a watch: {firings['worst'].max():.2g}." if total else ""
    return Claim("No certificate of Theorem 3-NL is violated.", RULES["holds"], *share, answer, note)


def _run(table: pd.DataFrame) -> list[str]:
    """The columns that name a run."""
    return [name for name in ("begin", "decay", "repeat") if name in table]


def _range(statement: str, rule: str, values: np.ndarray, good: list[bool], note: str = "") -> Claim:
    """A mean and its range, and whether all, none or some are as the claim says."""
    if not len(good):
        return Claim(statement, RULES[rule], math.nan, math.nan, math.nan, "undecided", note)
    answer: Verdict = "supported" if all(good) else "undecided" if any(good) else "not supported"
    return Claim(statement, RULES[rule], float(values.mean()), values.min(), values.max(), answer, note)


def draw(results: pd.DataFrame) -> Figure:
    """Live neurons and rays along the runs."""
    from .figures.neurons import neurons_figure

    return neurons_figure(results[results["kind"] == "look"])
