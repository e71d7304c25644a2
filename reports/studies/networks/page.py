# SPDX-License-Identifier: Apache-2.0
"""Real networks in INT8 and FP8: changes from FP32, the layers behind them, accumulators."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from reports.registry import Page
from reports.studies.finetune import page as conversions
from reports.studies.networks.choice import Advice, Goal, Point, advise, metric_name
from reports.tables import MISSING, Record, Table, cell, text, value

#: Accumulator with which formats are compared.
EXACT = "exact"
INT8, E4M3, E5M2 = "INT8", "E4M3", "E5M2"
FP8 = ("E2M5", "E3M4", E4M3, E5M2)
#: Studies of simulation time and of the recommended setting.
PACE, ANSWER = "pace", "answer"
#: Probability below which a change of the metric is significant.
CHANCE = 0.01
#: Number of layers that a sentence names.
NAMED = 3
#: Change of a metric, in points, that counts as a move.
MOVES = 1.0
#: Name in the records for scales that leave room in the accumulator.
HEADROOM = "headroom"
#: Loss of a layer's SQNR in dB, compared with exact sums, that is reported.
LOSS = 1.0
COSTS = {"cycles_per_sample": "cycles", "area": "area [mm2]", "energy_per_sample": "energy [uJ]"}


class Results:
    """Networks in FP32, in each format with exact sums, and with other accumulators."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self.networks = list(
            dict.fromkeys(
                record["subject"] for record in records if record["conditions"]["study"] != PACE
            )
        )
        self.paces = [record for record in records if record["conditions"]["study"] == PACE]
        self.columns = self._values("column")
        self.accumulators = [name for name in self._values("accumulator") if name != EXACT]

    def _values(self, name: str) -> list[str]:
        """Values of a condition, in the order of the records."""
        return list(
            dict.fromkeys(
                record["conditions"][name]
                for record in self._records
                if name in record["conditions"]
            )
        )

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
        """The record of the recommended setting."""
        return self._find(network, study=ANSWER)

    @property
    def loss(self) -> float | None:
        """Points of the metric that the recommended setting may lose; None without one."""
        losses = [
            each["conditions"]["loss"]
            for network in self.networks
            if (each := self.answer(network))
        ]
        return losses[0] if losses else None

    @property
    def size(self) -> str:
        """Size of the array for cycles."""
        references = (self.reference(network) for network in self.networks)
        return next(
            (str(record["conditions"].get("array", "")) for record in references if record), ""
        )

    def _find(self, network: str, **conditions: str) -> Record | None:
        return next(
            (
                record
                for record in self._records
                if record["subject"] == network
                and conditions.items() <= record["conditions"].items()
            ),
            None,
        )

    @staticmethod
    def metric(record: Record) -> float:
        """Value of the network's own metric, in percent."""
        return float(value(record, record["conditions"]["metric"]))

    @staticmethod
    def counts(record: Record) -> tuple[int, int] | None:
        """Samples that do better and worse than in FP32; None if not counted."""
        if not {"better", "worse"} <= record["metrics"].keys():
            return None
        return int(value(record, "better")), int(value(record, "worse"))

    def is_significant(self, record: Record) -> bool:
        """Whether the change is significant by the sign test.

        The reference is FP32, or exact sums for other accumulators.
        """
        counts = self.counts(record)
        return counts is not None and chance(*counts) < CHANCE

    def errors(self, network: str, columns: Sequence[str]) -> dict[str, float]:
        """Error of the output by format, in percent of its size."""
        return {
            column: float(value(record, "relative_error"))
            for column in columns
            if (record := self.quantized(network, column))
        }

    def depths(self, network: str) -> dict[str, int]:
        """K of each layer."""
        reference = self.reference(network)
        shapes = reference["conditions"]["shapes"] if reference else {}
        return {name: int(shape.split("x")[1]) for name, shape in shapes.items()}

    def layers(self, network: str, column: str) -> dict[str, float]:
        """SQNR of each layer in dB, in a format with exact sums."""
        record = self.quantized(network, column)
        return dict(record["conditions"]["sqnr"]) if record else {}

    def gains(self, network: str, column: str) -> dict[str, float]:
        """Gain in SQNR of each layer over INT8, in dB."""
        int8, others = self.layers(network, INT8), self.layers(network, column)
        return {name: others[name] - int8[name] for name in int8 if name in others}


