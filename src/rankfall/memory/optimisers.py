"""What a step of torch's optimisers does to a weight matrix, or why nothing can be said about it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log
from typing import Any

from ..errors import InputError
from .momentum import Matrix, decay_rate, first_matrix, inflow, step_matrix
from .torch_import import import_torch

DESTROYED = (
    "the optimiser divides the gradient entry by entry, which destroys its rank: nothing is certified, and "
    "with factors=True only the sum bound is left"
)
_COUPLED = (
    "{name} divides a gradient that contains the weight decay entry by entry, and the memory lemma says "
    "nothing about this; use AdamW, or SGD."
)
_UNKNOWN = (
    "RankMemory knows torch.optim.SGD, AdamW, and Adam with decoupled_weight_decay=True, and says nothing "
    "about {name}."
)


@dataclass(frozen=True)
class Step:
    """One step of the parameters of a group.

    Attributes
    ----------
    log_a, a : float
        Of ``W <- a W - lr G``; with momentum of the weights alone.
    lr, weight_decay : float
    rate : float
        What the step adds to the decay clock.
    momentum : float
        0 without a velocity.
    matrix, first : tuple of float
        Transition of ``(W, V)``, and that of the step that makes V.
    inflow, first_inflow : tuple of float
        What the gradient adds to -W and V.
    sign : int
        -1 where the objective is maximised.
    """

    log_a: float
    a: float
    lr: float
    weight_decay: float
    rate: float
    momentum: float
    matrix: Matrix
    first: Matrix
    inflow: tuple[float, float]
    first_inflow: tuple[float, float]
    sign: int


class Optimiser:
    """A torch optimiser that is known: its settings at every step.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer

    Raises
    ------
    InputError
        If nothing can be said about it.
    """

    def __init__(self, optimizer: Any) -> None:
        torch = import_torch()
        kind, name = type(optimizer), type(optimizer).__name__
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise InputError(f"optimizer must be one of torch.optim, not a {name}.")
        self.plain = kind is torch.optim.SGD
        if not self.plain:
            if kind not in (torch.optim.AdamW, torch.optim.Adam):
                raise InputError(_UNKNOWN.format(name=name))
            decoupled = all(group.get("decoupled_weight_decay") for group in optimizer.param_groups)
            if kind is torch.optim.Adam and not decoupled:
                raise InputError(_COUPLED.format(name=name))
        elif any(group.get("differentiable") for group in optimizer.param_groups):
            raise InputError(
                "RankMemory does not follow steps that are differentiated (differentiable=True)."
            )
        self._optimizer = optimizer
        self._seen: dict[tuple[object, ...], Step] = {}

    @property
    def momentum(self) -> bool:
        """Whether some group has momentum now."""
        return self.plain and any(group["momentum"] for group in self._optimizer.param_groups)

    def step(self, group: dict[str, Any]) -> Step:
        """What the next step does to the parameters of a group."""
        lr, decay = float(group["lr"]), float(group["weight_decay"])
        momentum = group["momentum"] if self.plain else 0.0
        dampening = group["dampening"] if self.plain else 0.0
        key = (lr, decay, momentum, dampening, group.get("nesterov", False), group.get("maximize", False))
        if key not in self._seen:
            # a schedule of the learning rate would fill the memory with steps that never come again
            self._seen = {key: _step(*key)}  # type: ignore[arg-type]
        return self._seen[key]


def _step(lr: float, decay: float, momentum: float, dampening: float, nesterov: bool, maximize: bool) -> Step:
    a = 1 - lr * decay
    kind = "nesterov" if nesterov else "heavy ball"
    if momentum:
        matrix, first = (
            step_matrix(lr, decay, momentum, dampening, kind),
            first_matrix(lr, decay, momentum, kind),
        )
        into, first_into = inflow(lr, momentum, dampening, kind), inflow(lr, momentum, 0.0, kind)
        rate = decay_rate(lr, decay, momentum, kind) if lr > 0 else 0.0
    else:
        # torch leaves a velocity as it is while there is no momentum
        matrix = first = (a, 0.0, 0.0, 1.0)
        into = first_into = (lr, 0.0)
        rate = -log(abs(a)) if a else inf
    return Step(
        log_a=log(abs(a)) if a else -inf,
        a=a,
        lr=lr,
        weight_decay=decay,
        rate=rate,
        momentum=momentum,
        matrix=matrix,
        first=first,
        inflow=into,
        first_inflow=first_into,
        sign=-1 if maximize else 1,
    )
