"""Survival curves and rates of events with honest intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..argument_checks import array, fraction, not_negative, one_of, whole
from ..declared_arguments import declared
from ..errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Rate:
    """Events per chain-step.

    Attributes
    ----------
    events : int
    exposure : int
        Chain-steps in which an event would have been noticed.
    rate : float
        ``events / exposure``; NaN without exposure.
    low, high : float
        Exact interval of the rate of a Poisson process (Garwood 1936): with k events in n steps,
        ``chi2(alpha/2; 2k) / 2n`` to ``chi2(1 - alpha/2; 2k + 2) / 2n``.
    level : float
        Its probability, ``1 - alpha``.
    """

    events: int
    exposure: int
    rate: float
    low: float
    high: float
    level: float

    @property
    def rule_of_three(self) -> float:
        """``3 / exposure`` if no event was seen, else NaN: then the rate is below it with 95% confidence.

        One-sided, and so smaller than `high`: no event has probability ``exp(-3) < 0.05`` at this rate.
        """
        if self.events or not self.exposure:
            return float("nan")
        return 3 / self.exposure

    def __str__(self) -> str:
        seen = f"{self.events} events in {self.exposure:,} chain-steps"
        if self.exposure == 0:
            return "no chain-steps: nothing is known of the rate"
        if self.events == 0:
            return f"no events in {self.exposure:,} chain-steps: rate below {self.rule_of_three:.2g} (95%)"
        return f"{seen}: {self.rate:.3g} per step, {self.low:.3g} to {self.high:.3g} ({self.level:.0%})"


@declared
def poisson_rate(events: int, exposure: int, level: float = 0.95) -> Rate:
    """The rate of a Poisson process with its exact interval.

    Parameters
    ----------
    events, exposure : int
        Events seen, and chain-steps in which they could have been.
    level : float

    Returns
    -------
    Rate

    Raises
    ------
    InputError
        If a number is out of range.

    References
    ----------
    F. Garwood (1936), Fiducial limits for the Poisson distribution, Biometrika 28.
    """
    if events > 0 and exposure == 0:
        raise InputError(f"exposure must be a positive whole number where there are {events} events, not 0.")
    low, high = garwood(events, exposure, level)
    rate = events / exposure if exposure else float("nan")
    return Rate(int(events), int(exposure), rate, low, high, level)


def garwood(events: int, exposure: float, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of the rate of a Poisson process: ``chi2(alpha/2; 2k) / 2T`` to ``chi2(1 - alpha/2;
    2k + 2) / 2T``.

    Parameters
    ----------
    events : int
        k.
    exposure : float
        T, in any unit of time; with 0 nothing is known, and the interval is (0, inf).
    level : float
        ``1 - alpha``.

    Returns
    -------
    low, high : float

    Raises
    ------
    InputError
        If a number is out of range.
    """
    from scipy.stats import chi2

    events, exposure = whole("events", events, least=0), not_negative("exposure", exposure)
    level = fraction("level", level)
    if exposure == 0:
        return 0.0, float("inf")
    tail = (1 - level) / 2
    low = float(chi2.ppf(tail, 2.0 * events)) if events else 0.0
    return low / (2 * exposure), float(chi2.ppf(1 - tail, 2.0 * events + 2)) / (2 * exposure)


@declared
def kaplan_meier(
    time: np.ndarray, happened: np.ndarray, level: float = 0.95, interval: str = "log-log"
) -> DataFrame:
    """Probability that the event has not happened yet, from times some of which are only lower bounds.

    ``S(t) = prod over event times t_i <= t of (1 - d_i / n_i)`` with ``d_i`` events among ``n_i`` chains at
    risk, and
    Greenwood's variance ``S^2 sum d_i / (n_i (n_i - d_i))``. Events at a time precede the censorings at it.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Of the event, or until when it had not happened (censored).
    happened : ndarray of bool, shape (n,)
    level : float
    interval : {"log-log", "linear"}
        "linear": ``S +- z sd``, cut to [0, 1]. "log-log" (the default): ``S^exp(+- z sd / (S log S))``, which
        stays inside by itself and is better for few chains. Both say nothing at S = 1, where low is the exact
        binomial bound ``(alpha/2)^(1/n)`` for the n chains at risk, and at S = 0, where high stays what it
        was.

    Returns
    -------
    DataFrame
        One row for every time of an event or a censoring: step, at_risk, events, censored, survival, low,
        high. The curve is 1 before the first row and constant between them.

    Raises
    ------
    InputError
        If the arguments do not fit together.

    References
    ----------
    E. L. Kaplan and P. Meier (1958), JASA 53; M. Greenwood (1926); J. D. Kalbfleisch and R. L. Prentice, The
    Statistical Analysis of Failure Time Data, section 1.4 (log-log).
    """
    import pandas as pd
    from scipy.stats import norm

    n = array("time", time, ("n",)).size
    happened = array("happened", happened, (n,)).astype(bool)
    level = fraction("level", level)
    interval = one_of("interval", interval, ("log-log", "linear"))
    # as given: steps stay whole numbers in the table
    time = np.asarray(time)
    times, at = np.unique(time, return_inverse=True)
    events = np.bincount(at[happened], minlength=times.size)
    gone = np.bincount(at, minlength=times.size)
    at_risk = time.size - np.concatenate([[0], np.cumsum(gone)[:-1]]) if times.size else gone
    survival = np.cumprod(1 - events / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        # sd of log S
        spread = np.sqrt(np.cumsum(events / (at_risk * (at_risk - events))))
        z = norm.ppf((1 + level) / 2)
        if interval == "linear":
            low = np.maximum(survival * (1 - z * spread), 0)
            high = np.minimum(survival * (1 + z * spread), 1)
        else:
            power = np.exp(z * spread / np.log(survival))
            low, high = survival ** (1 / power), survival**power
    alive, extinct = survival == 1, survival == 0
    low[alive], high[alive] = ((1 - level) / 2) ** (1 / at_risk[alive]), 1.0
    low[extinct], high[extinct] = 0.0, high[~extinct][-1] if (~extinct).any() else 1.0
    return pd.DataFrame(
        {
            "step": times,
            "at_risk": at_risk,
            "events": events,
            "censored": gone - events,
            "survival": survival,
            "low": low,
            "high": high,
        }
    )
