"""Study stochastic-collapse: verdicts at their boundaries, the student, and a small cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import rankfall as rf
from lab.studies.cells import small_cell, verdict_on
from rankfall.lab.studies import stochastic_collapse as study
from rankfall.lab.studies.common.student import Samples, train_student

NAME = "stochastic-collapse"


def teacher(
    number: int,
    ranks: tuple[int, ...] = (8, 9, 10),
    errors: tuple[float, ...] = (0.1, 0.2, 0.2),
    plain: tuple[float, ...] = (0.3, 0.3, 0.2),
) -> pd.DataFrame:
    """Students with batches of 1, 16 and 1024, with warm-up and without."""
    rows = [
        {
            "repeat": number, "optimiser.batch_size": b, "warmed": warmed, "true_rank": 8,
            "end_rank": ranks[k], "end_error": (errors if warmed else plain)[k],
        }
        for k, b in enumerate((1, 16, 1024))
        for warmed in (1, 0)
    ]  # fmt: skip
    return pd.DataFrame(rows)


BAD = {
    "lower rank than gradient": {"ranks": (10, 9, 8)},
    "larger the batch": {"ranks": (9, 8, 10)},
    "to that of the teacher": {"ranks": (7, 8, 9)},
    "lowers the error": {"errors": (0.4, 0.4, 0.2)},
    "makes no difference": {"errors": (0.1, 0.2, 0.2021)},
    "than gradient descent.": {"errors": (0.21, 0.2, 0.2), "ranks": (10, 9, 8)},
}


@pytest.mark.parametrize("part", BAD)
@pytest.mark.parametrize(
    ("good", "bad", "expected"), [(6, 0, "supported"), (3, 3, "undecided"), (0, 6, "not supported")]
)
def test_verdicts_by_teacher(part: str, good: int, bad: int, expected: str) -> None:
    tables = [teacher(k) for k in range(good)] + [teacher(10 + k, **BAD[part]) for k in range(bad)]
    results = pd.concat(tables, ignore_index=True)
    part = "lower error on new inputs than" if part == "than gradient descent." else part
    assert verdict_on(NAME, results, part) == expected


def test_a_student_that_diverged_is_worse() -> None:
    lost = [teacher(k, ranks=(-1, 9, 10), errors=(np.inf, 0.2, 0.2)) for k in range(6)]
    assert verdict_on(NAME, pd.concat(lost), "lowers the error") == "not supported"
    assert verdict_on(NAME, pd.concat(lost), "lower rank than gradient") == "undecided"


def test_steps_of_the_student() -> None:
    samples = Samples.draw(5, 2, 40, 0.5, seed=0)
    assert np.linalg.svd(samples.teacher, compute_uv=False) == pytest.approx([1, 1, 0, 0, 0], abs=1e-12)
    rng = np.random.default_rng(1)
    W1, W2 = rng.standard_normal((7, 5)), rng.standard_normal((5, 7))
    for b in (3, 40):
        chosen = np.random.default_rng(2).integers(40, size=(1, b))[0] if b < 40 else np.arange(40)
        x, y = samples.X[chosen], samples.Y[chosen]
        G = (x @ (W2 @ W1).T - y).T @ x / b
        V1, V2 = train_student(samples, (W1, W2), 0.01, 1, b, np.random.default_rng(2))
        np.testing.assert_allclose(V1, W1 - 0.01 * W2.T @ G, atol=1e-13)
        np.testing.assert_allclose(V2, W2 - 0.01 * G @ W1.T, atol=1e-13)
    assert samples.error(samples.teacher) == 0
    assert samples.error(np.zeros((5, 5))) == 1


def test_gradient_descent_ends_at_least_squares() -> None:
    samples = Samples.draw(4, 2, 60, 0.5, seed=3)
    rng = np.random.default_rng(4)
    start = 0.3 * rng.standard_normal((8, 4)), 0.3 * rng.standard_normal((4, 8))
    W1, W2 = train_student(samples, start, 0.1, 4000, 60, rng)
    best = np.linalg.lstsq(samples.X, samples.Y, rcond=None)[0].T
    np.testing.assert_allclose(W2 @ W1, best, atol=1e-6)


def test_a_small_cell() -> None:
    cells = [
        small_cell(
            NAME, number, repeats=2, problem__samples=1024, optimiser__warm_up=300, optimiser__n_steps=200
        )
        for number in (0, 2)
    ]
    rows = [study.run(cell) for cell in cells]
    pd.testing.assert_frame_equal(rows[0], study.run(cells[0]), check_exact=True)
    assert not set(cells[0].axes) & set(rows[0].columns)
    results = pd.concat([r.assign(**c.axes) for r, c in zip(rows, cells, strict=True)], ignore_index=True)
    claims = study.judge(results)
    assert all(isinstance(c, rf.lab.Claim) and c.rule in study.RULES.values() for c in claims)
    study.draw(results).canvas.draw()
    assert len(results) == 2 * 2 * 2
