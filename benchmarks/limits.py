"""What one core of this machine can do: passes over an array that stays in its cache, and multiply-adds.

Three loops in LLVM's assembly language, compiled by the compiler that numba brings, with vectors of the
machine's full width written out (left to itself, LLVM uses half of it on many processors):

- ``update``: every number of an array is read, goes through one multiply-add, and is written back;
- ``read``: every number is read and added up;
- ``multiply_add``: twelve chains of multiply-adds in registers, which wait for nothing but the arithmetic
  units. (Sixteen and the two constants would not fit the registers of processors without AVX-512.)

The array is gone through again and again, so that it sits in whatever cache it fits.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

CHAINS = 12
_UNROLL = 8


@dataclass(frozen=True)
class Limit:
    """The least time for one step of one entry, in microseconds.

    Attributes
    ----------
    passes : float
        For going through the hidden layers: every one is updated once (read and written) in the pass that
        also makes one or both products; all but the last are read once more for the products backward.
        ``2 h - 1`` passes for h layers.
    arithmetic : float
        For the multiply-adds: three per weight of the hidden layers (update, forward, backward).
        Those of the row and the column that a step also touches are left out.
    """

    passes: float
    arithmetic: float

    @property
    def microseconds(self) -> float:
        """The larger of the two: whoever computes while loading needs at least this."""
        return max(self.passes, self.arithmetic)


def hidden_sizes(widths: tuple[int, ...]) -> list[int]:
    """Numbers of weights of the hidden-to-hidden layers."""
    return [above * below for below, above in pairwise(widths[1:-1])]


def n_multiply_adds(widths: tuple[int, ...]) -> int:
    """Multiply-adds of one step in the hidden layers."""
    return 3 * sum(hidden_sizes(widths))


def limit(widths: tuple[int, ...], dtype: np.dtype) -> Limit:
    """Measure the limit for a network of these widths."""
    sizes = hidden_sizes(widths)
    total, again = sum(sizes), sum(sizes[:-1])
    passes = total * seconds_per_number("update", total, dtype)
    if again:
        # the array is as large as all layers together: what is read again was read one whole round before
        passes += again * seconds_per_number("read", total, dtype)
    return Limit(1e6 * passes, 1e6 * n_multiply_adds(widths) / multiply_adds_per_second(dtype))


def seconds_per_number(loop: str, count: int, dtype: np.dtype, repeats: int = 50) -> float:
    """Fastest time of a pass over an array of `count` numbers, divided by `count`."""
    dtype = np.dtype(dtype)
    lanes = _lanes(dtype)
    # whole blocks; a few numbers more than asked are divided out
    blocks = -(-count // (lanes * _UNROLL))
    numbers = blocks * lanes * _UNROLL
    memory = np.zeros(numbers * dtype.itemsize + 64, np.uint8)
    start = -memory.ctypes.data % 64
    array = memory[start : start + numbers * dtype.itemsize].view(dtype)
    array[:] = 1.0
    rounds = max(20_000_000 // numbers, 1)
    function = _compiled(dtype.name)[loop]
    return _fastest(lambda: function(array.ctypes.data, blocks, rounds), repeats) / (rounds * numbers)


@cache
def _rate(name: str) -> float:
    rounds = 1_000_000
    function, out = _compiled(name)["multiply_add"], np.zeros(64)
    seconds = _fastest(lambda: function(out.ctypes.data, 0, rounds), 20)
    return rounds * CHAINS * _lanes(np.dtype(name)) / seconds


def multiply_adds_per_second(dtype: np.dtype) -> float:
    """Of one core."""
    return _rate(np.dtype(dtype).name)


def _fastest(call: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


# -- the loops ---------------------------------------------------------------------------------------------


def vector_bytes() -> int:
    """Width of the machine's vectors."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


def _lanes(dtype: np.dtype) -> int:
    return vector_bytes() // dtype.itemsize


def source(name: str) -> str:
    """LLVM assembly of the three loops for "float64" or "float32"."""
    kind = {"float64": "double", "float32": "float"}[name]
    vector = f"<{_lanes(np.dtype(name))} x {kind}>"
    fma = f"@llvm.fma.v{_lanes(np.dtype(name))}f{8 * np.dtype(name).itemsize}"
    text = [f"declare {vector} {fma}({vector}, {vector}, {vector})"]
    for loop in ("update", "read"):
        text.append(_walk(loop, vector, fma))
    text.append(_chains(vector, fma))
    return "\n".join(text)


