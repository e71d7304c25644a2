# SPDX-License-Identifier: Apache-2.0
"""Units as two-input gates and flip-flops, written back as Verilog for the simulator."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hw.emit.yosys import run_yosys
from synth.gates import recipes

__all__ = ["RECIPE", "mapped"]

RECIPE = "keep"
#: A buffer in front of every output: where one bit of an output port is computed from another one,
#: Verilator 5.48 may take the bit's old value.
BUFFERS = ("splitnets", "insbuf -buf $_BUF_ A Y")


def mapped(verilog: str, top: str) -> str:
    """Netlist of ``top`` after the recipe `RECIPE`, flattened, under the same name and ports."""
    with TemporaryDirectory(prefix="mapped-") as scratch:
        folder = Path(scratch)
        (folder / "source.v").write_text(verilog)
        run_yosys("\n".join(["read_verilog source.v", f"hierarchy -check -top {top}",
                             *recipes()[RECIPE], *BUFFERS,
                             "write_verilog -noattr mapped.v"]), cwd=folder)
        return (folder / "mapped.v").read_text()
