# SPDX-License-Identifier: Apache-2.0
"""Evaluate the sums of a product: bytes, checksum, and error against FP64.

With an output stage at the array's drain, its codes take the place of the sums.

The bytes of a sum are its bits as an unsigned number, little-endian, in whole bytes.
"""

import argparse
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from hw.progress import Progress
from hw.spec import ArraySpec, Flag, MacSpec, OutputSpec, Scale
from hw.spec.errors import require
from sim.codes import NDArray, code_dtype
from sim.convert import decode, encode, values
from sim.outputs import settings
from sim.tiling import ArrayProduct

#: Rows processed at a time.
ROWS = 256
#: Hexadecimal digits of a checksum.
DIGITS = 16
_SCALED = [scale.value for scale in Scale if scale is not Scale.NONE]


def as_bits(sums: NDArray, width: int) -> NDArray:
    """Sums as unsigned numbers of ``width`` bits. Wider than 64 bits: bytes on a third axis."""
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


def as_integers(results: NDArray, spec: ArraySpec) -> NDArray:
    """Results of an array as integers, so that a negative one is negative.

    Sums have the dtypes of `sim.matmul`. Codes of an output stage have the smallest dtype, signed
    for signed integers.
    """
    width = spec.result_width
    if not spec.result_signed:
        return results.astype(code_dtype(width), copy=False)
    half, mask = 1 << width - 1, (1 << width) - 1
    exact = results.astype(np.int64 if width <= 63 and results.dtype != object else object)
    signed: NDArray = ((exact & mask) ^ half) - half
    if spec.out:
        return signed.astype(f"i{code_dtype(width).itemsize}")
    return signed.astype(np.int64 if width <= 63 else object, copy=False)


def checksum(sums: NDArray, flags: NDArray, unit: MacSpec | ArraySpec) -> str:
    """First digits of the SHA-256 of all bytes of the sums, row by row, then of any flags."""
    width = unit.result_width if isinstance(unit, ArraySpec) else unit.result.width
    digest = hashlib.sha256()
    for top in range(0, len(sums), ROWS):
        bits = as_bits(sums[top : top + ROWS], width)
        if bits.ndim == 2:
            octets = bits.astype(bits.dtype.newbyteorder("<")).view(np.uint8)
            bits = octets.reshape(*bits.shape, -1)[..., : -(-width // 8)]
        digest.update(np.ascontiguousarray(bits).tobytes())
    if unit.flag_bits:
        digest.update(np.ascontiguousarray(flags, np.uint8).tobytes())
    return digest.hexdigest()[:DIGITS]


def relative_error(
    a: NDArray,
    b: NDArray,
    sums: NDArray,
    flags: NDArray,
    mac: MacSpec,
    progress: Progress,
    numbers: Callable[[NDArray], NDArray] | None = None,
) -> float | None:
    """RMS error of the sums, relative to the RMS of the FP64 sums.

    Only sums that are finite in both are compared. None if there are none, or if all FP64 sums are
    zero. ``numbers`` converts the codes of an output stage to sums.
    """
    right = decode(b, mac.b)
    wrong = whole = 0.0
    for top in range(0, len(a), ROWS):
        progress("comparing with FP64")
        rows = slice(top, top + ROWS)
        with np.errstate(invalid="ignore", over="ignore"):
            wanted = decode(a[rows], mac.a) @ right
        got = numbers(sums[rows]) if numbers else values(sums[rows], mac)
        counts = np.isfinite(wanted) & np.isfinite(got) & (flags[rows] == Flag.FINITE)
        wrong += float(((got[counts] - wanted[counts]) ** 2).sum())
        whole += float((wanted[counts] ** 2).sum())
    return None if whole == 0 else float(np.sqrt(wrong / whole))


@dataclass(frozen=True, slots=True)
class Stage:
    """Output stage of a run and its settings.

    Attributes
    ----------
    out
        The stage.
    given
        Its ``scale`` and ``zero_point``, the same for all sums; see `sim.output`.
    """

    out: OutputSpec
    given: dict[str, Any]

    def values(self, codes: NDArray) -> npt.NDArray[np.float64]:
        """Sums for output codes: subtract the zero point, then divide by the scale."""
        to, fmt = self.out.to, self.out.scale_format
        numbers: npt.NDArray[np.float64] = decode(as_bits(codes, to.width), to)
        if self.out.zero_point:
            numbers = numbers - self.given["zero_point"] * 2.0**to.lsb_exp
        if fmt is not None:
            scale = self.given["scale"]
            numbers = numbers / (np.exp2(scale) if fmt.is_integer else decode(scale, fmt))
        return numbers


def write_result(
    file: IO[bytes], suffix: str, product: ArrayProduct, spec: ArraySpec, stage: Stage | None
) -> None:
    """Write a product: values, codes and flags for the suffix ``.npz``, else codes alone.

    Codes are as `as_integers` gives them, in the smallest dtype. Sums beyond 64 bits are bytes of
    two's complement, the lowest first, on a third axis. Values are what the codes stand for; with
    an output stage, the sums that it scaled.
    """
    codes, width = as_integers(product.codes, spec), spec.result_width
    if width > 64:
        size = -(-width // 8)
        raw = b"".join(int(code).to_bytes(size, "little", signed=True) for code in codes.flat)
        kept = np.frombuffer(raw, np.uint8).reshape(*codes.shape, size)
    else:
        sign = "i" if spec.result_signed else "u"
        kept = codes.astype(f"{sign}{code_dtype(width).itemsize}", copy=False)
    if suffix != ".npz":
        np.save(file, kept, allow_pickle=False)
        return
    numbers = stage.values(codes) if stage else values(codes, spec.mac, product.flags)
    np.savez(file, values=numbers, codes=kept, flags=product.flags.astype(np.uint8))


def stage_of(options: argparse.Namespace, spec: ArraySpec) -> Stage | None:
    """Output stage of ``spec`` with checked settings; None if it has none."""
    if spec.out is None:
        return None
    given: dict[str, Any] = {}
    if options.out_scale is not None:
        given["scale"] = _scale(options.out_scale)
    if options.zero_point is not None:
        given["zero_point"] = options.zero_point
    settings(spec.out, (), scale=given.get("scale"), zero_point=given.get("zero_point", 0))
    return Stage(spec.out, given)


def _scale(text: str) -> Any:
    """Exponent for ``pow2``, code of binary32 for ``fp32``."""
    kind, _, value = text.partition(":")
    wanted = f"{' or '.join(f'{name}:VALUE' for name in _SCALED)}, for fp32 finite and not 0"
    try:
        if kind == Scale.POW2.value:
            return int(value)
        number = float(value)
    except ValueError:
        number = 0.0
    code = encode(number if np.isfinite(number) else 0.0, "fp32")
    require(kind in _SCALED and bool(decode(code, "fp32")), "Scale", wanted, text)
    return code
