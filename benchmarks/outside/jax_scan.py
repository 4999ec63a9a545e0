"""JAX's side of benchmarks/kernels.py: SGD on one entry per step as a jitted ``lax.scan``. One thread.

The step is written in several ways, each is timed briefly, the three fastest are timed in earnest, and the
fastest of these counts:

- the gradient by hand (products and rank-one updates), or by ``jax.grad`` of half the squared residual with
  respect to one row of the last layer, one column of the first (stored transposed, so that it is a row,
  too) and the hidden layers;
- weight decay by multiplying all weights, or as one scalar that is multiplied in where it is needed;
- the loop unrolled 1, 4 or 16 times.

``grad`` with plain decay and no unrolling is what one usually writes; its time is reported as well. Rows
are updated in place with ``.at[].add``, the weights are donated to the compiled function, compilation is
not timed, and which entry a step takes was drawn beforehand. Reads a JSON object from standard input,
writes one to standard output (``kernels.py``, ``peer_rows``).
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from functools import partial

# before jax is loaded: one thread
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
os.environ["NPROC"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # pyright: ignore[reportMissingImports]
import jax.numpy as jnp  # pyright: ignore[reportMissingImports]
import numpy as np
from jax import lax  # pyright: ignore[reportMissingImports]

USUAL = {"gradient": "grad", "decay": "plain", "unroll": 1}
WAYS = [
    USUAL,
    *({"gradient": "grad", "decay": "plain", "unroll": unroll} for unroll in (4, 16)),
    *({"gradient": "hand", "decay": "plain", "unroll": unroll} for unroll in (1, 4)),
    *({"gradient": "hand", "decay": "scalar", "unroll": unroll} for unroll in (1, 4, 16)),
]
TRIALS = 7
# a few trials on a busy machine err: so many of the fastest are timed in earnest
FINALISTS = 3


def by_hand(bottom, hidden, top, target):
    """Gradient of half the squared residual with respect to the column, the hidden layers and the row."""
    forward, backward = [bottom], [top]
    for W in hidden:
        forward.append(W @ forward[-1])
    for W in reversed(hidden):
        backward.insert(0, backward[0] @ W)
    residual = jnp.dot(top, forward[-1]) - target
    outer = [residual * jnp.outer(b, f) for b, f in zip(backward[1:], forward[:-1], strict=True)]
    return residual * backward[0], outer, residual * forward[-1]


def half_squared_residual(bottom, hidden, top, target):
    x = bottom
    for W in hidden:
        x = W @ x
    return 0.5 * (jnp.dot(top, x) - target) ** 2


by_grad = jax.grad(half_squared_residual, argnums=(0, 1, 2))


def step_plain(state, entry, lr, q, gradients):
    """One step; every weight is multiplied by q."""
    (first, hidden, last), one = state
    row, col, target = entry
    low, outer, high = gradients(first[col], hidden, last[row], target)
    hidden = [q * W - lr * g for W, g in zip(hidden, outer, strict=True)]
    return (((q * first).at[col].add(-lr * low), hidden, (q * last).at[row].add(-lr * high)), one), None


def step_scalar(state, entry, lr, q, gradients):
    """One step with weights ``scale * stored``: in ``A = scale^L * (product of the stored)``."""
    (first, hidden, last), scale = state
    row, col, target = entry
    power = scale ** (len(hidden) + 2)
    # the residual of the true weights is power * (stored product - target / power)
    low, outer, high = gradients(first[col], hidden, last[row], target / power)
    coef = lr * power * power / (scale * scale * q)
    hidden = [W - coef * g for W, g in zip(hidden, outer, strict=True)]
    return ((first.at[col].add(-coef * low), hidden, last.at[row].add(-coef * high)), scale * q), None


@partial(jax.jit, static_argnames=("gradient", "decay", "unroll"), donate_argnames=("weights",))
def run(weights, entries, lr, ridge, gradient, decay, unroll):
    """All steps; weights: transposed first layer, hidden ones, last layer; entries: rows, columns, values."""
    gradients = by_hand if gradient == "hand" else by_grad
    step = partial(
        step_plain if decay == "plain" else step_scalar, lr=lr, q=1 - 2 * lr * ridge, gradients=gradients
    )
    one = jnp.ones((), weights[0].dtype)
    (weights, scale), _ = lax.scan(step, (weights, one), entries, unroll=unroll)
    return jax.tree.map(lambda W: scale * W, weights)


class Case:
    """One network and its entries, on the device."""

    def __init__(self, case):
        data = np.load(case["file"])
        depth = sum(name.startswith("W") for name in data.files)
        self.dtype = jnp.dtype(case["dtype"])
        self.weights = [data[f"W{layer}"] for layer in range(1, depth + 1)]
        self.entries = [data[name] for name in ("rows", "cols", "values")]
        self.cores = 0.0
        self.rates = [jnp.asarray(case[name], self.dtype) for name in ("lr", "ridge")]

    def time(self, n_steps, way):
        """Microseconds per step, and the weights after it."""
        first, *hidden, last = [jnp.array(W, self.dtype) for W in self.weights]
        start = jnp.array(first.T), hidden, last
        rows, cols = (jnp.asarray(a[:n_steps], jnp.int32) for a in self.entries[:2])
        entries = rows, cols, jnp.asarray(self.entries[2][:n_steps], self.dtype)
        jax.block_until_ready((start, entries))
        began = time.perf_counter()
        after = jax.block_until_ready(run(start, entries, *self.rates, **way))
        return 1e6 * (time.perf_counter() - began) / n_steps, after

    def fastest(self, n_steps, way, repeats):
        self.time(n_steps, way)  # compiles, with as many threads as it likes
        busy, began = time.process_time(), time.perf_counter()
        times = [self.time(n_steps, way)[0] for _ in range(repeats)]
        self.cores = (time.process_time() - busy) / (time.perf_counter() - began)
        return times


def measure(request):
    """Fastest and median time of the fastest way, its name, busy processors, time of the usual way."""
    case = Case(request)
    tried = [min(case.fastest(request["steps"], way, TRIALS)) for way in WAYS]
    leading = [WAYS[k] for k in np.argsort(tried)[:FINALISTS]]
    timed = [case.fastest(request["steps"], way, request["repeats"]) for way in leading]
    times, way = min(zip(timed, leading, strict=True), key=lambda pair: min(pair[0]))
    usual = case.fastest(request["steps"], USUAL, request["repeats"])
    _, (first, hidden, last) = case.time(request["check_steps"], way)
    product = np.asarray(first).T
    for W in [*hidden, last]:
        product = np.asarray(W) @ product
    np.save(request["answer"], product)
    how = f"{way['gradient']}, {way['decay']} decay, unroll {way['unroll']}"
    return {
        "fastest": min(times),
        "median": statistics.median(times),
        "how": how,
        "cores": case.cores,
        "usual": min(usual),
    }


def main():
    jax.config.update("jax_enable_x64", True)
    request = json.load(sys.stdin)
    rows = [measure(case) for case in request["cases"]]
    json.dump({"version": jax.__version__, "rows": rows}, sys.stdout)


if __name__ == "__main__":
    main()
