# SPDX-License-Identifier: Apache-2.0
"""``python -m hw.generate``: Verilog, manifest, FuseSoC core and port sheet of a unit."""

import argparse
import json
import sys
from typing import Any

from hw.build import generate
from hw.spec.catalog import format_table, format_table_json
from hw.spec.command import (
    Parser,
    add_gemm_options,
    add_output_options,
    add_unit_options,
    chosen_design,
    run_command,
    with_engine,
)
from hw.spec.errors import require
from hw.spec.grammar import is_format

DEFAULT_FOLDER = "build/verilog"


def _folder(options: Any) -> str:
    """Folder for the files; a value of ``--out`` that names an array's format becomes the format.

    The format joins ``--out-format``.
    """
    given = options.out or []
    formats = [value for value in given if options.array is not None and is_format(value)]
    folders = [value for value in given if value not in formats]
    require(len(folders) < 2, "Output folder", "given once", ", ".join(folders))
    formats += [options.out_format] if options.out_format is not None else []
    require(len(formats) < 2, "Output format", "given once", ", ".join(formats))
    options.out_format = next(iter(formats), None)
    return next(iter(folders), DEFAULT_FOLDER)


def main(arguments: list[str] | None = None) -> int:
    """Command line; 0 if all went well, 2 for wrong arguments."""
    parser = Parser(prog="python -m hw.generate",
                    description="Generate the Verilog of a MAC, an array, a GEMM engine or an "
                                "output stage.")
    add_unit_options(parser)
    add_output_options(parser)
    add_gemm_options(parser)
    parser.add_argument("--out", metavar="DIR|FMT", action="append",
                        help=f"write the files into DIR (default: {DEFAULT_FOLDER}); may be given "
                             "twice with --array, where the name of a format is --out-format "
                             "instead (./e4m3 is a folder)")
    parser.add_argument("--json", action="store_true", help="print the manifest instead of paths")
    parser.add_argument("--list", action="store_true", help="print the formats that have a name")
    return run_command(parser, _body, arguments)


def _body(options: argparse.Namespace) -> None:
    if options.list:
        print(format_table_json() if options.json else format_table())
        return
    folder = _folder(options)
    manifest = generate(with_engine(options, chosen_design(options)), folder)
    if options.json:
        print(manifest.read_text(encoding="utf-8"), end="")
        return
    names = [file["path"] for file in json.loads(manifest.read_text())["files"]]
    print(*(manifest.with_name(name) for name in names), manifest, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
