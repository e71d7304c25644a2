# SPDX-License-Identifier: Apache-2.0
"""Numbers in blocks: neighbours along an axis, or tiles of a matrix, share a scale.

=========  =====================  ==========================================================
scale      block                  formats
=========  =====================  ==========================================================
``e8m0``   32                     OCP MX: the scale is a power of two
``ue4m3``  16                     NVFP4: the scale is an E4M3 number, beside one FP32 a tensor
``fp32``   128, or 128x128 tiles  DeepSeek-V3: the largest magnitude becomes the format's
=========  =====================  ==========================================================

Elements are divided by their scale, rounded to nearest even and saturated. The codes and scales are
operands of `sim.matmul` on a unit with the same block scale.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hw.spec import BLOCK_SCALES, BlockScale, Format, SpecError
from hw.spec.errors import require, require_int
from sim.codes import NDArray, as_format
from sim.convert import as_numbers, encode
from sim.quantize.nearest import codes_of, nearest, values_of
from sim.vector.blocks import scale_values

Floats = npt.NDArray[np.float64]

#: Numbers that share a scale in OCP MX.
BLOCK = 32
#: Element formats by the name of the block format (MX 1.0, table 1).
MX = {
    "mxfp8_e4m3": "e4m3",
    "mxfp8_e5m2": "e5m2",
    "mxfp6_e2m3": "e2m3",
    "mxfp6_e3m2": "e3m2",
    "mxfp4": "e2m1",
    "mxint8": "int8m6",
}


def _floor(largest: Floats, fmt: Format) -> NDArray:
    """Exponent of the largest magnitude, minus that of the format's largest value."""
    return _log2(largest) - _log2(np.asarray(fmt.max, np.float64))


def _ceil(largest: Floats, fmt: Format) -> NDArray:
    """Smallest exponent with which the largest magnitude does not saturate."""
    floor = _floor(largest, fmt)
    return floor + (np.ldexp(largest, -floor) > fmt.max)


def _even(largest: Floats, fmt: Format) -> NDArray:
    """As `_floor`, of the largest magnitude rounded to the significand of the format."""
    unit = np.ldexp(1.0, _log2(largest) - (fmt.precision - 1))
    return _floor(np.rint(largest / unit) * unit, fmt)


def _double(largest: Floats, fmt: Format) -> NDArray:
    """Twice the scale of `_floor`, so that nothing saturates."""
    return _floor(largest, fmt) + 1


def _log2(x: Floats) -> NDArray:
    exponents: NDArray = np.frexp(x)[1] - 1
    return exponents


