# SPDX-License-Identifier: Apache-2.0
"""OCP MX block formats: 32 neighbours along an axis share a power-of-two scale.

OCP Microscaling (MX) 1.0, section 6.3: the scale's exponent is that of the largest magnitude in the
block minus that of the element format's largest value. Elements are divided by the scale, rounded
to nearest even and saturated. Scales are E8M0: 2**-127 to 2**127, one byte each; 0xFF is NaN.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hw.spec import Format
from hw.spec.errors import require
from sim.codes import NDArray, as_format
from sim.convert import as_numbers
from sim.quantize.nearest import codes_of, values_of

Floats = npt.NDArray[np.float64]

#: Numbers that share a scale.
BLOCK = 32
#: Exponent of code 0 of E8M0, and the code of NaN.
E8M0_BIAS, E8M0_NAN = 127, 0xFF
#: Element formats by the name of the block format (MX 1.0, table 1).
MX = {
    "mxfp8_e4m3": "e4m3",
    "mxfp8_e5m2": "e5m2",
    "mxfp6_e2m3": "e2m3",
    "mxfp6_e3m2": "e3m2",
    "mxfp4": "e2m1",
    "mxint8": "int8m6",
}


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Blocks:
    """Codes of the elements and of the scales.

    Attributes
    ----------
    fmt
        Format of the elements.
    codes
        Codes of the elements, in the shape of the numbers.
    scales
        E8M0 codes, uint8, one for each block along ``axis``; the last block may be shorter.
    axis
        Axis along which 32 neighbours share a scale.
    """

    fmt: Format
    codes: NDArray
    scales: npt.NDArray[np.uint8]
    axis: int

    def __repr__(self) -> str:
        sides = "x".join(map(str, self.codes.shape))
        return f"Blocks({self.fmt.name!r}, {sides}, axis={self.axis})"


def encode_blocks(x: npt.ArrayLike, fmt: Format | str, axis: int = -1) -> Blocks:
    """Encode ``x`` in blocks of 32 along ``axis``. ``fmt`` is an element format or a key of `MX`.

    A block with a NaN or an infinity gets the scale NaN and elements 0. A block of zeros gets the
    smallest scale, 2**-127. Signed integers are symmetric: the lowest code is not used.
    """
    fmt = as_format(MX.get(fmt, fmt) if isinstance(fmt, str) else fmt)
    moved = np.moveaxis(as_numbers(x, "Values").astype(np.float64), axis, -1)
    require(moved.shape[-1] > 0, "Values shape", f"at least 1 along axis {axis}", moved.shape)
    blocks = _cut(moved)
    largest = abs(blocks).max(axis=-1)
    broken = ~np.isfinite(largest)
    exponent = np.frexp(np.where(broken, 0, largest))[1] - 1 - (np.frexp(fmt.max)[1] - 1)
    exponent = np.where(largest == 0, -E8M0_BIAS, np.clip(exponent, -E8M0_BIAS, E8M0_BIAS))
    scaled = np.ldexp(np.where(broken[..., None], 0, blocks), -exponent[..., None])
    if fmt.is_integer and fmt.signed:
        scaled = np.clip(scaled, -fmt.max, fmt.max)
    codes = codes_of(scaled, fmt).reshape(*moved.shape[:-1], -1)[..., : moved.shape[-1]]
    scales = np.where(broken, E8M0_NAN, exponent + E8M0_BIAS).astype(np.uint8)
    return Blocks(fmt, np.moveaxis(codes, -1, axis), np.moveaxis(scales, -1, axis), axis)


def decode_blocks(blocks: Blocks) -> Floats:
    """Decode blocks to numbers. A block whose scale is NaN decodes to NaN."""
    axis = blocks.axis
    values = np.moveaxis(values_of(blocks.codes, blocks.fmt), axis, -1)
    scales = scale_values(np.moveaxis(blocks.scales, axis, -1))
    spread = np.repeat(scales, BLOCK, axis=-1)[..., : values.shape[-1]]
    return np.moveaxis(values * spread, -1, axis)


def scale_values(scales: npt.NDArray[np.uint8]) -> Floats:
    """Values of E8M0 codes."""
    powers = np.ldexp(1.0, scales.astype(np.int64) - E8M0_BIAS)
    return np.where(scales == E8M0_NAN, np.nan, powers)


def _cut(x: Floats) -> Floats:
    """Split the last axis into blocks on a new axis, padding the last block with zeros."""
    missing = -x.shape[-1] % BLOCK
    if missing:
        x = np.concatenate([x, np.zeros((*x.shape[:-1], missing))], axis=-1)
    return x.reshape(*x.shape[:-1], -1, BLOCK)
