"""Archives come back to the bit, and no file, however wrong, does harm or ends in another error than ours."""

from __future__ import annotations

import io
import json
import os
import struct
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rankfall import InputError
from rankfall.files import load_archive, save_archive
from rankfall.files.inputs import memory
from rankfall.files.npz import read_npy, read_npz

ARRAYS = hnp.arrays(
    dtype=st.one_of(
        hnp.floating_dtypes(endianness="="),
        hnp.integer_dtypes(),
        hnp.boolean_dtypes(),
        hnp.unicode_string_dtypes(min_len=1, max_len=4),
    ),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "it.npz"


@settings(max_examples=60)
@given(array=ARRAYS, by_columns=st.booleans())
def test_arrays_come_back_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, array, by_columns: bool
) -> None:
    path = tmp_path_factory.mktemp("archive") / "it.npz"
    array = np.asfortranarray(array) if by_columns else array
    save_archive(path, {"file": array, "also": array.ravel()}, {}, "test")
    arrays, _ = load_archive(path, "test")
    assert arrays["file"].dtype == array.dtype
    assert arrays["file"].shape == array.shape
    assert arrays["file"].tobytes() == array.tobytes()
    assert arrays["also"].shape == (array.size,)


def test_numpy_reads_our_archives(target: Path) -> None:
    save_archive(target, {"a": np.eye(3)}, {}, "test")
    with np.load(target, allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["a"], np.eye(3))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_we_read_numpys_archives(target: Path, save: Any) -> None:
    save(target, a=np.zeros((200, 300)), b=np.asfortranarray(np.arange(6).reshape(2, 3)))
    arrays, _ = read_npz(target)
    assert arrays["a"].shape == (200, 300)
    np.testing.assert_array_equal(arrays["b"], [[0, 1, 2], [3, 4, 5]])


def test_metadata_of_numpy_types(target: Path) -> None:
    meta = {"n": np.int64(3), "x": np.float64(0.1), "list": np.arange(2), "none": None, "pair": (1, 2)}
    save_archive(target, {}, meta, "test")
    assert load_archive(target)[1] == {"n": 3, "x": 0.1, "list": [0, 1], "none": None, "pair": [1, 2]}


def test_objects_are_not_written(target: Path) -> None:
    with pytest.raises(InputError, match="Python objects"):
        save_archive(target, {"a": np.array([{}], dtype=object)}, {}, "test")
    assert not target.exists()


def test_what_json_cannot_say_leaves_no_file(target: Path) -> None:
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        save_archive(target, {}, {"x": object()}, "test")
    assert list(target.parent.iterdir()) == []


# -- wrong files ---------------------------------------------------------------------------------------


def npy(array: np.ndarray, **header: Any) -> bytes:
    """The bytes of a .npy file, with parts of its header replaced."""
    stream = io.BytesIO()
    described = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape, **header}
    np.lib.format.write_array_header_1_0(stream, described)
    return stream.getvalue() + array.tobytes()


