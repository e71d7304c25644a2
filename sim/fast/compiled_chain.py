# SPDX-License-Identifier: Apache-2.0
"""Sums in binary32, in order of k, on the widest vectors of the processor.

A tile of sums stays in vector registers while k runs; operands lie packed in the order in which a
tile takes them. LLVM gets the tile as vector code, which its own vectoriser does not find. A
product is exact, so that fusing it with the addition (``contract``) changes no bit.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir
from numba import njit, types
from numba.extending import intrinsic

from sim.codes import Array
from sim.fast.rounding import HALF
from sim.fast.threads import by_rows

__all__ = ["chain"]

_FEATURES = binding.get_host_cpu_features()
#: Numbers in a vector; rows and vectors of a tile. 32 registers with AVX-512 and on ARM, else 16.
LANES = 16 if _FEATURES.get("avx512f") else 8 if _FEATURES.get("avx") else 4
ROWS, VECTORS = (8, 3) if LANES == 16 or "neon" in _FEATURES else (4, 2)
COLS = LANES * VECTORS
#: Products a sum after which the operands' next part is packed: it stays in the second cache.
DEPTH = 1024

_F32, _I32, _I64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_VECTOR, _INTS = ir.VectorType(_F32, LANES), ir.VectorType(_I32, LANES)
_FUSED = ("contract",)

#: Makes a vector of sums rounded; the last argument is a vector of the bits to drop.
_Round = Callable[[Any, Any, Any], Any]


def _kept(build: Any, x: Any, drop: Any) -> Any:
    """Sums as they are."""
    return x


def _shortened(build: Any, x: Any, drop: Any) -> Any:
    """Sums with ``drop`` bits less, to nearest even; a carry goes on into the exponent."""
    one = ir.Constant(_INTS, [1] * LANES)
    bits = build.bitcast(x, _INTS)
    odd = build.and_(build.lshr(bits, drop), one)
    below_half = build.sub(build.shl(one, build.sub(drop, one)), one)
    mask = build.shl(ir.Constant(_INTS, [-1] * LANES), drop)
    return build.bitcast(build.and_(build.add(build.add(bits, below_half), odd), mask), _VECTOR)


def _halved(build: Any, x: Any, drop: Any) -> Any:
    """Sums rounded to binary16."""
    return build.fpext(build.fptrunc(x, ir.VectorType(ir.HalfType(), LANES)), _VECTOR)


def _splat(build: Any, x: Any) -> Any:
    """Vector of equal elements."""
    vector = ir.VectorType(x.type, LANES)
    first = build.insert_element(ir.Constant(vector, ir.Undefined), x, ir.Constant(_I32, 0))
    return build.shuffle_vector(first, ir.Constant(vector, ir.Undefined),
                                ir.Constant(_INTS, [0] * LANES))


class _Memory:
    """Binary32 numbers at an address that is an integer."""

    def __init__(self, build: Any, address: Any) -> None:
        self.build, self.start = build, build.inttoptr(address, _F32.as_pointer())

    def at(self, index: Any) -> Any:
        """Address of an element."""
        return self.build.gep(self.start, [index], source_etype=_F32)

    def vector(self, index: Any) -> Any:
        """Vector from an element on."""
        place = self.build.bitcast(self.at(index), _VECTOR.as_pointer())
        loaded = self.build.load(place, typ=_VECTOR)
        loaded.align = 4
        return loaded

    def store(self, value: Any, index: Any) -> None:
        """Put a vector there."""
        place = self.build.bitcast(self.at(index), _VECTOR.as_pointer())
        self.build.store(value, place).align = 4


def _tile(rounded: _Round) -> Any:
    """Code generator of a tile: ``c += a @ b`` in order of k, rounded at each step."""
    def generate(context: Any, build: Any, signature: Any, args: Any) -> Any:
        a, b, c = (_Memory(build, address) for address in args[:3])
        depth, stride, drop = args[3:]
        drops = _splat(build, build.trunc(drop, _I32))
        places = [(row, v) for row in range(ROWS) for v in range(VECTORS)]
        offsets = [build.add(build.mul(stride, _I64(row)), _I64(v * LANES)) for row, v in places]
        start = [c.vector(offset) for offset in offsets]
        before, loop, done = build.block, *(build.append_basic_block(n) for n in ("loop", "done"))
        build.branch(loop)
        build.position_at_end(loop)
        k, sums = build.phi(_I64), [build.phi(_VECTOR) for _ in places]
        stepped = _step(build, a, b, k, sums, lambda x: rounded(build, x, drops))
        following = build.add(k, _I64(1))
        for phi, first, again in zip([k, *sums], [_I64(0), *start], [following, *stepped],
                                     strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(again, loop)
        build.cbranch(build.icmp_signed("<", following, depth), loop, done)
        build.position_at_end(done)
        for value, offset in zip(stepped, offsets, strict=True):
            c.store(value, offset)
        return context.get_dummy_value()
    return generate


def _step(build: Any, a: _Memory, b: _Memory, k: Any, sums: list[Any],
          rounded: Callable[[Any], Any]) -> list[Any]:
    """Sums of a tile after the products of one k."""
    row = build.mul(k, _I64(COLS))
    right = [b.vector(build.add(row, _I64(v * LANES))) for v in range(VECTORS)]
    column = build.mul(k, _I64(ROWS))
    left = [_splat(build, build.load(a.at(build.add(column, _I64(r))), typ=_F32))
            for r in range(ROWS)]
    products = [build.fmul(x, y, flags=_FUSED) for x in left for y in right]
    return [rounded(build.fadd(total, product, flags=_FUSED))
            for total, product in zip(sums, products, strict=True)]


_TILE = types.void(*[types.intp] * 6)


@intrinsic
def _tile_kept(typing: Any, a: Any, b: Any, c: Any, depth: Any, stride: Any, drop: Any) -> Any:
    """Tile of binary32 sums."""
    return _TILE, _tile(_kept)


@intrinsic
def _tile_short(typing: Any, a: Any, b: Any, c: Any, depth: Any, stride: Any, drop: Any) -> Any:
    """Tile of sums that are rounded to fewer bits."""
    return _TILE, _tile(_shortened)


@intrinsic
def _tile_half(typing: Any, a: Any, b: Any, c: Any, depth: Any, stride: Any, drop: Any) -> Any:
    """Tile of sums that are rounded to binary16."""
    return _TILE, _tile(_halved)


@njit(nogil=True, cache=True)
def _pack(codes: Any, table: Any, out: Any, across: Any) -> None:
    """Decode ``codes`` into ``out`` (parts, K, width); a part has ``width`` rows, or columns."""
    for part in range(out.shape[0]):
        for lane in range(out.shape[2]):
            index = part * out.shape[2] + lane
            inside = index < (codes.shape[1] if across else codes.shape[0])
            for k in range(out.shape[1]):
                if not inside:
                    out[part, k, lane] = 0
                elif across:
                    out[part, k, lane] = table[codes[k, index]]
                else:
                    out[part, k, lane] = table[codes[index, k]]


@njit(nogil=True, cache=True)
def _multiply(a: Any, b: Any, c: Any, drop: Any) -> None:
    """Add packed operands to ``c``, whose sides are multiples of a tile's."""
    size, stride, depth = 4, c.shape[1], a.shape[1]
    for j in range(b.shape[0]):
        for i in range(a.shape[0]):
            x = a.ctypes.data + size * i * depth * ROWS
            y = b.ctypes.data + size * j * depth * COLS
            z = c.ctypes.data + size * (i * ROWS * stride + j * COLS)
            if drop == 0:
                _tile_kept(x, y, z, depth, stride, drop)
            elif drop == HALF:
                _tile_half(x, y, z, depth, stride, drop)
            else:
                _tile_short(x, y, z, depth, stride, drop)


def chain(a: Array, b: Array, table_a: npt.NDArray[np.float32], table_b: npt.NDArray[np.float32],
          drop: int) -> npt.NDArray[np.float32]:
    """As `sim.fast.kernels.Kernels.chain`."""
    (rows, depth), cols = a.shape, b.shape[1]
    down, across = -(-rows // ROWS), -(-cols // COLS)
    out = np.zeros((down * ROWS, across * COLS), np.float32)
    for k in range(0, depth, DEPTH):
        part = slice(k, min(k + DEPTH, depth))
        y = np.empty((across, part.stop - k, COLS), np.float32)
        _pack(b[part], table_b, y, True)

        def work(block: slice, part: slice = part, y: Array = y) -> None:
            count = -(-(block.stop - block.start) // ROWS)
            x = np.empty((count, part.stop - part.start, ROWS), np.float32)
            _pack(a[block, part], table_a, x, False)
            _multiply(x, y, out[block.start:block.start + count * ROWS], drop)

        by_rows(rows, work, multiple=ROWS)
    return out[:rows, :cols]
