# SPDX-License-Identifier: Apache-2.0
"""What the command lines have in common: one-line errors and the options that name a unit."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from hw.spec.accumulators import DEFAULT_PRODUCTS
from hw.spec.arrays import DEFAULT_DEPTH, ArraySpec, Dataflow
from hw.spec.errors import SpecError, require
from hw.spec.gemm import Bus, GemmSpec
from hw.spec.grammar import DEFAULT_DEPTHS, parse_array, parse_gemm, parse_mac, parse_output
from hw.spec.macs import Adder, MacSpec, Multiplier
from hw.spec.outputs import OutputSpec, Scale

__all__ = ["INTERRUPTED", "Parser", "add_drain_options", "add_gemm_options", "add_mac_options",
           "add_output_options", "add_unit_options", "chosen_array", "chosen_design", "chosen_mac",
           "chosen_output", "chosen_unit", "given_mac_options", "run_command", "with_engine"]

#: Exit status after Ctrl-C, as a shell has it.
INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """Argument parser whose errors are one line on stderr and exit status 2."""

    def error(self, message: str) -> NoReturn:
        """End the program with ``message``."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def run_command(parser: argparse.ArgumentParser, body: Callable[[argparse.Namespace], int | None],
                arguments: Sequence[str] | None = None, *,
                tool_errors: tuple[type[Exception], ...] = ()) -> int:
    """Run ``body`` with the options in ``arguments``; gives the exit status of the program.

    That is what ``body`` returns, 0 for None. What a person can mend, a wrong option or file
    (`SpecError`, `OSError`), becomes one line on stderr and status 2; a tool that fails
    (``tool_errors``) one line and 1; Ctrl-C one line and `INTERRUPTED`.

    Raises
    ------
    SystemExit
        With status 2, or 0 after ``--help``, as argparse does.
    """
    options = parser.parse_args(arguments)
    try:
        return body(options) or 0
    except tool_errors as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    except (SpecError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return INTERRUPTED


#: Options of `add_mac_options` besides ``--mac``.
MAC_SETTINGS = ("acc", "lanes", "pipeline", "adder", "multiplier")


def add_mac_options(parser: argparse._ActionsContainer, *, mac_required: bool = False) -> None:
    """Add the options that spell a MAC."""
    parser.add_argument("--mac", metavar="PAIR", required=mac_required,
                        help="operand formats, for instance e4m3, int8 or e4m3xe5m2")
    parser.add_argument("--acc", metavar="ACC",
                        help=f"accumulator: exact (holds {DEFAULT_PRODUCTS} extreme products), "
                             "exact:N, int32 or another width, fxWIDTHmLSB, fp32, fp16, bf16; "
                             "-sat behind it saturates (default: exact)")
    parser.add_argument("--lanes", metavar="N", help="products a cycle and MAC (default: 1)")
    parser.add_argument("--pipeline", metavar="N",
                        help="register stages before the accumulate loop; with --dataflow ws in "
                             "the adders too (default: 0)")
    for name, choices in (("adder", Adder), ("multiplier", Multiplier)):
        parser.add_argument(f"--{name}", metavar="NAME",
                            help=f"{name}: {', '.join(choice.value for choice in choices)} "
                                 f"(default: {next(iter(choices)).value})")


def add_unit_options(parser: argparse._ActionsContainer, *, mac_required: bool = False,
                     array: str | None = None) -> None:
    """Add the options that spell a MAC or an array, which has by default the size ``array``."""
    add_mac_options(parser, mac_required=mac_required)
    alone = "; without it the unit is a MAC alone" if array is None else " (default: %(default)s)"
    parser.add_argument("--array", metavar="ROWSxCOLS", default=array,
                        help=f"size of the systolic array{alone}")
    parser.add_argument("--dataflow", metavar="FLOW", default=Dataflow.OS.value,
                        help="what stays in the processing element: "
                             f"{', '.join(flow.value for flow in Dataflow)} (default: %(default)s)")
    parser.add_argument("--depth", metavar="N", type=int,
                        help="with --dataflow ws, sums that the accumulator memory of a column "
                             f"holds (default: {DEFAULT_DEPTH}, or the rows, if more)")


def chosen_mac(options: argparse.Namespace) -> MacSpec:
    """MAC that the options of `add_mac_options` spell.

    Raises
    ------
    SpecError
        If there is no such MAC.
    """
    settings = [f"{name}={getattr(options, name)}" for name in MAC_SETTINGS
                if getattr(options, name) is not None]
    return parse_mac(",".join([options.mac, *settings]))


def given_mac_options(options: argparse.Namespace) -> list[str]:
    """Names of the options of `add_mac_options` that are given."""
    return [name for name in ("mac", *MAC_SETTINGS) if getattr(options, name) is not None]


def chosen_unit(options: argparse.Namespace, *, out: str | None = None) -> MacSpec | ArraySpec:
    """Unit that the options of `add_unit_options` spell; ``out`` is the stage at an array's drain.

    Raises
    ------
    SpecError
        If there is no such unit.
    """
    mac = chosen_mac(options)
    if options.array is None:
        if out is not None:
            raise SpecError("Output stage must be on its own (--from ACC) or at the drain of an "
                            "array (--array), not behind a MAC alone")
        require(options.depth is None, "Array depth", "given with --array", options.depth)
        return mac
    return parse_array(options.array, mac, dataflow=options.dataflow, out=out,
                       depth=options.depth)


def add_output_options(parser: argparse._ActionsContainer) -> None:
    """Add the options that spell an output stage, on its own or at an array's drain."""
    parser.add_argument("--from", metavar="ACC", dest="source",
                        help="make an output stage alone that rounds sums of this accumulator, "
                             "for instance fp32, bf16, fp16, int32, fx49m18 or aligned:13")
    add_drain_options(parser)
    parser.add_argument("--flag-bits", metavar="N",
                        help="with --from, flags beside a fixed-point sum: 0, 1 (NaN) or 2 "
                             "(default: 0)")


def add_drain_options(parser: argparse._ActionsContainer) -> None:
    """Add the options that spell an output stage at an array's drain."""
    parser.add_argument("--out-format", metavar="FMT",
                        help="format of the output stage's codes; with --array the stage is at the "
                             "array's drain, one a column")
    parser.add_argument("--no-saturate", action="store_true",
                        help="overflow gives infinity or NaN where the format has one")
    parser.add_argument("--scale", metavar="SCALE",
                        help="scale of the sum, an input: "
                             f"{', '.join(scale.value for scale in Scale)} (default: none)")
    parser.add_argument("--zero-point", action="store_true",
                        help="add a zero point, an input, to an integer")


def chosen_output(options: argparse.Namespace, *, drain: bool = False) -> str | None:
    """Spelling of the output stage of `add_output_options`; None if none of them is given.

    With ``drain`` it stands at the drain of an array, which gives source and flags; the options of
    `add_drain_options` will do.

    Raises
    ------
    SpecError
        If an option is missing or has no place there.
    """
    source, flags = getattr(options, "source", None), getattr(options, "flag_bits", None)
    settings = {"from": source, "flags": flags, "scale": options.scale,
                "saturate": "no" if options.no_saturate else None,
                "zero_point": "yes" if options.zero_point else None}
    given = [f"{name}={value}" for name, value in settings.items() if value is not None]
    if not given and options.out_format is None:
        return None
    if drain:
        require(flags is None, "Output flags", "those of the MAC", flags)
    else:
        require(source is not None, "Output source", "given by --from ACC", source)
    require(options.out_format is not None, "Output format", "given by --out-format FMT",
            options.out_format)
    return ",".join([options.out_format, *given])


def chosen_array(options: argparse.Namespace) -> ArraySpec:
    """Array that the options of `add_unit_options` and `add_drain_options` spell.

    Raises
    ------
    SpecError
        If there is no such array.
    """
    require(options.mac is not None, "MAC operands", "given by --mac PAIR", options.mac)
    require(options.array is not None, "Array size", "given by --array ROWSxCOLS", options.array)
    array = chosen_unit(options, out=chosen_output(options, drain=True))
    assert isinstance(array, ArraySpec)
    return array


def chosen_design(options: argparse.Namespace) -> MacSpec | ArraySpec | OutputSpec:
    """Whatever the options of `add_unit_options` and `add_output_options` spell together.

    Raises
    ------
    SpecError
        If there is no such unit.
    """
    behind_mac = given_mac_options(options) or options.array is not None
    if options.source is not None and behind_mac:
        raise SpecError("Output stage must be made on its own, not with the options of a MAC")
    output = chosen_output(options, drain=options.mac is not None)
    if options.mac is not None:
        return chosen_unit(options, out=output)
    if output is None or behind_mac:
        raise SpecError("MAC operands must be given by --mac PAIR, for instance --mac e4m3")
    return parse_output(output)


def add_gemm_options(parser: argparse._ActionsContainer) -> None:
    """Add the options of an engine."""
    parser.add_argument("--gemm", action="store_true",
                        help="make a GEMM engine around the array: memories, registers, a bus")
    parser.add_argument("--depths", metavar="AxBxC",
                        help="with --gemm, words of the memories of A (a column of a tile each), "
                             "of B (a row of a tile) and of C (a row of a tile) "
                             f"(default: {DEFAULT_DEPTHS})")
    parser.add_argument("--bus", metavar="BUS",
                        help=f"with --gemm, the bus: {', '.join(bus.value for bus in Bus)} "
                             f"(default: {next(iter(Bus)).value})")


def with_engine(options: argparse.Namespace, unit: MacSpec | ArraySpec | OutputSpec,
                ) -> MacSpec | ArraySpec | OutputSpec | GemmSpec:
    """The engine around ``unit`` that the options of `add_gemm_options` spell, or ``unit``.

    Raises
    ------
    SpecError
        If an option has no place there, or there is no such engine.
    """
    given = {name: value for name in ("depths", "bus")
             if (value := getattr(options, name)) is not None}
    if not options.gemm:
        for name, value in given.items():
            require(False, f"GEMM {name}", "given with --gemm", value)
        return unit
    require(isinstance(unit, ArraySpec), "GEMM array", "given by --array ROWSxCOLS", None)
    assert isinstance(unit, ArraySpec)
    return parse_gemm(unit, **given)
