"""Which minima B_r holds: all of rank r or less, and no others; and the way into the ball of its norms."""

from __future__ import annotations

from math import sqrt

from ..argument_checks import instance
from ..declared_arguments import declared
from ..errors import InputError
from .certificate import Certificate, Condition
from .constants import Constants, constant_conditions, norm_condition
from .requirements import plain, require_positive

# More steps than this are not counted one by one.
_MOST_STEPS = 10**7


@declared
def check_minima_inside(constants: Constants) -> Certificate:
    """The hypotheses under which B_r holds exactly the critical points of rank r or less (section 1.1).

    For depth 3 and more, entries up to a, ``chi > 0``, (D), (S), and

        lr ridge <= 1/4             a^2 / (8 ridge) <= C             delta <= sqrt(C)

    every critical point of the regularised loss of rank at most r lies in B_r, for every r >= 0, and no other
    critical point does. In particular B_r holds the minima of rank r or less, and not more.

    The first two are hypotheses and not conveniences: beyond either, constants that satisfy Theorem 1 can
    have a minimum of rank 1 outside of B_1, since its norm exceeds C. :func:`solve` takes the least C that
    satisfies (B), which may be below ``a^2 / (8 ridge)``.

    Parameters
    ----------
    constants : Constants

    Returns
    -------
    Certificate
        Its rank is None since it is about every r.

    Raises
    ------
    InputError
        If the depth is 2.
    """
    k = instance("constants", constants, Constants)
    if k.depth < 3:
        raise InputError("The statement needs depth 3 or more: its bound on singular values has no depth 2.")
    positive, _, imbalance, tail = constant_conditions(k)[:4]
    source = "section 1.1"
    return Certificate(
        theorem="Proposition 1.1",
        claim="For every r, the critical points in B_r are those of rank r or less.",
        conditions=(
            positive,
            imbalance,
            tail,
            Condition("lr ridge <= 1/4", "lr ridge <= 1/4", k.lr * k.ridge, 0.25, source),
            Condition("a^2/(8 ridge) <= C", "a^2 / (8 ridge) <= C", k.bound**2 / (8 * k.ridge), k.C, source),
            Condition("delta <= sqrt(C)", "delta <= sqrt(C)", k.delta, k.omega, source),
        ),
        assumptions=(
            f"Every observed entry is at most {k.bound:.6g} in absolute value.",
            "Distinct entries of a batch are no more than there are observed entries.",
        ),
        values=k.as_values(),
    )


@declared
def contraction_steps(constants: Constants, norm: float) -> int:
    """Steps, whatever is sampled, after which norms ``|W_l|_F^2 <= norm`` have come down to C.

    With (B) strict at C and at `norm` (its two sides differ by a concave function of C, so that it is strict
    in between), ``M' = q^2 (M + lr a^2 / (2 q - lr nu M^(L-1)))`` bounds ``max_l |W_l|_F^2`` after a step
    from M, increases with M, and is below M. It is iterated from `norm` until it is at most C. Theorem 2 thus
    holds from this larger ball, after so many steps more.

    Parameters
    ----------
    constants : Constants
    norm : float
        Largest ``|W_l|_F^2`` of the start.

    Raises
    ------
    InputError
        If `norm` is not positive, or (B) is not strict at C and at `norm`.
    """
    k = instance("constants", constants, Constants)
    require_positive(norm=norm)
    norm = plain(norm)
    if norm <= k.C:
        return 0
    for C in (k.C, norm):
        at = norm_condition(
            Constants(k.depth, k.ridge, k.lr, k.bound, k.batch_size, k.sampling, k.nu, C, k.eps, k.delta)
        )
        if not at.left < at.right:
            raise InputError(
                f"(B) is not strict at norms of {C:.6g}, so that they need not contract; "
                + ("take a larger C." if C == k.C else "only smaller starts are covered, or a smaller lr.")
            )
    bound, steps = norm, 0
    while bound > k.C:
        bound = k.q**2 * (bound + k.lr * k.bound**2 / (2 * k.q - k.lr * k.nu * bound ** (k.depth - 1)))
        steps += 1
        if steps > _MOST_STEPS:
            raise InputError(f"The norms need more than {_MOST_STEPS} steps; take a larger C.")
    return steps


def tail_norm(constants: Constants) -> float:
    """The largest ``M`` with ``sqrt(M) + beta M <= delta``: norms of W_1 up to it satisfy (T) at rank 0."""
    return (2 * constants.delta / (1 + sqrt(1 + 4 * constants.beta * constants.delta))) ** 2
