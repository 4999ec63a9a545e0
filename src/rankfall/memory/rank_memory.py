"""RankMemory: the rank memory of a PyTorch network, watched while it is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ..argument_checks import flag, optional, positive, whole
from ..declared_arguments import declared
from .certified import CertifiedRank
from .following import Following
from .table import answers_frame, live_table, table
from .weight import Weight

if TYPE_CHECKING:
    import pandas as pd
    import torch  # pyright: ignore[reportMissingImports]
    from rich.table import Table


class RankMemory:
    """Watches the weight matrices of a network and says which rank its training log certifies for each.

    The memory lemma: what a matrix holds above a tolerance, the last steps have brought, and a step brings no
    more directions than its batch uses the matrix (samples, times output positions of a convolution, or
    tokens). Weights, norms and settings are read before and after every step of the optimiser; the calls of
    the modules are counted during backward. Training itself is not changed.

    Known are ``torch.optim.SGD`` (momentum, Nesterov, dampening, maximize, foreach, fused, closures,
    schedules, parameter groups) and, for the sum bound only, AdamW. Handled are accumulated gradients,
    clipping by norm, frozen, tied and shared weights, ``weight_norm`` and ``spectral_norm``, steps that
    ``GradScaler`` skips. What hooks cannot see (clipping by value, a penalty inside the loss, weights used
    outside of their modules) is looked for by audits, which compare the rank of the gradient with the number
    counted: at the first three steps, and every `audit_every` steps. Statements are about exact arithmetic.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    model : torch.nn.Module
    tolerance : float
        Singular values above it count.
    relative : bool
        In units of the Frobenius norm of the matrix today.
    factors : bool
        Keep the factors of Theorem S1, for :meth:`spectral_bound`: dense layers of up to 512 inputs and
        outputs only. With AdamW, singular values of all updates.
    layers : iterable of str, optional
        Names of the layers to watch, as in ``model.named_parameters()`` without ``.weight``; all by default.
    every : int, optional
        Keep the answers of every so many steps, for :attr:`history`.
    audit_every : int

    Raises
    ------
    InputError
        If PyTorch is not installed, or nothing can be said about this optimiser, model or choice of layers.

    Notes
    -----
    :meth:`close` takes the hooks off; a RankMemory is also a context manager that does so. What changes
    weights between two steps is noticed and begins the log anew, except through ``.data``, which is looked
    for at audits.

    Examples
    --------
    ::

        memory = rf.memory.RankMemory(optimizer, model)
        for x, y in loader:
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optimizer.step()
        memory.show()
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        model: torch.nn.Module,
        *,
        tolerance: float = 0.1,
        relative: bool = True,
        factors: bool = False,
        layers: Iterable[str] | None = None,
        every: int | None = None,
        audit_every: int = 1000,
    ) -> None:
        self.tolerance, self.relative = positive("tolerance", tolerance), flag("relative", relative)
        self._every = optional(whole, "every", every, least=1)
        audit_every = whole("audit_every", audit_every, least=1)
        self._history: list[pd.DataFrame] = []
        self._tell: Callable[[], None] | None = None
        self._following = Following(
            optimizer, model, flag("factors", factors), layers, audit_every, self._after_step
        )
        self._weights = self._following.weights

    def _after_step(self) -> None:
        if self._every is not None and self.steps % self._every == 0:
            self._history.append(self.to_frame())
        if self._tell is not None:
            self._tell()

    @property
    def steps(self) -> int:
        """Steps that were watched."""
        return self._following.steps

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the watched layers."""
        return tuple(weight.name for weight in self._weights)

    def certified_rank(self) -> dict[str, CertifiedRank]:
        """For every layer the rank that the log certifies now, or why nothing is certified."""
        return {weight.name: weight.certified(self.tolerance, self.relative) for weight in self._weights}

    def spectral_bound(self) -> dict[str, np.ndarray | None]:
        """For every layer upper bounds of its singular values, by Theorem S1 (with AdamW by the sum bound).

        Returns
        -------
        dict of str to ndarray, shape (min(m, n),), or None
            None without ``factors=True``, and where the factors were lost (the column ``reason`` of
            :meth:`to_frame` says why).
        """
        return {weight.name: self._bound(weight) for weight in self._weights}

    @staticmethod
    def _bound(weight: Weight) -> np.ndarray | None:
        if weight.sums is not None:
            return weight.sums.bound()
        return None if weight.factors is None else weight.factors.bound()

    def numerical_rank(self) -> dict[str, int]:
        """For every layer the number of singular values above the tolerance today, by an SVD."""
        return {
            weight.name: int(np.count_nonzero(self._spectrum(weight) > self._absolute(weight)))
            for weight in self._weights
        }

    def singular_values(self) -> dict[str, np.ndarray]:
        """For every layer its singular values today, descending."""
        return {weight.name: self._spectrum(weight) for weight in self._weights}

    @staticmethod
    def _spectrum(weight: Weight) -> np.ndarray:
        return np.linalg.svd(weight.matrix().double().cpu().numpy(), compute_uv=False)

    def _absolute(self, weight: Weight) -> float:
        return self.tolerance * weight.norm if self.relative else self.tolerance

    @property
    def vacuous(self) -> dict[str, bool]:
        """For every layer whether the log certifies nothing below ``min(m, n)``."""
        return {name: found.vacuous for name, found in self.certified_rank().items()}

    @property
    def decay_clock(self) -> dict[str, float]:
        """For every layer the sum of the rates at which its steps forgot: ``ln(1 / tolerance)`` forgets once.

        About ``lr * weight_decay / (1 - momentum)`` per step. Runs at the same clock have forgotten equally
        much.
        """
        return {weight.name: weight.clock for weight in self._weights}

    @declared
    def to_frame(self, *, numerical: bool = True) -> pd.DataFrame:
        """One row per layer: shape, ranks, window, clock, and why nothing is certified.

        Parameters
        ----------
        numerical : bool
            Compute today's rank, too, by an SVD of every layer.
        """
        answers = self.certified_rank()
        rows = [
            (
                weight,
                answers[weight.name],
                int(np.count_nonzero(self._spectrum(weight) > self._absolute(weight))) if numerical else None,
                self._bound(weight),
            )
            for weight in self._weights
        ]
        return answers_frame(self.steps, rows)

    @property
    def history(self) -> pd.DataFrame:
        """The frames of every `every` steps, below one another."""
        import pandas as pd

        return pd.concat(self._history, ignore_index=True) if self._history else self.to_frame().iloc[:0]

    @declared
    def table(self, *, numerical: bool = True) -> Table:
        """The answers as a table for the terminal."""
        return table(self.to_frame(numerical=numerical))

    def show(self) -> None:
        """Print the table."""
        from rich.console import Console

        Console().print(self.table())

    @contextmanager
    @declared
    def live(self, *, every: float = 1.0, numerical: bool = False) -> Iterator[None]:
        """While the context is open, the table stands in the terminal, renewed every so many seconds."""
        with live_table(lambda: self.table(numerical=numerical), positive("every", every)) as tell:
            self._tell = tell
            try:
                yield
            finally:
                self._tell = None

    def close(self) -> None:
        """Take the hooks off; the answers stay as they are."""
        self._following.close()

    def __enter__(self) -> RankMemory:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
