# SPDX-License-Identifier: Apache-2.0
"""Real networks in INT8 and FP8: what changes from FP32, which layers decide, what sums matter."""

from collections.abc import Sequence
from typing import Any

from reports.studies.finetune import page as conversions
from reports.studies.networks.page_costs import choice, fronts, sentences
from reports.studies.networks.page_findings import CHANCE, answer, findings, signed, told
from reports.studies.networks.page_layers import best_formats, better_than_int8, deciding
from reports.studies.networks.page_records import Study
from reports.tables import MISSING, Table, text

__all__ = ["accumulators", "changes", "networks_page"]

Record = dict[str, Any]
#: Change of a metric, in points, that counts as a move.
MOVES = 1.0
#: What the records call scales that leave the accumulator room.
HEADROOM = "headroom"
#: Loss of a layer's SQNR over that with exact sums, in dB, that counts as the accumulator's.
LOSS = 1.0


def _change(study: Study, network: str, record: Record | None) -> float | None:
    """Points that the metric is above FP32."""
    reference = study.reference(network)
    if record is None or reference is None:
        return None
    return round(study.metric(record) - study.metric(reference), 2)


def _changed(study: Study, network: str, record: Record | None) -> str:
    """Change of the metric, and samples that do better and worse, if any."""
    change = _change(study, network, record)
    if record is None or change is None:
        return MISSING
    better, worse = study.counts(record) or (0, 0)
    return f"{signed(change)} (+{better} -{worse})" if better or worse else signed(change)


def changes(records: Sequence[Record]) -> Table:
    """Networks by formats, as table 1 of arXiv 2303.17951 has them, and what to take."""
    study = Study(records)
    rows = []
    for network in study.networks:
        reference = study.reference(network)
        if reference:
            name = reference["conditions"]["metric"].replace("_", " ")
            rows.append([network, f"{name} of {text(reference['conditions']['samples'])}",
                         f"{study.metric(reference):.2f}",
                         *(_changed(study, network, study.quantized(network, column))
                           for column in study.columns), choice(study, network)])
    return Table(["network", "metric [%]", "FP32", *study.columns, "to take"], rows, [])


def errors(records: Sequence[Record]) -> Table:
    """Error of the outputs, which tells formats apart where the metric does not move."""
    study = Study(records)
    rows = [[network, *(_output_error(study.quantized(network, column))
                        for column in study.columns)] for network in study.networks]
    return Table(["network", *study.columns], rows, [])


def _output_error(record: Record | None) -> str:
    """Error of the output over the output in FP32, in percent."""
    return MISSING if record is None else text(Study.error(record))


def ranges(records: Sequence[Record]) -> Table:
    """Which ranges were best for each network and format."""
    study = Study(records)
    rows = []
    for network in study.networks:
        found = [study.quantized(network, column) for column in study.columns]
        rows.append([network, *(each["conditions"]["ranges"] if each else MISSING
                                for each in found)])
    return Table(["network", *study.columns], rows, [])


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
    change = signed(round(study.metric(record) - study.metric(exact), 2))
    change += " *h*" if HEADROOM in record["conditions"]["ranges"] else ""
    sound, found = exact["conditions"]["sqnr"], record["conditions"]["sqnr"]
    harmed = [depths[name] for name in found if name in depths and name in sound
              and found[name] < sound[name] - LOSS]
    return f"{change} (K >= {text(min(harmed))})" if harmed else change


def movers(records: Sequence[Record]) -> list[str]:
    """For each accumulator, the networks whose metric it moves, those told from chance first."""
    study, said = Study(records), []
    for name in study.accumulators:
        moved: dict[bool, list[str]] = {True: [], False: []}
        for network in study.networks:
            for column in study.columns:
                exact = study.quantized(network, column)
                other = study.accumulated(network, column, name)
                if exact and other and study.metric(other) - study.metric(exact) <= -MOVES:
                    change = study.metric(other) - study.metric(exact)
                    moved[told(study, other)].append(f"{network} in {column} ({change:+.2f})")
        none = "none that is told from chance" if moved[False] else "none"
        sentence = f"{name} moves {', '.join(moved[True]) or none}"
        maybe = f"; by chance or not {', '.join(moved[False])}" if moved[False] else ""
        said.append(f"{sentence}{maybe}.")
    return said


def networks_page(records: Sequence[Record], tuned: Sequence[Record] = ()) -> dict[str, Any]:
    """What the template ``networks.md.j2`` shows; ``tuned`` are the records of fine-tuning."""
    study = Study(records)
    references = [record for network in study.networks if (record := study.reference(network))]
    return {"answer": answer(records), "changes": changes(records), "errors": errors(records),
            "ranges": ranges(records), "best": best_formats(records),
            "better": better_than_int8(records), "chance": CHANCE,
            "deciding": deciding(records), "findings": findings(records),
            "advice": sentences(records), "fronts": fronts(records),
            "may_lose": text(study.loss), "size": study.size,
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
