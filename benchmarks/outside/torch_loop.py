"""PyTorch's side of benchmarks/kernels.py: the loop that one usually writes. One thread.

A list of ``nn.Parameter``, ``torch.optim.SGD`` with ``weight_decay = 2 * ridge`` (its own or the fused
implementation, whichever is faster), one entry per step: the column of the first layer goes up through the
hidden layers as a vector and meets the row of the last; half the squared residual; ``backward()``;
``step()``. Reads a JSON object from standard input, writes one to standard output (``kernels.py``,
``peer_rows``).
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import numpy as np
import torch  # pyright: ignore[reportMissingImports]


def run(weights, entries, lr, ridge, options):
    """All steps; returns the seconds and the weights. weights: W_1..W_L as arrays."""
    first, *hidden, last = parameters = torch.nn.ParameterList(
        [torch.nn.Parameter(W.clone()) for W in weights]
    )
    optimiser = torch.optim.SGD(parameters.parameters(), lr=lr, weight_decay=2 * ridge, **options)
    began = time.perf_counter()
    for row, col, value in entries:
        optimiser.zero_grad()
        x = first[:, col]
        for W in hidden:
            x = W @ x
        loss = 0.5 * (last[row] @ x - value) ** 2
        loss.backward()
        optimiser.step()
    return time.perf_counter() - began, [W.detach() for W in parameters]


def measure(case):
    """Fastest and median microseconds per step, and the product of the layers after some steps."""
    data = np.load(case["file"])
    depth = sum(name.startswith("W") for name in data.files)
    dtype = getattr(torch, case["dtype"])
    weights = [torch.tensor(data[f"W{layer}"], dtype=dtype) for layer in range(1, depth + 1)]
    entries = list(zip(*(data[name].tolist() for name in ("rows", "cols", "values")), strict=True))
    rates = case["lr"], case["ridge"]
    _, after = run(weights, entries[: case["check_steps"]], *rates, {})
    product = after[0]
    for W in after[1:]:
        product = W @ product
    np.save(case["answer"], product.numpy())
    busy, start = time.process_time(), time.perf_counter()
    best, median, chosen = np.inf, np.inf, ""
    for name, options in {"foreach": {}, "single": {"foreach": False}, "fused": {"fused": True}}.items():
        run(weights, entries[:20], *rates, options)
        times = [
            1e6 * run(weights, entries[: case["steps"]], *rates, options)[0] / case["steps"]
            for _ in range(case["repeats"])
        ]
        if min(times) < best:
            best, median, chosen = min(times), statistics.median(times), name
    cores = (time.process_time() - busy) / (time.perf_counter() - start)
    return {"fastest": best, "median": median, "how": chosen, "cores": cores}


def main():
    torch.set_num_threads(1)
    request = json.load(sys.stdin)
    rows = [measure(case) for case in request["cases"]]
    json.dump({"version": torch.__version__, "rows": rows}, sys.stdout)


if __name__ == "__main__":
    main()
