# SPDX-License-Identifier: Apache-2.0
"""Real networks in INT8 and FP8: what changes from FP32, which layers decide, what sums matter."""

import statistics
from collections.abc import Sequence
from typing import Any

from reports import conversions
from reports.network_records import Study
from reports.tables import MISSING, Table, text

__all__ = ["accumulators", "answer", "changes", "networks_page"]

Record = dict[str, Any]
#: Change of a metric, in points, that counts as a move.
MOVES = 1.0
#: Loss of a layer's SQNR over that with exact sums, in dB, that counts as the accumulator's.
LOSS = 1.0
INT8, E5M2 = "INT8", "E5M2"


def _change(study: Study, network: str, record: Record | None) -> float | None:
    """Points that the metric is above FP32."""
    reference = study.reference(network)
    if record is None or reference is None:
        return None
    return round(study.metric(record) - study.metric(reference), 2)


def _signed(value: float | None) -> str:
    return MISSING if value is None else f"{value:+.2f}" if value else "0"


def changes(records: Sequence[Record]) -> Table:
    """Networks by formats, as table 1 of arXiv 2303.17951 has them."""
    study = Study(records)
    rows = []
    for network in study.networks:
        reference = study.reference(network)
        if reference:
            name = reference["conditions"]["metric"].replace("_", " ")
            rows.append([network, f"{name} of {text(reference['conditions']['samples'])}",
                         f"{study.metric(reference):.2f}",
                         *(_signed(_change(study, network, study.quantized(network, column)))
                           for column in study.columns)])
    return Table(["network", "metric [%]", "FP32", *study.columns], rows, [])


def errors(records: Sequence[Record]) -> Table:
    """Error of the outputs, which tells formats apart where the metric does not move."""
    study = Study(records)
    rows = [[network, *(_output_error(study.quantized(network, column))
                        for column in study.columns)] for network in study.networks]
    return Table(["network", *study.columns], rows, [])


def _output_error(record: Record | None) -> str:
    """Error of the output over the output in FP32, in percent."""
    return MISSING if record is None else text(record["metrics"]["relative_error"]["value"])


def ranges(records: Sequence[Record]) -> Table:
    """Which ranges were best for each network and format."""
    study = Study(records)
    rows = []
    for network in study.networks:
        found = [study.quantized(network, column) for column in study.columns]
        rows.append([network, *(each["conditions"]["ranges"] if each else MISSING
                                for each in found)])
    return Table(["network", *study.columns], rows, [])


def best_formats(records: Sequence[Record]) -> Table:
    """For how many layers each format has the highest SQNR, and the middle of all SQNRs."""
    study = Study(records)
    rows = []
    for network in study.networks:
        by_column = {column: study.layers(network, column) for column in study.columns}
        layers = list(study.depths(network))
        wins = dict.fromkeys(study.columns, 0)
        for layer in layers:
            known = {column: found[layer] for column, found in by_column.items() if layer in found}
            if known:
                wins[max(known, key=lambda column: known[column])] += 1
        rows.append([network, text(len(layers)), *(
            f"{wins[column]} ({statistics.median(found.values()):.1f} dB)" if found else MISSING
            for column, found in by_column.items())])
    return Table(["network", "layers", *study.columns], rows, [])


def deciding(records: Sequence[Record], other: str = "E4M3", count: int = 3) -> list[str]:
    """The layers where a format gains or loses most against INT8, a sentence a network."""
    study, said = Study(records), []
    for network in study.networks:
        int8, fp8 = study.layers(network, INT8), study.layers(network, other)
        gains = sorted(((fp8[name] - int8[name], name) for name in int8 if name in fp8),
                       reverse=True)
        if not gains:
            continue
        better = [gain for gain in gains if gain[0] > 0]
        sentence = (f"{network}: {other} has the higher SQNR in {len(better)} of {len(gains)} "
                    "layers")
        ends = [("most in", better[:count]),
                ("INT8 leads most in", [gain for gain in gains[:-count - 1:-1] if gain[0] < 0])]
        for name, some in ends:
            if some:
                sentence += f"; {name} " + ", ".join(f"`{layer}` ({abs(gain):.1f} dB)"
                                                     for gain, layer in some)
        said.append(sentence + ".")
    return said


def answer(records: Sequence[Record]) -> str:
    """What holds of the papers' findings here, in a few sentences."""
    study = Study(records)
    parts = []
    for network in study.networks:
        found = {column: _change(study, network, study.quantized(network, column))
                 for column in study.columns}
        known = {column: change for column, change in found.items() if change is not None}
        if known:
            parts.append(f"{network} moves by {_span(known)}")
    if not parts:
        return ""
    return (f"With exact sums and the best ranges, {'; '.join(parts)}. Where samples are few, one "
            "of them is worth several points, and the error of the output tells more.")


