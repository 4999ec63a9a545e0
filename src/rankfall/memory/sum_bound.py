"""The sum bound: what the singular values of all updates leave beyond the largest (docs/memory.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..argument_checks import array, not_negative
from ..declared_arguments import declared
from ..errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class LargestTerms:
    """The largest of all numbers ``c_s sigma_i(U_s)``, and the sum of the others.

    All numbers shrink by the same factor in a step, so their order stays, and `limit` of them are enough.
    """

    def __init__(self, limit: int, start_norm: float) -> None:
        self.limit = limit
        self.start = start_norm
        self.terms = np.empty(0)
        self.rest = 0.0

    def advance(self, factor: float, singular_values: np.ndarray) -> None:
        """One step ``W <- a W - U`` with ``|a| = factor`` and these singular values of U."""
        self.start *= factor
        self.rest *= factor
        terms = np.sort(np.concatenate([factor * self.terms, singular_values]))[::-1]
        self.terms, dropped = terms[: self.limit], terms[self.limit :]
        self.rest += float(dropped.sum())

    def bound(self) -> np.ndarray:
        """Upper bounds of ``sigma_1 ... sigma_limit`` of W now, shape (limit,)."""
        terms = np.zeros(self.limit)
        terms[: self.terms.size] = self.terms
        # what lies beyond the R largest, for R = 0, 1, ...
        tails = np.cumsum(terms[::-1])[::-1]
        return self.start + self.rest + tails


@declared
def sum_bound(
    log_a: ArrayLike, lrs: ArrayLike, spectra: Sequence[ArrayLike], start_norm: float, limit: int
) -> np.ndarray:
    """Upper bounds of the singular values of ``W_T`` from those of all gradients, or of all updates.

    With ``c_s = lr_s prod_{u>s} |a_u|`` and all numbers ``c_s sigma_i(G_s)`` sorted, ``w_1 >= w_2 >= ...``:

        sigma_{R+1}(W_T) <= prod_s |a_s| |W_0| + sum_{i > R} w_i.

    It holds for every optimiser that multiplies the weights by a number and then subtracts something: where a
    preconditioner destroys the rank of the gradient, ``G_s`` is the update itself and ``lr_s = 1``.

    Parameters
    ----------
    log_a, lrs : array_like, shape (T,)
    spectra : sequence of array_like
        Singular values of ``G_s``, in any order.
    start_norm : float
        ``|W_0|``, the spectral norm or more.
    limit : int
        ``min(m, n)``.

    Returns
    -------
    ndarray, shape (limit,)

    Raises
    ------
    InputError
        If there are not as many spectra as factors.
    """
    logs, steps = array("log_a", log_a, ("T",), finite=False), array("lrs", lrs, ("T",))
    if not len(spectra) == logs.size == steps.size:
        raise InputError("log_a, lrs and spectra must have one entry for every step.")
    memory = LargestTerms(limit, not_negative("start_norm", start_norm))
    for a, lr, values in zip(np.exp(logs), steps, spectra, strict=True):
        memory.advance(float(a), abs(lr) * np.abs(array("spectra", values, ("r",))))
    return memory.bound()
