# SPDX-License-Identifier: Apache-2.0
"""Many output stages in one compiled model, and interesting sums for them."""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import sim
import sim.rtl
from hw.emit.netlist import CLOCKING, Netlist, module_ports
from hw.emit.verilog import to_verilog
from hw.output import Output
from hw.spec import FixedAccumulator, Flag, OutputSpec
from sim.rtl import Model
from tests.support.rounding_cases import corner_scales, near_float_ties, random_scales

TOP = "bench"
EDGES_SEED = 20
#: Widest source of which every code is presented.
EVERY_BITS = 16


class OutputBench:
    """Output stages of ``specs``, held against `sim.output`.

    For few sums, an optimised compilation (``optimize``) takes longer than it saves.
    """

    def __init__(self, specs: list[OutputSpec], folder: Path, optimize: str = "-O1"):
        bench = output_stages(specs)
        source = folder / f"{TOP}.v"
        source.write_text(to_verilog(bench))
        ports = [asdict(port) for port in module_ports(bench)]
        self.specs = specs
        self.model = sim.rtl.compile([source], TOP, ports, optimize=optimize)
        self.model.reset()

    @classmethod
    def over(cls, specs: list[OutputSpec], model: Model) -> "OutputBench":
        """Bench of what `output_stages` gave, compiled in another way."""
        bench = cls.__new__(cls)
        bench.specs, bench.model = specs, model
        return bench

    def check(self, cases: list["Case"]) -> int:
        """Present the sums of all cases, one a cycle; raise at the first code that is wrong.

        Gives the number of codes compared.
        """
        cycles = max(len(case.sums) for case in cases) + 1
        rows, outputs = {}, []
        for case in cases:
            index = self.specs.index(case.spec)
            # One more cycle, to sample the last result.
            rows |= {
                f"u{index}_{name}": np.pad(row, [(0, cycles - len(row)), (0, 0)][: row.ndim])
                for name, row in case.inputs().items()
            }
            outputs += [f"u{index}_o_valid", f"u{index}_o_data"]
        found = self.model.run(rows, outputs=outputs)
        for case in cases:
            index = self.specs.index(case.spec)
            _compare(case, found[f"u{index}_o_valid"], found[f"u{index}_o_data"])
        return sum(len(case.sums) for case in cases)

    def check_valid(self) -> int:
        """No result without a sum; a reset drops those in flight; gives the number of stages."""
        valid = np.array([1, 0, 1, 1, 0, 1] + [0] * max(spec.latency for spec in self.specs))
        rst = np.arange(len(valid)) == 3
        for index, spec in enumerate(self.specs):
            found = self.model.run({f"u{index}_i_valid": valid, "rst": rst})[f"u{index}_o_valid"]
            due = [t for t in np.flatnonzero(valid) if not rst[t : t + spec.latency].any()]
            wanted = np.isin(np.arange(len(valid)), np.array(due) + spec.latency)
            assert (found == wanted).all(), f"{spec}: valid in {np.flatnonzero(found)}"
        return len(self.specs)


def output_stages(specs: list[OutputSpec]) -> Netlist:
    """Output stages side by side; stage ``i`` has the ports of its own behind ``u{i}_``."""
    bench = Netlist(TOP, [])
    for index, unit in enumerate(map(Output, specs)):
        own = [port for port in module_ports(unit) if port not in CLOCKING]
        bench.ports += [replace(port, name=f"u{index}_{port.name}") for port in own]
        bench.instantiate(unit, f"u{index}", **{port.name: f"u{index}_{port.name}" for port in own})
    return bench


