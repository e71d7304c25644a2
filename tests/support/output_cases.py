# SPDX-License-Identifier: Apache-2.0
"""Sums worth presenting to an output stage, derived from its description."""

import numpy as np

import sim
from hw.spec import FixedAccumulator, OutputSpec
from tests.support.output_bench import Case
from tests.support.scales import corner_scales, near_float_ties, random_scales

__all__ = ["draw_options", "fixed_case", "float_case", "output_case"]

EDGES_SEED = 20
#: Widest source of which every code is presented.
EVERY_BITS = 16


def output_case(draw: np.random.Generator, spec: OutputSpec, count: int) -> Case:
    """Sums of any stage: every one of a narrow source, else hard ones and ``count`` random ones."""
    if isinstance(spec.source, FixedAccumulator):
        return fixed_case(draw, spec, count)
    if spec.source.width <= EVERY_BITS and not (spec.scale_bits or spec.zero_point_bits):
        return Case(spec, np.arange(1 << spec.source.width))
    return float_case(draw, spec, count)


def float_case(draw: np.random.Generator, spec: OutputSpec, count: int) -> Case:
    """Random codes of a source in floating point, and those near what the target can tell."""
    codes = draw.integers(0, 1 << spec.source.width, size=count)
    sums = np.concatenate([codes, _edges(spec)])
    scale, point = draw_options(draw, spec, len(sums))
    if spec.scale_format is None or spec.scale_format.is_integer:
        return Case(spec, sums, scale, point)
    hard = [corner_scales(_special(spec)), near_float_ties(draw, spec, 2 * count)]
    more = sum(len(part) for part, _ in hard)
    return Case(spec, np.concatenate([sums, *(part for part, _ in hard)]),
                np.concatenate([scale, *(scales for _, scales in hard)]),
                np.concatenate([np.broadcast_to(point, sums.shape), np.zeros(more, np.int64)]))


def fixed_case(draw: np.random.Generator, spec: OutputSpec, count: int) -> Case:
    """Random sums in fixed point of every size, and those near what the target can tell."""
    acc = spec.source
    shifts = draw.integers(0, acc.width, size=count).tolist()
    drawn = [int.from_bytes(draw.bytes(128), "little") % (1 << acc.width) + acc.min >> shift
             for shift in shifts]
    sums = _clamp(acc, [*drawn, *_near_powers(acc), *_midpoint_units(spec),
                        *_near_ties(draw, spec, count)])
    bits = {0: [0], 1: [0, 0, 0, 3], 2: [0, 0, 0, 0, 1, 2, 3]}[spec.flag_bits]
    flags = draw.choice(bits, size=len(sums))
    scale, point = draw_options(draw, spec, len(sums))
    if spec.scale_format is not None and not spec.scale_format.is_integer:
        # A sum of zero that is an infinity or NaN by its flags, at all corners of the scale.
        more, corners = corner_scales(np.array(sorted(set(bits))))
        sums, flags = np.append(sums, 0 * more), np.append(flags, more)
        scale = np.append(scale, corners)
        point = np.append(np.broadcast_to(point, len(sums) - len(more)), 0 * more)
    return Case(spec, sums, scale, point, flags)


def draw_options(draw: np.random.Generator, spec: OutputSpec, count: int):
    """Scales, small exponents more often, and zero points, the extremes among them."""
    scale = point = 0
    fmt = spec.scale_format
    if fmt is not None and fmt.is_integer:
        scale = draw.integers(fmt.min_units, fmt.max_units + 1, size=count)
        scale >>= draw.integers(0, 6, size=count)
        scale[::7], scale[1::7] = fmt.min_units, fmt.max_units
    elif fmt is not None:
        scale = random_scales(draw, count)
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
        np.random.default_rng(EDGES_SEED).integers(0, 1 << to.width, size=20_000)
    values = np.sort(sim.decode(targets.astype(np.uint64), to))
    values = np.unique(np.append(values[np.isfinite(values)], 0))
    middles = (values[1:] + values[:-1]) / 2
    overflow = (to.max + (to.max - values[-2]) * np.array([0.25, 0.5, 0.75]))
    points = np.concatenate([values, middles, overflow, -overflow])
    codes = sim.encode(points, fmt).astype(np.int64)
    near = np.concatenate([codes + step for step in range(-2, 3)])
    codes = np.concatenate([near, _special(spec)])
    return codes[(codes >= 0) & (codes < 1 << fmt.width)]


def _special(spec: OutputSpec) -> np.ndarray:
    """Infinities, the codes beside them, zeros and the least numbers of a source."""
    fmt = spec.source.fmt
    magnitudes = [*(fmt.inf_code + step for step in range(-3, 4)), *range(4)]
    return np.array([code | sign for code in magnitudes for sign in (0, fmt.sign_code)])


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


def _near_ties(draw: np.random.Generator, spec: OutputSpec, count: int) -> list[int]:
    """Ties of the target's precision, at any place, and a single bit more or less than them."""
    bits, width = spec.to.man_bits + 2, spec.source.width
    ties = draw.integers(1 << bits - 1, 1 << bits, size=count) | 1
    places = draw.integers(0, max(width - bits, 1), size=count)
    steps = [sign << low for sign, low in zip(draw.choice([1, -1], size=count).tolist(),
                                             draw.integers(0, places + 1).tolist(), strict=True)]
    return [sign * ((tie << place) + step) for sign, tie, place, step in zip(
        draw.choice([1, -1], size=count).tolist(), ties.tolist(), places.tolist(), steps,
        strict=True)]


def _clamp(acc: FixedAccumulator, sums: list[int]) -> np.ndarray:
    """Sums inside the accumulator's range."""
    kept = [unit for unit in sums if acc.min <= unit <= acc.max]
    return np.array([*kept, acc.min, acc.max], dtype=object if acc.width > 63 else np.int64)
