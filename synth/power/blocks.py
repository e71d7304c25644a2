# SPDX-License-Identifier: Apache-2.0
"""Cells and energy of a MAC by block: multiply, align and add, normalise and round, rest.

The unit is cut at the wires in blocks.toml, and each block is mapped separately. This increases the
area, because nothing is shared across a cut; `Split.excess` is the increase. Flip-flops belong to
the block `REST`.
"""

import fnmatch
import json
import re
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from hw.spec.errors import require
from synth.flow import mapping, yosys
from synth.flow.gates import recipe_passes, sort_cells
from synth.flow.liberty import Library
from synth.flow.mapping import Mapped
from synth.power.energy import Energy

BLOCKS = Path(__file__).with_name("blocks.toml")
REST = "registers"
#: Flip-flops at which a cone ends: plain, with enable, with synchronous reset, with both.
_FLIP_FLOPS = [
    "$_DFF_P_",
    *(
        f"$_{kind}_P{''.join(rest)}_"
        for kind, parts in {
            "DFFE": ("PN",),
            "SDFF": ("PN", "01"),
            "SDFFE": ("PN", "01", "PN"),
            "SDFFCE": ("PN", "01", "PN"),
        }.items()
        for rest in product(*parts)
    ),
]
_WIRE = re.compile(r"^\s+wire (?:\[\d+:0\] )?(\w+)[ ;]", re.MULTILINE)
_NETLIST = "blocks.v"
_CELLS = "blocks.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """A unit mapped block by block: its netlist, and areas in um2 by block.

    Names of instances begin with the name of their block and a dot. ``excess`` is the relative
    increase in area over the unit mapped as a whole.
    """

    mapped: Mapped
    areas: Mapping[str, float]
    excess: float


def block_names() -> list[str]:
    """Names of the blocks, `REST` last."""
    return [*_ends(), REST]


def _ends() -> dict[str, list[str]]:
    """Wires at which each block ends."""
    data = tomllib.loads(BLOCKS.read_text(encoding="utf-8"))
    return {name: entry["ends"] for name, entry in data.items()}


def block_gates(verilog: Mapping[str, str], top: str, recipe: str = "keep") -> dict[str, int]:
    """Two-input gates by block, for a recipe of recipes.toml. Errors are as in `gates.count`."""
    data = yosys.statistics(verilog, top, _cut(recipe_passes(recipe), verilog, top))
    gates = dict.fromkeys(block_names(), 0)
    for module, entry in data["modules"].items():
        # The others are the blocks themselves.
        kinds = {
            kind: number
            for kind, number in entry["num_cells_by_type"].items()
            if kind.startswith("$")
        }
        gates[_block(module.removeprefix("\\"), top)] += sort_cells(kinds, top, recipe).two_input
    return gates


def split(
    verilog: Mapping[str, str], whole: Mapped, library: Library, clock_ns: float | None = None
) -> Split:
    """Map a MAC block by block, with the recipe and library of ``whole``.

    Raises
    ------
    SpecError
        As in `synth.flow.mapping.map_to_cells`.
    YosysError
        If Yosys reports an error.
    """
    top = whole.top
    passes = _cut(mapping.passes(whole.recipe, library, clock_ns), verilog, top)
    with tempfile.TemporaryDirectory(prefix="blocks-") as scratch:
        folder = Path(scratch)
        for name, text in mapping.liberty_files(library).items():
            (folder / name).write_text(text, encoding="utf-8")
        yosys.statistics(
            verilog,
            top,
            [
                *passes,
                "rename -enumerate */t:*",
                "flatten",
                "opt_clean -purge",
                f"write_json {_CELLS}",
                f"write_verilog -noattr -noexpr -nohex -nodec {_NETLIST}",
            ],
            folder=folder,
        )
        text = (folder / _NETLIST).read_text(encoding="utf-8")
        modules = json.loads((folder / _CELLS).read_text(encoding="utf-8"))["modules"]
    cells = {
        name: cell["type"]
        for name, cell in modules[top]["cells"].items()
        if cell["type"] in library.cells
    }
    kinds = {kind: list(cells.values()).count(kind) for kind in sorted(set(cells.values()))}
    mapped = Mapped(
        top=top,
        recipe=whole.recipe,
        verilog=text[text.index("\nmodule ") + 1 :],
        cells=kinds,
        yosys=whole.yosys,
        **mapping.measures(kinds, library),
    )
    areas = dict.fromkeys(block_names(), 0.0)
    for name, kind in cells.items():
        areas[_block_of_cell(name, top)] += library.cells[kind].area
    return Split(
        mapped=mapped,
        areas={name: round(area, 6) for name, area in areas.items()},
        excess=mapped.area_um2 / whole.area_um2 - 1,
    )


def energy_by_block(energy: Energy) -> dict[str, float]:
    """Energy per multiply-accumulate by block, in joule, of a `split` unit.

    The energy of a net counts for the block that drives it; clock pins count for `REST`. Nets of
    operands and frame are "inputs".
    """
    energies = dict.fromkeys([*block_names(), "inputs"], 0.0)
    for name, joule in energy.by_instance.items():
        energies[_block_of_cell(name, energy.unit)] += joule
    energies[REST] += energy.clock
    energies["inputs"] += energy.inputs
    return energies


def _present(verilog: Mapping[str, str]) -> dict[str, list[str]]:
    """Wires at which each block ends, for the blocks that the unit has."""
    wires = {name for text in verilog.values() for name in _WIRE.findall(text)}
    parts = {
        name: [end for end in ends if fnmatch.filter(wires, end)] for name, ends in _ends().items()
    }
    return {name: ends for name, ends in parts.items() if ends}


def _cut(passes: Sequence[str], verilog: Mapping[str, str], top: str) -> list[str]:
    """Passes of a recipe, with the cut inserted before the mapping."""
    place = next(
        (number for number, line in enumerate(passes) if line.startswith(("dfflibmap", "abc"))),
        len(passes),
    )
    blocks = _present(verilog)
    require(len(blocks) > 1, "Unit", f"one with wires of {BLOCKS.name}", top)
    *cut, last = blocks
    stops = "".join(f":-{kind}" for kind in _FLIP_FLOPS)
    registers = "".join(f" t:{kind} %d" for kind in _FLIP_FLOPS)
    lines = [f"setattr -set keep 1 w:{wire}" for name in cut for wire in blocks[name]]
    # Map flip-flops to the library here, so that their enables are in a block.
    lines += [
        *passes[:place],
        *(
            line.replace("dfflibmap", "dfflibmap -prepare")
            for line in passes[place:]
            if line.startswith("dfflibmap")
        ),
        "select -set done t:$none",
    ]
    for name in [*cut, last]:
        wires = " ".join(f"w:{wire}" for wire in blocks[name])
        union = "%u " * (len(blocks[name]) - 1)
        cells = "c:*" if name == last else f"{wires} {union}%ci*{stops} c:* %i"
        lines += [
            f"select -set block {cells}{registers} @done %d",
            f'setattr -set submod "{name}" @block',
            "select -set done @done @block %u",
        ]
    return [*lines, "submod", "setattr -set keep 0 */w:*", f"hierarchy -top {top}", *passes[place:]]


def _block(module: str, top: str) -> str:
    """Block of a module of the cut design."""
    return module.removeprefix(f"{top}_") if module != top else REST


def _block_of_cell(name: str, top: str) -> str:
    """Block of an instance of the flattened netlist, which is named ``module.name``."""
    module, dot, _ = name.removeprefix("\\").partition(".")
    return _block(module, top) if dot else REST