def chance(better: int, worse: int) -> float:
    """p-value of the two-sided sign test; samples that do as well as before are left out."""
    count = better + worse
    tail: int = sum(math.comb(count, fewer) for fewer in range(min(better, worse) + 1))
    return float(min(1.0, 2 * tail / 2**count))


def changes(records: Sequence[Record]) -> Table:
    """Networks by formats, as in table 1 of arXiv 2303.17951, and the recommended setting.

    Brackets count the samples that do better and worse, if any.
    """
    results, rows = Results(records), []
    for network in results.networks:
        reference, answered = results.reference(network), results.answer(network)
        if not reference:
            continue
        name = metric_name(reference["conditions"]["metric"])
        row = [
            network,
            f"{name} of {text(reference['conditions']['samples'])}",
            f"{results.metric(reference):.2f}",
        ]
        for column in results.columns:
            record = results.quantized(network, column)
            better, worse = (record and results.counts(record)) or (0, 0)
            row.append(
                _signed(results, record, reference)
                + (f" (+{better} -{worse})" if better or worse else "")
            )
        rows.append([*row, " ".join(answered["conditions"]["chosen"]) if answered else MISSING])
    return Table(["network", "metric [%]", "FP32", *results.columns, "recommended"], rows, [])


def _signed(results: Results, record: Record | None, before: Record) -> str:
    """Change of the metric from another record."""
    points = round(results.metric(record) - results.metric(before), 2) if record else None
    return MISSING if points is None else f"{points:+.2f}" if points else "0"


def errors(records: Sequence[Record]) -> Table:
    """Output errors, which differ between formats even where the metric does not."""
    results = Results(records)
    by_network = {network: results.errors(network, results.columns) for network in results.networks}
    rows = [
        [network, *(text(own[column]) if column in own else MISSING for column in results.columns)]
        for network, own in by_network.items()
    ]
    return Table(["network", *results.columns], rows, [])


def ranges(records: Sequence[Record]) -> Table:
    """Best ranges for each network and format."""
    results = Results(records)
    rows = [
        [
            network,
            *(
                record["conditions"]["ranges"]
                if (record := results.quantized(network, column))
                else MISSING
                for column in results.columns
            ),
        ]
        for network in results.networks
    ]
    return Table(["network", *results.columns], rows, [])


def fronts(records: Sequence[Record]) -> Table:
    """Settings on the Pareto front of metric, cycles, area and energy."""
    results, rows = Results(records), []
    for network in results.networks:
        advice = results.answer(network)
        for column, accumulator in advice["conditions"]["front"] if advice else ():
            record = results.accumulated(network, column, accumulator)
            if advice and record:
                chosen = advice["conditions"]["chosen"] == [column, accumulator]
                rows.append(
                    [
                        network,
                        column,
                        accumulator,
                        f"{results.metric(record):.2f}",
                        *(cell(record, name) for name in COSTS),
                        "yes" if chosen else "",
                    ]
                )
    return Table(
        ["network", "format", "sums", "metric [%]", *COSTS.values(), "recommended"], rows, []
    )


def better_than_int8(records: Sequence[Record]) -> Table:
    """Number of layers in which each FP8 format has a higher SQNR than INT8; median gain."""
    results, rows = Results(records), []
    for network in results.networks:
        row = [network]
        for column in FP8:
            gains = results.gains(network, column).values()
            better = sum(gain > 0 for gain in gains)
            row.append(
                f"{better} of {len(gains)} ({statistics.median(gains):+.1f} dB)"
                if gains
                else MISSING
            )
        rows.append(row)
    return Table(["network", *FP8], rows, [])


