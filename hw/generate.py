# SPDX-License-Identifier: Apache-2.0
"""``python -m hw.generate``: Verilog, manifest, FuseSoC core and port sheet of a unit."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from hw.emit.files import write_files
from hw.spec import ArraySpec, GemmSpec, MacSpec, OutputSpec
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
from hw.version import VERSION

__all__ = ["generate", "main", "verilog"]

DEFAULT_FOLDER = "build/verilog"

#: What can be generated.
Unit = MacSpec | ArraySpec | OutputSpec | GemmSpec


def generate(spec: Unit, out: str | Path = ".") -> Path:
    """Write the files of ``spec`` into the folder ``out``; gives the path of the manifest.

    The files are ``spec.name`` with the endings .v (Verilog), .json (manifest), .core (FuseSoC)
    and .md (ports and protocol); a GEMM engine's register map comes as JSON, Markdown, C header
    and Python as well. The same spec gives the same bytes; only the manifest names tool
    versions.

    Raises
    ------
    SpecError
        If the unit cannot be built or the folder cannot be written; nothing is written then.
    """
    return write_files(Path(out), _texts(spec))[-1]


def verilog(spec: Unit) -> str:
    """Verilog text of ``spec`` alone."""
    from hw.emit.verilog import to_verilog

    return to_verilog(_build(spec)[0])


def _texts(spec: Unit) -> dict[str, str]:
    """Text of each file by name, the manifest last."""
    # Amaranth takes a while to import; a wrong option should be told at once.
    from hw.emit.manifest import core_file, describe
    from hw.emit.register_map import map_texts
    from hw.emit.sheet import sheet
    from hw.emit.verilog import to_verilog

    top, ports, descriptions = _build(spec)
    texts = {f"{spec.name}.v": to_verilog(top)}
    manifest = describe(spec, ports, descriptions, texts)
    texts[f"{spec.name}.core"] = core_file(spec.name, f"{spec.name}.v", str(spec), VERSION)
    texts[f"{spec.name}.md"] = sheet(manifest, spec)
    texts |= map_texts(spec) if isinstance(spec, GemmSpec) else {}
    manifest = describe(spec, ports, descriptions, texts)
    return texts | {f"{spec.name}.json": json.dumps(manifest, indent=2) + "\n"}


def _build(spec: Unit) -> tuple[Any, list[Any], dict[str, str]]:
    """Component or netlist of ``spec``, its ports and what they mean."""
    from hw.array import array
    from hw.array import descriptions as array_descriptions
    from hw.emit.netlist import module_ports
    from hw.gemm import descriptions as gemm_descriptions
    from hw.gemm import engine
    from hw.mac import mac
    from hw.mac.unit import DESCRIPTIONS as MAC_DESCRIPTIONS
    from hw.output import Output
    from hw.output.unit import descriptions as output_descriptions

    if isinstance(spec, OutputSpec):
        top, descriptions = Output(spec), output_descriptions(spec)
    elif isinstance(spec, GemmSpec):
        top, descriptions = engine(spec), gemm_descriptions(spec)
    elif isinstance(spec, ArraySpec):
        top, descriptions = array(spec), array_descriptions(spec)
    else:
        top, descriptions = mac(spec), MAC_DESCRIPTIONS
    return top, module_ports(top), descriptions


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
