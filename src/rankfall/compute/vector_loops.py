"""Inner loops in the compiler's own terms (LLVM), where loops in Python would not become the best machine code.

LLVM makes vectors of a loop only if it can check at run time that the arrays do not overlap, and with four rows
of a matrix at a time there are too many pairs to check. Here nothing is checked: arrays are contiguous, sizes are
whole cache lines of 64 bytes, and one line is one vector (which LLVM splits on machines with shorter registers).
Products are fused multiply-adds and sums run in a fixed order, so that the bits of these loops do not depend on
the machine's registers either.

Every operand is an array and the offset of its first element. The tests hold each loop against one line of NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

from .cache_lines import DELAY, LINE

# rows of a matrix in a pack; divides the padded widths
ROWS = 8
# rows, and pairs of vectors, whose sums are kept in registers at a time: processors with sixteen short ones have no more
AT_ONCE, TWO = 4, 2
# the typing context that every intrinsic has for a first parameter is not one of its calls
intrinsic: Any = extending.intrinsic


class _Writer:
    """Writes instructions on vectors of the element type of a function's first argument."""

    def __init__(self, context, builder, signature, args: Sequence) -> None:
        self.builder = builder
        dtype = signature.args[0].dtype
        self.bytes = dtype.bitwidth // 8
        self.lanes = LINE // self.bytes
        self.vector = ir.VectorType(context.get_value_type(dtype), self.lanes)
        self.index = context.get_value_type(types.intp)
        # arrays become the addresses of their data
        self.args = [
            context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, args, strict=True)
        ]
        name = f"llvm.fma.v{self.lanes}f{dtype.bitwidth}"
        self._fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(self.vector, [self.vector] * 3), name
        )

    def number(self, value: int) -> ir.Constant:
        return ir.Constant(self.index, value)

    def address(self, k: int, count: int = 0, stride=None, at: int | None = None):
        """Where an operand begins, or its row `count` if rows are `stride` apart.

        Argument k is its array, argument `at` (k + 1 if not given) its offset.
        """
        place = self.args[k + 1 if at is None else at]
        if stride is not None:
            place = self.builder.add(place, self.builder.mul(self.number(count), stride))
        return self.builder.gep(self.args[k], [place])

    def element(self, address, count: int):
        """Element number `count` from an address on, in every place of a vector."""
        return self.spread(self.builder.load(self.builder.gep(address, [self.number(count)])))

    def spread(self, scalar):
        """A vector of equal elements."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(first, undefined, _order([0] * self.lanes))

    @contextmanager
    def lines(self, size) -> Iterator[object]:
        """Go through `size` elements a line at a time; gives the offset of the line."""
        step = self.number(self.lanes)
        with cgutils.for_range_slice(self.builder, self.number(0), size, step, self.index) as (place, _):
            yield place

    def load(self, address, place):
        return self.builder.load(self._line(address, place), align=self.bytes)

    def store(self, value, address, place) -> None:
        self.builder.store(value, self._line(address, place), align=self.bytes)

    def _line(self, address, place):
        return self.builder.bitcast(self.builder.gep(address, [place]), self.vector.as_pointer())

    def fma(self, x, y, z):
        """``x y + z``"""
        return self.builder.call(self._fma, [x, y, z])

    def sums(self, count: int) -> list:
        """Variables for vectors, zero at first."""
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        return [cgutils.alloca_once_value(self.builder, zero) for _ in range(count)]

    def add_product(self, total, x, y) -> None:
        """``total += x y`` for a variable."""
        self.builder.store(self.fma(x, y, self.builder.load(total)), total)

    def sum_up(self, variables: Sequence):
        """One vector with the sum of the elements of each variable (a power of two of them), by halves.

        At every level the first halves of all pieces are added to the second halves.
        """
        vectors = [self.builder.load(variable) for variable in variables]
        piece = self.lanes
        while piece > 1:
            piece //= 2
            if len(vectors) > 1:
                vectors = [self._fold(a, b, piece) for a, b in zip(vectors[::2], vectors[1::2], strict=True)]
            else:
                vectors = [
                    self._fold(vectors[0], ir.Constant(vectors[0].type, ir.Undefined), piece, alone=True)
                ]
        return vectors[0]

    def _fold(self, a, b, piece: int, alone: bool = False):
        count = a.type.count * (1 if alone else 2)
        halves = [
            _order([at + k for at in range(start, count, 2 * piece) for k in range(piece)])
            for start in (0, piece)
        ]
        low, high = (self.builder.shuffle_vector(a, b, half) for half in halves)
        return self.builder.fadd(low, high)

    def pick(self, vector, k: int):
        """Element k of a vector."""
        return self.builder.extract_element(vector, ir.Constant(ir.IntType(32), k))

    def add_to(self, address, vector) -> None:
        """Add a vector, of any length, to what stands at an address."""
        pointer = self.builder.bitcast(address, vector.type.as_pointer())
        total = self.builder.fadd(self.builder.load(pointer, align=self.bytes), vector)
        self.builder.store(total, pointer, align=self.bytes)


def _order(places: Sequence[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))


def _written(signature, write: Callable[[_Writer], object]):
    """What an intrinsic returns to numba: its signature and the function that writes it."""

    def generate(context, builder, given, args):
        result = write(_Writer(context, builder, given, args))
        return context.get_dummy_value() if result is None else result

    return signature, generate


# -- vectors ---------------------------------------------------------------------------------------------


@intrinsic
def dot(typing, x, x0, y, y0, size):
    """The inner product ``x . y``."""

    def write(w: _Writer):
        left, right, (total,) = w.address(0), w.address(2), w.sums(1)
        with w.lines(w.args[4]) as place:
            w.add_product(total, w.load(left, place), w.load(right, place))
        return w.pick(w.sum_up([total]), 0)

    return _written(x.dtype(x, types.intp, y, types.intp, types.intp), write)


@intrinsic
def add(typing, x, x0, factor, y, y0, size):
    """``x += factor y``"""

    def write(w: _Writer):
        target, source, times = w.address(0), w.address(3), w.spread(w.args[2])
        with w.lines(w.args[5]) as place:
            w.store(w.fma(times, w.load(source, place), w.load(target, place)), target, place)

    return _written(types.void(x, types.intp, x.dtype, y, types.intp, types.intp), write)


@intrinsic
def assign(typing, x, x0, factor, y, y0, size):
    """``x = factor y``"""

    def write(w: _Writer):
        target, source, times = w.address(0), w.address(3), w.spread(w.args[2])
        with w.lines(w.args[5]) as place:
            w.store(w.builder.fmul(times, w.load(source, place)), target, place)

    return _written(types.void(x, types.intp, x.dtype, y, types.intp, types.intp), write)


@intrinsic
def clear(typing, x, x0, size):
    """``x = 0``"""

    def write(w: _Writer):
        target, zero = w.address(0), ir.Constant(w.vector, [0.0] * w.lanes)
        with w.lines(w.args[2]) as place:
            w.store(zero, target, place)

    return _written(types.void(x, types.intp, types.intp), write)


@intrinsic
def through(typing, out, out0, Y, Y0, size, X, X0, x, x0, x_size, count):
    """``out = - sum_s y_s (x_s . x)`` over the first `count` pairs of vectors that follow each other, 1 to `DELAY`."""

    def write(w: _Writer):
        # written out for every count: those that do not wait cost nothing
        for waiting in range(1, DELAY + 1):
            with w.builder.if_then(w.builder.icmp_signed("==", w.args[10], w.number(waiting))):
                write_for(w, waiting)

    def write_for(w: _Writer, waiting: int):
        size, x_size = w.args[4], w.args[9]
        result, right = w.address(0), w.address(7)
        lefts = [w.address(5, s, x_size) for s in range(waiting)]
        outs = [w.address(2, s, size) for s in range(waiting)]
        totals = w.sums(1 << (waiting - 1).bit_length())  # a power of two, to be summed up together
        with w.lines(x_size) as place:
            vector = w.load(right, place)
            for left, total in zip(lefts, totals, strict=False):
                w.add_product(total, w.load(left, place), vector)
        sums = w.sum_up(totals)
        factors = [w.spread(w.builder.fneg(w.pick(sums, s))) for s in range(waiting)]
        with w.lines(size) as place:
            total = ir.Constant(w.vector, [0.0] * w.lanes)
            for factor, y in zip(factors, outs, strict=True):
                total = w.fma(factor, w.load(y, place), total)
            w.store(total, result, place)

    offset = types.intp
    return _written(types.void(out, offset, Y, offset, offset, X, offset, x, offset, offset, offset), write)


@intrinsic
def fetch(typing, x, x0, size):
    """Ask for a stretch of memory that will soon be needed."""

    def write(w: _Writer):
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        prefetch = cgutils.get_or_insert_function(w.builder.module, kind, "llvm.prefetch.p0")
        # to be written, kept in all caches, data
        how = [ir.Constant(flag, value) for value in (1, 3, 1)]
        start = w.address(0)
        with w.lines(w.args[2]) as place:
            w.builder.call(prefetch, [w.builder.bitcast(w.builder.gep(start, [place]), byte), *how])

    return _written(types.void(x, types.intp, types.intp), write)


# -- a pack of rows of a matrix; `size` is the length of a row ----------------------------------------------


@intrinsic
def rows_forward(typing, W, W0, x, x0, out, out0, size):
    """``out += W x``"""

    def write(w: _Writer):
        size, right, result = w.args[6], w.address(2), w.address(4)
        rows, totals = [w.address(0, k, size) for k in range(ROWS)], w.sums(ROWS)
        with w.lines(size) as place:
            f = w.load(right, place)
            for row, total in zip(rows, totals, strict=True):
                w.add_product(total, w.load(row, place), f)
        w.add_to(result, w.sum_up(totals))

    return _written(types.void(W, types.intp, x, types.intp, out, types.intp, types.intp), write)


@intrinsic
def rows_backward(typing, W, W0, y, y0, out, out0, size):
    """``out += W^T y``"""

    def write(w: _Writer):
        size, left, result = w.args[6], w.address(2), w.address(4)
        rows = [w.address(0, k, size) for k in range(ROWS)]
        factors = [w.element(left, k) for k in range(ROWS)]
        with w.lines(size) as place:
            total = w.load(result, place)
            for row, factor in zip(rows, factors, strict=True):
                total = w.fma(factor, w.load(row, place), total)
            w.store(total, result, place)

    return _written(types.void(W, types.intp, y, types.intp, out, types.intp, types.intp), write)


@intrinsic
def rows_both(typing, W, W0, x, x0, forth, forth0, y, y0, back, back0, size):
    """``forth += W x`` and ``back += W^T y``"""

    def write(w: _Writer):
        size, right, result = w.args[10], w.address(2), w.address(8)
        for first in range(0, ROWS, AT_ONCE):
            rows = [w.address(0, k, size) for k in range(first, first + AT_ONCE)]
            totals = w.sums(AT_ONCE)
            factors = [w.element(w.address(6), k) for k in range(first, first + AT_ONCE)]
            with w.lines(size) as place:
                f, b = w.load(right, place), w.load(result, place)
                for row, total, factor in zip(rows, totals, factors, strict=True):
                    weights = w.load(row, place)
                    w.add_product(total, weights, f)
                    b = w.fma(factor, weights, b)
                w.store(b, result, place)
            w.add_to(w.builder.gep(w.address(4), [w.number(first)]), w.sum_up(totals))

    offset = types.intp
    return _written(types.void(W, offset, x, offset, forth, offset, y, offset, back, offset, offset), write)


@intrinsic
def two_rows_both(typing, W, W0, V, x0, x1, forth, forth0, height, y0, y1, back, back0, size):
    """``forth_s += W x_s`` and ``back_s += W^T y_s`` for two vectors of each kind and two rows.

    The x_s, of length `size`, and the y_s begin at four places of V; the results follow each other at distances
    `height` and `size`. For each s the bits are those of `rows_both`.
    """

    def write(w: _Writer):
        height, size = w.args[7], w.args[12]
        rows = [w.address(0, k, size) for k in range(TWO)]
        rights = [w.address(2, at=k) for k in (3, 4)]
        lefts = [w.address(2, at=k) for k in (8, 9)]
        forths = [w.address(5, s, height) for s in range(TWO)]
        backs = [w.address(10, s, size) for s in range(TWO)]
        totals = [w.sums(TWO) for _ in range(TWO)]
        factors = [[w.element(left, k) for k in range(TWO)] for left in lefts]
        with w.lines(size) as place:
            weights = [w.load(row, place) for row in rows]
            for right, result, own, sums in zip(rights, backs, factors, totals, strict=True):
                f, b = w.load(right, place), w.load(result, place)
                for row, factor, total in zip(weights, own, sums, strict=True):
                    w.add_product(total, row, f)
                    b = w.fma(factor, row, b)
                w.store(b, result, place)
        for result, sums in zip(forths, totals, strict=True):
            w.add_to(result, w.sum_up(sums))

    offset = types.intp
    places = (offset, offset)
    kinds = (W, offset, V, *places, forth, offset, offset, *places, back, offset, offset)
    return _written(types.void(*kinds), write)


@intrinsic
def rows_update(typing, W, W0, B, B0, F, F0, n_rows, size):
    """``W -= sum_s b_s f_s^T`` over `DELAY` pairs of vectors, b_s of length `n_rows` and f_s of length `size`."""

    def write(w: _Writer):
        n_rows, size = w.args[6], w.args[7]
        inputs = [w.address(4, s, size) for s in range(DELAY)]
        outputs = [w.address(2, s, n_rows) for s in range(DELAY)]
        for half in range(0, ROWS, ROWS // 2):  # the factors of half a pack fill half of the registers
            places = range(half, half + ROWS // 2)
            rows = [w.address(0, k, size) for k in places]
            factors = [[w.builder.fneg(w.element(b, k)) for b in outputs] for k in places]
            with w.lines(size) as place:
                fs = [w.load(f, place) for f in inputs]
                for row, own in zip(rows, factors, strict=True):
                    weights = w.load(row, place)
                    for factor, f in zip(own, fs, strict=True):
                        weights = w.fma(factor, f, weights)
                    w.store(weights, row, place)

    offset = types.intp
    return _written(types.void(W, offset, B, offset, F, offset, offset, offset), write)


# -- rows of a matrix whose rows have length `size` ---------------------------------------------------------


@intrinsic
def add_outer(typing, W, W0, B, B0, F, F0, indices, first, size, count):
    """``W += sum_s b_s f_s^T`` for `AT_ONCE` rows and one line of W, over `count` vectors of each kind.

    Vectors of both kinds are `size` apart, but the f_s stand in the order of `indices` (int64) from `first` on.
    """
    if indices.layout != "C" or indices.dtype != types.int64:
        return None  # another layout would be read wrongly

    def write(w: _Writer):
        size, nothing = w.args[8], w.number(0)
        rows, totals = [w.address(0, k, size) for k in range(AT_ONCE)], w.sums(AT_ONCE)
        for row, total in zip(rows, totals, strict=True):
            w.builder.store(w.load(row, nothing), total)
        with cgutils.for_range(w.builder, w.args[9]) as loop:
            place = w.builder.load(w.builder.gep(w.address(6), [loop.index]))
            f = w.load(w.address(4), w.builder.mul(place, size))
            factors = w.builder.gep(w.address(2), [w.builder.mul(loop.index, size)])
            for k, total in enumerate(totals):
                w.add_product(total, w.element(factors, k), f)
        for row, total in zip(rows, totals, strict=True):
            w.store(w.builder.load(total), row, nothing)

    offset = types.intp
    return _written(types.void(W, offset, B, offset, F, offset, indices, offset, offset, offset), write)
