"""Rubin's rules: one answer from the analyses of several completed tables.

References
----------
D. B. Rubin, "Multiple Imputation for Nonresponse in Surveys", Wiley, 1987, chapter 3. J. Barnard and
D. B. Rubin, "Small-sample degrees of freedom with multiple imputation", Biometrika 86 (1999).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .argument_checks import fraction, real
from .errors import InputError


@dataclass(frozen=True, eq=False)
class Pooled:
    """What several completed tables say together. Numbers if the estimates were, else arrays of shape (p,).

    Attributes
    ----------
    m : int
        Number of completed tables.
    estimate : float or ndarray
        Mean of the estimates.
    variance : float or ndarray
        Total variance, ``within + (1 + 1/m) between``.
    within, between : float or ndarray
        Mean of the variances; variance of the estimates (divided by m - 1).
    dof : float or ndarray
        Degrees of freedom of Student's t (Barnard and Rubin 1999); infinite where the estimates do not differ
        and `dof_complete` was not given.
    missing_information : float or ndarray
        Fraction of the information about the estimate that is missing, ``(r + 2 / (dof + 3)) / (r + 1)`` with
        the relative increase of the variance ``r = (1 + 1/m) between / within``.
    covariance : ndarray, shape (p, p), or None
        Total covariance, if covariance matrices were given.
    """

    m: int
    estimate: float | np.ndarray
    variance: float | np.ndarray
    within: float | np.ndarray
    between: float | np.ndarray
    dof: float | np.ndarray
    missing_information: float | np.ndarray
    covariance: np.ndarray | None = None

    @property
    def standard_error(self) -> float | np.ndarray:
        """Square root of the total variance."""
        return _plain(np.sqrt(self.variance))

    def interval(self, coverage: float = 0.95) -> tuple[float | np.ndarray, float | np.ndarray]:
        """Lower and upper end of an interval by Student's t with `dof` degrees of freedom.

        Parameters
        ----------
        coverage : float
            Between 0 and 1.
        """
        from scipy.stats import norm, t

        tail = (1 + _coverage(coverage)) / 2
        dof = np.asarray(self.dof)
        finite = np.where(np.isinf(dof), 1.0, dof)
        half = np.where(np.isinf(dof), norm.ppf(tail), t.ppf(tail, finite)) * self.standard_error
        return _plain(self.estimate - half), _plain(self.estimate + half)

    def __repr__(self) -> str:
        low, high = (np.array2string(np.asarray(end), precision=4) for end in self.interval())
        middle = np.array2string(np.asarray(self.estimate), precision=4)
        return f"Pooled(estimate {middle}, 95% interval {low} to {high}, m={self.m})"


def pool(estimates: object, variances: object, *, dof_complete: float | None = None) -> Pooled:
    """Pool the analyses of completed tables by Rubin's rules.

    Estimate the quantity from each table, and the variance of that estimate (the square of its standard
    error), as if the table had been observed; transform first what is not about normal (a correlation by
    Fisher's z, an odds ratio by the logarithm).

    Parameters
    ----------
    estimates : array_like, shape (m,) or (m, p)
        One estimate, or a vector of them, from each of m >= 2 completed tables.
    variances : array_like, shape (m,), (m, p) or (m, p, p)
        Their variances, or covariance matrices.
    dof_complete : float, optional
        Degrees of freedom that the analysis would have of a table without holes: n - p of a regression of n
        rows on p coefficients. Without it the table counts as large.

    Returns
    -------
    Pooled

    Raises
    ------
    InputError
        If the shapes do not go together, there are fewer than two tables, a number is not finite, or a
        variance not positive.

    Notes
    -----
    With the share ``s = (1 + 1/m) between / variance`` of the total variance, the degrees of freedom are
    ``1 / (1/a + 1/b)`` where ``a = (m - 1) / s^2`` and ``b = (1 - s) dof_complete (dof_complete + 1) /
    (dof_complete + 3)``.

    References
    ----------
    J. Barnard and D. B. Rubin, "Small-sample degrees of freedom with multiple imputation", Biometrika 86
    (1999).

    Examples
    --------
    >>> from rankfall import pool
    >>> pooled = pool([1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
    >>> pooled.estimate, round(pooled.variance, 4), round(pooled.dof, 4)
    (2.0, 2.3333, 6.125)
    """
    Q, U = _numbers("estimates", estimates), _numbers("variances", variances)
    m = Q.shape[0] if Q.ndim else 0
    if Q.ndim not in (1, 2) or m < 2 or not Q.size:
        raise InputError(
            "estimates must hold one estimate (or one vector) from each of at least two completed tables, "
            f"not shape {Q.shape}."
        )
    is_matrix = U.ndim == 3 and Q.ndim == 2
    wanted = (*Q.shape, Q.shape[1]) if is_matrix else Q.shape
    if U.shape != wanted:
        raise InputError(
            f"variances must have the shape of the estimates {Q.shape}, or be a covariance matrix for each "
            f"vector of them, not shape {U.shape}."
        )
    diagonal = np.diagonal(U, axis1=1, axis2=2) if is_matrix else U
    if not np.all(diagonal > 0):
        raise InputError("variances must be positive: they are squares of standard errors.")
    dof_complete = _dof("dof_complete", dof_complete)
    within, between = diagonal.mean(axis=0), Q.var(axis=0, ddof=1)
    added = (1 + 1 / m) * between
    total = within + added
    dof = _degrees(m, added / total, dof_complete)
    r = added / within
    return Pooled(
        m=m,
        estimate=_plain(Q.mean(axis=0)),
        variance=_plain(total),
        within=_plain(within),
        between=_plain(between),
        dof=_plain(dof),
        missing_information=_plain((r + 2 / (dof + 3)) / (r + 1)),
        covariance=U.mean(axis=0) + (1 + 1 / m) * np.cov(Q.T, ddof=1).reshape(U.shape[1:])
        if is_matrix
        else None,
    )


def _degrees(m: int, share: np.ndarray, dof_complete: float) -> np.ndarray:
    """Degrees of freedom by Barnard and Rubin."""
    with np.errstate(divide="ignore"):
        inverse = share**2 / (m - 1)
        if np.isfinite(dof_complete):
            inverse = inverse + (dof_complete + 3) / ((1 - share) * dof_complete * (dof_complete + 1))
        return 1 / inverse


def _numbers(name: str, value: object) -> np.ndarray:
    try:
        out = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers ({error}).") from error
    if not np.all(np.isfinite(out)):
        raise InputError(f"{name} must be finite: an analysis of one completed table has failed.")
    return out


def _dof(name: str, value: object) -> float:
    """Degrees of freedom; infinitely many by default."""
    if value is None:
        return float("inf")
    found = real(value)
    if found is None or not found > 0:
        raise InputError(f"{name} must be a positive number of degrees of freedom, not {value!r}.")
    return float(found)


def _coverage(value: object) -> float:
    found = fraction("coverage", value)
    if not 0 < found < 1:
        raise InputError(f"coverage must lie between 0 and 1, not {value!r}.")
    return found


def _plain(value: np.ndarray | float) -> float | np.ndarray:
    """A number where there is but one."""
    return float(value) if np.ndim(value) == 0 else np.asarray(value)
