"""Instructions on vectors, in LLVM's terms: what :mod:`.vector_loops` is written with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from llvmlite import ir
from numba import types
from numba.core import cgutils

from .cache_lines import CACHE_LINE


class Emitter:
    """Emits instructions on vectors of the element type of a function's first argument."""

    def __init__(self, context, builder, signature, args: Sequence) -> None:
        self.builder = builder
        dtype = signature.args[0].dtype
        self.bytes = dtype.bitwidth // 8
        self.lanes = CACHE_LINE // self.bytes
        self.vector = ir.VectorType(context.get_value_type(dtype), self.lanes)
        self.index = context.get_value_type(types.intp)
        # an array is passed as the address of its data
        self.args = [
            context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, args, strict=True)
        ]
        name = f"llvm.fma.v{self.lanes}f{dtype.bitwidth}"
        self._fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(self.vector, [self.vector] * 3), name
        )

    def constant(self, value: int) -> ir.Constant:
        return ir.Constant(self.index, value)

    def address(self, k: int, count: int = 0, stride=None, at: int | None = None):
        """Address of an operand, or of its row `count` if rows are `stride` apart.

        Argument k is the array, argument `at` (by default k + 1) the offset.
        """
        place = self.args[k + 1 if at is None else at]
        if stride is not None:
            place = self.builder.add(place, self.builder.mul(self.constant(count), stride))
        return self.builder.gep(self.args[k], [place])

    def element(self, address, count: int):
        """Element number `count` after an address, in every lane of a vector."""
        return self.broadcast(self.builder.load(self.builder.gep(address, [self.constant(count)])))

    def broadcast(self, scalar):
        """A vector with this number in every lane."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(first, undefined, _shuffle_mask([0] * self.lanes))

    @contextmanager
    def each_vector(self, size) -> Iterator[object]:
        """Loop over `size` elements, one vector at a time; yields the vector's offset."""
        step = self.constant(self.lanes)
        with cgutils.for_range_slice(self.builder, self.constant(0), size, step, self.index) as (place, _):
            yield place

    def load(self, address, place):
        return self.builder.load(self._vector_pointer(address, place), align=self.bytes)

    def store(self, value, address, place) -> None:
        self.builder.store(value, self._vector_pointer(address, place), align=self.bytes)

    def _vector_pointer(self, address, place):
        return self.builder.bitcast(self.builder.gep(address, [place]), self.vector.as_pointer())

    def fma(self, x, y, z):
        """``x y + z``"""
        return self.builder.call(self._fma, [x, y, z])

    def accumulators(self, count: int) -> list:
        """`count` variables that hold vectors, initially zero."""
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        return [cgutils.alloca_once_value(self.builder, zero) for _ in range(count)]

    def accumulate(self, total, x, y) -> None:
        """``total += x y`` for a variable."""
        self.builder.store(self.fma(x, y, self.builder.load(total)), total)

    def horizontal_sums(self, variables: Sequence):
        """One vector with the sum over the lanes of each variable (2, 4, 8, ... of them), by halving.

        Each level adds the first halves of all pieces to the second halves.
        """
        vectors = [self.builder.load(variable) for variable in variables]
        piece = self.lanes
        while piece > 1:
            piece //= 2
            if len(vectors) > 1:
                vectors = [
                    self._add_halves(a, b, piece) for a, b in zip(vectors[::2], vectors[1::2], strict=True)
                ]
            else:
                vectors = [
                    self._add_halves(
                        vectors[0], ir.Constant(vectors[0].type, ir.Undefined), piece, alone=True
                    )
                ]
        return vectors[0]

    def _add_halves(self, a, b, piece: int, alone: bool = False):
        count = a.type.count * (1 if alone else 2)
        halves = [
            _shuffle_mask([at + k for at in range(start, count, 2 * piece) for k in range(piece)])
            for start in (0, piece)
        ]
        low, high = (self.builder.shuffle_vector(a, b, half) for half in halves)
        return self.builder.fadd(low, high)

    def extract(self, vector, k: int):
        """Lane k of a vector."""
        return self.builder.extract_element(vector, ir.Constant(ir.IntType(32), k))

    def add_to(self, address, vector) -> None:
        """Add a vector of any length to the numbers at an address."""
        pointer = self.builder.bitcast(address, vector.type.as_pointer())
        total = self.builder.fadd(self.builder.load(pointer, align=self.bytes), vector)
        self.builder.store(total, pointer, align=self.bytes)


def _shuffle_mask(places: Sequence[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))


def emitted(signature, emit: Callable[[Emitter], object]):
    """What an intrinsic returns to numba: its signature and the function that emits its code."""

    def generate(context, builder, given, args):
        result = emit(Emitter(context, builder, given, args))
        return context.get_dummy_value() if result is None else result

    return signature, generate
