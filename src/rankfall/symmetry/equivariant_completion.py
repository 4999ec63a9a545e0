"""Completion of a matrix that commutes with a group, from few of its cells."""

# matrices have capital letters
# pyright: reportConstantRedefinition=false
from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from ..argument_checks import array, flag, function, instance, optional, positive, whole
from ..declared_arguments import declared
from ..dynamics import GD, SGD, Geometric
from ..errors import InputError
from ..problem import Problem
from ..theory import Certificate
from .algebra import embed
from .block_engine import Cells, Layout
from .block_refit import cut, refit
from .block_tails import lock
from .maps import EquivariantMaps
from .network import EquivariantNetwork
from .orbit_filling import fill_orbits, fit_rank
from .representations import Representation
from .storage import read, write
from .trace import EquivariantTrace
from .training import train

if TYPE_CHECKING:
    from pandas import DataFrame

# Relative shrinkage of the largest singular value, and share of a bound of the curvature at which gradient
# descent becomes unstable: with these the ring array of docs/symmetry.md has the ridge 3e-6 that was chosen
# by hand (within 60% for 300 to 800 cells), and a learning rate of 3 to 8, below 10 where it diverges.
_SHRINKAGE = 5e-4
_SHARE = 0.9
# The ridge begins at this many times its last value. On the ring array with 400 and 600 cells, two seeds, 30
# finds rank one in every irrep in a tenth of the steps of a constant ridge; 10 is slower, 100 kills irreps.
_ANNEALING = 30.0
# Starts at half the learning rate after a divergence.
_RESTARTS = 8


