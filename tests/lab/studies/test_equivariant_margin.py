"""Study equivariant-margin: verdicts at their boundaries, a tiny cell, and the largest margin."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from lab.studies.cells import check_rows, small_cell, verdict_on
from rankfall.lab.studies.equivariant_margin import _largest_margin

NAME = "equivariant-margin"


def table(**changes: object) -> pd.DataFrame:
    """Twenty pairs of runs as they should be; the deeper ones use fewer irreps."""
    parts = [
        pd.DataFrame(
            {
                "group": "C6", "depth": depth, "repeat": np.arange(20), "residual": 0.001,
                "early": 0.1, "gap": 0.001,
                "cost": 1.0, "cost_of_margin": 2.0, "used": 5 - depth, "irreps": 4, "margin": 1.0,
            }
        ).assign(**changes)
        for depth in (2, 3)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def first(n: int, right: float, wrong: float) -> np.ndarray:
    return np.where(np.arange(20) < n, right, wrong)


@pytest.mark.parametrize(("right", "expected"), [(20, "supported"), (16, "undecided"), (5, "not supported")])
def test_shares(right: int, expected: str) -> None:
    # 40 of 40 from 0.91, 32 of 40 from 0.64 to 0.91, 10 of 40 to 0.41; 20 of 20 from 0.83, 16 from 0.56
    assert verdict_on(NAME, table(residual=first(right, 0.01, 0.3)), "it is there") == expected
    assert verdict_on(NAME, table(early=first(right, 0.1, 0.0001)), "approaches") == expected
    assert verdict_on(NAME, table(gap=first(right, 0.01, 0.3)), "nuclear norm") == expected


def test_costs_and_irreps() -> None:
    assert verdict_on(NAME, table(), "largest margin") == "supported"
    assert verdict_on(NAME, table(cost=3.0), "largest margin") == "not supported"
    assert verdict_on(NAME, table(), "fewer irreps") == "supported"
    assert verdict_on(NAME, table(used=3), "fewer irreps") == "undecided"


def test_a_small_cell() -> None:
    cell = small_cell(NAME, repeats=2, n_steps=3000)
    rows = check_rows(cell, {"repeat", "residual", "gap", "cost", "cost_of_margin", "used"})
    assert (rows["margin"] > 0).all()
    assert (rows["residual"] < rows["early"]).all() and rows["residual"].max() < 0.5
    assert (rows["gap"] > -1e-9).all()


def test_the_largest_margin() -> None:
    X = np.random.default_rng(0).standard_normal((5, 8))
    a = _largest_margin(X)
    found = minimize(
        lambda v: v @ v,
        np.linalg.lstsq(X, np.ones(5), rcond=None)[0],
        jac=lambda v: 2 * v,
        constraints={"type": "ineq", "fun": lambda v: X @ v - 1, "jac": lambda v: X},
    )
    assert a @ a == pytest.approx(found.fun, rel=1e-6)
    assert (X @ a).min() == pytest.approx(1)
