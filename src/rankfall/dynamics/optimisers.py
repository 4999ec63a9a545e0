"""The optimisers, stochastic and full-batch gradient descent, as plain settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..argument_checks import not_negative, number, one_of, whole
from ..declared_arguments import declared
from ..errors import InputError
from .schedules import Schedule, as_schedule, largest

Sampling = Literal["replacement", "distinct", "epochs"]
# what kernels can count
_LARGEST = 2**63 - 1


@dataclass(frozen=True, eq=False)
class SGD:
    """Stochastic gradient descent on the regularised loss.

    One step with a batch of b observed entries:
    ``W_l <- (1 - 2 lr ridge) W_l - (lr / b) sum over the batch of (A_ij - x_ij) grad_l A_ij``.

    With momentum, and ``G_l`` the mean of these gradients over the batch, it is the heavy ball of
    ``torch.optim.SGD(momentum=..., weight_decay=2 * ridge)``: ``V_l <- momentum V_l + G_l + 2 ridge W_l``,
    ``W_l <- W_l - lr V_l``, from ``V_l = 0``.

    Parameters
    ----------
    lr, ridge : float, ndarray of shape (n_steps,), or schedule
        Learning rate and ridge; ``2 lr ridge`` must stay below 1.
    n_steps : int
        Number of steps.
    batch_size : int
        Entries per step.
    sampling : {"replacement", "distinct", "epochs"}
        Independent uniform entries; `batch_size` different entries at every step; or a new permutation for
        every epoch, whose last batch may be shorter and is averaged over its own size.
    entries : ndarray of int, shape (n_steps,) or (n_steps, batch_size), optional
        The entries to use, as positions in the problem's list of entries, in place of `sampling`; the same
        for all chains.
    momentum : float
        At least 0 and below 1.
    label_noise : float
        Standard deviation of the fresh normal number, of its own stream, that is added to an observed entry
        whenever it is drawn; in the unit of the data.

    Notes
    -----
    For single entries label noise takes about twice as long, and momentum, with which every step changes
    every weight, about five times. Certificates, monitors and rare events are about plain SGD and refuse
    both; deflation, "ledger" and "displacement" refuse momentum.
    """

    lr: Schedule
    ridge: Schedule
    n_steps: int
    batch_size: int = 1
    sampling: Sampling = "replacement"
    entries: np.ndarray | None = None
    momentum: float = 0.0
    label_noise: float = 0.0

    def __init__(
        self,
        *,
        lr: float | np.ndarray | Schedule,
        ridge: float | np.ndarray | Schedule,
        n_steps: int,
        batch_size: int = 1,
        sampling: Sampling = "replacement",
        entries: np.ndarray | None = None,
        momentum: float = 0.0,
        label_noise: float = 0.0,
    ) -> None:
        lr, ridge = _checked(self, lr, ridge, n_steps)
        batch_size = whole("batch_size", batch_size, least=1, most=_LARGEST)
        sampling = one_of("sampling", sampling, get_args(Sampling))
        if entries is not None:
            entries = np.array(entries)
            if (
                entries.dtype.kind not in "iu"
                or entries.ndim not in (1, 2)
                or entries.shape[0] != self.n_steps
            ):
                raise InputError(
                    f"entries must be an array of integers of shape ({self.n_steps},) or "
                    f"({self.n_steps}, batch_size)."
                )
            entries = entries.reshape(entries.shape[0], -1 if entries.size else 1).astype(np.int64)
            entries.flags.writeable = False
            if batch_size not in (1, entries.shape[1]):
                raise InputError(f"entries has {entries.shape[1]} per step, but batch_size is {batch_size}.")
            batch_size = entries.shape[1]
        momentum = number("momentum", momentum, least=0, below=1)
        label_noise = not_negative("label_noise", label_noise)
        object.__setattr__(self, "batch_size", batch_size)
        object.__setattr__(self, "sampling", sampling)
        object.__setattr__(self, "entries", entries)
        object.__setattr__(self, "momentum", momentum)
        object.__setattr__(self, "label_noise", label_noise)

    @declared
    def check(self, n_observed: int) -> None:
        """Raise InputError if the settings do not fit a problem with this many entries."""
        if self.entries is not None:
            if self.entries.size and not (self.entries.min() >= 0 and self.entries.max() < n_observed):
                raise InputError(f"entries must be positions from 0 to {n_observed - 1}.")
        elif self.sampling != "replacement" and self.batch_size > n_observed:
            raise InputError(
                f'sampling="{self.sampling}" cannot draw a batch of {self.batch_size} from {n_observed} '
                "observed entries; lower batch_size."
            )


@dataclass(frozen=True, eq=False)
class GD:
    """Gradient descent: every step uses all observed entries.

    Parameters
    ----------
    lr, ridge : float, ndarray of shape (n_steps,), or schedule
    n_steps : int
    """

    lr: Schedule
    ridge: Schedule
    n_steps: int

    def __init__(
        self, *, lr: float | np.ndarray | Schedule, ridge: float | np.ndarray | Schedule, n_steps: int
    ) -> None:
        _checked(self, lr, ridge, n_steps)

    @declared
    def check(self, n_observed: int) -> None:
        """Any problem fits."""


def require_plain(optimiser: SGD | GD, what: str) -> None:
    """Refuse momentum and label noise; `what` begins the sentence."""
    for name in ("momentum", "label_noise"):
        if getattr(optimiser, name, 0.0):
            raise InputError(f"{what} cover plain SGD only; leave out {name}.")


def _checked(
    optimiser: SGD | GD, lr: float | np.ndarray | Schedule, ridge: float | np.ndarray | Schedule, n_steps: int
) -> tuple[Schedule, Schedule]:
    """Check and set the three fields that both optimisers share."""
    n_steps = whole("n_steps", n_steps, least=0, most=_LARGEST)
    lr = as_schedule(lr, "lr", n_steps)
    ridge = as_schedule(ridge, "ridge", n_steps)
    if 2 * largest(lr) * largest(ridge) >= 1:
        raise InputError(
            "2 lr ridge must stay below 1; otherwise one step of weight decay changes the sign of the "
            "weights."
        )
    object.__setattr__(optimiser, "lr", lr)
    object.__setattr__(optimiser, "ridge", ridge)
    object.__setattr__(optimiser, "n_steps", n_steps)
    return lr, ridge
