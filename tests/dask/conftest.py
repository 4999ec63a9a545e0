"""Small tables of triplets, completed once; the sample of each is completed once, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rankfall as rf
from dask_tables import NAMES, Table, draw, write
from rankfall.dask import blocks, sample


@pytest.fixture(scope="session")
def remembered() -> Callable[..., Any]:
    """`rankfall.complete`, which answers the same question once."""
    answers: dict[Any, Any] = {}

    def complete(problem: rf.Problem, **options: Any) -> Any:
        weights = None if problem.weights is None else problem.weights.tobytes()
        asked = (problem.shape, problem.rows.tobytes(), problem.values.tobytes(), weights, options["effects"])
        if asked not in answers:
            answers[asked] = rf.complete(problem, **options)
        return answers[asked]

    return complete


@pytest.fixture(autouse=True, scope="session")
def small(remembered: Callable[..., Any]) -> Iterator[None]:
    """Several blocks of small tables, and no sample is completed twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_LEAST", 700)
        patch.setattr(sample, "complete", remembered)
        yield


@pytest.fixture(scope="session")
def table() -> Table:
    return draw()


@pytest.fixture(scope="session")
def folder(table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table as three files of Parquet."""
    return write(tmp_path_factory.mktemp("source") / "triplets", table.cells, 3)


@pytest.fixture(scope="session")
def completed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> rf.dask.DistributedCompletion:
    return rf.dask.complete(folder, **NAMES, out=tmp_path_factory.mktemp("completed") / "out", n_jobs=1)