def best_formats(records: Sequence[Record]) -> Table:
    """Number of layers in which each format has the highest SQNR; median SQNR."""
    results, rows = Results(records), []
    for network in results.networks:
        by_column = {column: results.layers(network, column) for column in results.columns}
        layers, wins = results.depths(network), dict.fromkeys(results.columns, 0)
        for layer in layers:
            known = {column: found[layer] for column, found in by_column.items() if layer in found}
            if known:
                wins[max(known, key=lambda column: known[column])] += 1
        rows.append(
            [
                network,
                text(len(layers)),
                *(
                    f"{wins[column]} ({statistics.median(found.values()):.1f} dB)"
                    if found
                    else MISSING
                    for column, found in by_column.items()
                ),
            ]
        )
    return Table(["network", "layers", *results.columns], rows, [])


def accumulators(records: Sequence[Record]) -> Table:
    """Change of the metric compared with exact sums, by network, format and accumulator."""
    results, rows = Results(records), []
    for network in results.networks:
        depths = results.depths(network)
        for column in results.columns:
            exact = results.quantized(network, column)
            compared = [results.accumulated(network, column, name) for name in results.accumulators]
            if exact and any(compared):
                rows.append(
                    [
                        network,
                        column,
                        text(max(depths.values())),
                        *(_moved(results, exact, each, depths) for each in compared),
                    ]
                )
    return Table(["network", "format", "largest K", *results.accumulators], rows, [])


def _moved(results: Results, exact: Record, record: Record | None, depths: dict[str, int]) -> str:
    """Change of the metric, and the smallest K of a layer that loses SQNR."""
    if record is None:
        return MISSING
    scaled = " *h*" if HEADROOM in record["conditions"]["ranges"] else ""
    sound, moved = exact["conditions"]["sqnr"], record["conditions"]["sqnr"]
    harmed = [
        depths[name]
        for name in moved
        if name in depths and name in sound and moved[name] < sound[name] - LOSS
    ]
    return f"{_signed(results, record, exact)}{scaled}" + (
        f" (K >= {text(min(harmed))})" if harmed else ""
    )


def answer(records: Sequence[Record]) -> dict[str, Any]:
    """Which metrics change significantly with exact sums; lowest errors; permitted loss."""
    results, known = Results(records), 0
    moved: dict[str, list[str]] = {}
    for network in results.networks:
        for column in results.columns:
            record = results.quantized(network, column)
            if record and results.counts(record):
                known += 1
                if results.is_significant(record):
                    moved.setdefault(network, []).append(column)
    return {
        "chance": CHANCE,
        "known": known,
        "moved": moved,
        "wins": _wins(results),
        "loss": results.loss,
    }


def _wins(results: Results) -> dict[str, list[dict[str, Any]]]:
    """Networks whose output error is lowest in INT8, and in an FP8 format."""
    wins: dict[str, list[dict[str, Any]]] = {"an FP8 format": [], INT8: []}
    for network in results.networks:
        by_column = results.errors(network, (INT8, *FP8))
        int8 = by_column.pop(INT8, None)
        if int8 is not None and by_column:
            best = min(by_column, key=by_column.__getitem__)
            wins[INT8 if by_column[best] >= int8 else "an FP8 format"].append(
                {"network": network, "int8": int8, "fp8": by_column[best], "column": best}
            )
    return {name: each for name, each in wins.items() if each}


def _worst(results: Results) -> dict[str, Any]:
    """Number of layers and outputs in which E5M2 is the worst FP8 format, and the exceptions."""
    layers = {}
    for network in results.networks:
        mine = results.layers(network, E5M2)
        others = [results.layers(network, other) for other in FP8 if other != E5M2]
        layers[network] = {
            name: all(mine[name] < each[name] for each in others)
            for name in mine
            if all(name in each for each in others)
        }
    whole = [
        each
        for network in results.networks
        if len(each := results.errors(network, FP8)) == len(FP8)
    ]
    return {
        "layers": sum(map(len, layers.values())),
        "networks": len(whole),
        "holds": sum(sum(found.values()) for found in layers.values()),
        "last": sum(max(each, key=each.__getitem__) == E5M2 for each in whole),
        "exceptions": {
            network: [name for name, holds in found.items() if not holds]
            for network, found in layers.items()
            if not all(found.values())
        },
    }


