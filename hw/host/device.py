# SPDX-License-Identifier: Apache-2.0
"""A board with an engine: identifies it and multiplies matrices of any size on it.

>>> with Device.open("/dev/ttyUSB0") as device:
...     sums = device.matmul(a, b)  # codes (M, K) and (K, N) of any size
"""

from collections.abc import Callable, Iterator
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

#: Attempts for a block; it starts again after each reset of the board.
TRIES = 3
#: Attempts for the first request, when it is unknown whether a board is there.
FIRST_TRIES = 3


@dataclass(frozen=True, slots=True)
class Block:
    """Rows and columns of C that are computed together, and the parts of K, in order.

    Between parts the sums stay in the array.
    """

    rows: range
    cols: range
    parts: tuple[range, ...]


def blocks(spec: GemmSpec, m: int, k: int, n: int) -> Iterator[Block]:
    """Blocks of ``C[M, N]``; blocks with the same rows are consecutive.

    A block has as many tiles as fit in the memories. If all of K does not fit, a block is one tile,
    and K is cut into parts of whole words of A or, if even one is too long for the memory of B, of
    whole words of B.
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
    """A connected board.

    Parameters
    ----------
    line
        Carries bytes to and from the board.
    spec
        Engine that the board must have; by default any.
    waiting
        Called with a line of text when the board does not answer and a request is sent again.

    Raises
    ------
    SpecError
        If there is no board, or it has another engine.
    DeviceError
        If the board is silent after its identity.
    """

    def __init__(
        self,
        line: Line,
        *,
        spec: GemmSpec | None = None,
        waiting: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._line, self._exchange = line, Exchange(line, waiting)
        self.identity = self._first_identity(spec)
        engine = parse_spec(self.identity.spelling)
        require(isinstance(engine, GemmSpec), "Board engine", "a GEMM engine", str(engine))
        assert isinstance(engine, GemmSpec)
        self.spec = engine
        self._engine = Engine(self._exchange, self.spec, self.identity.clock_hz)
        self._engine.check()

    @classmethod
    def open(
        cls,
        path: str,
        *,
        spec: GemmSpec | None = None,
        baud: int = DEFAULT_BAUD,
        waiting: Callable[[str], None] = lambda text: None,
    ) -> "Device":
        """Open the board at a serial port, for instance ``/dev/ttyUSB0``; see `Device`.

        Raises
        ------
        SpecError
            If the port cannot be opened, no board answers, or the board has another engine.
        DeviceError
            If the board is silent after its identity.
        """
        port = Port(path, baud)
        try:
            return cls(port, spec=spec, waiting=waiting)
        except BaseException:
            port.close()
            raise

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the port."""
        if isinstance(self._line, Port):
            self._line.close()

    @property
    def repeated(self) -> int:
        """Number of requests that had to be sent again."""
        return self._exchange.repeated

    def identify(self) -> Identity:
        """Read the board's identity again, and check the registers of its engine.

        Raises
        ------
        SpecError
            If the identity has changed.
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
            Codes of the operands. For signed integer formats, an array with a signed type holds
            the values.
        scale, zero_point
            Inputs of the output stage, if there is one: exponent or binary32 code, and integer.

        Returns
        -------
        array of shape (M, N)
            The same as from `sim.matmul` or, with an output stage, `sim.output`.

        Raises
        ------
        SpecError
            If an operand or a setting is wrong; nothing is sent.
        DeviceError
            If the board fails; there is no result.
        """
        return self.matmul_with_flags(a, b, scale=scale, zero_point=zero_point)[0]

    def matmul_with_flags(
        self, a: npt.ArrayLike, b: npt.ArrayLike, *, scale: int | None = None, zero_point: int = 0
    ) -> tuple[Codes, Codes]:
        """As `matmul`, but also returns the flags of each sum, (M, N)."""
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
        """Results and flags of a block; it starts again if the board was reset.

        ``held``: rows and part of K in the memory of A from the previous block, or None.
        """
        for _ in range(TRIES):
            try:
                return self._run(block, a, b, settings, held)
            except DeviceReset:
                held = None
                self._engine.forget()
                self.identify()
        raise DeviceError(f"The board was reset {TRIES} times during one block of a product")

    def _run(
        self,
        block: Block,
        a: Codes,
        b: Codes,
        settings: dict[str, int],
        held: tuple[range, range] | None,
    ) -> tuple[Codes, Codes]:
        """Compute a block once."""
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
        """Identity of the board, checked against ``spec``."""
        self._exchange.settle()
        try:
            identity = self._exchange.identify(tries=FIRST_TRIES)
        except DeviceError as error:
            raise SpecError(
                f"No board answered {FIRST_TRIES} requests at the serial port; check the port, the "
                "baud rate and the bitstream"
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
    if scale is not None and not takes[0]:
        raise SpecError("The engine has no scale; leave out scale")
    if zero_point != 0 and not takes[1]:
        raise SpecError("The engine has no zero point; leave out zero_point")
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
    """The value, perhaps a numpy integer, if it is in range."""
    number = int(value) if isinstance(value, np.integer) else value
    require_int(noun, number, low, high)
    return int(number)


def _joined(m: int, n: int, parts: list[tuple[Block, Codes]]) -> Codes:
    """Matrix assembled from its blocks."""
    whole = np.zeros((m, n), parts[0][1].dtype)
    for block, values in parts:
        whole[block.rows.start : block.rows.stop, block.cols.start : block.cols.stop] = values
    return whole
