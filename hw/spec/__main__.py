# SPDX-License-Identifier: Apache-2.0
"""``python -m hw.spec --list``: the catalogue of formats."""

import sys
from collections.abc import Sequence

from hw.spec.catalog import format_table, format_table_json
from hw.spec.command import Parser, run_command


def parser() -> Parser:
    """Options of the command."""
    parser = Parser(
        prog="python -m hw.spec",
        description="List the named number formats: range, special codes and source.",
    )
    parser.add_argument("--list", action="store_true", help="print the list (the default)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 2 for wrong arguments."""
    return run_command(
        parser(),
        lambda options: print(format_table_json() if options.json else format_table()),
        arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
