# SPDX-License-Identifier: Apache-2.0
"""Split a matrix product into stream beats of an array, and pack codes into words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec, Dataflow, SpecError
from sim.outputs import settings

__all__ = [
    "A",
    "ArrayProduct",
    "B",
    "Beats",
    "C",
    "Codes",
    "Words",
    "a_beats",
    "b_beats",
    "beats",
    "filled",
    "pack",
    "stage_settings",
    "tile_words",
    "unpack",
]

Codes = npt.NDArray[Any]
#: 64-bit words, a row of them for each value that is wider, low word first.
Words = npt.NDArray[np.uint64]

#: Prefixes of the array's streams.
A, B, C = "s_axis_a", "s_axis_b", "m_axis_c"
#: Bits of A's tuser in a weight-stationary array: start new sums, output the sums.
STARTS, LEAVES = 1, 2


@dataclass(frozen=True, slots=True, repr=False)
class ArrayProduct:
    """Result of a product on an array, and its cycles.

    Attributes
    ----------
    codes
        Results (M, N). Without an output stage: sums as in `sim.matmul`, or their bits as unsigned
        numbers, Python integers beyond 64 bits. With an output stage: its codes.
    flags
        Flags of each result, (M, N).
    cycles
        Clock cycles from the first operand beat to the last beat of C, both included. An engine
        reports its own count.
    """

    codes: Codes
    flags: npt.NDArray[Any]
    cycles: int

    def __repr__(self) -> str:
        m, n = self.codes.shape
        return f"ArrayProduct({m}x{n} {self.codes.dtype}, {self.cycles:,} cycles)"


@dataclass(frozen=True, slots=True)
class Beats:
    """Beats of A and B with their sidebands, and the place of each beat of C in the product.

    Beat i of C is row ``rows[i]`` of the column strip ``tiles[i]``, ``cols`` columns wide. It is
    the last one of a tile if ``ends[i]``. ``shape`` is the shape of the padded product.
    """

    sources: dict[str, Words]
    last: dict[str, npt.NDArray[np.bool_]]
    user: dict[str, Words]
    rows: npt.NDArray[np.int64]
    tiles: npt.NDArray[np.int64]
    ends: npt.NDArray[np.bool_]
    shape: tuple[int, int]

    def product(self, values: Codes) -> Codes:
        """Product from the values in the beats of C, (beats, cols)."""
        whole = np.zeros(
            (self.shape[0], self.shape[1] // values.shape[1], values.shape[1]), values.dtype
        )
        whole[self.rows, self.tiles] = values
        return whole.reshape(self.shape)

    def rows_of(self, whole: Codes) -> Codes:
        """Values in the beats of C, (beats, cols), from a matrix of `shape`."""
        across = int(self.tiles.max()) + 1
        return whole.reshape(self.shape[0], across, -1)[self.rows, self.tiles]


#: Codes of the scales of blocks of A and B, (M, blocks) and (blocks, N); None without scales.
Scales = tuple[Codes, Codes] | None


def beats(spec: ArraySpec, a: Codes, b: Codes, scales: Scales = None) -> Beats:
    """Beats of ``a @ b`` for codes (M, K) and (K, N).

    Edges are padded with code 0; K is padded to whole passes with `MacSpec.neutral`. The scales of
    a block are beside each of its beats.
    """
    return _DATAFLOWS[spec.dataflow](spec, a, b, scales)


def _output_stationary(spec: ArraySpec, a: Codes, b: Codes, scales: Scales) -> Beats:
    """Tiles of ``rows x cols`` results in row-major order, each over the whole of K."""
    a_tiles, b_tiles = a_beats(a, spec), b_beats(b, spec)
    down, across, depth = len(a_tiles), len(b_tiles), a_tiles.shape[1]
    last = np.tile(np.arange(depth) == depth - 1, down * across)
    sources = {
        A: np.repeat(a_tiles, across, axis=0).reshape(len(last), -1),
        B: np.tile(b_tiles, (down, 1, 1)).reshape(len(last), -1),
    }
    user = {}
    if scales is not None and spec.mac.blocks and spec.mac.blocks.scale:
        width, block = spec.mac.blocks.scale.width, np.arange(depth) // spec.block_beats
        of_a = tile_words(scales[0], spec.rows, 1, width)[:, block]
        of_b = tile_words(scales[1].T, spec.cols, 1, width)[:, block]
        user = {
            A: np.repeat(of_a, across, axis=0).reshape(len(last), -1),
            B: np.tile(of_b, (down, 1, 1)).reshape(len(last), -1),
        }
    first, tile, row = (x.ravel() for x in np.indices((down, across, spec.rows)))
    return Beats(
        sources,
        {A: last, B: last},
        user,
        first * spec.rows + row,
        tile,
        row == spec.rows - 1,
        (down * spec.rows, across * spec.cols),
    )


def _weight_stationary(spec: ArraySpec, a: Codes, b: Codes, scales: Scales) -> Beats:
    """Tiles of up to ``depth x cols`` results, each in passes over ``rows`` steps of K."""
    assert spec.depth is not None
    m, across = len(a), -(-b.shape[1] // spec.cols)
    rows, steps = _passes(spec, a, b)
    tiles = [
        (range(top, min(top + spec.depth, m)), tile)
        for top in range(0, m, spec.depth)
        for tile in range(across)
    ]
    order = [(chunk, tile, part) for chunk, tile in tiles for part in range(len(rows))]
    frame = [STARTS * (part == 0) + LEAVES * (part == len(rows) - 1) for *_, part in order]
    sizes = [len(chunk) for chunk, *_ in order]
    last = {A: _ends(sizes), B: _ends([spec.rows] * len(order))}
    sources = {
        B: np.concatenate([steps[part, tile] for _, tile, part in order]),
        A: np.concatenate([rows[part, chunk.start : chunk.stop] for chunk, _, part in order]),
    }
    leaving = [len(chunk) for chunk, _ in tiles]
    return Beats(
        sources,
        last,
        {A: np.repeat(np.array(frame, np.uint64), sizes)},
        np.concatenate([np.array(chunk) for chunk, _ in tiles]),
        np.repeat([tile for _, tile in tiles], leaving),
        _ends(leaving),
        (m, across * spec.cols),
    )


def _passes(spec: ArraySpec, a: Codes, b: Codes) -> tuple[Words, Words]:
    """Beats of A, (passes, M, words), and of B, (passes, tiles across, rows, words)."""
    (m, k), lanes, across = a.shape, spec.mac.lanes, -(-b.shape[1] // spec.cols)
    passes, deep = -(-spec.beats(k) // spec.rows), spec.rows * lanes
    rows, weights = filled(a, (m, passes * deep)), filled(b, (passes * deep, across * spec.cols))
    whole = spec.beats(k) * lanes
    # Padding steps beyond K are groups of their own.
    rows[:, whole:], weights[whole:] = spec.mac.neutral
    rows = rows.reshape(m, passes, deep).swapaxes(0, 1)
    weights = weights.reshape(passes, spec.rows, lanes, across, spec.cols).transpose(0, 3, 1, 4, 2)
    steps = pack(weights.reshape(passes, across, spec.rows, -1), spec.mac.b.width)
    # The last step of K goes first, since it travels farthest.
    return pack(rows, spec.mac.a.width), steps[:, :, ::-1]


def _ends(sizes: list[int]) -> npt.NDArray[np.bool_]:
    """Marks the last beat of each tile, given the sizes of the tiles."""
    ends = np.zeros(sum(sizes), np.bool_)
    ends[np.cumsum(sizes) - 1] = True
    return ends


_DATAFLOWS: dict[Dataflow, Callable[[ArraySpec, Codes, Codes, Scales], Beats]] = {
    Dataflow.OS: _output_stationary,
    Dataflow.WS: _weight_stationary,
}


def a_beats(a: Codes, spec: ArraySpec) -> Words:
    """Beats of A for each row of tiles: (tile rows, beats of K, words)."""
    return tile_words(a, spec.rows, spec.mac.lanes, spec.mac.a.width)


def b_beats(b: Codes, spec: ArraySpec) -> Words:
    """Beats of B for each column of tiles: (tile columns, beats of K, words)."""
    return tile_words(b.T, spec.cols, spec.mac.lanes, spec.mac.b.width)


def tile_words(lines: Codes, slots: int, steps: int, width: int) -> Words:
    """Pack ``steps`` codes from each of ``slots`` lines into words: (line groups, steps, parts)."""
    tiles, beats = (
        -(-size // part) for size, part in zip(lines.shape, (slots, steps), strict=True)
    )
    whole = filled(lines, (tiles * slots, beats * steps))
    words = whole.reshape(tiles, slots, beats, steps).transpose(0, 2, 1, 3)
    return pack(words.reshape(tiles, beats, -1), width)


def stage_settings(
    spec: ArraySpec,
    shape: tuple[int, int],
    given: Beats,
    scale: npt.ArrayLike | None,
    zero_point: npt.ArrayLike,
) -> dict[str, Codes]:
    """Values of the output stages' ports in each beat of C, (beats, cols), by port.

    Arguments are as in `sim.output`, for a product of ``shape``.
    """
    if spec.out is None:
        if scale is not None or np.any(zero_point):
            raise SpecError("Scale and zero point need an array with an output stage")
        return {}
    scales, points = settings(spec.out, shape, scale=scale, zero_point=zero_point)
    return {
        port: given.rows_of(filled(values, given.shape))
        for port, values, width in (
            ("c_scale", scales, spec.out.scale_bits),
            ("c_zero_point", points, spec.out.zero_point_bits),
        )
        if width
    }


def filled(x: Codes, shape: tuple[int, int]) -> Codes:
    """``x`` padded with zeros to ``shape``."""
    whole = np.zeros(shape, x.dtype)
    whole[: x.shape[0], : x.shape[1]] = x
    return whole


#: Code widths that are integer types in memory.
WHOLE = (8, 16, 32)


def pack(codes: Codes, width: int) -> Words:
    """Pack codes of ``width`` bits along the last axis, the first one in the low bits."""
    if width in WHOLE and codes.dtype != object:
        return _padded(np.ascontiguousarray(codes.astype(f"<u{width // 8}")).view(np.uint8))
    codes = codes.astype(np.uint64 if width <= 64 else object)
    places = np.arange(width).astype(codes.dtype)
    bits = (codes[..., None] >> places & codes.dtype.type(1)).astype(np.uint8)
    bits = bits.reshape(*codes.shape[:-1], -1)
    return _padded(np.packbits(bits, axis=-1, bitorder="little"))


def _padded(octets: npt.NDArray[np.uint8]) -> Words:
    """Words from bytes along the last axis, padded with zeros."""
    spare = np.zeros((*octets.shape[:-1], -octets.shape[-1] % 8), np.uint8)
    return np.ascontiguousarray(np.concatenate([octets, spare], axis=-1)).view("<u8")


def unpack(words: Words, width: int, count: int) -> Codes:
    """Unpack ``count`` codes of ``width`` bits from each row of words: (rows, count)."""
    raw = np.ascontiguousarray(words.reshape(len(words), -1), dtype="<u8").view(np.uint8)
    if width in WHOLE:
        return raw.view(f"<u{width // 8}")[:, :count].astype("<u8")
    bits = np.unpackbits(raw, axis=-1, bitorder="little", count=width * count)
    packed = np.packbits(bits.reshape(len(words), count, width), axis=-1, bitorder="little")
    size = 8 * -(-width // 64)
    whole = np.zeros((len(words), count, size), np.uint8)
    whole[..., : packed.shape[-1]] = packed
    if width <= 64:
        codes: Codes = whole.view("<u8")[..., 0]
        return codes
    numbers = [int.from_bytes(code.tobytes(), "little") for code in whole.reshape(-1, size)]
    return np.array(numbers, dtype=object).reshape(len(words), count)
