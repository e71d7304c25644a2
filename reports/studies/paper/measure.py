# SPDX-License-Identifier: Apache-2.0
"""The 15 units of arXiv 2303.17951 from verified netlists.

Every unit of the paper's figure 3 goes through the same flow, and its mapped netlist is checked
against the golden model. The record also has the values of the figure and the hand count.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from hw.emit.yosys import YosysError
from hw.spec.errors import require
from hw.spec.packages import library_remedy
from reports.registry import Measure
from reports.studies.paper.figure import Bar, allowed_gates, figure
from sim.rtl import RtlError
from synth.flow.cache import cached_step
from synth.flow.cost import hand_count
from synth.flow.design import of_unit
from synth.flow.liberty import Library
from synth.flow.timing import StaError
from synth.flow.verify import verify
from synth.measure import Job, measure
from synth.power.energy import NetlistMismatch
from synth.record import Metric, Record
from synth.run import chosen_library

#: States of accumulator and product to compare in each netlist, in addition to all operand pairs.
STATES = 1_000_000
WORKERS = 2
_verify = cached_step(verify)


def paper_record(
    bar: Bar, library: Library | None, command: str, *, states: int = STATES
) -> Record:
    """Record of one unit: cost here, by the paper's hand count, and in its figure.

    Raises
    ------
    YosysError, StaError, RtlError
        If a tool fails.
    """
    job = Job(design=of_unit(bar.mac), library=library)
    record = measure(job, command)
    count = hand_count(bar.mac)
    metrics = dict(record.metrics)
    metrics |= {
        f"hand_{name}": Metric(getattr(count, name), "gate")
        for name in ("multiply", "align_add", "normalise", "total")
    }
    metrics |= {f"figure_{name}": Metric(gates, "gate") for name, gates in bar.blocks.items()}
    metrics |= {
        "figure_low": Metric(bar.total[0], "gate"),
        "figure_high": Metric(bar.total[1], "gate"),
        "gates_at_paper_ratio": Metric(allowed_gates()[bar.mac], "gate"),
    }
    not_done = list(record.not_done) + [
        f"cost of a {part} in the hand count" for part in count.missing
    ]
    if job.mapped is None or library is None:
        not_done.append("comparison of the mapped netlist with the model (no library)")
    else:
        verified = _verify(job.mapped, library, bar.mac, states=states)
        metrics |= {
            "netlist_pairs": Metric(verified.pairs, "pair"),
            "netlist_states": Metric(verified.states, "state"),
            "netlist_mismatches": Metric(verified.mismatches, "state"),
        }
    conditions = dict(record.conditions) | {
        "pair": bar.mac.pair,
        "accumulator": str(bar.mac.acc),
        "states seed": 1,
    }
    return replace(record, metrics=metrics, conditions=conditions, not_done=tuple(not_done))


def _options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--liberty",
        metavar="FILE",
        nargs="+",
        help="Liberty files of one library, gzipped or not "
        f"(default: OSU 0.18 um, from `{library_remedy()}`)",
    )
    parser.add_argument(
        "--states",
        metavar="N",
        default=str(STATES),
        help="states of accumulator and product to compare in each netlist (default: %(default)s)",
    )


def _run(options: Namespace) -> list[Record]:
    """Records of all bars; reports progress."""
    require(
        options.states.isdecimal() and int(options.states) > 0,
        "States",
        "a whole number from 1",
        options.states,
    )
    library, bars, records = chosen_library(options.liberty), figure(), []
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting = [
            pool.submit(paper_record, bar, library, options.command, states=int(options.states))
            for bar in bars
        ]
        for number, future in enumerate(waiting, 1):
            record = future.result()
            gates = record.metrics["two_input_gates_keep"].value
            print(f"[{number}/{len(bars)}] {record.subject}: {gates} gates", file=sys.stderr)
            records.append(record)
    return records


def _faults(records: Sequence[Record]) -> str:
    wrong = [
        record.subject
        for record in records
        if "netlist_mismatches" in record.metrics and record.metrics["netlist_mismatches"].value
    ]
    return f"netlists differ from the model: {', '.join(wrong)}" if wrong else ""


MEASURE = Measure(
    run=_run,
    options=_options,
    faults=_faults,
    tool_errors=(YosysError, StaError, RtlError, NetlistMismatch),
)
