# SPDX-License-Identifier: Apache-2.0
"""A board with an engine, as something that multiplies matrices.

>>> with Device.open("/dev/ttyUSB0") as device:
...     sums = device.matmul(a, b)  # codes (M, K) and (K, N) of any size
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.host.engine import Engine
from hw.host.exchange import DeviceError, DeviceReset, Exchange, Line
from hw.host.port import Port
from hw.host.words import Codes, operand
from hw.spec import GemmSpec, SpecError
from hw.spec.board import DEFAULT_BAUD, Identity
from hw.spec.errors import require, require_int
from hw.spec.grammar import parse_spec
from hw.spec.outputs import Scale

#: Times that a block is begun anew, each time after a reset of the board.
TRIES = 3
#: Requests to something that may be no board at all.
FIRST_TRIES = 3


@dataclass(frozen=True, slots=True)
class Block:
    """Rows and columns of C that are computed at once, and the parts of K, in order.

    The sums stay in the array from one part to the next.
    """

    rows: range
    cols: range
    parts: tuple[range, ...]


def blocks(spec: GemmSpec, m: int, k: int, n: int) -> Iterator[Block]:
    """Blocks of ``C[M, N]``; those that share rows come behind each other.

    As many tiles at once as fit all memories; if K does not, single tiles, K in whole words of A,
    or, if the memory of B holds no such word, in whole words of B.
    """
    array, (rows, steps) = spec.array, spec.array.schedule.a_block
    lanes, words, beats = array.mac.lanes, -(-k // steps), array.beats(k)
    if words <= spec.depth_a and beats <= spec.depth_b:
        high = min(spec.depth_c, rows * (spec.depth_a // words), m)
        wide, step = array.cols * min(spec.depth_b // beats, spec.depth_c // high), k
    else:
        high = min(spec.depth_c, rows * spec.depth_a, array.schedule.height, m)
        wide = array.cols
        step = min(steps * (spec.depth_a // -(-high // rows)), lanes * spec.depth_b)
        step -= step % steps if step > steps else 0
    parts = tuple(range(first, min(first + step, k)) for first in range(0, k, step))
    for top in range(0, m, high):
        for left in range(0, n, wide):
            yield Block(range(top, min(top + high, m)), range(left, min(left + wide, n)), parts)


class Device:
    """A board that has said what it is.

    Parameters
    ----------
    line
        Carries bytes to and from it.
    spec
        Engine that it must hold, by default whichever it holds.

    Raises
    ------
    SpecError
        If it is no board, or holds another engine.
    """

    def __init__(self, line: Line, *, spec: GemmSpec | None = None) -> None:
        self._line, self._exchange = line, Exchange(line)
        self.identity = self._first_identity(spec)
        engine = parse_spec(self.identity.spelling)
        require(isinstance(engine, GemmSpec), "Board engine", "a GEMM engine", str(engine))
        assert isinstance(engine, GemmSpec)
        self.spec = engine
        self._engine = Engine(self._exchange, self.spec, self.identity.clock_hz)
        self._engine.check()

    @classmethod
    def open(cls, path: str, *, spec: GemmSpec | None = None, baud: int = DEFAULT_BAUD) -> "Device":
        """The board at a serial port, for instance ``/dev/ttyUSB0``.

        Raises
        ------
        SpecError
            If there is no such port, no board at it, or one with another engine.
        """
        port = Port(path, baud)
        try:
            return cls(port, spec=spec)
        except BaseException:
            port.close()
            raise

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back."""
        if isinstance(self._line, Port):
            self._line.close()

    @property
    def repeated(self) -> int:
        """Requests that had to be sent again."""
        return self._exchange.repeated

    def identify(self) -> Identity:
        """What the board says of itself, read anew, its engine's registers checked.

        Raises
        ------
        SpecError
            If that is not what it said at first.
        """
        identity = self._exchange.identify()
        require(
            identity == self.identity, "Board engine", self.identity.spelling, identity.spelling
        )
        self._engine.check()
        return identity

    def matmul(
        self, a: npt.ArrayLike, b: npt.ArrayLike, *, scale: int | None = None, zero_point: int = 0
    ) -> Codes:
        """Compute ``C[M, N] = A[M, K] @ B[K, N]`` on the board, for any M, K, N.

        Parameters
        ----------
        a, b
            Codes of the operands; a signed array of a signed integer format holds the values.
        scale, zero_point
            What the output stage takes, if there is one: exponent or binary32 code, and integer.

        Returns
        -------
        array of shape (M, N)
            What `sim.matmul` or, behind an output stage, `sim.output` gives.

        Raises
        ------
        SpecError
            If an operand or a setting is wrong; nothing has been sent then.
        DeviceError
            If the board fails; there is no result then.
        """
        return self.matmul_with_flags(a, b, scale=scale, zero_point=zero_point)[0]

    def matmul_with_flags(
        self, a: npt.ArrayLike, b: npt.ArrayLike, *, scale: int | None = None, zero_point: int = 0
    ) -> tuple[Codes, Codes]:
        """As `matmul`, with the flags of each sum, (M, N)."""
        mac = self.spec.array.mac
        x, y = operand("Operand a", a, mac.a), operand("Operand b", b, mac.b)
        require(
            y.shape[0] == x.shape[1],
            "Operand b shape",
            f"({x.shape[1]}, N) to match the K of operand a",
            y.shape,
        )
        settings = _settings(self.spec, scale, zero_point)
        (m, k), n = x.shape, y.shape[1]
        whole: list[tuple[Block, tuple[Codes, Codes]]] = []
        held: tuple[range, range] | None = None
        for block in blocks(self.spec, m, k, n):
            whole.append((block, self._block(block, x, y, settings, held)))
            held = (block.rows, block.parts[0]) if len(block.parts) == 1 else None
        results, flags = (
            _joined(m, n, [(block, part[which]) for block, part in whole]) for which in (0, 1)
        )
        return results, flags

    def _block(
        self,
        block: Block,
        a: Codes,
        b: Codes,
        settings: dict[str, int],
        held: tuple[range, range] | None,
    ) -> tuple[Codes, Codes]:
        """Results and flags of a block, begun anew when the board has been reset.

        ``held`` says which rows and part of K the memory of A has from the block before.
        """
        for _ in range(TRIES):
            try:
                return self._run(block, a, b, settings, held)
            except DeviceReset:
                held = None
                self._engine.forget()
                self.identify()
        raise DeviceError(f"Board must not be reset {TRIES} times in a block, and was")

    def _run(
        self,
        block: Block,
        a: Codes,
        b: Codes,
        settings: dict[str, int],
        held: tuple[range, range] | None,
    ) -> tuple[Codes, Codes]:
        """One try."""
        for register, value in settings.items():
            self._engine.set(**{register: value})
        if held is None:
            self._engine.release()
        rows, cols = (
            slice(block.rows.start, block.rows.stop),
            slice(block.cols.start, block.cols.stop),
        )
        last = block.parts[-1]
        for part in block.parts:
            depth = slice(part.start, part.stop)
            if held != (block.rows, part):
                self._engine.load_a(a[rows, depth])
            self._engine.load_b(b[depth, cols])
            if part is not last:
                self._engine.run(len(block.rows), len(part), len(block.cols), hold=True)
        return self._engine.result(len(block.rows), len(last), len(block.cols))

    def _first_identity(self, spec: GemmSpec | None) -> Identity:
        """What is there, held to what must be."""
        self._exchange.settle()
        try:
            identity = self._exchange.identify(tries=FIRST_TRIES)
        except DeviceError as error:
            raise SpecError(
                f"Serial port must lead to a board that answers, and does not "
                f"({FIRST_TRIES} requests)"
            ) from error
        require(
            spec is None or identity.spelling == str(spec),
            "Board engine",
            str(spec),
            identity.spelling,
        )
        return identity


