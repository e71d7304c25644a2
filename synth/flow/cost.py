# SPDX-License-Identifier: Apache-2.0
"""Cost of a netlist by appendix B of arXiv 2303.17951, in the paper's equivalent two-input gates.

The paper adds up a drawing (`synth.flow.handcount`); this prices what synthesis makes of the RTL, mapped
for the least cost.
"""

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from hw.spec.errors import require
from synth.flow import yosys
from synth.flow.gates import recipe_passes
from synth.flow.handcount import AND2, FLIP_FLOP, MUX2

__all__ = ["Cost", "price"]

GENLIB = Path(__file__).with_name("appendix_b.genlib")
#: Kind of register: with an enable behind it, and with a synchronous reset.
_FLIP_FLOP = re.compile(r"\$_(?P<reset>S?)DFF(?P<enable>C?E?)_[A-Z0-9]+_")
_UNCOUNTED = {"$scopeinfo"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Cost by kind of part.

    ``logic`` is everything in front of the registers, ``flip_flops`` the plain ones, ``control``
    what makes registers hold (a multiplexer a bit) and clear (an AND a bit), which the paper's
    drawing does not have.
    """

    logic: int
    flip_flops: int
    control: int

    @property
    def total(self) -> int:
        """The whole, as the paper counts: without ``control``."""
        return self.logic + self.flip_flops

    def to_json(self) -> dict[str, int]:
        """The parts as plain data."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def price(verilog: Mapping[str, str] | Iterable[str | Path], top: str, recipe: str = "keep", *,
          keep: Sequence[str] = (), reader: str = "read_verilog") -> Cost:
    """Map a design for the least cost and add it up; arguments as those of `synth.flow.gates.count`.

    Raises
    ------
    SpecError
        For a recipe without a list ``cost``, a missing file, or a cell that has no cost.
    YosysError
        If Yosys reports an error.
    """
    passes = recipe_passes(recipe, "cost")
    with tempfile.TemporaryDirectory(prefix="cost-") as scratch:
        folder = Path(scratch)
        (folder / "cost.genlib").write_text(GENLIB.read_text(encoding="utf-8"), encoding="utf-8")
        data = yosys.statistics(verilog, top, passes, keep=keep, reader=reader,
                                folder=folder)
    return _sum(yosys.cells(data, top), top)


def _sum(cells: Mapping[str, int], top: str) -> Cost:
    """Cost of cells by type."""
    gates = {match[1]: int(match[2]) for match in
             re.finditer(r"^GATE (\w+) +(\d+)", GENLIB.read_text(encoding="utf-8"), re.MULTILINE)}
    registers = {name: match for name in cells if (match := _FLIP_FLOP.fullmatch(name))}
    strange = sorted(cells.keys() - gates.keys() - registers.keys() - _UNCOUNTED)
    require(not strange, f"Cells of {top}", "gates and flip-flops that have a cost",
            ", ".join(strange))
    return Cost(
        logic=sum(cells.get(name, 0) * cost for name, cost in gates.items()),
        flip_flops=sum(cells[name] for name in registers) * FLIP_FLOP,
        control=sum(cells[name] * _control(match) for name, match in registers.items()))


def _control(match: re.Match[str]) -> int:
    """Cost of the enable and the reset of a kind of register."""
    return MUX2 * bool(match["enable"]) + AND2 * bool(match["reset"])
