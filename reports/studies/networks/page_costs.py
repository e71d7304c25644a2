# SPDX-License-Identifier: Apache-2.0
"""What the settings of networks cost in silicon, and which of them to take."""

from collections.abc import Sequence
from typing import Any

from reports.studies.networks.page_records import Study
from reports.tables import MISSING, Table, text

__all__ = ["choice", "fronts", "sentences"]

Record = dict[str, Any]
COSTS = {"cycles_per_sample": "cycles", "area": "area [mm2]", "energy_per_sample": "energy [uJ]"}


def choice(study: Study, network: str) -> str:
    """Format and accumulator to take."""
    found = study.answer(network)
    return " ".join(found["conditions"]["chosen"]) if found else MISSING


def sentences(records: Sequence[Record]) -> list[str]:
    """What to take for each network, and why."""
    study = Study(records)
    answers = [(network, found["conditions"]) for network in study.networks
               if (found := study.answer(network))]
    return [f"{network}: {' '.join([where['sentence'], *where['reasons']])}"
            for network, where in answers]


def fronts(records: Sequence[Record]) -> Table:
    """Settings that no other one equals or beats in metric, cycles, area and energy."""
    study, rows = Study(records), []
    for network in study.networks:
        found = study.answer(network)
        for column, accumulator in found["conditions"]["front"] if found else ():
            record = study.accumulated(network, column, accumulator)
            if found and record:
                rows.append([network, column, accumulator, f"{study.metric(record):.2f}",
                             *(_cost(record, name) for name in COSTS),
                             "yes" if found["conditions"]["chosen"] == [column, accumulator]
                             else ""])
    return Table(["network", "format", "sums", "metric [%]", *COSTS.values(), "to take"], rows, [])


def _cost(record: Record, name: str) -> str:
    found = record["metrics"].get(name)
    return text(found["value"]) if found else MISSING
