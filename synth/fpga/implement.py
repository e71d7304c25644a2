# SPDX-License-Identifier: Apache-2.0
"""Map a unit to an FPGA with Yosys, then place and route it with nextpnr.

The unit is wrapped in a top module with three pins, so that it fits any package.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw.emit.netlist import CLOCKING, Port
from hw.emit.yosys import run_yosys
from hw.spec import SpecError
from hw.spec.packages import remedy
from synth.fpga.parts import Part

TOP = "top"
#: Instance name of the unit, which is the prefix of its cells in the flat design.
UNIT = "unit"
CLOCK = CLOCKING[0].name

_TEXT = """\
module {top}(input {clock}, input si, output so);
  reg [{high_in}:0] shifted;
  reg [{high_out}:0] signature;
  wire [{high_out}:0] results;
  always @(posedge {clock}) begin
    shifted <= {{shifted, si}};
    signature <= {{signature, 1'b0}} ^ results;
  end
  assign so = signature[{high_out}];
  {module} {unit}({connections});
endmodule
"""


def harness(module: str, ports: Sequence[Port]) -> str:
    """Verilog of a module `TOP` that wraps ``module``.

    Its inputs come from a shift register and its outputs go to a signature register. So all paths
    to and from the unit are between registers, and no logic is optimised away.
    """
    widths = {"input": 0, "output": 0}
    vectors = {"input": "shifted", "output": "results"}
    connections = [f".{CLOCK}({CLOCK})"]
    for port in ports:
        if port.name == CLOCK:
            continue
        low = widths[port.direction]
        widths[port.direction] += port.width
        connections.append(f".{port.name}({vectors[port.direction]}[{low + port.width - 1}:{low}])")
    return _TEXT.format(
        top=TOP,
        clock=CLOCK,
        module=module,
        unit=UNIT,
        high_in=widths["input"] - 1,
        high_out=widths["output"] - 1,
        connections=", ".join(connections),
    )


TIMEOUT_S = 1800
#: Target clock for nextpnr: above what any unit reaches, so that it optimises as far as it can.
TARGET_MHZ = 400


class PlacingError(RuntimeError):
    """A tool failed. The message is its last error."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Implementation:
    """Cells of a unit on a part, without the wrapper; ``mhz`` has one clock per seed."""

    luts: int
    flip_flops: int
    dsps: int
    mhz: tuple[float, ...]

    @property
    def clock(self) -> float | None:
        """Median of the highest clocks in MHz; None without routing."""
        return statistics.median(self.mhz) if self.mhz else None


def implement(
    verilog: str,
    module: str,
    ports: Sequence[Port],
    part: Part,
    *,
    dsp: bool,
    seeds: Sequence[int] = (1,),
) -> Implementation:
    """Map ``module``, then place and route it once for each of ``seeds``.

    Raises
    ------
    SpecError
        If the place-and-route tool of the part is not installed.
    PlacingError, YosysError
        If a tool fails.
    """
    tool = router(part)
    with tempfile.TemporaryDirectory(prefix="fpga-") as scratch:
        folder = Path(scratch)
        (folder / "unit.v").write_text(verilog, encoding="utf-8")
        (folder / "top.v").write_text(harness(module, ports), encoding="utf-8")
        counts = part.count(_cells(folder, module, part, dsp=dsp))
        clocks = tuple(_route(folder, part, tool, seed) for seed in seeds) if tool else ()
    return Implementation(**counts, mhz=clocks)


def router(part: Part) -> str | None:
    """Path of the place-and-route tool of a part, next to this Python or on PATH, or None.

    Raises
    ------
    SpecError
        If it is not installed.
    """
    if not part.route:
        return None
    path = shutil.which(part.route[0], path=str(Path(sys.executable).parent)) or shutil.which(
        part.route[0]
    )
    if path is None:
        raise SpecError(
            f"FPGA part {part.key} needs {part.route[0]}, which is not installed: "
            f"run `{remedy('fpga')}`"
        )
    return path


def _cells(folder: Path, module: str, part: Part, *, dsp: bool) -> Counter[str]:
    """Cells of the unit by type. Writes the flat design to design.json for nextpnr."""
    top, prefix = (TOP, f"{UNIT}.") if part.route else (module, "")
    run_yosys(
        "\n".join(
            [
                "read_verilog unit.v top.v",
                f"setattr -mod -set keep_hierarchy 1 {module}",
                *part.passes(top, dsp=dsp),
                f"setattr -mod -unset keep_hierarchy {module}",
                "flatten",
                *part.finish,
                "opt_clean",
                "write_json design.json",
            ]
        ),
        cwd=folder,
    )
    design = json.loads((folder / "design.json").read_text(encoding="utf-8"))
    return Counter(
        cell["type"]
        for name, cell in design["modules"][top]["cells"].items()
        if name.startswith(prefix)
    )


def _route(folder: Path, part: Part, tool: str, seed: int) -> float:
    """Highest clock in MHz after place and route."""
    constraints = []
    if part.pins:
        lines = "".join(f'IO_LOC "{port}" {pin};\n' for port, pin in part.pins.items())
        (folder / "pins.cst").write_text(lines, encoding="utf-8")
        constraints = ["--vopt", "cst=pins.cst"]
    done = subprocess.run(
        [
            tool,
            *part.route[1:],
            *constraints,
            "--json",
            "design.json",
            "--seed",
            str(seed),
            "--freq",
            str(TARGET_MHZ),
            "--timing-allow-fail",
            "--report",
            "report.json",
            "--quiet",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise PlacingError(
            errors[0] if errors else f"{part.route[0]} ended with status {done.returncode}"
        )
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    clocks = [entry["achieved"] for name, entry in report["fmax"].items() if CLOCK in name]
    if len(clocks) != 1:
        raise PlacingError(f"{part.route[0]} reported {len(clocks)} clocks instead of one")
    return round(float(clocks[0]), 1)
