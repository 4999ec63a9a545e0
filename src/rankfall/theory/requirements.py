"""What the statements do not cover, refused in one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from math import inf, nan
from typing import TypeVar

import numpy as np

from ..argument_checks import instance, real, shown
from ..errors import InputError
from ..measurements import Measurements, require_entries
from ..network import Network
from ..problem import Problem

T = TypeVar("T")


def plain(number: object) -> float:
    """A number of any type as a float, NaN for what is none; statements are evaluated in double precision.

    In NumPy's narrow types ``2 lr ridge`` may wrap around or lose all but three digits.
    """
    found = real(number)
    with suppress(OverflowError):
        return nan if found is None else float(found)
    return inf


def is_positive(number: object) -> bool:
    """Whether this is a positive, finite number."""
    return 0 < plain(number) < inf


def require_positive(**numbers: float) -> None:
    """Refuse numbers that are not positive and finite; the keyword is the name in the sentence."""
    for name, number in numbers.items():
        if not is_positive(number):
            raise InputError(f"The statement needs a positive {name}, not {shown(number)}.")


def require_bounds(**numbers: float) -> None:
    """Refuse numbers that are not finite and 0 or more; the keyword is the name in the sentence."""
    for name, number in numbers.items():
        if not 0 <= plain(number) < inf:
            raise InputError(f"{name} must be a number, 0 or more, not {shown(number)}.")


def require_step(ridge: float, lr: float) -> tuple[float, float]:
    """The ridge and lr as floats; refuse steps that are not ``lr, ridge > 0`` and ``2 lr ridge < 1``."""
    require_positive(ridge=ridge, lr=lr)
    ridge, lr = plain(ridge), plain(lr)
    if 2 * lr * ridge >= 1:
        raise InputError(f"The statement needs 2 lr ridge < 1; here it is {2 * lr * ridge:.6g}.")
    return ridge, lr


def is_whole(number: object, least: int, most: float = inf) -> bool:
    """Whether this is a whole number from `least` to `most`, of any type but bool."""
    if isinstance(number, int) and not isinstance(number, bool):
        return least <= number <= most
    found = plain(number)
    return found.is_integer() and least <= found <= most


def require_whole(least: int, **numbers: int) -> None:
    """Refuse what is not a whole number of at least `least`."""
    for name, number in numbers.items():
        if not is_whole(number, least):
            raise InputError(f"{name} must be a whole number, {least} or more, not {shown(number)}.")


def several(name: str, values: Iterable[T]) -> list[T]:
    """Several values; a single one is refused."""
    try:
        found = None if isinstance(values, str) else list(values)
    except TypeError:
        found = None
    if found is None:
        raise InputError(f"{name} must be several numbers, as in [{shown(values)}], not {shown(values)}.")
    return found


def require_alike(problem: Problem) -> None:
    """Refuse weighted problems: the loss of the text, and the SGD that lowers it, know no weights.

    Measurements other than entries are refused, too: the constants of the text are those of entries.
    """
    require_entries(problem, "The statement is")
    problem = instance("problem", problem, Problem)
    if problem.weights is not None:
        raise InputError("The statement is about entries that all count alike, and this problem has weights.")


def single_weights(network: Network) -> list[np.ndarray]:
    """The weights of one network in float64; ensembles are refused."""
    network = instance("network", network, Network)
    if network.n_chains is not None:
        raise InputError("The statement is about one network; take chain(k) of the ensemble first.")
    return finite_weights(network)


def finite_weights(network: Network) -> list[np.ndarray]:
    """The weights in float64; networks that have diverged are refused."""
    weights = [W.astype(np.float64, copy=False) for W in network.weights]
    if not all(np.isfinite(W).all() for W in weights):
        raise InputError("The network holds weights that are not finite: it has diverged.")
    return weights


def matching_weights(problem: Problem, network: Network) -> list[np.ndarray]:
    """The weights of one network that makes matrices of the problem's shape."""
    require_alike(problem)
    network = instance("network", network, Network)
    if network.shape != problem.shape:
        raise InputError(
            f"The network makes {network.shape[0]} x {network.shape[1]} matrices, but the problem is "
            f"{problem.n_rows} x {problem.n_cols}."
        )
    return single_weights(network)


def largest_entry(problem: Problem) -> float:
    """``a = max |observed|``, refused where it is 0."""
    require_alike(problem)
    bound = float(np.abs(problem.values).max())
    if bound == 0:
        raise InputError("All observed entries are zero, and the statement needs max |observed| > 0.")
    return bound


def require_depth(network: Network, depth: int) -> None:
    """Refuse networks of another depth than the constants were made for."""
    if network.depth != depth:
        raise InputError(f"The constants are for depth {depth}, but the network has depth {network.depth}.")


def check_depth_and_ridge(depth: int, ridge: float) -> tuple[int, float]:
    """The depth and ridge in plain types; refuse what Theorem 3 says nothing about."""
    require_whole(1, depth=depth)
    if depth < 3:
        raise InputError(
            f"Theorem 3 is about depth 3 and more, not {depth}: with two layers singular values near zero "
            "may grow again."
        )
    if not is_positive(ridge):
        raise InputError(f"ridge must be positive for the tail to have a threshold, not {shown(ridge)}.")
    return int(depth), plain(ridge)


def check_point(problem: Problem, network: Network) -> None:
    """Refuse weighted problems, ensembles, other shapes and weights that are not finite."""
    require_alike(problem)
    network = instance("network", network, Network)
    check_where(problem, network)


def check_where(problem: Problem | Measurements, network: Network) -> None:
    """Refuse ensembles, other shapes and weights that are not finite."""
    if network.n_chains is not None:
        raise InputError("A certificate is about one network; take chain(k) of the ensemble.")
    if network.shape != problem.shape:
        raise InputError(
            f"The network makes a matrix of shape {network.shape}, the problem has {problem.shape}."
        )
    if not all(np.isfinite(W).all() for W in network.weights):
        raise InputError("The network holds weights that are not finite.")


def check_step(
    problem: Problem | Measurements, ridge: float, lr: float, batch_size: int, sampling: str
) -> tuple[float, float, int]:
    """The ridge, lr and batch size in plain types.

    Settings of SGD that are out of range or not covered by Theorem 3(b) are refused.
    """
    check_batch(problem, batch_size, sampling)
    require_bounds(ridge=ridge, lr=lr)
    ridge, lr = plain(ridge), plain(lr)
    if 2 * lr * ridge >= 1:
        raise InputError(
            "2 lr ridge must stay below 1; otherwise one step would decay the weights past zero."
        )
    return ridge, lr, int(batch_size)


def check_batch(problem: Problem | Measurements, batch_size: int, sampling: str) -> None:
    """Refuse batches that cannot be drawn, or that are not covered by Theorem 3(b)."""
    if sampling == "epochs":
        raise InputError(
            'Theorem 3(b) needs entries that are uniform given the past: sampling="epochs" is not covered.'
        )
    if sampling not in ("replacement", "distinct"):
        raise InputError(f'sampling must be "replacement" or "distinct", not {sampling!r}.')
    require_whole(1, batch_size=batch_size)
    if sampling == "distinct" and batch_size > problem.n_observed:
        raise InputError(
            f"{batch_size} different entries cannot be drawn from {problem.n_observed} observed ones."
        )
