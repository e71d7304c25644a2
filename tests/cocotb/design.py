# SPDX-License-Identifier: Apache-2.0
"""What the manifest says about the design under test; benches type no width and no latency."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from hw.spec import ArraySpec, Flag, GemmSpec, MacSpec, parse_array, parse_gemm, parse_mac

__all__ = ["MANIFEST", "Design", "port_of_flag"]

#: Environment variable that names the manifest inside the simulator.
MANIFEST = "BENCH_MANIFEST"


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
        spelling = manifest["spelling"]
        mac = parse_mac(spelling["mac"])
        array = None
        gemm = None
        if manifest["kind"] != "mac":
            array = parse_array(spelling["array"], mac, dataflow=spelling["dataflow"],
                                out=spelling.get("out"), depth=spelling.get("depth"))
        if manifest["kind"] == "gemm":
            gemm = parse_gemm(array, depths=spelling["depths"], bus=spelling["bus"])
        name = (gemm or array or mac).name
        assert manifest["name"] == name, f"manifest of {manifest['name']}, spelling of {name}"
        widths = {way: {port["name"]: port["width"] for port in manifest["ports"]
                        if port["direction"].startswith(way)} for way in ("in", "out")}
        return cls(mac, array, gemm, manifest["latency"], manifest["derived"]["flag_bits"],
                   widths["in"], widths["out"])

    def assert_ports(self, dut) -> None:
        """Compare the widths in the simulator with those of the manifest."""
        for name, width in (self.inputs | self.outputs).items():
            assert len(getattr(dut, name)) == width, f"{name} is not {width} bits wide"


def port_of_flag(flag: int, flag_bits: int) -> int:
    """What a flag port of ``flag_bits`` shows for a `Flag` (0 where there is no port)."""
    return int(flag) if flag_bits == 2 else int(flag == Flag.NAN) if flag_bits else 0
