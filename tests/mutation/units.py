# SPDX-License-Identifier: Apache-2.0
"""Units whose netlists get faults, one or more of every kind, and the check of each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hw.array.stream_top import stream_top
from hw.mac import mac
from hw.spec import (
    AlignedAccumulator,
    FixedAccumulator,
    FloatAccumulator,
    parse_array,
    parse_mac,
    parse_output,
)
from sim.rtl import Model
from tests.mutation.equivalence import States
from tests.mutation.states import held_sums
from tests.support.array_streams import check_array
from tests.support.mac_rtl import Walks
from tests.support.mac_sums import SumsBench
from tests.support.output_bench import OutputBench, output_stages
from tests.support.output_cases import output_case

__all__ = ["UNITS", "Check", "Unit"]

#: Raises `AssertionError` or `sim.rtl.RtlError` if the model is not what it should be.
Check = Callable[[Model], Any]

#: Faults a unit.
COUNT = 24
KINDS = {FixedAccumulator: "fixed point", FloatAccumulator: "floating point",
         AlignedAccumulator: "aligned"}
#: Random sums of an output stage.
SUMS = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """A unit whose netlist gets faults.

    Parameters
    ----------
    name
        Its spelling.
    room
        Kind of the unit.
    build
        Gives what is built.
    check
        Gives the check; what it presents is made once.
    cells
        Pattern of the cells that get faults.
    count
        Number of faults.
    states
        What is known of the states that the unit can be in.
    """

    name: str
    room: str
    build: Callable[[], Any]
    check: Callable[[], Check]
    cells: str = "*"
    count: int = COUNT
    states: States | None = None


def _mac(spelling: str) -> Unit:
    """MAC, checked in sums; where any step can go wrong by itself, behind every step too."""
    spec = parse_mac(spelling)
    return Unit(name=spelling, room=f"netlist, {KINDS[type(spec.acc)]}", build=lambda: mac(spec),
                check=lambda: _mac_check(spec), states=held_sums(spec))


def _mac_check(spec) -> Check:
    """Check of a MAC."""
    checks = [SumsBench(spec, seed=1)]
    if not isinstance(spec.acc, FixedAccumulator):
        checks.append(Walks(spec, seed=2))
    return lambda model: [check.check(model) for check in checks]


def _output(spelling: str) -> Unit:
    """Output stage, or encoder."""
    spec = parse_output(spelling)

    def check() -> Check:
        case = output_case(np.random.default_rng(3), spec, SUMS)

        def held(model: Model) -> None:
            bench = OutputBench.over([spec], model)
            bench.check([case])
            bench.check_valid()

        return held

    return Unit(name=spelling, room="netlist, output stage", check=check,
                build=lambda: output_stages([spec]))


def _array(size: str, spelling: str, part: str = "", count: int = COUNT) -> Unit:
    """Array; only those of its cells get faults whose names have ``part`` in them."""
    unit, _, out = spelling.partition(",out=")
    spec = parse_array(size, unit, out=out or None)
    name = f"{size}:{spelling}" + (f" {part}" if part else "")
    return Unit(name=name, room="netlist, array", cells=f"c:*{part}*", count=count,
                build=lambda: stream_top(spec),
                check=lambda: lambda model: check_array(spec, model, seed=4))


def _units(make: Callable[..., Unit], *spellings: Iterable[str] | str) -> tuple[Unit, ...]:
    """Units of one kind."""
    return tuple(make(text) if isinstance(text, str) else make(*text) for text in spellings)


UNITS = (
    *_units(_mac, "int8", "int8,acc=int20-sat", "e4m3", "e5m2", "e4m3xe5m2", "e4m3,lanes=2",
            "e5m2,acc=fx48m12t,pipeline=1", "int8,acc=int27,adder=carry-save",
            "e4m3,adder=carry-save"),
    *_units(_mac, "e4m3,acc=fp16", "e4m3,acc=fp32", "e5m2,acc=bf16", "e5m2,acc=fp16-sat-ftz",
            "e4m3,acc=fp16,lanes=2"),
    *_units(_mac, "e4m3,acc=aligned:13,lanes=4", "e5m2,acc=aligned:25,lanes=2,pipeline=1"),
    *_units(_output, "e4m3,from=fp16", "e5m2,from=fp32,saturate=no",
            "e5m2,from=fx77m32,flags=2,saturate=no", "int8,from=int32,scale=pow2,zero_point=yes",
            "e4m3,from=fp16,scale=fp32"),
    *_units(_array, ("3x5", "e2m1", "sequencer"), ("3x2", "int8,acc=int20-sat,pipeline=1"),
            ("2x2", "e2m1xe5m2", "pe_0"), ("2x3", "e5m2", "result_1"),
            ("2x3", "int8,pipeline=1,adder=carry-save", "resolver_0"),
            ("2x1", "e2m1,out=fp32,saturate=no", "handover", 8)),
)
