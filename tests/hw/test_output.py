# SPDX-License-Identifier: Apache-2.0
"""Output stages: compiled RTL against the model, and their scales."""

import numpy as np
import pytest

import sim
from hw.spec import CATALOG, FixedAccumulator, parse_output
from tests.support.output_checks import Case, OutputBench, fixed_case, float_case, output_case
from tests.support.rounding_cases import corner_scales, near_ties, random_scales

SEED = 20
TARGETS = ("e4m3", "e5m2", "e3m4", "e2m5", "e2m1", "int8")
MODES = ("", ",saturate=no")
HALVES = [
    parse_output(f"{to},from={source}{mode}")
    for to in TARGETS
    for source in ("fp16", "bf16")
    for mode in MODES
]
HALVES += [
    parse_output(f"{to},from=fp16{mode}")
    for to in ("e4m3fnuz", "binary8p4e", "uint8", "bf16", "fp32", "e4m3:fn-daz")
    for mode in MODES
]
SINGLES = [
    parse_output(f"{to},from=fp32{mode}")
    for to in ("e4m3", "e5m2", "e4m3fnuz", "bf16", "fp16", "int8")
    for mode in MODES
]
SINGLES.append(parse_output("e4m3,from=aligned:13"))
OPTIONS = [
    parse_output(text)
    for text in (
        "int8,from=fp16,zero_point=yes",
        "uint8,from=bf16,zero_point=yes",
        "e4m3,from=fp16,scale=pow2",
        "fp32,from=bf16,scale=pow2",
        "fp16,from=fp32,scale=pow2,saturate=no",
        "int8,from=fp32,scale=pow2,zero_point=yes",
    )
]
FIXED = [
    parse_output(text)
    for text in (
        "e4m3,from=fx49m18,flags=1",
        "e5m2,from=fx77m32,flags=2,saturate=no",
        "fp32,from=fx49m18,flags=1,saturate=no",
        "bf16,from=fx49m18",
        "fp16,from=int32,scale=pow2",
        "int8,from=int32,scale=pow2,zero_point=yes",
        "uint8,from=int32,scale=pow2,zero_point=yes",
        "int8,from=fx49m18,flags=2",
        "e2m1,from=fx12m3,flags=2",
        "fp32,from=fx12m140",
        "e4m3fnuz,from=fx30m11,flags=2,saturate=no",
        "int16,from=fx9p3",
        "e4m3,from=fx9m9",
    )
]
#: One of each kind of source and target.
ALONE = (
    "e4m3,from=fp16",
    "e5m2,from=fp32,saturate=no",
    "e5m2,from=fx77m32,flags=2,saturate=no",
    "int8,from=int32,scale=pow2,zero_point=yes",
    "e4m3,from=fp16,scale=fp32",
    "e5m2,from=fx77m32,flags=2,saturate=no,scale=fp32",
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """All stages in one model."""
    specs = [*HALVES, *SINGLES, *OPTIONS, *FIXED]
    assert len({spec.name for spec in specs}) == len(specs)
    return OutputBench(specs, tmp_path_factory.mktemp("output"))


def test_every_sum_of_16_bits(bench):
    sums = np.arange(1 << 16)
    assert bench.check([Case(spec, sums) for spec in HALVES]) == 36 << 16


@pytest.mark.parametrize("count", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_sums_of_32_bits(bench, count):
    draw = np.random.default_rng(SEED)
    cases = [float_case(draw, spec, count) for spec in SINGLES]
    assert min(len(case.sums) for case in cases) > count + 1500
    assert bench.check(cases) > len(SINGLES) * (count + 1500)


def test_scale_and_zero_point_of_floating_point(bench):
    draw = np.random.default_rng(SEED)
    assert bench.check([float_case(draw, spec, 30_000) for spec in OPTIONS]) > len(OPTIONS) * 30_000


def test_sums_in_fixed_point(bench):
    draw = np.random.default_rng(SEED)
    cases = [fixed_case(draw, spec, 4000) for spec in FIXED]
    assert bench.check(cases) > len(FIXED) * 4000
    for case in cases:
        assert (case.wanted() == case.wanted("golden")).all(), case.spec


@pytest.mark.slow
@pytest.mark.parametrize("spelling", ALONE)
def test_stage_alone(spelling, tmp_path):
    """One stage: quick where only it has changed."""
    spec = parse_output(spelling)
    alone = OutputBench([spec], tmp_path)
    assert alone.check([output_case(np.random.default_rng(SEED), spec, 4000)]) > 4000
    assert alone.check_valid() == 1


def test_output_holds_only_while_valid(bench):
    """A cycle without a sum has no result, and a reset drops the one in flight."""
    assert bench.check_valid() == len(bench.specs)


def test_catalogue_is_covered_by_the_model():
    """Every format of the catalogue, both backends, on sums that cross all of its values."""
    sums = np.arange(0, 1 << 16, 47)
    for to in CATALOG:
        for mode in MODES:
            spec = parse_output(f"{to},from=fp16{mode}")
            assert (sim.output(sums, spec) == sim.output(sums, spec, backend="golden")).all(), spec


SCALE_SEED = 23
SCALE_HALVES = [
    parse_output(f"{text},scale=fp32")
    for text in (
        "e4m3,from=fp16",
        "e4m3,from=bf16,saturate=no",
        "e5m2,from=fp16,saturate=no",
        "e4m3fnuz,from=bf16",
        "int8,from=fp16,zero_point=yes",
        "fp16,from=bf16,saturate=no",
        "fp32,from=fp16,saturate=no",
        "e2m1,from=bf16",
    )
]
#: Sums that are saturated and that overflow, integers, the narrowest format.
FEW = [SCALE_HALVES[place] for place in (0, 2, 4, 7)]
FIXED_SUM = [
    parse_output(f"{text},scale=fp32")
    for text in (
        "e2m1,from=fx12m3,flags=2",
        "fp16,from=fx9p3,flags=2,saturate=no",
        "int16,from=fx12m140",
        "int8,from=fx17,flags=1,zero_point=yes",
    )
]
#: Their multipliers take a while to compile.
WIDE = [
    parse_output(f"{text},scale=fp32")
    for text in (
        "e4m3,from=fp32",
        "fp32,from=fp32,saturate=no",
        "uint8,from=fp32,zero_point=yes",
        "e5m2,from=aligned:13",
        "bf16,from=int32,flags=2,saturate=no",
        "e4m3,from=fx49m18,flags=1",
        "int8,from=fx28,zero_point=yes",
    )
]


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
    draw = np.random.default_rng(SCALE_SEED)
    sums, scales = corner_scales(np.arange(1 << 16))
    cases = [_case(draw, spec, sums, scales) for spec in SCALE_HALVES]
    assert OutputBench(SCALE_HALVES, tmp_path).check(cases) == 8 * 26 << 16


@pytest.mark.parametrize(
    ("specs", "optimize"),
    [(FEW, "-O0"), pytest.param(SCALE_HALVES, "-O1", marks=pytest.mark.slow)],
    ids=["few", "all"],
)
def test_every_16_bit_sum_with_random_scales(specs, optimize, tmp_path):
    draw = np.random.default_rng(SCALE_SEED)
    sums = np.arange(1 << 16)
    cases = [_case(draw, spec, sums, random_scales(draw, sums.size)) for spec in specs]
    assert OutputBench(specs, tmp_path, optimize).check(cases) == len(specs) << 16


@pytest.mark.parametrize(
    ("specs", "count", "optimize"),
    [
        (FIXED_SUM, 8_000, "-O0"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in ((FIXED_SUM, 20_000, "-O0"), (WIDE, 150_000, "-O1"))
        ),
    ],
    ids=["few fixed", "fixed", "wide"],
)
def test_other_sums_with_random_scales(specs, count, optimize, tmp_path):
    draw, bench = np.random.default_rng(SCALE_SEED), OutputBench(specs, tmp_path, optimize)
    cases = [_case(draw, spec, *_wide(draw, spec, count)) for spec in specs]
    assert bench.check(cases) == len(specs) * count


def _wide(draw, spec, count):
    """Sums and scales: of every length and near ties in fixed point, any code in floating point."""
    acc, scales = spec.source, random_scales(draw, count)
    if not isinstance(acc, FixedAccumulator):
        return draw.integers(0, 1 << acc.width, size=count), scales
    shifts = draw.integers(0, acc.width, size=count).tolist()
    sums = [
        (int.from_bytes(draw.bytes(8), "little") % (1 << acc.width) + acc.min) >> shift
        for shift in shifts
    ]
    sums[:4] = acc.min, acc.max, 0, -1
    sums[-count // 4 :], scales[-count // 4 :] = near_ties(draw, acc, -(-count // 4))
    return np.array(sums), scales