@dataclass
class Case:
    """Sums for one output stage."""

    spec: OutputSpec
    sums: np.ndarray
    scale: Any = 0
    zero_point: Any = 0
    flags: Any = 0

    @cached_property
    def codes(self) -> np.ndarray:
        """Codes that the vectorised model gives, computed once."""
        return self.wanted()

    def wanted(self, backend: str = "vector") -> np.ndarray:
        """Codes of the golden model."""
        return sim.output(
            self.sums,
            self.spec,
            scale=self.scale,
            zero_point=self.zero_point,
            flags=self.flags,
            backend=backend,
        )

    def inputs(self) -> dict[str, np.ndarray]:
        """Rows of each port."""
        spec, count = self.spec, len(self.sums)
        rows = {"i_valid": np.ones(count, np.uint64), "i_data": _words(self.sums, spec)}
        flags = self.flags if spec.flag_bits == 2 else np.asarray(self.flags) // int(Flag.NAN)
        for name, values, width in (
            ("i_scale", self.scale, spec.scale_bits),
            ("i_zero_point", self.zero_point, spec.zero_point_bits),
            ("i_flags", flags, spec.flag_bits),
        ):
            if width:
                codes = np.broadcast_to(np.asarray(values, dtype=np.int64), count)
                rows[name] = (codes & ((1 << width) - 1)).astype(np.uint64)
        return rows


def _compare(case: Case, valid: np.ndarray, data: np.ndarray) -> None:
    """Raise unless the codes are the model's and stand where they are due."""
    count, latency = len(case.sums), case.spec.latency
    assert not valid[:latency].any(), case.spec
    assert valid[latency : latency + count].all(), case.spec
    assert not valid[latency + count :].any(), case.spec
    got, wanted = data[latency : latency + count], case.codes
    wrong = np.flatnonzero(got != wanted.astype(np.uint64))
    if wrong.size:
        first = wrong[0]
        at = {name: hex(int(np.atleast_1d(row[first])[0])) for name, row in case.inputs().items()}
        raise AssertionError(
            f"{case.spec}: {wrong.size} wrong, first {at}: {got[first]:#x}, "
            f"golden {int(wanted[first]):#x}"
        )


