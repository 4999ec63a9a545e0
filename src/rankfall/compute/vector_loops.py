"""Inner loops written in LLVM's instructions, where Python loops do not compile to the best machine code.

LLVM vectorises a loop only if it can check at run time that the arrays do not overlap; with four rows of a
matrix at a time there are too many pairs to check. Here nothing is checked: arrays are contiguous, sizes are
multiples of a cache line of 64 bytes, and one cache line is one vector (which LLVM splits on machines with
shorter registers). Products are fused multiply-adds and sums have a fixed order, so that the bits of these
loops do not depend on the machine's registers either.

Every operand is an array and the offset of its first element. The tests compare each loop with one line of
NumPy.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

from .cache_lines import DEFERRED
from .emitter import Emitter, emitted

# rows of a matrix in a block; divides the padded widths
BLOCK_ROWS = 8
# rows whose sums stay in registers at a time; and rows and vectors of the tile that `add_both_products_2x2`
# keeps there. Processors with sixteen short registers have room for no more
AT_ONCE, TILE = 4, 2
# typed as Any: callers do not pass the typing context, which every intrinsic takes as its first parameter
intrinsic: Any = extending.intrinsic


# -- vectors ---------------------------------------------------------------------------------------------


@intrinsic
def dot(typing, x, x0, y, y0, size):
    """The inner product ``x . y``."""

    def emit(w: Emitter):
        left, right, (total,) = w.address(0), w.address(2), w.accumulators(1)
        with w.each_vector(w.args[4]) as place:
            w.accumulate(total, w.load(left, place), w.load(right, place))
        return w.extract(w.horizontal_sums([total]), 0)

    return emitted(x.dtype(x, types.intp, y, types.intp, types.intp), emit)


@intrinsic
def add(typing, x, x0, factor, y, y0, size):
    """``x += factor y``"""

    def emit(w: Emitter):
        target, source, times = w.address(0), w.address(3), w.broadcast(w.args[2])
        with w.each_vector(w.args[5]) as place:
            w.store(w.fma(times, w.load(source, place), w.load(target, place)), target, place)

    return emitted(types.void(x, types.intp, x.dtype, y, types.intp, types.intp), emit)


@intrinsic
def assign(typing, x, x0, factor, y, y0, size):
    """``x = factor y``"""

    def emit(w: Emitter):
        target, source, times = w.address(0), w.address(3), w.broadcast(w.args[2])
        with w.each_vector(w.args[5]) as place:
            w.store(w.builder.fmul(times, w.load(source, place)), target, place)

    return emitted(types.void(x, types.intp, x.dtype, y, types.intp, types.intp), emit)


@intrinsic
def clear(typing, x, x0, size):
    """``x = 0``"""

    def emit(w: Emitter):
        target, zero = w.address(0), ir.Constant(w.vector, [0.0] * w.lanes)
        with w.each_vector(w.args[2]) as place:
            w.store(zero, target, place)

    return emitted(types.void(x, types.intp, types.intp), emit)


@intrinsic
def minus_low_rank_product(typing, out, out0, Y, Y0, size, X, X0, x, x0, x_size, count):
    """``out = -sum_s y_s (x_s . x)`` over `count` consecutive pairs of vectors, 1 to `DEFERRED`."""

    def emit(w: Emitter):
        # unrolled for every count, so that pairs not used cost nothing
        for deferred in range(1, DEFERRED + 1):
            with w.builder.if_then(w.builder.icmp_signed("==", w.args[10], w.constant(deferred))):
                emit_for(w, deferred)

    def emit_for(w: Emitter, deferred: int):
        size, x_size = w.args[4], w.args[9]
        result, right = w.address(0), w.address(7)
        lefts = [w.address(5, s, x_size) for s in range(deferred)]
        outs = [w.address(2, s, size) for s in range(deferred)]
        totals = w.accumulators(1 << (deferred - 1).bit_length())  # `horizontal_sums` takes a power of two
        with w.each_vector(x_size) as place:
            vector = w.load(right, place)
            for left, total in zip(lefts, totals, strict=False):
                w.accumulate(total, w.load(left, place), vector)
        sums = w.horizontal_sums(totals)
        factors = [w.broadcast(w.builder.fneg(w.extract(sums, s))) for s in range(deferred)]
        with w.each_vector(size) as place:
            total = ir.Constant(w.vector, [0.0] * w.lanes)
            for factor, y in zip(factors, outs, strict=True):
                total = w.fma(factor, w.load(y, place), total)
            w.store(total, result, place)

    offset = types.intp
    return emitted(types.void(out, offset, Y, offset, offset, X, offset, x, offset, offset, offset), emit)


@intrinsic
def prefetch(typing, x, x0, size):
    """Prefetch `size` numbers that will be needed soon."""

    def emit(w: Emitter):
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        prefetch = cgutils.get_or_insert_function(w.builder.module, kind, "llvm.prefetch.p0")
        # for writing, into all levels of the cache, data
        how = [ir.Constant(flag, value) for value in (1, 3, 1)]
        start = w.address(0)
        with w.each_vector(w.args[2]) as place:
            w.builder.call(prefetch, [w.builder.bitcast(w.builder.gep(start, [place]), byte), *how])

    return emitted(types.void(x, types.intp, types.intp), emit)


# -- a block of rows of a matrix; `size` is the length of a row ---------------------------------------------


@intrinsic
def add_product(typing, W, W0, x, x0, out, out0, size):
    """``out += W x``"""

    def emit(w: Emitter):
        size, right, result = w.args[6], w.address(2), w.address(4)
        rows, totals = [w.address(0, k, size) for k in range(BLOCK_ROWS)], w.accumulators(BLOCK_ROWS)
        with w.each_vector(size) as place:
            f = w.load(right, place)
            for row, total in zip(rows, totals, strict=True):
                w.accumulate(total, w.load(row, place), f)
        w.add_to(result, w.horizontal_sums(totals))

    return emitted(types.void(W, types.intp, x, types.intp, out, types.intp, types.intp), emit)


@intrinsic
def add_product_transposed(typing, W, W0, y, y0, out, out0, size):
    """``out += W^T y``"""

    def emit(w: Emitter):
        size, left, result = w.args[6], w.address(2), w.address(4)
        rows = [w.address(0, k, size) for k in range(BLOCK_ROWS)]
        factors = [w.element(left, k) for k in range(BLOCK_ROWS)]
        with w.each_vector(size) as place:
            total = w.load(result, place)
            for row, factor in zip(rows, factors, strict=True):
                total = w.fma(factor, w.load(row, place), total)
            w.store(total, result, place)

    return emitted(types.void(W, types.intp, y, types.intp, out, types.intp, types.intp), emit)


@intrinsic
def add_both_products(typing, W, W0, x, x0, forward, forward0, y, y0, backward, backward0, size):
    """``forward += W x`` and ``backward += W^T y``"""

    def emit(w: Emitter):
        size, right, result = w.args[10], w.address(2), w.address(8)
        for first in range(0, BLOCK_ROWS, AT_ONCE):
            rows = [w.address(0, k, size) for k in range(first, first + AT_ONCE)]
            totals = w.accumulators(AT_ONCE)
            factors = [w.element(w.address(6), k) for k in range(first, first + AT_ONCE)]
            with w.each_vector(size) as place:
                f, b = w.load(right, place), w.load(result, place)
                for row, total, factor in zip(rows, totals, factors, strict=True):
                    weights = w.load(row, place)
                    w.accumulate(total, weights, f)
                    b = w.fma(factor, weights, b)
                w.store(b, result, place)
            w.add_to(w.builder.gep(w.address(4), [w.constant(first)]), w.horizontal_sums(totals))

    offset = types.intp
    kinds = (W, offset, x, offset, forward, offset, y, offset, backward, offset, offset)
    return emitted(types.void(*kinds), emit)


@intrinsic
def add_both_products_2x2(
    typing, W, W0, V, x0, x1, forward, forward0, height, y0, y1, backward, backward0, size
):  # fmt: skip
    """``forward_s += W x_s`` and ``backward_s += W^T y_s`` for two vectors of each kind and two rows of W.

    The x_s, of length `size`, and the y_s begin at four offsets of V; the results are `height` and `size`
    apart. For each s the bits are those of `add_both_products`.
    """

    def emit(w: Emitter):
        height, size = w.args[7], w.args[12]
        rows = [w.address(0, k, size) for k in range(TILE)]
        rights = [w.address(2, at=k) for k in (3, 4)]
        lefts = [w.address(2, at=k) for k in (8, 9)]
        forwards = [w.address(5, s, height) for s in range(TILE)]
        backwards = [w.address(10, s, size) for s in range(TILE)]
        totals = [w.accumulators(TILE) for _ in range(TILE)]
        factors = [[w.element(left, k) for k in range(TILE)] for left in lefts]
        with w.each_vector(size) as place:
            weights = [w.load(row, place) for row in rows]
            for right, result, own, sums in zip(rights, backwards, factors, totals, strict=True):
                f, b = w.load(right, place), w.load(result, place)
                for row, factor, total in zip(weights, own, sums, strict=True):
                    w.accumulate(total, row, f)
                    b = w.fma(factor, row, b)
                w.store(b, result, place)
        for result, sums in zip(forwards, totals, strict=True):
            w.add_to(result, w.horizontal_sums(sums))

    offset = types.intp
    places = (offset, offset)
    kinds = (W, offset, V, *places, forward, offset, offset, *places, backward, offset, offset)
    return emitted(types.void(*kinds), emit)


@intrinsic
def subtract_outer(typing, W, W0, B, B0, F, F0, n_rows, size):
    """``W -= sum_s b_s f_s^T`` over `DEFERRED` pairs: b_s of length `n_rows`, f_s of length `size`."""

    def emit(w: Emitter):
        n_rows, size = w.args[6], w.args[7]
        inputs = [w.address(4, s, size) for s in range(DEFERRED)]
        outputs = [w.address(2, s, n_rows) for s in range(DEFERRED)]
        # the factors of half a block fill half of the registers
        for half in range(0, BLOCK_ROWS, BLOCK_ROWS // 2):
            places = range(half, half + BLOCK_ROWS // 2)
            rows = [w.address(0, k, size) for k in places]
            factors = [[w.builder.fneg(w.element(b, k)) for b in outputs] for k in places]
            with w.each_vector(size) as place:
                fs = [w.load(f, place) for f in inputs]
                for row, own in zip(rows, factors, strict=True):
                    weights = w.load(row, place)
                    for factor, f in zip(own, fs, strict=True):
                        weights = w.fma(factor, f, weights)
                    w.store(weights, row, place)

    offset = types.intp
    return emitted(types.void(W, offset, B, offset, F, offset, offset, offset), emit)


# -- rows of a matrix whose rows have length `size` ---------------------------------------------------------


@intrinsic
def add_outer(typing, W, W0, B, B0, F, F0, indices, first, size, count):
    """``W += sum_s b_s f_s^T`` for `AT_ONCE` rows and one cache line of W, over `count` vectors of each kind.

    Vectors of both kinds are `size` apart; f_s is number ``indices[first + s]`` (int64).
    """
    if indices.layout != "C" or indices.dtype != types.int64:
        return None  # any other layout would be misread

    def emit(w: Emitter):
        size, nothing = w.args[8], w.constant(0)
        rows, totals = [w.address(0, k, size) for k in range(AT_ONCE)], w.accumulators(AT_ONCE)
        for row, total in zip(rows, totals, strict=True):
            w.builder.store(w.load(row, nothing), total)
        with cgutils.for_range(w.builder, w.args[9]) as loop:
            place = w.builder.load(w.builder.gep(w.address(6), [loop.index]))
            f = w.load(w.address(4), w.builder.mul(place, size))
            factors = w.builder.gep(w.address(2), [w.builder.mul(loop.index, size)])
            for k, total in enumerate(totals):
                w.accumulate(total, w.element(factors, k), f)
        for row, total in zip(rows, totals, strict=True):
            w.store(w.builder.load(total), row, nothing)

    offset = types.intp
    return emitted(types.void(W, offset, B, offset, F, offset, indices, offset, offset, offset), emit)
