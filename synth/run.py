# SPDX-License-Identifier: Apache-2.0
"""``python -m synth.run``: one unit through the flow, one record."""

import argparse
import json
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from hw.emit.yosys import YosysError
from hw.spec import ArraySpec, MacSpec, OutputSpec, SpecError
from hw.spec.command import (
    Parser,
    add_output_options,
    add_unit_options,
    chosen_design,
    run_command,
)
from hw.spec.errors import require
from hw.spec.packages import library_remedy
from synth.flow import osu018
from synth.flow.design import Design, of_files, of_unit
from synth.flow.gates import recipes
from synth.flow.liberty import Library, read
from synth.flow.sources import Sources
from synth.flow.timing import StaError
from synth.measure import METRICS, Job, measure
from synth.power.energy import NetlistMismatch
from synth.power.stimulus import StimulusFile
from synth.record import Record, write_records

#: Settings of a generated unit.
UNIT = (*MacSpec.SETTINGS, *ArraySpec.SETTINGS, *OutputSpec.SETTINGS)
#: Operands; the summary has the energy of the first that was measured.
STREAMS = ("gaussian", "uniform")
#: Conditions of a record that a reader should see.
WARNINGS = ("reader_messages", "area_warnings", "timing_warnings", "stimulus_warnings")
TOOL_ERRORS = (YosysError, StaError, NetlistMismatch)


def parser() -> Parser:
    parser = Parser(
        prog="python -m synth.run",
        description="Measure a unit: two-input gates, the paper's gate cost, area, timing, energy.",
    )
    unit = parser.add_argument_group("generated unit to measure")
    add_unit_options(unit)
    add_output_options(unit)
    unit.add_argument(
        "--flat",
        action="store_true",
        help="map an array flat instead of mapping each module once and counting its instances",
    )
    unit.add_argument(
        "--unresolved",
        action="store_true",
        help="leave out the adder that resolves the sum of a carry-save MAC",
    )
    unit.add_argument("--always-valid", action="store_true", help="tie i_valid of a MAC to 1")
    add_source_options(parser.add_argument_group("Verilog files to measure"))
    stimulus = parser.add_argument_group(
        "stimulus for the energy, instead of the operands of this project"
    )
    stimulus.add_argument("--vcd", metavar="FILE", type=Path, help="VCD with the ports")
    stimulus.add_argument(
        "--scope",
        metavar="SCOPE",
        help="scope of the ports in the VCD, as in tb.dut (default: the one that has all inputs)",
    )
    stimulus.add_argument(
        "--stimulus",
        metavar="FILE",
        type=Path,
        help="archive (.npz) with an array of a value a cycle for each input but the clock",
    )
    stimulus.add_argument(
        "--operations",
        metavar="N",
        type=int,
        help="operations that the stimulus does, for the energy of one (default: energy a cycle)",
    )
    flow = parser.add_argument_group("flow")
    flow.add_argument(
        "--liberty",
        metavar="FILE",
        nargs="+",
        help="Liberty files of one library, may be gzipped "
        f"(default: OSU 0.18 um, from `{library_remedy()}`)",
    )
    flow.add_argument(
        "--recipe",
        metavar="NAME",
        default="keep",
        help=f"recipe for mapping to cells: {', '.join(recipes('cells'))} (default: %(default)s)",
    )
    flow.add_argument(
        "--clock",
        metavar="NS",
        help="clock period in ns, for the slack and for recipes that map for a clock",
    )
    flow.add_argument(
        "--metrics",
        metavar="NAME",
        nargs="+",
        default=(),
        help=f"one or more of {', '.join(metric.__name__ for metric in METRICS)} (default: all)",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="print every metric, not only the summary"
    )
    parser.add_argument("--json", action="store_true", help="print the record as JSON")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the record to FILE")
    return parser


