"""The first completion says that it compiles, and says it once."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from rankfall.completion.clock import Clock
from rankfall.compute import first_compile as compiling

CODE = """
import numpy as np
import rankfall as rf
from rankfall.completion.solvers.kernels import least_squares as kernels
from rankfall.compute.first_compile import announced

for _ in range(2):
    with announced(None):
        kernels.gram_blocks(np.array([0, 1]), np.array([0]), np.ones((1, 1)))
"""


def test_it_is_said_once_on_a_computer(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    outputs = [
        subprocess.run(
            [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True
        )
        for _ in range(2)
    ]
    assert [out.stderr.count("compiling its kernels") for out in outputs] == [1, 0]
    assert not any(out.stdout for out in outputs)


def test_the_callback_is_told_where_there_is_one(monkeypatch, capsys):
    from numba import njit

    told = []
    monkeypatch.setattr(compiling, "_told", [])

    def kernel(x):
        return x + 1

    foreign = njit(kernel)
    kernel.__module__ = "rankfall.completion.solvers.kernels.least_squares"
    with compiling.announced(told.append):
        njit(lambda x: x - 1)(1.0)
        assert told == []
        assert foreign(np.int8(1)) == 2
        assert foreign(1.0) == 2
    assert told == [compiling.PHASE]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("phase", [compiling.PHASE])
def test_telling_does_not_end_a_run_whose_time_is_over(phase):
    session = Clock(max_time=1e-9, callback=lambda _: None)
    session.tell(phase)
