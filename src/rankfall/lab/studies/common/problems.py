"""Small noisy problems of unit scale, and the minima that gradient descent finds in them."""

from __future__ import annotations

import numpy as np

from ....datasets import low_rank
from ....dynamics import GD, Record, train
from ....errors import InputError
from ....measures import numerical_rank
from ....network import Network
from ....problem import Problem
from ...cell import Cell


def unit_problem(
    size: int, rank: int, observed: float, noise: float, seed: int, min_entries: int = 1
) -> Problem:
    """Some entries of a noisy square matrix of low rank, scaled to root mean square 1."""
    return unit_instance(size, rank, observed, noise, seed, min_entries)[0]


def unit_instance(
    size: int, rank: int, observed: float, noise: float, seed: int, min_entries: int = 1
) -> tuple[Problem, np.ndarray]:
    """:func:`unit_problem`, and the matrix without noise in the same unit."""
    problem, truth = low_rank(
        (size, size), rank=rank, observed=observed, noise=noise, seed=seed, min_entries=min_entries
    )
    scale = float(np.sqrt(np.mean(problem.values**2)))
    scaled = Problem.from_triplets(problem.rows, problem.cols, problem.values / scale, problem.shape)
    return scaled, truth / scale


def problem_of(cell: Cell) -> Problem:
    """The problem of a cell: size, rank, observed, noise and seed under ``problem``."""
    return unit_problem(
        *(cell.get(f"problem.{name}") for name in ("size", "rank", "observed", "noise", "seed"))
    )


def gradient_descent(
    problem: Problem, network: Network, lr: float, ridge: float, n_steps: int
) -> tuple[Network, int]:
    """The network after `n_steps` steps of gradient descent from `network`, and its numerical rank.

    Raises
    ------
    InputError
        If it diverged.
    """
    trace = train(
        problem,
        network,
        GD(lr=lr, ridge=ridge, n_steps=n_steps),
        record=Record(every=max(n_steps, 1), what=()),
        n_threads=1,
    )
    if trace.diverged[0]:
        raise InputError(f"Gradient descent diverged at lr = {lr:g}; choose a smaller one.")
    end = trace.final(0)
    return end, int(numerical_rank(end.singular_values(), problem))
