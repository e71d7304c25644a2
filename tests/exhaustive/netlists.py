# SPDX-License-Identifier: Apache-2.0
"""Units as gates or library cells, and flip-flops, written back as Verilog for the simulator."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hw.emit.yosys import run_yosys
from synth.flow import liberty, osu018
from synth.flow.cells import models
from synth.flow.gates import recipe_passes
from synth.flow.mapping import map_to_cells

__all__ = ["GATES", "OSU018", "in_gates", "in_osu018", "osu018_library"]

RECIPE = "keep"
#: What the netlists are made of.
GATES, OSU018 = "two-input gates", "OSU018 cells"
#: Changes nothing but names: where one bit of a vector is computed from another one, Verilator 5.48
#: may take the bit's old value, so every bit gets a net of its own and every output a buffer.
BITWISE = ("splitnets", "insbuf -buf $_BUF_ A Y", "write_verilog -noattr bitwise.v")


def in_gates(verilog: str, top: str) -> str:
    """Netlist of ``top`` in two-input gates, flattened, with the same name and ports."""
    return _run({"source.v": verilog}, top, recipe_passes(RECIPE, "passes"))


def in_osu018(verilog: str, top: str) -> str:
    """Netlist of ``top`` in cells of the OSU018 library, these as their Liberty functions."""
    library = osu018_library()
    assert library is not None, "make library gets it"
    mapped = map_to_cells({"source.v": verilog}, top, library, RECIPE)
    # Flattening brings the functions of the cells in; nothing is optimised.
    return _run({"mapped.v": mapped.verilog, "cells.v": models(library, mapped.cells)}, top,
                ["proc -noopt", "flatten"])


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
        run_yosys("\n".join([f"read_verilog {' '.join(sources)}", f"hierarchy -check -top {top}",
                             *passes, *BITWISE]), cwd=folder)
        return (folder / "bitwise.v").read_text()
