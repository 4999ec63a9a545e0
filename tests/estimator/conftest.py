"""One thread: on tables this small a second one only waits, ten times as long when the machine is busy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rankfall.compute.threads import threads


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with threads(1):
        yield
