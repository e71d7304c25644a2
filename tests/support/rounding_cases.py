# SPDX-License-Identifier: Apache-2.0
"""Numbers at which rounding can go wrong, reals and scales; the formats of other libraries."""

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np
from gfloat.types import Domain

from hw.spec import FixedAccumulator, OutputSpec, Specials, parse_format

#: Our name to the dtype of ml_dtypes or numpy that has the same codes.
ML_DTYPES = {
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
    "e3m4": ml_dtypes.float8_e3m4,
    "e4m3:ieee": ml_dtypes.float8_e4m3,
    "e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "binary8p4": ml_dtypes.float8_e4m3fnuz,
    "binary8p3": ml_dtypes.float8_e5m2fnuz,
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "bf16": ml_dtypes.bfloat16,
    "fp16": np.float16,
}

#: Formats that gfloat defines itself; the others are described to it by `gfloat_info`.
GFLOAT = {
    "e4m3": gfloat.formats.format_info_ocp_e4m3,
    "e5m2": gfloat.formats.format_info_ocp_e5m2,
    "e2m1": gfloat.formats.format_info_ocp_e2m1,
    "e2m3": gfloat.formats.format_info_ocp_e2m3,
    "e3m2": gfloat.formats.format_info_ocp_e3m2,
    "bf16": gfloat.formats.format_info_bfloat16,
    "fp16": gfloat.formats.format_info_binary16,
    "fp32": gfloat.formats.format_info_binary32,
    **{
        f"binary8p{p}{suffix}": gfloat.formats.format_info_p3109(8, p, domain=domain)
        for p in (3, 4, 5, 6)
        for suffix, domain in (("", Domain.Finite), ("e", Domain.Extended))
    },
}
#: Zero, least and greatest subnormal, least normal, below and above one, two thirds, a power of
#: two, greatest finite, infinity, two NaN; each with both signs.
_MAGNITUDES = (
    0x00000000,
    0x00000001,
    0x007FFFFF,
    0x00800000,
    0x3F7FFFFF,
    0x3F800000,
    0x3F800001,
    0x3F2AAAAB,
    0x3A000000,
    0x7F7FFFFF,
    0x7F800000,
    0x7F800001,
    0x7FC00000,
)
CORNERS = np.array([code | sign for code in _MAGNITUDES for sign in (0, 1 << 31)])
#: Of the significand of binary32.
FACTOR_BITS = 24


def gfloat_info(name):
    """Description for gfloat of the format ``name``."""
    if name in GFLOAT:
        return GFLOAT[name]
    fmt = parse_format(name)
    nans = {Specials.IEEE: (1 << fmt.man_bits) - 1, Specials.FN: 1}
    return gfloat.FormatInfo(
        name=name,
        k=fmt.width,
        precision=fmt.precision,
        bias=fmt.bias,
        is_signed=fmt.signed,
        domain=Domain.Extended if fmt.has_inf else Domain.Finite,
        has_nz=fmt.has_minus_zero,
        num_high_nans=nans.get(fmt.specials, 0),
        has_subnormals=True,
        is_twos_complement=False,
    )


def all_codes(name):
    """Every code of a format of up to 16 bits, else a sample that has every exponent."""
    fmt = parse_format(name)
    if fmt.width <= 16:
        return np.arange(1 << fmt.width, dtype=np.uint32)
    upper = np.arange(1 << 13, dtype=np.uint32) << fmt.width - 13
    rng = np.random.default_rng(13)
    return np.concatenate(
        [upper | rng.integers(0, 1 << fmt.width - 13, upper.size) * low for low in (0, 1)]
        + [upper | (1 << fmt.width - 13) - 1]
    )


def around(values):
    """Every value, every midpoint of two neighbours, and the float64 on either side of each.

    Above the largest value the grid goes on for a few steps of the same size, then to very large
    numbers; the smallest subnormal is halved a few times. Both signs, zeros and infinities.
    """
    grid = np.unique(np.abs(values[np.isfinite(values)]))
    step = grid[-1] - grid[-2]
    grid = np.concatenate([grid, grid[-1] + step * np.arange(1, 5)])
    points = np.concatenate(
        [
            grid,
            (grid[1:] + grid[:-1]) / 2,
            grid[-1] * 2.0 ** np.arange(1, 9),
            grid[1] * 2.0 ** -np.arange(1, 5),
            [1e30, 1e300, 5e-324],
        ]
    )
    points = np.concatenate([points, np.nextafter(points, np.inf), np.nextafter(points, -np.inf)])
    return np.concatenate([points, -points, [0.0, -0.0, np.inf, -np.inf]])


