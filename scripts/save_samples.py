"""Save one result of every kind, for the tests of later versions: they must load all of them.

    python scripts/save_samples.py 0.1.0

It writes tests/saved/VERSION, which must not be there yet: what a released version saved is never made
again. Beside the files stands expected.json: what to ask of each, what came out, and the tolerance for
numbers. tests/test_saved_files.py loads the files, asks again, and compares.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import rankfall as rf

ROOT = Path(__file__).resolve().parent.parent
SAVED = ROOT / "tests" / "saved"
Facts = dict[str, Any]

# loading computes some things again, and another processor rounds differently
_TOLERANCE = 1e-6
_MOST_CELLS = 60

_STUDY = "recovery"
_SWEEP = """\
# three cells, and a fourth that fails: it leaves some rows without an entry
[study]
name = "samples"
runner = "train"
seed = 1
seed_axes = ["repeat"]
[settings]
chains = 2
repeat = 0
[settings.problem]
shape = [6, 5]
rank = 1
observed = 0.7
[settings.network]
depth = 3
width = 4
[settings.optimiser]
lr = 0.05
ridge = 1e-3
n_steps = 400
[settings.record]
every = 100
leading = 2
[grid]
repeat = [0, 1]
"problem.observed" = [0.7, 0.1]
"""


# -- completions ------------------------------------------------------------------------------------------


def exact() -> rf.Completion:
    """An exact fit, as an array."""
    problem, _ = rf.datasets.low_rank((20, 15), rank=2, oversampling=2.0, seed=0)
    return rf.complete(problem, seed=0)


def options() -> rf.Completion:
    """A noisy table with names, weights, bounds and folds, on a log scale; one row is empty."""
    rng = np.random.default_rng(1)
    values = np.exp(_noisy_rank_two(rng, (24, 10)))
    values[rng.random(values.shape) < 0.3] = np.nan
    values[5] = np.nan
    frame = pd.DataFrame(values, [f"site {i}" for i in range(24)], [*"abcdefgh", "ä", "漢"])
    return rf.complete(
        frame,
        seed=1,
        scale="log",
        bounds=(0.05, None),
        folds=3,
        fill="effects",
        weights=rng.uniform(0.5, 2.0, values.shape),
    )


def units() -> rf.Completion:
    """Columns of very different units, one of them constant; cells were held out."""
    rng = np.random.default_rng(2)
    values = _noisy_rank_two(rng, (40, 8)) * 10.0 ** np.arange(-3, 5)
    values[:, 4] = 7.5
    values[rng.random(values.shape) < 0.2] = np.nan
    return rf.complete(pd.DataFrame(values, columns=[f"c{j}" for j in range(8)]), seed=2)


def effects() -> rf.Completion:
    """Counts without a low-rank part."""
    counts = np.random.default_rng(3).poisson(4.0, (15, 12)).astype(float)
    counts[::4, ::3] = np.nan
    return rf.complete(counts, seed=3, scale="log1p", bounds=(0, None), effects="columns", max_rank=0)


COMPLETIONS: dict[str, Callable[[], rf.Completion]] = {
    "exact": exact,
    "options": options,
    "units": units,
    "effects": effects,
}


def _noisy_rank_two(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    m, n = shape
    return rng.standard_normal((m, 2)) @ rng.standard_normal((2, n)) + 0.1 * rng.standard_normal(shape)


def questions_about_completion(result: rf.Completion) -> Facts:
    """New rows and columns to fold in: like some of the fit, with holes."""
    filled = np.nan_to_num(result.to_dense("fitted"), nan=1.0)
    rows, cols = 1.1 * filled[:2], 1.1 * filled[:, :2]
    rows[:, ::3] = np.nan
    cols[::3] = np.nan
    return {"new_rows": rows, "new_columns": cols}


def facts_of_completion(result: rf.Completion, asked: Facts) -> Facts:
    """What a loaded completion must still say."""
    size = result.shape[0] * result.shape[1]
    rows, cols = np.divmod(np.arange(0, size, max(1, size // _MOST_CELLS)), result.shape[1])
    lower, upper = result.interval(rows, cols, 0.8)
    new_rows, new_columns = (np.array(asked[name], dtype=float) for name in ("new_rows", "new_columns"))
    certificate = result.certificate
    return {
        "shape": result.shape,
        "rank": result.rank,
        "outcome": result.outcome.value,
        "converged": result.outcome.converged,
        "n_warnings": len(result.warnings),
        "scale": result.scale,
        "bounds": result.bounds,
        "fill": result.fill,
        "row_names": result.row_names,
        "col_names": result.col_names,
        "seed": result.settings["seed"],
        "made_by": result.versions["rankfall"],
        "mixed_units": result.mixed_units,
        "units": result.units,
        "observed": {
            "rows": result.problem.rows,
            "cols": result.problem.cols,
            "values": result.problem.values,
            "weights": result.problem.weights,
        },
        "path": {name: result.path[name] for name in result.path.columns},
        "history": sorted(result.history),
        "n_held_out": 0 if result.model.held_out is None else result.model.held_out.predicted.size,
        "train_rmse": result.train_rmse,
        "validation_rmse": result.validation_rmse,
        "singular_values": result.factors[1],
        "effects": result.effects,
        "predicted": result.predict(rows, cols),
        "lower": lower,
        "upper": upper,
        "transformed": result.transform(new_rows),
        "folded": result.fold_columns(new_columns),
        "certificate": None if certificate is None else facts_of_certificate(certificate),
    }


# -- certificates -----------------------------------------------------------------------------------------


def certificate() -> rf.theory.Certificate:
    """One that holds: a balanced network of rank one, at small steps."""
    matrix = 0.1 * np.outer([1.0, 2.0, 3.0, 1.0], [1.0, 0.0, 1.0, 2.0])
    network = rf.Network.lift(matrix, depth=3)
    return rf.theory.certify(rf.Problem.from_dense(matrix), network, 1, 0.1, 1e-3)


def facts_of_certificate(found: rf.theory.Certificate) -> Facts:
    """What a certificate must still say."""
    return {
        "theorem": found.theorem,
        "claim": found.claim,
        "holds": found.holds,
        "rank": found.rank,
        "p_fail": found.p_fail,
        "assumptions": found.assumptions,
        "conditions": [[c.name, c.statement, c.left, c.right, c.source, c.holds] for c in found.conditions],
        "values": dict(found.values),
    }


# -- runs -------------------------------------------------------------------------------------------------


def a_problem() -> rf.Problem:
    """A small one whose numbers are the same on every computer."""
    i, j = np.divmod(np.arange(30), 5)
    keep = (i + 2 * j) % 4 != 0
    return rf.Problem.from_triplets(i[keep], j[keep], ((i - 2.5) * (j - 1.5) / 4)[keep], (6, 5))


def a_network() -> rf.Network:
    """Its start, the same on every computer."""
    shapes = [(4, 5), (4, 4), (6, 4)]
    return rf.Network(tuple(np.cos(np.arange(m * n)).round(3).reshape(m, n) / 2 for m, n in shapes))


def sgd_trace() -> rf.Trace:
    """Schedules of both kinds, weights and ledger recorded, two chains."""
    steps = 400
    optimiser = rf.SGD(
        lr=rf.dynamics.Geometric(0.05, 0.02, steps),
        ridge=np.full(steps, 1e-3),
        n_steps=steps,
        batch_size=2,
        sampling="distinct",
    )
    record = rf.Record(every=100, what=("singular_values", "train_loss", "rank", "weights"))
    return rf.train(a_problem(), a_network(), optimiser, chains=[3, 5], seed=4, record=record)


def gd_trace() -> rf.Trace:
    """Gradient descent, in single precision."""
    return rf.train(
        a_problem(),
        a_network(),
        rf.GD(lr=0.05, ridge=1e-3, n_steps=200),
        record=rf.Record(every=50),
        dtype="float32",
    )


TRACES: dict[str, Callable[[], rf.Trace]] = {"sgd": sgd_trace, "gd": gd_trace}


def facts_of_trace(trace: rf.Trace) -> Facts:
    """What a loaded trace must still say; where weights were recorded, some steps are run again from them."""
    facts = {
        "steps": trace.steps,
        "chains": trace.chains,
        "seed": trace.seed,
        "dtype": str(trace.dtype),
        "n_steps": trace.n_steps,
        "diverged": trace.diverged,
        "rank": trace.rank,
        "singular_values": trace.singular_values,
        "train_loss": trace.train_loss,
        "products": [network.product() for network in trace.finals()],
        "start": trace.start.product(),
        "observed": trace.problem.values,
        "settings": {name: trace.settings[name] for name in ("optimiser", "n_steps", "shape", "widths")},
    }
    if trace.snapshots is not None:
        again = rf.replay(trace, chain=1, start=200, stop=250, record=rf.Record(every=10))
        facts["replayed"] = {"steps": again.steps, "train_loss": again.train_loss}
    return facts


def checkpointed_run(
    path: Path, callback: Callable[[rf.dynamics.Progress], bool | None] | None = None
) -> rf.Trace:
    """The run that is kept in a file; it goes on where the file is."""
    optimiser = rf.SGD(lr=0.05, ridge=1e-3, n_steps=20_000, batch_size=2)
    record = rf.Record(every=5000)
    return rf.train(
        a_problem(),
        a_network(),
        optimiser,
        chains=2,
        seed=6,
        record=record,
        checkpoint=path,
        callback=callback,
    )


# -- a sweep and a study ----------------------------------------------------------------------------------


def run_sweep(toml: Path, folder: Path) -> rf.lab.Sweep:
    """Compute the cells that the folder does not have."""
    with ThreadPoolExecutor(1) as executor:
        return rf.lab.run_sweep(rf.lab.read_study(toml), folder, executor)


def facts_of_folder(folder: Path) -> Facts:
    """What the folder of a sweep or a study must still say."""
    status = rf.lab.sweep_status(folder)
    frame = rf.lab.open_sweep(folder)
    facts: Facts = {
        "study": status.study,
        "cells": [status.n_cells, status.done, status.failed, status.open],
        "failures": [list(axes.items()) for axes, _ in status.failures],
        "table": {name: frame[name] for name in frame.columns},
    }
    if (folder / "claims.csv").exists():
        claims = pd.read_csv(folder / "claims.csv", keep_default_na=False)
        facts["claims"] = {name: claims[name].astype(str) for name in ("statement", "rule", "verdict")}
    return facts


# -- files ------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """For JSON: lists, and the words nan, inf and -inf for numbers that it has no word for."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def readable(value: Any, indent: str = "") -> str:
    """JSON with a line for every name, and not for every number."""
    if not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    inner = ",\n".join(
        f"{indent} {json.dumps(name)}: {readable(item, indent + ' ')}" for name, item in value.items()
    )
    return f"{{\n{inner}\n{indent}}}" if value else "{}"


