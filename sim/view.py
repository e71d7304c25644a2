# SPDX-License-Identifier: Apache-2.0
"""``python -m sim.view``: write an HTML page that animates a matrix product on an array."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hw.progress import Progress
from hw.spec.command import Parser, add_unit_options, chosen_array, run_command
from hw.spec.errors import require
from sim.files import whole_file
from sim.run.operands import DISTRIBUTIONS, draw, parse_size
from sim.trace.page import page
from sim.trace.record import record, require_viewable

DEFAULT_FILE = Path("build/view.html")


def parser() -> Parser:
    parser = Parser(
        prog="python -m sim.view",
        description=(
            "Write an HTML page that animates a matrix product on a systolic array, cycle by cycle."
        ),
        examples=(
            "--mac e4m3 --array 4x4 --size 4x8x4",
            "--mac int8 --acc int32 --array 8x8 --dataflow ws --size 16x16x16 --out view.html",
        ),
    )
    add_unit_options(parser)
    parser.add_argument(
        "--size", metavar="MxKxN", required=True, help="size of the product A[M, K] @ B[K, N]"
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=int,
        default=0,
        help="seed of the random operands (default: %(default)s)",
    )
    parser.add_argument(
        "--data",
        metavar="NAME",
        choices=list(DISTRIBUTIONS),
        default=next(iter(DISTRIBUTIONS)),
        help=f"distribution of the operands: {', '.join(DISTRIBUTIONS)} (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        default=DEFAULT_FILE,
        help="file to write (default: %(default)s)",
    )
    return parser


def _view(options: argparse.Namespace) -> None:
    """Simulate the product and write the page."""
    require(options.seed >= 0, "Seed", "0 or more", options.seed)
    spec, (m, k, n) = chosen_array(options), parse_size(options.size)
    require_viewable(spec, m, k, n)
    progress = Progress()
    a = draw(spec.mac.a, (m, k), options.data, [options.seed, 0], progress)
    b = draw(spec.mac.b, (k, n), options.data, [options.seed, 1], progress)
    with whole_file(options.out) as file:
        file.write(page(record(a, b, spec)).encode("utf-8"))
    progress.done()
    print(options.out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0, or 2 if the arguments are wrong."""
    return run_command(parser(), _view, arguments)


if __name__ == "__main__":
    sys.exit(main())
