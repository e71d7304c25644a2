# SPDX-License-Identifier: Apache-2.0
"""``python -m synth.fpga``: resources and clock of MACs on FPGAs."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from hw.build import build
from hw.emit.yosys import YosysError
from hw.progress import Progress
from hw.spec import MacSpec
from hw.spec.command import Parser, add_mac_options, chosen_mac, run_command
from hw.spec.errors import SpecError, whole_number
from synth.fpga.implement import Implementation, PlacingError, implement, router
from synth.fpga.parts import Part, parts
from synth.record import Metric, Record, provenance

PROGRAM = "python -m synth.fpga"
SEEDS = 3
NOT_DONE = ("pins and clocks of a board", "power")


def measure(
    spec: MacSpec, part: Part, *, dsp: bool, seeds: int = SEEDS, command: str = PROGRAM
) -> Record:
    """Measure one MAC on one part: its cells, and the median clock over the seeds.

    Raises
    ------
    SpecError, PlacingError, YosysError
        As `synth.fpga.implement.implement`.
    """
    unit = build(spec)
    implemented = implement(
        unit.verilog(), spec.name, unit.ports, part, dsp=dsp, seeds=range(1, seeds + 1)
    )
    tools = ("amaranth", "pyosys", *part.route[:1])
    return Record(
        subject=spec.name,
        metrics=_metrics(implemented),
        conditions={
            "part": part.key,
            "device": part.name,
            "dsp_blocks": dsp,
            "seeds": seeds if part.route else 0,
        },
        not_done=NOT_DONE if part.route else (*NOT_DONE, "placement and routing", "timing"),
        provenance=provenance(command, tools=tools),
    )


def _metrics(unit: Implementation) -> dict[str, Metric]:
    """Counts, and the clock if there is one."""
    metrics = {
        "luts": Metric(unit.luts, "LUT"),
        "flip_flops": Metric(unit.flip_flops, "flip-flop"),
        "dsps": Metric(unit.dsps, "DSP block"),
    }
    return metrics if unit.clock is None else metrics | {"clock": Metric(unit.clock, "MHz")}


def _jobs(macs: Sequence[MacSpec], chosen: Sequence[Part]) -> Iterator[tuple[MacSpec, Part, bool]]:
    """Every MAC on every part, with and without DSP blocks."""
    return ((spec, part, dsp) for spec in macs for part in chosen for dsp in (False, True))


def measure_all(
    macs: Sequence[MacSpec], chosen: Sequence[Part], seeds: int, command: str
) -> list[Record]:
    """Measure two jobs at a time and report progress."""
    jobs, records, report = list(_jobs(macs, chosen)), [], Progress()
    with ThreadPoolExecutor(2) as pool:
        waiting = [
            pool.submit(measure, spec, part, dsp=dsp, seeds=seeds, command=command)
            for spec, part, dsp in jobs
        ]
        for number, future in enumerate(waiting, 1):
            records.append(future.result())
            report(f"[{number}/{len(jobs)}] {_line(records[-1])}")
    report.done()
    return records


def _line(record: Record) -> str:
    """A record in one line."""
    values = ", ".join(f"{value} {unit}" for value, unit in record.metrics.values())
    dsp = "with" if record.conditions["dsp_blocks"] else "without"
    return f"{record.subject} on {record.conditions['part']} {dsp} DSP blocks: {values}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the part and for place and route."""
    parser.add_argument("--part", metavar="NAME", help="FPGA part (default: all)")
    parser.add_argument(
        "--seeds",
        metavar="N",
        default=str(SEEDS),
        help="number of place-and-route seeds; the clock is the median (default: %(default)s)",
    )


def chosen_parts(options: argparse.Namespace) -> list[Part]:
    """Parts chosen by the options. Raises SpecError if a part or its tool does not exist."""
    whole_number("Seeds", options.seeds, 1, 99)
    chosen = parts(options.part)
    for part in chosen:
        router(part)
    return chosen


def parser() -> Parser:
    parser = Parser(
        prog=PROGRAM,
        description="Map a MAC to FPGAs, place and route it, and report cells and clock.",
    )
    add_mac_options(parser)
    add_options(parser)
    parser.add_argument("--list", action="store_true", help="list the parts and exit")
    parser.add_argument("--json", action="store_true", help="print the records as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 1 if a tool failed, 2 for wrong arguments."""
    return run_command(parser(), _body, arguments, tool_errors=(PlacingError, YosysError))


def _body(options: argparse.Namespace) -> None:
    if options.list:
        print(*(f"{part.key:8}{part.name}" for part in parts(options.part)), sep="\n")
        return
    if options.mac is None:
        raise SpecError("There is no MAC to map: give --mac PAIR, for instance --mac e4m3")
    spec = chosen_mac(options)
    records = measure_all(
        [spec],
        chosen_parts(options),
        int(options.seeds),
        f"{PROGRAM} --mac {spec} --seeds {options.seeds}",
    )
    if options.json:
        print(json.dumps([record.to_json() for record in records], indent=2))
    else:
        print(*map(_line, records), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
