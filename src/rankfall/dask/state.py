"""What a sweep begins with: the columns' posterior and a few numbers. Rows follow from it and their cells.

Because the rows' factors are a function of their own cells and of the columns, they are never stored between
sweeps: a sweep reads each block once, and a checkpoint is as small as the columns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from pathlib import Path

import numpy as np

from ..argument_checks import flag, number, whole
from ..completion.solvers.kernels.variational import second_moments
from ..completion.solvers.noise_model import NoiseModel
from ..completion.solvers.posterior import Side
from ..files.plain_values import any_number, listed, record
from ..files.schema import Field, Length, Saved, Schema


@dataclass(frozen=True, eq=False)
class State:
    """The fit of one rank between two sweeps; values have mean 0 (if there is a mean) and variance 1.

    Coordinates are the `rank` factors, then the row effect (known to be 1 in the columns), then the column
    effect (known to be 1 in the rows), as in :mod:`rankfall.completion.solvers.variational`. "Rows" are those
    of :class:`~.blocks.Layout`.

    Attributes
    ----------
    rank : int
    row_effects, col_effects : bool
    mean, cov : ndarray, shapes (n, K), (n, F (F + 1) / 2)
        Posterior of the columns' free coordinates, packed covariances.
    col_noise : ndarray, shape (n, 2)
        Noise scales and expected misfits of the columns.
    row_prior, col_prior : ndarray
        Precisions of the free coordinates.
    noise : float
    prior_cells : float
        Of the noise model; infinite where all noise scales are 1.
    spread : ndarray, shape (n,)
        Noise scale of each column for intervals, under any noise model.
    known : ndarray of bool, shape (n,)
        Columns that rows may be learned from: at first only those of the sample.
    sweeps : int
    history : tuple of float
        Held-out errors of this rank before each of its sweeps.
    """

    rank: int
    row_effects: bool
    col_effects: bool
    mean: np.ndarray
    cov: np.ndarray
    col_noise: np.ndarray
    row_prior: np.ndarray
    col_prior: np.ndarray
    noise: float
    prior_cells: float
    spread: np.ndarray
    known: np.ndarray
    sweeps: int = 0
    history: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Number of coordinates, K."""
        return self.rank + self.row_effects + self.col_effects

    @property
    def row_free(self) -> np.ndarray:
        """Coordinates of the rows that are fitted."""
        return np.arange(self.rank + self.row_effects)

    @property
    def col_free(self) -> np.ndarray:
        """Coordinates of the columns that are fitted."""
        effect = [self.rank + self.row_effects] if self.col_effects else []
        return np.array([*range(self.rank), *effect], dtype=np.int64)

    @property
    def row_fixed(self) -> int:
        """The coordinate of the rows that is known to be 1, -1 if there is none."""
        return self.rank + self.row_effects if self.col_effects else -1

    @property
    def col_fixed(self) -> int:
        """The coordinate of the columns that is known to be 1, -1 if there is none."""
        return self.rank if self.row_effects else -1

    @property
    def noise_model(self) -> NoiseModel:
        return NoiseModel(self.prior_cells)

    @property
    def cols(self) -> Side:
        """The columns as a side of a :class:`~rankfall.completion.solvers.posterior.Posterior`."""
        center = np.zeros(self.col_free.size)
        return Side(
            self.mean, self.cov, self.col_free, self.col_fixed, self.col_prior, center, self.col_noise
        )

    def with_unknown(self) -> State:
        """With one more column of which nothing is known but the prior: what unknown columns are like."""
        F = self.col_free.size
        cov = np.zeros(F * (F + 1) // 2)
        cov[np.arange(F) * (np.arange(F) + 3) // 2] = 1 / self.col_prior
        mean = np.zeros(self.size)
        if self.row_effects:
            mean[self.col_fixed] = 1.0
        return replace(
            self,
            mean=np.vstack([self.mean, mean]),
            cov=np.vstack([self.cov, cov]),
            col_noise=np.vstack([self.col_noise, [1.0, 0.0]]),
            spread=np.append(self.spread, 1.0),
            known=np.append(self.known, True),
        )


@dataclass(frozen=True, eq=False)
class Loaded:
    """A state as a task uses it.

    Attributes
    ----------
    state : State
    second : ndarray, shape (n, K (K + 1) / 2)
        Second moments of the columns.
    weight : ndarray, shape (n,)
        What the cells of a column count in the rows.
    """

    state: State
    second: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, state: State) -> Loaded:
        weight = np.where(state.known, 1 / state.col_noise[:, 0], 0.0)
        return cls(state, second_moments(state.mean, state.cov, state.col_free), weight)


def state_fields() -> tuple[Field, ...]:
    """The arrays of a state, for files that hold one; the letters r, e, f and n are bound before."""
    return (
        Field("mean", "float", ("n", Length(lambda saved: _sum(saved, "ref")))),
        Field("cov", "float", ("n", Length(_packed))),
        Field("col_noise", "float", ("n", 2), least=0),
        Field(
            "row_prior", "float", (Length(lambda saved: saved.lengths["r"] + saved.lengths["e"]),), above=0
        ),
        Field(
            "col_prior", "float", (Length(lambda saved: saved.lengths["r"] + saved.lengths["f"]),), above=0
        ),
        Field("noise", "float", (), above=0),
        Field("prior_cells", "float", (), above=0, allowing=("inf",)),
        Field("spread", "float", ("n",), above=0),
        Field("known", "flag", ("n",)),
    )


STATE_META = {
    "n_cols": lambda name, value: whole(name, value, least=1),
    "rank": lambda name, value: whole(name, value, least=0),
    "row_effects": flag,
    "col_effects": flag,
    "sweeps": lambda name, value: whole(name, value, least=0),
    "history": listed(any_number),
}
ARRAYS = ("mean", "cov", "col_noise", "row_prior", "col_prior", "spread", "known")
STATE_BINDS: dict[str, str | tuple[str, ...]] = {
    "n_cols": "n",
    "rank": "r",
    "row_effects": "e",
    "col_effects": "f",
}


def _sum(saved: Saved, letters: str) -> int:
    return sum(int(saved.lengths[letter]) for letter in letters)


def _packed(saved: Saved) -> int:
    F = _sum(saved, "rf")
    return F * (F + 1) // 2


def state_arrays(state: State) -> dict[str, np.ndarray]:
    """The arrays of a state."""
    numbers = {name: np.asarray(getattr(state, name)) for name in ("noise", "prior_cells")}
    return {**{name: getattr(state, name) for name in ARRAYS}, **numbers}


def state_meta(state: State) -> dict[str, object]:
    """What is no array in a state."""
    return {
        "n_cols": state.mean.shape[0],
        "rank": state.rank,
        "row_effects": bool(state.row_effects),
        "col_effects": bool(state.col_effects),
        "sweeps": state.sweeps,
        "history": list(state.history),
    }


def state_of(saved: Saved) -> State:
    """The state in a file."""
    meta = saved.meta
    return State(
        rank=meta["rank"],
        row_effects=meta["row_effects"],
        col_effects=meta["col_effects"],
        sweeps=meta["sweeps"],
        history=tuple(meta["history"]),
        noise=float(saved["noise"]),
        prior_cells=float(saved["prior_cells"]),
        **{name: saved[name] for name in ARRAYS},
    )


_SCHEMA = Schema(
    kind="state of a completion on disk",
    meta=record({**STATE_META, "error": number, "mae": number, "rmse": number}),
    binds=STATE_BINDS,
    fields=(
        *state_fields(),
        Field("by_group", "float", ("g", 3)),
        Field("singular_values", "float", ("r",), least=0),
    ),
)


@dataclass(frozen=True, eq=False)
class Judged:
    """A state with its held-out errors.

    Attributes
    ----------
    state : State
    by_group : ndarray, shape (n_groups, 3)
        Held-out cells of every group of blocks, sums of their squared and of their absolute errors.
    singular_values : ndarray, shape (rank,)
        Of the fitted low-rank part, standardised.
    """

    state: State
    by_group: np.ndarray
    singular_values: np.ndarray

    @property
    def rmse(self) -> float:
        """Root mean square error at the held-out cells."""
        n, squares, _ = self.by_group.sum(axis=0)
        return float(np.sqrt(squares / n)) if n else inf

    @property
    def mae(self) -> float:
        """Mean absolute error at the held-out cells."""
        n, _, absolute = self.by_group.sum(axis=0)
        return float(absolute / n) if n else inf

    @property
    def error(self) -> float:
        """Geometric mean of both, by which ranks are compared."""
        return float(np.sqrt(self.rmse * self.mae))


def write_state(path: Path, judged: Judged) -> None:
    """Write a state, whole or not at all."""
    shown = {name: getattr(judged, name) for name in ("error", "mae", "rmse")}
    shown = {name: value if np.isfinite(value) else 0.0 for name, value in shown.items()}
    arrays = {
        **state_arrays(judged.state),
        "by_group": judged.by_group,
        "singular_values": judged.singular_values,
    }
    _SCHEMA.write(path, arrays, {**state_meta(judged.state), **shown})


def read_state(path: Path) -> Judged:
    """Read what :func:`write_state` wrote.

    Raises
    ------
    InputError
        If there is no such file, or it is damaged.
    """
    saved = _SCHEMA.read(path)
    return Judged(state_of(saved), saved["by_group"], saved["singular_values"])


@lru_cache(maxsize=2)
def loaded(path: str, stamp: int) -> Loaded:
    """A state as tasks use it, read once by every process; `stamp` tells one version from the next."""
    return Loaded.of(read_state(Path(path)).state)
