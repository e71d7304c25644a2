# SPDX-License-Identifier: Apache-2.0
"""A small board, compiled once, and ways to spoil what goes over its line."""

import json
from collections.abc import Callable
from pathlib import Path

import sim.rtl
from hw.board import emit
from hw.spec import parse_array, parse_gemm
from hw.spec.board import BoardSpec
from sim.rtl.serial import BoardLine

__all__ = ["BOARD", "Spoiler", "board_spec", "compiled_board"]


def board_spec(size: str, mac: str, depths: str, out: str | None = None, **dataflow) -> BoardSpec:
    """Board with the engine of these spellings, at four cycles a bit."""
    array = parse_array(size, mac, out=out, **dataflow)
    gemm = parse_gemm(array, depths=depths, bus="wishbone")
    return BoardSpec(gemm=gemm, clock_hz=12_000_000, baud=3_000_000)


#: Memories so small that a product soon takes several parts of K.
BOARD = board_spec("2x2", "int4,acc=int12", "16x16x16")


def compiled_board(spec: BoardSpec, folder: Path, *, optimize: str = "-O0",
                   change: Callable[[str], str] = lambda verilog: verilog) -> sim.rtl.Model:
    """Compiled model of a board; ``change`` may plant a fault in the Verilog."""
    emitted = emit(spec.gemm, spec.clock_hz, spec.baud, folder)
    for file in emitted.files:
        file.write_text(change(file.read_text()))
    ports = json.loads(emitted.manifest.read_text())["ports"]
    return sim.rtl.compile(emitted.files, emitted.top, ports, optimize=optimize)


class Spoiler(BoardLine):
    """A line on which ``spoil(data, out)`` decides what arrives of what is sent.

    ``out`` is true for bytes to the board.
    """

    def __init__(self, model: sim.rtl.Model, spec: BoardSpec) -> None:
        super().__init__(model, spec)
        self.spoil = lambda data, out: data

    def write(self, data: bytes) -> None:
        """Send what is left of the bytes."""
        super().write(self.spoil(data, True))

    def read(self, seconds: float) -> bytes:
        """What is left of what has come."""
        return self.spoil(super().read(seconds), False)


