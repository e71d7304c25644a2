# SPDX-License-Identifier: Apache-2.0
"""Output stages as compiled RTL against the golden model: every 16-bit sum, and the hard ones."""

import numpy as np
import pytest

import sim
from hw.spec import CATALOG, FixedAccumulator, OutputSpec, parse_output
from tests.output_bench import Case, OutputBench

SEED = 20
TARGETS = ("e4m3", "e5m2", "e3m4", "e2m5", "e2m1", "int8")
MODES = ("", ",saturate=no")
HALVES = [parse_output(f"{to},from={source}{mode}")
          for to in TARGETS for source in ("fp16", "bf16") for mode in MODES]
HALVES += [parse_output(f"{to},from=fp16{mode}")
           for to in ("e4m3fnuz", "binary8p4e", "uint8", "bf16", "fp32", "e4m3:fn-daz")
           for mode in MODES]
SINGLES = [parse_output(f"{to},from=fp32{mode}")
           for to in ("e4m3", "e5m2", "e4m3fnuz", "bf16", "fp16", "int8") for mode in MODES]
SINGLES.append(parse_output("e4m3,from=aligned:13"))
OPTIONS = [parse_output(text) for text in (
    "int8,from=fp16,zero_point=yes", "uint8,from=bf16,zero_point=yes", "e4m3,from=fp16,scale=pow2",
    "fp32,from=bf16,scale=pow2", "fp16,from=fp32,scale=pow2,saturate=no",
    "int8,from=fp32,scale=pow2,zero_point=yes")]
FIXED = [parse_output(text) for text in (
    "e4m3,from=fx49m18,flags=1", "e5m2,from=fx77m32,flags=2,saturate=no",
    "fp32,from=fx49m18,flags=1,saturate=no", "bf16,from=fx49m18", "fp16,from=int32,scale=pow2",
    "int8,from=int32,scale=pow2,zero_point=yes", "uint8,from=int32,scale=pow2,zero_point=yes",
    "int8,from=fx49m18,flags=2", "e2m1,from=fx12m3,flags=2", "fp32,from=fx12m140",
    "e4m3fnuz,from=fx30m11,flags=2,saturate=no", "int16,from=fx9p3", "e4m3,from=fx9m9")]


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
    codes = draw.integers(0, 1 << 32, size=count)
    cases = [Case(spec, np.concatenate([_edges(spec), codes])) for spec in SINGLES]
    assert min(len(case.sums) for case in cases) > count + 1500
    assert bench.check(cases) > len(SINGLES) * (count + 1500)


def test_scale_and_zero_point_of_floating_point(bench):
    draw = np.random.default_rng(SEED)
    cases = []
    for spec in OPTIONS:
        sums = draw.integers(0, 1 << spec.source.width, size=30_000)
        sums = np.concatenate([sums, _edges(spec)])
        cases.append(Case(spec, sums, *_draw_options(draw, spec, len(sums))))
    assert bench.check(cases) > len(OPTIONS) * 30_000


def test_sums_in_fixed_point(bench):
    draw = np.random.default_rng(SEED)
    cases = []
    for spec in FIXED:
        acc = spec.source
        shifts = draw.integers(0, acc.width, size=4000).tolist()
        drawn = [int.from_bytes(draw.bytes(128), "little") % (1 << acc.width) + acc.min >> shift
                 for shift in shifts]
        sums = _clamp(acc, [*drawn, *_near_powers(acc), *_midpoint_units(spec)])
        bits = {0: [0], 1: [0, 0, 0, 3], 2: [0, 0, 0, 0, 1, 2, 3]}[spec.flag_bits]
        flags = draw.choice(bits, size=len(sums))
        cases.append(Case(spec, sums, *_draw_options(draw, spec, len(sums)), flags))
    assert bench.check(cases) > len(FIXED) * 4000
    for case in cases:
        assert (case.wanted() == case.wanted("golden")).all(), case.spec


