"""No file of a completion, however it was damaged, ends in another error than ours, or in compiled code."""

from __future__ import annotations

import warnings
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import pytest

import rankfall as rf
from damage import damaged_archives
from rankfall.completion.result import predictive
from rankfall.files import load_archive, save_archive


def _exact() -> rf.Completion:
    problem, _ = rf.datasets.low_rank((12, 9), rank=2, observed=0.8, seed=0)
    return rf.complete(problem, seed=0)


def _noisy() -> rf.Completion:
    """With effects, weights, names, bounds and held-out cells."""
    import pandas as pd

    rng = np.random.default_rng(0)
    table = rng.standard_normal((25, 2)) @ rng.standard_normal((2, 10)) + 3 * rng.standard_normal(10)
    table += 0.1 * rng.standard_normal(table.shape)
    table[rng.random(table.shape) < 0.2] = np.nan
    frame = pd.DataFrame(table, columns=list("abcdefghij"))
    weights = rng.uniform(0.5, 2, table.shape)
    return rf.complete(frame, seed=0, weights=weights, bounds=(-50, None), effects="both", max_rank=2)


@cache
def sound(name: str) -> bytes:
    """The file of a completion."""
    result = {"exact": _exact, "noisy": _noisy}[name]()
    with TemporaryDirectory() as folder:
        result.save(Path(folder) / "c.npz")
        return (Path(folder) / "c.npz").read_bytes()


def use(result: rf.Completion) -> None:
    """Whatever a result is asked."""
    i, j = np.indices(result.shape)
    with warnings.catch_warnings():
        # numbers near the end of the range of floats are sound
        warnings.simplefilter("ignore", RuntimeWarning)
        result.summary()
        result.to_frame()
        result.predict(i, j)
        result.interval(i, j)
        result.transform(np.ones((1, result.shape[1])))
        with patch.multiple(predictive, _BURN=1, _PILOT=4, _LEAST_BURN=1, _LEAST_PILOT=4):
            result.draws(1)[0]
        repr(result.certificate)


def refused_or_sound(path: Path, part: str, step: int) -> None:
    """Every `step`-th damage is refused in one sentence that names the file, or changes nothing that
    matters.
    """
    path.write_bytes(sound(path.stem))
    for what, content in islice(damaged_archives(path, part), 0, None, step):
        path.write_bytes(content)
        try:
            result = rf.load(path)
        except rf.InputError as error:
            sentence = str(error)
            assert sentence.startswith(str(path)), what
            assert "\n" not in sentence, what
            assert len(sentence) < len(str(path)) + 250, what
            continue
        use(result)


@pytest.mark.parametrize("part", ["arrays", "headers", "metadata", "file"])
@pytest.mark.parametrize("name", ["exact", "noisy"])
def test_damage(tmp_path: Path, name: str, part: str) -> None:
    refused_or_sound(tmp_path / f"{name}.npz", part, step=13 if part in ("arrays", "metadata") else 1)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["arrays", "metadata"])
@pytest.mark.parametrize("name", ["exact", "noisy"])
def test_every_damage(tmp_path: Path, name: str, part: str) -> None:
    refused_or_sound(tmp_path / f"{name}.npz", part, step=1)


def test_results_of_earlier_versions_load(tmp_path: Path) -> None:
    """They lack the held-out cells, the means of the priors, and the certificate."""
    path = tmp_path / "noisy.npz"
    path.write_bytes(sound("noisy"))
    whole = rf.load(path)
    arrays, meta = load_archive(path)
    early = {
        k: v
        for k, v in arrays.items()
        if "held_out" not in k and not k.endswith(("rows_center", "cols_center"))
    }
    save_archive(path, early, {k: v for k, v in meta.items() if k != "certificate"}, "completion")
    old = rf.load(path)
    assert (old.certificate, old.model.held_out) == (None, None)
    assert not old.model.posterior.rows.center.any()
    i, j = np.indices(whole.shape)
    np.testing.assert_array_equal(old.predict(i, j), whole.predict(i, j))


def test_a_certificate_that_says_too_little(tmp_path: Path) -> None:
    path = tmp_path / "noisy.npz"
    path.write_bytes(sound("noisy"))
    arrays, meta = load_archive(path)
    for change, sentence in (
        ({"conditions": []}, "its certificate has no condition."),
        ({"values": {"step": 1.0}}, "its certificate lacks the value 'last_step'."),
    ):
        changed = {**meta, "certificate": {**meta["certificate"], **change}}
        save_archive(path, arrays, changed, "completion")
        with pytest.raises(rf.InputError, match=sentence):
            rf.load(path)