#: Rules for the exponent of a power-of-two scale. ``floor`` is that of OCP Microscaling (MX) 1.0,
#: section 6.3, and saturates up to a factor of two; ``ceil`` and ``even`` are those of torchao's
#: MX casts (there RCEIL and EVEN); ``double`` is the scale of AWS Trainium.
RULES: dict[str, Callable[[Floats, Format], NDArray]] = {
    "floor": _floor,
    "ceil": _ceil,
    "even": _even,
    "double": _double,
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
        Codes of the scales, one for each block along ``axis``; the last block may be shorter. Tiles
        have theirs repeated along the other axis, as `sim.matmul` takes them.
    axis
        Axis along which neighbours share a scale.
    block
        Numbers along ``axis`` that share a scale.
    scale
        Format of the scales.
    factor
        Factor of the whole tensor; other than 1 only with ue4m3 scales.
    """

    fmt: Format
    codes: NDArray
    scales: NDArray
    axis: int
    block: int = BLOCK
    scale: BlockScale = BLOCK_SCALES["e8m0"]
    factor: float = 1.0

    def __repr__(self) -> str:
        sides = "x".join(map(str, self.codes.shape))
        return f"Blocks({self.fmt.name!r}, {sides}, axis={self.axis}, scale={self.scale.name!r})"


def encode_blocks(
    x: npt.ArrayLike,
    fmt: Format | str,
    axis: int = -1,
    *,
    block: int = BLOCK,
    scale: BlockScale | str = "e8m0",
    rule: str = "floor",
    tile: int = 1,
) -> Blocks:
    """Encode ``x`` in blocks along ``axis``.

    Parameters
    ----------
    x
        The numbers.
    fmt
        Element format, or a key of `MX`.
    axis
        Axis of a matrix product that is summed over.
    block
        Numbers along ``axis`` that share a scale.
    scale
        Format of the scales, one of `hw.spec.BLOCK_SCALES`. ``e8m0``: see ``rule``. ``ue4m3``: the
        largest magnitude of the block divided by that of the format and by a factor of the whole
        tensor, ``amax / (448 * fmt.max)``, rounded to E4M3. ``fp32``: the largest magnitude
        divided by that of the format, rounded to binary32.
    rule
        How the exponent of an e8m0 scale is chosen; one of `RULES`.
    tile
        Neighbours along the other axis of a matrix that share a scale too: 128 for tiles of
        128x128.

    Notes
    -----
    A block with a NaN or an infinity gets the scale NaN and elements 0. A block of zeros gets the
    smallest e8m0 scale, 2**-127, or the scale 1 (fp32) or 0 (ue4m3). Signed integers are symmetric:
    the lowest code is not used.

    Raises
    ------
    SpecError
        If there are no numbers along ``axis``, or an argument is out of range.
    """
    fmt = as_format(MX.get(fmt, fmt) if isinstance(fmt, str) else fmt)
    if isinstance(scale, str):
        require(scale in BLOCK_SCALES, "Block scale", f"one of {', '.join(BLOCK_SCALES)}", scale)
        scale = BLOCK_SCALES[scale]
    require_int("Block size", block, 1, 1 << 16)
    require_int("Block tile", tile, 1, 1 << 16)
    require(rule in RULES, "Block rule", f"one of {', '.join(RULES)}", rule)
    if rule != "floor" and scale.fmt is not None:
        raise SpecError(f"Block rule {rule} is for e8m0 scales; leave it out with {scale.name}")
    numbers = as_numbers(x, "Values").astype(np.float64)
    require(tile == 1 or numbers.ndim == 2, "Values shape", "a matrix with tiles", numbers.shape)
    moved = np.moveaxis(numbers, axis, -1)
    require(moved.shape[-1] > 0, "Values shape", f"at least 1 along axis {axis}", moved.shape)
    blocks = _cut(moved, block)
    largest = _of_tiles(abs(blocks).max(axis=-1), tile)
    broken = ~np.isfinite(largest)
    codes, values, factor = _scales(np.where(broken, 0, largest), fmt, scale, rule)
    codes = np.where(broken, scale.nan_code, codes).astype(codes.dtype)
    divisor = values * factor
    usable = ~broken & (divisor > 0)
    scaled = np.where(usable[..., None], blocks, 0) / np.where(usable, divisor, 1)[..., None]
    if fmt.is_integer and fmt.signed:
        scaled = np.clip(scaled, -fmt.max, fmt.max)
    elements = codes_of(scaled, fmt).reshape(*moved.shape[:-1], -1)[..., : moved.shape[-1]]
    return Blocks(
        fmt,
        np.moveaxis(elements, -1, axis),
        np.moveaxis(codes, -1, axis),
        axis,
        block,
        scale,
        factor,
    )


def decode_blocks(blocks: Blocks) -> Floats:
    """Decode blocks to numbers. A block whose scale is NaN decodes to NaN."""
    axis = blocks.axis
    values = np.moveaxis(values_of(blocks.codes, blocks.fmt), axis, -1)
    scales = scale_values(np.moveaxis(blocks.scales, axis, -1), blocks.scale)
    spread = np.repeat(scales, blocks.block, axis=-1)[..., : values.shape[-1]]
    return np.moveaxis(values * spread * blocks.factor, -1, axis)


def _scales(
    largest: Floats, fmt: Format, scale: BlockScale, rule: str
) -> tuple[NDArray, Floats, float]:
    """Codes and values of the scales for the largest magnitudes of the blocks; tensor factor."""
    if scale.fmt is None:
        exponent = np.clip(RULES[rule](largest, fmt), -scale.bias, scale.bias)
        exponent = np.where(largest == 0, -scale.bias, exponent)
        return (exponent + scale.bias).astype(np.uint8), np.ldexp(1.0, exponent), 1.0
    if scale.fmt.width < 32:
        whole = float(largest.max(initial=0))
        factor = float(np.float32(whole / (scale.fmt.max * fmt.max))) or 1.0
        values = nearest(largest / (factor * fmt.max), scale.fmt)
        return np.asarray(encode(values, scale.fmt)), values, factor
    single = (largest / fmt.max).astype(np.float32)
    single[single == 0] = 1
    return single.view(np.uint32), single.astype(np.float64), 1.0


def _cut(x: Floats, block: int) -> Floats:
    """Split the last axis into blocks on a new axis, padding the last block with zeros."""
    missing = -x.shape[-1] % block
    if missing:
        x = np.concatenate([x, np.zeros((*x.shape[:-1], missing))], axis=-1)
    return x.reshape(*x.shape[:-1], -1, block)


def _of_tiles(largest: Floats, tile: int) -> Floats:
    """Largest magnitude of each tile, repeated for its rows."""
    if tile == 1:
        return largest
    rows = len(largest)
    padded = np.concatenate([largest, np.zeros((-rows % tile, largest.shape[1]))])
    tops = padded.reshape(-1, tile, largest.shape[1]).max(axis=1)
    return np.repeat(tops, tile, axis=0)[:rows]
