"""Wild calls of every public function: one or two arguments of a sound call are replaced by something else.

Arguments are made by the names and the annotations of parameters. What passes or is refused with InputError,
or with a TypeError of rankfall's or of Python's own binding of arguments, is fine; all else is not.
"""

from __future__ import annotations

import importlib
import inspect
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import rankfall as rf
from fuzz.arguments import Hostile, own_samples, samples

ROOT = Path(__file__).parents[2]
KINDS = ("function", "method", "classmethod", "class")
# classes that users make; others are answers
MADE = {
    "rankfall.GD",
    "rankfall.SGD",
    "rankfall.Record",
    "rankfall.Measurements",
    "rankfall.Network",
    "rankfall.LogProgress",
    "rankfall.dynamics.Constant",
    "rankfall.dynamics.Linear",
    "rankfall.dynamics.Geometric",
    "rankfall.dynamics.Piecewise",
    "rankfall.theory.Monitor",
    "rankfall.theory.AbsorbingSet",
    "rankfall.memory.FactorMemory",
    "rankfall.memory.NormBall",
    "rankfall.neurons.HomogeneousNetwork",
}
# torch, other machines, whole studies, live displays; estimators speak scikit-learn's words
LEFT_OUT = (
    "rankfall.doctor",
    "rankfall.lab.cluster",
    "rankfall.lab.run_",
    "rankfall.memory.RankMemory",
    "rankfall.neurons.from_torch",
    "rankfall.neurons.to_torch",
    "rankfall.LowRank",
    "rankfall.plot",
    "rankfall.theory.rolling.RollingWatch",
)


OWNERS: dict[str, str] = {
    "Completion": "result",
    "Network": "network",
    "Problem": "problem",
    "Trace": "trace",
    "Jumps": "jumps",
    "SGD": "sgd",
    "Record": "record",
    "Measurements": "measurements",
    "Group": "group",
    "Representation": "representation",
    "EquivariantMaps": "maps",
    "Constants": "constants",
    "HomogeneousNetwork": "relu",
}
WILD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2, 10**30, -(10**30), 0.5, 0.9, -0.5, float("nan"), float("inf"),
    float("-inf"), 1e300, 5e-324, 1j, "", "x", "1", b"x", "a\0b", "\x1b[2J", [], [[]], [1, "a"], [None],
    {}, {"a": 1}, {1}, object, Hostile, print, np.int8(127), np.uint8(255), np.float32("nan"),
    np.array(3), np.array([]), np.empty((0, 3)), np.zeros((2, 3)), np.ones((8, 6)), np.ones(5, np.int8),
    np.array([[1.0, np.nan]]), np.array(["a"]), np.array([None]), np.ones((3, 3), "M8[s]"),
    np.ones(3, complex), np.ones((2, 2, 2)), Decimal("1.5"), pd.NaT, pd.Series([1, 2]),
    pd.DataFrame({"a": [1.0]}), range(3), slice(None), (1, 2, 3), 2**63, -(2**63),
)  # fmt: skip


@dataclass(frozen=True)
class Call:
    """A public function and where its object comes from."""

    function: Callable[..., Any]
    owner: str | None


def _found(name: str) -> Any:
    parts = name.split(".")
    at: Any = rf
    for k, part in enumerate(parts[1:], 2):
        inner = getattr(at, part, None)
        at = importlib.import_module(".".join(parts[:k])) if inner is None else inner
    if inspect.ismodule(at):
        at = getattr(at, parts[-1])
    return at


@cache
def wild_calls() -> dict[str, Call]:
    """Every public function by its name, as tests/public_api.txt lists them."""
    calls: dict[str, Call] = {}
    for line in (ROOT / "tests" / "public_api.txt").read_text(encoding="utf-8").splitlines():
        _, kind, rest = line.split(maxsplit=2)
        name = rest.partition("(")[0].split()[0]
        if kind not in KINDS or name.startswith(LEFT_OUT) or (kind == "class" and name not in MADE):
            continue
        owner = None
        if kind == "method":
            owner = name.split(".")[-2]
            if owner not in OWNERS:
                continue
        function = _found(name)
        if any(p.name not in ("self",) for p in inspect.signature(function).parameters.values()):
            calls[name] = Call(function, owner)
    return calls


WILD_CALLS = wild_calls()


def _sound(name: str, parameter: inspect.Parameter) -> Any:
    """An argument that the function takes."""
    own = own_samples(name)
    if parameter.name in own:
        return own[parameter.name]
    known = samples()
    if parameter.name in known:
        return known[parameter.name]
    if parameter.default is not parameter.empty:
        return parameter.default
    kinds = {"float": 0.5, "int": 1, "bool": True, "str": "x", "np.ndarray": np.ones((2, 2))}
    return kinds.get(str(parameter.annotation).partition(" |")[0], 1.0)


def wild_call(name: str, rng: np.random.Generator) -> str | None:
    """Call a function wildly; what went wrong, or None."""
    call = WILD_CALLS[name]
    parameters = [p for p in inspect.signature(call.function).parameters.values() if p.name != "self"]
    wild = {parameters[int(k)].name for k in rng.integers(len(parameters), size=int(rng.integers(1, 3)))}
    args: list[Any] = []
    if call.owner is not None:
        args.append(own_samples(name).get("self", samples()[OWNERS[call.owner]]))
    kwargs: dict[str, Any] = {}
    shown: list[str] = []
    for p in parameters:
        value = _sound(name, p)
        if p.name in wild:
            value = WILD[int(rng.integers(len(WILD)))]
            value = value() if value is Hostile else value
            words = "" if isinstance(value, Hostile) else str(value)[:40]
            shown.append(f"{p.name}={type(value).__name__}({words})")
        elif p.default is not p.empty and p.name not in own_samples(name) and rng.random() < 0.7:
            continue
        if p.kind is p.VAR_POSITIONAL:
            args.append(value)
        elif p.kind is p.VAR_KEYWORD:
            continue
        elif p.kind is p.POSITIONAL_ONLY:
            args.append(value)
        else:
            kwargs[p.name] = value
    if name == "rankfall.complete":
        kwargs.setdefault("max_time", 1.0)
    return judged(lambda: call.function(*args, **kwargs), f"{name}({', '.join(shown)})")


def judged(call: Callable[[], object], words: str) -> str | None:
    """None if a call returns or is refused as it should be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call()
        except rf.InputError as error:
            text = str(error)
            good = text and "\n" not in text and len(text) <= 700
            return None if good else f"no sentence: {text[:100]!r} {words}"
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            ours = [frame for frame in frames if "/rankfall/" in frame.filename]
            # an argument too many or too few is Python's affair
            if isinstance(error, TypeError) and (not ours or _is_raised(frames[-1], ours[-1])):
                return None
            place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "nowhere"
            reason = " ".join(str(error).split())[:100]
            return f"{type(error).__name__}: {reason} {' '.join(words.split())} at {place}"
    return None


def _is_raised(last: traceback.FrameSummary, ours: traceback.FrameSummary) -> bool:
    """Whether a line of rankfall says ``raise``."""
    return last is ours and "raise " in str(ours.line)
