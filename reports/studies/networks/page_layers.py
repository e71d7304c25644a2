# SPDX-License-Identifier: Apache-2.0
"""Layers of networks by format: which has the highest SQNR where, and by how much."""

import statistics
from collections.abc import Sequence
from typing import Any

from reports.studies.networks.page_records import FP8, INT8, Study
from reports.tables import MISSING, Table, text

__all__ = ["best_formats", "better_than_int8", "deciding", "worst"]

Record = dict[str, Any]


def better_than_int8(records: Sequence[Record]) -> Table:
    """For how many layers each FP8 format has a higher SQNR than INT8, and the median gain."""
    study, rows = Study(records), []
    for network in study.networks:
        int8, row = study.layers(network, INT8), [network]
        for column in FP8:
            found = study.layers(network, column)
            gains = [found[name] - int8[name] for name in int8 if name in found]
            better = sum(gain > 0 for gain in gains)
            row.append(f"{better} of {len(gains)} ({statistics.median(gains):+.1f} dB)" if gains
                       else MISSING)
        rows.append(row)
    return Table(["network", *FP8], rows, [])


def worst(study: Study, network: str, column: str) -> dict[str, bool]:
    """Whether a format has the lowest SQNR of all FP8 formats, by layer."""
    found = [study.layers(network, other) for other in FP8 if other != column]
    mine = study.layers(network, column)
    return {name: all(mine[name] < each[name] for each in found) for name in mine
            if all(name in each for each in found)}


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
