# SPDX-License-Identifier: Apache-2.0
"""The largest square array whose cells fit on a chip."""

import math
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hw.board.build import RoomError, mapped, require_room
from hw.board.design import Design, design
from hw.board.families import FAMILIES
from hw.board.platforms import Board, pins
from hw.build import verilog
from hw.spec import ArraySpec, parse_array
from synth.record import Metric, Record, provenance

POINTS = Path(__file__).with_name("boards.toml")
HIGHEST = 64


def plan() -> dict[str, Any]:
    """Contents of boards.toml: ``macs`` with their accumulators, and the size ``array``."""
    return tomllib.loads(POINTS.read_text(encoding="utf-8"))


def inferred(mac: str, array: str) -> ArraySpec:
    """Array of this size with operators as adders and multipliers."""
    return parse_array(array, f"{mac},adder=inferred,multiplier=inferred")


def dies(boards: Sequence[Board]) -> dict[str, Board]:
    """The first board of each chip, by name of the die."""
    by_die: dict[str, Board] = {}
    for board in boards:
        by_die.setdefault(pins(board).die, board)
    return by_die


def largest(board: Board, mac: str, *, dsp: bool) -> Record:
    """Record of the largest square array on a board's chip, or of why none fits.

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
        metrics |= {
            "array": Metric(chosen.spec.gemm.array.size),
            **_metrics(_cells(chosen, dsp=dsp), capacity),
        }
    try:
        require_room(_cells(_design(board, mac, side + 1), dsp=dsp), board, chosen.pins)
    except RoomError as error:
        metrics["limit"] = Metric(str(error))
    return Record(
        subject=chosen.spec.name,
        metrics=metrics,
        not_done=("place and route, which may need some spare room",),
        conditions={
            "die": chosen.pins.die,
            "board": board.key,
            "mac": mac,
            "dsp_blocks": dsp,
            "depths": chosen.spec.gemm.depths,
        },
        provenance=provenance(
            "make study NAME=board_room", tools=("amaranth", "amaranth-boards", "pyosys")
        ),
    )


def largest_side(room: Callable[[int], float]) -> int:
    """Largest side up to `HIGHEST` with ``room(side) <= 1``; 0 if none.

    ``room`` is the utilisation of the scarcest kind of cell by an array of that side. It grows
    roughly as the square of the side, which guides the search.
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
    """Utilisation of the scarcest kind of cell."""
    chosen = _design(board, mac, side)
    capacity = FAMILIES[board.family].chips[chosen.pins.die]
    return max(count / capacity[kind] for kind, count in _cells(chosen, dsp=dsp).items())


def _metrics(cells: Mapping[str, int], capacity: Mapping[str, int]) -> dict[str, Metric]:
    """Cells by kind, and the highest utilisation."""
    units = {
        "luts": "LUT",
        "flip_flops": "flip-flop",
        "dsps": "DSP block",
        "block_rams": "block RAM",
    }
    share, kind = max((100 * count / capacity[kind], kind) for kind, count in cells.items())
    return {
        **{kind: Metric(count, units[kind]) for kind, count in cells.items()},
        "fullest": Metric(round(share, 1), "%"),
        "fullest_cells": Metric(units[kind]),
    }


@cache
def _design(board: Board, mac: str, side: int) -> Design:
    """Design of a square array on a board."""
    return design(board, inferred(mac, f"{side}x{side}"))


_CELLS: dict[tuple[str, str, bool], dict[str, int]] = {}


def _cells(chosen: Design, *, dsp: bool) -> dict[str, int]:
    """Cells of a design; chips that are mapped in the same way share them."""
    family = FAMILIES[chosen.board.family]
    key = (family.synth.format(top="", **chosen.pins.chip), chosen.spec.name, dsp)
    if key not in _CELLS:
        with tempfile.TemporaryDirectory(prefix="board-room-") as scratch:
            sources = chosen.sources(verilog(chosen.spec))
            for name, text in sources.items():
                Path(scratch, name).write_text(text, encoding="utf-8")
            _CELLS[key] = mapped(Path(scratch), list(sources), chosen.board, chosen.pins, dsp=dsp)
    return _CELLS[key]
