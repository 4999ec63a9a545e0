"""Sums by matrix products, or by loops over cells, whatever pays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from rankfall.completion.solvers.kernels import dense_sums


@contextmanager
def products(used: bool) -> Iterator[None]:
    """Products of three rows at a time everywhere, or nowhere."""
    patched = {"pays": lambda *_: used, "_FEWEST": 3, "_NUMBERS": 1}
    with mock.patch.multiple(dense_sums, **patched):
        yield
