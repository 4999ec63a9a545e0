"""Equivariant completions on disk: everything comes back, and what a file must hold is checked."""

from __future__ import annotations

import warnings
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import rankfall as rf
from damage import damaged_archives
from rankfall import InputError
from rankfall.dynamics.archive import describe_optimiser
from rankfall.files import load_archive, save_archive
from rankfall.symmetry import EquivariantCompletion, EquivariantMaps, complete
from rankfall.symmetry.storage import KIND
from symmetry.groups import GROUPS, spaces, turned


def completed(
    name: str, *, matrices: bool = False, same: bool = False, **settings: int
) -> EquivariantCompletion:
    group = GROUPS[name]
    rows, columns = spaces(group)
    rows = columns if same else turned(rows) if matrices else rows
    maps = EquivariantMaps.between(rows, columns)
    rng = np.random.default_rng(0)
    A = maps.project(rng.standard_normal(maps.shape))
    X = np.where(rng.random(A.shape) < 0.4, A, np.nan)
    X[0] = A[0]
    check = rf.Problem.from_dense(A)
    return complete(X, rows=rows, columns=columns, n_steps=60, check=check, **settings)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("C1", {}),
        ("C7", {"batch_size": 2}),
        ("D4", {"matrices": True}),
        ("Q8", {"same": True}),
        ("A4", {"depth": 2}),
    ],
)
def test_everything_comes_back(name: str, settings: dict[str, int], tmp_path: Path) -> None:
    found = completed(name, **settings)
    found.save(tmp_path / "c.npz")
    back = EquivariantCompletion.load(tmp_path / "c.npz")
    assert np.array_equal(back.to_dense(), found.to_dense())
    assert np.array_equal(back.network.product(), found.network.product())
    assert back.summary() == found.summary() and repr(back) == repr(found)
    assert (back.maps.rows is back.maps.columns) == (found.maps.rows is found.maps.columns)
    assert str(back.certificate) == str(found.certificate)
    assert back.errors == found.errors and back.ranks == found.ranks
    assert back.jumps().equals(found.jumps())
    assert describe_optimiser(back.trace.optimiser) == describe_optimiser(found.trace.optimiser)
    assert np.array_equal(back.trace.train_loss, found.trace.train_loss)
    for one, other in zip(back.maps.rows.irreps, found.maps.rows.irreps, strict=True):
        assert one.name == other.name
        np.testing.assert_allclose(one.matrices, other.matrices, atol=1e-12)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    completed("D4").save(path)
    arrays, meta = load_archive(path, KIND)
    turned_frame = {"irrep_0_rows": -2 * arrays["irrep_0_rows"]}
    images = {"rows_images": arrays["rows_images"][:, ::-1]}
    for wrong, sentence in (
        (turned_frame, r"damaged: The decomposition is not certified: \|V\^T V - I\|"),
        (images, "damaged: "),
        ({"irrep_0_weights_0": np.full_like(arrays["irrep_0_weights_0"], np.nan)}, "holds nan"),
        ({"irrep_0_answer": np.zeros((1, 1, 9))}, "irrep_0_answer has shape"),
        ({"generators": arrays["generators"] * 0}, "generators must be permutations"),
    ):
        save_archive(path, arrays | wrong, meta, KIND)
        with pytest.raises(InputError, match=sentence):
            EquivariantCompletion.load(path)
    save_archive(path, arrays, meta | {"unit": -1}, KIND)
    with pytest.raises(InputError, match=r"unit must be a positive number, not -1"):
        EquivariantCompletion.load(path)
    rf.complete(np.eye(4), seed=0).save(path)
    with pytest.raises(InputError, match="holds a completion, not a symmetric completion"):
        EquivariantCompletion.load(path)


def used(found: EquivariantCompletion) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of overflow, where a damaged number is huge
        found.to_dense()
        found.network.product()
        found.jumps()
        found.summary()


@pytest.mark.parametrize("part", ["arrays", "headers", "metadata", "file"])
def test_damage(tmp_path: Path, part: str) -> None:
    """Every kind of damage is refused in one sentence that names the file, or leaves a completion."""
    path = tmp_path / "c.npz"
    completed("D4").save(path)
    step = {"arrays": 41, "metadata": 11, "headers": 7}.get(part, 3)
    for what, content in islice(damaged_archives(path, part), 0, None, step):
        path.write_bytes(content)
        try:
            used(EquivariantCompletion.load(path))
        except InputError as error:
            sentence = str(error)
            assert sentence.startswith(str(path)), what
            assert "\n" not in sentence, what
            assert len(sentence) < len(str(path)) + 250, what
