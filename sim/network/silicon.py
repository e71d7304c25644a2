# SPDX-License-Identifier: Apache-2.0
"""Energy of a product, from the records of units that were measured in standard cells."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hw.spec import MacSpec

__all__ = ["DATA", "SOURCES", "Energy", "product_fj", "recorded"]

DATA = Path(__file__).parents[2] / "reports" / "data"
#: Files of records that hold units, in the order in which they are asked.
SOURCES = ("paper", "units")
#: Of normally distributed operands: what a product takes, and what its glitches take beside it.
PARTS = ("energy_gaussian", "energy_gaussian_glitches")


class Energy(NamedTuple):
    """Energy of one multiply-accumulation in pJ, and what it is known from."""

    pj: float
    source: str


def product_fj(metrics: Mapping[str, float]) -> float | None:
    """Energy of one multiply-accumulation in fJ, glitches included; None if it was not measured."""
    return sum(metrics[name] for name in PARTS) if metrics.keys() >= set(PARTS) else None


def recorded(mac: MacSpec, folder: Path = DATA) -> Energy | None:
    """What the records of ``folder`` tell of a unit; None if they do not."""
    for name in SOURCES:
        path = folder / f"{name}.json"
        records = json.loads(path.read_text(encoding="utf-8"))["records"] if path.exists() else []
        for record in records:
            values = {key: metric["value"] for key, metric in record["metrics"].items()}
            found = product_fj(values) if record["subject"] == mac.name else None
            if found is not None:
                library = (record["provenance"]["library"] or {}).get("name", "no library")
                return Energy(found / 1000, f"recorded of {mac.name} in {library}")
    return None
