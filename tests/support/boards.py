# SPDX-License-Identifier: Apache-2.0
"""A small board, compiled once, and garbled frames to and from it.

The line garbles each request or its reply. A request that is answered OK must have been done; any
other must have had no effect. The next request is good, and must be answered
correctly. So the board does not hang, and no error is missed.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

import sim.rtl
from hw.build import generate
from hw.host.exchange import Deframer, Reply, frame
from hw.progress import Progress
from hw.spec import parse_array, parse_gemm
from hw.spec.board import FLAG, BoardSpec, Code, Command
from hw.spec.command import Parser, run_command
from hw.spec.errors import require_int
from hw.spec.folders import ROOT
from hw.spec.registers import gemm_map
from sim.rtl.serial import BoardLine, SerialLine
from synth.record import Metric, Record, provenance, write_records

RECORDS = ROOT / "reports" / "data" / "board_frames.json"
#: Idle cycles after which no more bytes come, and idle cycles after which the board hangs.
IDLE, PATIENCE = 64, 1 << 17
#: Registers that are written and read, and the run and stride of words side by side.
REGISTERS, SIDE_BY_SIDE = ("M", "K", "N"), 1 | 1 << 16
#: Chance of a wrong level in a cycle of a noisy frame.
NOISE = 0.01


def board_spec(size: str, mac: str, depths: str, out: str | None = None, **dataflow) -> BoardSpec:
    """Board with the engine of these spellings, at four cycles a bit."""
    array = parse_array(size, mac, out=out, **dataflow)
    gemm = parse_gemm(array, depths=depths, bus="wishbone")
    return BoardSpec(gemm=gemm, clock_hz=12_000_000, baud=3_000_000)


#: Memories so small that a product soon takes several parts of K.
BOARD = board_spec("2x2", "int4,acc=int12", "16x16x16")


def compiled_board(
    spec: BoardSpec,
    folder: Path,
    *,
    optimize: str = "-O0",
    change: Callable[[str], str] = lambda verilog: verilog,
) -> sim.rtl.Model:
    """Compiled model of a board; ``change`` may alter the Verilog."""
    manifest = generate(spec, folder)
    file = manifest.with_suffix(".v")
    file.write_text(change(file.read_text()))
    ports = json.loads(manifest.read_text())["ports"]
    return sim.rtl.compile([file], spec.name, ports, optimize=optimize)


class Spoiler(BoardLine):
    """A line on which ``spoil(data, out)`` decides what arrives of what is sent.

    ``out`` is true for bytes to the board.
    """

    def __init__(self, model: sim.rtl.Model, spec: BoardSpec) -> None:
        super().__init__(model, spec)
        self.spoil = lambda data, out: data

    def write(self, data: bytes) -> None:
        """Send the garbled bytes."""
        super().write(self.spoil(data, True))

    def read(self, seconds: float) -> bytes:
        """Received bytes, garbled."""
        return self.spoil(super().read(seconds), False)


def flip(rng, data: bytes) -> bytes:
    """One to eight bits are inverted."""
    found = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        found[int(rng.integers(len(found)))] ^= 1 << int(rng.integers(8))
    return bytes(found)


def drop(rng, data: bytes) -> bytes:
    """A byte is lost."""
    place = int(rng.integers(len(data)))
    return data[:place] + data[place + 1 :]


def insert(rng, data: bytes) -> bytes:
    """An extra byte arrives."""
    place = int(rng.integers(len(data) + 1))
    return data[:place] + rng.bytes(1) + data[place:]


def cut(rng, data: bytes) -> bytes:
    """The rest of the bytes is lost."""
    return data[: int(rng.integers(len(data)))]


def swap(rng, data: bytes) -> bytes:
    """A run of bytes is garbage."""
    first, last = sorted(int(rng.integers(len(data) + 1)) for _ in range(2))
    return data[:first] + rng.bytes(last - first) + data[last:]


def double(rng, data: bytes) -> bytes:
    """The frame arrives twice, without a pause."""
    return data + data


def lengthen(rng, data: bytes) -> bytes:
    """The frame becomes longer than any valid frame."""
    return data[:-1] + rng.bytes(1100).replace(bytes([FLAG]), b"") + data[-1:]


#: Ways to spoil bytes, and how often each is taken.
WAYS = {flip: 8, drop: 4, insert: 4, cut: 4, swap: 8, double: 1, lengthen: 0.02}


class Bench:
    """Sends garbled frames and checks the effect of each.

    Parameters
    ----------
    line
        To the board, which is reset.
    seed
        Decides what is asked, and what is spoilt and how.
    """

    def __init__(self, line: SerialLine, seed: int) -> None:
        self._line, self._rng, self._deframer = line, np.random.default_rng(seed), Deframer()
        self._base = gemm_map(BOARD.gemm).offset(REGISTERS[0])
        self._state = [0] * len(REGISTERS)
        self._sequence = 0
        self.outcomes: Counter[str] = Counter()
        self.good = 0
        chances = np.array(list(WAYS.values()))
        self._chances = chances / chances.sum()

    def garbled(self) -> None:
        """A frame that is garbled, or whose reply is, and then a good one."""
        kind = ("sent", "received", "noise")[int(self._rng.integers(3))]
        writes, values = bool(self._rng.integers(2)), self._rng.integers(0, 1 << 32, 3).tolist()
        payload = [self._base, SIDE_BY_SIDE, *(values if writes else [len(REGISTERS)])]
        replies = self._ask(Command.WRITE if writes else Command.READ, payload, kind)
        # A quiet line, and a flag, as a host does it before it tries again: the flag may be all
        # that the frame was short of.
        for data in (b"", bytes([FLAG])):
            replies += self._deframer.push(self._line.exchange(data, idle=IDLE, cycles=PATIENCE))
        self._deframer.clear()
        mine = [r for r in replies if r.sequence == self._sequence and r.code == Code.OK]
        for reply in mine:
            wanted = b"" if writes else np.array(self._state, "<u4").tobytes()
            assert reply.payload == wanted, (reply, self._state)
        self.outcomes["answered" if mine else "told" if replies else "silent"] += 1
        self._good(values if writes else None, done=bool(mine), certain=kind != "received")

    def _good(self, values: list[int] | None, *, done: bool, certain: bool) -> None:
        """A good read; registers have their old values or those of the previous write."""
        payload = [self._base, SIDE_BY_SIDE, len(REGISTERS)]
        (reply,) = self._ask(Command.READ, payload, None)
        assert (reply.sequence, reply.code) == (self._sequence, Code.OK), reply
        found = np.frombuffer(reply.payload, "<u4").tolist()
        allowed = [values if done and values else self._state]
        if values and not certain:  # The reply was garbled, not the request.
            allowed = [values]
        assert found in allowed, (found, allowed)
        self._state = found
        self.good += 1

    def _ask(self, command: Command, words: list[int], kind: str | None) -> list[Reply]:
        """Replies to a request, garbled in one direction or not at all."""
        self._sequence = (self._sequence + 1) % 256
        data = frame(self._sequence, command, np.array(words, "<u4").tobytes())
        if kind == "sent":
            data = self._spoilt(data)
        self._line.disturb(NOISE if kind == "noise" else 0, seed=int(self._rng.integers(1 << 62)))
        found = self._line.exchange(data, idle=IDLE, cycles=PATIENCE)
        self._line.disturb(0)
        return self._deframer.push(self._spoilt(found) if kind == "received" else found)

    def _spoilt(self, data: bytes) -> bytes:
        """Other bytes than ``data``."""
        ways, found = list(WAYS), data
        while found == data:
            found = ways[self._rng.choice(len(ways), p=self._chances)](self._rng, data)
        return found


def main(arguments: list[str] | None = None) -> int:
    """Command line; 0 if all went well."""
    parser = Parser(
        prog="python -m tests.support.boards",
        description="Send garbled frames to a compiled board and check each outcome.",
    )
    parser.add_argument(
        "--frames", metavar="N", type=int, default=100_000, help="frames (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", metavar="N", type=int, default=1, help="seed (default: %(default)s)"
    )
    return run_command(parser, _run, arguments)


def _run(options: argparse.Namespace) -> None:
    """Send the frames and write the record."""
    require_int("Frames", options.frames, 1, 10**9)
    require_int("Seed", options.seed, 0, 2**63)
    with tempfile.TemporaryDirectory() as folder:
        model = compiled_board(BOARD, Path(folder), optimize="-O2")
    line = SerialLine(model, BOARD.divider, busy="active")
    bench, progress = Bench(line, options.seed), Progress()
    for index in range(options.frames):
        progress(f"frame {index} of {options.frames}")
        bench.garbled()
    metrics = {
        "frames": Metric(bench.outcomes.total(), "frame"),
        "good_frames_behind": Metric(bench.good, "frame"),
        "cycles": Metric(line.cycles, "cycle"),
        **{name: Metric(count, "frame") for name, count in sorted(bench.outcomes.items())},
    }
    record = Record(
        subject=BOARD.name,
        metrics=metrics,
        conditions={
            "answered": "OK, and rightly: the request came through in spite of what was done to it",
            "told": "an error reply",
            "silent": "no reply, or one that is known to be garbled",
            "line": f"{BOARD.divider} cycles a bit",
            "noise": f"{NOISE} of the cycles, in a third",
            (
                "a hang, a wrong answer, a good frame that is not answered"
            ): "ends the run without record",
        },
        provenance=provenance(
            "python -m tests.support.boards",
            tools=("amaranth", "pyosys", "verilator"),
            seed=options.seed,
        ),
        not_done=("a board of silicon",),
    )
    write_records(RECORDS, [record])
    print(RECORDS)


if __name__ == "__main__":
    sys.exit(main())
