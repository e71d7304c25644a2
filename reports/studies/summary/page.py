# SPDX-License-Identifier: Apache-2.0
"""The answer in one screen: costs of units over INT8, and what five networks need.

Each number comes with the record that it is of, so that the report can link to it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reports.registry import Records
from reports.studies.explanation.page_units import FORMATS, Units, unit_of
from reports.studies.networks.page import Results
from reports.tables import MISSING, Record, value

#: What INT8 is compared by: heading, and the metrics that are added up.
MEASURES = {
    "area": ("area",),
    "gates": ("two_input_gates_keep",),
    "clock period": ("min_period",),
    "energy, no glitches": ("energy_gaussian",),
    "energy with glitches": ("energy_gaussian", "energy_gaussian_glitches"),
}
#: The units of the table: operands, and the beginning and the name of the accumulator.
UNITS = (
    ("INT8", "fx", "exact"),
    ("E2M5", "fx", "exact"),
    ("E3M4", "fx", "exact"),
    ("E4M3", "fx", "exact"),
    ("E4M3", "fp16", "FP16"),
    ("E4M3", "fp32", "FP32"),
)
INT8, E4M3, EXACT = "INT8", "E4M3", "exact"


@dataclass(frozen=True, slots=True)
class Cell:
    """A number as text and its record: file, place in the file, and metric; "" for none."""

    text: str
    file: str = ""
    place: int = 0
    metric: str = ""

    @property
    def target(self) -> str:
        """Link from the first page to the record; "" if the number has none."""
        anchor = f"{self.place}-{self.metric}" if self.metric else str(self.place)
        return f"records/{self.file}.html#r{anchor}" if self.file else ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: its name, and a cell a column."""

    name: str
    cells: Sequence[Cell]


def _sum(record: Record, metrics: Sequence[str]) -> float | None:
    """Sum of some metrics, None if one is missing."""
    if not record["metrics"].keys() >= set(metrics):
        return None
    return sum(float(value(record, name)) for name in metrics)


def costs(records: Sequence[Record]) -> list[Row]:
    """Each unit over INT8 with an exact sum."""
    units, rows = Units(records), []
    found = {
        (pair, acc): next(iter(units.find(**unit_of(FORMATS[pair], acc))), None)
        for pair, acc, _ in UNITS
    }
    base = found[UNITS[0][:2]]
    for pair, acc, name in UNITS:
        record = found[pair, acc]
        if record is None or base is None:
            continue
        cells = []
        for metrics in MEASURES.values():
            own, reference = _sum(record, metrics), _sum(base, metrics)
            cells.append(
                Cell(MISSING)
                if own is None or not reference
                else Cell(f"{own / reference:.2f}", "paper", _place(records, record), metrics[-1])
            )
        rows.append(Row(f"{pair}, {name}", cells))
    return rows


def networks(records: Sequence[Record]) -> list[Row]:
    """Metric of each network in FP32, its change in INT8 and E4M3, and the recommended setting."""
    results, rows = Results(records), []
    for network in results.networks:
        reference, advice = results.reference(network), results.answer(network)
        if reference is None:
            continue
        metric = reference["conditions"]["metric"]
        cells = [
            Cell(
                f"{results.metric(reference):.1f}", "networks", _place(records, reference), metric
            ),
            *(
                Cell(MISSING)
                if (record := results.quantized(network, column)) is None
                else Cell(
                    _signed(results.metric(record) - results.metric(reference)),
                    "networks",
                    _place(records, record),
                    metric,
                )
                for column in (INT8, E4M3)
            ),
            Cell(MISSING)
            if advice is None
            else Cell(
                " ".join(advice["conditions"]["chosen"]), "networks", _place(records, advice)
            ),
        ]
        rows.append(Row(network, cells))
    return rows


def _signed(change: float) -> str:
    """A change with its sign; none has no sign."""
    return f"{change:+.1f}" if round(change, 1) else "0.0"


def _place(records: Sequence[Record], record: Record) -> int:
    """Place of a record in its file."""
    return next(place for place, each in enumerate(records) if each is record)


def summary(records: Records) -> dict[str, Any]:
    """What the template ``summary.html.j2`` shows.

    ``int8_first`` says whether INT8 with an exact sum is the smallest unit and no format is
    recommended for more networks; ``all_exact`` whether every recommended setting has exact sums.
    """
    units, found = costs(records.get("paper", ())), records.get("networks", ())
    results = Results(found)
    chosen = [
        tuple(advice["conditions"]["chosen"])
        for network in results.networks
        if (advice := results.answer(network))
    ]
    counts = Counter(column for column, _ in chosen)
    area = {row.name: float(row.cells[0].text) for row in units if row.cells[0].file}
    smallest = bool(area) and min(area, key=area.__getitem__).startswith(INT8)
    return {
        "measures": list(MEASURES),
        "units": units,
        "networks": networks(found),
        "loss": results.loss,
        "counts": counts.most_common(),
        "int8_first": smallest and counts[INT8] == max(counts.values(), default=0) > 0,
        "all_exact": bool(chosen) and all(accumulator == EXACT for _, accumulator in chosen),
        "e4m3": {row.name.split()[1]: row.cells[0] for row in units if row.name.startswith(E4M3)},
        "fp8": _ends(units[1:]),
    }


def _ends(rows: Sequence[Row]) -> list[Cell]:
    """Smallest and largest area of the units with an exact sum."""
    cells = sorted(
        (row.cells[0] for row in rows if EXACT in row.name and row.cells[0].file),
        key=lambda cell: float(cell.text),
    )
    return [cells[0], cells[-1]] if cells else []
