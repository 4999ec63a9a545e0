"""The rank that a log of steps certifies, by the memory lemma alone (docs/memory.md)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, log
from typing import TYPE_CHECKING

import numpy as np

from ..argument_checks import array, flag, positive, wholes
from ..declared_arguments import any_numbers, declared
from ..errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class CertifiedRank:
    """What the memory lemma says about one weight matrix after T steps.

    Attributes
    ----------
    rank : int or None
        No more than `rank` singular values of the matrix exceed `tolerance`. None if the lemma says nothing
        below `limit`: the certificate is vacuous.
    window : int or None
        k, the number of last steps that the bound counts; what came before is remembered with a norm of
        `remembered` at most.
    tolerance : float
        Absolute.
    remembered : float
        ``alpha_k |W_{T-k}|`` (from a checkpoint ``alpha_k sigma_{j+1}(W_{T-k})``), at most `tolerance`; NaN
        if vacuous.
    limit : int or None
        ``min(m, n)``, which every matrix satisfies; None if no shape was given.
    reason : str
        Why nothing is certified, where the log alone does not say so.
    """

    rank: int | None
    window: int | None
    tolerance: float
    remembered: float
    limit: int | None = None
    reason: str = ""

    @property
    def vacuous(self) -> bool:
        """Whether the lemma says nothing that ``min(m, n)`` does not say."""
        return self.rank is None

    def __str__(self) -> str:
        if self.rank is not None:
            return (
                f"rank <= {self.rank} above {self.tolerance:.3g}: the last {self.window:,} steps added no "
                f"more, and what came before is at most {self.remembered:.3g}"
            )
        return f"vacuous: {self.reason or 'no window of the log is short enough for its weight decay'}"


VACUOUS_LOG = "over every window that the weights forget, the gradients may have filled all directions"


def vacuous(tolerance: float, limit: int | None, reason: str = VACUOUS_LOG) -> CertifiedRank:
    """The answer where nothing is certified."""
    return CertifiedRank(None, None, tolerance, float("nan"), limit, reason)


class RankStack:
    """The exact algorithm of 1.2, one step at a time: amortised constant time, at most `limit` entries.

    With ``A_s = sum_{u<s} log|a_u|`` and ``phi_s = log n_s - A_s`` the answer is ``S_T - S_s`` for the
    largest s with ``phi_s <= log tolerance - A_T``. An s is useless once a later one has a phi that is not
    larger.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.step = 0
        self._decay = 0.0
        self._ranks = 0
        # parallel lists: phi increases, so does the step
        self._phi: list[float] = []
        self._at: list[int] = []
        self._sum: list[int] = []

    def start(self, norm: float) -> None:
        """Forget everything: the matrix was set from outside, to one of this norm."""
        self._phi.clear()
        self._at.clear()
        self._sum.clear()
        self._decay = 0.0
        self._push(norm)

    def advance(self, log_a: float, rank: int, norm: float) -> None:
        """One step ``W <- a W - lr G``, ``rank G <= rank``, after which ``|W| <= norm``."""
        self.step += 1
        self._ranks += rank
        if log_a == -inf:
            # what was before is gone; logarithms begin anew after the step
            self._phi[:], self._at[:], self._sum[:] = [-inf], [self.step - 1], [self._ranks - rank]
            self._decay = 0.0
        else:
            self._decay += log_a
        self._push(norm)

    def _push(self, norm: float) -> None:
        phi = (log(norm) if norm > 0 else -inf) - self._decay
        while self._phi and self._phi[-1] >= phi:
            self._phi.pop()
            self._at.pop()
            self._sum.pop()
        self._phi.append(phi)
        self._at.append(self.step)
        self._sum.append(self._ranks)
        if self.limit is not None:
            useless = 0
            while self._ranks - self._sum[useless] >= self.limit:
                useless += 1
            if useless:
                del self._phi[:useless], self._at[:useless], self._sum[:useless]

    def __len__(self) -> int:
        return len(self._phi)

    def certified(self, tolerance: float) -> CertifiedRank:
        """The answer at an absolute tolerance."""
        most = log(tolerance) - self._decay if tolerance > 0 else -inf
        k = bisect_right(self._phi, most) - 1
        if k < 0:
            return vacuous(tolerance, self.limit)
        return CertifiedRank(
            rank=self._ranks - self._sum[k],
            window=self.step - self._at[k],
            tolerance=tolerance,
            remembered=exp(self._phi[k] + self._decay),
            limit=self.limit,
        )


