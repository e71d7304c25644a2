# SPDX-License-Identifier: Apache-2.0
"""Sums in order of k, on the widest vectors of the processor: rounded binary32, exact binary64.

A tile of sums stays in vector registers while k runs; operands lie packed in the order in which a
tile takes them. LLVM gets the tile as vector code, which its own vectoriser does not find. A
product is exact, so that fusing it with the addition (``contract``) changes no bit.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from sim.codes import NDArray
from sim.fast.rounding import HALF, HALF_MAX, HALF_SATURATED
from sim.fast.threads import by_rows
from sim.fast.vector_code import BYTES, F32, F64, I32, I64, WIDE, Memory, splat

__all__ = ["chain", "exact"]

#: Rows and vectors of a tile.
ROWS, VECTORS = (8, 3) if WIDE else (4, 2)
#: Products a sum after which the operands' next part is packed: it stays in the second cache.
DEPTH = 1024

_SIZES = {F32: 4, F64: 8}
_FUSED = ("contract",)

#: Makes a vector of sums rounded; the last argument is a vector of the bits to drop.
_Round = Callable[[Any, Any, Any], Any]


def _kept(build: Any, x: Any, drop: Any) -> Any:
    """Sums as they are."""
    return x


def _shortened(build: Any, x: Any, drop: Any) -> Any:
    """Sums with ``drop`` bits less, to nearest even; a carry goes on into the exponent."""
    one = ir.Constant(drop.type, [1] * drop.type.count)
    bits = build.bitcast(x, drop.type)
    odd = build.and_(build.lshr(bits, drop), one)
    below_half = build.sub(build.shl(one, build.sub(drop, one)), one)
    mask = build.shl(ir.Constant(drop.type, [-1] * drop.type.count), drop)
    return build.bitcast(build.and_(build.add(build.add(bits, below_half), odd), mask), x.type)


def _halved(build: Any, x: Any, drop: Any) -> Any:
    """Sums rounded to binary16."""
    return build.fpext(build.fptrunc(x, ir.VectorType(ir.HalfType(), x.type.count)), x.type)


def _saturated(build: Any, x: Any, drop: Any) -> Any:
    """Sums rounded to binary16; those beyond its largest value stay there."""
    half = _halved(build, x, drop)
    for relation, largest in ((">", HALF_MAX), ("<", -HALF_MAX)):
        limit = ir.Constant(half.type, [largest] * half.type.count)
        half = build.select(build.fcmp_ordered(relation, half, limit), limit, half)
    return half


def _tile(real: Any, rounded: _Round) -> Any:
    """Code generator of a tile: ``c += a @ b`` in order of k, rounded at each step."""
    def generate(context: Any, build: Any, signature: Any, args: Any) -> Any:
        a, b, c = (Memory(build, address, real, _SIZES[real]) for address in args[:3])
        depth, stride, drop = args[3:]
        drops = splat(build, build.trunc(drop, I32), c.lanes)
        places = [(row, v * c.lanes) for row in range(ROWS) for v in range(VECTORS)]
        offsets = [build.add(build.mul(stride, I64(row)), I64(col)) for row, col in places]
        start = [c.vector(offset) for offset in offsets]
        before, loop, done = build.block, *(build.append_basic_block(n) for n in ("loop", "done"))
        build.branch(loop)
        build.position_at_end(loop)
        k, sums = build.phi(I64), [build.phi(first.type) for first in start]
        stepped = _step(build, a, b, k, sums, lambda x: rounded(build, x, drops))
        following = build.add(k, I64(1))
        for phi, first, again in zip([k, *sums], [I64(0), *start], [following, *stepped],
                                     strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(again, loop)
        build.cbranch(build.icmp_signed("<", following, depth), loop, done)
        build.position_at_end(done)
        for value, offset in zip(stepped, offsets, strict=True):
            c.store(value, offset)
        return context.get_dummy_value()
    return generate


def _step(build: Any, a: Memory, b: Memory, k: Any, sums: list[Any],
          rounded: Callable[[Any], Any]) -> list[Any]:
    """Sums of a tile after the products of one k."""
    row, column = build.mul(k, I64(VECTORS * b.lanes)), build.mul(k, I64(ROWS))
    right = [b.vector(build.add(row, I64(v * b.lanes))) for v in range(VECTORS)]
    left = [a.splat(build.add(column, I64(r))) for r in range(ROWS)]
    products = [build.fmul(x, y, flags=_FUSED) for x in left for y in right]
    return [rounded(build.fadd(total, product, flags=_FUSED))
            for total, product in zip(sums, products, strict=True)]


_TILE = types.void(*[types.intp] * 6)


@intrinsic
def _tile_kept(typing: Any, a: Any, b: Any, c: Any, depth: Any, stride: Any, drop: Any) -> Any:
    """Tile of binary32 sums."""
    return _TILE, _tile(F32, _kept)


@intrinsic
def _tile_short(typing: Any, a: Any, b: Any, c: Any, depth: Any, stride: Any, drop: Any) -> Any:
    """Tile of sums that are rounded to fewer bits."""
    return _TILE, _tile(F32, _shortened)


@intrinsic
def _tile_half(typing: Any, a: Any, b: Any, c: Any, depth: Any, stride: Any, drop: Any) -> Any:
    """Tile of sums that are rounded to binary16."""
    return _TILE, _tile(F32, _halved)


@intrinsic
def _tile_saturated(typing: Any, a: Any, b: Any, c: Any, depth: Any, stride: Any, drop: Any
                    ) -> Any:
    """Tile of sums that are rounded to binary16 and saturate."""
    return _TILE, _tile(F32, _saturated)


@intrinsic
def _tile_double(typing: Any, a: Any, b: Any, c: Any, depth: Any, stride: Any, drop: Any) -> Any:
    """Tile of binary64 sums."""
    return _TILE, _tile(F64, _kept)


@njit(nogil=True, cache=True)
def _pack_rows(codes: Any, table: Any, out: Any) -> None:
    """Decode ``codes`` (M, K) into ``out`` (parts, K, rows of a part); zeros fill it up."""
    for part in range(out.shape[0]):
        for lane in range(out.shape[2]):
            row = part * out.shape[2] + lane
            for k in range(out.shape[1]):
                out[part, k, lane] = table[codes[row, k]] if row < codes.shape[0] else 0


@njit(nogil=True, cache=True)
def _pack_cols(codes: Any, table: Any, out: Any, first: Any) -> None:
    """Decode ``codes`` (K, N) from part ``first`` on into ``out`` (parts, K, columns of a part)."""
    for part in range(out.shape[0]):
        left = (first + part) * out.shape[2]
        width = min(out.shape[2], codes.shape[1] - left)
        for k in range(out.shape[1]):
            row, given = out[part, k], codes[k, left:left + width]
            for lane in range(width):
                row[lane] = table[given[lane]]
            row[width:] = 0


@njit(nogil=True, cache=True)
def _multiply(a: Any, b: Any, c: Any, drop: Any) -> None:
    """Add packed operands to ``c``; tiles that reach beyond it are worked on elsewhere."""
    size, depth, height, width = c.itemsize, a.shape[1], a.shape[2], b.shape[2]
    edge = np.zeros((height, width), c.dtype)
    for j in range(b.shape[0]):
        for i in range(a.shape[0]):
            part = c[i * height:(i + 1) * height, j * width:(j + 1) * width]
            rows, cols = part.shape
            inside = rows == height and cols == width
            if not inside:
                edge[:rows, :cols] = part
            x = a.ctypes.data + size * i * depth * height
            y = b.ctypes.data + size * j * depth * width
            z = part.ctypes.data if inside else edge.ctypes.data
            stride = c.shape[1] if inside else width
            if size == 8:
                _tile_double(x, y, z, depth, stride, drop)
            elif drop == 0:
                _tile_kept(x, y, z, depth, stride, drop)
            elif drop == HALF:
                _tile_half(x, y, z, depth, stride, drop)
            elif drop == HALF_SATURATED:
                _tile_saturated(x, y, z, depth, stride, drop)
            else:
                _tile_short(x, y, z, depth, stride, drop)
            if not inside:
                part[:] = edge[:rows, :cols]


def chain(a: NDArray, b: NDArray, table_a: NDArray, table_b: NDArray, drop: int) -> NDArray:
    """As `sim.fast.kernels.Kernels.chain`."""
    (rows, depth), cols = a.shape, b.shape[1]
    width = BYTES // table_a.itemsize * VECTORS
    across = -(-cols // width)
    out = np.zeros((rows, cols), table_a.dtype)
    for k in range(0, depth, DEPTH):
        part = slice(k, min(k + DEPTH, depth))
        y = np.empty((across, part.stop - k, width), table_b.dtype)

        def pack(parts: slice, part: slice = part, y: NDArray = y) -> None:
            _pack_cols(b[part], table_b, y[parts], parts.start)

        def work(block: slice, part: slice = part, y: NDArray = y) -> None:
            count = -(-(block.stop - block.start) // ROWS)
            x = np.empty((count, part.stop - part.start, ROWS), table_a.dtype)
            _pack_rows(a[block, part], table_a, x)
            _multiply(x, y, out[block], drop)

        by_rows(across, pack, products=b.size)
        by_rows(rows, work, products=rows * b.size, multiple=ROWS)
    return out


def exact(a: NDArray, b: NDArray, table_a: NDArray, table_b: NDArray) -> NDArray:
    """As `sim.fast.kernels.Kernels.exact`."""
    return chain(a, b, table_a, table_b, 0)
