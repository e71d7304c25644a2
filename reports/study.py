# SPDX-License-Identifier: Apache-2.0
"""``python -m reports.study NAME [options]``: measures a study, writes its records, and renders.

Records outside ``reports/data`` are not rendered.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

from hw import manners
from hw.spec import folders
from hw.spec.command import Parser, run_command
from hw.spec.errors import require
from reports.registry import Measure, Study, find, studies
from reports.render import render
from synth.record import write_records

PROG = "python -m reports.study"


def parser() -> Parser:
    """Options of the command; each study adds its own."""
    parser = Parser(
        prog=PROG,
        description="Measure a study, write its records to reports/data "
        "and render the pages. NAME --help shows the options of a study.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="name of a study; see --list")
    parser.add_argument("--list", action="store_true", help="list the studies and exit")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 on success, 1 if a tool failed or the records show a fault, 2 for wrong
    arguments.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and not given[0].startswith("-") and (study := find(given[0])) is not None:
        return _measure(study, given[1:])
    return run_command(parser(), _list, given)


def _list(options: Namespace) -> None:
    """Print the studies; an error if an unknown name was given."""
    names = ", ".join(study.name for study in studies())
    require(options.list, "Study", f"one of {names}", options.name)
    for study in studies():
        print(f"{study.name:16}{study.title}")


def _measure(study: Study, given: Sequence[str]) -> int:
    """The command of one study; a study without its own measurement measures its sources."""
    parser = Parser(prog=f"{PROG} {study.name}", description=f"{study.title}.".replace("?.", "?"))
    measure = study.load_measure()
    if measure is None:
        parser.parse_args(given)
        sources = [
            source
            for name in study.sources
            if (source := find(name)) is not None and source.measure
        ]
        if not sources:
            parser.error(f"Study {study.name} is measured by `{study.command}`: run that instead")
        return max(_measure(source, []) for source in sources)
    usual = folders.records() / f"{study.name}.json"
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        default=usual,
        help=f"file for the records (default: {_shown(usual)})",
    )
    parser.add_argument("--json", action="store_true", help="print the records instead of the path")
    parser.set_defaults(command=study.command)
    measure.options(parser)
    return run_command(
        parser, partial(_run, measure, usual), given, tool_errors=measure.tool_errors
    )


def _shown(path: Path) -> Path:
    """Path relative to the project if it is inside; otherwise the full path."""
    root = folders.checkout()
    return path.relative_to(root) if root and path.is_relative_to(root) else path


def _run(measure: Measure, usual: Path, options: Namespace) -> int:
    """Measure, write, print and render; 1 if the records show a fault."""
    require(not options.out.is_dir(), "Output file", "a file", str(options.out))
    records = measure.run(options)
    manners.settle()
    path = write_records(options.out, records)
    if options.json:
        print(json.dumps({"records": [record.to_json() for record in records]}, indent=2))
    else:
        print(measure.show(records) if measure.show else path)
    faults = measure.faults(records)
    if faults:
        print(f"{PROG}: error: {faults}", file=sys.stderr)
    if folders.checkout() and path.resolve() == usual:
        with redirect_stdout(sys.stderr):
            render()
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
