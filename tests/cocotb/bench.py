# SPDX-License-Identifier: Apache-2.0
"""Shared by all testbenches: the design from its manifest, clock and reset, a counting checker.

Everything is driven on the falling edge, half a cycle before it counts. Widths and latencies come
from the manifest, never from a constant.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge
from cocotb.utils import get_sim_time

from hw.spec import ArraySpec, GemmSpec, MacSpec, parse_spec

#: Environment variable that names the manifest inside the simulator.
MANIFEST = "BENCH_MANIFEST"
PERIOD_NS = 10
#: Environment variable with the name of the file for the numbers of checks.
RESULTS = "BENCH_RESULTS"


@dataclass(frozen=True, slots=True)
class Design:
    """A generated unit: its description, its latency in cycles and the widths of its ports."""

    mac: MacSpec
    array: ArraySpec | None
    gemm: GemmSpec | None
    latency: int
    flag_bits: int
    inputs: dict[str, int]
    outputs: dict[str, int]

    @classmethod
    def load(cls, path: str | Path | None = None) -> "Design":
        """Read the manifest at ``path``, or the one that the environment names."""
        manifest = json.loads(Path(path or os.environ[MANIFEST]).read_text())
        spec = parse_spec(manifest["spec"])
        assert manifest["name"] == spec.name, f"manifest of {manifest['name']}, spec of {spec.name}"
        gemm = spec if isinstance(spec, GemmSpec) else None
        array = gemm.array if gemm else spec if isinstance(spec, ArraySpec) else None
        mac = array.mac if array else spec
        widths = {
            way: {
                port["name"]: port["width"]
                for port in manifest["ports"]
                if port["direction"].startswith(way)
            }
            for way in ("in", "out")
        }
        return cls(
            mac,
            array,
            gemm,
            manifest["latency"],
            manifest["derived"]["flag_bits"],
            widths["in"],
            widths["out"],
        )

    def assert_ports(self, dut) -> None:
        """Compare the widths in the simulator with those of the manifest."""
        for name, width in (self.inputs | self.outputs).items():
            assert len(getattr(dut, name)) == width, f"{name} is not {width} bits wide"


def cycle() -> int:
    """Number of the present cycle; a cycle lasts from one falling edge to the next."""
    return int(get_sim_time("ns") + PERIOD_NS // 2) // PERIOD_NS


async def start(dut, inputs) -> None:
    """Start the clock with all ``inputs`` (names) at zero and reset; ends on a falling edge."""
    for name in inputs:
        getattr(dut, name).value = 0
    Clock(dut.clk, PERIOD_NS, unit="ns", impl="gpi").start()
    await FallingEdge(dut.clk)
    await reset(dut, cycles=2)


async def reset(dut, cycles: int = 1) -> None:
    """Hold reset for some cycles, from this falling edge on."""
    dut.rst.value = 1
    for _ in range(cycles):
        await FallingEdge(dut.clk)
    dut.rst.value = 0


class Checker:
    """Counts comparisons for one test; ``seed`` is repeated in every message."""

    def __init__(self, test: str, seed: int):
        self.test = test
        self.seed = seed
        self.count = 0

    def equal(self, got, wanted, about) -> None:
        """Compare one pair; ``about`` is a text or a function that writes it when it is needed."""
        self.count += 1
        if got != wanted:
            text = about() if callable(about) else about
            raise AssertionError(
                f"{self.test}, seed {self.seed}: {text}: got {got}, wanted {wanted}"
            )

    def all_equal(self, got, wanted, about) -> None:
        """Compare two lists item by item; leftovers on either side are failures."""
        for index, (left, right) in enumerate(zip(got, wanted, strict=False)):
            self.equal(left, right, lambda index=index: about(index))
        surplus = got[len(wanted) :]
        missing = wanted[len(got) :]
        assert not surplus, f"{self.test}, seed {self.seed}: {len(surplus)} too many: {surplus[:3]}"
        assert not missing, f"{self.test}, seed {self.seed}: {len(missing)} missing: {missing[:3]}"

    def close(self, wanted: int) -> None:
        """Assert how many comparisons there were and hand the number to pytest."""
        assert self.count == wanted, f"{self.test}: {self.count} checks, not {wanted}"
        path = Path(os.environ[RESULTS])
        counts = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(counts | {self.test: self.count}))
