# SPDX-License-Identifier: Apache-2.0
"""Codes side by side in 64-bit words, and back."""

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.rtl.model import Words

__all__ = ["Codes", "pack", "unpack"]

Codes = npt.NDArray[Any]

#: Widths of codes that are numbers in memory.
WHOLE = (8, 16, 32)


def pack(codes: Codes, width: int) -> Words:
    """Codes of ``width`` bits side by side along the last axis, the first one in the low bits."""
    if width in WHOLE and codes.dtype != object:
        return _padded(np.ascontiguousarray(codes.astype(f"<u{width // 8}")).view(np.uint8))
    codes = codes.astype(np.uint64 if width <= 64 else object)
    places = np.arange(width).astype(codes.dtype)
    bits = (codes[..., None] >> places & codes.dtype.type(1)).astype(np.uint8)
    bits = bits.reshape(*codes.shape[:-1], -1)
    return _padded(np.packbits(bits, axis=-1, bitorder="little"))


def _padded(octets: npt.NDArray[np.uint8]) -> Words:
    """Words of octets along the last axis, filled up with zeros."""
    spare = np.zeros((*octets.shape[:-1], -octets.shape[-1] % 8), np.uint8)
    return np.ascontiguousarray(np.concatenate([octets, spare], axis=-1)).view("<u8")


def unpack(words: Words, width: int, count: int) -> Codes:
    """``count`` codes of ``width`` bits from each row of words, (rows, count)."""
    raw = np.ascontiguousarray(words.reshape(len(words), -1), dtype="<u8").view(np.uint8)
    if width in WHOLE:
        return raw.view(f"<u{width // 8}")[:, :count].astype("<u8")
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