def test_output_holds_only_while_valid(bench):
    """A cycle without a sum has no result, and a reset drops the one in flight."""
    valid = [1, 0, 1, 1, 0, 0]
    found = bench.model.run({"u0_i_valid": valid, "rst": [0, 0, 0, 1, 0, 0]})
    assert found["u0_o_valid"].tolist() == [0, 1, 0, 1, 0, 0]


def _draw_options(draw, spec: OutputSpec, count: int):
    """Scales, small ones more often, and zero points, the extremes among them."""
    scale = point = 0
    if spec.scale_bits:
        half = 1 << spec.scale_bits - 1
        scale = draw.integers(-half, half, size=count) >> draw.integers(0, 6, size=count)
        scale[:2] = -half, half - 1
    if spec.zero_point:
        point = draw.integers(spec.to.min_units, spec.to.max_units + 1, size=count)
        point[::7], point[1::7] = spec.to.min_units, spec.to.max_units
    return scale, point


def _edges(spec: OutputSpec) -> np.ndarray:
    """Codes of the source at all the target's values and midpoints, one step beside them, signed.

    Of targets above 16 bits some values are taken; special codes and the extremes are added.
    """
    fmt, to = spec.source.fmt, spec.to
    targets = np.arange(1 << to.width) if to.width <= 16 else \
        np.random.default_rng(SEED).integers(0, 1 << to.width, size=20_000)
    values = np.sort(sim.decode(targets.astype(np.uint64), to))
    values = np.unique(np.append(values[np.isfinite(values)], 0))
    middles = (values[1:] + values[:-1]) / 2
    overflow = (to.max + (to.max - values[-2]) * np.array([0.25, 0.5, 0.75]))
    points = np.concatenate([values, middles, overflow, -overflow])
    codes = sim.encode(points, fmt).astype(np.int64)
    near = np.concatenate([codes + step for step in range(-2, 3)])
    special = [fmt.inf_code + step + sign for step in range(-3, 4) for sign in (0, fmt.sign_code)]
    least = [sign + step for step in range(4) for sign in (0, fmt.sign_code)]
    codes = np.concatenate([near, special, least])
    return codes[(codes >= 0) & (codes < 1 << fmt.width)]


def _near_powers(acc: FixedAccumulator) -> list[int]:
    """Powers of two, their neighbours, and the sums at both ends."""
    powers = [1 << bit for bit in range(acc.width)]
    return [sign * power + step for power in powers for sign in (1, -1) for step in range(-2, 3)]


def _midpoint_units(spec: OutputSpec) -> list[int]:
    """Sums at values and midpoints of the target, and one unit beside them."""
    to, acc = spec.to, spec.source
    codes = range(1 << min(to.width, 16))
    values = {code.sig << code.exp for code in map(to.unpack, codes)}
    halves = {2 * value + half for value in values for half in (-1, 0, 1)}
    # Half a unit of the target, in units of the accumulator.
    shift = to.lsb - 1 - acc.lsb
    units = {half << shift if shift >= 0 else half >> -shift for half in halves}
    fitting = sorted(unit for unit in units if acc.min <= unit <= acc.max)
    chosen = fitting[::max(1, len(fitting) // 2000)]
    return [unit + step for unit in chosen for step in (-1, 0, 1)]


def _clamp(acc: FixedAccumulator, sums: list[int]) -> np.ndarray:
    """Sums inside the accumulator's range."""
    kept = [unit for unit in sums if acc.min <= unit <= acc.max]
    return np.array([*kept, acc.min, acc.max], dtype=object if acc.width > 63 else np.int64)


def test_catalogue_is_covered_by_the_model():
    """Every format of the catalogue, both backends, on sums that cross all of its values."""
    sums = np.arange(0, 1 << 16, 47)
    for to in CATALOG:
        for mode in MODES:
            spec = parse_output(f"{to},from=fp16{mode}")
            assert (sim.output(sums, spec) == sim.output(sums, spec, backend="golden")).all(), spec
