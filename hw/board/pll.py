# SPDX-License-Identifier: Apache-2.0
"""Calculates the dividers of a PLL for a wanted clock, and writes its Verilog."""

import math
from dataclasses import dataclass, replace
from itertools import product

from hw.board.families import Family
from hw.spec.errors import require

MHZ = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Pll:
    """``oscillator = reference * multiply * (post if feedback is the output) / divide``.

    The output is ``oscillator / post``. For clocks that are too slow for the PLL, flip-flops halve
    it ``halvings`` times. Frequencies are in Hz.
    """

    reference: float
    divide: int
    multiply: int
    post: int
    oscillator: float
    halvings: int = 0

    @property
    def hz(self) -> int:
        """Frequency after the flip-flops, rounded to 1 Hz."""
        return round(self.oscillator / self.post / (1 << self.halvings))


def pll(family: Family, reference_hz: float, wanted_hz: float) -> Pll:
    """PLL whose output is nearest to ``wanted_hz``.

    Ties are decided by the highest comparison frequency, then by the oscillator nearest to the
    middle of its range. For each divider and post-divider, the two multipliers around the quotient
    are tried, because the nearer one may be out of range.

    Raises
    ------
    SpecError
        If no dividers give a frequency within 5 %.
    """
    low, high = family.pll.output
    halvings = max(0, math.ceil(math.log2(low * MHZ / wanted_hz)))
    candidates = [
        replace(candidate, halvings=halvings)
        for divide, post, up in product(_span(family.pll.divide), family.pll.post, (0, 1))
        if (
            candidate := _candidate(family, reference_hz, wanted_hz * 2**halvings, divide, post, up)
        )
    ]
    middle = sum(family.pll.oscillator) / 2 * MHZ
    best = min(
        candidates,
        default=None,
        key=lambda choice: (
            abs(choice.hz - wanted_hz),
            choice.divide,
            abs(choice.oscillator - middle),
        ),
    )
    near = best is not None and abs(best.hz - wanted_hz) <= wanted_hz / 20
    require(
        near,
        "Board clock",
        f"at most {high:g} MHz, and within 5 % of a frequency that the PLL of "
        f"{family.name} can make from {reference_hz / MHZ:g} MHz",
        f"{wanted_hz / MHZ:g} MHz",
    )
    assert best is not None
    return best


def _span(bounds: tuple[int, int]) -> range:
    """Whole numbers from the first of ``bounds`` to the second."""
    return range(bounds[0], bounds[1] + 1)


def _candidate(
    family: Family, reference: float, wanted: float, divide: int, post: int, up: int
) -> Pll | None:
    """PLL with these dividers, or None if a frequency is out of range; ``up`` rounds up."""
    ranges = family.pll
    compare = reference / divide
    step = compare if ranges.feedback == "output" else compare / post
    multiply = min(max(int(wanted / step) + up, ranges.multiply[0]), ranges.multiply[1])
    oscillator = step * multiply * post
    within = all(
        low * MHZ <= value <= high * MHZ
        for value, (low, high) in (
            (compare, ranges.compare),
            (oscillator, ranges.oscillator),
            (oscillator / post, ranges.output),
        )
    )
    return (
        Pll(reference=reference, divide=divide, multiply=multiply, post=post, oscillator=oscillator)
        if within
        else None
    )


def pll_verilog(family: Family, chosen: Pll, *, pad: bool) -> str:
    """Verilog of the PLL, connected to the wires ``clk_in``, ``clk`` and ``locked``."""
    if not chosen.halvings:
        return _INSTANCES[family.key](chosen, pad, "clk")
    return (
        f"  wire fast;\n{_INSTANCES[family.key](chosen, pad, 'fast')}"
        f"  reg [{chosen.halvings - 1}:0] halved = 0;\n"
        "  always @(posedge fast) halved <= halved + 1'b1;\n"
        f"  assign clk = halved[{chosen.halvings - 1}];\n"
    )


def _ecp5(chosen: Pll, pad: bool, clk: str) -> str:
    """EHXPLLL with the output as feedback."""
    return f"""\
  EHXPLLL #(.CLKI_DIV({chosen.divide}), .CLKFB_DIV({chosen.multiply}), .CLKOP_DIV({chosen.post}),
    .CLKOP_CPHASE({chosen.post - 1}), .CLKOP_FPHASE(0), .CLKOP_ENABLE("ENABLED"),
    .OUTDIVIDER_MUXA("DIVA"), .FEEDBK_PATH("CLKOP"), .PLLRST_ENA("DISABLED"),
    .INTFB_WAKE("DISABLED"), .STDBY_ENABLE("DISABLED"), .DPHASE_SOURCE("DISABLED"))
    pll (.CLKI(clk_in), .CLKFB({clk}), .CLKOP({clk}), .LOCK(locked), .RST(1'b0), .STDBY(1'b0),
    .PHASESEL0(1'b0), .PHASESEL1(1'b0), .PHASEDIR(1'b1), .PHASESTEP(1'b1), .PHASELOADREG(1'b1),
    .PLLWAKESYNC(1'b0), .ENCLKOP(1'b0));
"""


#: Lowest comparison frequency, in MHz, for each filter setting of an iCE40, as in icepll.
_FILTERS = (0, 17, 26, 44, 66, 101)


def _ice40(chosen: Pll, pad: bool, clk: str) -> str:
    """SB_PLL40; its post-divider is a power of two, its input a pad or the fabric."""
    compare = chosen.reference / chosen.divide / MHZ
    choice = sum(compare >= low for low in _FILTERS[1:]) + 1
    kind, source = ("PAD", "PACKAGEPIN") if pad else ("CORE", "REFERENCECLK")
    return f"""\
  SB_PLL40_{kind} #(.FEEDBACK_PATH("SIMPLE"), .DIVR({chosen.divide - 1}),
    .DIVF({chosen.multiply - 1}), .DIVQ({chosen.post.bit_length() - 1}), .FILTER_RANGE({choice}))
    pll (.{source}(clk_in), .PLLOUTGLOBAL({clk}), .LOCK(locked), .RESETB(1'b1), .BYPASS(1'b0));
"""


def _gowin(chosen: Pll, pad: bool, clk: str) -> str:
    """Gowin rPLL with the output as feedback."""
    return f"""\
  rPLL #(.FCLKIN("{chosen.reference / MHZ:g}"), .IDIV_SEL({chosen.divide - 1}),
    .FBDIV_SEL({chosen.multiply - 1}), .ODIV_SEL({chosen.post}))
    pll (.CLKIN(clk_in), .CLKOUT({clk}), .LOCK(locked), .RESET(1'b0), .RESET_P(1'b0), .CLKFB(1'b0),
    .FBDSEL(6'b0), .IDSEL(6'b0), .ODSEL(6'b0), .PSDA(4'b0), .DUTYDA(4'b0), .FDLY(4'b0));
"""


_INSTANCES = {"ecp5": _ecp5, "ice40": _ice40, "gowin": _gowin}
