"""Positively homogeneous activations: ``sigma(u) = u`` for u > 0 and ``left u`` for u <= 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..argument_checks import number, one_of, shown
from ..declared_arguments import declared
from ..errors import InputError

NAMES = ("relu", "leaky_relu", "absolute", "identity")
_LEFT = {"relu": 0.0, "leaky_relu": 0.01, "absolute": -1.0, "identity": 1.0}


@dataclass(frozen=True)
class Activation:
    """A positively homogeneous function with ``|sigma'| <= 1``.

    Attributes
    ----------
    name : {"relu", "leaky_relu", "absolute", "identity"}
    left : float
        Its slope for negative arguments; None stands for that of the name (0, 0.01, -1, 1).
    """

    name: str
    left: float | None = None

    def __post_init__(self) -> None:
        one_of("activation", self.name, NAMES)
        left = _LEFT[self.name] if self.left is None else self.left
        left = number("left", left, least=-1, most=1)
        if self.name != "leaky_relu" and left != _LEFT[self.name]:
            raise InputError(f'Only "leaky_relu" has a slope to choose, not {self.name!r}.')
        object.__setattr__(self, "left", left)

    @property
    def slope(self) -> float:
        """Slope for negative arguments, as a number."""
        return _LEFT[self.name] if self.left is None else self.left

    @property
    def sign_of_opposite(self) -> int:
        """s with ``sigma(-u) = s sigma(u)`` for all u; 0 if there is none."""
        return {1.0: -1, -1.0: 1}.get(self.slope, 0)

    def __call__(self, u: np.ndarray) -> np.ndarray:
        return np.where(u > 0, u, self.slope * u)

    @declared
    def derivative(self, u: np.ndarray) -> np.ndarray:
        """``sigma'(u)``, the left one at 0; ``sigma(u) = sigma'(u) u`` holds everywhere."""
        return np.where(u > 0, 1.0, self.slope)


def activations(value: Any, n_hidden: int) -> tuple[Activation, ...]:
    """One activation for each hidden layer, from one for all of them or a sequence.

    Raises
    ------
    InputError
        If a name is unknown or their number is another one.
    """
    listed: bool = isinstance(value, (list, tuple))
    given: list[Any] = [*value] if listed else [value] * n_hidden
    if len(given) != n_hidden:
        raise InputError(
            f"activation must be one name, or one for each of the {n_hidden} hidden layers, "
            f"not {shown(value)}."
        )
    return tuple(
        each if isinstance(each, Activation) else Activation(one_of("activation", each, NAMES))
        for each in given
    )
