"""Annotations as declarations: what passes, what is refused, and how a sentence says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import rankfall as rf
from rankfall.argument_checks import positive, whole
from rankfall.declared_arguments import any_numbers, chosen, declared, itself, positions

Word = Literal["a", "b"]


@declared(ranged=positive, holes=any_numbers, own=itself)
def take(
    count: int = 1,
    size: float = 1.0,
    switch: bool = True,
    name: str = "x",
    array: np.ndarray | None = None,
    several: Sequence[int] = (),
    pair: tuple[float, float] = (0.0, 1.0),
    word: Literal["p", "q"] = "p",
    alias: Word = "a",
    call: Callable[[int], int] | None = None,
    table: Mapping[str, int] | None = None,
    path: str | Path | None = None,
    problem: rf.Problem | None = None,
    either: float | np.ndarray = 0.0,
    layers: tuple[np.ndarray | None, ...] = (),
    seed: int = 0,
    ranged: float = 1.0,
    holes: np.ndarray | None = None,
    own: int = 0,
    anything: object = None,
) -> dict[str, Any]:
    return dict(locals())


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"count": 0.9}, "count must be a whole number, not 0.9."),
    ({"count": "1"}, "count must be a whole number, not '1'."),
    ({"count": None}, "count must be a whole number, not None."),
    ({"size": float("nan")}, "size must be a number, not nan."),
    ({"size": True}, "size must be a number, not True."),
    ({"switch": 1}, "switch must be True or False, not 1."),
    ({"name": 3}, "name must be a text, not 3."),
    ({"array": [1.0, np.inf]}, "array must hold finite numbers; at (1,) it holds inf."),
    ({"array": np.ones(2, "M8[s]")}, "array must be an array of numbers, not an array of datetime64[s]."),
    ({"array": [[1], [1, 2]]}, "array must be an array of numbers, not [[1], [1, 2]]."),
    ({"array": [1j]}, "array must be an array of real numbers, not of complex ones."),
    ({"array": np.array([2**64 - 1], np.uint64)}, "array holds 18446744073709551615, which is too large"),
    ({"several": 3}, "several must be a sequence, not 3."),
    ({"several": "12"}, "several must be a sequence, not '12'."),
    ({"several": [1, 2.5]}, "several[1] must be a whole number, not 2.5."),
    ({"pair": (1, 2, 3)}, "pair must have 2 entries, not (1, 2, 3)."),
    ({"word": "r"}, 'word must be "p" or "q", not \'r\'.'),
    ({"alias": "c"}, 'alias must be "a" or "b", not \'c\'.'),
    ({"call": 1}, "call must be a function, not 1."),
    ({"table": [1]}, "table must be a Mapping, not [1]."),
    ({"path": 1}, "path must be a path, not 1."),
    (
        {"problem": np.eye(2)},
        "problem must be a Problem, not an array of shape (2, 2); rf.",
    ),
    ({"either": "x"}, "either must be a number, not 'x'."),
    ({"either": np.array(["x", "y"])}, "either must be an array of numbers, not an array of <U1."),
    ({"layers": [None, "x"]}, "layers[1] must be an array of numbers, not 'x'."),
    ({"seed": -1}, "seed must be a whole number, 0 or more, not -1."),
    ({"ranged": 0}, "ranged must be a positive number, not 0."),
]


@pytest.mark.parametrize(("given", "sentence"), REFUSED, ids=[next(iter(given)) for given, _ in REFUSED])
def test_what_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(rf.InputError) as refused:
        take(**given)
    assert str(refused.value).startswith(sentence)


def test_what_passes_is_converted() -> None:
    found = take(np.int8(100), np.float32(0.5), np.True_, array=[1, 2], several=np.array([1, 2], np.int8))
    assert type(found["count"]) is int
    assert found["count"] * 100 == 10_000
    assert (found["size"], found["switch"]) == (0.5, True)
    assert found["array"].dtype == np.int64
    assert found["several"] == (1, 2)
    assert take(array=np.ones(2, np.int8))["array"].dtype == np.int64
    assert np.ma.isMaskedArray(take(array=np.ma.masked_invalid([1.0, 2.0]))["array"])
    assert np.isnan(take(holes=[np.nan])["holes"]).all()
    assert take(own="whatever", anything=take)["own"] == "whatever"
    assert take(layers=(None, [[1.0]]))["layers"][0] is None
    assert take(path=Path("x"), either=np.ones(2), call=abs, problem=None)["problem"] is None


def test_names_and_signatures_stay() -> None:
    import inspect
    import pickle

    assert take.__name__ == "take"
    assert list(inspect.signature(take).parameters)[:2] == ["count", "size"]
    assert pickle.loads(pickle.dumps(rf.measures.soft_rank)) is rf.measures.soft_rank
    with pytest.raises(TypeError, match="unexpected keyword"):
        take(nothing=1)


def test_what_leads_out_of_the_range_of_floats_together() -> None:
    """theory_edges.py: OverflowError, ZeroDivisionError, LinAlgError."""
    theory = rf.theory
    for call in (
        lambda: theory.lemma_b(3, 0.01, 0.1, 5e-324),
        lambda: theory.barrier(1e-300, 3, 0.01),
        lambda: theory.basin_radius(1e-300, 3, 0.01),
    ):
        with pytest.raises(rf.InputError, match="range of floating-point numbers"):
            call()


def test_silent_acceptances_have_ended() -> None:
    result = rf.complete(np.add.outer(np.arange(8.0), np.arange(6.0)), seed=0)
    for rows in ([], 0, [1, 2]):
        with pytest.raises(rf.InputError, match="rows must be a slice"):
            result.to_dense(rows=rows)  # type: ignore[arg-type]
    assert result.to_dense(rows=slice(0, 0)).shape == (0, 6)
    with pytest.raises(rf.InputError, match="exposure must be a positive whole number"):
        rf.analysis.poisson_rate(3, 0)
    with pytest.raises(rf.InputError, match="seed must be a whole number"):
        rf.Network.gaussian((2, 2, 2), seed=0.9)  # type: ignore[arg-type]
    dates = np.ones((3, 3), "M8[s]")
    with pytest.raises(rf.InputError, match="array of numbers, not an array of datetime64"):
        rf.theory.closed_form_minima(dates)
    with pytest.raises(rf.InputError, match="dates"):
        rf.LowRankImputer().fit(dates)
    with pytest.raises(rf.InputError):
        rf.complete([[10**400, 1], [1, 2]])


def test_positions_and_masks() -> None:
    assert positions("rows", np.array([1, 0], np.int8), 2).dtype == np.int64
    assert positions("rows", [], 2).size == 0
    assert chosen("mask", np.array([True, False]), 2).tolist() == [True, False]  # type: ignore[union-attr]
    for wrong in ([2], [-1], [0.5], [[0]], "x"):
        with pytest.raises(rf.InputError, match="rows"):
            positions("rows", wrong, 2)
    with pytest.raises(rf.InputError, match=r"mask must have shape \(2,\)"):
        chosen("mask", np.array([True]), 2)


@declared
class Made:
    """A class whose constructor is checked."""

    def __init__(self, width: int) -> None:
        self.width = width


def test_classes() -> None:
    assert Made(np.int16(3)).width == 3  # type: ignore[arg-type]
    with pytest.raises(rf.InputError, match="width must be a whole number"):
        Made("x")  # type: ignore[arg-type]
    assert partial(whole, least=0)("n", 1) == 1


@declared
def applied(call: Callable[[np.ndarray], Any], to: np.ndarray, at: int = 0) -> Any:
    """Call, and take an entry."""
    return np.add(call(to), np.zeros(3))[at]


def test_errors_of_a_users_function_are_its_own() -> None:
    def broken(x: np.ndarray) -> np.ndarray:
        raise ValueError("my own")

    def divides(x: np.ndarray) -> float:
        return 1 / int(x[0])

    with pytest.raises(ValueError, match=r"^my own$") as found:
        applied(broken, np.zeros(3))
    assert not isinstance(found.value, rf.InputError)
    with pytest.raises(ZeroDivisionError):
        applied(divides, np.zeros(3))
    with pytest.raises(rf.InputError, match="do not fit each other"):
        applied(np.negative, np.zeros(2))
    with pytest.raises(rf.InputError, match="do not fit each other"):
        applied(np.negative, np.zeros(3), 5)


class Holder:
    @declared
    def read(self, path: str | Path, word: Literal["p", "q"] = "p", switch: bool = False) -> int:
        """What a bug in a method without numbers looks like."""
        return [][len(word)]


def test_a_bug_is_no_bad_input_where_no_argument_has_a_size() -> None:
    with pytest.raises(IndexError, match="out of range") as found:
        Holder().read("x", switch=True)
    assert not isinstance(found.value, rf.InputError)


def test_a_literal_of_one_word() -> None:
    @declared
    def only(word: Literal["two"]) -> str:
        return word

    assert only("two") == "two"
    with pytest.raises(rf.InputError, match="word must be"):
        only("t")  # type: ignore[arg-type]
