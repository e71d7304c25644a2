# SPDX-License-Identifier: Apache-2.0
"""What one wants to know of the sums of a product: their bytes, a checksum, how far off they are.

The bytes of a sum are its bits as an unsigned number, lowest byte first, in whole bytes.
"""

import hashlib
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from hw.spec import CATALOG, FixedAccumulator, Flag, MacSpec
from sim.codes import NDArray, code_dtype
from sim.convert import decode
from sim.progress import Progress

__all__ = ["as_bits", "checksum", "digits", "relative_error", "values_of_sums"]

#: What the processor decodes by itself.
BINARY32 = CATALOG["fp32"]
#: Rows that are worked on together.
ROWS = 256
#: Hexadecimal digits of a checksum.
DIGITS = 16


def as_bits(sums: NDArray, width: int) -> NDArray:
    """Sums as unsigned numbers of ``width`` bits; beyond 64 bits their bytes on a third axis."""
    if sums.dtype != object and width <= 64:
        bits = sums.astype(np.uint64) & np.uint64((1 << width) - 1)
        return bits.astype(code_dtype(width))
    size, mask = -(-width // 8), (1 << width) - 1
    raw = b"".join((int(number) & mask).to_bytes(size, "little") for number in sums.flat)
    octets = np.frombuffer(raw, np.uint8).reshape(*sums.shape, size)
    if width > 64:
        return octets
    whole = np.zeros((*sums.shape, 8), np.uint8)
    whole[..., :size] = octets
    return whole.view("<u8")[..., 0].astype(code_dtype(width))


def checksum(sums: NDArray, flags: NDArray, mac: MacSpec) -> str:
    """First digits of the SHA-256 of all sums' bytes, row by row, and then of the flags, if any."""
    return digits(sums, flags if mac.flag_bits else None, mac.acc.width)


def digits(sums: NDArray, flags: NDArray | None, width: int) -> str:
    """`checksum` of sums, or of an output stage's codes, of ``width`` bits."""
    digest = hashlib.sha256()
    for top in range(0, len(sums), ROWS):
        bits = as_bits(sums[top:top + ROWS], width)
        if bits.ndim == 2:
            octets = bits.astype(bits.dtype.newbyteorder("<")).view(np.uint8)
            bits = octets.reshape(*bits.shape, -1)[..., :-(-width // 8)]
        digest.update(np.ascontiguousarray(bits).tobytes())
    if flags is not None:
        digest.update(np.ascontiguousarray(flags, np.uint8).tobytes())
    return digest.hexdigest()[:DIGITS]


def relative_error(a: NDArray, b: NDArray, sums: NDArray, flags: NDArray, mac: MacSpec,
                   say: Progress, values: Callable[[NDArray], NDArray] | None = None
                   ) -> float | None:
    """Root mean square of the sums' errors over that of the sums of binary64.

    Only sums count that are finite in both; None if there are none, or all should be zero.
    ``values`` tells what sums an output stage's codes stand for.
    """
    values = values or partial(values_of_sums, mac=mac)
    right = decode(b, mac.b)
    wrong = whole = 0.0
    for top in range(0, len(a), ROWS):
        say("comparing with FP64")
        rows = slice(top, top + ROWS)
        with np.errstate(invalid="ignore", over="ignore"):
            wanted = decode(a[rows], mac.a) @ right
        got = values(sums[rows])
        counts = np.isfinite(wanted) & np.isfinite(got) & (flags[rows] == Flag.FINITE)
        wrong += float(((got[counts] - wanted[counts]) ** 2).sum())
        whole += float((wanted[counts] ** 2).sum())
    return None if whole == 0 else float(np.sqrt(wrong / whole))


def values_of_sums(sums: NDArray, mac: MacSpec) -> npt.NDArray[np.float64]:
    """Sums or their bits as binary64 numbers."""
    acc = mac.acc
    values: npt.NDArray[np.float64]
    if not isinstance(acc, FixedAccumulator):
        if acc.fmt == BINARY32 and sums.dtype == np.uint32:
            values = sums.view(np.float32).astype(np.float64)
        else:
            values = decode(sums, acc.fmt)
        return values
    if sums.dtype == np.int64:  # The sums themselves, as `sim.matmul` has them.
        return np.ldexp(sums.astype(np.float64), acc.lsb)
    numbers, half = sums.astype(object), 1 << acc.width - 1
    if sums.dtype != object or numbers.max(initial=0) >= half:  # Bits, not Python integers.
        numbers = (numbers ^ half) - half
    return np.ldexp(numbers.astype(np.float64), acc.lsb)
