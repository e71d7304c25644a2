# SPDX-License-Identifier: Apache-2.0
"""One unit's netlist with each of its faults, one after the other, under the unit's check."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from sim.rtl import Model, RtlError
from tests.mutation.equivalence import Equivalence
from tests.mutation.netlist import FaultyNetlist, SelectedModel
from tests.mutation.planting import PlantingError
from tests.mutation.units import UNITS, Check, Unit

__all__ = ["Trial", "try_named", "try_unit"]

#: Of Yosys' choice of faults.
SEED = 1


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault: what it does, what the check said, why it changes nothing; empty if unknown."""

    fault: str
    message: str
    reason: str = ""


def try_named(name: str) -> list[Trial]:
    """Try every fault of the unit of `UNITS` that is called ``name``."""
    return try_unit(next(unit for unit in UNITS if unit.name == name))


def try_unit(unit: Unit) -> list[Trial]:
    """Try every fault of ``unit``.

    Raises
    ------
    PlantingError
        If the check does not pass without a fault.
    """
    check = unit.check()
    with tempfile.TemporaryDirectory(prefix="netlist-") as folder:
        netlist = FaultyNetlist(unit.build(), Path(folder), count=unit.count, seed=SEED,
                                cells=unit.cells)
        model = netlist.compile()
        if message := _message(check, SelectedModel(model, 0)):
            raise PlantingError(f"Check of {unit.name} must pass without a fault, and fails: "
                                f"{message}")
        messages = [_message(check, SelectedModel(model, place))
                    for place in range(1, unit.count + 1)]
        solver = None if all(messages) else Equivalence(netlist, unit.states)
        return [Trial(mutation.name, message, "" if message else solver.reason(place))
                for place, (mutation, message) in
                enumerate(zip(netlist.mutations, messages, strict=True), 1)]


def _message(check: Check, model: Model) -> str:
    """What the check finds, on one line; empty if nothing."""
    try:
        check(model)
    except (AssertionError, RtlError) as error:
        return (str(error).splitlines() or [type(error).__name__])[0] or type(error).__name__
    return ""
