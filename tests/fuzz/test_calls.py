"""A short run of wild calls of every public function; ``make fuzz`` makes a long one."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from fuzz.calls import WILD_CALLS, wild_call

EACH = 6


def test_wild_calls(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """No public function answers nonsense with another error than a sentence."""
    monkeypatch.chdir(tmp_path)  # type: ignore[arg-type]
    wrong = []
    for name in WILD_CALLS:
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        wrong += [reason for _ in range(EACH) if (reason := wild_call(name, rng)) is not None]
    assert not wrong, "\n".join(wrong)
    assert len(WILD_CALLS) > 150
