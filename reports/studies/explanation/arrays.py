# SPDX-License-Identifier: Apache-2.0
"""What an array adds to the cost of FP8: area and energy of a MAC with its registers and drain."""

import re
from collections.abc import Mapping

from reports.plots import bars
from reports.studies.explanation.silicon import COMPARED, Units, over, unit_of

__all__ = ["arrays_energy_plot", "arrays_energy_sentence", "arrays_plot", "arrays_sentence"]

Sources = Mapping[str, Units]
#: On Gaussian operands and without glitches, which arrays are not run with.
ENERGY = "energy_gaussian"


def _size(unit: str) -> int:
    """Processing elements of an array by its spelling, 0 if it is none."""
    found = re.search(r",array=(\d+)x(\d+)", unit)
    return int(found[1]) * int(found[2]) if found else 0


def _largest(units: Units, metric: str) -> int:
    """Processing elements of the largest arrays that have the metric."""
    return max((_size(unit) for unit in units.values("unit")
                if units.value(metric, unit=unit) is not None), default=0)


def _values(units: Units, metric: str, size: int) -> list[float | None]:
    """Metric of each of `COMPARED` in arrays of that size, mapped by hierarchy."""
    return [units.value(metric, flat=False, unit=lambda unit, start=f"{pair},acc={acc}": (
        unit.startswith(start) and _size(unit) == size)) for pair, acc in COMPARED.values()]


def _alone(units: Units, metric: str) -> list[float | None]:
    """Metric of each of `COMPARED` alone."""
    return [units.value(metric, **unit_of(pair, acc)) for pair, acc in COMPARED.values()]


def _compared(values: list[float | None]) -> str:
    """The units over the first one."""
    return ", ".join(f"{name} {over(value, values[0])}"
                     for name, value in list(zip(COMPARED, values, strict=True))[1:])


def arrays_plot(units: Sources) -> str:
    size = _largest(units["arrays"], "area")
    shares = [None if value is None else value / size
              for value in _values(units["arrays"], "area", size)]
    return bars("A MAC alone, and its share of an array", unit="cell area a MAC [um2]",
                groups=list(COMPARED), series={"MAC alone": _alone(units["paper"], "area"),
                                                  f"in an array of {size}": shares})


def arrays_sentence(units: Sources) -> str:
    size = _largest(units["arrays"], "area")
    return (f"In an array of {size} registers and drain join the MAC, and a wide exact sum is "
            "registered twice: the area against that of INT8/27 is, for "
            f"{_compared(_values(units['arrays'], 'area', size))}.")


def arrays_energy_plot(units: Sources) -> str:
    size = _largest(units["arrays"], ENERGY)
    return bars("An operation of a MAC alone, and in an array", unit="energy an operation [fJ]",
                groups=list(COMPARED), series={
                    "MAC alone": _alone(units["paper"], ENERGY),
                    f"in an array of {size}": _values(units["arrays"], ENERGY, size)})


def arrays_energy_sentence(units: Sources) -> str:
    size = _largest(units["arrays"], ENERGY)
    shown = units["arrays"].find(unit=lambda unit: _size(unit) == size)[0]["conditions"]["energy"]
    return ("Registers and drain take energy too, the drain the more, the shorter the sums; on "
            f"Gaussian operands, {shown['stream']}, without glitches, an operation in an "
            f"array of {size} takes, against INT8/27, for "
            f"{_compared(_values(units['arrays'], ENERGY, size))}; alone, for "
            f"{_compared(_alone(units['paper'], ENERGY))}.")