def _deciding(results: Results) -> list[dict[str, Any]]:
    """Layers of each network where E4M3 gains or loses most compared with INT8."""
    rows = []
    for network in results.networks:
        gains = sorted(
            ((gain, name) for name, gain in results.gains(network, E4M3).items()), reverse=True
        )
        if gains:
            better = [gain for gain in gains if gain[0] > 0]
            rows.append(
                {
                    "network": network,
                    "column": E4M3,
                    "better": len(better),
                    "layers": len(gains),
                    "most": better[:NAMED],
                    "least": [gain for gain in gains[: -NAMED - 1 : -1] if gain[0] < 0],
                }
            )
    return rows


def _movers(results: Results) -> list[dict[str, Any]]:
    """For each accumulator, the networks that lose: significantly or not."""
    rows = []
    for name in results.accumulators:
        moved: dict[bool, list[tuple[str, str, float]]] = {True: [], False: []}
        for network in results.networks:
            for column in results.columns:
                exact = results.quantized(network, column)
                other = results.accumulated(network, column, name)
                if exact and other:
                    change = results.metric(other) - results.metric(exact)
                    if change <= -MOVES:
                        moved[results.is_significant(other)].append((network, column, change))
        rows.append({"name": name, "significant": moved[True], "perhaps": moved[False]})
    return rows


def _advice(results: Results, network: str) -> Advice:
    """The recommended setting, with reasons."""
    reference = results.reference(network)
    assert reference
    points = []
    for column in results.columns:
        for accumulator in (EXACT, *results.accumulators):
            if record := results.accumulated(network, column, accumulator):
                costs = [record["metrics"].get(name, {}).get("value") for name in COSTS]
                points.append(Point(column, accumulator, results.metric(record), *costs))
    best = results.metric(reference)
    name = reference["conditions"]["metric"]
    return advise(points, Goal(name, "%", best, best - (results.loss or 0)))


def networks_page(records: Sequence[Record], tuned: Sequence[Record] = ()) -> dict[str, Any]:
    """Values for the page; ``tuned`` are the records of fine-tuning."""
    results = Results(records)
    references = [record for network in results.networks if (record := results.reference(network))]
    # Networks with too few samples for significance, even if all samples did worse.
    few = {
        record["subject"]: samples
        for record in references
        if chance(0, samples := record["conditions"]["samples"]) >= CHANCE
    }
    return {
        "changes": changes(records),
        "errors": errors(records),
        "ranges": ranges(records),
        "best": best_formats(records),
        "better": better_than_int8(records),
        "fronts": fronts(records),
        "accumulators": accumulators(records),
        "worst": _worst(results),
        "wins": _wins(results),
        "few": few,
        "gains": [
            gain for network in results.networks for gain in results.gains(network, E4M3).values()
        ],
        "deciding": _deciding(results),
        "movers": _movers(results),
        "paces": results.paces,
        "advice": [
            (network, _advice(results, network))
            for network in results.networks
            if results.answer(network)
        ],
        "chance": CHANCE,
        "named": NAMED,
        "moves": MOVES,
        "loss": LOSS,
        "may_lose": results.loss,
        "size": results.size,
        "data": references,
        "conversions": conversions.conversions_page(tuned) if tuned else {},
    }


PAGE = Page(
    values=lambda records: networks_page(records.get("networks", ()), records.get("finetune", ())),
    answer=lambda records: answer(records.get("networks", ())),
    short=lambda records: changes(records.get("networks", ())),
)
