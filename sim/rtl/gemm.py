# SPDX-License-Identifier: Apache-2.0
"""Matrix products of codes on the compiled RTL of an array with AXI4-Stream ports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec
from hw.spec.errors import require
from sim.outputs import settings
from sim.rtl.model import Model, Words
from sim.rtl.tools import RtlError

__all__ = ["A", "B", "C", "Product", "a_beats", "b_beats", "matmul", "pack", "unpack"]

Codes = npt.NDArray[Any]

#: Prefixes of the array's streams.
A, B, C = "s_axis_a", "s_axis_b", "m_axis_c"


@dataclass(frozen=True, slots=True)
class Product:
    """What the RTL computed.

    ``codes`` has the accumulators' bits as unsigned numbers, (M, N), Python integers past 64 bits,
    or the codes of the output stages; ``flags`` the flag bits beside each, (M, N). ``cycles``
    counts from the first operand beat to the last beat of C, both included.
    """

    codes: Codes
    flags: npt.NDArray[np.uint8]
    cycles: int


def matmul(model: Model, spec: ArraySpec, a: npt.ArrayLike, b: npt.ArrayLike, *,
           scale: npt.ArrayLike | None = None, zero_point: npt.ArrayLike = 0,
           stall: Mapping[str, float] | None = None, seed: int = 0) -> Product:
    """Compute ``C[M, N] = A[M, K] @ B[K, N]`` tile by tile, the tiles back to back.

    With output stages the result is that of `sim.output` on these sums.

    Parameters
    ----------
    model
        Compiled array, reset before.
    spec
        What it was generated from.
    a, b
        Codes of the operands, (M, K) and (K, N). Edges are filled up with code 0, which is zero in
        every format.
    scale, zero_point
        What the output stages take, as in `sim.output`; broadcast to (M, N).
    stall, seed
        As in `Model.stream`; without stalls the cycles are those of ``spec.cycles``.

    Raises
    ------
    SpecError
        If the shapes do not fit each other.
    RtlError
        If the streams stop, break the protocol or end a tile in the wrong place.
    """
    a, b = _codes("Operand a", a, spec.mac.a.width), _codes("Operand b", b, spec.mac.b.width)
    require(a.ndim == b.ndim == 2 and a.shape[1:] == b.shape[:1], "Operand shapes",
            "(M, K) and (K, N)", (a.shape, b.shape))
    (m, k), n = a.shape, b.shape[1]
    a_tiles, b_tiles = a_beats(a, spec), b_beats(b, spec)
    down, across = len(a_tiles), len(b_tiles)
    last = np.tile(np.arange(spec.beats(k)) == spec.beats(k) - 1, down * across)
    sources = {A: np.repeat(a_tiles, across, axis=0).reshape(len(last), -1),
               B: np.tile(b_tiles, (down, 1, 1)).reshape(len(last), -1)}
    slowest = 1 - max((stall or {}).values(), default=0)
    order = (down, across, spec.rows, spec.cols)
    beside = _settings(spec, (m, n), order, scale, zero_point)
    ran = model.stream(sources, {C: down * across * spec.rows}, last={A: last, B: last},
                       stall=stall, seed=seed, beside={C: beside},
                       max_cycles=int(1000 + 8 * spec.cycles(m, k, n) / slowest))
    got = ran.received[C]
    if not np.array_equal(got.last, np.arange(len(got.last)) % spec.rows == spec.rows - 1):
        raise RtlError(f"{C}_tlast must be high on the last row of each tile, and is not")
    codes = _results(model, got.data, spec)
    flags = np.zeros_like(codes)
    if got.user is not None:
        flags = unpack(got.user, spec.flag_bits, spec.cols)
    codes, flags = (x.reshape(order).swapaxes(1, 2).reshape(down * spec.rows, -1)[:m, :n]
                    for x in (codes, flags))
    return Product(codes, flags.astype(np.uint8), int(got.cycle[-1] - ran.sent[A][0] + 1))


def _settings(spec: ArraySpec, shape: tuple[int, int], order: tuple[int, int, int, int],
              scale: npt.ArrayLike | None, zero_point: npt.ArrayLike) -> dict[str, Words]:
    """Rows of the ports of the output stages, one for each beat of C."""
    if spec.out is None:
        require(scale is None and not np.any(zero_point), "Scale and zero point",
                "left out without an output stage", (scale, zero_point))
        return {}
    down, across, rows, cols = order
    scales, points = settings(spec.out, shape, scale=scale, zero_point=zero_point)
    found = {}
    for port, values, width in (("c_scale", scales, spec.out.scale_bits),
                                ("c_zero_point", points, spec.out.zero_point_bits)):
        if width:
            filled = _filled(values & (1 << width) - 1, (down * rows, across * cols))
            tiles = filled.reshape(down, rows, across, cols).swapaxes(1, 2)
            found[port] = pack(tiles.reshape(-1, cols), width)
    return found


def _codes(noun: str, values: npt.ArrayLike, width: int) -> Codes:
    """Array of codes of ``width`` bits."""
    codes = np.asarray(values)
    integers = codes.dtype.kind in "iu" or all(isinstance(code, int) for code in codes.flat)
    require(integers, f"{noun} dtype", "an integer type", str(codes.dtype))
    wrong = codes[(codes < 0) | (codes >= 1 << width)]
    require(not wrong.size, noun, f"codes from 0 to {(1 << width) - 1}",
            int(wrong[0]) if wrong.size else 0)
    return codes


def a_beats(a: Codes, spec: ArraySpec) -> Words:
    """Beats of A for each row of tiles: (tiles down, beats of K, words)."""
    lanes, beats = spec.mac.lanes, spec.beats(a.shape[1])
    down = -(-a.shape[0] // spec.rows)
    filled = _filled(a, (down * spec.rows, beats * lanes))
    tiles = filled.reshape(down, spec.rows, beats, lanes).transpose(0, 2, 1, 3)
    return pack(tiles.reshape(down, beats, -1), spec.mac.a.width)


def b_beats(b: Codes, spec: ArraySpec) -> Words:
    """Beats of B for each column of tiles: (tiles across, beats of K, words)."""
    lanes, beats = spec.mac.lanes, spec.beats(b.shape[0])
    across = -(-b.shape[1] // spec.cols)
    filled = _filled(b, (beats * lanes, across * spec.cols))
    tiles = filled.reshape(beats, lanes, across, spec.cols).transpose(2, 0, 3, 1)
    return pack(tiles.reshape(across, beats, -1), spec.mac.b.width)


def _filled(x: Codes, shape: tuple[int, int]) -> Codes:
    """``x`` with zeros behind and below."""
    filled = np.zeros(shape, x.dtype)
    filled[:x.shape[0], :x.shape[1]] = x
    return filled


def pack(codes: Codes, width: int) -> Words:
    """Codes of ``width`` bits side by side along the last axis, the first one in the low bits."""
    codes = codes.astype(np.uint64 if width <= 64 else object)
    places = np.arange(width).astype(codes.dtype)
    bits = (codes[..., None] >> places & codes.dtype.type(1)).astype(np.uint8)
    bits = bits.reshape(*codes.shape[:-1], -1)
    spare = -bits.shape[-1] % 64
    bits = np.concatenate([bits, np.zeros((*bits.shape[:-1], spare), np.uint8)], axis=-1)
    packed = np.packbits(bits, axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8")


def unpack(words: Words, width: int, count: int) -> Codes:
    """``count`` codes of ``width`` bits from each row of words, (rows, count)."""
    raw = np.ascontiguousarray(words.reshape(len(words), -1), dtype="<u8").view(np.uint8)
    bits = np.unpackbits(raw, axis=-1, bitorder="little", count=width * count)
    packed = np.packbits(bits.reshape(len(words), count, width), axis=-1, bitorder="little")
    size = 8 * -(-width // 64)
    whole = np.zeros((len(words), count, size), np.uint8)
    whole[..., :packed.shape[-1]] = packed
    if width <= 64:
        codes: Codes = whole.view("<u8")[..., 0]
        return codes
    numbers = [int.from_bytes(code.tobytes(), "little") for code in whole.reshape(-1, size)]
    return np.array(numbers, dtype=object).reshape(len(words), count)


def _results(model: Model, words: Words, spec: ArraySpec) -> Codes:
    """Results from the beats of C. A slot's bits above the result must repeat its sign, or be 0."""
    slot, width = model.ports[f"{C}_tdata"].width // spec.cols, spec.result_width
    slots = unpack(words, slot, spec.cols)
    if slot == width:
        return slots
    one = 1 if slots.dtype == object else np.uint64(1)
    codes: Codes = slots & ((one << width) - one)
    fill = ((one << (slot - width)) - one) * (codes >> (width - 1)) if spec.result_signed else 0
    if (slots >> width != fill).any():
        raise RtlError(f"{C}_tdata must extend each result to its slot, and does not")
    return codes
