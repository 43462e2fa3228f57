"""Machine words for compiled code: eight bytes at a time from any position, which numba itself does not offer.

Nothing is checked here: callers know that the bytes are there. numba's cache notices changes of a kernel's own file only,
so a change here needs one in ``example_wire.py``, too, or an empty ``__pycache__``.
"""

from __future__ import annotations

import numba
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils
from numba.extending import intrinsic

WORD_BYTES = 8


@intrinsic
def load(typing_context, data, at):  # type: ignore[no-untyped-def]
    """Eight bytes from any position as a little-endian number; the caller has checked that they are there."""
    signature = numba.uint64(data, numba.int64)

    def build(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        first = builder.gep(array.data, [arguments[1]])
        word = builder.load(builder.bitcast(first, ir.IntType(64).as_pointer()))
        word.align = 1
        return word

    return signature, build


@intrinsic
def widen(typing_context, ints, out, data, at):  # type: ignore[no-untyped-def]
    """Eight bytes to eight 64-bit numbers in one vector operation."""

    def build(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        ints = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        data = context.make_array(signature.args[2])(context, builder, arguments[2]).data
        narrow, wide = (ir.VectorType(ir.IntType(bits), WORD_BYTES) for bits in (8, 64))
        source = builder.bitcast(builder.gep(data, [arguments[3]]), narrow.as_pointer())
        target = builder.bitcast(builder.gep(ints, [arguments[1]]), wide.as_pointer())
        stored = builder.store(builder.zext(builder.load(source, align=1), wide), target)
        stored.align = 8
        return context.get_dummy_value()

    return numba.void(ints, numba.int64, data, numba.int64), build


@intrinsic
def copy(typing_context, target, to, data, start, count):  # type: ignore[no-untyped-def]
    """Copy bytes by memcpy, which a loop over two arrays that might overlap does not become."""

    def build(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        target = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        source = context.make_array(signature.args[2])(context, builder, arguments[2]).data
        to, start = builder.gep(target, [arguments[1]]), builder.gep(source, [arguments[3]])
        cgutils.raw_memcpy(builder, to, start, arguments[4], 1)
        return context.get_dummy_value()

    return numba.void(target, numba.int64, data, numba.int64, numba.int64), build


@intrinsic
def trailing_zeros(typing_context, word):  # type: ignore[no-untyped-def]
    def build(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return numba.uint64(numba.uint64), build


@intrinsic
def ones(typing_context, word):  # type: ignore[no-untyped-def]
    def build(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.ctpop(arguments[0])

    return numba.uint64(numba.uint64), build
