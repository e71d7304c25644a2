# SPDX-License-Identifier: Apache-2.0
"""Units whose netlists are mutated, one or more of every kind, and the check of each."""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hw.array import array
from hw.mac import mac
from hw.spec import (
    AlignedAccumulator,
    FixedAccumulator,
    FloatAccumulator,
    parse_mac,
    parse_output,
    parse_spec,
)
from sim.rtl import Model, RtlError
from tests.mutation.equivalence import Equivalence, States, held_sums
from tests.mutation.mutant import MutantError
from tests.mutation.netlist import MutatedNetlist, SelectedModel
from tests.support.array_checks import check_array
from tests.support.mac_rtl import SumsBench, Walks
from tests.support.output_checks import OutputBench, output_case, output_stages

#: Raises `AssertionError` or `sim.rtl.RtlError` if the model is wrong.
Check = Callable[[Model], Any]

#: Seed of Yosys' choice of mutations.
SEED = 1
#: Mutations a unit.
COUNT = 24
KINDS = {
    FixedAccumulator: "fixed point",
    FloatAccumulator: "floating point",
    AlignedAccumulator: "aligned",
}
#: Random sums of an output stage.
SUMS = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """A unit whose netlist is mutated.

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
        Pattern of the cells that get mutations.
    count
        Number of mutations.
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
    """MAC, checked in sums; and after every step, if a single step can be wrong."""
    spec = parse_mac(spelling)
    return Unit(
        name=spelling,
        room=f"netlist, {KINDS[type(spec.acc)]}",
        build=lambda: mac(spec),
        check=lambda: _mac_check(spec),
        states=held_sums(spec),
    )


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

    return Unit(
        name=spelling,
        room="netlist, output stage",
        check=check,
        build=lambda: output_stages([spec]),
    )


def _array(spelling: str, part: str = "", count: int = COUNT) -> Unit:
    """Array; only those of its cells are mutated whose names have ``part`` in them."""
    spec = parse_spec(spelling)
    return Unit(
        name=f"{spelling} {part}".strip(),
        room="netlist, array",
        cells=f"c:*{part}*",
        count=count,
        build=lambda: array(spec),
        check=lambda: lambda model: check_array(spec, model, seed=4),
    )


def _units(make: Callable[..., Unit], *spellings: Iterable[str] | str) -> tuple[Unit, ...]:
    """Units of one kind."""
    return tuple(make(text) if isinstance(text, str) else make(*text) for text in spellings)


UNITS = (
    *_units(
        _mac,
        "int8",
        "int8,acc=int20-sat",
        "e4m3",
        "e5m2",
        "e4m3xe5m2",
        "e4m3,lanes=2",
        "e5m2,acc=fx48m12t,pipeline=1",
        "int8,acc=int27,adder=carry-save",
        "e4m3,adder=carry-save",
    ),
    *_units(
        _mac,
        "e4m3,acc=fp16",
        "e4m3,acc=fp32",
        "e5m2,acc=bf16",
        "e5m2,acc=fp16-sat-ftz",
        "e4m3,acc=fp16,lanes=2",
    ),
    *_units(_mac, "e4m3,acc=aligned:13,lanes=4", "e5m2,acc=aligned:25,lanes=2,pipeline=1"),
    *_units(
        _output,
        "e4m3,from=fp16",
        "e5m2,from=fp32,saturate=no",
        "e5m2,from=fx77m32,flags=2,saturate=no",
        "int8,from=int32,scale=pow2,zero_point=yes",
        "e4m3,from=fp16,scale=fp32",
    ),
    *_units(
        _array,
        ("e2m1,array=3x5", "sequencer"),
        "int8,acc=int20-sat,pipeline=1,array=3x2",
        ("e2m1xe5m2,array=2x2", "pe_0"),
        ("e5m2,array=2x3", "result_1"),
        ("int8,pipeline=1,adder=carry-save,array=2x3", "resolver_0"),
        ("e2m1,array=2x1,out=fp32,saturate=no", "handover", 8),
    ),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One mutation: its name, the message of the check, the reason why it is equivalent, or ""."""

    mutation: str
    message: str
    reason: str = ""


def try_named(name: str) -> list[Trial]:
    """Try every mutation of the unit of `UNITS` that is called ``name``."""
    return try_unit(next(unit for unit in UNITS if unit.name == name))


def try_unit(unit: Unit) -> list[Trial]:
    """Try every mutation of ``unit``.

    Raises
    ------
    MutantError
        If the check does not pass as it is.
    """
    check = unit.check()
    with tempfile.TemporaryDirectory(prefix="netlist-") as folder:
        netlist = MutatedNetlist(
            unit.build(), Path(folder), count=unit.count, seed=SEED, cells=unit.cells
        )
        model = netlist.compile()
        if message := _message(check, SelectedModel(model, 0)):
            raise MutantError(f"Check of {unit.name} must pass as it is, and fails: {message}")
        messages = [
            _message(check, SelectedModel(model, place)) for place in range(1, unit.count + 1)
        ]
        solver = None if all(messages) else Equivalence(netlist, unit.states)
        return [
            Trial(mutation.name, message, "" if message else solver.reason(place))
            for place, (mutation, message) in enumerate(
                zip(netlist.mutations, messages, strict=True), 1
            )
        ]


def _message(check: Check, model: Model) -> str:
    """Message of the check on one line; empty if it passes."""
    try:
        check(model)
    except (AssertionError, RtlError) as error:
        return (str(error).splitlines() or [type(error).__name__])[0] or type(error).__name__
    return ""
