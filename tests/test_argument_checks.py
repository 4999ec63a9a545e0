"""The vocabulary of checks: what passes comes back converted, what does not is refused in one wording."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import inf, nan
from typing import Any

import numpy as np
import pytest

import rankfall as rf
from rankfall import InputError, argument_checks
from rankfall.argument_checks import (
    array,
    check_fields,
    checked,
    flag,
    fraction,
    function,
    instance,
    not_negative,
    number,
    one_of,
    optional,
    positive,
    text,
    whole,
    wholes,
)


@pytest.mark.parametrize("value", [3, 3.0, np.int32(3), np.float32(3), np.uint8(3), np.array(3), Fraction(3)])
def test_numbers_of_any_type_become_pythons_own(value: Any) -> None:
    assert whole("n", value) == 3
    assert type(whole("n", value)) is int
    assert positive("x", value) == 3.0
    assert type(positive("x", value)) is float


def test_whole_numbers_beyond_the_range_of_floats_stay_exact() -> None:
    assert whole("seed", 10**400) == 10**400
    assert whole("seed", 2**63 + 1) == 2**63 + 1


REFUSED = [
    (lambda v: whole("seed", v, least=0), "x", "seed must be a whole number, 0 or more, not 'x'."),
    (lambda v: whole("seed", v, least=0), True, "seed must be a whole number, 0 or more, not True."),
    (lambda v: whole("seed", v, least=0), -1, "seed must be a whole number, 0 or more, not -1."),
    (lambda v: whole("seed", v, least=0), np.float64(0.5), "seed must be a whole number, 0 or more, not 0.5"),
    (lambda v: whole("n", v), nan, "n must be a whole number, not nan."),
    (lambda v: whole("n", v), inf, "n must be a whole number, not inf."),
    (lambda v: whole("n", v), None, "n must be a whole number, not None."),
    (lambda v: whole("n", v), np.ones(1), "n must be a whole number, not an array of shape (1,)."),
    (lambda v: whole("every", v, least=1), 0, "every must be a positive whole number, not 0."),
    (lambda v: whole("folds", v, least=2), 1, "folds must be a whole number, 2 or more, not 1."),
    (lambda v: whole("rank", v, least=0, most=5), 6, "rank must be a whole number from 0 to 5, not 6."),
    (lambda v: whole("n", v, most=2_000_000), 3e9, "n must be a whole number, at most 2000000, not 30"),
    (lambda v: positive("lr", v), 0, "lr must be a positive number, not 0."),
    (lambda v: positive("lr", v), inf, "lr must be a positive number, not inf."),
    (lambda v: positive("lr", v), 10**400, "lr must be a positive number, not 1000"),
    (lambda v: positive("t", v, unit="seconds"), -1, "t must be a positive number of seconds, not -1."),
    (lambda v: not_negative("noise", v), -0.5, "noise must be a number, 0 or more, not -0.5."),
    (lambda v: number("x", v), 1j, "x must be a number, not 1j."),
    (lambda v: number("tol", v, least=0, below=1), 1, "tol must be a number, 0 or more and below 1, not 1."),
    (lambda v: number("p", v, least=0, most=0.5), 1, "p must be a number from 0 to 0.5, not 1."),
    (lambda v: number("c", v, above=1), 1, "c must be a number above 1, not 1."),
    (lambda v: fraction("p_fail", v), 1, "p_fail must lie between 0 and 1, not 1."),
    (lambda v: one_of("of", v, ("rows", "columns")), "row", 'of must be "rows" or "columns", not \'row\'.'),
    (lambda v: one_of("fill", v, (None, "effects")), 0, 'fill must be None or "effects", not 0.'),
    (lambda v: one_of("of", v, ("a", "b", "c")), np.ones(2), 'of must be "a", "b" or "c", not an array'),
    (lambda v: one_of("n", v, ("a",), also="a number"), 0, 'n must be "a" or a number, not 0.'),
    (lambda v: flag("quick", v), 1, "quick must be True or False, not 1."),
    (lambda v: text("name", v), 1, "name must be a text, not 1."),
    (lambda v: text("name", v), [1] * 100, "name must be a text, not [1, 1"),
    (lambda v: function("callback", v), 1, "callback must be a function, not 1."),
    (lambda v: optional(whole, "n", v, least=0), "x", "n must be a whole number, 0 or more, not 'x'."),
]  # fmt: skip


@pytest.mark.parametrize(("check", "value", "sentence"), REFUSED)
def test_the_wording(check: Any, value: Any, sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        check(value)
    assert str(refused.value).startswith(sentence)
    assert len(str(refused.value)) < 140


def test_several_whole_numbers() -> None:
    assert wholes("widths", np.array([2, 3.0]), shortest=2, least=1) == (2, 3)
    assert wholes("it", []) == ()
    for value, settings, sentence in (
        ([1, 0], {"shortest": 2, "least": 1}, "at least two positive whole numbers, not [1, 0]."),
        ("12", {"length": 2}, "two whole numbers, not '12'."),
        (3, {"length": 3, "least": 0}, "three non-negative whole numbers, not 3."),
        ([], {"shortest": 1}, "one or more whole numbers, not []."),
        ([2, 3], {"least": 3}, "whole numbers of 3 or more, not [2, 3]."),
    ):
        with pytest.raises(InputError) as refused:
            wholes("it", value, **settings)
        assert str(refused.value) == f"it must be {sentence}"


def test_a_number_of_too_many_digits_to_print() -> None:
    with pytest.raises(InputError, match="name must be a text, not an int"):
        text("name", 10**5000)


def test_what_passes() -> None:
    assert number("tol", 0, least=0, below=1) == 0
    assert fraction("p", np.float32(0.5)) == 0.5
    assert one_of("fill", "effects", (None, "effects")) == "effects"
    assert one_of("fill", None, (None, "effects")) is None
    assert flag("quick", np.True_) is True
    assert text("name", np.str_("a")) == "a"
    assert function("f", len) is len
    assert optional(whole, "n", None) is None
    assert optional(number, "n", 2, most=3) == 2


def test_wrong_objects_are_told_what_makes_right_ones() -> None:
    problem = rf.Problem.from_dense(np.eye(2))
    network = rf.Network.gaussian((2, 2, 2))
    assert instance("problem", problem, rf.Problem) is problem
    with pytest.raises(InputError) as refused:
        instance("problem", network, rf.Problem)
    assert str(refused.value) == (
        "problem must be a Problem, not a Network; rf.Problem.from_dense makes one from an array."
    )
    with pytest.raises(InputError, match=r"optimiser must be an SGD or a GD, not \{\}; rf\.SGD\("):
        instance("optimiser", {}, (rf.SGD, rf.GD))
    with pytest.raises(InputError, match=r"network must be a Network, not the class Network"):
        instance("network", rf.Network, rf.Network)
    with pytest.raises(InputError, match=r"it must be an Exception, not 3\."):
        instance("it", 3, Exception)


@pytest.mark.parametrize(("name", "maker"), argument_checks.MAKERS.items())
def test_what_makes_an_object_exists(name: str, maker: str) -> None:
    found: Any = rf
    for part in maker.partition(" ")[0].partition("(")[0].removeprefix("rf.").split("."):
        found = getattr(found, part)
    assert callable(found)
    assert getattr(rf, name).__name__ == name


def test_arrays() -> None:
    given = np.ones((2, 3))
    assert array("A", given, ("m", "n")) is given
    assert array("A", [[1, 2], [3, 4]], ("m", "m")).dtype == np.float64
    for value, shape, sentence in (
        ([1, 2], ("m", "n"), r"A must have shape \(m, n\), not \(2,\)\."),
        (np.ones((2, 3)), ("m", "m"), r"A must have shape \(m, m\), not \(2, 3\)\."),
        (np.ones(3), (4,), r"A must have shape \(4,\), not \(3,\)\."),
        ([[1.0, nan]], ("m", "n"), r"A must hold finite numbers; at \(0, 1\) it holds nan\."),
        ("x", (), r"A must be an array of numbers, not 'x'\."),
        ([[1], [1, 2]], (), r"A must be an array of numbers, not \[\[1\], \[1, 2\]\]\."),
        (np.ones(2) * 1j, (2,), r"A must be an array of real numbers, not of complex ones\."),
    ):
        with pytest.raises(InputError, match=sentence):
            array("A", value, shape)
    assert np.isnan(array("A", [nan], (1,), finite=False)[0])


@dataclass(frozen=True)
class Settings:
    """As a class of settings declares its checks."""

    every: int = checked(whole, least=1, default=10)
    seed: int | None = checked(whole, least=0, default=None)
    rule: str = checked(one_of, ("a", "b"), default="a")
    free: object = None

    def __post_init__(self) -> None:
        check_fields(self)


def test_fields_of_a_data_class() -> None:
    settings = Settings(every=np.int64(5), seed=2.0, free="x")  # type: ignore[arg-type]
    assert (settings.every, settings.seed, settings.rule, settings.free) == (5, 2, "a", "x")
    assert type(settings.every) is type(settings.seed) is int
    assert Settings() == Settings(10, None, "a")
    with pytest.raises(InputError, match="every must be a positive whole number, not 0"):
        Settings(every=0)
    with pytest.raises(InputError, match='rule must be "a" or "b", not 3'):
        Settings(rule=3)  # type: ignore[arg-type]
