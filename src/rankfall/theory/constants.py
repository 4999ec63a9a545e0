"""The constants of Theorem 1, and the inequalities that they must satisfy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, inf, nan, sqrt

from ..declared_arguments import declared
from ..errors import InputError
from .certificate import Certificate, Condition
from .requirements import plain, require_positive, require_step, require_whole
from .tail_transmission import Feedback, a_bound

# relative error that a batch constant may have
_ROUNDING = 1e-12
SAMPLINGS = ("replacement", "distinct", "epochs")


@declared
def batch_constant(batch_size: int, sampling: str, n_observed: int | None = None) -> float:
    """``nu`` with ``|R|^2 <= nu * mean of rho^2 over the batch``, R the residual matrix of one batch.

    Parameters
    ----------
    batch_size : int
    sampling : {"replacement", "distinct", "epochs"}
        1 with replacement, where all entries of a batch may coincide; 1/b for b different entries; with
        epochs the last batch is the smallest, and n_observed says how small.
    n_observed : int, optional
        Number of observed entries.
    """
    _require_batches(batch_size, sampling)
    if n_observed is not None:
        require_whole(1, n_observed=n_observed)
        if sampling != "replacement" and batch_size > n_observed:
            raise InputError(
                f'A batch of {batch_size} cannot be drawn with sampling="{sampling}" from {n_observed} '
                "observed entries."
            )
    if sampling == "replacement" or batch_size == 1:
        return 1.0
    if sampling == "distinct":
        return 1 / batch_size
    if n_observed is None:
        raise InputError('With sampling="epochs" the last batch is the smallest; give n_observed.')
    return 1 / (n_observed % batch_size or batch_size)


def _require_batches(batch_size: int, sampling: str) -> None:
    require_whole(1, batch_size=batch_size)
    if sampling not in SAMPLINGS:
        raise InputError(f'sampling must be "replacement", "distinct" or "epochs", not {sampling!r}.')


@dataclass(frozen=True)
class Constants:
    """Everything that Theorem 1 needs to know about a setting, whatever the widths, the data and the rank.

    :func:`solve` makes them; any others may be written down and judged by :func:`check_constants`. The
    first ten numbers are free, the rest follows.

    Attributes
    ----------
    depth, ridge, lr : int, float, float
        ``L``, ``lambda`` and ``eta``.
    bound : float
        ``a``, largest absolute value of an observed entry.
    batch_size, sampling, nu : int, str, float
        ``nu`` is the batch constant, see :func:`batch_constant`: at least 1 with replacement, else at least
        1/b.
    C : float
        Bound on all ``|W_l|_F^2``.
    eps : float
        Bound on the imbalances, with their energy correction.
    delta : float
        Threshold of the tail of the first layer, with its energy correction.
    """

    depth: int
    ridge: float
    lr: float
    bound: float
    batch_size: int
    sampling: str
    nu: float
    C: float
    eps: float
    delta: float

    def __post_init__(self) -> None:
        require_whole(2, depth=self.depth)
        require_step(self.ridge, self.lr)
        require_positive(bound=self.bound, nu=self.nu, C=self.C, eps=self.eps, delta=self.delta)
        for name in ("ridge", "lr", "bound", "nu", "C", "eps", "delta"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        _require_batches(self.batch_size, self.sampling)
        least = 1.0 if self.sampling == "replacement" else 1 / self.batch_size
        if self.nu < least * (1 - _ROUNDING):
            raise InputError(
                f'nu must be at least {least:.6g} for sampling="{self.sampling}" and batches of '
                f"{self.batch_size}, "
                f"not {self.nu:.6g}."
            )

    @property
    def q(self) -> float:
        """``1 - 2 lr ridge``, the factor of weight decay."""
        return 1 - 2 * self.lr * self.ridge

    @property
    def chi(self) -> float:
        """``q - lr nu C^(L-1)``."""
        return self.q - self.lr * self.nu * self.C ** (self.depth - 1)

    @property
    def kappa(self) -> float:
        """``lr nu C^(L-1) / chi``, weight of the energy correction of the imbalance; infinite if chi <= 0."""
        return self.lr * self.nu * self.C ** (self.depth - 1) / self.chi if self.chi > 0 else inf

    @property
    def eps_star(self) -> float:
        """``kappa q a^2 / (4 ridge (1 - lr ridge))``: imbalances settle below this."""
        return self.kappa * self.q * self.bound**2 / (4 * self.ridge * (1 - self.lr * self.ridge))

    @property
    def slack(self) -> float:
        """``eps / eps_star - 1``."""
        return self.eps / self.eps_star - 1

    @property
    def rho_eff(self) -> float:
        """``sqrt(nu q / chi) a``, the effective residual; infinite if chi <= 0."""
        return sqrt(self.nu * self.q / self.chi) * self.bound if self.chi > 0 else inf

    @property
    def omega(self) -> float:
        """``sqrt(C)``, bound on the operator norms of the layers."""
        return sqrt(self.C)

    @cached_property
    def a_L(self) -> float:
        """``a_L(delta, eps, omega)`` of Lemma 3: the product has ``sigma_{r+1}(A) <= a_L delta``."""
        return float(a_bound(self.depth, self.delta, self.eps, self.omega))

    @property
    def beta(self) -> float:
        """``sqrt(nu) a_L / (2 a sqrt(q chi))``, weight of the energy correction of the tail."""
        if not self.chi > 0:
            return inf
        return sqrt(self.nu) * self.a_L / (2 * self.bound * sqrt(self.q * self.chi))

    @cached_property
    def components(self) -> tuple[tuple[float, float], ...]:
        """The intervals of thresholds in (0, sqrt(C)] that satisfy (S) at this C and eps."""
        if not self.chi > 0:
            return ()
        return Feedback(self.depth, self.ridge, self.rho_eff, self.eps, self.omega).thresholds()

    @property
    def delta_minus(self) -> float:
        """Lower end of the component of `delta`, where tails settle in the end; NaN outside of all."""
        return self._component[0]

    @property
    def delta_plus(self) -> float:
        """Upper end of the component of `delta`, the threshold of its basin; NaN outside of all."""
        return self._component[1]

    @property
    def _component(self) -> tuple[float, float]:
        containing = [(low, high) for low, high in self.components if low <= self.delta <= high]
        return containing[0] if containing else (nan, nan)

    @declared
    def at_delta(self, delta: float) -> Constants:
        """The same setting with another threshold, say in another component."""
        return replace(self, delta=delta)

    @declared
    def at_lr(self, lr: float) -> Constants:
        """:func:`solve` at another learning rate, with the same slack.

        Raises
        ------
        InputError
            If nothing is certified there.
        """
        return solve_at(
            self.depth, self.ridge, lr, self.bound, self.batch_size, self.sampling, self.nu, self.slack
        )

    def halved(self) -> Constants:
        """:meth:`at_lr` at half the learning rate.

        At the largest certified learning rate the thresholds shrink to a point, an invariant set that
        attracts nothing; at half of it they are an interval, if it is certified (see :func:`solve`).
        """
        return self.at_lr(self.lr / 2)

    def as_values(self) -> dict[str, float]:
        """The numbers by name, for the `values` of a certificate."""
        names = ("ridge", "lr", "bound", "nu", "q", "chi", "kappa", "C", "eps", "eps_star", "rho_eff")
        names += ("a_L", "beta", "delta", "delta_minus", "delta_plus")
        return {name: float(getattr(self, name)) for name in names}


@declared
def check_constants(constants: Constants) -> Certificate:
    """The hypotheses of Theorem 1 about the constants alone: (B), (D), (S), and two that say it is not void.

        (B)  q^2 a^2 / (2 q - lr nu C^(L-1)) <= 4 ridge (1 - lr ridge) C      norms stay below C
        (D)  eps_star <= eps                                                  imbalances stay below eps
        (S)  rho_eff a_L(delta, eps, sqrt(C)) <= 2 ridge delta                the tail stays below delta

    with ``chi > 0``. If they hold, every step with every batch keeps a network in each B_r in which it is,
    for every r >= 0 at once. ``kappa C < eps`` and ``beta C < delta`` say that B_r holds networks with
    ``|W_l|_F^2 = C``.

    Parameters
    ----------
    constants : Constants

    Returns
    -------
    Certificate
        Of Theorem 1; its rank is None since it is about every r.
    """
    return Certificate(
        theorem="Theorem 1",
        claim="Every step of SGD, whatever the batch, keeps a network in each set B_r in which it is.",
        conditions=constant_conditions(constants),
        assumptions=(
            f"Every observed entry is at most {constants.bound:.6g} in absolute value.",
            f"SGD with lr {constants.lr:.6g}, ridge {constants.ridge:.6g} and batches of "
            f"{constants.batch_size} "
            f'(sampling="{constants.sampling}"), for all of which |R|^2 <= {constants.nu:.6g} times the '
            "mean of rho^2.",
        ),
        values=constants.as_values(),
    )


def constant_conditions(k: Constants) -> tuple[Condition, ...]:
    """(chi), (B), (D), (S) and that B_r reaches to the norms C."""
    positive = Condition("chi > 0", "0 < q - lr nu C^(L-1)", 0.0, k.chi, "Theorem 1", strict=True)
    return (
        positive,
        norm_condition(k),
        Condition("(D)", "eps* <= eps", k.eps_star, k.eps, "Lemma 2"),
        Condition(
            "(S)",
            "rho_eff a_L <= 2 ridge delta",
            _product(k.rho_eff, k.a_L),
            2 * k.ridge * k.delta,
            "Theorem 1",
        ),
        Condition("kappa C < eps", "kappa C < eps", k.kappa * k.C, k.eps, "Theorem 1, not void", strict=True),
        Condition(
            "beta C < delta", "beta C < delta", k.beta * k.C, k.delta, "Theorem 1, not void", strict=True
        ),
    )


def norm_condition(k: Constants) -> Condition:
    """(B), with an infinite left side where ``2 q <= lr nu C^(L-1)``."""
    room = 2 * k.q - k.lr * k.nu * k.C ** (k.depth - 1)
    left = (k.q * k.bound) ** 2 / room if room > 0 else inf
    right = 4 * k.ridge * (1 - k.lr * k.ridge) * k.C
    return Condition(
        "(B)", "q^2 a^2 / (2 q - lr nu C^(L-1)) <= 4 ridge (1 - lr ridge) C", left, right, "Lemma 1"
    )


def _product(rho: float, a_L: float) -> float:
    return rho * a_L if a_L else 0.0


def solve_at(
    depth: int, ridge: float, lr: float, bound: float, batch_size: int, sampling: str, nu: float, slack: float
) -> Constants:
    """Constants at a given learning rate and batch constant."""
    ridge, lr = require_step(ridge, lr)
    C = least_norm(depth, ridge, lr, bound, nu)
    if C is None:
        raise InputError(f"Theorem 1 certifies nothing at lr = {lr:.6g}: no C satisfies (B).")
    k = Constants(depth, ridge, lr, bound, batch_size, sampling, nu, C, eps=C, delta=sqrt(C))
    k = with_imbalance(k, (1 + slack) * k.eps_star)
    if not check_constants(k).holds:
        raise InputError(
            f"Theorem 1 certifies nothing at lr = {lr:.6g}: no threshold satisfies (S); a smaller lr, a "
            "larger ridge or larger distinct batches might."
        )
    return k


def with_imbalance(k: Constants, eps: float) -> Constants:
    """The constants with another `eps`, and the threshold that goes with it.

    The upper end of the lowest component; where there is none, the threshold that comes closest to (S).
    """
    feedback = Feedback(k.depth, k.ridge, k.rho_eff, eps, k.omega)
    intervals = feedback.thresholds()
    delta = intervals[0][1] if intervals else feedback.best()[0]
    names = (k.depth, k.ridge, k.lr, k.bound, k.batch_size, k.sampling, k.nu, k.C)
    return Constants(*names, eps, delta)


def least_norm(depth: int, ridge: float, lr: float, bound: float, nu: float) -> float | None:
    """The least C that satisfies (B), or None if there is none.

    (B) reads ``4 ridge (1 - lr ridge) C (2 q - lr nu C^(L-1)) >= q^2 a^2``, whose left side is concave in C:
    its first crossing lies between the limit for small lr and the maximum.
    """
    q = 1 - 2 * lr * ridge
    low = q * bound**2 / (8 * ridge * (1 - lr * ridge))
    high = (2 * q / (depth * lr * nu)) ** (1 / (depth - 1))

    def trial(C: float) -> Constants:
        return trial_constants(depth, ridge, lr, bound, nu, C)

    if low >= high or not norm_condition(trial(high)).holds:
        return None
    if norm_condition(trial(low)).holds:  # where lr is too small to tell
        high = low
    while low < (middle := low + (high - low) / 2) < high:
        low, high = (low, middle) if norm_condition(trial(middle)).holds else (middle, high)
    return high if trial(high).chi > 0 else None


def trial_constants(depth: int, ridge: float, lr: float, bound: float, nu: float, C: float) -> Constants:
    """Constants whose eps, delta and batches do not matter."""
    return Constants(depth, ridge, lr, bound, ceil(1 / nu), "distinct", nu, C, eps=C, delta=C)
