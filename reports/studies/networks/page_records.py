# SPDX-License-Identifier: Apache-2.0
"""Records of networks, looked up by network, format and accumulator."""

import math
from collections.abc import Sequence
from typing import Any

__all__ = ["EXACT", "FP8", "INT8", "Study", "chance"]

Record = dict[str, Any]
#: Accumulator that all formats are compared with.
EXACT = "exact"
INT8, FP8 = "INT8", ("E2M5", "E3M4", "E4M3", "E5M2")
#: Studies that tell how long the simulator takes, and which setting to take.
PACE, ANSWER = "pace", "answer"


def chance(better: int, worse: int) -> float:
    """Probability that as many samples or more would go one way if both ways were as likely.

    The two-sided sign test: samples that do as well as before are left out.
    """
    count = better + worse
    tail: int = sum(math.comb(count, fewer) for fewer in range(min(better, worse) + 1))
    return float(min(1.0, 2 * tail / 2**count))


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

    def answer(self, network: str) -> Record | None:
        """What to take."""
        return self._find(network, study=ANSWER)

    @property
    def loss(self) -> float | None:
        """Points of the metric that what is to take may lose; None if there is no answer."""
        found = [each["conditions"]["loss"] for network in self.networks
                 if (each := self.answer(network))]
        return found[0] if found else None

    @property
    def size(self) -> str:
        """Array that cycles are counted on."""
        found = (self.reference(network) for network in self.networks)
        return next((str(record["conditions"].get("array", "")) for record in found if record), "")

    def _find(self, network: str, **conditions: str) -> Record | None:
        for record in self._records:
            if record["subject"] == network and conditions.items() <= record["conditions"].items():
                return record
        return None

    @staticmethod
    def metric(record: Record) -> float:
        """Value of the network's own metric, in percent."""
        return float(record["metrics"][record["conditions"]["metric"]]["value"])

    @staticmethod
    def counts(record: Record) -> tuple[int, int] | None:
        """Samples that do better and worse than in FP32; None if that was not counted."""
        metrics = record["metrics"]
        if not {"better", "worse"} <= metrics.keys():
            return None
        return int(metrics["better"]["value"]), int(metrics["worse"]["value"])

    @staticmethod
    def error(record: Record) -> float:
        """Error of the output, in percent of its size."""
        return float(record["metrics"]["relative_error"]["value"])

    def depths(self, network: str) -> dict[str, int]:
        """K of each layer."""
        found = self.reference(network)
        shapes = found["conditions"]["shapes"] if found else {}
        return {name: int(shape.split("x")[1]) for name, shape in shapes.items()}

    def layers(self, network: str, column: str) -> dict[str, float]:
        """SQNR of each layer in dB, in a format with exact sums."""
        found = self.quantized(network, column)
        return dict(found["conditions"]["sqnr"]) if found else {}
