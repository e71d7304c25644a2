# SPDX-License-Identifier: Apache-2.0
"""Aligned sums in binary32, a tile of them in vector registers, for operands of a small range.

A group of lanes takes two passes. The first finds the place of the largest term of each sum, on
vectors of bytes. The second scales products so that the common place has weight one, cuts them to
integers and adds these. Sums of another shape are left to `sim.fast.compiled_loops`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from sim.codes import NDArray
from sim.fast.rounding import LOWEST_PLACE
from sim.fast.threads import by_rows
from sim.fast.vector_code import BYTES, F32, I32, I64, WIDE, Memory, splat

__all__ = ["aligned_bytes"]

_I8 = ir.IntType(8)
LANES = BYTES // 4
#: Rows and vectors of a tile: a vector of bytes has the places of a row of it.
ROWS, VECTORS = (3 if WIDE else 1), 4
WIDTH = LANES * VECTORS
BIAS, FRACTION = 127, 23
#: A place that is no number's: of sums without any term.
EMPTY = -100


def _loop(build: Any, count: Any, start: list[Any], step: Callable[[Any, list[Any]], list[Any]]
          ) -> list[Any]:
    """What ``step(index, values)`` makes of ``start``, called ``count`` times, at least once."""
    before, body, done = build.block, *(build.append_basic_block(n) for n in ("body", "done"))
    build.branch(body)
    build.position_at_end(body)
    index, phis = build.phi(I64), [build.phi(value.type) for value in start]
    after = step(index, phis)
    following = build.add(index, I64(1))
    for phi, first, again in zip([index, *phis], [I64(0), *start], [following, *after],
                                 strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(again, build.block)
    build.cbranch(build.icmp_signed("<", following, count), body, done)
    build.position_at_end(done)
    return after


def _same(kind: Any, number: int) -> Any:
    """Vector of equal constants."""
    return ir.Constant(kind, [number] * kind.count)


def _largest(build: Any, x: Any, y: Any) -> Any:
    return build.select(build.icmp_signed(">", x, y), x, y)


def _power(build: Any, exponent: Any) -> Any:
    """Two to the ``exponent``, int32, which has the bias added."""
    bits = build.shl(exponent, _same(exponent.type, FRACTION))
    return build.bitcast(bits, ir.VectorType(F32, exponent.type.count))


def _parts(build: Any, row: Any) -> list[Any]:
    """Bytes of a row as vectors of int32."""
    found = []
    for part in range(VECTORS):
        places = ir.Constant(ir.VectorType(I32, LANES), list(range(part * LANES,
                                                                   (part + 1) * LANES)))
        some = build.shuffle_vector(row, ir.Constant(row.type, ir.Undefined), places)
        found.append(build.sext(some, ir.VectorType(I32, LANES)))
    return found


def _joined(build: Any, parts: list[Any]) -> Any:
    """Vectors of int32 as bytes of a row."""
    parts = [build.trunc(part, ir.VectorType(_I8, LANES)) for part in parts]
    while len(parts) > 1:
        count = 2 * parts[0].type.count
        order = ir.Constant(ir.VectorType(I32, count), list(range(count)))
        parts = [build.shuffle_vector(x, y, order)
                 for x, y in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _places(build: Any, sums: list[Any]) -> Any:
    """Units places of a row of sums; that of zero is below `EMPTY`."""
    kind = ir.VectorType(I32, LANES)
    exponents = []
    for value in sums:
        field = build.lshr(build.bitcast(value, kind), _same(kind, FRACTION))
        exponents.append(build.sub(build.and_(field, _same(kind, 255)), _same(kind, BIAS)))
    return _joined(build, exponents)


class _Group:
    """Code of one group of lanes: the operands in memory, and the constants of the unit."""

    def __init__(self, build: Any, args: Any) -> None:
        self.build = build
        self.a, self.b = (Memory(build, address, F32, 4) for address in (args[0], args[2]))
        self.at_a, self.at_b = (Memory(build, address, _I8, 1, WIDTH)
                                for address in (args[1], args[3]))
        self.lanes = args[6]
        self.frac, self.mask = (splat(build, build.trunc(arg, I32), LANES) for arg in args[7:])

    def tops(self, first: Any, tops: list[Any]) -> list[Any]:
        """Largest places of the sums and of the terms from k = ``first`` on."""
        build = self.build

        def step(lane: Any, found: list[Any]) -> list[Any]:
            k = build.add(first, lane)
            right = self.at_b.vector(build.mul(k, I64(WIDTH)))
            column = build.mul(k, I64(ROWS))
            return [_largest(build, top, build.add(right, self.at_a.splat(
                build.add(column, I64(row))))) for row, top in enumerate(found)]

        found = _loop(build, self.lanes, tops, step)
        return [_largest(build, top, _same(top.type, EMPTY)) for top in found]

    def totals(self, first: Any, start: list[Any], scales: list[Any]) -> list[Any]:
        """Integers of the sums and of the terms from k = ``first`` on."""
        build = self.build

        def step(lane: Any, found: list[Any]) -> list[Any]:
            k = build.add(first, lane)
            row, column = build.mul(k, I64(WIDTH)), build.mul(k, I64(ROWS))
            left = [self.a.splat(build.add(column, I64(r))) for r in range(ROWS)]
            right = [self.b.vector(build.add(row, I64(v * LANES))) for v in range(VECTORS)]
            terms = [build.fmul(build.fmul(x, y), scale) for (x, y), scale in zip(
                ((x, y) for x in left for y in right), scales, strict=True)]
            return [build.add(total, build.fptosi(term, total.type))
                    for total, term in zip(found, terms, strict=True)]

        return _loop(build, self.lanes, start, step)

    def step(self, index: Any, sums: list[Any]) -> list[Any]:
        """Sums after the group ``index``."""
        build, first = self.build, self.build.mul(index, self.lanes)
        kind = ir.VectorType(I32, LANES)
        rows = [sums[r * VECTORS:(r + 1) * VECTORS] for r in range(ROWS)]
        tops = [part for top in self.tops(first, [_places(build, row) for row in rows])
                for part in _parts(build, top)]
        up = build.add(self.frac, _same(kind, BIAS))
        down = build.sub(_same(kind, BIAS), self.frac)
        scales = [_power(build, build.sub(up, top)) for top in tops]
        start = [build.fptosi(build.fmul(value, scale), kind)
                 for value, scale in zip(sums, scales, strict=True)]
        back = [_power(build, build.add(down, top)) for top in tops]
        totals = [build.sitofp(total, value.type) for total, value in
                  zip(self.totals(first, start, scales), sums, strict=True)]
        return [build.bitcast(build.and_(build.bitcast(build.fmul(total, scale), kind), self.mask),
                              total.type) for total, scale in zip(totals, back, strict=True)]


@intrinsic
def _tile(typing: Any, a: Any, at_a: Any, b: Any, at_b: Any, c: Any, groups: Any, lanes: Any,
          frac: Any, mask: Any) -> Any:
    """Fill a tile of ``ROWS x WIDTH`` sums from packed operands and their places."""
    def generate(context: Any, build: Any, signature: Any, args: Any) -> Any:
        group, out = _Group(build, args), Memory(build, args[4], F32, 4)
        zero = ir.Constant(ir.VectorType(F32, LANES), [0.0] * LANES)
        sums = _loop(build, args[5], [zero] * (ROWS * VECTORS), group.step)
        for place, value in enumerate(sums):
            out.store(value, I64(place * LANES))
        return context.get_dummy_value()
    return types.void(*[types.intp] * 9), generate


@njit(nogil=True, cache=True)
def _pack(codes: Any, table: Any, places: Any, out: Any, at: Any, first: Any) -> None:
    """Decode ``codes`` (K, N) from part ``first`` on, values and places; zeros fill up."""
    for part in range(out.shape[0]):
        left = (first + part) * out.shape[2]
        for k in range(out.shape[1]):
            for lane in range(out.shape[2]):
                code = 0
                if k < codes.shape[0] and left + lane < codes.shape[1]:
                    code = codes[k, left + lane]
                out[part, k, lane] = table[code]
                at[part, k, lane] = places[code]


@njit(nogil=True, cache=True)
def _multiply(a: Any, at_a: Any, b: Any, at_b: Any, out: Any, lanes: Any, frac: Any,
              mask: Any) -> None:
    """Fill ``out`` (parts of rows, parts of columns, tile) from packed operands."""
    depth = a.shape[1]
    for j in range(out.shape[1]):
        for i in range(out.shape[0]):
            _tile(a.ctypes.data + 4 * i * depth * ROWS, at_a.ctypes.data + i * depth * ROWS,
                  b.ctypes.data + 4 * j * depth * WIDTH, at_b.ctypes.data + j * depth * WIDTH,
                  out.ctypes.data + 4 * (i * out.shape[1] + j) * ROWS * WIDTH,
                  depth // lanes, lanes, frac, mask)


def aligned_bytes(a: NDArray, b: NDArray, tables: list[NDArray], places: list[NDArray], lanes: int,
                  frac: int, kept: int) -> NDArray:
    """As `sim.fast.compiled_loops.aligned` in binary32, for places that fit bytes.

    ``places`` are int8, that of zero `LOWEST_PLACE`.
    """
    (rows, depth), cols = a.shape, b.shape[1]
    down, across = -(-rows // ROWS), -(-cols // WIDTH)
    out = np.empty((down * ROWS, across * WIDTH), np.float32)
    y, at_y = (np.empty((across, depth, WIDTH), kind) for kind in (np.float32, np.int8))
    assert all(place[0] == LOWEST_PLACE for place in places)

    def pack(parts: slice) -> None:
        _pack(b, tables[1], places[1], y[parts], at_y[parts], parts.start)

    def work(block: slice) -> None:
        count = -(-(block.stop - block.start) // ROWS)
        x, at_x = (np.empty((count, depth, ROWS), kind) for kind in (np.float32, np.int8))
        _pack(a[block].T, tables[0], places[0], x, at_x, 0)
        tiles = np.empty((count, across, ROWS, WIDTH), np.float32)
        _multiply(x, at_x, y, at_y, tiles, lanes, frac, -1 << FRACTION - kept)
        part = slice(block.start, block.start + count * ROWS)
        out[part] = tiles.transpose(0, 2, 1, 3).reshape(count * ROWS, -1)

    by_rows(across, pack, products=b.size)
    by_rows(rows, work, products=rows * b.size, multiple=ROWS)
    return out[:rows, :cols]
