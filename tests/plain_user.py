"""Running a program that may not read or write where permissions forbid it, also when the tests run as
root.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

# of linux/prctl.h and linux/capability.h: a program that is started has no capability outside of the bounding
# set
_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2

for_permissions = pytest.mark.skipif(
    os.name != "posix" or (os.geteuid() == 0 and sys.platform != "linux"), reason="permissions as on POSIX"
)


def _give_up_override() -> None:
    if os.geteuid() == 0:
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            if ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError("root may read and write everywhere, and may not give that up")


def run_plain(*args: str, **options: object) -> subprocess.CompletedProcess[str]:
    """subprocess.run of Python with these arguments, text captured, for which permissions hold."""
    try:
        return subprocess.run(
            [sys.executable, *args],
            capture_output=True,
            text=True,
            preexec_fn=_give_up_override,
            **options,  # pyright: ignore
        )
    except subprocess.SubprocessError:
        pytest.skip("root may read and write everywhere here, and may not give that up")
