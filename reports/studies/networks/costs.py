# SPDX-License-Identifier: Apache-2.0
"""What arrays cost in silicon, looked up in the records: nothing is measured here."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hw.spec import ArraySpec, MacSpec
from sim.network.silicon import DATA, SOURCES, product_fj
from synth.record import Record, read_records

__all__ = ["Cost", "Costs"]

#: File of more arrays.
ARRAYS = "arrays"
PREFIX = "array_"


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of an array, and where the figures come from.

    Attributes
    ----------
    area_mm2
        Cell area of the array, None if none of its kind was measured.
    energy_fj
        Energy of one multiply-accumulation, glitches included, None if it was not measured.
    measured_as
        Array that the area is from: this one, or one whose area by processing element it is.
    library
        Name of the cell library.
    """

    area_mm2: float | None
    energy_fj: float | None
    measured_as: str
    library: str


class Costs:
    """Records of units and arrays, looked up by their specs."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = [record for record in records if "failed" not in record.metrics]

    @classmethod
    def of_project(cls, folder: Path = DATA) -> "Costs":
        """Those of the files that are there."""
        paths = [folder / f"{name}.json" for name in (*SOURCES, ARRAYS)]
        return cls(record for path in paths if path.exists() for record in read_records(path))

    def of(self, array: ArraySpec) -> Cost:
        """Cost of ``array``; what no record tells is None."""
        area, measured_as, library = self._area(array)
        energy, other = self._energy(array.mac)
        return Cost(area, energy, measured_as, library or other)

    def _area(self, array: ArraySpec) -> tuple[float | None, str, str]:
        """Area in mm2, of the array itself or by its processing elements from another."""
        found = {record.subject: record for record in self._records
                 if record.subject.startswith(PREFIX) and "area" in record.metrics}
        ending = array.name.removeprefix(f"{PREFIX}{array.size}")
        alike = [name for name in found if name == array.name or (
            name.endswith(ending)
            and name.removeprefix(PREFIX).removesuffix(ending).count("x") == 1)]
        if not alike:
            return None, "", ""
        name = max(alike, key=lambda each: (each == array.name, _elements(each)))
        record = found[name]
        area = float(record.metrics["area"].value) * array.rows * array.cols / _elements(name)
        return area / 1e6, name, _library(record)

    def _energy(self, mac: MacSpec) -> tuple[float | None, str]:
        """Energy of a multiply-accumulation in fJ, glitches included."""
        for record in self._records:
            values = {name: metric.value for name, metric in record.metrics.items()
                      if isinstance(metric.value, int | float)}
            found = product_fj(values) if record.subject == mac.name else None
            if found is not None:
                return found, _library(record)
        return None, ""


def _elements(name: str) -> int:
    """Processing elements of an array by its name, ``array_16x16_...``."""
    rows, cols = name.removeprefix(PREFIX).partition("_")[0].split("x")
    return int(rows) * int(cols)


def _library(record: Record) -> str:
    return str((record.provenance.library or {}).get("name", ""))
