"""What is said in several places about Python and the dependencies is the same everywhere."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]


def declared(*lists: Iterable[str]) -> list[Requirement]:
    return [Requirement(text) for texts in lists for text in texts]


def pins(name: str) -> dict[str, Version]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(package): Version(version) for package, version in found}


def pythons() -> list[str]:
    text = "\n".join(PROJECT["project"]["classifiers"])
    return re.findall(r"^Programming Language :: Python :: (3\.\d+)$", text, re.MULTILINE)


def test_one_range_of_pythons() -> None:
    oldest, newest = pythons()[0], pythons()[-1]
    assert PROJECT["project"]["requires-python"] == f">={oldest}"
    assert PROJECT["tool"]["pyright"]["pythonVersion"] == oldest
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    low, high = (text.replace(".", ", ") for text in (oldest, newest))
    assert f"not ({low}) <= sys.version_info[:2] <= ({high})" in makefile
    assert f"Python {oldest} to {newest}" in makefile
    assert f"PYTHON_OLDEST ?= python{oldest}" in makefile
    tests = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
    assert tests["jobs"]["test"]["strategy"]["matrix"]["python"] == [oldest, newest]


def test_the_pins_are_admitted() -> None:
    pinned = pins("constraints.txt")
    for requirement in declared(PROJECT["project"]["dependencies"], *EXTRAS.values()):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} does not admit {version}"


def test_the_oldest_pins_are_the_lower_bounds() -> None:
    pinned = pins("constraints-oldest.txt")
    tools = [
        text for text in EXTRAS["dev"] if Requirement(text).name in ("hypothesis", "pytest", "pytest-xdist")
    ]
    for requirement in declared(
        PROJECT["project"]["dependencies"], EXTRAS["cluster"], EXTRAS["excel"], tools
    ):
        (bound,) = requirement.specifier
        assert (
            bound.operator == ">=" and Version(bound.version) == pinned[canonicalize_name(requirement.name)]
        )
