"""Claims, verdicts and their tables."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankfall.errors import InputError
from rankfall.lab import Claim, claims_markdown, claims_table, verdict, write_claims


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (1.1, 2.0, "supported"),
        (1.0, 1.0, "supported"),
        (0.2, 0.9, "not supported"),
        (0.2, 1.2, "undecided"),
        (math.nan, 2.0, "undecided"),
        (3.5, math.inf, "not supported"),
        (-math.inf, math.inf, "undecided"),
    ],
)
def test_verdict(low: float, high: float, wanted: str) -> None:
    assert verdict(low, high, above=1.0, below=3.0) == wanted


@given(st.floats(-5, 5), st.floats(0, 5), st.floats(-5, 5))
def test_a_claim_and_its_opposite(low: float, length: float, limit: float) -> None:
    """What supports "at least" refutes "at most", except at the limit itself."""
    above, below = verdict(low, low + length, above=limit), verdict(low, low + length, below=limit)
    if limit not in (low, low + length):
        opposite = {"supported": "not supported", "not supported": "supported", "undecided": "undecided"}
        assert below == opposite[above]


def test_refused() -> None:
    with pytest.raises(InputError, match="'maybe' is not"):
        Claim("c", "r", 0.0, 0.0, 1.0, "maybe")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="from low to high, not from 2 to 1"):
        Claim("c", "r", 0.0, 2.0, 1.0, "undecided")


def test_tables(tmp_path: Path) -> None:
    claims = (
        Claim("jumps |A| at\nnoise", "all of it\nabove 1", 2.0, 1.5, math.inf, "supported", "seen"),
        Claim("nothing", "anything", math.nan, math.nan, math.nan, "undecided"),
    )
    write_claims(claims, tmp_path, heading="Study x.")
    text = (tmp_path / "claims.md").read_text(encoding="utf-8")
    assert text == "Study x.\n\n" + claims_markdown(claims)
    assert r"| 1 | jumps \|A\| at noise | 2 | 1.5 to inf | supported | seen |" in text
    assert "1. all of it above 1\n2. anything\n" in text
    numbers = {name: [""] for name in ("estimate", "low", "high")}
    back = pd.read_csv(tmp_path / "claims.csv", keep_default_na=False, na_values=numbers)
    pd.testing.assert_frame_equal(back, claims_table(claims))
    assert list(claims_table(())) == list(claims_table(claims))
