# SPDX-License-Identifier: Apache-2.0
"""Sums in order of k, computed in tiles in vector registers. Needs the extra ``fast``.

Tiles are generated as LLVM vector code, because LLVM's vectoriser does not produce it. Operands are
packed in the order in which a tile reads them. There are two kinds of tiles:

- chains in rounded binary32 or exact binary64. Products are exact, so fusing them with the addition
  (``contract``) changes no bit;
- aligned sums in binary32, for operands of a small range. A group of lanes takes two passes. The
  first finds the place of the largest term of each sum, in vectors of bytes. The second scales the
  products so that the common lsb has weight one, truncates them to integers and adds them.

All vector code is in this file, because numba caches compiled kernels by source file.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.extending import intrinsic

from hw.spec import ScaleOrder
from sim.codes import NDArray
from sim.fast import loops
from sim.fast.numbers import HALF, HALF_MAX, HALF_SATURATED, LOWEST_PLACE, Float64Rounding
from sim.fast.threads import by_rows

_FEATURES = binding.get_host_cpu_features()
#: Bytes of a vector, and whether there are 32 vector registers (AVX-512, ARM) instead of 16.
BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx") else 16
WIDE = BYTES == 64 or "neon" in _FEATURES
F32, F64 = ir.FloatType(), ir.DoubleType()
I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_SIZES = {F32: 4, F64: 8, I8: 1}


def splat(build: Any, x: Any, count: int) -> Any:
    """Vector of ``count`` equal elements."""
    vector = ir.VectorType(x.type, count)
    first = build.insert_element(ir.Constant(vector, ir.Undefined), x, ir.Constant(I32, 0))
    return build.shuffle_vector(
        first,
        ir.Constant(vector, ir.Undefined),
        ir.Constant(ir.VectorType(I32, count), [0] * count),
    )


def same(kind: Any, number: float) -> Any:
    """Vector of equal constants."""
    return ir.Constant(kind, [number] * kind.count)


class Memory:
    """Numbers of one type at an integer address, accessed ``lanes`` at a time."""

    def __init__(self, build: Any, address: Any, kind: Any, lanes: int = 0) -> None:
        self.build, self.kind, self.size = build, kind, _SIZES[kind]
        self.lanes = lanes or BYTES // self.size
        self.start = build.inttoptr(address, kind.as_pointer())

    def at(self, index: Any) -> Any:
        """Address of an element."""
        return self.build.gep(self.start, [index], source_etype=self.kind)

    def splat(self, index: Any) -> Any:
        """Vector with one element repeated."""
        return splat(self.build, self.build.load(self.at(index), typ=self.kind), self.lanes)

    def vector(self, index: Any) -> Any:
        """Vector that starts at an element."""
        kind = ir.VectorType(self.kind, self.lanes)
        loaded = self.build.load(self.build.bitcast(self.at(index), kind.as_pointer()), typ=kind)
        loaded.align = self.size
        return loaded

    def store(self, value: Any, index: Any) -> None:
        """Store a vector."""
        address = self.build.bitcast(self.at(index), value.type.as_pointer())
        self.build.store(value, address).align = self.size


def loop(
    build: Any, count: Any, start: list[Any], step: Callable[[Any, list[Any]], list[Any]]
) -> list[Any]:
    """Loop: apply ``values = step(index, values)`` ``count`` times (at least once) to ``start``."""
    before, body, done = build.block, *(build.append_basic_block(n) for n in ("body", "done"))
    build.branch(body)
    build.position_at_end(body)
    index, phis = build.phi(I64), [build.phi(value.type) for value in start]
    after = step(index, phis)
    following = build.add(index, I64(1))
    for phi, first, again in zip(
        [index, *phis], [I64(0), *start], [following, *after], strict=True
    ):
        phi.add_incoming(first, before)
        phi.add_incoming(again, build.block)
    build.cbranch(build.icmp_signed("<", following, count), body, done)
    build.position_at_end(done)
    return after


@njit(nogil=True, cache=True)
def _pack_rows(codes: Any, table: Any, out: Any) -> None:
    """Look up ``codes`` (M, K) and write ``out`` (parts, K, rows of a part), padded with code 0."""
    for part in range(out.shape[0]):
        for lane in range(out.shape[2]):
            row = part * out.shape[2] + lane
            for k in range(out.shape[1]):
                out[part, k, lane] = table[codes[row, k]] if row < codes.shape[0] else table[0]


@njit(nogil=True, cache=True)
def _pack_cols(codes: Any, table: Any, out: Any, first: Any) -> None:
    """As `_pack_rows` for ``codes`` (K, N): write (parts, K, columns) from part ``first`` on."""
    for part in range(out.shape[0]):
        left = (first + part) * out.shape[2]
        width = min(out.shape[2], codes.shape[1] - left)
        for k in range(out.shape[1]):
            row, given = out[part, k], codes[k, left : left + width]
            for lane in range(width):
                row[lane] = table[given[lane]]
            row[width:] = table[0]


# Chains.

#: Rows and vectors of a tile.
CHAIN_ROWS, CHAIN_VECTORS = (8, 3) if WIDE else (4, 2)
#: Steps of K for which operands are packed at a time, so that they stay in the L2 cache.
DEPTH = 1024
_FUSED = ("contract",)

#: Rounds a vector of sums. The last argument is a vector with the number of bits to drop.
_Round = Callable[[Any, Any, Any], Any]


def _kept(build: Any, x: Any, drop: Any) -> Any:
    """Sums without rounding."""
    return x


def _shortened(build: Any, x: Any, drop: Any) -> Any:
    """Sums rounded by ``drop`` bits to nearest even. A carry moves into the exponent."""
    one = same(drop.type, 1)
    bits = build.bitcast(x, drop.type)
    odd = build.and_(build.lshr(bits, drop), one)
    below_half = build.sub(build.shl(one, build.sub(drop, one)), one)
    mask = build.shl(same(drop.type, -1), drop)
    return build.bitcast(build.and_(build.add(build.add(bits, below_half), odd), mask), x.type)


def _halved(build: Any, x: Any, drop: Any) -> Any:
    """Sums rounded to binary16."""
    return build.fpext(build.fptrunc(x, ir.VectorType(ir.HalfType(), x.type.count)), x.type)


def _saturated(build: Any, x: Any, drop: Any) -> Any:
    """Sums rounded to binary16; overflow saturates."""
    half = _halved(build, x, drop)
    for relation, largest in ((">", HALF_MAX), ("<", -HALF_MAX)):
        limit = same(half.type, largest)
        half = build.select(build.fcmp_ordered(relation, half, limit), limit, half)
    return half


def _chain_tile(real: Any, rounded: _Round) -> tuple[Any, Any]:
    """Signature and generator of a tile: ``c += a @ b`` in order of k, rounded at each step."""

    def generate(context: Any, build: Any, signature: Any, args: Any) -> Any:
        a, b, c = (Memory(build, address, real) for address in args[:3])
        depth, stride, drop = args[3:]
        drops = splat(build, build.trunc(drop, I32), c.lanes)
        offsets = [
            build.add(build.mul(stride, I64(row)), I64(v * c.lanes))
            for row in range(CHAIN_ROWS)
            for v in range(CHAIN_VECTORS)
        ]

        def step(k: Any, sums: list[Any]) -> list[Any]:
            row = build.mul(k, I64(CHAIN_VECTORS * b.lanes))
            column = build.mul(k, I64(CHAIN_ROWS))
            right = [b.vector(build.add(row, I64(v * b.lanes))) for v in range(CHAIN_VECTORS)]
            left = [a.splat(build.add(column, I64(r))) for r in range(CHAIN_ROWS)]
            products = [build.fmul(x, y, flags=_FUSED) for x in left for y in right]
            return [
                rounded(build, build.fadd(total, product, flags=_FUSED), drops)
                for total, product in zip(sums, products, strict=True)
            ]

        sums = loop(build, depth, [c.vector(offset) for offset in offsets], step)
        for value, offset in zip(sums, offsets, strict=True):
            c.store(value, offset)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6), generate


@intrinsic
def _tile_kept(typing: Any, a: Any, b: Any, c: Any, depth: Any, stride: Any, drop: Any) -> Any:
    return _chain_tile(F32, _kept)


@intrinsic
def _tile_short(typing: Any, a: Any, b: Any, c: Any, depth: Any, stride: Any, drop: Any) -> Any:
    return _chain_tile(F32, _shortened)


@intrinsic
def _tile_half(typing: Any, a: Any, b: Any, c: Any, depth: Any, stride: Any, drop: Any) -> Any:
    return _chain_tile(F32, _halved)


@intrinsic
def _tile_saturated(typing: Any, a: Any, b: Any, c: Any, depth: Any, stride: Any, drop: Any) -> Any:
    return _chain_tile(F32, _saturated)


@intrinsic
def _tile_double(typing: Any, a: Any, b: Any, c: Any, depth: Any, stride: Any, drop: Any) -> Any:
    return _chain_tile(F64, _kept)


@njit(nogil=True, cache=True)
def _chain(a: Any, b: Any, c: Any, drop: Any) -> None:
    """Add products of packed operands to ``c``. Tiles at its edge use separate memory."""
    size, depth, height, width = c.itemsize, a.shape[1], a.shape[2], b.shape[2]
    edge = np.zeros((height, width), c.dtype)
    for j in range(b.shape[0]):
        for i in range(a.shape[0]):
            part = c[i * height : (i + 1) * height, j * width : (j + 1) * width]
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
    width = BYTES // table_a.itemsize * CHAIN_VECTORS
    across = -(-cols // width)
    out = np.zeros((rows, cols), table_a.dtype)
    for k in range(0, depth, DEPTH):
        part = slice(k, min(k + DEPTH, depth))
        y = np.empty((across, part.stop - k, width), table_b.dtype)

        def pack(parts: slice, part: slice = part, y: NDArray = y) -> None:
            _pack_cols(b[part], table_b, y[parts], parts.start)

        def work(block: slice, part: slice = part, y: NDArray = y) -> None:
            count = -(-(block.stop - block.start) // CHAIN_ROWS)
            x = np.empty((count, part.stop - part.start, CHAIN_ROWS), table_a.dtype)
            _pack_rows(a[block, part], table_a, x)
            _chain(x, y, out[block], drop)

        by_rows(across, pack, products=b.size)
        by_rows(rows, work, products=rows * b.size, multiple=CHAIN_ROWS)
    return out


def exact(a: NDArray, b: NDArray, table_a: NDArray, table_b: NDArray) -> NDArray:
    """As `sim.fast.kernels.Kernels.exact`."""
    return chain(a, b, table_a, table_b, 0)


# Sums in blocks.

#: Orders of scales by number, for the compiled loops; 0 is without scales.
ORDERS = {order: index for index, order in enumerate(ScaleOrder, start=1)}
_PRODUCT, _A_FIRST = ORDERS[ScaleOrder.PRODUCT], ORDERS[ScaleOrder.A_FIRST]


class BlockEnd(NamedTuple):
    """The step at the end of a block, for compiled loops.

    Attributes
    ----------
    unit
        Value of one unit of the inner sums.
    order
        One of `ORDERS`, or 0.
    native
        Whether binary32 arithmetic rounds as the outer accumulator does; else ``how`` rounds.
    """

    unit: float
    order: int
    native: bool
    how: Float64Rounding


@njit(nogil=True, cache=True, inline="always")
def _sum_to_odd(x: Any, y: Any) -> Any:
    """Sum rounded to odd; see `sim.vector.blocks`. Without branches, so that LLVM vectorises it."""
    total = x + y
    back = total - x
    error = (x - (total - back)) + (y - back)
    bits = loops.bits_of(total)
    # The error of an infinite sum is NaN, which is neither above nor below 0.
    even = ((error > 0) | (error < 0)) & (bits & 1 == 0)
    toward = 1 if (error > 0) == (total > 0) else -1
    return loops.float_of(bits + (toward if even else 0))


@njit(nogil=True, cache=True)
def end_blocks(outer: Any, inner: Any, a: Any, b: Any, end: Any) -> None:
    """Add inner sums, times the scale ``a[i]`` of a row and ``b[j]`` of a column, to ``outer``.

    The terms are computed first, so that each of the two loops becomes vector code.
    """
    terms, unit = np.empty(outer.shape), end.unit
    rows, cols = outer.shape
    for i in range(rows):
        x = a[i]
        if end.order == _PRODUCT:
            for j in range(cols):
                terms[i, j] = np.float64(inner[i, j]) * unit * np.float64(np.float32(x * b[j]))
        elif end.order == _A_FIRST:
            for j in range(cols):
                terms[i, j] = np.float64(np.float32(np.float64(inner[i, j]) * unit * x)) * b[j]
        else:
            for j in range(cols):
                terms[i, j] = np.float64(inner[i, j]) * unit * x * b[j]
    for i in range(rows):
        if end.native:
            for j in range(cols):
                outer[i, j] = np.float64(np.float32(_sum_to_odd(outer[i, j], terms[i, j])))
        else:
            for j in range(cols):
                outer[i, j] = loops.rounded(_sum_to_odd(outer[i, j], terms[i, j]), end.how)


@njit(nogil=True, cache=True)
def _end_tile(held: Any, sums: Any, terms: Any, a: Any, b: Any, end: Any) -> None:
    """`end_blocks` of a tile, as one row of numbers; ``terms`` is memory for as many."""
    unit, width = end.unit, b.size
    for i in range(a.size):
        x, first = a[i], i * width
        if end.order == _PRODUCT:
            for j in range(width):
                scale = np.float64(np.float32(x * b[j]))
                terms[first + j] = np.float64(sums[first + j]) * unit * scale
        elif end.order == _A_FIRST:
            for j in range(width):
                terms[first + j] = (
                    np.float64(np.float32(np.float64(sums[first + j]) * unit * x)) * b[j]
                )
        else:
            for j in range(width):
                terms[first + j] = np.float64(sums[first + j]) * unit * x * b[j]
    if end.native:
        for j in range(held.size):
            held[j] = np.float64(np.float32(_sum_to_odd(held[j], terms[j])))
    else:
        for j in range(held.size):
            held[j] = loops.rounded(_sum_to_odd(held[j], terms[j]), end.how)


@njit(nogil=True, cache=True)
def _chain_in_blocks(
    a: Any, b: Any, outer: Any, drop: Any, block: Any, scale_a: Any, scale_b: Any, end: Any
) -> None:
    """Add products of packed operands to ``outer``, block by block.

    ``scale_a`` is (parts, blocks, rows of a part), ``scale_b`` (parts, blocks, columns of a part).
    """
    size, depth, height, width = a.itemsize, a.shape[1], a.shape[2], b.shape[2]
    sums, held = np.zeros(height * width, a.dtype), np.zeros((height, width))
    flat, terms = held.reshape(-1), np.empty(height * width)
    for j in range(b.shape[0]):
        for i in range(a.shape[0]):
            part = outer[i * height : (i + 1) * height, j * width : (j + 1) * width]
            rows, cols = part.shape
            held[:rows, :cols] = part
            for index in range(scale_a.shape[1]):
                k = index * block
                length = min(block, depth - k)
                sums[:] = 0
                x = a.ctypes.data + size * (i * depth + k) * height
                y = b.ctypes.data + size * (j * depth + k) * width
                z = sums.ctypes.data
                if size == 8:
                    _tile_double(x, y, z, length, width, drop)
                elif drop == 0:
                    _tile_kept(x, y, z, length, width, drop)
                elif drop == HALF:
                    _tile_half(x, y, z, length, width, drop)
                else:
                    _tile_short(x, y, z, length, width, drop)
                _end_tile(flat, sums, terms, scale_a[i, index], scale_b[j, index], end)
            part[:] = held[:rows, :cols]


def _in_parts(scales: NDArray, size: int) -> NDArray:
    """Scales (blocks, N) as (parts, blocks, ``size``), padded with 1."""
    missing = -scales.shape[1] % size
    padded = np.pad(scales, ((0, 0), (0, missing)), constant_values=1)
    return np.ascontiguousarray(padded.reshape(len(scales), -1, size).transpose(1, 0, 2))


def chain_in_blocks(
    operands: tuple[NDArray, NDArray],
    tables: tuple[NDArray, NDArray],
    drop: int,
    block: int,
    scales: tuple[NDArray, NDArray],
    end: BlockEnd,
) -> NDArray:
    """Outer sums, binary64, of chains that start again with each block; see `chain`.

    ``scales`` are binary64, (M, blocks) and (blocks, N).
    """
    (a, b), (table_a, table_b) = operands, tables
    (rows, depth), cols = a.shape, b.shape[1]
    width = BYTES // table_a.itemsize * CHAIN_VECTORS
    across = -(-cols // width)
    out = np.zeros((rows, cols))
    chunk = max(DEPTH // block, 1) * block
    for k in range(0, depth, chunk):
        part = slice(k, min(k + chunk, depth))
        index = slice(k // block, -(-part.stop // block))
        y = np.empty((across, part.stop - k, width), table_b.dtype)
        left, right = scales[0][:, index].T, _in_parts(scales[1][index], width)

        def pack(parts: slice, part: slice = part, y: NDArray = y) -> None:
            _pack_cols(b[part], table_b, y[parts], parts.start)

        def work(
            some: slice,
            part: slice = part,
            y: NDArray = y,
            left: NDArray = left,
            right: NDArray = right,
        ) -> None:
            count = -(-(some.stop - some.start) // CHAIN_ROWS)
            x = np.empty((count, part.stop - part.start, CHAIN_ROWS), table_a.dtype)
            _pack_rows(a[some, part], table_a, x)
            rows_scale = _in_parts(left[:, some], CHAIN_ROWS)
            _chain_in_blocks(x, y, out[some], drop, block, rows_scale, right, end)

        by_rows(across, pack, products=b.size)
        by_rows(rows, work, products=rows * b.size, multiple=CHAIN_ROWS)
    return out


# Aligned sums.

LANES = BYTES // 4
#: Rows and vectors of a tile. A vector of bytes holds the places of one row.
ROWS, VECTORS = (3 if WIDE else 1), 4
WIDTH = LANES * VECTORS
BIAS, FRACTION = 127, 23
#: Place that no number has, for sums without nonzero terms.
EMPTY = -100


def _largest(build: Any, x: Any, y: Any) -> Any:
    return build.select(build.icmp_signed(">", x, y), x, y)


def _power(build: Any, exponent: Any) -> Any:
    """Two to the power of a biased int32 exponent."""
    bits = build.shl(exponent, same(exponent.type, FRACTION))
    return build.bitcast(bits, ir.VectorType(F32, exponent.type.count))


def _widened(build: Any, row: Any) -> list[Any]:
    """Bytes of a row, widened to vectors of int32."""
    lanes = ir.VectorType(I32, LANES)
    orders = (
        ir.Constant(lanes, list(range(first, first + LANES))) for first in range(0, WIDTH, LANES)
    )
    return [
        build.sext(build.shuffle_vector(row, ir.Constant(row.type, ir.Undefined), order), lanes)
        for order in orders
    ]


def _joined(build: Any, parts: list[Any]) -> Any:
    """Vectors of int32, narrowed to the bytes of a row."""
    parts = [build.trunc(part, ir.VectorType(I8, LANES)) for part in parts]
    while len(parts) > 1:
        count = 2 * parts[0].type.count
        order = ir.Constant(ir.VectorType(I32, count), list(range(count)))
        parts = [
            build.shuffle_vector(x, y, order) for x, y in zip(parts[::2], parts[1::2], strict=True)
        ]
    return parts[0]


def _places(build: Any, sums: list[Any]) -> Any:
    """Units places of a row of sums. The place of zero is below `EMPTY`."""
    kind = ir.VectorType(I32, LANES)
    fields = (build.lshr(build.bitcast(value, kind), same(kind, FRACTION)) for value in sums)
    return _joined(
        build, [build.sub(build.and_(field, same(kind, 255)), same(kind, BIAS)) for field in fields]
    )


class _Group:
    """Code generator for one group of lanes: operands in memory, and constants of the unit."""

    def __init__(self, build: Any, args: Any) -> None:
        self.build = build
        self.a, self.b = (Memory(build, address, F32) for address in (args[0], args[2]))
        self.at_a, self.at_b = (Memory(build, address, I8, WIDTH) for address in (args[1], args[3]))
        self.lanes = args[6]
        self.frac, self.mask = (splat(build, build.trunc(arg, I32), LANES) for arg in args[7:])

    def tops(self, first: Any, tops: list[Any]) -> list[Any]:
        """Largest places of the sums and the terms, from k = ``first`` on."""
        build = self.build

        def step(lane: Any, highest: list[Any]) -> list[Any]:
            k = build.add(first, lane)
            right = self.at_b.vector(build.mul(k, I64(WIDTH)))
            column = build.mul(k, I64(ROWS))
            return [
                _largest(build, top, build.add(right, self.at_a.splat(build.add(column, I64(row)))))
                for row, top in enumerate(highest)
            ]

        return [
            _largest(build, top, same(top.type, EMPTY))
            for top in loop(build, self.lanes, tops, step)
        ]

    def totals(self, first: Any, start: list[Any], scales: list[Any]) -> list[Any]:
        """Sums plus terms as integers, from k = ``first`` on."""
        build = self.build

        def step(lane: Any, totals: list[Any]) -> list[Any]:
            k = build.add(first, lane)
            row, column = build.mul(k, I64(WIDTH)), build.mul(k, I64(ROWS))
            left = [self.a.splat(build.add(column, I64(r))) for r in range(ROWS)]
            right = [self.b.vector(build.add(row, I64(v * LANES))) for v in range(VECTORS)]
            terms = [
                build.fmul(build.fmul(x, y), scale)
                for (x, y), scale in zip(((x, y) for x in left for y in right), scales, strict=True)
            ]
            return [
                build.add(total, build.fptosi(term, total.type))
                for total, term in zip(totals, terms, strict=True)
            ]

        return loop(build, self.lanes, start, step)

    def step(self, index: Any, sums: list[Any]) -> list[Any]:
        """Sums after the group ``index``."""
        build, first = self.build, self.build.mul(index, self.lanes)
        kind = ir.VectorType(I32, LANES)
        rows = [sums[r * VECTORS : (r + 1) * VECTORS] for r in range(ROWS)]
        tops = [
            part
            for top in self.tops(first, [_places(build, row) for row in rows])
            for part in _widened(build, top)
        ]
        up = build.add(self.frac, same(kind, BIAS))
        down = build.sub(same(kind, BIAS), self.frac)
        scales = [_power(build, build.sub(up, top)) for top in tops]
        start = [
            build.fptosi(build.fmul(value, scale), kind)
            for value, scale in zip(sums, scales, strict=True)
        ]
        back = [_power(build, build.add(down, top)) for top in tops]
        totals = [
            build.sitofp(total, value.type)
            for total, value in zip(self.totals(first, start, scales), sums, strict=True)
        ]
        return [
            build.bitcast(
                build.and_(build.bitcast(build.fmul(total, scale), kind), self.mask), total.type
            )
            for total, scale in zip(totals, back, strict=True)
        ]


@intrinsic
def _aligned_tile(
    typing: Any,
    a: Any,
    at_a: Any,
    b: Any,
    at_b: Any,
    c: Any,
    groups: Any,
    lanes: Any,
    frac: Any,
    mask: Any,
) -> Any:
    """Compute a tile of ``ROWS x WIDTH`` sums from packed operands and their places."""

    def generate(context: Any, build: Any, signature: Any, args: Any) -> Any:
        group, out = _Group(build, args), Memory(build, args[4], F32)
        zero = same(ir.VectorType(F32, LANES), 0.0)
        sums = loop(build, args[5], [zero] * (ROWS * VECTORS), group.step)
        for index, value in enumerate(sums):
            out.store(value, I64(index * LANES))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 9), generate


@njit(nogil=True, cache=True)
def _aligned(
    a: Any, at_a: Any, b: Any, at_b: Any, out: Any, lanes: Any, frac: Any, mask: Any
) -> None:
    """Compute ``out`` (parts of rows, parts of columns, tile) from packed operands."""
    depth = a.shape[1]
    for j in range(out.shape[1]):
        for i in range(out.shape[0]):
            _aligned_tile(
                a.ctypes.data + 4 * i * depth * ROWS,
                at_a.ctypes.data + i * depth * ROWS,
                b.ctypes.data + 4 * j * depth * WIDTH,
                at_b.ctypes.data + j * depth * WIDTH,
                out.ctypes.data + 4 * (i * out.shape[1] + j) * ROWS * WIDTH,
                depth // lanes,
                lanes,
                frac,
                mask,
            )


def aligned(
    a: NDArray,
    b: NDArray,
    tables: list[NDArray],
    places: list[NDArray],
    lanes: int,
    frac: int,
    kept: int,
) -> NDArray:
    """As `sim.fast.kernels.Kernels.aligned`. If places do not fit bytes, loops are used."""
    if places[0].dtype != np.int8:
        return loops.aligned(a, b, tables, places, lanes, frac, kept)
    assert all(place[0] == LOWEST_PLACE for place in places)
    (rows, depth), cols = a.shape, b.shape[1]
    down, across = -(-rows // ROWS), -(-cols // WIDTH)
    out = np.empty((down * ROWS, across * WIDTH), np.float32)
    y, at_y = (np.empty((across, depth, WIDTH), kind) for kind in (np.float32, np.int8))

    def pack(parts: slice) -> None:
        _pack_cols(b, tables[1], y[parts], parts.start)
        _pack_cols(b, places[1], at_y[parts], parts.start)

    def work(block: slice) -> None:
        count = -(-(block.stop - block.start) // ROWS)
        x, at_x = (np.empty((count, depth, ROWS), kind) for kind in (np.float32, np.int8))
        _pack_rows(a[block], tables[0], x)
        _pack_rows(a[block], places[0], at_x)
        tiles = np.empty((count, across, ROWS, WIDTH), np.float32)
        _aligned(x, at_x, y, at_y, tiles, lanes, frac, -1 << FRACTION - kept)
        part = slice(block.start, block.start + count * ROWS)
        out[part] = tiles.transpose(0, 2, 1, 3).reshape(count * ROWS, -1)

    by_rows(across, pack, products=b.size)
    by_rows(rows, work, products=rows * b.size, multiple=ROWS)
    return out[:rows, :cols]
