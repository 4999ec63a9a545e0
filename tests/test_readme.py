"""What the README shows works as shown."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_readme_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 4
    # one after the other, as a reader would paste them
    exec(compile("\n".join(blocks), str(README), "exec"), {"__name__": "readme"})


def test_what_the_readme_points_to_is_there() -> None:
    text = README.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)]+)\)", text):
        assert (README.parent / target).exists(), target