def _settings(spec: GemmSpec, scale: int | None, zero_point: int) -> dict[str, int]:
    """Registers of the output stage."""
    out = spec.array.out
    takes = bool(out and out.scale_bits), bool(out and out.zero_point_bits)
    require(scale is None or takes[0], "Scale", "left out without a scale in the engine", scale)
    require(
        zero_point == 0 or takes[1], "Zero point", "left out without one in the engine", zero_point
    )
    if out is None:
        return {}
    settings = {}
    if takes[0]:
        power = out.scale is Scale.POW2
        one = 0 if power else int(np.float32(1).view(np.uint32))
        low, high = (
            (-1 << out.scale_bits - 1, (1 << out.scale_bits - 1) - 1)
            if power
            else (0, (1 << out.scale_bits) - 1)
        )
        settings["SCALE"] = _integer("Scale", one if scale is None else scale, low, high)
    if takes[1]:
        settings["ZERO_POINT"] = _integer(
            "Zero point", zero_point, out.to.min_units, out.to.max_units
        )
    return settings


def _integer(noun: str, value: Any, low: int, high: int) -> int:
    """The value, which numpy may have made, if it is in range."""
    number = int(value) if isinstance(value, np.integer) else value
    require_int(noun, number, low, high)
    return int(number)


def _joined(m: int, n: int, parts: list[tuple[Block, Codes]]) -> Codes:
    """A matrix from its blocks."""
    whole = np.zeros((m, n), parts[0][1].dtype)
    for block, values in parts:
        whole[block.rows.start : block.rows.stop, block.cols.start : block.cols.stop] = values
    return whole