@declared(log_a=any_numbers)
def certified_rank(
    log_a: ArrayLike,
    ranks: Sequence[int] | np.ndarray,
    norms: ArrayLike,
    tolerance: float = 0.1,
    *,
    relative: bool = True,
    shape: tuple[int, int] | None = None,
    checkpoints: Mapping[int, ArrayLike] | None = None,
) -> CertifiedRank:
    """The rank that the log of a run certifies, for any network and any data (Lemma M).

    For ``W_{s+1} = a_s W_s - lr_s G_s``, T steps, with ``alpha_k = prod_{s >= T-k} |a_s|`` and ``R_k =
    sum_{s >= T-k} rank G_s``, at most ``R_k`` singular values of ``W_T`` exceed ``alpha_k |W_{T-k}|``. Hence

        rank = min {R_k : alpha_k n_{T-k} <= tolerance}.

    Without checkpoints this is the best answer that the log allows. The lemma is about exact arithmetic.

    Parameters
    ----------
    log_a : array_like, shape (T,)
        ``log |a_s|``, where ``a_s = 1 - lr_s * weight_decay_s``; -inf where ``a_s = 0``.
    ranks : array_like of int, shape (T,)
        ``g_s``, upper bounds of ``rank G_s``: for a dense layer the batch size.
    norms : array_like, shape (T + 1,)
        ``n_0 ... n_T``, upper bounds of the spectral norms of the ``W_s``; the Frobenius norm is one.
    tolerance : float
        Singular values above it count.
    relative : bool
        In units of ``n_T`` (then this must be the norm itself, not a bound of it).
    shape : (int, int), optional
        m, n: an answer of ``min(m, n)`` or more is vacuous.
    checkpoints : mapping of int to array_like, optional
        Singular values of ``W_c``, descending, by the step c: they refine the answer to the least ``S_T - S_c
        + j`` with ``alpha sigma_{j+1}(W_c) <= tolerance``.

    Returns
    -------
    CertifiedRank

    Raises
    ------
    InputError
        If lengths differ, a rank or a norm is negative, or a checkpoint lies outside the run.
    """
    logs = array("log_a", log_a, ("T",), finite=False)
    if np.isnan(logs).any() or np.isposinf(logs).any():
        raise InputError("log_a must hold numbers or -inf, the logarithm of a factor 0.")
    gained = wholes("ranks", np.asarray(ranks).tolist(), length=logs.size, least=0)
    sizes = array("norms", norms, (logs.size + 1,))
    if np.any(sizes < 0):
        raise InputError("norms must be 0 or more.")
    tolerance = positive("tolerance", tolerance)
    if flag("relative", relative):
        tolerance *= float(sizes[-1])
    limit = None if shape is None else min(wholes("shape", shape, length=2, least=1))
    stack = RankStack(limit)
    stack.start(float(sizes[0]))
    for a, g, n in zip(logs.tolist(), gained, sizes[1:].tolist(), strict=True):
        stack.advance(a, g, n)
    best = stack.certified(tolerance)
    for at, spectrum in (checkpoints or {}).items():
        values = np.sort(array(f"checkpoints[{at}]", spectrum, ("r",)))[::-1]
        if not 0 <= at <= logs.size:
            raise InputError(f"checkpoints must lie between step 0 and step {logs.size}, not at {at}.")
        shrunk = float(np.exp(logs[at:].sum())) * values
        kept = int(np.count_nonzero(shrunk > tolerance))
        rank = sum(gained[at:]) + kept
        if (best.rank is None or rank < best.rank) and (limit is None or rank < limit):
            left = float(shrunk[kept]) if kept < shrunk.size else 0.0
            best = CertifiedRank(rank, logs.size - at, tolerance, left, limit)
    return best
