# SPDX-License-Identifier: Apache-2.0
"""Cycles of SCALE-Sim beside those of the arrays, and what each difference is made of."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.tables import Table

__all__ = ["DATAFLOWS", "cycles", "sentence"]

Record = Mapping[str, Any]
DATAFLOWS = {"os": "output stationary", "ws": "weight stationary"}


def _compared(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if "scalesim_cycles" in record["metrics"]]


def _both(record: Record) -> tuple[int, int]:
    """Cycles of SCALE-Sim and of the array."""
    metrics = record["metrics"]
    return metrics["scalesim_cycles"]["value"], metrics["cycles"]["value"]


def cycles(records: Sequence[Record], dataflow: str) -> Table:
    """A line a layer and array: both numbers, and the causes that add up to their difference."""
    shown = [record for record in _compared(records)
             if record["conditions"]["dataflow"] == dataflow]
    causes = list(dict.fromkeys(name for record in shown
                                for name in record["conditions"]["causes"]))
    rows = []
    for record in shown:
        given, (told, ours) = record["conditions"], _both(record)
        rows.append([record["subject"], given["gemm"], given["array"], f"{told:,}", f"{ours:,}",
                     f"{told - ours:+,}", *(f"{given['causes'].get(name, 0):+,}"
                                            for name in causes),
                     "yes" if given["stepped"] else "no"])
    return Table([DATAFLOWS[dataflow], "product", "array", "SCALE-Sim", "array's cycles",
                  "difference", *causes, "stepped"], rows, [])


def sentence(records: Sequence[Record]) -> str:
    """How far both are apart; nothing if they were not compared."""
    shown = [_both(record) for record in _compared(records)]
    if not shown:
        return ""
    shares = [told / ours - 1 for told, ours in shown]
    return (f" SCALE-Sim tells from {-min(shares):.0%} fewer to {max(shares):.0%} more cycles than "
            f"the arrays take in {len(shown)} cases; each difference is explained to the cycle.")
