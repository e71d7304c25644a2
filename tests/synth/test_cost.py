# SPDX-License-Identifier: Apache-2.0
"""The cost of appendix B: by hand from the paper's drawing, and of netlists of the RTL."""

import json
import re

import pytest

from hw.spec import FixedAccumulator, SpecError, parse_mac
from reports.studies.paper.figure import figure
from synth.flow import cost, gates
from synth.flow.cost import AND2, FLIP_FLOP, MUX2, Cost, hand_count, price

UNIT = "Hand count unit must be one lane of two signed operands in the same 8-bit format, not "


def test_components_cost_what_the_table_says():
    # By hand from appendix B: FA 7, HA 3, AND2 1, MUX2 3.
    assert cost.add(15) == 14 * 7 + 3
    assert cost.multiply(8) == 64 + 49 * 7 + 7 * 3
    assert cost.shift_left(14, 13) == 14 * 4 * 3 - 13 * 2
    assert cost.shift_left_widening(9, 28) == 7 * 5 * 3 + 28 * 4
    assert cost.shift_right(27, 26) == 26 * 5 * 3


def test_figure_has_every_unit_once():
    bars = figure()
    assert len({bar.mac for bar in bars}) == len(bars) == 15
    for bar in bars:
        low, high = bar.total
        assert low - 3 <= sum(bar.blocks.values()) <= high + 3


def test_fixed_point_bars_are_met_within_one_percent():
    fixed = [bar for bar in figure() if isinstance(bar.mac.acc, FixedAccumulator)]
    assert len(fixed) == 5
    for bar in fixed:
        count = hand_count(bar.mac)
        nearest = min(max(count.total, bar.total[0]), bar.total[1])
        assert abs(count.total - nearest) <= 0.01 * nearest, str(bar.mac)
        assert not count.missing


def test_floating_point_bars_lack_what_has_no_cost():
    floating = [bar for bar in figure() if not isinstance(bar.mac.acc, FixedAccumulator)]
    assert len(floating) == 10
    for bar in floating:
        count = hand_count(bar.mac)
        assert count.missing == ("leading-zero detector",)
        assert 0.9 * bar.total[0] < count.total < bar.total[0]
        # The blocks without the missing part are those of the figure.
        assert count.multiply == pytest.approx(bar.blocks["multiply"], rel=0.02)
        assert count.align_add == pytest.approx(bar.blocks["align_add"], rel=0.03)


@pytest.mark.parametrize(
    ("spelling", "message"),
    [
        ("e4m3,lanes=4", f"{UNIT}'e4m3,acc=fx49m18,lanes=4'"),
        ("e4m3xe5m2", f"{UNIT}'e4m3xe5m2,acc=fx63m25'"),
        (
            "e4m3,acc=aligned:13",
            "Hand count accumulator must be fixed or floating point, not 'aligned:13'",
        ),
    ],
)
def test_hand_count_wrong(spelling, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        hand_count(parse_mac(spelling))


def test_command_prints_the_count_of_a_unit(capsys):
    assert cost.main(["--mac", str(figure()[0].mac), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "mac": "int8,acc=fx27",
        "multiply": 428,
        "align_add": 101,
        "normalise": 198,
        "total": 727,
        "missing": [],
    }
    assert figure()[0].total == (718, 721)
    assert cost.main(["--mac", "e4m3"]) == 0
    assert capsys.readouterr().out.startswith("e4m3,acc=fx49m18: 173 multiply + ")


@pytest.mark.parametrize("arguments", [["--mac", "e4m3", "--lanes", "4"], []])
def test_command_wrong(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cost.main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


XOR2, OR2 = 3, 1
DESIGNS = {
    # Inverters are free, and so are the inverting forms of a gate.
    "output reg y, always @(posedge clk) y <= ~(a & ~b);": Cost(
        logic=AND2, flip_flops=FLIP_FLOP, control=0
    ),
    "output y, assign y = a ^ b ^ c;": Cost(logic=2 * XOR2, flip_flops=0, control=0),
    "output y, assign y = a ? b : c;": Cost(logic=MUX2, flip_flops=0, control=0),
    "output y, assign y = ~(a & b | c);": Cost(logic=AND2 + OR2, flip_flops=0, control=0),
    "output reg y, always @(posedge clk) if (a) y <= b;": Cost(
        logic=0, flip_flops=FLIP_FLOP, control=MUX2
    ),
    "output reg y, always @(posedge clk) if (c) y <= 0; else if (a) y <= b;": Cost(
        logic=0, flip_flops=FLIP_FLOP, control=MUX2 + AND2
    ),
    "output reg y, always @(posedge clk) if (c) y <= 0; else y <= b;": Cost(
        logic=0, flip_flops=FLIP_FLOP, control=AND2
    ),
}


@pytest.mark.synth
@pytest.mark.parametrize("design", DESIGNS)
def test_cost_of_a_small_design_is_the_sum_of_its_parts(design):
    port, body = design.split(",", 1)
    text = f"module t(input clk, input a, input b, input c, {port}); {body} endmodule"
    found = price({"t.v": text}, "t")
    assert found == DESIGNS[design]
    assert found.total == found.logic + found.flip_flops


@pytest.mark.synth
def test_cost_of_a_mac_lies_between_its_gates_and_three_times_as_many():
    from hw.build import verilog

    spec = parse_mac("int4")
    text = {"mac.v": verilog(spec)}
    found, counted = price(text, spec.name), gates.count(text, spec.name, "keep")
    assert counted.two_input < found.logic < XOR2 * counted.two_input
    assert found.flip_flops == FLIP_FLOP * counted.flip_flops


@pytest.mark.synth
def test_cost_wrong():
    latch = "module t(input a, input b, output reg y); always @* if (a) y <= b; endmodule"
    for recipe, text, message in (
        ("fast", latch, "Recipe must be one of keep, not 'fast'"),
        (
            "keep",
            latch,
            "the appendix has no cost for $_DLATCH_P_",
        ),
    ):
        with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
            price({"t.v": text}, "t", recipe)
