# SPDX-License-Identifier: Apache-2.0
"""The hand count of the paper: its table of costs, its bars, and what it refuses."""

import json
import re

import pytest

from hw.spec import FixedAccumulator, SpecError, parse_mac
from reports.studies.paper.figure import figure
from synth.flow import cost
from synth.flow.cost import hand_count

UNIT = ("Hand count unit must be one lane of two signed operands of one format of 8 bits, not ")


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


@pytest.mark.parametrize(("spelling", "message"), [
    ("e4m3,lanes=4", f"{UNIT}'e4m3,acc=fx49m18,lanes=4'"),
    ("e4m3xe5m2", f"{UNIT}'e4m3xe5m2,acc=fx63m25'"),
    ("e4m3,acc=aligned:13",
     "Hand count accumulator must be fixed or floating point, not 'aligned:13'"),
])
def test_hand_count_wrong(spelling, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        hand_count(parse_mac(spelling))


def test_command_prints_the_count_of_a_unit(capsys):
    assert cost.main(["--mac", str(figure()[0].mac), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "mac": "int8,acc=fx27", "multiply": 428, "align_add": 101, "normalise": 198, "total": 727,
        "missing": []}
    assert figure()[0].total == (718, 721)
    assert cost.main(["--mac", "e4m3"]) == 0
    assert capsys.readouterr().out.startswith("e4m3,acc=fx49m18: 173 multiply + ")


@pytest.mark.parametrize("arguments", [["--mac", "e4m3", "--lanes", "4"], []])
def test_command_wrong(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cost.main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