def save(folder: Path) -> Facts:
    """Write every file, and return what is expected of each."""
    expected: Facts = {"tolerance": _TOLERANCE, "completions": {}, "traces": {}}
    for name, make in COMPLETIONS.items():
        result = make()
        result.save(folder / f"completion-{name}.npz")
        asked = questions_about_completion(result)
        expected["completions"][name] = {"asked": asked, "found": facts_of_completion(result, asked)}
    for name, run in TRACES.items():
        trace = run()
        trace.save(folder / f"trace-{name}.npz")
        expected["traces"][name] = facts_of_trace(trace)
    found = certificate()
    (folder / "certificate.json").write_text(json.dumps(found.as_dict(), indent=1) + "\n", encoding="utf-8")
    expected["certificate"] = facts_of_certificate(found)
    checkpointed_run(folder / "checkpoint.npz", lambda progress: progress.step > 0)
    whole = checkpointed_run(folder / "whole.npz")
    (folder / "whole.npz").unlink()
    expected["checkpoint"] = {"steps": whole.steps, "train_loss": whole.train_loss, "rank": whole.rank}
    (folder / "sweep.toml").write_text(_SWEEP, encoding="utf-8")
    run_sweep(folder / "sweep.toml", folder / "sweep")
    rf.lab.run_study(_STUDY, folder / "study", quick=True)
    # the page of a study needs one of its pictures
    (folder / "study" / "figure.png").unlink()
    for name in ("sweep", "study"):
        expected[name] = facts_of_folder(folder / name)
        (folder / name / ".lock").unlink(missing_ok=True)
    without_place(folder / "sweep" / "failures")
    return expected


def without_place(failures: Path) -> None:
    """Shorten the paths in the records of failures to those inside of the repository."""
    for path in failures.iterdir():
        content = json.loads(path.read_text(encoding="utf-8"))
        content["traceback"] = content["traceback"].replace(f"{ROOT.as_posix()}/", "")
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("version", help="the folder below tests/saved: the version that is released")
    folder = SAVED / parser.parse_args().version
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise SystemExit(f"{folder} is there already; what a version saved is not made again.") from error
    expected = readable(plain(save(folder)))
    (folder / "expected.json").write_text(f"{expected}\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
