# SPDX-License-Identifier: Apache-2.0
"""``python -m sim.trace.view``: one page that plays a matrix product through an array."""

import sys
from collections.abc import Sequence
from pathlib import Path

from hw.spec import ArraySpec, SpecError
from hw.spec.command import Parser, add_unit_options, chosen_unit
from hw.spec.errors import require
from sim.files import whole_file
from sim.progress import Progress
from sim.run.operands import DISTRIBUTIONS, draw, parse_gemm
from sim.trace.view.limits import require_viewable
from sim.trace.view.page import page
from sim.trace.view.record import record

__all__ = ["main"]

DEFAULT_FILE = Path("build/view.html")


def _parser() -> Parser:
    parser = Parser(prog="python -m sim.trace.view", description=(
        "Write a page that plays a matrix product through a systolic array, clock by clock."))
    add_unit_options(parser, mac_required=True)
    parser.add_argument("--gemm", metavar="MxKxN", required=True,
                        help="sides of A[M, K] @ B[K, N]")
    parser.add_argument("--seed", metavar="N", type=int, default=0,
                        help="seed of the random operands (default: %(default)s)")
    parser.add_argument("--data", metavar="NAME", choices=list(DISTRIBUTIONS),
                        default=next(iter(DISTRIBUTIONS)),
                        help=f"random operands: {', '.join(DISTRIBUTIONS)} (default: %(default)s)")
    parser.add_argument("--out", metavar="FILE", type=Path, default=DEFAULT_FILE,
                        help="file of the page (default: %(default)s)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 2 for wrong arguments."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        require(options.array is not None, "Array size", "given by --array ROWSxCOLS",
                options.array)
        require(options.seed >= 0, "Seed", "0 or more", options.seed)
        spec, (m, k, n) = chosen_unit(options), parse_gemm(options.gemm)
        assert isinstance(spec, ArraySpec)
        require_viewable(spec, m, k, n)
        say = Progress()
        a = draw(spec.mac.a, (m, k), options.data, [options.seed, 0], say)
        b = draw(spec.mac.b, (k, n), options.data, [options.seed, 1], say)
        with whole_file(options.out) as file:
            file.write(page(record(a, b, spec)).encode("utf-8"))
    except SpecError as error:
        parser.error(str(error))
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
