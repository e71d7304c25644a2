# SPDX-License-Identifier: Apache-2.0
"""Records of networks, looked up by network, format and accumulator."""

from collections.abc import Sequence
from typing import Any

__all__ = ["EXACT", "Study"]

Record = dict[str, Any]
#: Accumulator that all formats are compared with.
EXACT = "exact"
#: Study that tells how long the simulator takes.
PACE = "pace"


class Study:
    """Networks in FP32, in each format with exact sums, and with other accumulators."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self.networks = list(dict.fromkeys(record["subject"] for record in records
                                           if record["conditions"]["study"] != PACE))
        self.paces = [record for record in records if record["conditions"]["study"] == PACE]
        self.columns = self._values("column")
        self.accumulators = [name for name in self._values("accumulator") if name != EXACT]

    def _values(self, name: str) -> list[str]:
        """What a condition can be, in the records' order."""
        return list(dict.fromkeys(record["conditions"][name] for record in self._records
                                  if name in record["conditions"]))

    def reference(self, network: str) -> Record | None:
        """The network in FP32."""
        return self._find(network, study="fp32")

    def quantized(self, network: str, column: str) -> Record | None:
        """The network in a format, with exact sums and its best ranges."""
        return self._find(network, study="formats", column=column)

    def accumulated(self, network: str, column: str, accumulator: str) -> Record | None:
        """The network in a format with another accumulator."""
        if accumulator == EXACT:
            return self.quantized(network, column)
        return self._find(network, study="accumulators", column=column, accumulator=accumulator)

    def _find(self, network: str, **conditions: str) -> Record | None:
        for record in self._records:
            if record["subject"] == network and conditions.items() <= record["conditions"].items():
                return record
        return None

    @staticmethod
    def metric(record: Record) -> float:
        """Value of the network's own metric, in percent."""
        return float(record["metrics"][record["conditions"]["metric"]]["value"])

    def depths(self, network: str) -> dict[str, int]:
        """K of each layer."""
        found = self.reference(network)
        shapes = found["conditions"]["shapes"] if found else {}
        return {name: int(shape.split("x")[1]) for name, shape in shapes.items()}

    def layers(self, network: str, column: str) -> dict[str, float]:
        """SQNR of each layer in dB, in a format with exact sums."""
        found = self.quantized(network, column)
        return dict(found["conditions"]["sqnr"]) if found else {}