@dataclass(frozen=True, eq=False)
class EquivariantCompletion:
    """A completed equivariant matrix, with the baseline beside it.

    Attributes
    ----------
    problem : Problem
        The observed cells.
    maps : EquivariantMaps
    network : EquivariantNetwork
        The last weights, in units in which the observed cells have root mean square 1.
    trace : EquivariantTrace
        Spectra along the run, in the same units.
    ranks : dict of str to int
        Numerical rank over D of each irrep at the end.
    blocks : dict of str to ndarray, shapes (e, m, n)
        The answer in block form, of these ranks, in the unit of the data.
    unit : float
        Root mean square of the observed cells.
    settled : bool
        Whether no rank changed in the last quarter of the run.
    certificate : Certificate or None
        Theorem 3 for every irrep at the last weights, for further steps like those of the run: about the
        network, not about the fit at its ranks. None at depth 2.
    baseline : ndarray, shape (m, n), or None
        Plain completion of the cells that orbit filling gives; None where there are no orbits.
    errors : dict of str to float
        With `check` cells: root mean squared error on them over their root mean square, of the "equivariant"
        completion, of "orbit filling", and of "zero".
    seconds : float
    """

    problem: Problem
    maps: EquivariantMaps
    network: EquivariantNetwork = field(repr=False)
    trace: EquivariantTrace = field(repr=False)
    ranks: dict[str, int]
    blocks: dict[str, np.ndarray] = field(repr=False)
    unit: float
    settled: bool
    certificate: Certificate | None = field(repr=False)
    baseline: np.ndarray | None = field(repr=False)
    errors: dict[str, float]
    seconds: float

    @property
    def rank(self) -> int:
        """Rank of the matrix, ``sum_tau d_tau r_tau``."""
        return sum(self.maps.irrep(name).dimension * r for name, r in self.ranks.items())

    @property
    def degrees_of_freedom(self) -> int:
        """Real numbers that make up equivariant matrices of these ranks: ``sum e r (m + n - r)``."""
        return _freedom(self.maps, self.ranks)

    def to_dense(self) -> np.ndarray:
        """The completed matrix, exactly equivariant."""
        return self.maps.assemble(self.blocks)

    @declared
    def save(self, path: str | PathLike[str]) -> None:
        """Write the completion to one .npz file (arrays and JSON, no pickle), whole or not at all.

        Labels of a table that came in are not kept.
        """
        write(path, {each.name: getattr(self, each.name) for each in fields(self)})

    @classmethod
    @declared
    def load(cls, path: str | PathLike[str]) -> EquivariantCompletion:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            If the file holds something else, is damaged, or was written by a later version of the layout.
        """
        return cls(**read(path))

    @declared
    def jumps(self, *, dwell: int | None = None) -> DataFrame:
        """Jumps of the ranks along the run, by irrep; see :meth:`EquivariantTrace.jump_table`."""
        return self.trace.jump_table(dwell=dwell)

    def summary(self) -> str:
        """What was found, and the baseline beside it."""
        group = self.maps.rows.representation.group
        ranks = ", ".join(f"{name}: {r}" for name, r in self.ranks.items())
        freedom = self.degrees_of_freedom
        share = f", {self.problem.n_observed / freedom:.3g} cells for each" if freedom else ""
        lines = [
            f"{self.problem.n_rows} x {self.problem.n_cols}, {self.problem.n_observed} cells observed; "
            f"commutes with {group.name} (order {group.order}).",
            f"Rank {self.rank}, by irrep ({ranks}): {freedom} degrees of freedom{share}.",
        ]
        if not self.rank:
            lines.append("The ridge left nothing of the weights; give a smaller one.")
        if not self.settled:
            lines.append("Ranks still changed in the last quarter of the run; raise n_steps.")
        if self.baseline is None:
            lines.append("No baseline: without permutations there are no orbits to fill.")
        else:
            A, other = self.to_dense() / self.unit, self.baseline / self.unit
            apart = np.linalg.norm(A - other) / max(float(np.linalg.norm(A)), 1e-300)
            lines.append(f"Orbit filling and a plain completion differ from it by {apart:.3g} (relative).")
        if self.errors:
            found = ", ".join(f"{name} {value:.3g}" for name, value in self.errors.items())
            lines.append(f"Relative error on the check cells: {found}.")
        if self.certificate is not None:
            holds = self.certificate.holds
            lines.append(f"Ranks by irrep {'are' if holds else 'are not'} certified for further steps.")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"EquivariantCompletion({self.problem.n_rows} x {self.problem.n_cols}, rank {self.rank})"


@declared
def complete(
    X: object,
    *,
    rows: Representation,
    columns: Representation,
    depth: int = 3,
    hidden: int | Mapping[str, int] | None = None,
    ridge: float | None = None,
    lr: float | None = None,
    n_steps: int = 40_000,
    batch_size: int | None = None,
    scale: float = 0.5,
    seed: int = 0,
    refit_ranks: bool = True,
    check: Problem | None = None,
    baseline: Callable[[Problem], np.ndarray] | None = None,
) -> EquivariantCompletion:
    """Complete a matrix A with ``A rho_columns(g) = rho_rows(g) A`` from some of its cells.

    A deep linear network over D is trained for each irrep; their ranks fall along the run, and what is left
    is the answer. Orbit filling, the average of the observed cells of each orbit followed by a plain
    completion, is computed beside it, because it is about as accurate.

    Parameters
    ----------
    X : Problem, array, data frame or sparse matrix
        As in :func:`rankfall.complete`.
    rows, columns : Representation
        How the group acts on rows and columns.
    depth : int
        Number of layers.
    hidden : int or mapping of str to int, optional
        Copies of each irrep in the hidden layers; see :meth:`EquivariantNetwork.gaussian`.
    ridge, lr : float, optional
        In units in which the observed cells have root mean square 1. By default from the largest singular
        value, as far as the observed cells tell it. The ridge falls from 30 times this over the first half of
        the steps, which makes the ranks fall sooner.
    n_steps : int
    batch_size : int, optional
        Cells per step, drawn with replacement; by default all.
    scale : float
        Of the start.
    seed : int
    refit_ranks : bool
        Whether to fit the cells by least squares at the ranks that were found, which takes the shrinkage by
        the ridge away. It is done only where there are as many cells as degrees of freedom.
    check : Problem, optional
        Cells that are known and not used: errors on them are reported for the answer and for the baseline.
    baseline : function of Problem, optional
        Completes the filled orbits, for example ``lambda p: rankfall.complete(p).to_dense()``. By default
        alternating least squares, which is told the rank that the equivariant completion found.

    Returns
    -------
    EquivariantCompletion

    Raises
    ------
    InputError
        If the arguments do not fit together, or every run diverged.
    """
    began = time.perf_counter()
    problem = Problem.coerce(X)
    rows, columns = instance("rows", rows, Representation), instance("columns", columns, Representation)
    depth, n_steps = whole("depth", depth, least=2), whole("n_steps", n_steps, least=1)
    ridge, lr = optional(positive, "ridge", ridge), optional(positive, "lr", lr)
    scale = positive("scale", scale)
    batch_size = optional(whole, "batch_size", batch_size, least=1)
    refit_ranks = flag("refit_ranks", refit_ranks)
    check, baseline = optional(instance, "check", check, Problem), optional(function, "baseline", baseline)
    _check_shapes(rows, columns, {"X": problem, "check": check})
    unit = _root_mean_square(problem.values)
    if unit == 0:
        raise InputError("All observed cells are zero; there is nothing to complete.")
    if check is not None and not np.any(check.values):
        raise InputError("All check cells are zero, and errors are relative to their size; give others.")
    scaled = problem.with_values(problem.values / unit)
    maps = EquivariantMaps.between(rows, columns, seed=seed)
    start = EquivariantNetwork.gaussian(maps, depth=depth, hidden=hidden, scale=scale, seed=seed)
    default_ridge, default_lr = _defaults(scaled, start)
    ridge = ridge or default_ridge
    # weight decay must not change signs, even at the first ridge
    most = 0.5 / (_ANNEALING * ridge)
    if lr is not None and lr >= most:
        raise InputError(
            f"2 lr ridge must stay below 1, and the ridge begins at {_ANNEALING:g} times {ridge:.3g}; give "
            f"an lr below {most:.3g} or a smaller ridge."
        )
    lr = lr or min(default_lr, most / 2)
    trace, network, lr = _descended(scaled, start, ridge, lr, n_steps, batch_size, seed)
    ranks = {name: int(found[0, -1]) for name, found in trace.ranks.items()}
    late = trace.steps >= 0.75 * n_steps
    settled = all((found[0, late] == found[0, -1]).all() for found in trace.ranks.values())
    certificate = None
    if depth >= 3:
        certificate = lock(scaled, network, ranks, ridge=ridge, lr=lr, batch_size=batch_size)
    blocks = cut(maps, network.product_blocks(), ranks)
    if refit_ranks and 0 < _freedom(maps, ranks) <= problem.n_observed:
        blocks = refit(scaled, maps, blocks, ranks)
    blocks = {name: unit * M for name, M in blocks.items()}
    rank = sum(each.dimension * ranks[each.name] for each in maps.irreps)
    other = _baseline(problem, rows, columns, baseline, rank, seed)
    errors = {} if check is None else _errors(check, maps.assemble(blocks), other)
    seconds = time.perf_counter() - began
    return EquivariantCompletion(
        problem, maps, network, trace, ranks, blocks, unit, settled, certificate, other, errors, seconds
    )


def _root_mean_square(values: np.ndarray) -> float:
    """Also where squares are out of the range of float64."""
    exponent = np.frexp(np.abs(values).max(initial=0.0))[1]
    return float(np.ldexp(np.sqrt(np.mean(np.square(np.ldexp(values, -exponent)))), exponent))


def _check_shapes(rows: Representation, columns: Representation, given: Mapping[str, Problem | None]) -> None:
    for name, each in given.items():
        if each is not None and each.shape != (rows.dimension, columns.dimension):
            raise InputError(
                f"{name} is {each.n_rows} x {each.n_cols}, but the representations act on "
                f"{rows.dimension} rows and {columns.dimension} columns."
            )


def _descended(
    problem: Problem,
    start: EquivariantNetwork,
    ridge: float,
    lr: float,
    n_steps: int,
    batch_size: int | None,
    seed: int,
) -> tuple[EquivariantTrace, EquivariantNetwork, float]:
    """The run, its last network, and its learning rate: half of the one before after every divergence."""
    falling = Geometric(_ANNEALING * ridge, ridge, max(1, n_steps // 2))
    for _ in range(_RESTARTS):
        optimiser = (
            GD(lr=lr, ridge=falling, n_steps=n_steps)
            if batch_size is None
            else SGD(lr=lr, ridge=falling, n_steps=n_steps, batch_size=batch_size)
        )
        trace = train(problem, start, optimiser, seed=seed, every=max(1, n_steps // 200))
        network = trace.networks[0]
        if network is not None:
            return trace, network, lr
        lr /= 2
    raise InputError(f"Every run diverged, down to a learning rate of {2 * lr:.2g}; give a smaller lr.")


def _freedom(maps: EquivariantMaps, ranks: Mapping[str, int]) -> int:
    """``sum e r (m + n - r)``."""
    return sum(
        each.endomorphisms * ranks[each.name] * (sum(maps.sizes[each.name]) - ranks[each.name])
        for each in maps.irreps
    )


def _defaults(problem: Problem, start: EquivariantNetwork) -> tuple[float, float]:
    """Ridge and learning rate for cells of root mean square 1.

    The zero-filled cells, averaged over the group and divided by the share observed, estimate A without bias;
    their largest singular value s is a little too large. At s the ridge shrinks by ``2 ridge m n s^(2/L-2)``,
    and the curvature is at most ``L s^(2-2/L)`` times that of the cells.
    """
    layout = Layout.of(start)
    cells = Cells.of(problem, start.maps, layout)
    sums = problem.values @ cells.spreads * (np.prod(problem.shape) / problem.n_observed)
    top = 0.0
    for name, where in layout.slices.items():
        block = embed(sums[where].reshape(layout.sizes[name]))
        top = max(top, float(np.linalg.norm(block, 2)))
    # in coordinates in which the norm is that of whole matrices
    reads = np.sign(cells.reads) * np.sqrt(cells.reads * cells.spreads)
    curvature = float(np.linalg.norm(reads, 2)) ** 2 / problem.n_observed
    depth = start.depth
    power = top ** (2 - 2 / depth)
    return _SHRINKAGE * power / (2 * float(np.prod(problem.shape))), 2 * _SHARE / (depth * power * curvature)


def _baseline(
    problem: Problem,
    rows: Representation,
    columns: Representation,
    baseline: Callable[[Problem], np.ndarray] | None,
    rank: int,
    seed: int,
) -> np.ndarray | None:
    """The completion of the filled orbits; None where there are none."""
    if rows.permutations is None or columns.permutations is None:
        return None
    filled = fill_orbits(problem, rows, columns)
    if baseline is None:
        return fit_rank(filled, rank, seed=seed)
    return array("what baseline returns", baseline(filled), problem.shape)


def _errors(check: Problem, A: np.ndarray, other: np.ndarray | None) -> dict[str, float]:
    """Errors on the check cells relative to their root mean square."""
    size = _root_mean_square(check.values)

    def error(B: np.ndarray) -> float:
        return _root_mean_square(B[check.rows, check.cols] - check.values) / size

    out = {"equivariant": error(A)}
    if other is not None:
        out["orbit filling"] = error(other)
    return out | {"zero": 1.0}
