# SPDX-License-Identifier: Apache-2.0
"""Units as gates or library cells and flip-flops, written back as Verilog for the simulator.

A combinational netlist goes through 64 states at a time: every net becomes 64 bits wide, a state a
bit.
"""

import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import sim.rtl
from hw.emit.netlist import CLOCKING, module_ports
from hw.emit.verilog import to_verilog
from hw.emit.yosys import run_yosys
from synth.flow import liberty, osu018
from synth.flow.cells import models
from synth.flow.gates import recipe_passes
from synth.flow.mapping import map_to_cells
from tests.support.compiled import Change

RECIPE = "keep"
#: What the netlists are made of.
GATES, OSU018 = "two-input gates", "OSU018 cells"
#: Changes nothing but names: where one bit of a vector is computed from another one, Verilator 5.48
#: may take the bit's old value, so every bit gets a net of its own and every output a buffer.
BITWISE = ("splitnets", "insbuf -buf $_BUF_ A Y", "write_verilog -noattr bitwise.v")
STATES = 64
#: What a netlist of gates may consist of once every net is one bit.
_LINE = re.compile(r"  (?:input|output|wire|assign) (?:\\\S+ |[^?\[])*;|endmodule|/\*.*\*/|")
_HEADER = re.compile(r"^module [^;]*;", re.MULTILINE)
_DECLARATION = re.compile(r"^  (input|output|wire) ", re.MULTILINE)


def in_gates(verilog: str, top: str) -> str:
    """Netlist of ``top`` in two-input gates, flattened, with the same name and ports."""
    return _run({"source.v": verilog}, top, recipe_passes(RECIPE, "passes"))


def in_osu018(verilog: str, top: str) -> str:
    """Netlist of ``top`` in cells of the OSU018 library, these as their Liberty functions."""
    library = osu018_library()
    assert library is not None, "make library gets it"
    mapped = map_to_cells({"source.v": verilog}, top, library, RECIPE)
    # Flattening inserts the functions of the cells; nothing is optimised.
    return _run(
        {"mapped.v": mapped.verilog, "cells.v": models(library, mapped.cells)},
        top,
        ["proc -noopt", "flatten"],
    )


@cache
def osu018_library() -> liberty.Library | None:
    """The OSU018 library if it is here."""
    file = osu018.find()
    return None if file is None else liberty.read([file])


def _run(sources: dict[str, str], top: str, passes: list[str]) -> str:
    """Verilog of ``top`` after ``passes``, bit by bit."""
    with TemporaryDirectory(prefix="netlist-") as scratch:
        folder = Path(scratch)
        for name, text in sources.items():
            (folder / name).write_text(text)
        run_yosys(
            "\n".join(
                [
                    f"read_verilog {' '.join(sources)}",
                    f"hierarchy -check -top {top}",
                    *passes,
                    *BITWISE,
                ]
            ),
            cwd=folder,
        )
        return (folder / "bitwise.v").read_text()


def sliced(verilog: str, top: str) -> str:
    """Flat netlist of gates whose nets and ports are 64 bits wide; ports are bits, ``i_a_0``."""
    with TemporaryDirectory(prefix="sliced-") as scratch:
        folder = Path(scratch)
        (folder / "netlist.v").write_text(verilog)
        run_yosys(
            f"read_verilog netlist.v\nhierarchy -check -top {top}\n"
            "splitnets -ports -format _\nclean\nwrite_verilog -noattr bits.v",
            cwd=folder,
        )
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
        self._bits = {
            port.name: _bit_names(port) for port in module_ports(module) if port not in CLOCKING
        }
        self._outputs = {port.name for port in module_ports(module) if port.direction == "output"}
        ports = [
            {
                "name": bit,
                "width": STATES,
                "direction": "output" if name in self._outputs else "input",
            }
            for name, bits in self._bits.items()
            for bit in bits
        ]
        self._model = sim.rtl.compile([source], top, ports, optimize="-O2")

    def run(self, inputs: dict[str, np.ndarray], output: str) -> np.ndarray:
        """Codes (n,) of an output of at most 16 bits for planes (bits, n / 64) of inputs."""
        rows = {
            bit: plane
            for name, values in inputs.items()
            for bit, plane in zip(self._bits[name], values, strict=True)
        }
        found = self._model.run(rows, outputs=self._bits[output])
        words = np.stack([found[bit] for bit in self._bits[output]])
        bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
        low, *high = np.packbits(bits, axis=0, bitorder="little")
        return low | high[0].astype(np.uint16) << 8 if high else low


def planes(codes: np.ndarray, width: int) -> np.ndarray:
    """Bit planes (width, n / 64) of codes (n,), n a multiple of 64."""
    bits = [
        np.packbits(codes >> np.uint64(bit) & np.uint64(1) != 0, bitorder="little")
        for bit in range(width)
    ]
    return np.stack(bits).view(np.uint64)


def _bit_names(port) -> list[str]:
    """Names of a port's bits once it is split."""
    if port.width == 1:
        return [port.name]
    return [f"{port.name}_{bit}" for bit in range(port.width)]
