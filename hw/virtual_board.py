# SPDX-License-Identifier: Apache-2.0
"""``python -m hw.virtual_board``: a simulated board, compiled from RTL, on a pseudo-terminal."""

import argparse
import json
import os
import select
import sys
import tempfile
import tty
from collections.abc import Sequence
from typing import Any

from hw.build import generate
from hw.progress import Progress
from hw.spec.board import BoardSpec
from hw.spec.command import (
    Parser,
    add_drain_options,
    add_unit_options,
    as_called,
    chosen_array,
    run_command,
)
from hw.spec.grammar import DEFAULT_DEPTHS, parse_gemm

#: Clock and baud rate: the fewest cycles per bit that the receiver allows, to save time.
CLOCK_HZ, BAUD = 12_000_000, 3_000_000
#: Largest number of bytes per read from the terminal.
CHUNK = 1 << 16


def compile_board(spec: BoardSpec) -> Any:
    """Compiled model of a board, from the same Verilog as in a bitstream.

    Raises
    ------
    RtlError
        If a tool is missing or fails.
    """
    import sim.rtl

    with tempfile.TemporaryDirectory(prefix="board-") as folder:
        manifest = generate(spec, folder)
        ports = json.loads(manifest.read_text(encoding="utf-8"))["ports"]
        return sim.rtl.compile(
            [manifest.with_suffix(".v")], spec.name, ports, shared=["pe_*"], optimize="-O1"
        )


class VirtualBoard:
    """A compiled board on a pseudo-terminal; its clock runs only while there is traffic.

    Parameters
    ----------
    model
        Compiled board.
    spec
        Description of the board.
    """

    def __init__(self, model: Any, spec: BoardSpec) -> None:
        from sim.rtl.serial import BoardLine

        self.line = BoardLine(model, spec)
        # The far end stays open here, so that drivers can open and close it repeatedly.
        self._own, self._far = os.openpty()
        tty.setraw(self._far)
        self._stop = os.pipe()

    @property
    def path(self) -> str:
        """The serial port."""
        return os.ttyname(self._far)

    def serve(self) -> None:
        """Answer until `stop` is called, from another thread or a signal handler."""
        while True:
            ready, _, _ = select.select([self._own, self._stop[0]], [], [])
            if self._stop[0] in ready:
                break
            self.line.write(os.read(self._own, CHUNK))
            answer = self.line.read(0)
            while answer:
                answer = answer[os.write(self._own, answer) :]

    def stop(self) -> None:
        """End `serve`."""
        os.write(self._stop[1], b".")

    def close(self) -> None:
        """Close the terminal."""
        for end in (self._own, self._far, *self._stop):
            os.close(end)


def parser() -> Parser:
    parser = Parser(
        prog="python -m hw.virtual_board",
        description=(
            "Simulate a board, including its serial line, with compiled RTL. Prints the path of a "
            "pseudo-terminal, which is the serial port of the board until Ctrl-C."
        ),
        examples=(
            "--mac e4m3 --array 4x4",
            "--mac int8 --acc int32 --array 8x8 --dataflow ws --depths 64x64x64",
        ),
    )
    add_unit_options(parser)
    add_drain_options(parser)
    parser.add_argument(
        "--depths",
        metavar="AxBxC",
        default=DEFAULT_DEPTHS,
        help="words in the memories of A, B and C (default: %(default)s)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print path, engine, clock and baud as JSON"
    )
    return parser


def _spec(options: argparse.Namespace) -> BoardSpec:
    """Board that the options spell."""
    gemm = parse_gemm(chosen_array(options), depths=options.depths, bus="wishbone")
    return BoardSpec(gemm=gemm, clock_hz=CLOCK_HZ, baud=BAUD)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit status 130 after Ctrl-C, 1 if a tool failed, 2 for user errors."""
    from sim.rtl import RtlError

    return run_command(parser(), _body, arguments, tool_errors=(RtlError,))


def _body(options: argparse.Namespace) -> None:
    spec = _spec(options)
    progress = Progress()
    progress.at_once(f"compiling {spec.name}")
    board = VirtualBoard(compile_board(spec), spec)
    progress.done()
    served = {
        "port": board.path,
        "engine": str(spec.gemm),
        "clock_hz": spec.clock_hz,
        "baud": spec.baud,
    }
    print(json.dumps(served) if options.json else board.path, flush=True)
    command = as_called(f"python -m hw.selftest --port {board.path} --baud {spec.baud}")
    if not options.json:
        progress.note(f"Check it from another terminal: {command}\nStop it with Ctrl-C.")
    try:
        board.serve()
    finally:
        board.close()


if __name__ == "__main__":
    sys.exit(main())
