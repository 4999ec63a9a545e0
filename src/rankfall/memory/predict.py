"""What settings alone say: how many directions SGD with weight decay can remember (docs/memory.md)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, log

from ..argument_checks import flag, fraction, positive, whole, wholes
from ..declared_arguments import declared
from .momentum import decay_rate


@dataclass(frozen=True)
class Prediction:
    """What the memory lemma says about a layer before it is trained.

    Attributes
    ----------
    bound : int or float
        ``window * rank_per_step``: a bound of the rank once `window` steps are done; infinite without decay.
    window : int or float
        Steps after which the weights of before have shrunk to `tolerance`.
    rank_per_step : int
        ``batch_size * positions``, at most min(m, n).
    limit : int
        ``min(m, n)``.
    decay : float
        Rate per step at which weights are forgotten.
    tolerance, norm_ratio : float
    """

    bound: float
    window: float
    rank_per_step: int
    limit: int
    decay: float
    tolerance: float
    norm_ratio: float

    @property
    def vacuous(self) -> bool:
        """Whether the bound is no smaller than ``min(m, n)``."""
        return self.bound >= self.limit

    @property
    def rank(self) -> int | None:
        """The bound, or None where it is vacuous."""
        return None if self.vacuous else int(self.bound)

    def summary(self) -> str:
        """Two sentences."""
        if self.bound == inf:
            return "Vacuous: without weight decay nothing is forgotten, and the lemma says nothing."
        counted = (
            f"SGD with these settings remembers {self.window:,.0f} steps of at most {self.rank_per_step:,} "
            f"direction{'' if self.rank_per_step == 1 else 's'} each, {self.bound:,.0f} in all"
        )
        if self.vacuous:
            return (
                f"Vacuous: {counted}, and the matrix has no more than {self.limit:,}. A smaller batch, a "
                "larger learning rate or a larger weight decay make the bound smaller."
            )
        times = "" if self.norm_ratio == 1 else f"{self.norm_ratio:g} times "
        return (
            f"Rank at most {self.rank:,} of {self.limit:,}: {counted}. This holds if the norm of the matrix "
            f"{self.window:,.0f} steps ago was at most {times}today's."
        )


@declared
def predict(
    lr: float,
    weight_decay: float,
    batch_size: int = 1,
    momentum: float = 0.0,
    *,
    shape: tuple[int, int],
    positions: int = 1,
    tolerance: float = 0.1,
    norm_ratio: float = 1.0,
    decoupled: bool = False,
    nesterov: bool = False,
) -> Prediction:
    """The bound on the rank of a layer from settings, as Galanti et al. state it.

    ``k = ceil(ln(norm_ratio / tolerance) / -ln z)`` steps are remembered, z the factor of a step (with
    momentum the largest eigenvalue of a step, so that the window is asymptotic); the bound is ``k *
    batch_size * positions``. It is relative to the norm of the matrix today, and false without a hypothesis
    on the norms: that of k steps ago must be at most `norm_ratio` times today's. :func:`certified_rank` needs
    no hypothesis, but a log.

    Parameters
    ----------
    lr, weight_decay : float
        As torch means them: ``W <- W - lr (G + weight_decay W)``. rankfall's ridge is half of weight_decay.
    batch_size : int
        Samples per step, over all devices and accumulated batches.
    momentum : float
    shape : (int, int)
        m, n of the matrix (of a convolution: channels out, channels in times kernel).
    positions : int
        Places at which a sample uses the matrix: output positions of a convolution, tokens of a sequence.
    tolerance : float
        Between 0 and 1: singular values above this share of the norm count.
    norm_ratio : float
    decoupled, nesterov : bool
        Kind of the momentum.

    Returns
    -------
    Prediction

    Raises
    ------
    InputError
        If a number is out of its range.
    """
    batch_size, positions = whole("batch_size", batch_size, least=1), whole("positions", positions, least=1)
    limit = min(wholes("shape", shape, length=2, least=1))
    tolerance, norm_ratio = fraction("tolerance", tolerance), positive("norm_ratio", norm_ratio)
    kind = "nesterov" if flag("nesterov", nesterov) else "heavy ball"
    if flag("decoupled", decoupled):
        kind = "decoupled nesterov" if nesterov else "decoupled"
    rate = decay_rate(lr, weight_decay, momentum, kind)
    per_step = min(batch_size * positions, limit)
    distance = max(log(norm_ratio / tolerance), 0.0)
    window = inf if rate <= 0 else ceil(distance / rate)
    return Prediction(
        bound=window if window == inf else window * batch_size * positions,
        window=window,
        rank_per_step=per_step,
        limit=limit,
        decay=rate,
        tolerance=tolerance,
        norm_ratio=norm_ratio,
    )
