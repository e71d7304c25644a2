# SPDX-License-Identifier: Apache-2.0
"""Builds a bitstream from Verilog: Yosys, place and route, and the packer of the FPGA family."""

import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw.board.design import TOP, constraints
from hw.board.families import FAMILIES
from hw.board.platforms import Board, Pins
from hw.board.tools import ToolError, call
from hw.emit.files import write_files
from hw.emit.yosys import run_yosys
from hw.manners import FULL, folder_in, made
from hw.spec.errors import SpecError
from hw.spec.files import require_output_file
from hw.spec.packages import remedy

#: Command that installs place and route and the packers.
INSTALL = remedy("fpga")
REPORT = "report.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """A bitstream, with its resources and timing.

    Parameters
    ----------
    bitstream
        File of the bitstream.
    cells
        Look-up tables, flip-flops, DSP blocks and block RAMs after mapping.
    used
        Cells used and cells available, as place and route reports them, by its names.
    clock_mhz, fmax_mhz
        Clock of the design, and the highest clock after place and route.
    seconds
        Wall time of ``synthesis``, ``place_and_route`` and ``packing``.
    cpu_seconds
        Processor time of all three.
    """

    bitstream: Path
    cells: Mapping[str, int]
    used: Mapping[str, tuple[int, int]]
    clock_mhz: float
    fmax_mhz: float
    seconds: Mapping[str, float]
    cpu_seconds: float

    @property
    def meets_clock(self) -> bool:
        """Whether the design is fast enough for its clock."""
        return self.fmax_mhz >= self.clock_mhz


def build(
    sources: Mapping[str, str],
    board: Board,
    pins: Pins,
    *,
    name: str,
    clock_mhz: float,
    dsp: bool,
    out: Path,
    seed: int = 1,
    too_slow: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> Built:
    """Build ``sources``, which contain a module `TOP`, for ``board``.

    Writes Verilog, constraints, report and bitstream to the folder ``out``, or nothing on failure.
    With ``too_slow``, a design that is slower than its clock is built anyway. ``progress`` is
    called with the name of each step before it starts.

    Raises
    ------
    SpecError
        If a tool is missing or the folder cannot be written.
    RoomError
        If the design is too large.
    ToolError, YosysError
        If a tool fails, or the design is slower than its clock.
    """
    family = FAMILIES[board.family]
    fields = {
        **pins.chip,
        "constraints": family.constraints,
        "routed": family.routed,
        "bitstream": f"{name}.{family.bitstream}",
    }
    texts = {**sources, **constraints(board, pins)}
    options = [
        "--json",
        DESIGN,
        "--report",
        REPORT,
        "--freq",
        f"{clock_mhz:g}",
        "--seed",
        str(seed),
        "--timing-allow-fail",
        "--quiet",
    ]
    seconds: dict[str, float] = {}
    began = _cpu_seconds()
    with tempfile.TemporaryDirectory(prefix="board-") as scratch:
        folder = Path(scratch)
        write_files(folder, texts)
        with _timed(seconds, "synthesis", progress):
            cells = mapped(folder, list(sources), board, pins, dsp=dsp)
        require_room(cells, board, pins)
        with _timed(seconds, "place_and_route", progress):
            _place([*family.place.format(**fields).split(), *options], folder, board)
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        fmax = _fmax(report)
        if fmax < clock_mhz and not too_slow:
            raise ToolError(
                f"{name} reaches {fmax:g} MHz on {board.title}, not {clock_mhz:g} MHz; "
                "choose a slower clock with --clock-mhz"
            )
        with _timed(seconds, "packing", progress):
            call(family.pack.format(**fields).split(), cwd=folder, install=INSTALL)
        *_, bitstream = _keep(folder, out, [*texts, REPORT, fields["bitstream"]])
    used = {
        name: (entry["used"], entry["available"])
        for name, entry in report["utilization"].items()
        if entry["used"]
    }
    return Built(
        bitstream=bitstream,
        cells=cells,
        used=used,
        clock_mhz=clock_mhz,
        fmax_mhz=fmax,
        seconds=seconds,
        cpu_seconds=round(_cpu_seconds() - began, 1),
    )


def _cpu_seconds() -> float:
    """Processor time of all tools so far."""
    times = os.times()
    return times.children_user + times.children_system


@contextmanager
def _timed(seconds: dict[str, float], what: str, progress: Callable[[str], None]) -> Iterator[None]:
    """Report a step, and record its wall time."""
    progress(what.replace("_", " "))
    began = time.monotonic()
    yield
    seconds[what] = round(time.monotonic() - began, 1)


#: How messages of place and route start if the design does not fit.
_NO_ROOM = (
    "ERROR: Unable to find",
    "ERROR: Unable to place",
    "ERROR: unable to place",
    "ERROR: No Bels",
    "ERROR: Failed to expand region",
    "ERROR: Failed to place",
)


def _place(command: list[str], folder: Path, board: Board) -> None:
    """Place and route."""
    try:
        call(command, cwd=folder, install=INSTALL)
    except ToolError as error:
        if str(error).startswith(_NO_ROOM):
            raise RoomError(
                f"The design does not fit on {board.title}; choose a smaller array "
                f"({str(error).removeprefix('ERROR: ')})"
            ) from error
        raise


def _keep(folder: Path, out: Path, names: list[str]) -> list[Path]:
    """Copy files into ``out``, without leaving partial files."""
    for name in names:
        require_output_file(out / name)
    try:
        with made(out), folder_in(out) as scratch:
            for name in names:
                shutil.copyfile(folder / name, Path(scratch, name))
            return [Path(scratch, name).replace(out / name) for name in names]
    except OSError as error:
        if error.errno in FULL:
            raise OSError(error.errno, error.strerror, str(out)) from error
        raise SpecError(
            f"Output folder must be writable, not {str(out)!r} "
            f"({(error.strerror or str(error)).lower()})"
        ) from error


def _fmax(report: Mapping[str, Any]) -> float:
    """Highest clock in MHz, of the slowest clock net."""
    clocks: list[float] = [entry["achieved"] for entry in report["fmax"].values()]
    if not clocks:
        raise ToolError("Place and route reported no clock")
    return round(min(clocks), 1)


#: File of the mapped design.
DESIGN = "design.json"


class RoomError(SpecError):
    """The design does not fit on the board."""


def mapped(
    folder: Path, sources: Sequence[str], board: Board, pins: Pins, *, dsp: bool
) -> dict[str, int]:
    """Map the files ``sources`` in ``folder`` to the file `DESIGN` there; return cells by kind.

    Modules are mapped separately and then flattened, so that equal elements are mapped once.

    Raises
    ------
    YosysError
        If Yosys fails.
    """
    family = FAMILIES[board.family]
    synth = family.synth.format(top=TOP, **pins.chip)
    run_yosys(
        "\n".join(
            [
                f"read_verilog {' '.join(sources)}",
                f"{synth} {family.dsp if dsp else family.no_dsp}",
                "flatten",
                *family.finish,
                "opt_clean",
                f"write_json {DESIGN}",
            ]
        ),
        cwd=folder,
    )
    design = json.loads((folder / DESIGN).read_text(encoding="utf-8"))
    cells = design["modules"][TOP]["cells"].values()
    return family.count(Counter(cell["type"] for cell in cells))


#: Kinds of cells in messages, and what to do if there are too few.
_KINDS = {
    "luts": "look-up tables",
    "flip_flops": "flip-flops",
    "dsps": "DSP blocks (--no-dsp uses none)",
    "block_rams": "block RAMs",
}


def require_room(cells: Mapping[str, int], board: Board, pins: Pins) -> None:
    """Raise unless the chip has enough cells of each kind in ``cells``.

    Raises
    ------
    RoomError
        If it has too few cells of a kind.
    """
    for kind, available in FAMILIES[board.family].chips[pins.die].items():
        if cells.get(kind, 0) > available:
            raise RoomError(
                f"Design must have at most {available:,} {_KINDS[kind]} for "
                f"{board.title}, not {cells[kind]:,}"
            )
