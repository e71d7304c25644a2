# SPDX-License-Identifier: Apache-2.0
"""Converts codes of matrices to words of an engine's memories, and back, as in `gemm_map`."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import FixedAccumulator, Flag, Format, GemmSpec, SpecError
from hw.spec.errors import require
from hw.spec.registers import BUS_BITS, Window

Codes = npt.NDArray[Any]
#: Bus words, (words of the memory, bus words of each).
BusWords = npt.NDArray[np.uint32]


def operand(noun: str, values: npt.ArrayLike, fmt: Format) -> Codes:
    """Codes of a matrix as uint64. A signed array for a signed integer format holds the values.

    Raises
    ------
    SpecError
        If ``values`` is not a matrix of codes of ``fmt``.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise SpecError(f"{noun} must be a rectangular array, not {values!r}") from error
    require(
        array.ndim == 2 and 0 not in array.shape,
        f"{noun} shape",
        "that of a matrix with no side of 0",
        array.shape,
    )
    require(array.dtype.kind in "iu", f"{noun} dtype", "an integer type", str(array.dtype))
    as_values = array.dtype.kind == "i" and fmt.is_integer and fmt.signed
    low, high = (fmt.min_units, fmt.max_units) if as_values else (0, (1 << fmt.width) - 1)
    wrong = array[(array < low) | (array > high)]
    require(
        not wrong.size, noun, f"codes from {low} to {high}", int(wrong[0]) if wrong.size else None
    )
    codes: Codes = array.astype(np.int64 if as_values else np.uint64).view(np.uint64)
    return codes & np.uint64((1 << fmt.width) - 1)


def a_words(a: Codes, spec: GemmSpec, window: Window) -> BusWords:
    """Words of memory A for codes (M, K)."""
    rows, steps = spec.array.schedule.a_block
    return _words(a, rows, steps, spec.array.mac.a.width, window)


def b_words(b: Codes, spec: GemmSpec, window: Window) -> BusWords:
    """Words of memory B for codes (K, N)."""
    array = spec.array
    return _words(b.T, array.cols, array.mac.lanes, array.mac.b.width, window)


def _words(lines: Codes, slots: int, steps: int, width: int, window: Window) -> BusWords:
    """Words with ``steps`` codes of each of ``slots`` lines; edges are padded with 0."""
    count, depth = lines.shape
    tiles, beats = -(-count // slots), -(-depth // steps)
    whole = np.zeros((tiles * slots, beats * steps), np.uint64)
    whole[:count, :depth] = lines
    rows = whole.reshape(tiles, slots, beats, steps).transpose(0, 2, 1, 3)
    bits = rows.reshape(tiles * beats, slots * steps, 1) >> np.arange(width, dtype=np.uint64) & 1
    flat = np.zeros((tiles * beats, window.lanes * BUS_BITS), np.uint8)
    flat[:, : slots * steps * width] = bits.reshape(tiles * beats, -1)
    return np.packbits(flat, axis=1, bitorder="little").view("<u4")


def c_values(words: BusWords, spec: GemmSpec, m: int, n: int) -> tuple[Codes, npt.NDArray[Any]]:
    """Results and flags, (M, N), from the words of memory C.

    Fixed-point sums are integers: int64, or Python integers above 63 bits. Other results are codes.
    Flags are those of `hw.spec.Flag`.
    """
    array, cols = spec.array, spec.array.cols
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
    slots = bits[:, : cols * array.slot_width].reshape(-1, array.slot_width)
    signed = array.out is None and isinstance(array.mac.acc, FixedAccumulator)
    values = _numbers(slots[:, : array.result_width], signed=signed)
    flags = np.zeros(values.shape, np.uint8)
    if array.flag_bits:
        start = cols * array.slot_width
        raw = bits[:, start : start + cols * array.flag_bits].reshape(-1, array.flag_bits)
        # A single bit means NaN.
        flags = _numbers(raw, signed=False) * np.uint8(Flag.NAN if array.flag_bits == 1 else 1)
    return values.reshape(m, -1)[:, :n], flags.reshape(m, -1)[:, :n]


def _numbers(bits: npt.NDArray[np.uint8], *, signed: bool) -> Codes:
    """One number per row of bits, low bit first."""
    width = bits.shape[1]
    if width > 63:
        weights = [1 << place for place in range(width)]
        weights[-1] *= -1 if signed else 1
        wide: Codes = bits.astype(object) @ np.array(weights, dtype=object)
        return wide
    whole = np.zeros((len(bits), 64), np.uint8)
    whole[:, :width] = bits
    if signed:
        whole[:, width:] = bits[:, -1:]
    packed = np.packbits(whole, axis=1, bitorder="little").view("<i8")[:, 0]
    if signed:
        return packed.astype(np.int64)
    size = next(size for size in (8, 16, 32, 64) if width <= size)
    return packed.view(np.uint64).astype(f"uint{size}")
