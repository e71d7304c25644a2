# SPDX-License-Identifier: Apache-2.0
"""Mutants of netlists: one at a time, killed or shown to be equivalent."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import z3

import sim
from hw.emit.netlist import Port
from hw.mac import mac
from hw.mac.align_window import AlignWindow
from hw.spec import parse_mac
from tests.mutation.equivalence import EQUAL, SEQUENCES, Equivalence, aligned_top, held_sums
from tests.mutation.mutant import MutantError
from tests.mutation.netlist import SELECT, MutatedNetlist, SelectedModel
from tests.mutation.units import UNITS, Unit, try_unit
from tests.support.mac_rtl import SumsBench, short_walks, walks


def small_unit(**changes):
    """A unit whose check compares sums on its ports."""
    spec = parse_mac("e2m1,acc=exact:1")
    return Unit(
        **{
            "name": str(spec),
            "room": "netlist",
            "build": lambda: mac(spec),
            "count": 12,
            "check": lambda: SumsBench(spec, seed=1).check,
        }
        | changes
    )


def test_netlist_has_one_mutation_at_a_time(tmp_path):
    unit = small_unit()
    netlists = [
        MutatedNetlist(unit.build(), make_folder(tmp_path / name), count=12, seed=5)
        for name in ("one", "other")
    ]
    assert netlists[0].mutations == netlists[1].mutations
    assert netlists[0].verilog == netlists[1].verilog
    model, check = netlists[0].compile(), unit.check()
    sums = {check(SelectedModel(model, 0)) for _ in range(2)}
    assert len(sums) == 1
    for place, mutation in enumerate(netlists[0].mutations, 1):
        with pytest.raises(AssertionError, match="e2m1"):
            check(SelectedModel(model, place))
        assert re.match(r"(inv|const0|const1|cnot0|cnot1)\b.* \S+\.\w\[\d+\]", mutation.name)


def make_folder(path):
    path.mkdir()
    return path


def test_mutants_survive_a_check_that_sees_nothing():
    """Mutants that a better check would kill are not classified as equivalent."""
    trials = try_unit(small_unit(check=lambda: lambda model: None))
    assert len(trials) == 12
    assert not any(trial.message or trial.reason for trial in trials)


#: A register that is never read, a counter that is only compared with zero, and a redundant gate.
REDUNDANT = """module spare(input clk, input rst, input i, output o, output o_zero);
  reg q = 0; reg [1:0] left = 0;
  always @(posedge clk) q <= ~rst & i;
  always @(posedge clk) left <= rst ? 0 : i ? 2 : left != 0 ? left - 1 : 0;
  assign o = q & (q | i); assign o_zero = left == 0;
endmodule
"""


@dataclass(frozen=True)
class Redundant:
    """A module written by hand, as a netlist to mutate."""

    top: str
    folder: Path
    ports: tuple[Port, ...]

    @property
    def verilog(self):
        return (self.folder / "mutated.v").read_text()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("(q | i)", "(q | i ^ (mutsel == 1))", EQUAL),
        ("left - 1", "(mutsel == 1 ? {left == 2, left == 2} : left - 1)", SEQUENCES),
        ("(q | i)", "(q & i ^ (mutsel == 1))", ""),
        ("? 2", "? 2 + (mutsel == 1)", ""),
    ],
)
def test_reason_shows_what_no_input_can_show(old, new, reason, tmp_path):
    assert REDUNDANT.count(old) == 1
    text = REDUNDANT.replace(old, new).replace("input i,", f"input i, input [7:0] {SELECT},")
    (tmp_path / "mutated.v").write_text(text)
    ports = tuple(
        Port(name, width, way)
        for name, width, way in (
            ("clk", 1, "input"),
            ("rst", 1, "input"),
            ("i", 1, "input"),
            ("o", 1, "output"),
            ("o_zero", 1, "output"),
            (SELECT, 8, "input"),
        )
    )
    assert Equivalence(Redundant("spare", tmp_path, ports), None).reason(1) == reason


@pytest.mark.parametrize(
    "spelling",
    [
        "e2m1,acc=e5m2",
        "e4m3,acc=e5m2",
        "e5m2,acc=e5m2-ftz",
        "int4,acc=e3m4-sat",
        "e2m1,acc=e3m4-rtz",
    ],
)
def test_held_sums_are_those_of_the_frame(spelling):
    spec = parse_mac(spelling)
    states, frame = held_sums(spec), AlignWindow(spec)
    for code in range(1 << spec.acc.width):
        condition = states(lambda name, code=code: z3.BitVecVal(code, spec.acc.width))
        assert z3.is_true(z3.simplify(condition)) == frame.holds(code), (spelling, code)
    assert held_sums(parse_mac("int8")) is None


def held(spec, codes):
    """Codes that do not meet the condition."""
    states = held_sums(spec)
    return [
        code
        for code in codes
        if not z3.is_true(
            z3.simplify(states(lambda name, code=code: z3.BitVecVal(code, spec.acc.width)))
        )
    ]


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param("e4m3,acc=aligned:13,lanes=4", marks=pytest.mark.slow),
        "e5m2,acc=aligned:3,lanes=2",
        "e4m3xint8,acc=aligned:2",
        "bf16,acc=aligned:25,lanes=2",
    ],
)
def test_held_aligned_sums_cover_those_of_random_operands(spelling):
    spec = parse_mac(spelling)
    seen = set()
    for draw in (walks, short_walks):
        a, b = draw(spec, np.random.default_rng(7))
        for k in range(spec.lanes, len(b) + 1, spec.lanes):
            seen.update(np.unique(sim.matmul(a[:8, :k], b[:k, :8], spec)).tolist())
    assert len(seen) > 100, spelling
    assert held(spec, seen) == []


@pytest.mark.parametrize(
    "spelling", ["e4m3,acc=aligned:3,lanes=4", "int8,acc=aligned:5", "e2m1,acc=aligned:4,lanes=3"]
)
def test_aligned_sums_stop_below_their_top(spelling):
    """A sum of equal products grows until they are truncated to nothing, and not beyond."""
    spec = parse_mac(spelling)
    codes = [np.full(256 * spec.lanes, fmt.max_code) for fmt in (spec.a, spec.b)]
    total, more = (
        int(sim.dot(*(side[:count] for side in codes), spec))
        for count in (255 * spec.lanes, 256 * spec.lanes)
    )
    fmt = spec.acc.fmt
    assert total == more, "grows no more"
    exponent = (total >> fmt.man_bits) - fmt.bias
    assert aligned_top(spec) - 4 <= exponent < aligned_top(spec)
    top = aligned_top(spec) + fmt.bias << fmt.man_bits
    assert held(spec, [total, total | fmt.sign_code, 0, fmt.inf_code, spec.acc.nan_code]) == []
    assert held(spec, [top, 1, fmt.sign_code, fmt.inf_code + 1]) == [
        top,
        1,
        fmt.sign_code,
        fmt.inf_code + 1,
    ]


def test_check_that_fails_without_a_mutation_is_an_error():
    def check(model):
        raise AssertionError("nothing is right\nnot at all")

    message = "Check of a unit must pass as it is, and fails: nothing is right"
    with pytest.raises(MutantError, match=f"^{message}$"):
        try_unit(small_unit(name="a unit", check=lambda: check))


def test_netlists_of_every_kind_are_mutated():
    assert sum(unit.count for unit in UNITS) >= 300
    assert len({unit.name for unit in UNITS}) == len(UNITS)
    kinds = {unit.room.removeprefix("netlist, ") for unit in UNITS}
    assert kinds == {"fixed point", "floating point", "aligned", "output stage", "array"}
