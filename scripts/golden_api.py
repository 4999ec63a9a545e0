"""What ``golden.py`` calls of rankfall's public API, each in one place, and the numbers of the results.

Where an argument, an attribute or a column gets another name, follow it here; the names of parts stay, and
with them the hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

import rankfall as rf
from rankfall.analysis import Monitored, Splitting
from rankfall.theory import Certificate

Numbers = Mapping[str, object]

CASES: dict[str, Callable[[], Numbers]] = {}

PATH = (
    "rank", "oversampling", "ridge", "sgd_train", "sgd_validation", "train", "validation", "validation_mae",
    "refit_ridge", "steps", "chosen",
)  # fmt: skip
HISTORY = ("step", "ridge", "rank", "singular_values", "train_rmse", "validation_rmse")
EFFECTS = ("mean", "rows", "cols")


def case(name: str) -> Callable[[Callable[[], Numbers]], Callable[[], Numbers]]:
    """Enter a function into CASES."""

    def enter(function: Callable[[], Numbers]) -> Callable[[], Numbers]:
        CASES[name] = function
        return function

    return enter


def table(
    m: int, n: int, rank: int, observed: float, noise: float = 0.0, seed: int = 0, spread: float = 1.0
) -> np.ndarray:
    """Random low rank (its singular values `spread` apart) plus noise, with NaN where it is not observed."""
    rng = np.random.default_rng([m, n, rank, seed])
    X = (rng.standard_normal((m, rank)) * np.geomspace(spread, 1, rank)) @ rng.standard_normal((rank, n))
    X += noise * X.std() * rng.standard_normal((m, n))
    X[rng.random((m, n)) >= observed] = np.nan
    return X


def prefixed(prefix: str, numbers: Numbers) -> dict[str, object]:
    """The same numbers, their names behind a prefix."""
    return {f"{prefix}.{name}": value for name, value in numbers.items()}


# -- completions -----------------------------------------------------------------------------------


def complete(X: object, **options: object) -> rf.Completion:
    """A completion with seed 1, unless told otherwise."""
    return rf.complete(X, **{"seed": 1, **options})  # pyright: ignore[reportArgumentType]


def of_completion(
    result: rf.Completion, new_rows: object = None, new_columns: object = None
) -> dict[str, object]:
    """All numbers of a completion but its certificate, and the given lines folded in."""
    m, n = result.shape
    rows, cols = np.divmod(np.arange(m * n), n)
    numbers: dict[str, object] = {
        "rank": result.rank,
        "given": result.to_dense(),
        "fitted": result.to_dense(observed="fitted"),
        "some rows": result.to_dense(rows=slice(1, m - 1)),
        "predicted": result.predict(rows, cols),
        "train_rmse": result.train_rmse,
        "validation_rmse": result.validation_rmse,
        "units": result.units,
        "warnings": len(result.warnings),
    }
    for coverage in (0.5, 0.9):
        low, high = result.interval(rows, cols, coverage=coverage)
        numbers |= {f"interval {coverage} low": low, f"interval {coverage} high": high}
    numbers |= dict(zip(("U", "s", "Vt"), result.factors, strict=True))
    numbers |= {f"path {name}": result.path[name].to_numpy() for name in PATH}
    numbers |= {f"history {name}": result.history[name] for name in HISTORY if name in result.history}
    if result.effects is not None:
        numbers |= {f"effects {name}": result.effects[name] for name in EFFECTS}
    local = result.identifiability.local
    if local is not None:
        numbers |= {"relative singular value": local.relative_singular_value, "free": local.free}
    if new_rows is not None:
        numbers["new rows"] = result.transform(new_rows)
    if new_columns is not None:
        numbers["new columns"] = result.fold_columns(new_columns)
    return numbers


# -- traces ----------------------------------------------------------------------------------------


def train(
    problem: rf.Problem,
    network: rf.Network,
    optimiser: rf.SGD | rf.GD,
    *,
    every: int,
    what: Sequence[str] = ("singular_values", "train_loss", "rank"),
    **options: object,
) -> rf.Trace:
    """A run, recorded."""
    record = rf.Record(every=every, what=tuple(what))
    return rf.train(problem, network, optimiser, record=record, **options)  # pyright: ignore[reportArgumentType]


def of_trace(
    trace: rf.Trace, what: Sequence[str] = ("singular_values", "train_loss", "rank")
) -> dict[str, object]:
    """What was recorded, and the last weights."""
    numbers: dict[str, object] = {
        "steps": trace.steps,
        "chains": trace.chains,
        "diverged": trace.diverged,
        "n_steps": trace.n_steps,
        "stable_lr": trace.stable_lr,
        "deflation_bound": trace.deflation_bound,
    }
    numbers |= {name: getattr(trace, name) for name in what if name != "weights"}
    if "weights" in what:
        for chain in range(trace.n_chains):
            middle = trace.weights(chain, trace.steps.size // 2)
            numbers |= prefixed(f"middle {chain}", of_network(middle))
    for chain, network in enumerate(trace.finals()):
        numbers |= prefixed(f"final {chain}", of_network(network))
    return numbers


def of_network(network: rf.Network) -> dict[str, object]:
    """Weights, layer by layer."""
    return {f"W{layer}": W for layer, W in enumerate(network.weights)}


def of_jumps(jumps: rf.Jumps) -> dict[str, object]:
    """Where the rank changed."""
    columns = ("chain", "after", "step", "rank_from", "rank_to")
    return {
        **{name: jumps.table[name].to_numpy() for name in columns},
        "exposure": jumps.exposure,
        "first_rank": jumps.first_rank,
        "last_rank": jumps.last_rank,
    }


# -- rare events -----------------------------------------------------------------------------------


def splitting(
    problem: rf.Problem, network: rf.Network, optimiser: rf.SGD, **options: object
) -> dict[str, object]:
    """Estimates, genealogies, and the first path run again."""
    found: Splitting = rf.splitting(problem, network, optimiser, **options)  # pyright: ignore[reportArgumentType]
    numbers: dict[str, object] = {
        "estimate": found.estimate,
        "repeats": found.repeats,
        "extinct": found.extinct,
        "rounds": found.rounds,
        "n_steps": found.n_steps,
        "interval": found.interval(coverage=0.9),
        "path repeats": np.array([path.repeat for path in found.paths], np.int64),
        "path steps": np.array([path.n_steps for path in found.paths], np.int64),
        "segments": np.array([s for path in found.paths for s in path.segments], np.int64).reshape(-1, 3),
    }
    if found.paths:
        again = found.replay(found.paths[0])
        numbers |= prefixed("again", of_trace(again, ("rank", "singular_values")))
    return numbers


def first_passage(
    problem: rf.Problem, network: rf.Network, optimiser: rf.SGD, **options: object
) -> dict[str, object]:
    """Times, and what is estimated from them."""
    found = rf.first_passage(problem, network, optimiser, **options)  # pyright: ignore[reportArgumentType]
    return {
        "times": found.times,
        "seen": found.seen,
        "diverged": found.diverged,
        "mean": found.mean,
        "interval": found.interval(coverage=0.9),
        "restricted_mean": found.restricted_mean,
        "survival": found.survival().to_numpy(),
    }


# -- certificates ----------------------------------------------------------------------------------


def of_certificate(certificate: Certificate | None) -> dict[str, object]:
    """Both sides of all inequalities; the values, which have names that may change, by size."""
    if certificate is None:
        return {"missing": True}
    conditions = certificate.conditions
    return {
        "holds": certificate.holds,
        "rank": -1 if certificate.rank is None else certificate.rank,
        "p_fail": np.nan if certificate.p_fail is None else certificate.p_fail,
        "left": np.array([condition.left for condition in conditions], np.float64),
        "right": np.array([condition.right for condition in conditions], np.float64),
        "strict": np.array([condition.strict for condition in conditions]),
        "values": np.sort(np.array(list(certificate.values.values()), np.float64)),
    }


def of_monitored(seen: Monitored) -> dict[str, object]:
    """What the monitor saw of each chain, and what stood at the end."""
    names = ("steps", "certified", "numerical_rank", "phi", "mean_factor", "violated", "ledger")
    numbers: dict[str, object] = {}
    for chain, (log, certificate) in enumerate(zip(seen.logs, seen.certificates, strict=True)):
        numbers |= prefixed(f"log {chain}", {name: getattr(log, name) for name in names})
        numbers |= prefixed(f"certificate {chain}", of_certificate(certificate))
        firings = [(firing.step, firing.rank, firing.share) for firing in log.firings]
        numbers[f"firings {chain}"] = np.array(firings, np.float64).reshape(-1, 3)
    return numbers