def _words(sums, spec: OutputSpec) -> np.ndarray:
    """Sums as words of the port ``i_data``."""
    if not isinstance(spec.source, FixedAccumulator):
        return np.asarray(sums, dtype=np.uint64)
    width = spec.source.width
    codes = [int(value) % (1 << width) for value in sums]
    if width <= 64:
        return np.array(codes, dtype=np.uint64)
    return np.array(
        [[code >> 64 * word & (1 << 64) - 1 for word in range(-(-width // 64))] for code in codes],
        dtype=np.uint64,
    )


def output_case(draw: np.random.Generator, spec: OutputSpec, count: int) -> Case:
    """Sums of any stage: every one of a narrow source, else hard ones and ``count`` random ones."""
    if isinstance(spec.source, FixedAccumulator):
        return fixed_case(draw, spec, count)
    if spec.source.width <= EVERY_BITS and not (spec.scale_bits or spec.zero_point_bits):
        return Case(spec, np.arange(1 << spec.source.width))
    return float_case(draw, spec, count)


def float_case(draw: np.random.Generator, spec: OutputSpec, count: int) -> Case:
    """Random codes of a floating-point source, and codes near rounding boundaries of the target."""
    codes = draw.integers(0, 1 << spec.source.width, size=count)
    sums = np.concatenate([codes, _edges(spec)])
    scale, point = draw_options(draw, spec, len(sums))
    if spec.scale_format is None or spec.scale_format.is_integer:
        return Case(spec, sums, scale, point)
    hard = [corner_scales(_special(spec)), near_float_ties(draw, spec, 2 * count)]
    more = sum(len(part) for part, _ in hard)
    return Case(
        spec,
        np.concatenate([sums, *(part for part, _ in hard)]),
        np.concatenate([scale, *(scales for _, scales in hard)]),
        np.concatenate([np.broadcast_to(point, sums.shape), np.zeros(more, np.int64)]),
    )


def fixed_case(draw: np.random.Generator, spec: OutputSpec, count: int) -> Case:
    """Random fixed-point sums of every size, and sums near rounding boundaries of the target."""
    acc = spec.source
    shifts = draw.integers(0, acc.width, size=count).tolist()
    drawn = [
        int.from_bytes(draw.bytes(128), "little") % (1 << acc.width) + acc.min >> shift
        for shift in shifts
    ]
    sums = _clamp(
        acc, [*drawn, *_near_powers(acc), *_midpoint_units(spec), *_near_ties(draw, spec, count)]
    )
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
    """Codes of the source at all values and midpoints of the target and next to them, signed.

    Of targets above 16 bits some values are taken; special codes and the extremes are added.
    """
    fmt, to = spec.source.fmt, spec.to
    targets = (
        np.arange(1 << to.width)
        if to.width <= 16
        else np.random.default_rng(EDGES_SEED).integers(0, 1 << to.width, size=20_000)
    )
    values = np.sort(sim.decode(targets.astype(np.uint64), to))
    values = np.unique(np.append(values[np.isfinite(values)], 0))
    middles = (values[1:] + values[:-1]) / 2
    overflow = to.max + (to.max - values[-2]) * np.array([0.25, 0.5, 0.75])
    points = np.concatenate([values, middles, overflow, -overflow])
    codes = sim.encode(points, fmt).astype(np.int64)
    near = np.concatenate([codes + step for step in range(-2, 3)])
    codes = np.concatenate([near, _special(spec)])
    return codes[(codes >= 0) & (codes < 1 << fmt.width)]


def _special(spec: OutputSpec) -> np.ndarray:
    """Infinities, their neighbours, zeros and the smallest numbers of a source."""
    fmt = spec.source.fmt
    magnitudes = [*(fmt.inf_code + step for step in range(-3, 4)), *range(4)]
    return np.array([code | sign for code in magnitudes for sign in (0, fmt.sign_code)])


def _near_powers(acc: FixedAccumulator) -> list[int]:
    """Powers of two, their neighbours, and the sums at both ends."""
    powers = [1 << bit for bit in range(acc.width)]
    return [sign * power + step for power in powers for sign in (1, -1) for step in range(-2, 3)]


def _midpoint_units(spec: OutputSpec) -> list[int]:
    """Sums at values and midpoints of the target, and one unit above and below."""
    to, acc = spec.to, spec.source
    codes = range(1 << min(to.width, 16))
    values = {code.sig << code.exp for code in map(to.unpack, codes)}
    halves = {2 * value + half for value in values for half in (-1, 0, 1)}
    # Half a unit of the target, in units of the accumulator.
    shift = to.lsb_exp - 1 - acc.lsb_exp
    units = {half << shift if shift >= 0 else half >> -shift for half in halves}
    fitting = sorted(unit for unit in units if acc.min <= unit <= acc.max)
    chosen = fitting[:: max(1, len(fitting) // 2000)]
    return [unit + step for unit in chosen for step in (-1, 0, 1)]


def _near_ties(draw: np.random.Generator, spec: OutputSpec, count: int) -> list[int]:
    """Ties of the target's precision, at any place, and a single bit more or less than them."""
    bits, width = spec.to.man_bits + 2, spec.source.width
    ties = draw.integers(1 << bits - 1, 1 << bits, size=count) | 1
    places = draw.integers(0, max(width - bits, 1), size=count)
    steps = [
        sign << low
        for sign, low in zip(
            draw.choice([1, -1], size=count).tolist(),
            draw.integers(0, places + 1).tolist(),
            strict=True,
        )
    ]
    return [
        sign * ((tie << place) + step)
        for sign, tie, place, step in zip(
            draw.choice([1, -1], size=count).tolist(),
            ties.tolist(),
            places.tolist(),
            steps,
            strict=True,
        )
    ]


def _clamp(acc: FixedAccumulator, sums: list[int]) -> np.ndarray:
    """Sums inside the accumulator's range."""
    kept = [unit for unit in sums if acc.min <= unit <= acc.max]
    return np.array([*kept, acc.min, acc.max], dtype=object if acc.width > 63 else np.int64)