def _splat(vector: str, value: str) -> str:
    """A vector of equal numbers, as a constant."""
    lanes, _, kind = vector.strip("<>").split(" ")
    return "<" + ", ".join([f"{kind} {value}"] * int(lanes)) + ">"


def _walk(loop: str, vector: str, fma: str) -> str:
    """Rounds over the array, eight vectors at a time."""
    half, quarter = _splat(vector, "5.0e-01"), _splat(vector, "2.5e-01")
    body, names = [], []
    for k in range(_UNROLL):
        body.append(f"  %p{k} = getelementptr {vector}, ptr %block, i64 {k}")
        body.append(f"  %v{k} = load {vector}, ptr %p{k}, align 64")
        if loop == "update":
            body.append(f"  %w{k} = call {vector} {fma}({vector} %v{k}, {vector} {half}, {vector} {quarter})")
            body.append(f"  store {vector} %w{k}, ptr %p{k}, align 64")
        else:
            body.append(f"  %s{k}.next = fadd {vector} %s{k}, %v{k}")
            names.append(f"s{k}")
    sums = [f"  %{s} = phi {vector} [ zeroinitializer, %round ], [ %{s}.next, %inner ]" for s in names]
    # written out at the end of a round, so that nothing is optimised away
    keep = []
    for k, s in enumerate(names):
        keep.append(f"  %q{k} = getelementptr {vector}, ptr %kept, i64 {k}")
        keep.append(f"  store volatile {vector} %{s}.next, ptr %q{k}, align 64")
    lines = [
        f"define void @{loop}(ptr %array, i64 %blocks, i64 %rounds) {{",
        "entry:",
        f"  %kept = alloca [{_UNROLL} x {vector}], align 64",
        "  br label %round",
        "round:",
        "  %r = phi i64 [ 0, %entry ], [ %r.next, %done ]",
        "  br label %inner",
        "inner:",
        "  %b = phi i64 [ 0, %round ], [ %b.next, %inner ]",
        *sums,
        f"  %first = mul i64 %b, {_UNROLL}",
        f"  %block = getelementptr {vector}, ptr %array, i64 %first",
        *body,
        "  %b.next = add i64 %b, 1",
        "  %more = icmp ult i64 %b.next, %blocks",
        "  br i1 %more, label %inner, label %done",
        "done:",
        *keep,
        "  %r.next = add i64 %r, 1",
        "  %again = icmp ult i64 %r.next, %rounds",
        "  br i1 %again, label %round, label %end",
        "end:",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)


def _chains(vector: str, fma: str) -> str:
    """Independent multiply-adds.

    The second argument is not used, so that all three loops are called alike.
    """
    half, quarter = _splat(vector, "5.0e-01"), _splat(vector, "2.5e-01")
    phis, body, keep = [], [], []
    for k in range(CHAINS):
        phis.append(f"  %a{k} = phi {vector} [ zeroinitializer, %entry ], [ %n{k}, %loop ]")
        body.append(f"  %n{k} = call {vector} {fma}({vector} %a{k}, {vector} {half}, {vector} {quarter})")
        keep.append(f"  store volatile {vector} %n{k}, ptr %out, align 8")
    lines = [
        "define void @multiply_add(ptr %out, i64 %unused, i64 %rounds) {",
        "entry:",
        "  br label %loop",
        "loop:",
        "  %r = phi i64 [ 0, %entry ], [ %r.next, %loop ]",
        *phis,
        *body,
        "  %r.next = add i64 %r, 1",
        "  %again = icmp ult i64 %r.next, %rounds",
        "  br i1 %again, label %loop, label %end",
        "end:",
        *keep,
        "  ret void",
        "}",
    ]
    return "\n".join(lines)


_ENGINES: list[object] = []


@cache
def _compiled(name: str) -> dict[str, Callable[[int, int, int], None]]:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(source(name))
    module.verify()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    _ENGINES.append(engine)  # owns the machine code
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    return {loop: kind(engine.get_function_address(loop)) for loop in ("update", "read", "multiply_add")}
