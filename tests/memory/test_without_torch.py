"""Where PyTorch is not installed, one sentence says so."""

from __future__ import annotations

import sys

import pytest

from rankfall.errors import InputError
from rankfall.memory import RankMemory


def test_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match=r'not installed: pip install "rankfall\[torch\]"\.'):
        RankMemory(None, None)  # type: ignore[arg-type]
