# SPDX-License-Identifier: Apache-2.0
"""Output stages with a binary32 scale as compiled RTL against the golden model."""

import numpy as np
import pytest

from hw.spec import FixedAccumulator, parse_output
from tests.support.output_checks import Case, OutputBench
from tests.support.rounding_cases import corner_scales, near_ties, random_scales

SEED = 23
HALVES = [parse_output(f"{text},scale=fp32") for text in (
    "e4m3,from=fp16", "e4m3,from=bf16,saturate=no", "e5m2,from=fp16,saturate=no",
    "e4m3fnuz,from=bf16", "int8,from=fp16,zero_point=yes", "fp16,from=bf16,saturate=no",
    "fp32,from=fp16,saturate=no", "e2m1,from=bf16")]
#: Sums that are saturated and that overflow, integers, the narrowest format.
FEW = [HALVES[place] for place in (0, 2, 4, 7)]
FIXED = [parse_output(f"{text},scale=fp32") for text in (
    "e2m1,from=fx12m3,flags=2", "fp16,from=fx9p3,flags=2,saturate=no", "int16,from=fx12m140",
    "int8,from=fx17,flags=1,zero_point=yes")]
#: Their multipliers take a while to compile.
WIDE = [parse_output(f"{text},scale=fp32") for text in (
    "e4m3,from=fp32", "fp32,from=fp32,saturate=no", "uint8,from=fp32,zero_point=yes",
    "e5m2,from=aligned:13", "bf16,from=int32,flags=2,saturate=no", "e4m3,from=fx49m18,flags=1",
    "int8,from=fx28,zero_point=yes")]


def _case(draw, spec, sums, scales):
    """Case with zero points and flags where the stage has them."""
    count, point = len(sums), 0
    if spec.zero_point:
        point = draw.integers(spec.to.min_units, spec.to.max_units + 1, size=count)
        point[::7], point[1::7] = spec.to.min_units, spec.to.max_units
    flags = draw.choice({0: [0], 1: [0, 0, 3], 2: [0, 0, 0, 1, 2, 3]}[spec.flag_bits], size=count)
    return Case(spec, sums, scales, point, flags)


@pytest.mark.slow
def test_every_16_bit_sum_with_corner_scales(tmp_path):
    draw = np.random.default_rng(SEED)
    sums, scales = corner_scales(np.arange(1 << 16))
    cases = [_case(draw, spec, sums, scales) for spec in HALVES]
    assert OutputBench(HALVES, tmp_path).check(cases) == 8 * 26 << 16


@pytest.mark.parametrize(("specs", "optimize"), [
    (FEW, "-O0"), pytest.param(HALVES, "-O1", marks=pytest.mark.slow)], ids=["few", "all"])
def test_every_16_bit_sum_with_random_scales(specs, optimize, tmp_path):
    draw = np.random.default_rng(SEED)
    sums = np.arange(1 << 16)
    cases = [_case(draw, spec, sums, random_scales(draw, sums.size)) for spec in specs]
    assert OutputBench(specs, tmp_path, optimize).check(cases) == len(specs) << 16


@pytest.mark.parametrize(("specs", "count", "optimize"), [
    (FIXED, 8_000, "-O0"), *(pytest.param(*case, marks=pytest.mark.slow) for case in (
        (FIXED, 20_000, "-O0"), (WIDE, 150_000, "-O1")))], ids=["few fixed", "fixed", "wide"])
def test_other_sums_with_random_scales(specs, count, optimize, tmp_path):
    draw, bench = np.random.default_rng(SEED), OutputBench(specs, tmp_path, optimize)
    cases = [_case(draw, spec, *_wide(draw, spec, count)) for spec in specs]
    assert bench.check(cases) == len(specs) * count


def _wide(draw, spec, count):
    """Sums and scales: of every length and near ties in fixed point, any code in floating point."""
    acc, scales = spec.source, random_scales(draw, count)
    if not isinstance(acc, FixedAccumulator):
        return draw.integers(0, 1 << acc.width, size=count), scales
    shifts = draw.integers(0, acc.width, size=count).tolist()
    sums = [(int.from_bytes(draw.bytes(8), "little") % (1 << acc.width) + acc.min) >> shift
            for shift in shifts]
    sums[:4] = acc.min, acc.max, 0, -1
    sums[-count // 4:], scales[-count // 4:] = near_ties(draw, acc, -(-count // 4))
    return np.array(sums), scales
