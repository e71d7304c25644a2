# SPDX-License-Identifier: Apache-2.0
"""Dividers of a PLL for a wanted clock, in closed form, and its Verilog."""

import math
from dataclasses import dataclass, replace
from itertools import product

from hw.board.families import Family
from hw.spec.errors import require

MHZ = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Pll:
    """``oscillator = reference * multiply * (post if feedback is the output) / divide``.

    The output is ``oscillator / post``; flip-flops behind it halve it ``halvings`` times, for
    clocks below what a PLL can make. Frequencies are in Hz.
    """

    reference: float
    divide: int
    multiply: int
    post: int
    oscillator: float
    halvings: int = 0

    @property
    def hz(self) -> int:
        """Frequency behind the flip-flops, to a hertz."""
        return round(self.oscillator / self.post / (1 << self.halvings))


def pll(family: Family, reference_hz: float, wanted_hz: float) -> Pll:
    """PLL whose output is nearest to ``wanted_hz``; of these the one that compares fastest.

    Of those again the one whose oscillator is nearest to the middle of its range.
    For each divider and post-divider one of the two multipliers around the quotient is best; the
    nearer one may be out of range.

    Raises
    ------
    SpecError
        If no dividers reach a frequency within 5 %.
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
        f"at most {high:g} MHz, within 5 % of what the PLL of "
        f"{family.name} makes of {reference_hz / MHZ:g} MHz",
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
    """PLL with these dividers, if its frequencies are within the ranges; ``up`` rounds up."""
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
    """Instance of the PLL between the wires ``clk_in``, ``clk`` and ``locked``."""
    if not chosen.halvings:
        return _INSTANCES[family.key](chosen, pad, "clk")
    return (
        f"  wire fast;\n{_INSTANCES[family.key](chosen, pad, 'fast')}"
        f"  reg [{chosen.halvings - 1}:0] halved = 0;\n"
        "  always @(posedge fast) halved <= halved + 1'b1;\n"
        f"  assign clk = halved[{chosen.halvings - 1}];\n"
    )


def _ecp5(chosen: Pll, pad: bool, clk: str) -> str:
    """EHXPLLL, whose feedback is the output itself."""
    return f"""\
  EHXPLLL #(.CLKI_DIV({chosen.divide}), .CLKFB_DIV({chosen.multiply}), .CLKOP_DIV({chosen.post}),
    .CLKOP_CPHASE({chosen.post - 1}), .CLKOP_FPHASE(0), .CLKOP_ENABLE("ENABLED"),
    .OUTDIVIDER_MUXA("DIVA"), .FEEDBK_PATH("CLKOP"), .PLLRST_ENA("DISABLED"),
    .INTFB_WAKE("DISABLED"), .STDBY_ENABLE("DISABLED"), .DPHASE_SOURCE("DISABLED"))
    pll (.CLKI(clk_in), .CLKFB({clk}), .CLKOP({clk}), .LOCK(locked), .RST(1'b0), .STDBY(1'b0),
    .PHASESEL0(1'b0), .PHASESEL1(1'b0), .PHASEDIR(1'b1), .PHASESTEP(1'b1), .PHASELOADREG(1'b1),
    .PLLWAKESYNC(1'b0), .ENCLKOP(1'b0));
"""


#: Lowest frequency of comparison, in MHz, of each filter of an iCE40, as icepll chooses them.
_FILTERS = (0, 17, 26, 44, 66, 101)


def _ice40(chosen: Pll, pad: bool, clk: str) -> str:
    """SB_PLL40, whose post-divider is a power of two, fed from its pad or from the fabric."""
    compare = chosen.reference / chosen.divide / MHZ
    choice = sum(compare >= low for low in _FILTERS[1:]) + 1
    kind, source = ("PAD", "PACKAGEPIN") if pad else ("CORE", "REFERENCECLK")
    return f"""\
  SB_PLL40_{kind} #(.FEEDBACK_PATH("SIMPLE"), .DIVR({chosen.divide - 1}),
    .DIVF({chosen.multiply - 1}), .DIVQ({chosen.post.bit_length() - 1}), .FILTER_RANGE({choice}))
    pll (.{source}(clk_in), .PLLOUTGLOBAL({clk}), .LOCK(locked), .RESETB(1'b1), .BYPASS(1'b0));
"""


def _gowin(chosen: Pll, pad: bool, clk: str) -> str:
    """rPLL, whose feedback is the output itself."""
    return f"""\
  rPLL #(.FCLKIN("{chosen.reference / MHZ:g}"), .IDIV_SEL({chosen.divide - 1}),
    .FBDIV_SEL({chosen.multiply - 1}), .ODIV_SEL({chosen.post}))
    pll (.CLKIN(clk_in), .CLKOUT({clk}), .LOCK(locked), .RESET(1'b0), .RESET_P(1'b0), .CLKFB(1'b0),
    .FBDSEL(6'b0), .IDSEL(6'b0), .ODSEL(6'b0), .PSDA(4'b0), .DUTYDA(4'b0), .FDLY(4'b0));
"""


_INSTANCES = {"ecp5": _ecp5, "ice40": _ice40, "gowin": _gowin}
