# SPDX-License-Identifier: Apache-2.0
"""Many output stages in one compiled model, each with ports of its own."""

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

__all__ = ["Case", "OutputBench", "output_stages"]

TOP = "bench"


class OutputBench:
    """Output stages of ``specs``, held against `sim.output`.

    Few sums do not repay a compilation that takes its time to ``optimize``.
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
            # A cycle more, so that the last result is seen.
            rows |= {f"u{index}_{name}": np.pad(row, [(0, cycles - len(row)), (0, 0)][:row.ndim])
                     for name, row in case.inputs().items()}
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
            due = [t for t in np.flatnonzero(valid) if not rst[t:t + spec.latency].any()]
            wanted = np.isin(np.arange(len(valid)), np.array(due) + spec.latency)
            assert (found == wanted).all(), f"{spec}: valid in {np.flatnonzero(found)}"
        return len(self.specs)


def output_stages(specs: list[OutputSpec]) -> Netlist:
    """Output stages side by side; stage ``i`` has the ports of its own behind ``u{i}_``."""
    bench = Netlist(TOP, [])
    for index, unit in enumerate(map(Output, specs)):
        own = [port for port in module_ports(unit) if port not in CLOCKING]
        bench.ports += [replace(port, name=f"u{index}_{port.name}") for port in own]
        bench.place(unit, f"u{index}", **{port.name: f"u{index}_{port.name}" for port in own})
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
        """Codes that the golden model gives."""
        return sim.output(self.sums, self.spec, scale=self.scale, zero_point=self.zero_point,
                          flags=self.flags, backend=backend)

    def inputs(self) -> dict[str, np.ndarray]:
        """Rows of each port."""
        spec, count = self.spec, len(self.sums)
        rows = {"i_valid": np.ones(count, np.uint64), "i_data": _words(self.sums, spec)}
        flags = self.flags if spec.flag_bits == 2 else np.asarray(self.flags) // int(Flag.NAN)
        for name, values, width in (("i_scale", self.scale, spec.scale_bits),
                                    ("i_zero_point", self.zero_point, spec.zero_point_bits),
                                    ("i_flags", flags, spec.flag_bits)):
            if width:
                codes = np.broadcast_to(np.asarray(values, dtype=np.int64), count)
                rows[name] = (codes & ((1 << width) - 1)).astype(np.uint64)
        return rows


def _compare(case: Case, valid: np.ndarray, data: np.ndarray) -> None:
    """Raise unless the codes are the model's and stand where they are due."""
    count, latency = len(case.sums), case.spec.latency
    assert not valid[:latency].any(), case.spec
    assert valid[latency:latency + count].all(), case.spec
    assert not valid[latency + count:].any(), case.spec
    got, wanted = data[latency:latency + count], case.codes
    wrong = np.flatnonzero(got != wanted.astype(np.uint64))
    if wrong.size:
        first = wrong[0]
        at = {name: hex(int(np.atleast_1d(row[first])[0])) for name, row in case.inputs().items()}
        raise AssertionError(f"{case.spec}: {wrong.size} wrong, first {at}: {got[first]:#x}, "
                             f"golden {int(wanted[first]):#x}")


def _words(sums, spec: OutputSpec) -> np.ndarray:
    """Sums as words of the port ``i_data``."""
    if not isinstance(spec.source, FixedAccumulator):
        return np.asarray(sums, dtype=np.uint64)
    width = spec.source.width
    codes = [int(value) % (1 << width) for value in sums]
    if width <= 64:
        return np.array(codes, dtype=np.uint64)
    return np.array([[code >> 64 * word & (1 << 64) - 1 for word in range(-(-width // 64))]
                     for code in codes], dtype=np.uint64)