def zipped(path: Path, method: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return path


THREE = np.arange(3.0)
LYING = {
    "absurd": npy(THREE, shape=(10**15,)),
    "overflowing": npy(THREE, shape=(2**62, 2**62)),
    "too short": npy(THREE, shape=(4,)),
    "too long": npy(THREE, shape=(2,)),
    "negative": npy(THREE, shape=(-1, -3)),
    "no width": npy(THREE[:0], descr="<U0", shape=(10**15,)),
    "not a shape": npy(THREE, shape="abc"),
    "not a type": npy(THREE, descr="nonsense"),
    "an empty type": npy(THREE, descr=()),
    "code in the header": npy(THREE).replace(b"(3,)", b"f(3)"),
    "later version": b"\x93NUMPY\x07\x00" + npy(THREE)[8:],
    "half a header": npy(THREE)[:20],
    "nothing": b"",
    "something else": b"PNG and so on",
}


@pytest.mark.parametrize("content", LYING.values(), ids=LYING.keys())
def test_lying_headers(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    zipped(tmp_path / "a.npz", a__npy=content)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"a\.npy"):
        read_npy(tmp_path / "a.npy")
    with pytest.raises(InputError, match=r"a\.npz"):
        read_npz(tmp_path / "a.npz")
    # nothing was allocated on the header's word
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_pickles_are_not_read(target: Path) -> None:
    np.savez(target, a=np.array([print], dtype=object))
    with pytest.raises(InputError, match="Python objects"):
        read_npz(target)


@pytest.mark.parametrize("keep", [0, 10, 200, 700])
def test_truncated_archives(target: Path, keep: int) -> None:
    save_archive(target, {"a": np.arange(100.0)}, {}, "test")
    content = target.read_bytes()
    assert len(content) > 900
    target.write_bytes(content[:keep])
    with pytest.raises(InputError, match=r"it\.npz"):
        load_archive(target)


def test_a_flipped_byte_is_noticed(target: Path) -> None:
    save_archive(target, {"a": np.arange(100.0)}, {}, "test")
    content = bytearray(target.read_bytes())
    content[content.index(np.arange(100.0).tobytes()) + 400] ^= 1
    target.write_bytes(bytes(content))
    with pytest.raises(InputError, match="damaged"):
        load_archive(target)


@settings(max_examples=60)
@given(data=st.data())
def test_no_damage_ends_in_another_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damage") / "it.npz"
    save_archive(path, {"a": np.arange(4.0)}, {"x": 1}, "test")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    with suppress(InputError):
        load_archive(path, "test")


def test_a_bomb_is_refused_before_it_goes_off(target: Path) -> None:
    """The central directory claims 8 TB; so does the header, so only the ratio gives it away."""
    content = npy(THREE, shape=(10**12,))
    zipped(target, zipfile.ZIP_DEFLATED, a__npy=content)
    raw = bytearray(target.read_bytes())
    entry = raw.index(b"PK\x01\x02")
    raw[entry + 24 : entry + 28] = struct.pack("<I", 0xFFFFFFF0)
    target.write_bytes(bytes(raw))
    with pytest.raises(InputError, match="larger than the file can hold"):
        read_npz(target)


def test_a_system_that_does_not_tell_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert memory() == 16 * 2**30


def test_more_than_the_memory_is_refused(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(target, a=np.zeros(10**6))
    monkeypatch.setattr("rankfall.files.inputs.memory", lambda: 10**6)
    with pytest.raises(InputError, match="memory"):
        read_npz(target)


def test_two_arrays_of_one_name(target: Path) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.npy", npy(THREE))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.npy", npy(THREE))
    with pytest.raises(InputError, match="same name"):
        read_npz(target)


def test_whose_archive_is_it(target: Path, tmp_path: Path) -> None:
    save_archive(target, {}, {}, "trace")
    with pytest.raises(InputError, match="holds a trace, not a completion"):
        load_archive(target, "completion")
    np.savez(tmp_path / "other.npz", a=THREE)
    with pytest.raises(InputError, match="not written by rankfall"):
        load_archive(tmp_path / "other.npz")
    later = json.dumps({"format": 99, "kind": "trace", "meta": {}}).encode()
    with pytest.raises(InputError, match="later version"):
        load_archive(zipped(tmp_path / "later.npz", rankfall__json=later))
    for broken in (b"[", b"[1]", b'{"format": 1}', b'{"format": 1, "kind": "trace", "meta": 3}', b"\xff"):
        with pytest.raises(InputError, match="metadata"):
            load_archive(zipped(tmp_path / "broken.npz", rankfall__json=broken))
    with pytest.raises(InputError, match="not a NumPy array"):
        load_archive(zipped(tmp_path / "book.npz", sheet__xml=b"<a/>"))


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        load_archive(tmp_path / "missing.npz")
    with pytest.raises(InputError, match="is a folder"):
        load_archive(tmp_path)
    with pytest.raises(InputError, match="Cannot read"):
        load_archive("a\0b.npz")
