# SPDX-License-Identifier: Apache-2.0
"""``python -m hw.generate``: writes Verilog, manifest, FuseSoC core and port sheet of a unit."""

import argparse
import json
import sys

from hw.build import generate
from hw.spec.catalog import format_table, format_table_json
from hw.spec.command import (
    Parser,
    add_gemm_options,
    add_output_options,
    add_unit_options,
    chosen_design,
    run_command,
)

DEFAULT_FOLDER = "build/verilog"


def parser() -> Parser:
    """Options of the command."""
    parser = Parser(
        prog="python -m hw.generate",
        description="Generate the Verilog of a MAC, an array, a GEMM engine or an output stage.",
    )
    add_unit_options(parser)
    add_output_options(parser)
    add_gemm_options(parser)
    parser.add_argument(
        "--out",
        metavar="DIR",
        default=DEFAULT_FOLDER,
        help="write the files into this folder (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the manifest instead of paths")
    parser.add_argument("--list", action="store_true", help="list the named number formats")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Command line; exit status 0 on success, 2 for user errors."""
    return run_command(parser(), _body, arguments)


def _body(options: argparse.Namespace) -> None:
    if options.list:
        print(format_table_json() if options.json else format_table())
        return
    manifest = generate(chosen_design(options), options.out)
    if options.json:
        print(manifest.read_text(encoding="utf-8"), end="")
        return
    names = [file["path"] for file in json.loads(manifest.read_text())["files"]]
    print(*(manifest.with_name(name) for name in names), manifest, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
