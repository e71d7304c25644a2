# SPDX-License-Identifier: Apache-2.0
"""Real networks in INT8 and FP8: what changes from FP32, which layers decide, what sums matter."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from reports.registry import Page
from reports.studies.finetune import page as conversions
from reports.tables import MISSING, Table, text

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
    """What the template ``page.md.j2`` shows; ``tuned`` are the records of fine-tuning."""
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


PAGE = Page(
    values=lambda records: networks_page(records.get("networks", ()), records.get("finetune", ())),
    answer=lambda records: answer(records.get("networks", ())),
    extract=lambda records: changes(records.get("networks", ())),
    short=lambda records: changes(records.get("networks", ())))
