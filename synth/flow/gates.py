# SPDX-License-Identifier: Apache-2.0
"""Count the two-input gates of a design, which needs no cell library; and read recipes."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hw.spec.errors import require
from synth.flow import yosys

RECIPES = Path(__file__).with_name("recipes.toml")

_TWO_INPUT = {
    f"$_{name}_" for name in ("AND", "NAND", "OR", "NOR", "XOR", "XNOR", "ANDNOT", "ORNOT")
}
_FLIP_FLOP = re.compile(r"\$_(DFFE?|SDFFC?E?|DFFSRE?|ALDFFE?)_[A-Z0-9]+_")
_LATCH = re.compile(r"\$_(DLATCH|DLATCHSR|SR)_[A-Z0-9]+_")
#: Not a cell: `$scopeinfo` records the hierarchy before flattening.
_UNCOUNTED = {"$_NOT_", "$_BUF_", "$scopeinfo"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Gates:
    """Cells of a mapped design.

    ``two_input`` counts gates with two inputs, without inverters and registers. ``by_type`` counts
    all cells by Yosys's cell name.
    """

    top: str
    recipe: str
    two_input: int
    inverters: int
    flip_flops: int
    by_type: Mapping[str, int]
    yosys: str
    latches: int = 0


def recipes(target: str = "passes") -> dict[str, list[str]]:
    """Yosys passes by recipe, from recipes.toml.

    ``target`` selects the list: ``passes`` map to two-input gates, ``cells`` to cells of a library,
    ``cost`` to the gates of appendix_b.genlib.
    """
    data = tomllib.loads(RECIPES.read_text(encoding="utf-8"))
    return {name: entry[target] for name, entry in data.items() if target in entry}


def count(
    verilog: Mapping[str, str] | Iterable[str | Path],
    top: str,
    recipe: str = "default",
    *,
    keep: Sequence[str] = (),
    reader: str = "read_verilog",
) -> Gates:
    """Map a design to two-input gates and count them.

    Parameters
    ----------
    verilog
        Sources: texts by name, or paths.
    top
        Top module; everything below is flattened into it.
    recipe
        Name of an entry in recipes.toml.
    keep
        Modules that are mapped separately and counted once per instance.
    reader
        Pass that reads the sources.

    Raises
    ------
    SpecError
        For an unknown recipe or a missing file.
    YosysError
        If Yosys reports an error.
    """
    data = yosys.statistics(verilog, top, recipe_passes(recipe), keep=keep, reader=reader)
    return sort_cells(yosys.cells(data, top), top, recipe)


def recipe_passes(recipe: str, target: str = "passes") -> list[str]:
    """Passes of a recipe. Raises SpecError if there is no such recipe with this list."""
    known = recipes(target)
    require(recipe in known, "Recipe", f"one of {', '.join(known)}", recipe)
    return known[recipe]


def sort_cells(cells: Mapping[str, int], top: str, recipe: str) -> Gates:
    """Cells by kind. Any other cell would make the count meaningless and is an error."""
    flip_flops = {name for name in cells if _FLIP_FLOP.fullmatch(name)}
    latches = {name for name in cells if _LATCH.fullmatch(name)}
    strange = sorted(cells.keys() - _TWO_INPUT - _UNCOUNTED - flip_flops - latches)
    require(
        not strange,
        f"Cells of {top}",
        "two-input gates, inverters, flip-flops and latches",
        ", ".join(strange),
    )
    return Gates(
        top=top,
        recipe=recipe,
        by_type=dict(sorted(cells.items())),
        yosys=yosys.yosys_version(),
        two_input=sum(n for name, n in cells.items() if name in _TWO_INPUT),
        inverters=cells.get("$_NOT_", 0),
        flip_flops=sum(cells[name] for name in flip_flops),
        latches=sum(cells[name] for name in latches),
    )
