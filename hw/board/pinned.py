# SPDX-License-Identifier: Apache-2.0
"""The design at the pins of a board: clock, power-on reset, and below them the board's top."""

from hw.board.families import FAMILIES
from hw.board.pins import Pins
from hw.board.platforms import Board
from hw.board.pll import Pll, pll, pll_verilog

__all__ = ["CLOCK", "TOP", "clocking", "constraints", "pinned"]

TOP = "pinned"
#: Net of the clock that the design runs on.
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
    """PLL that makes ``clock_hz`` of the board's clock; None if that is the clock.

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
    text = _NO_PLL if chosen is None else pll_verilog(FAMILIES[board.family], chosen,
                                                      pad=board.pad)
    return _TEXT.format(top=TOP, clocking=text, module=module)


def constraints(board: Board, pins: Pins) -> dict[str, str]:
    """File of pins, by its name, as the place and route of the family reads it."""
    family = FAMILIES[board.family]
    lines = [family.constraint.format(port=port, pin=pin) for port, pin in pins.ports.items()]
    return {family.constraints: "\n".join(lines) + "\n"}
