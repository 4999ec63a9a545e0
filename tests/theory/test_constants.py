"""Constants of Theorem 1: the table of the text, closed forms, refusals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import rankfall as rf
from rankfall.theory.tail_transmission import Feedback

# depth, ridge, lr for batches of 1, 10, 100, 1000 different entries, then C, delta_+ and eps for batches of 1
TABLE = [
    (3, 1e-3, (1.7e-13, 1.7e-11, 1.7e-9, 1.7e-7), 125, 1e-3, 6.9e-7),
    (3, 1e-2, (1.7e-8, 1.7e-6, 1.7e-4, 1.7e-2), 12.5, 1e-2, 6.9e-5),
    (3, 3e-2, (4.1e-6, 4.1e-4, 4.0e-2, 3.8), 4.17, 3e-2, 6.2e-4),
    (3, 1e-1, (1.7e-3, 0.16, 2.5, 2.5), 1.25, 0.10, 6.8e-3),
    (3, 3e-1, (0.38, 1 / 1.2, 1 / 1.2, 1 / 1.2), 0.376, 0.29, 5.7e-2),
    (4, 1e-2, (8.9e-9,), 12.5, 0.10, 4.5e-4),
    (4, 1e-1, (4.9e-3,), 1.26, 0.253, 2.6e-2),  # the text has .26 for .253
    (5, 1e-2, (4.3e-10,), 12.5, 0.21, 2.8e-4),
    (5, 1e-1, (4.6e-3,), 1.26, 0.35, 3.0e-2),
]


def agrees(number: float, two_digits: float) -> bool:
    """Equal to two digits; a little more than half a unit, for 8.848e-9 stands as 8.9e-9."""
    return abs(number - two_digits) <= 0.053 * 10 ** math.floor(math.log10(two_digits))


@pytest.mark.parametrize(("depth", "ridge", "lrs", "C", "delta", "eps"), TABLE)
def test_table_of_the_largest_certified_learning_rates(depth, ridge, lrs, C, delta, eps):
    for batch_size, lr in zip((1, 10, 100, 1000), lrs, strict=False):
        k = rf.theory.solve(depth, ridge, 1.0, batch_size, "distinct", slack=0.05)
        assert agrees(k.lr, lr)
        assert rf.theory.check_constants(k).holds
        capped = math.isclose(k.lr, 0.25 / ridge)
        half = k.halved()
        assert half.lr == k.lr / 2
        assert rf.theory.check_constants(half).holds
        assert half.delta_minus < 0.5 * half.delta_plus
        if not capped:  # the interval has collapsed
            assert k.delta_plus / k.delta_minus - 1 < 1e-4
            with pytest.raises(rf.InputError, match="certifies nothing"):
                k.at_lr(1.001 * k.lr)
    k = rf.theory.solve(depth, ridge, 1.0)
    assert abs(k.C / C - 1) < 5e-3
    assert k.delta_plus == pytest.approx(delta, rel=0.03)
    assert agrees(k.eps, eps)


@pytest.mark.parametrize(("nu_batch", "bound"), [(1, 1.0), (7, 2.0)])
def test_closed_form_of_depth_three(nu_batch, bound):
    ridge = 1e-4 * bound ** (4 / 3)
    k = rf.theory.solve(3, ridge, bound, nu_batch, "distinct", slack=0.0)
    assert k.lr == pytest.approx(175.7 * ridge**5 / (k.nu**2 * bound**8), rel=1e-3)
    assert k.eps == pytest.approx(0.6863 * ridge**2 / k.rho_eff**2, rel=1e-3)
    assert k.delta == pytest.approx(0.985 * ridge / k.rho_eff, rel=1e-3)
    assert abs(8 * ridge * k.C / bound**2 - 1) < 1e-3


def test_units():
    """Data t times larger: ridge and lr may change so that nothing else does."""
    depth, t = 4, 3.0
    one = rf.theory.solve(depth, 0.1, 1.0)
    # the weights scale as t^(1/L), the data loss as t^2, the norms as t^(2/L)
    other = rf.theory.solve(depth, 0.1 * t ** (2 - 2 / depth), t)
    assert other.lr * other.ridge == pytest.approx(one.lr * one.ridge, rel=1e-6)
    assert abs(other.C / one.C - t ** (2 / depth)) < 1e-6
    assert other.delta == pytest.approx(one.delta * t ** (1 / depth), rel=1e-4)


def test_two_components():
    """The example of the text; its second component begins at .5438 (the text says .5470)."""
    k = rf.theory.Constants(
        3, 0.257837, 0.743175, 1.0, 2, "distinct", nu=0.5, C=0.3873996, eps=0.0735387, delta=0.3
    )
    (low, high), (low2, high2) = k.components
    assert (low, high) == pytest.approx((0.2258, 0.4606), abs=5e-5)
    assert (k.delta_minus, k.delta_plus) == (low, high)
    upper = k.at_delta(0.6)
    assert (upper.delta_minus, upper.delta_plus) == (low2, high2)
    assert high2 == math.sqrt(k.C)
    # beyond the kink a_3^2 = C (delta^2 + eps), and (S) solves in closed form
    assert low2 == pytest.approx(math.sqrt(k.eps / (4 * k.ridge**2 / (k.rho_eff**2 * k.C) - 1)), rel=1e-12)
    assert low2 == pytest.approx(0.5438, abs=5e-5)
    between = k.at_delta(0.5)
    assert math.isnan(between.delta_minus) and math.isnan(between.delta_plus)
    (S,) = (c for c in rf.theory.check_constants(between).conditions if c.name == "(S)")
    assert not S.holds


@pytest.mark.parametrize("depth", [2, 3, 4, 6])
def test_components_are_where_the_inequality_holds(depth):
    """Against a literal scan; also without imbalance, where a_L = delta^(L-1)."""
    rng = np.random.default_rng(depth)
    for _ in range(30):
        ridge, rho, omega = rng.uniform(0.1, 1), rng.uniform(0.2, 2), rng.uniform(0.3, 1.5)
        eps = rng.choice([0.0, 10 ** rng.uniform(-5, -1)])
        intervals = Feedback(depth, ridge, rho, eps, omega).thresholds()
        delta = np.geomspace(1e-3 * omega, omega, 997)
        holds = rho * rf.theory.a_bound(depth, delta, eps, omega) <= 2 * ridge * delta
        inside = np.any([(low <= delta) & (delta <= high) for low, high in intervals], axis=0)
        if intervals:
            np.testing.assert_array_equal(inside, holds)
        else:
            assert not holds.any()
        for end in np.ravel(intervals):
            assert rho * rf.theory.a_bound(depth, end, eps, omega) <= 2 * ridge * end * (1 + 1e-14)


def test_recursion_in_closed_form():
    delta, eps = 0.3, 0.02
    assert rf.theory.a_bound(2, delta, eps, 9.0) == pytest.approx(math.sqrt(delta**2 + eps))
    assert rf.theory.a_bound(3, delta, eps, 9.0) == pytest.approx(
        math.sqrt((delta**2 + eps) * (delta**2 + 2 * eps))
    )
    np.testing.assert_allclose(rf.theory.a_bound(5, np.array([0.1, delta]), 0.0, 9.0), [1e-4, delta**4])
    leaks = [rf.theory.a_bound(6, 1e-9, eps, 1.0) for eps in (1e-6, 1e-7)]
    assert leaks[0] / leaks[1] == pytest.approx(10, rel=0.01)  # proportional to eps, not to a power of it


@pytest.mark.parametrize("ridge", [0.01, 0.1, 0.3, 0.5])
def test_depth_two_certifies_nothing_with_single_entries(ridge):
    with pytest.raises(rf.InputError, match="depth 2"):
        rf.theory.solve(2, ridge, 1.0)
    with pytest.raises(rf.InputError, match="certifies nothing"):
        rf.theory.solve(2, ridge, 1.0, lr=1e-9)


def test_depth_two_with_a_large_ridge_or_large_batches():
    assert rf.theory.check_constants(rf.theory.solve(2, 0.6, 1.0)).holds
    assert rf.theory.check_constants(rf.theory.solve(2, 0.1, 1.0, 100, "distinct")).holds


def test_a_smaller_learning_rate_is_certified_too():
    largest = rf.theory.solve(3, 0.1, 1.0)
    for fraction in (0.999, 0.7, 0.1, 1e-3):
        k = rf.theory.solve(3, 0.1, 1.0, lr=fraction * largest.lr)
        assert rf.theory.check_constants(k).holds
        assert k.delta_minus < k.delta_plus == k.delta


def test_certified_learning_rates_need_not_be_an_interval():
    """Depth 5, ridge 0.2: certified up to 0.56 and from 1.01 on, not between; so half the largest is not."""
    largest = rf.theory.solve(5, 0.2, 1.0)
    assert largest.lr == 0.25 / 0.2
    assert largest.delta_plus == largest.omega  # up there (T) asks for nothing, and every tail falls
    with pytest.raises(rf.InputError, match=r"certifies nothing at lr = 0\.9"):
        largest.at_lr(0.9)
    assert rf.theory.check_constants(largest.at_lr(0.4)).holds


def test_norm_is_the_least_that_satisfies_B():
    k = rf.theory.solve(3, 0.2, 1.0, lr=0.05)
    names = {c.name: c for c in rf.theory.check_constants(replace(k, C=k.C * (1 - 1e-9))).conditions}
    assert not names["(B)"].holds
    assert rf.theory.check_constants(k).tightest.name in ("(B)", "(S)")


def test_too_large_a_norm_is_judged_not_refused():
    k = rf.theory.solve(3, 0.2, 1.0, lr=0.05)
    verdict = rf.theory.check_constants(replace(k, C=100.0))
    assert not verdict.holds
    assert verdict.values["kappa"] == math.inf
    assert "Not certified" in str(verdict)


def test_batch_constant():
    nu = rf.theory.batch_constant
    assert nu(8, "replacement") == 1
    assert nu(8, "distinct") == 1 / 8
    assert nu(8, "epochs", 20) == 1 / 4
    assert nu(8, "epochs", 24) == 1 / 8
    assert nu(1, "epochs") == 1
    with pytest.raises(rf.InputError, match="give n_observed"):
        nu(8, "epochs")
    with pytest.raises(rf.InputError, match="cannot be drawn"):
        nu(8, "distinct", 7)
    with pytest.raises(rf.InputError, match="sampling must be"):
        nu(8, "shuffled")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ridge": 0.0}, "positive ridge"),
        ({"ridge": -0.1}, "positive ridge"),
        ({"ridge": math.nan}, "positive ridge"),
        ({"bound": 0.0}, "positive bound"),
        ({"bound": math.inf}, "positive bound"),
        ({"lr": 0.0}, "positive lr"),
        ({"lr": 5.0}, "2 lr ridge < 1"),
        ({"lr": 1.0}, "certifies nothing"),
        ({"depth": 1}, "depth must be"),
        ({"depth": 2.5}, "depth must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"slack": -0.1}, "slack must be"),
        ({"slack": math.nan}, "slack must be"),
        ({"sampling": "with"}, "sampling must be"),
    ],
)
def test_solve_refuses_in_one_sentence(changes, message):
    with pytest.raises(rf.InputError, match=message) as caught:
        rf.theory.solve(**{"depth": 3, "ridge": 0.1, "bound": 1.0, **changes})
    assert str(caught.value).count(". ") == 0


def test_constants_must_be_positive():
    k = rf.theory.solve(3, 0.1, 1.0)
    for name in ("C", "eps", "delta", "nu", "bound"):
        with pytest.raises(rf.InputError, match=f"positive {name}"):
            replace(k, **{name: math.nan})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampling": "replacement"}, "nu must be at least 1 "),
        ({"sampling": "with"}, "sampling must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"batch_size": 1}, "nu must be at least 1 "),
        ({"batch_size": 48}, "nu must be at least 0.0208333 "),
        ({"batch_size": 48, "sampling": "epochs"}, "nu must be at least"),
        ({"nu": 1 / 49 - 1e-9}, "nu must be at least"),
    ],
)
def test_the_batch_constant_goes_with_the_batches(changes, message):
    k = rf.theory.solve(3, 0.1, 1.0, 49, "distinct")
    with pytest.raises(rf.InputError, match=message):
        replace(k, **changes)
    replace(k, sampling="epochs"), replace(k, nu=1.0, sampling="replacement")  # allowed
    assert replace(k, nu=1 / 49 - 1e-16).batch_size == 49


def test_what_is_assumed_names_the_setting():
    k = rf.theory.solve(3, 0.1, 1.0, 4, "distinct")
    said = " ".join(rf.theory.check_constants(k).assumptions)
    for words in (f"lr {k.lr:.6g}", "ridge 0.1", 'batches of 4 (sampling="distinct")', "0.25 times"):
        assert words in said
