# SPDX-License-Identifier: Apache-2.0
"""Which findings of the papers hold for the networks here, and what is too little to tell."""

from collections.abc import Sequence
from typing import Any

from reports.studies.networks.page_layers import worst
from reports.studies.networks.page_records import FP8, INT8, Study, chance
from reports.tables import text

__all__ = ["CHANCE", "answer", "findings", "signed", "told"]

Record = dict[str, Any]
#: Probability below which a change of the metric is told from chance.
CHANCE = 0.01
E4M3, E5M2 = "E4M3", "E5M2"
#: Layers that are named; more are counted.
NAMED = 3


def signed(value: float) -> str:
    """Points with their sign."""
    return f"{value:+.2f}" if value else "0"


def told(study: Study, record: Record) -> bool:
    """Whether samples enough go one way that it is no chance: from FP32, of other accumulators
    from exact sums.
    """
    counts = study.counts(record)
    return counts is not None and chance(*counts) < CHANCE


def answer(records: Sequence[Record]) -> str:
    """What holds of the papers' findings here, in a few sentences."""
    study = Study(records)
    known = [(network, column) for network in study.networks for column in study.columns
             if study.quantized(network, column)]
    counted = [(network, column) for network, column in known
               if study.counts(study.quantized(network, column) or {"metrics": {}})]
    return " ".join([*_metrics(study, counted), *_outputs(study), *_legend(study)])


def findings(records: Sequence[Record]) -> list[str]:
    """Each finding of the papers, and for how many networks and layers it holds."""
    study = Study(records)
    return [*_worst(study), *_outputs(study), *_layers(study), *_few(study)]


def _legend(study: Study) -> list[str]:
    """How to read the table of changes."""
    if study.loss is None:
        return []
    return [("Changes are in points, bracketed are the samples that do better and worse; to take "
             f"is the cheapest setting that loses at most {text(study.loss)}, if there is one.")]


def _metrics(study: Study, known: Sequence[tuple[str, str]]) -> list[str]:
    """Which metrics move, by formats with exact sums."""
    if not known:
        return []
    moved = [(network, column) for network, column in known
             if (record := study.quantized(network, column)) and told(study, record)]
    names: dict[str, list[str]] = {}
    for network, column in moved:
        names.setdefault(network, []).append(column)
    listed = "; ".join(f"{network} in {', '.join(columns)}" for network, columns in names.items())
    which = f": {listed}" if moved else ""
    return [(f"With exact sums, a sign test (p < {CHANCE}) tells {len(moved)} of {len(known)} "
             f"changes of a metric from chance{which}.")]


def _outputs(study: Study) -> list[str]:
    """For which networks INT8 or an FP8 format leaves the least error in the output."""
    wins: dict[bool, list[str]] = {True: [], False: []}
    for network in study.networks:
        found = {column: study.error(record) for column in (INT8, *FP8)
                 if (record := study.quantized(network, column))}
        if INT8 not in found or len(found) == 1:
            continue
        best = min((column for column in found if column != INT8), key=found.__getitem__)
        wins[found[best] < found[INT8]].append(
            f"{network} ({text(found[INT8])} % against {text(found[best])} % of {best})")
    parts = [f"{'an FP8 format' if fp8 else 'INT8'} for {', '.join(each)}"
             for fp8, each in wins.items() if each]
    return [f"The least error of the output has {'; '.join(parts)}."] if parts else []


def _worst(study: Study) -> list[str]:
    """Where E5M2 is the worst of the FP8 formats, and the layers where it is not."""
    layers = {network: worst(study, network, E5M2) for network in study.networks}
    compared = sum(map(len, layers.values()))
    if not compared:
        return []
    errors = [{column: study.error(record) for column in FP8
               if (record := study.quantized(network, column))} for network in study.networks]
    whole = [each for each in errors if len(each) == len(FP8)]
    last = sum(max(each, key=each.__getitem__) == E5M2 for each in whole)
    holds = sum(sum(found.values()) for found in layers.values())
    others = "; ".join(_exceptions(network, found) for network, found in layers.items()
                       if not all(found.values()))
    return [(f"E5M2 is the worst of the FP8 formats in {holds} of {compared} layers, and at the "
             f"output of {last} of {len(whole)} networks."
             + (f" It is not in {others}." if others else ""))]


def _exceptions(network: str, found: dict[str, bool]) -> str:
    """First layers where something does not hold."""
    names = [f"`{name}`" for name, holds in found.items() if not holds]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more} of {network}"


def _layers(study: Study) -> list[str]:
    """In how many layers E4M3 beats INT8."""
    better = layers = 0
    for network in study.networks:
        int8, e4m3 = study.layers(network, INT8), study.layers(network, E4M3)
        layers += sum(name in e4m3 for name in int8)
        better += sum(e4m3[name] > int8[name] for name in int8 if name in e4m3)
    return [f"E4M3 has a higher SQNR than INT8 in {better} of {layers} layers."] if layers else []


def _few(study: Study) -> list[str]:
    """Networks whose samples could not tell a change if all of them did worse."""
    found = []
    for network in study.networks:
        reference = study.reference(network)
        if reference and chance(0, samples := reference["conditions"]["samples"]) >= CHANCE:
            found.append(f"{network} ({samples})")
    if not found:
        return []
    return [(f"Too few samples to tell any change of the metric: {', '.join(found)}; even if all "
            f"did worse, p would not be below {CHANCE}. Their layers and outputs are many numbers "
            "each, and do tell.")]
