# SPDX-License-Identifier: Apache-2.0
"""The paper's cost of designs that can be added up by hand, and of designs that have none."""

import re

import pytest

from hw.spec import SpecError, parse_mac
from synth.flow import gates
from synth.flow.cost import AND2, FLIP_FLOP, MUX2, Cost, price

pytestmark = pytest.mark.synth

XOR2, OR2 = 3, 1
DESIGNS = {
    # Inverters are free, and so are the inverting forms of a gate.
    "output reg y, always @(posedge clk) y <= ~(a & ~b);": Cost(
        logic=AND2, flip_flops=FLIP_FLOP, control=0),
    "output y, assign y = a ^ b ^ c;": Cost(logic=2 * XOR2, flip_flops=0, control=0),
    "output y, assign y = a ? b : c;": Cost(logic=MUX2, flip_flops=0, control=0),
    "output y, assign y = ~(a & b | c);": Cost(logic=AND2 + OR2, flip_flops=0, control=0),
    "output reg y, always @(posedge clk) if (a) y <= b;": Cost(
        logic=0, flip_flops=FLIP_FLOP, control=MUX2),
    "output reg y, always @(posedge clk) if (c) y <= 0; else if (a) y <= b;": Cost(
        logic=0, flip_flops=FLIP_FLOP, control=MUX2 + AND2),
    "output reg y, always @(posedge clk) if (c) y <= 0; else y <= b;": Cost(
        logic=0, flip_flops=FLIP_FLOP, control=AND2),
}


@pytest.mark.parametrize("design", DESIGNS)
def test_cost_of_a_small_design_is_the_sum_of_its_parts(design):
    port, body = design.split(",", 1)
    text = f"module t(input clk, input a, input b, input c, {port}); {body} endmodule"
    found = price({"t.v": text}, "t")
    assert found == DESIGNS[design]
    assert found.total == found.logic + found.flip_flops


def test_cost_of_a_mac_lies_between_its_gates_and_three_times_as_many():
    from hw.build import verilog

    spec = parse_mac("int4")
    text = {"mac.v": verilog(spec)}
    found, counted = price(text, spec.name), gates.count(text, spec.name, "keep")
    assert counted.two_input < found.logic < XOR2 * counted.two_input
    assert found.flip_flops == FLIP_FLOP * counted.flip_flops


def test_cost_wrong():
    latch = "module t(input a, input b, output reg y); always @* if (a) y <= b; endmodule"
    for recipe, text, message in (
            ("fast", latch, "Recipe must be one of keep, not 'fast'"),
            ("keep", latch, ("Cells of t must be gates and flip-flops that have a cost, "
                             "not '$_DLATCH_P_'"))):
        with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
            price({"t.v": text}, "t", recipe)
