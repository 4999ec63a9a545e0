"""Training of equivariant networks in block form, for many chains at once.

SGD in equivariant weights is the step of docs/theory.md with the residual matrix R replaced by its average
over the group (Theorem S3 (ii)); in block form ``M_l <- (1 - 2 lr ridge) M_l - lr P_l^* R Q_l^*`` over D,
where one cell contributes ``rho / d * y_i E_a x_j^T`` to the block R of every irrep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..argument_checks import instance, number, whole
from ..declared_arguments import declared
from ..dynamics import GD, SGD
from ..errors import InputError
from ..measures import RANK_TOL
from ..problem import Problem
from .block_engine import Cells, Layout, cleaned, look, step
from .network import EquivariantNetwork
from .trace import EquivariantTrace, Recorded

# Steps after which rounding is taken off the embedded weights; fixed, so that recording changes no bit.
_GRID = 1000


@declared
def train(
    problem: Problem,
    network: EquivariantNetwork | Sequence[EquivariantNetwork],
    optimiser: SGD | GD,
    *,
    seed: int = 0,
    every: int = 1000,
    rank_tol: float = RANK_TOL,
) -> EquivariantTrace:
    """Train one equivariant network, or several of the same shape, and record its spectra by irrep.

    Parameters
    ----------
    problem : Problem
        Observed cells; weights are not supported.
    network : EquivariantNetwork or sequence of EquivariantNetwork
        A start for each chain.
    optimiser : SGD or GD
        With ``sampling="replacement"`` or prescribed `entries`. Norms and learning rate are those of whole
        matrices W: the steps are those of ordinary SGD with averaged residuals.
    seed : int
        Chain k depends on (seed, k) only.
    every : int
        Steps between two records.
    rank_tol : float
        Tolerance of the numerical rank, relative to the largest singular value of A.

    Returns
    -------
    EquivariantTrace

    Raises
    ------
    InputError
        If the arguments do not fit together.
    """
    problem = instance("problem", problem, Problem)
    listed = isinstance(network, (list, tuple))
    starts = [*network] if listed else [instance("network", network, EquivariantNetwork)]
    for each in starts:
        instance("network", each, EquivariantNetwork)
    optimiser = instance("optimiser", optimiser, (SGD, GD))
    seed, every = whole("seed", seed, least=0), whole("every", every, least=1)
    rank_tol = number("rank_tol", rank_tol, least=0, below=1)
    _check(problem, starts, optimiser)
    layout = Layout.of(starts[0])
    cells = Cells.of(problem, starts[0].maps, layout)
    weights = layout.pack(starts)
    records: list[Recorded] = []
    steps: list[int] = []
    drawn = _draws(optimiser, problem.n_observed, len(starts), seed)
    for start in range(0, optimiser.n_steps, _GRID):
        stop = min(start + _GRID, optimiser.n_steps)
        lr, ridge = (
            np.broadcast_to(each.values(start, stop), stop - start)
            for each in (optimiser.lr, optimiser.ridge)
        )
        picks = next(drawn)
        for k in range(stop - start):
            if (start + k) % every == 0:
                records.append(look(layout, cells, weights))
                steps.append(start + k)
            batch = None if picks is None else picks[k]
            with np.errstate(over="ignore", invalid="ignore"):  # of a chain on its way out
                weights = step(layout, cells, weights, batch, lr[k], ridge[k])
        weights = cleaned(layout, weights)
    records.append(look(layout, cells, weights))
    steps.append(optimiser.n_steps)
    maps = starts[0].maps
    dimensions = {each.name: each.dimension for each in maps.irreps}
    networks = layout.unpack(maps, weights)
    return EquivariantTrace.gather(
        np.array(steps), records, dimensions, networks, problem, optimiser, rank_tol
    )


def _draws(optimiser: SGD | GD, n_entries: int, n_chains: int, seed: int) -> Iterator[np.ndarray | None]:
    """Positions of the cells of each step, (steps, chains, b), grid by grid; None for all cells."""
    rngs = [np.random.default_rng([seed, chain]) for chain in range(n_chains)]
    for start in range(0, optimiser.n_steps, _GRID):
        count = min(start + _GRID, optimiser.n_steps) - start
        if isinstance(optimiser, GD):
            yield None
        elif optimiser.entries is not None:
            entries = optimiser.entries[start : start + count]
            yield np.repeat(entries[:, None], n_chains, axis=1)
        else:
            shape = count, optimiser.batch_size
            yield np.stack([rng.integers(n_entries, size=shape) for rng in rngs], axis=1)


def _check(problem: Problem, starts: Sequence[EquivariantNetwork], optimiser: SGD | GD) -> None:
    if not starts:
        raise InputError("There is no network to train.")
    first = starts[0]
    if any(each.maps is not first.maps or each.copies != first.copies for each in starts):
        raise InputError("All chains must start from networks of equal widths over one EquivariantMaps.")
    if problem.shape != first.maps.shape:
        raise InputError(
            f"The network makes {first.maps.shape[0]} x {first.maps.shape[1]} matrices, but the problem is "
            f"{problem.n_rows} x {problem.n_cols}."
        )
    if problem.weights is not None:
        raise InputError("Equivariant networks are trained on cells that all count alike.")
    optimiser.check(problem.n_observed)
    if isinstance(optimiser, SGD) and optimiser.entries is None and optimiser.sampling != "replacement":
        raise InputError('Equivariant networks are trained with sampling="replacement" or with entries.')
