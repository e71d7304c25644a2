# SPDX-License-Identifier: Apache-2.0
"""``python -m synth.accumulation``: error of E4M3 dot products by accumulator and length.

Every accumulator sums the same codes; what it makes of them is held to their exact sum. The error
that the codes themselves have, compared with the numbers they stand for, is recorded beside it.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hw.spec import Accumulator, AlignedAccumulator, FixedAccumulator, SpecError, parse_mac
from hw.spec.command import Parser
from hw.spec.errors import require
from reports.studies.accumulation.operands import FORMAT, SEED, SIDE, Operands, draw
from reports.studies.accumulation.sums import Point, accumulation, encoding
from synth.record import ROOT, Metric, Provenance, Record, provenance, write_records

__all__ = ["Series", "lengths", "main", "measure"]

Say = Callable[[str], None]

DEPTH = 1 << 16
#: Two rows of an image, the first of which alone has hardly a pixel that is not zero.
LEAST = 16
RECORDS = ROOT / "reports" / "data" / "accumulation.json"


class Series(NamedTuple):
    """An accumulator; its operands are ``2**headroom`` smaller than they could be."""

    acc: str
    headroom: int = 0


#: FP16 ends at 65,504, so that it is also given operands whose sums stay below that.
SERIES = (Series(f"exact:{DEPTH}"), Series("fp32"), Series("blackwell"), Series("hopper"),
          Series("fp16"), Series("fp16", headroom=7), Series("bf16"))


def lengths(depth: int) -> list[int]:
    """Powers of two from the shortest sum to ``depth``; SpecError if it is none of them."""
    ks = [1 << place for place in range(LEAST.bit_length() - 1, DEPTH.bit_length())]
    require(depth in ks, "Depth", f"a power of two from {LEAST} to {DEPTH}", depth)
    return ks[:ks.index(depth) + 1]


def measure(operands: Sequence[Operands], series: Sequence[Series], origin: Provenance, say: Say
            ) -> list[Record]:
    """Records of every accumulator for each kind of operands, and of the codes themselves."""
    ks = lengths(operands[0].a.shape[1])
    found = [_record(each, origin, f"{FORMAT} codes", {"accumulator": "none", "headroom": 0},
                     _metrics(encoding(each, ks))) for each in operands]
    for acc, headroom in series:
        mac = parse_mac(FORMAT, acc=acc)
        say(f"{mac.name}, operands down by 2^{headroom}")
        facts = {"accumulator": "exact" if isinstance(mac.acc, FixedAccumulator)
                 else mac.acc.spelling, "bits": _bits(mac.acc), "lanes": mac.lanes,
                 "headroom": headroom}
        curves = zip(*accumulation(operands, mac, headroom, ks), strict=True)
        found += [_record(each, origin, mac.name, facts, _metrics(points))
                  for each, points in zip(operands, curves, strict=True)]
    return found


def _bits(acc: Accumulator) -> int:
    """Bits of ``acc`` that are not always zero."""
    unused = acc.fmt.man_bits - acc.kept_bits if isinstance(acc, AlignedAccumulator) else 0
    return acc.width - unused


def _metrics(points: Iterable[Point]) -> dict[str, Metric]:
    """Metrics of a curve: the error at each length, or the share that is infinite."""
    return {(f"infinite_at_{point.k}" if point.infinite else f"error_at_{point.k}"):
            Metric(float(f"{point.infinite or point.error:.4g}")) for point in points}


def _record(operands: Operands, origin: Provenance, subject: str, facts: dict[str, Any],
            metrics: dict[str, Metric]) -> Record:
    mac = parse_mac(FORMAT)
    conditions = {"operands": operands.kind, "source": operands.source, "format": FORMAT,
                  "dot products": SIDE * SIDE, "largest code": mac.a.max * 2.0**-facts["headroom"],
                  "error": "root mean square, relative to that of the exact sums", **facts}
    return Record(subject=subject, metrics=metrics, conditions=conditions, provenance=origin,
                  not_done=("partial sums of a few products, added up in a wider accumulator",))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 2 for wrong arguments."""
    parser = Parser(prog="python -m synth.accumulation", description=(
        f"Measure the error of {FORMAT} dot products by accumulator and number of products."))
    parser.add_argument("--depth", metavar="K", type=int, default=DEPTH,
                        help="products of the longest sum, a power of two (default: %(default)s)")
    parser.add_argument("--out", metavar="FILE", type=Path, default=RECORDS,
                        help="file of the records (default: reports/data/accumulation.json)")
    parser.add_argument("--json", action="store_true", help="print the records, not the path")
    options = parser.parse_args(arguments)
    start = time.perf_counter()

    def say(text: str) -> None:
        print(f"[{time.perf_counter() - start:5.1f} s] {text}", file=sys.stderr, flush=True)

    try:
        lengths(options.depth)
        say("training the network for the digits")
        origin = provenance("make accumulation", tools=("numpy", "scikit-learn"), seed=SEED)
        found = measure(draw(options.depth), SERIES, origin, say)
        path = write_records(options.out, found)
    except SpecError as error:
        parser.error(str(error))
    print(json.dumps({"records": [record.to_json() for record in found]}, indent=2)
          if options.json else path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
