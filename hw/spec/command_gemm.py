# SPDX-License-Identifier: Apache-2.0
"""Options that put a GEMM engine around an array."""

import argparse

from hw.spec.arrays import ArraySpec
from hw.spec.errors import require
from hw.spec.gemm import Bus, GemmSpec
from hw.spec.macs import MacSpec
from hw.spec.outputs import OutputSpec
from hw.spec.parse_gemm import DEFAULT_DEPTHS, parse_gemm

__all__ = ["add_gemm_options", "with_engine"]


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