def same_values(x, y):
    """Whether two float64 arrays are equal, zeros by sign and NaN by being NaN."""
    same = (x == y) & (np.signbit(x) == np.signbit(y))
    return bool((same | (np.isnan(x) & np.isnan(y))).all())


def corner_scales(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every sum with every corner: both as flat arrays."""
    return np.tile(sums, len(CORNERS)), np.repeat(CORNERS, len(sums))


def random_scales(draw: np.random.Generator, count: int) -> np.ndarray:
    """Codes of binary32: any at all, near one, corners; a third of each."""
    near = 0x3F800000 + draw.integers(-1 << 27, 1 << 27, size=count)
    signs = draw.integers(0, 2, size=count) << 31
    codes = [draw.integers(0, 1 << 32, size=count), near | signs, draw.choice(CORNERS, size=count)]
    return np.choose(draw.integers(0, 3, size=count), codes)


def near_ties(
    draw: np.random.Generator, acc: FixedAccumulator, count: int
) -> tuple[list[int], np.ndarray]:
    """Sums and scales whose product is a tie of five bits and less than a unit of the scale more.

    The scales have 24 bits, the last one set, so that of a wide sum only the very last bits of the
    product tell it from the tie.
    """
    factors = (draw.integers(1 << 23, 1 << 24, size=count) | 1).tolist()
    ties = (draw.integers(0, 8, size=count) * 2 + 17).tolist()
    sums = [
        -(-(tie << acc.width - 2 + 24 - 5) // factor) * sign
        for tie, factor, sign in zip(
            ties, factors, draw.choice([1, -1], size=count).tolist(), strict=True
        )
    ]
    exponents = draw.integers(80, 160, size=count)
    return sums, exponents << 23 | np.array(factors) & (1 << 23) - 1


def near_float_ties(
    draw: np.random.Generator, spec: OutputSpec, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Codes of a source in floating point and scales whose product is close to a tie.

    The scale is off by less than a power of two, so that each bit of the product decides now and
    then whether it is above the tie.
    """
    fmt, to = spec.source.fmt, spec.to
    bits = to.man_bits + 2
    # Few bits in one factor let few bits of the product remain below a tie.
    mans = draw.integers(0, 1 << fmt.man_bits, size=count)
    mans = (mans & -1 << draw.integers(0, fmt.man_bits, size=count)).tolist()
    fields = draw.integers(0, (1 << fmt.exp_bits) - 1, size=count)
    fields[::4] = 0
    ties = draw.integers(1 << bits - 1, 1 << bits, size=count) | 1
    scales = []
    for man, field, tie, off in zip(
        mans,
        fields.tolist(),
        ties.tolist(),
        draw.integers(-9, 20, size=count).clip(0).tolist(),
        strict=True,
    ):
        sig = man | 1 << fmt.man_bits if field else max(man, 1)
        places = next(k for k in range(64) if (tie << k) // sig >> FACTOR_BITS - 1)
        factor = -(-(tie << places) // sig) + int(draw.integers(-1 << off, 1 << off)) // 2
        scales.append(min(max(factor, 1 << FACTOR_BITS - 1), (1 << FACTOR_BITS) - 1))
    # The exponent brings the product to where the target has numbers.
    low, high = (0, bits) if to.is_integer else (1 - to.bias - to.man_bits, to.bias)
    exponents = np.clip(draw.integers(low, high, size=count) - (fields - fmt.bias) + 127, 1, 254)
    mantissas = np.array(scales) & (1 << FACTOR_BITS - 1) - 1
    signs = draw.integers(0, 2, size=count) * fmt.sign_code
    return fields << fmt.man_bits | mans | signs, exponents << FACTOR_BITS - 1 | mantissas
