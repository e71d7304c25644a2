# SPDX-License-Identifier: Apache-2.0
"""Real numbers at which rounding to a format can go wrong, and the formats of other libraries."""

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np
from gfloat.types import Domain

from hw.spec import Specials, parse_format

__all__ = ["GFLOAT", "ML_DTYPES", "all_codes", "around", "gfloat_info", "same_values"]

#: Our name to the dtype of ml_dtypes or numpy that has the same codes.
ML_DTYPES = {
    "e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2,
    "e3m4": ml_dtypes.float8_e3m4, "e4m3:ieee": ml_dtypes.float8_e4m3,
    "e4m3fnuz": ml_dtypes.float8_e4m3fnuz, "e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "binary8p4": ml_dtypes.float8_e4m3fnuz, "binary8p3": ml_dtypes.float8_e5m2fnuz,
    "e2m1": ml_dtypes.float4_e2m1fn, "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn, "bf16": ml_dtypes.bfloat16, "fp16": np.float16,
}

#: Formats that gfloat defines itself; the others are described to it by `gfloat_info`.
GFLOAT = {
    "e4m3": gfloat.formats.format_info_ocp_e4m3, "e5m2": gfloat.formats.format_info_ocp_e5m2,
    "e2m1": gfloat.formats.format_info_ocp_e2m1, "e2m3": gfloat.formats.format_info_ocp_e2m3,
    "e3m2": gfloat.formats.format_info_ocp_e3m2, "bf16": gfloat.formats.format_info_bfloat16,
    "fp16": gfloat.formats.format_info_binary16, "fp32": gfloat.formats.format_info_binary32,
    **{f"binary8p{p}{suffix}": gfloat.formats.format_info_p3109(8, p, domain=domain)
       for p in (3, 4, 5, 6) for suffix, domain in (("", Domain.Finite), ("e", Domain.Extended))},
}


def gfloat_info(name):
    """Description for gfloat of the format ``name``."""
    if name in GFLOAT:
        return GFLOAT[name]
    fmt = parse_format(name)
    nans = {Specials.IEEE: (1 << fmt.man_bits) - 1, Specials.FN: 1}
    return gfloat.FormatInfo(
        name=name, k=fmt.width, precision=fmt.precision, bias=fmt.bias, is_signed=fmt.signed,
        domain=Domain.Extended if fmt.has_inf else Domain.Finite, has_nz=fmt.has_minus_zero,
        num_high_nans=nans.get(fmt.specials, 0), has_subnormals=True, is_twos_complement=False)


def all_codes(name):
    """Every code of a format of up to 16 bits, else a sample that has every exponent."""
    fmt = parse_format(name)
    if fmt.width <= 16:
        return np.arange(1 << fmt.width, dtype=np.uint32)
    upper = np.arange(1 << 13, dtype=np.uint32) << fmt.width - 13
    rng = np.random.default_rng(13)
    return np.concatenate([upper | rng.integers(0, 1 << fmt.width - 13, upper.size) * low
                           for low in (0, 1)] + [upper | (1 << fmt.width - 13) - 1])


def around(values):
    """Every value, every midpoint of two neighbours, and the float64 on either side of each.

    Above the largest value the grid goes on for a few steps of the same size, then to very large
    numbers; the smallest subnormal is halved a few times. Both signs, zeros and infinities.
    """
    grid = np.unique(np.abs(values[np.isfinite(values)]))
    step = grid[-1] - grid[-2]
    grid = np.concatenate([grid, grid[-1] + step * np.arange(1, 5)])
    points = np.concatenate([grid, (grid[1:] + grid[:-1]) / 2, grid[-1] * 2.0**np.arange(1, 9),
                             grid[1] * 2.0**-np.arange(1, 5), [1e30, 1e300, 5e-324]])
    points = np.concatenate([points, np.nextafter(points, np.inf), np.nextafter(points, -np.inf)])
    return np.concatenate([points, -points, [0.0, -0.0, np.inf, -np.inf]])


def same_values(x, y):
    """Whether two float64 arrays are equal, zeros by sign and NaN by being NaN."""
    same = (x == y) & (np.signbit(x) == np.signbit(y))
    return bool((same | (np.isnan(x) & np.isnan(y))).all())
