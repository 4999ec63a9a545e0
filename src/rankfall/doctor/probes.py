"""What the other interpreter does: each probe yields facts in plain types, and may fail in any way."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Iterator
from typing import Any

from .child import MARK, shortened

Facts = Iterator[dict[str, Any]]


def answer(probe: str, arguments: Any) -> None:
    """Run a probe and print what it yields, one line each; an exception is the last line."""
    try:
        for facts in _PROBES[probe](arguments):
            _say(facts)
    except Exception as error:
        _say({"error": shortened(f"{type(error).__name__}: {error}")})


def _say(facts: dict[str, Any]) -> None:
    print(f"\n{MARK}{json.dumps(facts)}", flush=True)


def imports(names: list[str]) -> Facts:
    """Import one module after another: version and file, or why it cannot be imported."""
    for name in names:
        yield {"begun": name}
        try:
            module = importlib.import_module(name)
        except Exception as error:
            yield {"module": name, "failure": shortened(f"{type(error).__name__}: {error}")}
        else:
            version, file = getattr(module, "__version__", None), getattr(module, "__file__", None)
            yield {"module": name, "version": version and str(version), "file": file}


def pools(_: None) -> Facts:
    """How many threads rankfall's loops and the libraries of linear algebra use."""
    import numpy  # noqa: F401
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_info

    from ..compute.threads import max_threads

    yield {"threads": max_threads()}
    names = ("internal_api", "version", "num_threads", "architecture", "threading_layer")
    yield {"pools": [{name: pool.get(name) for name in names} for pool in threadpool_info()]}


def cache(_: None) -> Facts:
    """Where numba keeps what it compiles: it decides when a kernel is declared, and may find no place."""
    from numba.core import config

    yield {"asked": config.CACHE_DIR or None, "compiles": not config.DISABLE_JIT}  # pyright: ignore
    from .kernel import sum_of_squares

    yield {"folder": None if config.DISABLE_JIT else sum_of_squares.stats.cache_path}  # pyright: ignore


def compiling(_: None) -> Facts:
    """Compile a small function, without a cache, and call it."""
    import llvmlite.binding
    import numpy as np
    from numba import njit
    from numba.core import config

    yield {
        "compiles": not config.DISABLE_JIT,  # pyright: ignore
        "processor": llvmlite.binding.get_host_cpu_name(),
        "target": config.CPU_NAME or None,  # pyright: ignore
    }

    @njit
    def sum_of_squares(x):
        total = 0.0
        for value in x:
            total += value * value
        return total

    begun = time.perf_counter()
    value = sum_of_squares(np.arange(1000.0))
    yield {"seconds": time.perf_counter() - begun, "value": float(value)}


def completions(instances: list[dict[str, Any]]) -> Facts:
    """Complete synthetic matrices: rank, outcome, relative error and seconds of each."""
    import numpy as np

    from ..completion.complete import complete
    from ..datasets import low_rank

    for instance in instances:
        problem, truth = low_rank(**{**instance, "shape": tuple(instance["shape"])})
        begun = time.perf_counter()
        result = complete(problem, seed=0)
        seconds = time.perf_counter() - begun
        error = np.linalg.norm(result.to_dense("fitted") - truth) / np.linalg.norm(truth)
        yield {
            "completion": {
                "rank": int(result.rank),
                "outcome": result.outcome.value,
                "error": float(error),
                "seconds": seconds,
            }
        }


_PROBES = {
    "imports": imports,
    "pools": pools,
    "cache": cache,
    "compiling": compiling,
    "completions": completions,
}
