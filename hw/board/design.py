# SPDX-License-Identifier: Apache-2.0
"""The design of a bitstream: an engine on a board, and its Verilog with clock and pins."""

from dataclasses import dataclass

from hw.board.families import FAMILIES
from hw.board.platforms import Board, Pins, pins
from hw.board.pll import Pll, pll, pll_verilog
from hw.spec import ArraySpec
from hw.spec.board import DEFAULT_BAUD, BoardSpec
from hw.spec.errors import SpecError, require
from hw.spec.grammar import parse_gemm


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """A board, its pins, the PLL (or None), and the spec of the design."""

    board: Board
    pins: Pins
    pll: Pll | None
    spec: BoardSpec

    @property
    def clock_mhz(self) -> float:
        """Clock of the design."""
        return self.spec.clock_hz / 1e6

    def require_room(self) -> None:
        """Raise if the chip is too small for the sums alone, or for the memories alone.

        This check is instant, while mapping a design that is far too large takes minutes.

        Raises
        ------
        SpecError
            If there are too few flip-flops, or too few bits of memory.
        """
        array = self.spec.gemm.array
        held = array.rows * array.cols * array.mac.acc.width
        family = FAMILIES[self.board.family]
        chip = family.chips[self.pins.die]
        available = chip["flip_flops"]
        require(
            held <= available,
            "Array sums",
            f"at most {available:,} bits, the number of flip-flops of {self.board.title}",
            held,
        )
        # Every bit of the chip that could be one of a memory.
        room = chip["block_rams"] * family.ram_bits + chip["luts"] * family.lut_bits + available
        gemm = self.spec.gemm
        if gemm.memory_bits > room:
            raise SpecError(
                f"GEMM memories must have at most {room:,} bits, all that {self.board.title} has, "
                f"not {gemm.memory_bits:,}; choose smaller --depths"
            )

    def sources(self, verilog: str) -> dict[str, str]:
        """Files by name: ``verilog`` of the spec, and a top module with clock and pins."""
        name = self.spec.name
        return {f"{name}.v": verilog, "pinned.v": pinned(name, self.board, self.pll)}


def design(
    board: Board,
    array: ArraySpec,
    *,
    depths: str | None = None,
    clock_mhz: float | None = None,
    baud: int = DEFAULT_BAUD,
) -> Design:
    """Design of an engine with ``array`` and memories of ``depths`` on ``board``.

    By default each memory is as deep as the widest block RAM, and the clock is the board's.

    Raises
    ------
    SpecError
        If the engine is not valid, or the PLL cannot make the clock.
    """
    board_pins, words = pins(board), FAMILIES[board.family].ram_words
    chosen = clocking(board, board_pins, None if clock_mhz is None else clock_mhz * 1e6)
    gemm = parse_gemm(array, depths=depths or f"{words}x{words}x{words}", bus="wishbone")
    return Design(
        board=board,
        pins=board_pins,
        pll=chosen,
        spec=BoardSpec(gemm=gemm, clock_hz=chosen.hz if chosen else board_pins.clock_hz, baud=baud),
    )


TOP = "pinned"
#: Net of the design's clock.
CLOCK = "clk"

_TEXT = """\
module {top}(input clk_in, input rx, output tx);
  wire clk, locked;
{clocking}\
  // Reset ends 15 cycles after configuration, or after the PLL has locked.
  reg [3:0] waited = 0;
  reg running = 0;
  always @(posedge clk)
    if (!locked) begin
      waited <= 0;
      running <= 0;
    end else begin
      waited <= waited + !(&waited);
      running <= &waited;
    end
  {module} board (.clk(clk), .rst(!running), .rx(rx), .tx(tx));
endmodule
"""
_NO_PLL = "  assign clk = clk_in;\n  assign locked = 1'b1;\n"


def clocking(board: Board, pins: Pins, clock_hz: float | None) -> Pll | None:
    """PLL that makes ``clock_hz`` from the board's clock; None if the two are equal.

    Raises
    ------
    SpecError
        If the PLL cannot make that clock.
    """
    if clock_hz is None or clock_hz == pins.clock_hz:
        return None
    return pll(FAMILIES[board.family], pins.clock_hz, clock_hz)


def pinned(module: str, board: Board, chosen: Pll | None) -> str:
    """Verilog of a module `TOP` with the ports of the board around ``module``.

    ``module`` has the ports clk, rst, rx and tx.
    """
    text = _NO_PLL if chosen is None else pll_verilog(FAMILIES[board.family], chosen, pad=board.pad)
    return _TEXT.format(top=TOP, clocking=text, module=module)


def constraints(board: Board, pins: Pins) -> dict[str, str]:
    """Constraints file with the pins, by name, for the family's place and route."""
    family = FAMILIES[board.family]
    lines = [family.constraint.format(port=port, pin=pin) for port, pin in pins.ports.items()]
    return {family.constraints: "\n".join(lines) + "\n"}
