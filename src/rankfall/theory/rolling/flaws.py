"""Whether stored numbers are a ledger: it is a proof only if they fit together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isclose

import numpy as np

from ...errors import InputError
from ...problem import Problem
from ..tail import phi_threshold
from .ledger import COLUMNS, FLAGS, WHOLE
from .plan import LEAST_TAIL

# relative errors of sums and powers that were computed another way
_ROUNDING = 1e-6
_Checks = Iterator[tuple[bool, str]]


def flaw_of_looks(
    looks: np.ndarray, budget: float, threshold: float, n_steps: int, widths: Sequence[int]
) -> str | None:
    """What is wrong with looks, as they are stored, that ended at step `n_steps`; None if nothing is.

    They come in order, and the charges of those that are trusted are as the theorem says and within the
    budget.
    """
    return _first(_of_looks(looks, budget, threshold, n_steps, widths))


def flaw_of_deflations(deflations: np.ndarray, looks: np.ndarray, widest: int, moved: float) -> str | None:
    """What is wrong with deflations, as they are stored; None if nothing is.

    Directions were dropped at looks, to lower and lower ranks. The hidden layers are at most `widest` at the
    end, and the bounds sum to `moved`.
    """
    return _first(_of_deflations(deflations, looks, widest, moved))


def is_threshold(found: float, problem: Problem, depth: int, ridge: float) -> bool:
    """Whether a number is ``Phi_thr`` of these settings."""
    try:
        return isclose(found, phi_threshold(problem, depth, ridge), rel_tol=_ROUNDING)
    except InputError:  # they have none
        return False


def _of_looks(
    looks: np.ndarray, budget: float, threshold: float, n_steps: int, widths: Sequence[int]
) -> _Checks:
    at = {name: looks[:, number] for number, name in enumerate(COLUMNS)}
    yield _are_whole(*(at[name] for name in WHOLE)), "holds steps that are not whole numbers"
    flags = np.stack([at[name] for name in FLAGS])
    yield bool(np.isin(flags, (0, 1)).all()), "holds flags that are neither 0 nor 1"
    in_order = (at["start"] <= at["stop"]).all() and (at["stop"][:-1] <= at["start"][1:]).all()
    yield bool(in_order and (at["stop"] <= n_steps).all()), "does not hold steps in their order"
    fits = (at["layer"] >= 1) & (at["layer"] < len(widths) - 1) & (at["rank"] < min(widths))
    yield bool(fits.all()), "holds layers or ranks that these networks do not have"
    trusted = looks[at["trusted"] == 1]
    at = {name: trusted[:, number] for number, name in enumerate(COLUMNS)}
    yield bool(np.isfinite(trusted).all()), "holds infinite numbers in a trusted interval"
    planned = (at["stop"] - at["start"] <= at["planned"]) & (at["planned"] >= 1)
    yield bool(planned.all()), "holds an interval that goes on beyond its plan"
    log_tail = np.log(np.maximum(at["phi"], LEAST_TAIL)) - np.log(threshold)
    with np.errstate(over="ignore"):
        owed = np.exp(at["planned"] * np.log1p(at["growth"]) + log_tail)
    # a charge may be too small for a number
    charged = np.isclose(at["charge"], owed, rtol=_ROUNDING, atol=1e-290)
    yield bool(charged.all()), "holds a charge that is not (1 + gamma)^T Phi / Phi_thr"
    yield budget < 1, "has a budget that is no probability below 1"
    spent = float(at["charge"].sum())
    yield spent <= budget * (1 + _ROUNDING), "holds trusted charges of more than the budget"


def _of_deflations(deflations: np.ndarray, looks: np.ndarray, widest: int, moved: float) -> _Checks:
    step, rank, bound = deflations.T
    yield _are_whole(step, rank), "holds steps or ranks that are not whole numbers"
    at_looks = np.isin(step, looks[:, COLUMNS.index("start")]).all() and (np.diff(step) >= 0).all()
    yield bool(at_looks), "holds steps at which there was no look"
    falling = (rank >= 1).all() and (np.diff(rank) < 0).all()
    yield bool(falling), "does not hold falling ranks"
    yield not rank.size or widest <= rank[-1], "holds a rank below the widths of the network"
    yield isclose(float(bound.sum()), moved, rel_tol=_ROUNDING), "does not sum to deflation_bound"


def _are_whole(*arrays: np.ndarray) -> bool:
    return all(bool((np.isfinite(each) & (np.floor(each) == each)).all()) for each in arrays)


def _first(checks: _Checks) -> str | None:
    return next((words for sound, words in checks if not sound), None)
