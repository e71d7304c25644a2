# SPDX-License-Identifier: Apache-2.0
"""The largest square array for whose cells a chip has room."""

import itertools
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from hw.board.design import Design, design
from hw.board.families import FAMILIES
from hw.board.mapping import RoomError, mapped, require_room
from hw.board.pins import pins
from hw.board.platforms import Board
from reports.studies.boards.command import Point, board_parser, run
from reports.studies.boards.measure import inferred, plan
from synth.record import ROOT, Metric, Record, provenance

__all__ = ["largest_side", "main", "measure"]

RECORDS = ROOT / "reports" / "data" / "board_room.json"
PROG = "python -m reports.studies.boards.room"
NOT_DONE = ("place and route, which may need some room to spare",)
HIGHEST = 64


def dies(boards: Sequence[Board]) -> dict[str, Board]:
    """The first board of each chip, by the name of its die."""
    found: dict[str, Board] = {}
    for board in boards:
        found.setdefault(pins(board).die, board)
    return found


def measure(board: Board, mac: str, *, dsp: bool) -> Record:
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
        provenance=provenance(PROG, tools=("amaranth", "amaranth-boards", "pyosys")))


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


def _points(boards: Sequence[Board]) -> Iterator[Point]:
    """Dies, MACs of boards.toml, with DSP blocks and without."""
    for (die, board), mac, dsp in itertools.product(dies(boards).items(), plan()["macs"],
                                                    (True, False)):
        yield ({"die": die, "mac": mac, "dsp_blocks": dsp},
               partial(measure, board, mac, dsp=dsp))


def _line(record: Record) -> str:
    """A record in one line."""
    where, array = record.conditions, record.metrics.get("array", Metric("none")).value
    dsp = "with" if where["dsp_blocks"] else "without"
    return f"{where['die']} {where['mac']} {dsp} DSP blocks: {array}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 1 if Yosys failed, 2 for wrong arguments."""
    parser = board_parser(PROG, (
        "Find the largest square array of each MAC for whose cells the chips of the boards have "
        "room, by mapping arrays around it."), RECORDS)
    return run(parser, parser.parse_args(arguments), _points, _line)


if __name__ == "__main__":
    sys.exit(main())
