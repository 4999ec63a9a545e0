"""The demonstration: fill holes in Beijing's air quality and compare with three other methods."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..completion import Completion, Progress
from ..completion.complete import complete
from ..datasets import beijing
from ..errors import InputError, Outcome
from ..files import atomic_path

if TYPE_CHECKING:
    import pandas as pd

_HIDDEN_SHARE = 0.2


@dataclass(frozen=True)
class Score:
    """One method on the hidden cells: root mean square error of log PM2.5, and wall-clock seconds."""

    method: str
    rmse: float
    seconds: float


@dataclass(frozen=True, eq=False)
class DemoResult:
    """What the demonstration found and wrote.

    Attributes
    ----------
    scores : tuple of Score
        The other methods, then rankfall.
    completion : Completion
        Of the logarithm of PM2.5.
    n_hidden : int
        Number of cells that were hidden and compared.
    csv : Path
        The completed table, as written.
    interrupted : bool
        Whether Ctrl-C came in between: the completion is then the best so far, or other methods are missing.
    """

    scores: tuple[Score, ...]
    completion: Completion
    n_hidden: int
    csv: Path
    interrupted: bool = False


def run_demo(
    output_dir: str | PathLike[str],
    seed: int = 0,
    callback: Callable[[Progress], None] | None = None,
) -> DemoResult:
    """Hide a fifth of Beijing's PM2.5, complete it, and compare.

    The logarithm of PM2.5 is completed (concentrations are positive and skewed). The hidden cells are
    used for nothing but the comparison. Writes ``completed.csv`` (micrograms per cubic metre, observed
    cells as they were). Ctrl-C writes it from what there is.

    Parameters
    ----------
    output_dir : path
        Where to write; made if it does not exist.
    seed : int
        Chooses the hidden cells, and seeds every method.
    callback : callable, optional
        Told the progress of the completion, and which other method is running.

    Returns
    -------
    DemoResult

    Raises
    ------
    InputError
        If `output_dir` cannot be written to.
    """
    import pandas as pd

    folder = Path(output_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot make the folder {folder}: {error.strerror or error}.") from error

    table = beijing("PM2.5")
    known = pd.DataFrame(np.log(table.to_numpy()), table.index, table.columns)
    hidden = _hide(known.to_numpy(), seed)
    holes = known.mask(hidden)
    truth = known.to_numpy()[hidden]

    started = time.perf_counter()
    completion = complete(holes, seed=seed, fill="effects", callback=callback)
    ours = Score("rankfall", _rmse(completion.to_dense(), hidden, truth), time.perf_counter() - started)
    others: list[Score] = []
    interrupted = completion.outcome is Outcome.INTERRUPTED
    try:
        if not interrupted:
            others.extend(_others(holes.to_numpy(), hidden, truth, seed, callback))
    except KeyboardInterrupt:
        interrupted = True
    scores = (*others, ours)
    csv = folder / "completed.csv"
    _write_csv(csv, table.mask(hidden), completion)
    return DemoResult(scores, completion, truth.size, csv, interrupted)


def _hide(values: np.ndarray, seed: int) -> np.ndarray:
    """Boolean mask of a random fifth of the known cells."""
    known = np.flatnonzero(~np.isnan(values))
    chosen = np.random.default_rng(seed).choice(known, size=round(_HIDDEN_SHARE * known.size), replace=False)
    hidden = np.zeros(values.size, bool)
    hidden[chosen] = True
    return hidden.reshape(values.shape)


def _others(
    holes: np.ndarray,
    hidden: np.ndarray,
    truth: np.ndarray,
    seed: int,
    callback: Callable[[Progress], None] | None,
) -> Iterator[Score]:
    """Scikit-learn's imputers on the same cells, one after the other."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401  (makes the next import work)
    from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
    from threadpoolctl import threadpool_limits

    methods = {
        "column mean": SimpleImputer(),
        "10 nearest neighbours": KNNImputer(n_neighbors=10),
        "IterativeImputer (100 features, 3 rounds)": IterativeImputer(
            n_nearest_features=100, max_iter=3, random_state=seed
        ),
    }
    for name, imputer in methods.items():
        started = time.perf_counter()
        if callback is not None:
            callback(Progress(phase=f"for comparison: {name}"))
        # many small linear systems: threads inside each cost these methods far more than they give
        with warnings.catch_warnings(), threadpool_limits(1):
            # three rounds are what was asked for, not a failure
            warnings.simplefilter("ignore", ConvergenceWarning)
            filled = imputer.fit_transform(holes)
        yield Score(name, _rmse(filled, hidden, truth), time.perf_counter() - started)


def _rmse(filled: np.ndarray, hidden: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((filled[hidden] - truth) ** 2)))


def _write_csv(path: Path, holes: pd.DataFrame, completion: Completion) -> None:
    """The completed table in the original unit, observed cells as they were."""
    import pandas as pd

    predicted = np.round(np.exp(completion.to_dense(observed="fitted")), 2)
    filled = np.where(holes.isna(), predicted, holes)
    with atomic_path(path) as temporary:
        pd.DataFrame(filled, holes.index, holes.columns).to_csv(temporary)
