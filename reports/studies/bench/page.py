# SPDX-License-Identifier: Apache-2.0
"""Speed of simulators relative to Verilator, in products per second.

Also cycles of SCALE-Sim compared with those of the arrays, and the causes of each difference.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from reports.plots import dots
from reports.registry import Page, Records
from reports.tables import MISSING, Record, Table, value

SOURCE = "simulator"
#: Names of simulators in records: this project's, and the references. The reference is the small
#: array where the whole one was not compiled.
FAST, NUMPY = "sim.fast", "sim.fast, numpy"
WHOLE, SMALL = "Verilator", "Verilator, small array"
#: Remarks on simulators in tables.
KNOWN_AS = {FAST: " (numba)", "sim.rtl": " (Verilator, elements compiled once)"}
#: Speed of a simulator; and of one with threads on an idle machine.
SPEED, BUSY = "mac_per_second", "mac_per_second_by_processor_time"
PEAK = "peak of binary32 multiply-adds"
#: Unit whose every sum is one multiply-add of binary32.
BINARY32 = "fp32"
DATAFLOWS = {"os": "output stationary", "ws": "weight stationary"}


def _bench(records: Records) -> Sequence[Record]:
    """Records that time a simulator."""
    return [record for record in records[SOURCE] if "simulator" in record["conditions"]]


def _units(records: Records) -> dict[str, dict[str, Record]]:
    """Records of each unit by simulator."""
    units: dict[str, dict[str, Record]] = {}
    for record in _bench(records):
        if record["conditions"]["simulator"] != PEAK:
            name = str(record["conditions"]["unit"])
            units.setdefault(name, {})[record["conditions"]["simulator"]] = record
    return units


def _reference(unit: Mapping[str, Record]) -> Record:
    """The reference for the simulators of a unit."""
    return unit[WHOLE] if WHOLE in unit else unit[SMALL]


def _ratio(unit: Mapping[str, Record], simulator: str, metric: str = SPEED) -> float | None:
    """Products per second relative to the reference."""
    if simulator not in unit or metric not in unit[simulator]["metrics"]:
        return None
    return float(value(unit[simulator], metric)) / float(value(_reference(unit), SPEED))


def _times(ratio: float | None) -> str:
    """A ratio with three digits."""
    if ratio is None:
        return MISSING
    return f"{float(f'{ratio:.3g}'):,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def _simulators(units: Mapping[str, Mapping[str, Record]]) -> list[str]:
    """Names of all simulators, in the order of the records."""
    return list(dict.fromkeys(name for unit in units.values() for name in unit))


def ratios(records: Records) -> Table:
    """Speed of each simulator relative to Verilator, one column per unit."""
    units = _units(records)
    rows = [
        [name + KNOWN_AS.get(name, ""), *(_times(_ratio(unit, name)) for unit in units.values())]
        for name in _simulators(units)
    ]
    for name in (FAST, NUMPY):
        busy = [_ratio(unit, name, BUSY) for unit in units.values()]
        if any(busy):
            rows.append([f"{name}, by processor time", *map(_times, busy)])
    base = [
        "array of the reference",
        *(_reference(unit)["conditions"]["array"] for unit in units.values()),
    ]
    return Table(["products per second, Verilator = 1", *units], [*rows, base], [])


def _compared(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if "scalesim_cycles" in record["metrics"]]


def _both(record: Record) -> tuple[int, int]:
    """Cycles of SCALE-Sim and of the array."""
    return value(record, "scalesim_cycles"), value(record, "cycles")


def cycles(records: Sequence[Record], dataflow: str) -> Table:
    """One row per layer and array: both numbers, and the causes of their difference."""
    shown = [
        record for record in _compared(records) if record["conditions"]["dataflow"] == dataflow
    ]
    causes = list(
        dict.fromkeys(name for record in shown for name in record["conditions"]["causes"])
    )
    rows = []
    for record in shown:
        given, (theirs, ours) = record["conditions"], _both(record)
        rows.append(
            [
                record["subject"],
                given["gemm"],
                given["array"],
                f"{theirs:,}",
                f"{ours:,}",
                f"{theirs - ours:+,}",
                *(f"{given['causes'].get(name, 0):+,}" for name in causes),
                "yes" if given["stepped"] else "no",
            ]
        )
    return Table(
        [
            DATAFLOWS[dataflow],
            "product",
            "array",
            "SCALE-Sim",
            "this array",
            "difference",
            *causes,
            "stepped",
        ],
        rows,
        [],
    )


def answer(records: Records) -> dict[str, Any]:
    """Speed relative to Verilator, share of the peak rate, sums compared, memory, SCALE-Sim."""
    units = _units(records)
    first = next(iter(units.values()))
    given = first[FAST]["conditions"]
    peak = next(record for record in _bench(records) if record["conditions"]["simulator"] == PEAK)
    binary32 = next(unit for name, unit in units.items() if name.endswith(BINARY32))
    memory = [
        {
            "gemm": record["conditions"]["gemm"],
            "gibibytes": value(record, "peak_memory") / (1 << 30),
        }
        for record in records[SOURCE]
        if "peak_memory" in record["metrics"]
    ]
    compared = sum(
        value(record, "sums_compared") for unit in units.values() for record in unit.values()
    )
    return {
        "gemm": given["gemm"],
        "array": given["array"],
        "compared": compared,
        "speeds": {name: _times(_ratio(unit, FAST)) for name, unit in units.items()},
        "numpy": _times(_ratio(first, NUMPY)),
        "share": value(binary32[FAST], SPEED) / value(peak, SPEED),
        "memory": memory[0] if memory else None,
        "scalesim": [theirs / ours - 1 for theirs, ours in map(_both, _compared(records[SOURCE]))],
    }


def plots(records: Records) -> dict[str, Callable[[], str]]:
    """Plots of the page: bars of all ratios."""
    units = _units(records)
    series = {
        name: [_ratio(unit, name) for unit in units.values()]
        for name in _simulators(units)
        if name not in (WHOLE, SMALL)
    }
    return {
        "simulator-speed": partial(
            dots,
            "Speed of simulators relative to a plain Verilator model",
            series=series,
            groups=list(units),
            unit="products per second, Verilator = 1",
            line=1.0,
            line_name="Verilator",
        )
    }


def simulators_page(records: Records) -> dict[str, Any]:
    """Values for the page.

    Besides speeds and cycles: compilation time relative to `sim.fast`, and the product that each
    simulator computed.
    """
    units = _units(records)
    compiling = []
    for name in _simulators(units):
        row = [name]
        for unit in units.values():
            taken = value(unit[name], "time_to_compile") if name in unit else 0
            row.append(_times(taken / value(unit[FAST], "time_to_compile")) if taken else MISSING)
        compiling.append(row)
    computed = [
        [
            name,
            simulator,
            given["array"],
            given["part"],
            f"{value(record, 'cycles'):,}",
            f"{value(record, 'sums_compared'):,}",
            value(record, "checksum"),
            given["time"],
        ]
        for name, unit in units.items()
        for simulator, record in unit.items()
        for given in [record["conditions"]]
    ]
    return {
        "ratios": ratios(records),
        "compiling": Table(["compilation time, sim.fast = 1", *units], compiling, []),
        "computed": Table(
            [
                "unit",
                "simulator",
                "array",
                "product",
                "cycles",
                "sums compared",
                "checksum",
                "timed by",
            ],
            computed,
            [],
        ),
        "cycles": [cycles(records[SOURCE], dataflow) for dataflow in DATAFLOWS],
    }


PAGE = Page(values=simulators_page, answer=answer, short=ratios, plots=plots)
