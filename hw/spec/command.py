# SPDX-License-Identifier: Apache-2.0
"""What the command lines have in common: one-line errors and the options that name a unit."""

import argparse
from typing import NoReturn

from hw.spec.accumulators import DEFAULT_PRODUCTS
from hw.spec.arrays import ArraySpec, Dataflow
from hw.spec.macs import MacSpec
from hw.spec.parse import parse_array, parse_mac

__all__ = ["Parser", "add_mac_options", "add_unit_options", "chosen_mac", "chosen_unit"]


class Parser(argparse.ArgumentParser):
    """Argument parser whose errors are one line on stderr and exit status 2."""

    def error(self, message: str) -> NoReturn:
        """End the program with ``message``."""
        self.exit(2, f"{self.prog}: error: {message}\n")


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
                        help="register stages before the accumulate loop (default: 0)")


def add_unit_options(parser: argparse._ActionsContainer, *, mac_required: bool = False) -> None:
    """Add the options that spell a MAC or an array."""
    add_mac_options(parser, mac_required=mac_required)
    parser.add_argument("--array", metavar="ROWSxCOLS",
                        help="size of the systolic array; without it the unit is a MAC alone")
    parser.add_argument("--dataflow", metavar="FLOW", default=Dataflow.OS.value,
                        help="what stays in the processing element: "
                             f"{', '.join(flow.value for flow in Dataflow)} (default: %(default)s)")


def chosen_mac(options: argparse.Namespace) -> MacSpec:
    """MAC that the options of `add_mac_options` spell.

    Raises
    ------
    SpecError
        If there is no such MAC.
    """
    settings = [f"{name}={getattr(options, name)}" for name in ("acc", "lanes", "pipeline")
                if getattr(options, name) is not None]
    return parse_mac(",".join([options.mac, *settings]))


def chosen_unit(options: argparse.Namespace) -> MacSpec | ArraySpec:
    """Unit that the options of `add_unit_options` spell.

    Raises
    ------
    SpecError
        If there is no such unit.
    """
    mac = chosen_mac(options)
    if options.array is None:
        return mac
    return parse_array(options.array, mac, dataflow=options.dataflow)