def _span(known: dict[str, float]) -> str:
    """Changes from the best to the worst format, with a format that has each."""
    best, worst = max(known, key=known.__getitem__), min(known, key=known.__getitem__)
    if known[best] == known[worst]:
        return f"{_signed(known[best])} points ({', '.join(known)})"
    return f"{_signed(known[best])} ({best}) to {_signed(known[worst])} points ({worst})"


def findings(records: Sequence[Record]) -> list[str]:
    """Each finding of the papers, and in how many networks and layers it holds."""
    study = Study(records)
    worst, compared, better, layers = 0, 0, 0, 0
    for network in study.networks:
        e5m2, e4m3, int8 = (study.layers(network, column) for column in (E5M2, "E4M3", INT8))
        others = [study.layers(network, column) for column in ("E2M5", "E3M4", "E4M3")]
        for name in e5m2:
            compared += 1
            worst += all(e5m2[name] < found[name] for found in others if name in found)
        for name in int8:
            if name in e4m3:
                layers += 1
                better += e4m3[name] > int8[name]
    return [f"E5M2 is the worst of the FP8 formats in {worst} of {compared} layers.",
            f"E4M3 has a higher SQNR than INT8 in {better} of {layers} layers."]


def accumulators(records: Sequence[Record]) -> Table:
    """Change of the metric from that with exact sums, by network, format and accumulator."""
    study, rows = Study(records), []
    for network in study.networks:
        depths = study.depths(network)
        for column in study.columns:
            exact = study.quantized(network, column)
            found = [study.accumulated(network, column, name) for name in study.accumulators]
            if exact and any(found):
                rows.append([network, column, text(max(depths.values())),
                             *(_moved(study, exact, each, depths) for each in found)])
    return Table(["network", "format", "largest K", *study.accumulators], rows, [])


def _moved(study: Study, exact: Record, record: Record | None, depths: dict[str, int]) -> str:
    """Change of the metric, and the shortest sum of a layer that the accumulator harms."""
    if record is None:
        return MISSING
    change = _signed(round(study.metric(record) - study.metric(exact), 2))
    sound, found = exact["conditions"]["sqnr"], record["conditions"]["sqnr"]
    harmed = [depths[name] for name in found if name in depths and name in sound
              and found[name] < sound[name] - LOSS]
    return f"{change} (K >= {text(min(harmed))})" if harmed else change


def movers(records: Sequence[Record]) -> list[str]:
    """For each accumulator, the networks whose metric it moves."""
    study, said = Study(records), []
    for name in study.accumulators:
        moved = []
        for network in study.networks:
            for column in study.columns:
                pair = study.quantized(network, column), study.accumulated(network, column, name)
                if all(pair):
                    exact, other = pair
                    change = study.metric(other) - study.metric(exact)  # type: ignore[arg-type]
                    if change <= -MOVES:
                        moved.append(f"{network} in {column} ({change:+.2f})")
        said.append(f"{name} moves {', '.join(moved)}." if moved else f"{name} moves none.")
    return said


def networks_page(records: Sequence[Record], tuned: Sequence[Record] = ()) -> dict[str, Any]:
    """What the template ``networks.md.j2`` shows; ``tuned`` are the records of fine-tuning."""
    study = Study(records)
    references = [record for network in study.networks if (record := study.reference(network))]
    return {"answer": answer(records), "changes": changes(records), "errors": errors(records),
            "ranges": ranges(records), "best": best_formats(records),
            "deciding": deciding(records), "findings": findings(records),
            "accumulators": accumulators(records), "movers": movers(records),
            "paces": [_pace(record) for record in study.paces],
            "moves": MOVES, "loss": LOSS, "conversions": _conversions(tuned),
            "data": [(record["subject"], record["conditions"]["samples"],
                      record["conditions"]["data"], record["conditions"]["licence"],
                      text(record["conditions"]["macs"])) for record in references]}


def _pace(record: Record) -> str:
    """How long a run took, beside its bar."""
    metrics, conditions = record["metrics"], record["conditions"]
    wall, spent, macs = (metrics[name]["value"] for name in ("wall_time", "processor_time", "macs"))
    return (f"{record['subject']}, {conditions['samples']} line, `{conditions['unit']}`: "
            f"{text(macs)} multiply-accumulations in {text(wall)} s, {text(spent)} s of processor "
            f"time; the bar is {text(conditions['bar_s'])} s.")


def _conversions(records: Sequence[Record]) -> dict[str, Any]:
    """Tables of fine-tuned networks; empty if there are none."""
    if not records:
        return {}
    return {"post_training": conversions.post_training(records),
            "fine_tuned": conversions.fine_tuned(records),
            "table": conversions.conversions(records),
            "findings": conversions.finding(records)}
