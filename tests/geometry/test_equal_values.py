"""counts_arpack.py: sparse counts, whose leading values are nearly equal, ended in an error of ARPACK."""

from __future__ import annotations

import numpy as np
import pytest

from rankfall.geometry.spectrum import _leading_eigenpair


@pytest.mark.parametrize("spread", [0.0, 1e-9, 1e-5])
def test_nearly_equal_leading_values(spread: float) -> None:
    values = np.concatenate([1 + spread * np.linspace(0, 1, 40), np.linspace(0.0, 0.5, 360)])
    found, vector = _leading_eigenpair(lambda x: values * x, values.size)
    assert found == pytest.approx(1 + spread, rel=1e-6)
    assert np.linalg.norm(values * vector - found * vector) < 1e-3
