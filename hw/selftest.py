# SPDX-License-Identifier: Apache-2.0
"""``python -m hw.selftest``: checks a board against the model, on random products and digits."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

from hw.host.device import Device
from hw.host.exchange import DeviceError
from hw.progress import Progress
from hw.spec import ArraySpec
from hw.spec.board import DEFAULT_BAUD
from hw.spec.command import (
    Parser,
    add_mac_options,
    chosen_mac,
    given_mac_options,
    run_command,
)
from hw.spec.errors import SpecError, require, require_int


def parser() -> Parser:
    parser = Parser(
        prog="python -m hw.selftest",
        description=(
            "Multiply matrices on a board and compare every bit with the model: random sizes, "
            "including one with a K too large for the memories, and the layers of a digit "
            "classifier."
        ),
        examples=("--port /dev/ttyUSB0", "--port /dev/ttyUSB0 --mac int8 --array 2x2 --images 0"),
    )
    parser.add_argument(
        "--port",
        metavar="PATH",
        required=True,
        help="serial port of the board, for instance /dev/ttyUSB0, or the path printed by "
        "python -m hw.virtual_board",
    )
    parser.add_argument(
        "--baud",
        metavar="N",
        type=int,
        default=DEFAULT_BAUD,
        help="bits per second, the same as in the bitstream (default: %(default)s)",
    )
    parser.add_argument(
        "--gemms",
        metavar="N",
        type=int,
        default=100,
        help="number of random products (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=int,
        default=0,
        help="seed for sizes and operands (default: %(default)s)",
    )
    parser.add_argument(
        "--images",
        metavar="N",
        type=int,
        help="number of test images of digits, 0 for none (default: all 449)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_mac_options(parser)
    parser.add_argument(
        "--array", metavar="ROWSxCOLS", help="required size of the board's array (default: any)"
    )
    return parser


def _require_unit(options: argparse.Namespace, array: ArraySpec) -> None:
    """Raise unless the board's engine matches the options; pipeline and adder do not matter."""
    if options.mac is not None:
        mac, on_board = chosen_mac(options), array.mac
        same = (mac.a, mac.b, mac.acc, mac.lanes) == (
            on_board.a,
            on_board.b,
            on_board.acc,
            on_board.lanes,
        )
        require(same, "Board MAC", str(mac), str(on_board))
    elif given := given_mac_options(options):
        raise SpecError(f"--{given[0]} needs --mac PAIR, for instance --mac e4m3")
    require(options.array in (None, array.size), "Board array", str(options.array), array.size)


def selftest(
    device: Device,
    *,
    gemms: int,
    seed: int,
    images: int | None,
    progress: Any,
) -> dict[str, Any]:
    """Check a board; return what was compared, and the speed.

    Digits are skipped without scikit-learn, or if the engine has an output stage.

    Raises
    ------
    Mismatch
        If a bit differs from the model.
    DeviceError
        If the board fails.
    """
    from sim.selftest import check_digits, check_products

    def product(a: Any, b: Any) -> Any:
        return device.matmul_with_flags(a, b)

    spec = device.spec
    report: dict[str, Any] = {
        "engine": str(spec),
        "sha256": device.identity.digest.hex(),
        "clock_hz": device.identity.clock_hz,
        "baud": device.identity.baud,
        "seed": seed,
        "products": asdict(check_products(spec, product, gemms, seed, progress)),
        "digits": None,
    }
    if images != 0 and spec.array.out is None and find_spec("sklearn") is not None:
        report["digits"] = asdict(check_digits(spec, product, images, progress))
    return report | {"repeated_requests": device.repeated}


def _table(report: dict[str, Any]) -> str:
    """Result as text."""
    rows = {
        "engine": report["engine"],
        "clock": f"{report['clock_hz'] / 1e6:g} MHz",
        "line": f"{report['baud']:,} baud, {report['repeated_requests']} requests repeated",
    }
    for name in ("products", "digits"):
        part = report[name]
        if part is None:
            rows[name] = "skipped: they need scikit-learn and an engine without output stage"
            continue
        right = "" if part["accuracy"] is None else f"; {part['accuracy']:.2%} of digits correct"
        rows[name] = (
            f"{part['products']}, {part['results']:,} results equal to the model, "
            f"{part['macs'] / max(part['seconds'], 1e-9):,.0f} MAC/s{right}"
        )
    return "\n".join(f"{name:<10}{value}" for name, value in rows.items())


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all agreed, 1 on a difference or failure, 2 on user errors."""
    from sim.selftest import Mismatch

    return run_command(parser(), _body, arguments, tool_errors=(DeviceError, Mismatch))


def _body(options: argparse.Namespace) -> None:
    require_int("Products", options.gemms, 1, 1_000_000)
    require_int("Seed", options.seed, 0, 2**63)
    require_int("Images", 0 if options.images is None else options.images, 0, 449)
    require_int("Baud rate", options.baud, 1, 100_000_000)
    progress = Progress()
    with Device.open(options.port, baud=options.baud, waiting=progress) as device:
        _require_unit(options, device.spec.array)
        report = selftest(
            device, gemms=options.gemms, seed=options.seed, images=options.images, progress=progress
        )
    progress.done()
    print(json.dumps(report, indent=2) if options.json else _table(report))


if __name__ == "__main__":
    sys.exit(main())
