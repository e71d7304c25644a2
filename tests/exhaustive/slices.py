# SPDX-License-Identifier: Apache-2.0
"""Combinational netlists, 64 states at a time: every net becomes 64 bits wide, a state a bit."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import sim.rtl
from hw.emit.netlist import CLOCKING, module_ports
from hw.emit.verilog import to_verilog
from hw.emit.yosys import run_yosys
from tests.support.compiled import Change

__all__ = ["SlicedModel", "planes", "sliced"]

STATES = 64
#: What a netlist of gates may consist of once every net is one bit.
_LINE = re.compile(r"  (?:input|output|wire|assign) (?:\\\S+ |[^?\[])*;|endmodule|/\*.*\*/|")
_HEADER = re.compile(r"^module [^;]*;", re.MULTILINE)
_DECLARATION = re.compile(r"^  (input|output|wire) ", re.MULTILINE)


def sliced(verilog: str, top: str) -> str:
    """Flat netlist of gates whose nets and ports are 64 bits wide; ports are bits, ``i_a_0``."""
    with TemporaryDirectory(prefix="sliced-") as scratch:
        folder = Path(scratch)
        (folder / "netlist.v").write_text(verilog)
        run_yosys(f"read_verilog netlist.v\nhierarchy -check -top {top}\n"
                  "splitnets -ports -format _\nclean\nwrite_verilog -noattr bits.v", cwd=folder)
        text = (folder / "bits.v").read_text()
    strange = [line for line in _HEADER.sub("", text).splitlines() if not _LINE.fullmatch(line)]
    assert not strange, f"{top} must be gates, bit by bit, not {strange[0]!r}"
    wide = _DECLARATION.sub(rf"  \1 [{STATES - 1}:0] ", text)
    return wide.replace("1'h0", f"{STATES}'h0").replace("1'h1", f"~{STATES}'h0")


class SlicedModel:
    """Compiled netlist of a combinational module; ``change`` makes the netlist of its RTL."""

    def __init__(self, module, folder: Path, change: Change):
        top = module.module_name
        source = folder / f"{top}_sliced.v"
        source.write_text(sliced(change(to_verilog(module), top), top))
        self._bits = {port.name: _bit_names(port) for port in module_ports(module)
                      if port not in CLOCKING}
        self._outputs = {port.name for port in module_ports(module) if port.direction == "output"}
        ports = [{"name": bit, "width": STATES,
                  "direction": "output" if name in self._outputs else "input"}
                 for name, bits in self._bits.items() for bit in bits]
        self._model = sim.rtl.compile([source], top, ports, optimize="-O2")

    def run(self, inputs: dict[str, np.ndarray], output: str) -> np.ndarray:
        """Codes (n,) of an output of at most 16 bits for planes (bits, n / 64) of inputs."""
        rows = {bit: plane for name, values in inputs.items()
                for bit, plane in zip(self._bits[name], values, strict=True)}
        found = self._model.run(rows, outputs=self._bits[output])
        words = np.stack([found[bit] for bit in self._bits[output]])
        bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
        low, *high = np.packbits(bits, axis=0, bitorder="little")
        return low | high[0].astype(np.uint16) << 8 if high else low


def planes(codes: np.ndarray, width: int) -> np.ndarray:
    """Bit planes (width, n / 64) of codes (n,), n a multiple of 64."""
    bits = [np.packbits(codes >> np.uint64(bit) & np.uint64(1) != 0, bitorder="little")
            for bit in range(width)]
    return np.stack(bits).view(np.uint64)


def _bit_names(port) -> list[str]:
    """Names of a port's bits once it is split."""
    if port.width == 1:
        return [port.name]
    return [f"{port.name}_{bit}" for bit in range(port.width)]
