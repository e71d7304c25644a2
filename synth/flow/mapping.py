# SPDX-License-Identifier: Apache-2.0
"""Map a design to the cells of a library: netlist, cells and area.

>>> mapped = map_to_cells({"unit.v": text}, "unit", read(files), "keep")
>>> mapped.verilog, mapped.area_um2
"""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hw.spec.errors import SpecError, require
from synth.flow import yosys
from synth.flow.cells import outputs
from synth.flow.gates import recipe_passes
from synth.flow.liberty import Cell, Library

#: File names in the child's folder. They are fixed, because names affect ABC's order of nodes.
NETLIST = "mapped.v"
#: Records the hierarchy before flattening; not a cell of the netlist.
_UNCOUNTED = {"$scopeinfo"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Mapped:
    """Netlist of library cells.

    ``verilog`` has a module ``top`` with the ports of the source, and the modules that were kept.
    ``cells`` counts cells by name. Areas are in um2; ``sequential_area_um2`` is that of flip-flops
    and latches,
    and ``nand2_equivalents`` the total divided by the area of the smallest two-input NAND.
    ``leakage_nw`` is the leakage in nW, the mean over input states if the library has them.
    """

    top: str
    recipe: str
    verilog: str
    cells: Mapping[str, int]
    area_um2: float
    sequential_area_um2: float
    nand2_equivalents: float
    leakage_nw: float
    yosys: str


def map_to_cells(
    verilog: Mapping[str, str] | Iterable[str | Path],
    top: str,
    library: Library,
    recipe: str = "keep",
    *,
    clock_ns: float | None = None,
    keep: Sequence[str] = (),
    reader: str = "read_verilog",
) -> Mapped:
    """Map a design to library cells in a child process.

    Parameters
    ----------
    verilog
        Sources: texts by name, or paths.
    top
        Top module; everything below is flattened into it.
    library
        From `synth.flow.liberty.read`. Cells that it marks ``dont_use`` are not used.
    recipe
        Entry in recipes.toml that has a list ``cells``.
    clock_ns
        Clock period in ns, for recipes that map for a clock.
    keep
        Modules that are mapped separately. They stay modules of the netlist, and count once per
        instance.
    reader
        Pass that reads the sources.

    Raises
    ------
    SpecError
        For an unknown recipe, a missing file, a clock that is missing or not above 0, or a design
        that cannot be mapped completely, for instance because of black boxes.
    YosysError
        If Yosys reports an error.
    """
    script = passes(recipe, library, clock_ns)
    with tempfile.TemporaryDirectory(prefix="mapping-") as scratch:
        folder = Path(scratch)
        for name, text in liberty_files(library).items():
            (folder / name).write_text(text, encoding="utf-8")
        data = yosys.statistics(
            verilog,
            top,
            [*script, f"write_verilog -noattr -noexpr -nohex -nodec {NETLIST}"],
            keep=keep,
            reader=reader,
            folder=folder,
        )
        netlist = (folder / NETLIST).read_text(encoding="utf-8")
    cells = {
        name: number
        for name, number in sorted(yosys.cells(data, top).items())
        if name not in _UNCOUNTED
    }
    strange = sorted(cells.keys() - library.cells.keys())
    require(
        not strange, f"Cells of {top}", f"cells of the library {library.name}", ", ".join(strange)
    )
    return Mapped(
        top=top,
        recipe=recipe,
        verilog=netlist[netlist.index("\nmodule ") + 1 :],
        cells=cells,
        yosys=yosys.yosys_version(),
        **measures(cells, library),
    )


def measures(cells: Mapping[str, int], library: Library) -> dict[str, float]:
    """Areas and leakage of counted cells of a library, by field of `Mapped`."""
    counted = [(number, library.cells[name]) for name, number in cells.items()]
    area = sum(number * cell.area for number, cell in counted)
    sequential = sum(number * cell.area for number, cell in counted if cell.is_register)
    leakage = sum(number * cell.leakage for number, cell in counted)
    nands = [cell.area for cell in library.cells.values() if not cell.dont_use and _is_nand2(cell)]
    if not any(nands):
        raise SpecError(f"The Liberty library {library.name!r} has no two-input NAND with an area")
    values = {
        "area_um2": area,
        "sequential_area_um2": sequential,
        "leakage_nw": leakage * 1e9,
        "nand2_equivalents": area / min(filter(None, nands)),
    }
    return {name: round(value, 6) for name, value in values.items()}


def _is_nand2(cell: Cell) -> bool:
    """Whether the cell is a two-input NAND with one output."""
    names, functions = [pin.name for pin in cell.pins_of("input")], list(outputs(cell).values())
    return (
        len(names) == 2
        and len(functions) == 1
        and functions[0].variables == set(names)
        and all(
            functions[0].evaluate({names[0]: x, names[1]: y}) == (not (x and y))
            for x in (False, True)
            for y in (False, True)
        )
    )


def liberty_files(library: Library) -> dict[str, str]:
    """Texts of the library, by the file names that the passes use."""
    return {f"library{number}.lib": text for number, text in enumerate(library.texts.values())}


def passes(recipe: str, library: Library, clock_ns: float | None) -> list[str]:
    """Passes of a recipe with library and clock filled in. Errors are as in `map_to_cells`."""
    lines = recipe_passes(recipe, "cells")
    if any("{clock_ps}" in line for line in lines):
        require(clock_ns is not None, f"Clock of recipe {recipe}", "given in ns", clock_ns)
    if clock_ns is not None:
        require(clock_ns > 0, "Clock", "above 0 ns", clock_ns)
    names = [f"-liberty {name}" for name in liberty_files(library)]
    names += [f"-dont_use {cell.name}" for cell in library.cells.values() if cell.dont_use]
    clock_ps = "" if clock_ns is None else f"{clock_ns * 1000:.0f}"
    return [
        line.replace("{library}", " ".join(names)).replace("{clock_ps}", clock_ps) for line in lines
    ]
