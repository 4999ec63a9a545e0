"""Questions to another interpreter, which may crash, hang or fail to import without harm to this one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

MARK = "rankfall-doctor:"
"""How a line of the answer begins; libraries may print what they like."""

# the same modules as here, from the same places
_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from rankfall.doctor.probes import answer; answer(sys.argv[2], json.loads(sys.argv[3]))"
)
_LONGEST_ERROR = 400


@dataclass(frozen=True)
class Answer:
    """What the other interpreter said.

    Attributes
    ----------
    facts : tuple of dict
        One for each line of the answer; all that came before a crash.
    failure : str
        Why there is no more, in words that can stand in a sentence; empty if all is well.
    crashed : bool
        The interpreter was ended by force: an illegal instruction, say.
    """

    facts: tuple[dict[str, Any], ...]
    failure: str = ""
    crashed: bool = False

    def get(self, name: str, default: Any = None) -> Any:
        """The last fact of this name."""
        return next((line[name] for line in reversed(self.facts) if name in line), default)


def ask(probe: str, arguments: object = None, timeout: float = 60.0) -> Answer:
    """Run one function of ``probes`` elsewhere and collect what it says."""
    words = [sys.executable, "-c", _CODE, json.dumps(sys.path), probe, json.dumps(arguments)]
    try:
        ran = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = late.stdout or b""
        text = said if isinstance(said, str) else said.decode("utf-8", "replace")
        return Answer(_facts(text), f"no answer within {timeout:.0f} seconds")
    except (OSError, ValueError) as error:
        return Answer((), f"Python cannot be started ({error})")
    facts = _facts(ran.stdout)
    error = next((line["error"] for line in facts if "error" in line), "")
    crash = _crash(ran.returncode)
    if crash:
        return Answer(facts, f"Python crashed ({crash})", True)
    if ran.returncode and not error:
        last = ran.stderr.strip().rpartition("\n")[2]
        return Answer(facts, shortened(last) or f"Python ended with exit code {ran.returncode}")
    return Answer(facts, error)


def shortened(text: object) -> str:
    """One line of bounded length that can stand inside a sentence."""
    line = " ".join(str(text).split()).rstrip(".")
    return line if len(line) <= _LONGEST_ERROR else f"{line[:_LONGEST_ERROR]} ..."


def _facts(text: str) -> tuple[dict[str, Any], ...]:
    out = []
    for line in text.splitlines():
        if line.startswith(MARK):
            try:
                out.append(json.loads(line[len(MARK) :]))
            except ValueError:  # cut short by a crash
                continue
    return tuple(out)


def _crash(code: int) -> str:
    """What ended a program by force; empty if it ended by itself."""
    if code >= 2**31:  # Windows
        return f"{code:#x}"
    if code >= 0:
        return ""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
