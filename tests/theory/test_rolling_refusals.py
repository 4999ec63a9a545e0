"""Theorem 6 with arguments of every kind: refused in one sentence, or taken for what they are."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

import rankfall as rf
from dynamics.problems import holed
from rankfall import theory
from rankfall.theory.rolling import RollingCertificate, look

PROBLEM = holed((6, 5), seed=0)
NET = rf.Network.gaussian((5, 4, 4, 6), scale=0.5, seed=0)
STEP = {"ridge": 0.05, "lr": 0.1}
BALL = {**STEP, "radius": 0.1}
NEGATIVE = (inf, nan, -1, "1", None, True, 1j, 10**400)
WHOLE = (inf, nan, -1, 1.5, "1", None, True)


def watch(**settings) -> theory.rolling.RollingWatch:
    return RollingCertificate().begin(PROBLEM, **{"depth": 3, **STEP, **settings})


def looked() -> theory.rolling.RollingWatch:
    out = watch()
    out.look(4, NET)
    return out


@pytest.mark.parametrize(
    ("use", "bad"),
    [
        (use, bad)
        for use, several in (
            (lambda bad: look(bad, NET, **BALL), (None, np.eye(3))),
            (lambda bad: look(PROBLEM, bad, **BALL), (None, list(NET.weights))),
            *((lambda bad, n=n: look(PROBLEM, NET, **(BALL | {n: bad})), NEGATIVE) for n in BALL),
            (lambda bad: look(PROBLEM, NET, **BALL, batch_size=bad), (0, *WHOLE)),
            (lambda bad: RollingCertificate(budget=bad), (0, 1, 2, *NEGATIVE)),
            (lambda bad: RollingCertificate(radius=bad), (0, inf, nan, -1, "1", True)),
            (lambda bad: RollingCertificate(max_steps=bad), (0, 10**30, inf, nan, -1, 1.5, "1", True)),
            (lambda bad: RollingCertificate(deflate=bad), (1, None, "1")),
            (lambda bad: RollingCertificate().begin(bad, 3, **STEP), (None, np.eye(3))),
            (lambda bad: watch(depth=bad), (0, 2, *WHOLE)),
            *((lambda bad, n=n: watch(**{n: bad}), (0, *NEGATIVE)) for n in STEP),
            (lambda bad: watch(batch_size=bad), (0, *WHOLE)),
            (lambda bad: watch(sampling=bad), ("epochs", "other", None, 3)),
            (lambda bad: watch().look(bad, NET), WHOLE),
            (lambda bad: watch().look(0, bad), (None, list(NET.weights))),
            (lambda bad: looked().look(5, bad), (rf.Network.gaussian((5, 4, 3, 6), seed=0),)),
            (lambda bad: looked().moved(bad, 0.0), (4, *WHOLE)),
            (lambda bad: looked().moved(5, bad), (-1, "1", None, 1j, [1.0])),
        )
        for bad in several
    ],
)
def test_bad_values_are_refused_in_one_sentence(use, bad):
    with pytest.raises(rf.InputError) as refused:
        use(bad)
    assert "\n" not in str(refused.value)


def test_repeated_cells_are_refused():
    """Where a cell counts twice, the mean residual can move by more than Delta / N."""
    twice = [np.append(part, part[:1]) for part in (PROBLEM.rows, PROBLEM.cols, PROBLEM.values)]
    with pytest.raises(rf.InputError, match="repeated"):
        look(rf.Problem(*twice, PROBLEM.shape), NET, **BALL)


@pytest.mark.parametrize("kind", [np.int8, np.float16, np.float32, np.int64, np.asarray])
def test_numbers_of_any_type_are_taken_for_what_they_are(kind):
    """In 8 bits 2 * 64 is -128, and in half precision q = 1 - 2 lr ridge has three digits."""
    lr, ridge, batch = kind(64), kind(1) / 2**12, kind(100)
    given = {"lr": lr, "ridge": ridge, "batch_size": batch}
    plain = {"lr": 64.0, "ridge": 2.0**-12, "batch_size": 100}
    seen, expected = (look(PROBLEM, NET, **each, radius=0.1) for each in (given, plain))
    np.testing.assert_array_equal(seen.growth, expected.growth)
    found, expected = (theory.tail_table(PROBLEM, NET, **each) for each in (given, plain))
    np.testing.assert_array_equal(found.mean_factor, expected.mean_factor)
    found, expected = (theory.robust_factors(PROBLEM, NET, 1, **each) for each in (given, plain))
    np.testing.assert_array_equal(found, expected)
    begun = watch(**given, depth=kind(3))
    assert begun == watch(**plain) and type(begun.lr) is type(begun.ridge) is float
    with pytest.raises(rf.InputError, match="2 lr ridge"):
        look(PROBLEM, NET, lr=kind(127), ridge=0.01, radius=0.1)
    with pytest.raises(rf.InputError, match="2 lr ridge"):
        theory.Constants(3, 0.01, kind(127), 1.0, 1, "replacement", 1.0, 1.0, 0.1, 0.1)


@pytest.mark.parametrize(("lr", "ridge"), [(1e-300, 0.01), (0.1, 1e-100), (1e-152, 1e150), (1e-9, 1e-9)])
def test_extreme_steps_are_looked_at(lr, ridge):
    begun = watch(lr=lr, ridge=ridge)
    for step in (0, 7):
        interval = begun.look(step, NET)
        assert step < interval.stop <= 2**53 + step
        begun.moved(step + 1, 0.0)
    assert begun.ledger().summary()


@pytest.mark.parametrize("ridge", [1e-200, 1e-320, 1e200])
def test_thresholds_beyond_the_range_of_numbers_are_refused(ridge):
    for use in (
        lambda: theory.phi_threshold(PROBLEM, 3, ridge),
        lambda: watch(lr=1e-210, ridge=ridge),
    ):
        with pytest.raises(rf.InputError, match="range of"):
            use()
    bound = theory.rank_upper_bound(PROBLEM, 3, ridge)
    assert bound == (5 if ridge < 1 else 0)


def test_a_displacement_that_is_not_a_number_is_outside():
    problem, _ = rf.datasets.low_rank((12, 11), rank=2, observed=0.8, seed=1)
    zero = rf.Network(tuple(0 * W for W in rf.Network.gaussian((11, 8, 8, 12), seed=0).weights))
    begun = RollingCertificate(max_steps=50).begin(problem, 3, **STEP)
    assert begun.look(0, zero).trusted
    assert begun.moved(3, nan) and begun.ledger().looks["missed"][0] and begun.ledger().looks["stop"][0] == 1


@pytest.mark.parametrize("budget", [1e-3, 1e-6, 1e-12, 1e-100])
def test_rounding_makes_no_probability_larger(budget):
    """With 10 digits 1 - 1e-12 reads 1, which no statement reaches."""
    words = theory.certificate.complement(budget)
    left, _, right = words.partition(" - ")
    stated = 1 - float(left) if not right else float(right)
    assert stated == pytest.approx(budget, rel=1e-2) and stated > 0
    problem, _ = rf.datasets.low_rank((12, 11), rank=2, observed=0.8, seed=1)
    zero = rf.Network(tuple(0 * W for W in rf.Network.gaussian((11, 8, 8, 12), seed=0).weights))
    begun = RollingCertificate(budget=budget).begin(problem, 3, **STEP)
    begun.look(0, zero)
    begun.moved(1, 0.0)
    assert f"at least {words} over" in begun.ledger().summary()
    assert "at least 1 over" not in begun.ledger().summary()


@pytest.mark.parametrize("radius", [1e-300, 1e100, 1e300])
def test_balls_of_any_size_are_bounded_or_not_trusted(radius):
    seen = look(PROBLEM, NET, **STEP, radius=radius)
    assert not np.isnan(seen.growth).any() and (radius < 1 or np.all(seen.growth > 1e50))
    begun = RollingCertificate(radius=radius).begin(PROBLEM, 3, **STEP)
    assert begun.look(0, NET).trusted is False
    zero = rf.Network(tuple(0 * W for W in NET.weights))
    begun = RollingCertificate(radius=radius).begin(PROBLEM, 3, **STEP)
    begun.look(0, zero)
    assert np.isfinite(begun.ledger().looks["growth"]).all() or not begun.trusted
    begun.ledger().summary()


def test_weights_whose_powers_overflow_are_refused_and_wait_in_a_run():
    huge = rf.Network(tuple(1e60 * W for W in NET.weights))
    for use in (lambda: look(PROBLEM, huge, **BALL), lambda: watch().look(0, huge)):
        with pytest.raises(rf.InputError, match="too large"):
            use()
    sgd = rf.SGD(lr=1e-200, ridge=0.05, n_steps=20)
    trace = rf.train(PROBLEM, rf.Network(tuple(1e40 * W for W in NET.weights)), sgd,
                     certificate=RollingCertificate())  # fmt: skip
    assert trace.certificates[0].n_looks == 0 and not trace.certificates[0].certificate().holds
