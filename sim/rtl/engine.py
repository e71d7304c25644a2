# SPDX-License-Identifier: Apache-2.0
"""Matrix products on a GEMM engine, through nothing but its bus."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import GemmSpec
from hw.spec.errors import require
from hw.spec.registers import BUS_BITS, BUS_BYTES, Window, gemm_map
from sim.codes import as_codes
from sim.rtl.buses import BusDriver
from sim.rtl.tools import RtlError
from sim.tiling import Words, tile_words, unpack

__all__ = ["Driver", "Result", "bus_words", "operand_words"]


@dataclass(frozen=True, slots=True)
class Result:
    """Codes and flags of C, (M, N), and the cycles that the engine counted."""

    codes: npt.NDArray[Any]
    flags: npt.NDArray[Any]
    cycles: int


def operand_words(spec: GemmSpec, a: npt.NDArray[Any], b: npt.NDArray[Any]) -> tuple[Words, Words]:
    """Words of the memories of A and of B, in order: (words, 64-bit parts), low part first."""
    array = spec.array
    rows, steps = array.schedule.a_block
    first = tile_words(a, rows, steps, array.mac.a.width)
    second = tile_words(b.T, array.cols, array.mac.lanes, array.mac.b.width)
    return (first.reshape(-1, first.shape[-1]), second.reshape(-1, second.shape[-1]))


def bus_words(words: Words, window: Window) -> npt.NDArray[np.uint32]:
    """Memory words as bus words, (words, lanes), low bits first."""
    return np.ascontiguousarray(words).view("<u4")[:, :window.lanes]


class Driver:
    """Fills the memories, starts, waits, reads C.

    Parameters
    ----------
    bus
        Access to the engine.
    spec
        What it was generated from.
    """

    def __init__(self, bus: BusDriver, spec: GemmSpec) -> None:
        self.bus, self.spec, self.map = bus, spec, gemm_map(spec)

    def get(self, register: str) -> int:
        """Value of a register."""
        value = self.bus.read(self.map.offset(register))
        if value is None:
            raise RtlError(f"Register {register} must be readable, and is not")
        return value

    def put(self, register: str, value: int) -> bool:
        """Write a register; whether the write was taken."""
        return self.bus.write(self.map.offset(register), value)

    def load(self, a: npt.NDArray[Any], b: npt.NDArray[Any]) -> None:
        """Write codes of A, (M, K), and of B, (K, N), into the memories."""
        for name, words in zip("AB", operand_words(self.spec, a, b), strict=True):
            window = self.map.window(name)
            for place, row in enumerate(bus_words(words, window).tolist()):
                self._write_word(window, place, row)

    def _write_word(self, window: Window, place: int, row: list[int]) -> None:
        base = self.map.base(window) + window.stride * place
        for lane, value in enumerate(row):
            if not self.bus.write(base + BUS_BYTES * lane, value):
                raise RtlError(f"Word {place} of {window.name} must be writable, and is not")

    def start(self, m: int, k: int, n: int, *, hold: bool = False) -> bool:
        """Set the sizes and start; whether the start was taken. ``hold``: the sums stay."""
        control = self.map.field("CONTROL", "start").mask
        control |= hold * self.map.field("CONTROL", "hold").mask
        return all([self.put("M", m), self.put("K", k), self.put("N", n),
                    self.put("CONTROL", control)])

    def wait(self, cycles: int) -> None:
        """Poll until the engine is no longer busy."""
        last = self.bus.cycle + cycles
        while self.get("STATUS") & self.map.field("STATUS", "busy").mask:
            if self.bus.cycle > last:
                raise RtlError(f"Engine must end in {cycles} cycles, and does not")
            self.bus.idle(8)

    def errors(self) -> tuple[str, ...]:
        """Fields of ERROR that are set."""
        value = self.get("ERROR")
        (register,) = (known for known in self.map.registers if known.name == "ERROR")
        return tuple(field.name for field in register.fields if value & field.mask)

    def result(self, m: int, n: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Codes and flags of C from its memory."""
        array, window = self.spec.array, self.map.window("C")
        across = array.tiles(1, n)
        lanes = window.lanes + window.lanes % 2
        raw = np.zeros((m * across, lanes), np.uint32)
        for place in range(m * across):
            base = self.map.base(window) + window.stride * place
            for lane in range(window.lanes):
                value = self.bus.read(base + BUS_BYTES * lane)
                if value is None:
                    raise RtlError(f"Word {place} of C must be readable, and is not")
                raw[place, lane] = value
        bits = self._bits(raw.view("<u8"), window.width)
        slots = array.cols * array.slot_width
        found = [self._values(bits[:, low:low + array.cols * width], width, m, n)
                 for low, width in ((0, array.slot_width), (slots, array.flag_bits))]
        return found[0] & ((1 << array.result_width) - 1), found[1]

    def _values(self, bits: npt.NDArray[np.uint8], width: int, m: int,
                n: int) -> npt.NDArray[Any]:
        """Numbers of ``width`` bits side by side, as a matrix."""
        if not width:
            return np.zeros((m, n), np.uint8)
        spare = -bits.shape[1] % 64
        whole = np.pad(bits, ((0, 0), (0, spare)))
        words = np.packbits(whole, axis=-1, bitorder="little").view("<u8")
        return unpack(words, width, self.spec.array.cols).astype(object).reshape(m, -1)[:, :n]

    @staticmethod
    def _bits(words: Words, count: int) -> npt.NDArray[np.uint8]:
        raw = np.ascontiguousarray(words).view(np.uint8)
        return np.unpackbits(raw, axis=-1, bitorder="little", count=count)

    def matmul(self, a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Result:
        """``C = A @ B`` of codes, (M, K) and (K, N).

        Raises
        ------
        SpecError
            If they are no such codes, or the memories do not hold them; nothing is written then.
        RtlError
            If the engine does not do it.
        """
        mac = self.spec.array.mac
        a, b = (as_codes(x, fmt, f"Operand {name}")
                for name, x, fmt in (("a", a, mac.a), ("b", b, mac.b)))
        require(a.ndim == b.ndim == 2 and a.shape[1:] == b.shape[:1], "Operand shapes",
                "(M, K) and (K, N)", (a.shape, b.shape))
        (m, k), n = a.shape, b.shape[1]
        limit = self.spec.cycles(m, k, n)
        self.load(a, b)
        if not self.start(m, k, n):
            raise RtlError("Engine must take a start, and does not")
        self.wait(limit + BUS_BITS)
        if self.errors() or not self.get("STATUS") & self.map.field("STATUS", "done").mask:
            raise RtlError(f"Engine must be done, not {self.errors()}")
        codes, flags = self.result(m, n)
        return Result(codes, flags, self.get("CYCLES"))