def add_source_options(group: argparse._ArgumentGroup) -> None:
    """Options that name Verilog of other people; `chosen_sources` reads them."""
    group.add_argument(
        "--verilog", metavar="FILE", nargs="+", help="Verilog and SystemVerilog files"
    )
    group.add_argument("--top", metavar="MODULE", help="top module of the files")
    group.add_argument(
        "-f",
        "--file-list",
        metavar="FILE",
        action="append",
        default=[],
        help="list of files and options: +incdir+, +define+, -I, -D, -G, -f, -F, comments",
    )
    group.add_argument(
        "-I",
        "--include-dir",
        metavar="FOLDER",
        action="append",
        default=[],
        help="folder of included files; the folder of the file that includes is always searched",
    )
    group.add_argument(
        "-D",
        "--define",
        metavar="NAME[=TEXT]",
        action="append",
        default=[],
        help="macro for the files",
    )
    group.add_argument(
        "-G",
        "--param",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help='parameter of the top module, as -G WIDTH=16 or -G "INIT=8\'hff"',
    )
    group.add_argument(
        "--reader",
        metavar="NAME",
        default="auto",
        help="slang, yosys or auto, which tries slang first (default: %(default)s)",
    )
    group.add_argument(
        "--clock-port",
        metavar="PORT",
        help="port that is the clock (default: the one that clocks all flip-flops)",
    )


def chosen_sources(options: argparse.Namespace) -> Sources | None:
    """Verilog that the options name; None without a file or a list of files."""
    if not options.verilog and not options.file_list:
        return None
    sources = Sources(reader=options.reader)
    for file in options.file_list:
        sources = sources.with_list(file)
    return replace(
        sources,
        files=(*sources.files, *(options.verilog or ())),
        include_dirs=(*options.include_dir, *sources.include_dirs),
        defines=(*sources.defines, *options.define),
        params=(*sources.params, *options.param),
    )


def chosen_library(files: Sequence[str] | None) -> Library | None:
    """Library of ``files``, else OSU018, else None with a message on stderr."""
    if files:
        return read(files)
    library = osu018.find()
    if library is None:
        print(
            f"The OSU018 cell library is missing (run `{library_remedy()}`): no cells, no timing.",
            file=sys.stderr,
        )
        return None
    return read([library])


def _design(options: argparse.Namespace) -> Design:
    """Design chosen by the options."""
    generated = options.spec or options.mac or getattr(options, "from")
    sources = chosen_sources(options)
    if generated is None and sources is None:
        raise SpecError("There is no unit to measure: give --spec, --mac, --from or --verilog")
    if generated is not None and sources is not None:
        raise SpecError("A generated unit and --verilog cannot be combined: give only one of them")
    if sources is None:
        for option in ("top", "clock_port", "include_dir", "define", "param"):
            if getattr(options, option):
                name = f"--{option.replace('_', '-')}"
                raise SpecError(f"{name} is for --verilog: leave it out for a generated unit")
        return of_unit(
            chosen_design(options),
            flat=options.flat,
            resolve=not options.unresolved,
            always_valid=options.always_valid,
        )
    beside = [
        setting.option_string
        for setting in UNIT
        if getattr(options, setting.dest, None) is not None
    ]
    if beside:
        raise SpecError(
            f"{', '.join(beside)} describe a generated unit; leave them out with --verilog"
        )
    if options.unresolved or options.always_valid:
        raise SpecError("--unresolved and --always-valid need --mac: leave them out with --verilog")
    if options.top is None:
        raise SpecError("--verilog needs the name of the top module: give --top MODULE")
    try:
        return of_files(sources, options.top, clock_port=options.clock_port)
    except YosysError as error:  # Then the files are wrong, not the tool.
        raise SpecError(str(error)) from error


def _clock(text: str | None) -> float | None:
    """Clock period in ns."""
    try:
        period = None if text is None else float(text)
    except ValueError:
        period = 0.0
    require(period is None or 0 < period < float("inf"), "Clock", "a number of ns above 0", text)
    return period


