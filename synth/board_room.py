# SPDX-License-Identifier: Apache-2.0
"""``python -m synth.board_room``: the largest square array for whose cells a chip has room."""

import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from hw.board.design import Design, design
from hw.board.families import FAMILIES
from hw.board.mapping import RoomError, mapped, require_room
from hw.board.pins import pins
from hw.board.platforms import BOARDS, Board, board_named
from hw.emit.yosys import YosysError
from hw.spec import SpecError
from hw.spec.command import Parser
from synth.boards import inferred, plan
from synth.record import ROOT, Metric, Record, provenance, read_records, write_records

__all__ = ["largest_side", "main", "measure"]

RECORDS = ROOT / "reports" / "data" / "board_room.json"
NOT_DONE = ("place and route, which may need some room to spare",)
#: What tells one point from another.
KEY = ("die", "mac", "dsp_blocks")
HIGHEST = 64


def dies(boards: Sequence[Board]) -> dict[str, Board]:
    """The first board of each chip, by the name of its die."""
    found: dict[str, Board] = {}
    for board in boards:
        found.setdefault(pins(board).die, board)
    return found


def measure(board: Board, mac: str, *, dsp: bool,
            command: str = "python -m synth.board_room") -> Record:
    """Record of the largest square array on a board's chip, or of what keeps the smallest off it.

    Raises
    ------
    YosysError
        If Yosys fails.
    """
    side = largest_side(lambda side: _room(board, mac, side, dsp=dsp))
    metrics: dict[str, Metric] = {"fits": Metric(side > 0)}
    chosen = _design(board, mac, max(side, 1))
    if side:
        capacity = FAMILIES[board.family].chips[chosen.pins.die]
        metrics |= {"array": Metric(chosen.spec.gemm.array.size),
                    **_metrics(_cells(chosen, dsp=dsp), capacity)}
    try:
        require_room(_cells(_design(board, mac, side + 1), dsp=dsp), board, chosen.pins)
    except RoomError as error:
        metrics["limit"] = Metric(str(error))
    return Record(
        subject=chosen.spec.name, metrics=metrics, not_done=NOT_DONE,
        conditions={"die": chosen.pins.die, "board": board.key, "mac": mac, "dsp_blocks": dsp,
                    "depths": chosen.spec.gemm.depths},
        provenance=provenance(command, tools=("amaranth", "amaranth-boards", "pyosys")))


def largest_side(room: Callable[[int], float]) -> int:
    """Largest side up to `HIGHEST` that is not above 1 in ``room``, which grows with it; 0 if none.

    ``room`` is the share of the fullest kind of cell that an array of that side takes. It grows
    about as the square of the side, which tells where to look.
    """
    fits, too_large = 0, HIGHEST + 1
    last, share, each = 2, room(2), math.inf
    side = 4
    while too_large - fits > 1:
        side = min(max(side, fits + 1), too_large - 1)
        now = room(side)
        if side != last:
            each = (now - share) / (side**2 - last**2)
        last, share = side, now
        fits, too_large = (side, too_large) if now <= 1 else (fits, side)
        side = math.isqrt(max(0, int((1 - now) / each + side**2))) if each > 0 else too_large - 1
        side += side == fits
    return fits


def _room(board: Board, mac: str, side: int, *, dsp: bool) -> float:
    """Share of the fullest kind of cell."""
    chosen = _design(board, mac, side)
    capacity = FAMILIES[board.family].chips[chosen.pins.die]
    return max(count / capacity[kind] for kind, count in _cells(chosen, dsp=dsp).items())


def _metrics(cells: Mapping[str, int], capacity: Mapping[str, int]) -> dict[str, Metric]:
    """Cells by kind and the share of each."""
    units = {"luts": "LUT", "flip_flops": "flip-flop", "dsps": "DSP block",
             "block_rams": "block RAM"}
    share, kind = max((100 * count / capacity[kind], kind) for kind, count in cells.items())
    return {**{kind: Metric(count, units[kind]) for kind, count in cells.items()},
            "fullest": Metric(round(share, 1), "%"), "fullest_cells": Metric(units[kind])}


@cache
def _design(board: Board, mac: str, side: int) -> Design:
    """Square array of a side on a board."""
    return design(board, inferred(mac, f"{side}x{side}"))


_CELLS: dict[tuple[str, str, bool], dict[str, int]] = {}


def _cells(chosen: Design, *, dsp: bool) -> dict[str, int]:
    """Cells of a design; chips of a family that are mapped alike share them."""
    family = FAMILIES[chosen.board.family]
    key = (family.synth.format(top="", **chosen.pins.chip), chosen.spec.name, dsp)
    if key not in _CELLS:
        with tempfile.TemporaryDirectory(prefix="board-room-") as scratch:
            sources = chosen.sources()
            for name, text in sources.items():
                Path(scratch, name).write_text(text, encoding="utf-8")
            _CELLS[key] = mapped(Path(scratch), list(sources), chosen.board, chosen.pins, dsp=dsp)
    return _CELLS[key]


def _parser() -> Parser:
    parser = Parser(prog="python -m synth.board_room", description=(
        "Find the largest square array of each MAC for whose cells the chips of the boards have "
        "room, by mapping arrays around it."))
    parser.add_argument("--board", metavar="NAME", action="append",
                        help="board whose chip is looked at, may be repeated (default: every one)")
    parser.add_argument("--missing", action="store_true",
                        help="keep the records that there are, measure only what is missing")
    parser.add_argument("--out", metavar="FILE", type=Path, default=RECORDS,
                        help="file of the records (default: reports/data/board_room.json)")
    parser.add_argument("--json", action="store_true", help="print the records as well")
    return parser


def _points(boards: Sequence[Board]) -> Iterator[tuple[str, Board, str, bool]]:
    """Dies with a board each, MACs of boards.toml, with DSP blocks and without."""
    return ((die, board, mac, dsp) for die, board in dies(boards).items() for mac in plan()["macs"]
            for dsp in (True, False))


def _measure(records: list[Record], boards: Sequence[Board], out: Path, command: str) -> None:
    """Measure what is not among ``records``; each goes into the file at once."""
    known = {tuple(record.conditions[name] for name in KEY) for record in records}
    wanted = [point for point in _points(boards) if (point[0], *point[2:]) not in known]
    for number, (die, board, mac, dsp) in enumerate(wanted, 1):
        records.append(measure(board, mac, dsp=dsp, command=command))
        array = records[-1].metrics.get("array", Metric("none")).value
        print(f"[{number}/{len(wanted)}] {die} {mac} {'with' if dsp else 'without'} DSP "
              f"blocks: {array}", file=sys.stderr)
        write_records(out, records)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 1 if Yosys failed, 2 for wrong arguments."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        boards = [board_named(key) for key in options.board or [board.key for board in BOARDS]]
        records = read_records(options.out) if options.missing and options.out.exists() else []
        _measure(records, boards, options.out, parser.prog)
    except SpecError as error:
        parser.error(str(error))
    except YosysError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps([record.to_json() for record in records], indent=2))
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
