"""Learning rates and ridges that change during a run; kernels receive them as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..argument_checks import (
    array,
    check_fields,
    checked,
    not_negative,
    number,
    positive,
    shown,
    whole,
    wholes,
)
from ..declared_arguments import declared
from ..errors import InputError


@dataclass(frozen=True)
class Constant:
    """The same value at every step."""

    value: float = checked(number)

    def __post_init__(self) -> None:
        check_fields(self)

    @declared
    def values(self, start: int, stop: int) -> np.ndarray:
        """One number for all steps start..stop-1."""
        return np.array([self.value], dtype=np.float64)


@dataclass(frozen=True)
class Linear:
    """From `first` to `last` linearly over `n_steps` steps, `last` afterwards."""

    first: float = checked(number)
    last: float = checked(number)
    n_steps: int = checked(whole, least=0)

    def __post_init__(self) -> None:
        check_fields(self)

    @declared
    def values(self, start: int, stop: int) -> np.ndarray:
        """Values at the steps start..stop-1."""
        return self.first + (self.last - self.first) * _fraction(start, stop, self.n_steps)


@dataclass(frozen=True)
class Geometric:
    """From `first` to `last` by a constant factor per step over `n_steps` steps, `last` afterwards."""

    first: float = checked(positive)
    last: float = checked(positive)
    n_steps: int = checked(whole, least=0)

    def __post_init__(self) -> None:
        check_fields(self)

    @declared
    def values(self, start: int, stop: int) -> np.ndarray:
        """Values at the steps start..stop-1."""
        return self.first * (self.last / self.first) ** _fraction(start, stop, self.n_steps)


@dataclass(frozen=True)
class Piecewise:
    """Constant pieces: ``levels[k]`` from step ``starts[k]`` on; ``starts[0]`` is 0."""

    starts: tuple[int, ...] = checked(wholes, shortest=1, least=0)
    levels: tuple[float, ...] = checked(array, ("n",))

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "levels", tuple(np.asarray(self.levels).tolist()))
        increasing = all(a < b for a, b in zip(self.starts, self.starts[1:], strict=False))
        if len(self.starts) != len(self.levels) or self.starts[0] != 0 or not increasing:
            raise InputError("Piecewise needs as many levels as starts, and starts that increase from 0.")

    @declared
    def values(self, start: int, stop: int) -> np.ndarray:
        """Values at the steps start..stop-1 (one number if they are all equal)."""
        starts, levels = np.array(self.starts), np.array(self.levels)
        ends = np.searchsorted(starts, [start, max(start, stop - 1)], side="right") - 1
        if ends[0] == ends[1]:
            return levels[ends[:1]]
        return levels[np.searchsorted(starts, np.arange(start, stop), side="right") - 1]


@dataclass(frozen=True, eq=False)
class Listed:
    """One value for each step."""

    listed: np.ndarray

    def values(self, start: int, stop: int) -> np.ndarray:
        """Values at the steps start..stop-1."""
        return self.listed[start:stop]


Schedule = Constant | Linear | Geometric | Piecewise | Listed


def as_schedule(value: float | Sequence[float] | np.ndarray | Schedule, name: str, n_steps: int) -> Schedule:
    """A schedule from a number, an array of length `n_steps`, or a schedule; refuses negative values."""
    if not isinstance(value, (Constant, Linear, Geometric, Piecewise, Listed)):
        try:
            numbers = np.array(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(
                f"{name} must be a number, an array or a schedule, not {shown(value)}."
            ) from None
        if numbers.ndim == 0:
            value = Constant(not_negative(name, numbers))
        elif numbers.shape == (n_steps,):
            value = Listed(numbers)
        else:
            raise InputError(
                f"{name} has shape {numbers.shape}; give one number, or one for each of the {n_steps} steps."
            )
    lowest, highest = _range(value)
    if not (lowest >= 0 and highest < np.inf):
        raise InputError(f"{name} must be finite and not negative.")
    return value


def largest(schedule: Schedule) -> float:
    """The largest value a schedule takes."""
    return _range(schedule)[1]


def _range(schedule: Schedule) -> tuple[float, float]:
    match schedule:
        case Constant(value):
            ends = np.array([value])
        case Linear(first, last) | Geometric(first, last):
            ends = np.array([first, last])
        case Piecewise(_, levels):
            ends = np.array(levels)
        case Listed():
            ends = schedule.listed
    return (float(ends.min()), float(ends.max())) if ends.size else (0.0, 0.0)


def _fraction(start: int, stop: int, n_steps: int) -> np.ndarray:
    return np.minimum(np.arange(start, stop) / max(n_steps - 1, 1), 1.0)
