# SPDX-License-Identifier: Apache-2.0
"""From Verilog to the cells of a chip, and whether it has as many."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from hw.board.families import FAMILIES
from hw.board.pinned import TOP
from hw.board.pins import Pins
from hw.board.platforms import Board
from hw.emit.yosys import run_yosys
from hw.spec.errors import SpecError

__all__ = ["DESIGN", "RoomError", "mapped", "require_room"]

#: File of the mapped design.
DESIGN = "design.json"


class RoomError(SpecError):
    """The board has no room for the design."""


def mapped(folder: Path, sources: Sequence[str], board: Board, pins: Pins, *,
           dsp: bool) -> dict[str, int]:
    """Map the files ``sources`` of ``folder`` into `DESIGN` there; cells by kind.

    Modules are mapped one by one, so that equal elements are mapped once, and flattened then.

    Raises
    ------
    YosysError
        If Yosys fails.
    """
    family = FAMILIES[board.family]
    synth = family.synth.format(top=TOP, **pins.chip)
    run_yosys("\n".join([
        f"read_verilog {' '.join(sources)}", f"{synth} {family.dsp if dsp else family.no_dsp}",
        "flatten", *family.finish, "opt_clean", f"write_json {DESIGN}"]), cwd=folder)
    design = json.loads((folder / DESIGN).read_text(encoding="utf-8"))
    cells = design["modules"][TOP]["cells"].values()
    return family.count(Counter(cell["type"] for cell in cells))


#: Kinds of cells for people, and what helps if there are too few.
_KINDS = {"luts": "look-up tables", "flip_flops": "flip-flops",
          "dsps": "DSP blocks (--no-dsp takes none)", "block_rams": "block RAMs"}


def require_room(cells: Mapping[str, int], board: Board, pins: Pins) -> None:
    """Raise unless the chip has as many cells of each kind in ``cells``.

    Raises
    ------
    RoomError
        If it has fewer of some kind.
    """
    for kind, available in FAMILIES[board.family].chips[pins.die].items():
        if cells.get(kind, 0) > available:
            raise RoomError(f"Design must be one of at most {available:,} {_KINDS[kind]} for "
                            f"{board.title}, not {cells[kind]:,}")
