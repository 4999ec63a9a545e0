"""One watched weight matrix: what its gradients may have brought in, and what it may remember."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from .certified import CertifiedRank, RankStack, vacuous
from .momentum import MomentumWindow

if TYPE_CHECKING:
    from .dense_factors import DenseFactors
    from .optimisers import Step
    from .sum_bound import LargestTerms

PLAIN, DIRECTION, SPECTRAL = "plain", "direction", "spectral"
"""Weights as they are; the directions of weight normalisation; the original of spectral normalisation."""

# of a gradient that is a product of few signals in single precision, relative to its largest singular value;
# signals in half precision leave more
AUDIT_TOLERANCE, HALF_AUDIT_TOLERANCE = 1e-5, 0.05
# an audit of a larger matrix would take longer than a second
AUDITED_SIZE = 1024


@dataclass(eq=False)
class Weight:
    """The memory of one parameter, seen as a matrix of its first axis by all others.

    Attributes
    ----------
    name : str
    parameter : torch.nn.Parameter
    shape : (int, int)
    kind : str
    reason : str
        Why nothing can be certified; empty where something can.
    gain : torch.nn.Parameter or None
        The norms of weight normalisation.
    rows, open : int
        Bounds of the ranks of the gradient that is there, and of what the present backward pass brings.
    """

    name: str
    parameter: Any
    shape: tuple[int, int]
    kind: str = PLAIN
    reason: str = ""
    gain: Any = None
    rows: int = 0
    open: int = 0
    half: bool = False
    followed: bool = False
    settled: bool = True
    steps: int = 0
    restarts: int = 0
    clock: float = 0.0
    norm: float = 0.0
    last_rank: int = 0
    last_rate: float = 0.0
    version: int = -1
    buffer_version: tuple[int, int] | None = None
    row_factor: float | None = None
    copy: Any = None
    before: Any = None
    memory: RankStack | MomentumWindow = field(default_factory=RankStack)
    factors: DenseFactors | None = None
    sums: LargestTerms | None = None

    def __reduce__(self) -> tuple[type[Weight], tuple[str, None, tuple[int, int]]]:
        # the hooks of a copied or saved network count for a weight that nobody watches
        return Weight, (self.name, None, self.shape)

    @property
    def limit(self) -> int:
        """``min(m, n)``."""
        return min(self.shape)

    def matrix(self) -> Any:
        """The parameter as a matrix, without its history."""
        return self.matrix_of(self.parameter.detach())

    def matrix_of(self, tensor: Any) -> Any:
        """What has the parameter's shape, as a matrix."""
        return tensor.reshape(self.shape)

    # -- counting, during backward -------------------------------------------------------------------------

    def arrive(self, gradient: Any) -> None:
        """The gradient of one backward pass is about to be added to what is there."""
        # a gradient that no call explains may have any rank
        new = self.open if self.open else self.limit
        fresh = not _nonzero(self.parameter.grad)
        if self.factors is not None:
            if not fresh and self.settled:
                self.factors.lose("gradients of an earlier step were not zeroed")
            elif not self.open:
                self.factors.lose("its gradient came from outside of its module")
            self.factors.arrive(fresh)
        # what was counted before counts unless it was zeroed since then
        self.rows = new if fresh else min(self.rows + new, self.limit)
        self.open, self.settled = 0, False

    def gained(self) -> int:
        """Upper bound of the rank of the gradient that a step has just used."""
        rows = self.rows
        if self.settled:
            # nothing arrived since the last step: the gradient is 0, or it was put there
            rows = self.limit if _nonzero(self.parameter.grad) else 0
            if rows and self.factors is not None:
                self.factors.lose("its gradient came from outside of its module")
        self.open, self.settled = 0, True
        self.rows = self.last_rank = min(rows, self.limit)
        return self.rows

    # -- stepping -------------------------------------------------------------------------------------------

    def restart(self, norm: float, velocity: float) -> None:
        """Forget the log: the parameter was set from outside."""
        self.norm = norm
        if isinstance(self.memory, MomentumWindow):
            self.memory.start(norm, velocity)
        else:
            self.memory.start(norm)
        start = None
        if self.factors is not None or self.sums is not None:
            start = np.linalg.svd(self.matrix().double().cpu().numpy(), compute_uv=False)
        if self.factors is not None:
            self.factors.start(start, velocity)
        if self.sums is not None:
            self.sums = type(self.sums)(self.limit, float(start[0]) if start is not None else 0.0)

    def step(self, step: Step, first: bool, norm: float, velocity: float, audit: bool) -> None:
        """The optimiser has made a step with a gradient of rank :meth:`gained`."""
        gained = self.gained()
        self.norm = norm
        self.steps += 1
        self.clock += step.rate
        self.last_rate = step.rate
        if self.reason:
            return
        if isinstance(self.memory, MomentumWindow):
            self.memory.advance(step.first if first else step.matrix, gained, norm, velocity)
        elif self.row_factor == inf:
            # it is not known by how much the rows were stretched
            self.restart(norm, velocity)
            self.restarts += 1
        elif self.row_factor is not None:
            self.memory.advance(self.row_factor, gained, norm)
        else:
            self.memory.advance(step.log_a, gained, norm)
        if self.factors is not None:
            self.factors.step(step, first, audit)

    def certified(self, tolerance: float, relative: bool) -> CertifiedRank:
        """What the log certifies now."""
        if relative:
            tolerance *= self.norm
        if self.reason or not tolerance < inf:
            return vacuous(tolerance, self.limit, self.reason or "its norm is not finite")
        found = self.memory.certified(tolerance)
        return found if found.rank is not None else vacuous(tolerance, self.limit, self._why())

    def _why(self) -> str:
        if not self.steps:
            return "no step was watched yet"
        if not self.last_rate > 0:
            return "without weight decay nothing is forgotten"
        if self.last_rank >= self.limit:
            return f"every step may fill all {self.limit:,} directions"
        return (
            f"all {self.limit:,} directions may be filled, {self.last_rank:,} per step, before weight decay "
            f"({self.last_rate:.2g} per step) forgets one"
        )

    # -- audits ---------------------------------------------------------------------------------------------

    def audit(self) -> str:
        """Whether the gradient has the rank that was counted; a sentence if not.

        What hooks cannot see raises it: clipping by value, a penalty inside the loss, weights that are used
        outside of the module that holds them.
        """
        if self.reason or self.kind == DIRECTION or self.limit > AUDITED_SIZE or self.last_rank >= self.limit:
            return ""
        grad = self.parameter.grad
        if grad.is_sparse:
            return ""
        values = np.linalg.svd(self.matrix_of(grad).double().cpu().numpy(), compute_uv=False)
        # graphics cards multiply in a shorter format if they may
        short = self.half or self.parameter.is_cuda
        most = (HALF_AUDIT_TOLERANCE if short else AUDIT_TOLERANCE) * values[0]
        if values[self.last_rank] <= most:
            return ""
        return (
            f"its gradient has rank {int(np.count_nonzero(values > most)):,}, and the calls of its module "
            f"explain {self.last_rank:,}: clipping by value, a penalty inside the loss, or a use of the "
            "weight outside of its module"
        )


def _nonzero(grad: Any) -> bool:
    """Whether any entry is not 0."""
    return grad is not None and (grad.is_sparse or bool(grad.count_nonzero()))
