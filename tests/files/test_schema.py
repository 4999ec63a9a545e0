"""A schema says what an archive must hold: what breaks it is refused in one sentence that names the place."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankfall import InputError
from rankfall.argument_checks import flag, number, text, whole
from rankfall.files import save_archive
from rankfall.files.plain_values import (
    any_number,
    anything,
    listed,
    mapping,
    nullable,
    read_json,
    record,
    tagged,
)
from rankfall.files.schema import Field, Length, Schema, blamed_on, cells_in_order, check_arrays

SCHEMA = Schema(
    kind="thing",
    meta=record({"shape": listed(partial(whole, least=1), length=2)}, {"note": text}, {"note": "none"}),
    binds={"shape": ("m", "n")},
    fields=(
        Field("rows", "index", ("N",), of="m"),
        Field("cols", "index", ("N",), of="n"),
        Field("values", "float", ("N",)),
        Field("weights", "float", ("N",), above=0, optional="weights"),
        Field("rank", "whole", least=0, binds="r"),
        Field("factors", "float", ("m", "r"), allowing=("nan",)),
        Field("packed", "float", ("n", Length(lambda saved: saved.lengths["r"] * 2))),
        Field("center", "float", ("n",), default=0.5),
        Field("free", "index", ("F",), of="r", least=-1, order="increasing"),
        Field("scores", "float", ("H",), least=0, allowing=("inf",), order="ascending"),
        Field("held_rows", "index", ("H",), of="m", optional="held"),
        Field("held_cols", "index", ("H",), of="n", optional="held"),
        Field("log_step", "whole", ("T",), optional="log"),
        Field("log_*", "number", ("T", ...)),
        Field("chains", "float", (..., "n"), dtype=None),
        Field("done", "flag"),
        Field("kind", "text", choices=("a", "b")),
    ),
    not_empty=("N",),
    rules=(cells_in_order("rows", "cols"),),
)
SOUND: dict[str, Any] = {
    "rows": np.array([0, 0, 2]),
    "cols": np.array([0, 1, 0], np.int32),
    "values": np.array([1.0, 2.0, 3.0]),
    "rank": np.array(2),
    "factors": np.array([[1, 2], [np.nan, 4], [5, 6.0]]),
    "packed": np.ones((2, 4)),
    "free": np.array([-1, 1]),
    "scores": np.array([0.0, 1.0, 1.0, np.inf]),
    "log_step": np.array([1, 2]),
    "log_other": np.ones((2, 5), np.float32),
    "chains": np.ones((4, 3, 2), np.float32),
    "done": np.array(True),
    "kind": np.array("a"),
}
META = {"shape": [3, 2]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "it.npz"


def read(path: Path, meta: dict[str, Any] | None = None, **changes: Any) -> Any:
    """What comes back of the sound archive with some arrays changed; None takes one away."""
    arrays = {name: array for name, array in {**SOUND, **changes}.items() if array is not None}
    save_archive(path, arrays, META if meta is None else meta, "thing")
    return SCHEMA.read(path)


def test_what_is_sound_comes_back_checked_and_frozen(path: Path) -> None:
    saved = read(path, extra=np.ones(3))
    assert (saved["cols"].dtype, saved["log_other"].dtype) == (np.int64, np.float32)
    assert dict(saved.lengths) == {"m": 3, "n": 2, "N": 3, "r": 2, "F": 2, "H": 4, "T": 2}
    assert saved.meta == {"shape": (3, 2), "note": "none"}
    np.testing.assert_array_equal(saved["center"], [0.5, 0.5])
    assert saved.group("log_").keys() == {"step", "other"}
    assert "weights" not in saved
    assert "extra" not in saved
    assert len(saved) == len(SOUND) + 1
    with pytest.raises(TypeError):
        saved.arrays["rows"] = np.zeros(3)
    with pytest.raises(TypeError):
        saved.meta["note"] = ""


def test_arrays_of_other_machines_and_orders_come_back_as_kernels_want_them(path: Path) -> None:
    saved = read(path, values=SOUND["values"].astype(">f8"), factors=np.asfortranarray(SOUND["factors"]))
    for name in ("values", "factors"):
        assert saved[name].dtype == np.dtype("=f8")
        assert saved[name].flags.c_contiguous
        np.testing.assert_array_equal(saved[name], SOUND[name])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"values": None}, "values is missing."),
    ({"values": np.ones(2)}, "values has shape (2,), not (3,)."),
    ({"values": np.ones(3, np.float32)}, "values holds float32, not float64."),
    ({"values": np.ones(3, int)}, "values holds int64, not floats."),
    ({"values": np.ones(3, "g")}, f"values holds {np.dtype('g').name}, not floats."),
    ({"values": np.array([1, np.nan, 1])}, "values holds nan at 1, not a finite number."),
    ({"values": np.array([1, np.inf, 1])}, "values holds inf at 1, not a finite number."),
    ({"rows": np.array([0, 0, 3])}, "rows holds 3 at 2, which is no position among 3."),
    ({"rows": np.array([-1, 0, 2])}, "rows holds -1 at 0, which is no position among 3."),
    ({"rows": np.array([0, 0, 2**64 - 1], np.uint64)}, "rows holds 18446744073709551615, which no count"),
    ({"rows": np.array([0, 0, 2.0])}, "rows holds float64, not whole numbers."),
    ({"rows": np.array([2, 0, 0])}, "rows and cols do not name every cell once, sorted by row."),
    ({"rows": np.array([0, 0, 0]), "cols": np.array([0, 1, 1])}, "rows and cols do not name every cell once"),
    ({"rows": np.zeros(0, int)}, "rows is empty."),
    ({"weights": np.array([1, 0.0, 1])}, "weights holds 0.0 at 1, not a positive finite number."),
    ({"weights": np.ones(4)}, "weights has shape (4,), not (3,)."),
    ({"rank": np.array([2])}, "rank has shape (1,), not ()."),
    ({"rank": np.array(-2)}, "rank holds -2, not a whole number, 0 or more."),
    ({"rank": np.array(3)}, "factors has shape (3, 2), not (3, 3)."),
    ({"rank": np.array(2**62)}, f"factors has shape (3, 2), not (3, {2**62})."),
    ({"factors": np.ones((2, 2))}, "factors has shape (2, 2), not (3, 2)."),
    ({"factors": np.full((3, 2), -np.inf)}, "factors holds -inf at (0, 0), not a finite number."),
    ({"packed": np.ones((2, 3))}, "packed has shape (2, 3), not (2, 4)."),
    ({"center": np.ones(3)}, "center has shape (3,), not (2,)."),
    ({"free": np.array([-2, 1])}, "free holds -2 at 0, which is no position among 2."),
    ({"free": np.array([1, 1])}, "free is not in increasing order."),
    ({"scores": np.array([1.0, 0.0])}, "scores is not in ascending order."),
    ({"scores": np.array([-1.0])}, "scores holds -1.0 at 0, not a finite number, 0 or more."),
    ({"scores": np.array([-np.inf])}, "scores holds -inf at 0, not a finite number, 0 or more."),
    ({"held_rows": np.zeros(4, int)}, "held_cols is missing."),
    ({"held_rows": np.zeros(3, int), "held_cols": np.zeros(3, int)}, "held_rows has shape (3,), not (4,)."),
    ({"log_other": np.ones((3, 5))}, "log_other has shape (3, 5), not (2, ...)."),
    ({"log_other": np.ones((2, 1), complex)}, "log_other holds complex128, not real numbers."),
    ({"log_other": np.array(1.0)}, "log_other has shape (), not (2, ...)."),
    ({"chains": np.ones(3)}, "chains has shape (3,), not (..., 2)."),
    ({"chains": np.array(3.0)}, "chains has shape (), not (..., 2)."),
    ({"done": np.array(1)}, "done holds int64, not booleans."),
    ({"kind": np.array("c")}, "kind must be \"a\" or \"b\", not 'c'."),
    ({"kind": np.array("ä".encode())}, "kind holds text that is not ASCII."),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "sentence"), WRONG)
def test_what_is_wrong_is_said_in_one_sentence(path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        read(path, **changes)
    assert str(refused.value).startswith(f"{path} is damaged: {sentence}")


@pytest.mark.parametrize(
    ("meta", "sentence"),
    [
        ({}, "metadata lacks 'shape'."),
        ({"shape": 3}, "metadata.shape must be a list, not 3."),
        ({"shape": [3]}, "metadata.shape must have 2 entries, not 1."),
        ({"shape": [3, 0]}, "metadata.shape[1] must be a positive whole number, not 0."),
        ({"shape": [3, 10**30]}, "packed has shape (2, 4), not (1000"),
        ({"shape": [10**15, 2]}, "factors has shape (3, 2), not (1000"),
        ({"shape": [3, 2], "note": None}, "metadata.note must be a text, not None."),
    ],
)
def test_wrong_metadata(path: Path, meta: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        read(path, meta)
    assert str(refused.value).startswith(f"{path} is damaged: {sentence}")


def test_what_is_not_read_is_told_before_anything_is_checked(path: Path) -> None:
    schema = Schema("thing", (Field("a", "float"),), refuses=lambda meta: f"was made by {meta['by']}.")
    save_archive(path, {}, {"by": "others"}, "thing")
    with pytest.raises(InputError, match=r"it\.npz was made by others\.$"):
        schema.read(path)
    with pytest.raises(InputError, match="holds a thing, not a completion"):
        Schema("completion", ()).read(path)


def test_nothing_undeclared_is_written(path: Path) -> None:
    schema = Schema("thing", lambda meta: [Field(f"a_{k}", "float") for k in range(meta["n"])])
    schema.write(path, {"a_0": np.array(1.0)}, {"n": 1})
    assert schema.read(path)["a_0"] == 1.0
    with pytest.raises(TypeError, match=r"'thing' has no field for \['a_1'\]"):
        schema.write(path, {"a_0": np.array(1.0), "a_1": np.array(1.0)}, {"n": 1})


def test_what_objects_refuse_is_the_fault_of_the_file() -> None:
    with pytest.raises(InputError, match=r"^x\.npz is damaged: lr must be positive\."), blamed_on("x.npz"):
        raise InputError("lr must be positive.")


def test_arrays_without_a_file() -> None:
    with pytest.raises(InputError, match=r"^a has shape \(2,\), not \(rows, columns\)\."):
        check_arrays({"a": np.ones(2)}, [Field("a", "number", ("rows", "columns"))])


# -- plain values ----------------------------------------------------------------------------------------

PLAIN = record(
    {"name": text, "sizes": listed(whole, least=1)},
    optional={
        "limit": nullable(partial(number, above=0)),
        "by_name": mapping(any_number),
        "plan": tagged("kind", {"fixed": {"value": number}, "none": {}}),
    },
    defaults={"limit": 3.0},
)


def test_plain_values_come_back_converted() -> None:
    found = PLAIN("it", {"name": "a", "sizes": [1, 2.0], "other": object()})
    assert found == {"name": "a", "sizes": (1, 2), "limit": 3.0}
    found = PLAIN("it", {"name": "a", "sizes": [1], "limit": None, "by_name": {"x": float("nan")}})
    assert found["limit"] is None
    assert np.isnan(found["by_name"]["x"])
    found = PLAIN("it", {"name": "a", "sizes": [1], "plan": {"kind": "fixed", "value": 1, "more": 2}})
    assert found["plan"] == {"kind": "fixed", "value": 1.0}
    kept = record({}, {"a": flag}, others=anything)("it", {"a": True, "b": [1]})
    assert kept == {"a": True, "b": [1]}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": 3}, "it.name must be a text, not 3."),
        ({"sizes": []}, "it.sizes must have 1 or more entries, not 0."),
        ({"sizes": [1, "x"]}, "it.sizes[1] must be a whole number, not 'x'."),
        ({"sizes": "12"}, "it.sizes must be a list, not '12'."),
        ({"limit": 0}, "it.limit must be a positive number, not 0."),
        ({"by_name": {"x": True}}, "it.by_name.x must be a number, not True."),
        ({"by_name": {"x": 10**400}}, "it.by_name.x must be a number, not 1000"),
        ({"by_name": [1]}, "it.by_name must be a table of names and values, not [1]."),
        ({"plan": {}}, "it.plan lacks 'kind'."),
        ({"plan": {"kind": "other"}}, 'it.plan.kind must be "fixed" or "none", not \'other\'.'),
        ({"plan": {"kind": "fixed"}}, "it.plan lacks 'value'."),
        ({"plan": None}, "it.plan must be a table of names and values, not None."),
    ],
)
def test_wrong_plain_values_are_named_by_their_place(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        PLAIN("it", {"name": "a", "sizes": [1], **change})
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    "content",
    ["", "{", b"\xff", "[" * 10**5, "9" * 5000],
    ids=["nothing", "cut", "no text", "nested", "too long a number"],
)
def test_what_is_no_json(content: str | bytes) -> None:
    with pytest.raises(InputError, match=r"^the log cannot be read as JSON"):
        read_json("the log", content)


def test_anything_but_what_is_nested_too_deeply() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = {"x": [deep]}
    with pytest.raises(InputError, match=r"^it is nested too deeply"):
        anything("it", deep)
    assert anything("it", [{"a": [1]}]) == [{"a": [1]}]
