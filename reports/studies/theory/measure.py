# SPDX-License-Identifier: Apache-2.0
"""Bits of accuracy of 8-bit formats, beside arXiv 2303.17951, figure 5.

Everything is integrated by `reports.studies.theory.integrate`; nothing is drawn at random.
"""

import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from hw.spec import CATALOG, PAPER_FORMATS, Format, SpecError
from hw.spec.command import Parser
from reports.studies.theory.integrate import DISTRIBUTIONS, best_scale, mixture
from sim.progress import Progress
from synth.record import ROOT, Metric, Provenance, Record, provenance, write_records

__all__ = ["PAPER", "main", "measure"]

RECORDS = ROOT / "reports" / "data" / "theory.json"
#: The formats of the same widths that this project's units are measured with.
OWN_FORMATS = tuple(name.lower() for name in PAPER_FORMATS)
#: Bits of accuracy in figure 5 for `PAPER_FORMATS`, read off the figure to +-0.03.
PAPER = {
    "uniform": (7.99, 7.34, 6.42, 5.44, 4.47),
    "normal": (6.73, 7.10, 6.25, 5.25, 4.25),
    "student_t3": (2.88, 3.21, 4.19, 5.16, 4.24),
}
#: Outliers: how much wider than the other numbers, and shares of one in 2**place.
SPREAD, PLACES = 20.0, range(24, 2, -1)


def measure(origin: Provenance, say: Progress) -> list[Record]:
    """Records of every format on every distribution, and of normal numbers with outliers."""
    found = []
    for name, source in DISTRIBUTIONS.items():
        paper = dict(zip(PAPER_FORMATS.values(), PAPER[name], strict=True))
        for fmt in dict.fromkeys((*paper, *OWN_FORMATS)):
            say(f"{fmt}, {name}")
            best = best_scale(CATALOG[fmt], source)
            metrics = {"bits": Metric(round(best.bits, 3), "bit"),
                       "reach": Metric(float(f"{best.reach:.4g}"), "sigma"),
                       "span": Metric(round(_span(CATALOG[fmt]), 2), "binade")}
            if fmt in paper:
                metrics["paper"] = Metric(paper[fmt], "bit")
            found.append(Record(subject=fmt, metrics=metrics, provenance=origin,
                                conditions={"numbers": name, "scale": "least mean squared error",
                                            "paper": "read off the figure, +-0.03 bit"}))
    return found + list(_outliers(origin, say))


def _span(fmt: Format) -> float:
    """Powers of two from the smallest to the largest value."""
    return math.log2(fmt.max / fmt.min_subnormal)


def _outliers(origin: Provenance, say: Progress) -> Iterator[Record]:
    """One record a format: SQNR by the share of outliers."""
    for fmt in OWN_FORMATS:
        metrics = {}
        for place in PLACES:
            say(f"{fmt}, one outlier in {1 << place}")
            best = best_scale(CATALOG[fmt], mixture(2.0**-place, SPREAD))
            metrics[f"sqnr_at_{place}"] = Metric(round(best.decibels, 2), "dB")
        yield Record(subject=fmt, metrics=metrics, provenance=origin, conditions={
            "numbers": "normal with outliers", "outlier spread": SPREAD,
            "outliers": "one in 2**place", "scale": "least mean squared error"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 2 for wrong arguments."""
    parser = Parser(prog="python -m reports.studies.theory.measure", description=(
        "Integrate how many bits of random numbers 8-bit formats keep, and write the records."))
    parser.add_argument("--out", metavar="FILE", type=Path, default=RECORDS,
                        help="file of the records (default: reports/data/theory.json)")
    parser.add_argument("--json", action="store_true", help="print the records, not the path")
    options = parser.parse_args(arguments)
    try:
        found = measure(provenance("make theory", tools=("numpy",)), Progress())
        path = write_records(options.out, found)
    except SpecError as error:
        parser.error(str(error))
    print(json.dumps({"records": [record.to_json() for record in found]}, indent=2)
          if options.json else path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