def chosen_stimulus(options: argparse.Namespace) -> StimulusFile | None:
    """File of a stimulus, None without one."""
    if options.vcd is not None and options.stimulus is not None:
        raise SpecError("--vcd and --stimulus cannot be combined: give only one of them")
    path = options.vcd or options.stimulus
    if path is None:
        for name in ("scope", "operations"):
            if getattr(options, name) is not None:
                raise SpecError(f"--{name} needs a stimulus: give --vcd or --stimulus")
        return None
    if options.scope is not None and options.vcd is None:
        raise SpecError("--scope is for --vcd: leave it out with --stimulus")
    number = options.operations
    require(number is None or number >= 1, "Operations", "1 or more", number)
    require(path.is_file(), "Stimulus", "a readable file", str(path))
    return StimulusFile(path=path, scope=options.scope, operations=number)


def summary(record: Record, clock_ns: float | None) -> str:
    """Gates, area, timing and energy of a record, in six lines."""

    def each(form: str, *names: str) -> str | None:
        """``form`` with the value and unit of the first metric that the record has."""
        for name in names:
            if name in record.metrics:
                value, unit = record.metrics[name]
                shown = f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
                return form.format(value=shown, unit=unit)
        return None

    def line(title: str, *parts: str | None) -> str:
        there = [part for part in parts if part is not None]
        return f"{title:10}{', '.join(there) if there else 'not measured'}"

    per = re.split(r"\W", record.conditions.get("energy", {}).get("unit", ""))[0]
    operands = next((name for name in STREAMS if f"energy_{name}" in record.metrics), "")
    slack = None if clock_ns is None else f"slack {{value}} {{unit}} at {clock_ns:g} ns"
    return "\n".join(
        [
            line("unit", record.subject, f"recipe {record.conditions['recipe']}"),
            line(
                "gates",
                each("{value} two-input gates", "two_input_gates_keep", "two_input_gates_default"),
                each("{value} flip-flops", "flip_flops_keep", "flip_flops_default"),
            ),
            line(
                "area",
                each("{value} {unit}", "area"),
                each("{value} cells", "cells"),
                each("{value} NAND2 equivalents", "nand2_equivalents"),
            ),
            line(
                "timing",
                each("shortest clock period {value} {unit}", "min_period"),
                each("{value} {unit}", "max_clock"),
                each("input to output {value} {unit}", "max_delay"),
                each("recovery slack {value} {unit}", "recovery_slack"),
                each(slack, "slack") if slack else None,
            ),
            line(
                "energy",
                each(
                    f"{{value}} {{unit}} per MAC operation ({operands} operands)",
                    f"energy_{operands}",
                ),
                each(f"{{value}} {{unit}} per {per} of the stimulus", "energy_stimulus"),
                each("leakage {value} {unit}", "leakage"),
            ),
            line("not done", *record.not_done),
            *(
                line("warning", text)
                for name in WARNINGS
                for text in record.conditions.get(name, ())
            ),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 1 if a tool failed, 2 for wrong arguments."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    return run_command(parser(), partial(_body, given), given, tool_errors=TOOL_ERRORS)


def _body(given: Sequence[str], options: argparse.Namespace) -> None:
    job = Job(
        clock_ns=_clock(options.clock),
        design=_design(options),
        recipe=options.recipe,
        library=chosen_library(options.liberty),
        stimulus=chosen_stimulus(options),
    )
    try:
        record = measure(
            job,
            shlex.join(["python", "-m", "synth.run", *given]),
            only=options.metrics,
            progress=True,
        )
    except TOOL_ERRORS as error:
        if not (
            options.spec or options.mac or getattr(options, "from")
        ):  # Then the files are wrong, not the tool.
            raise SpecError(str(error)) from error
        raise
    if options.out is not None:
        print(write_records(options.out, [record]))
    if options.json:
        print(json.dumps(record.to_json(), indent=2))
    elif options.out is None:
        print(summary(record, _clock(options.clock)))
        if not options.verbose:
            print(f"--verbose prints all {len(record.metrics)} metrics, --json the record")
            return
        width = max(map(len, record.metrics))
        print()
        for name, (value, unit) in record.metrics.items():
            print(f"{name:{width}}  {value} {unit}")


if __name__ == "__main__":
    sys.exit(main())
