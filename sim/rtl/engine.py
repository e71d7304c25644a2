# SPDX-License-Identifier: Apache-2.0
"""Run matrix products on a compiled GEMM engine over its bus.

Accesses use AXI4-Lite or Wishbone, one at a time, with optional pauses.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hw.spec import Bus, GemmSpec
from hw.spec.errors import require
from hw.spec.registers import BUS_BITS, BUS_BYTES, Window, gemm_map
from sim.codes import as_codes
from sim.rtl.model import Model, RtlError
from sim.tiling import ArrayProduct, Words, tile_words, unpack

#: Cycles until an access times out.
PATIENCE = 1000
OKAY, SLVERR = 0, 2


class BusDriver(Protocol):
    """Driver of a bus. ``cycle`` counts clock cycles."""

    cycle: int

    def write(self, address: int, value: int, strobe: int = 0xF) -> bool:
        """Write to a byte address; whether the write was done."""

    def read(self, address: int) -> int | None:
        """Read from a byte address; None if the read was refused."""

    def idle(self, cycles: int = 1) -> None:
        """Let time pass."""


class _Clock:
    """Steps a model and counts cycles."""

    def __init__(self, model: Model, *, pause: float = 0, seed: int = 0) -> None:
        self.cycle = 0
        self._model, self._pause, self._random = model, pause, np.random.default_rng(seed)

    @property
    def irq(self) -> int:
        """Current value of the interrupt line."""
        return self._model.read("irq")

    @property
    def paused(self) -> bool:
        """Whether accesses have pauses."""
        return self._pause > 0

    def idle(self, cycles: int = 1) -> None:
        """Let time pass."""
        self._model.run({}, cycles=cycles, outputs=())
        self.cycle += cycles

    def _pauses(self) -> bool:
        """Whether this cycle is a pause, in which nothing new is offered or taken."""
        return self._pause > 0 and bool(self._random.random() < self._pause)

    def _step(self, inputs: Mapping[str, int]) -> dict[str, int]:
        """Run one cycle. Returns the outputs just before its end."""
        rows = {name: np.array([value], np.uint64) for name, value in inputs.items()}
        outputs = self._model.run(rows, cycles=1, outputs=self._outputs)
        self.cycle += 1
        return {name: int(row[0]) for name, row in outputs.items()}

    _outputs: tuple[str, ...] = ()


class Axi4Lite(_Clock):
    """AXI4-Lite manager. Holds offers until they are taken; checks that responses are stable."""

    _outputs = tuple(
        f"s_axil_{name}"
        for name in ("awready", "wready", "bvalid", "bresp", "arready", "rvalid", "rresp", "rdata")
    )

    def write(self, address: int, value: int, strobe: int = 0xF) -> bool:
        """Write to a byte address; whether the write was done."""
        offers = {"aw": {"awaddr": address}, "w": {"wdata": value, "wstrb": strobe}}
        return self._access(offers, "b")["bresp"] == OKAY

    def read(self, address: int) -> int | None:
        """Read from a byte address; None if the read was refused."""
        answer = self._access({"ar": {"araddr": address}}, "r")
        return answer["rdata"] if answer["rresp"] == OKAY else None

    def _access(self, offers: dict[str, dict[str, int]], answer: str) -> dict[str, int]:
        """Offer on some channels until all are taken, then take one response."""
        shown: dict[str, dict[str, int]] = {}
        waiting: dict[str, int] | None = None
        for _ in range(PATIENCE):
            shown |= {
                name: values
                for name, values in offers.items()
                if name not in shown and not self._pauses()
            }
            ready = not self._pauses()
            inputs = {f"s_axil_{answer}ready": int(ready)}
            for name, values in shown.items():
                inputs |= {f"s_axil_{key}": value for key, value in values.items()}
                inputs[f"s_axil_{name}valid"] = 1
            wires = {
                name.removeprefix("s_axil_"): value for name, value in self._step(inputs).items()
            }
            offered = {
                key: wires[key]
                for key in wires
                if key in ("bresp", "rresp", "rdata") and key[0] == answer
            }
            if wires[f"{answer}valid"]:
                if waiting not in (None, offered) or offers:
                    raise RtlError(
                        f"AXI4-Lite channel {answer} answered too early or changed while waiting"
                    )
                waiting = offered
                if ready:
                    return offered
            taken = [name for name in shown if wires[f"{name}ready"]]
            for name in taken:
                del shown[name], offers[name]
        raise RtlError(f"AXI4-Lite channel {answer} did not answer in {PATIENCE} cycles")


class Wishbone(_Clock):
    """Wishbone host with classic cycles."""

    _outputs = ("s_wb_ack", "s_wb_err", "s_wb_dat_r")

    def write(self, address: int, value: int, strobe: int = 0xF) -> bool:
        """Write to a byte address; whether the write was done."""
        reply = self._access(
            {"s_wb_adr": address >> 2, "s_wb_we": 1, "s_wb_dat_w": value, "s_wb_sel": strobe}
        )
        return bool(reply["s_wb_ack"])

    def read(self, address: int) -> int | None:
        """Read from a byte address; None if the read was refused."""
        reply = self._access({"s_wb_adr": address >> 2, "s_wb_sel": 0xF})
        return reply["s_wb_dat_r"] if reply["s_wb_ack"] else None

    def _access(self, asked: dict[str, int]) -> dict[str, int]:
        """One access, after optional pauses."""
        while self._pauses():
            self.idle()
        for _ in range(PATIENCE):
            reply = self._step(asked | {"s_wb_cyc": 1, "s_wb_stb": 1})
            if reply["s_wb_ack"] and reply["s_wb_err"]:
                raise RtlError("Wishbone answered with both ack and err")
            if reply["s_wb_ack"] or reply["s_wb_err"]:
                return reply
        raise RtlError(f"Wishbone did not answer in {PATIENCE} cycles")


#: Driver of each bus.
BUSES: dict[Bus, type[Axi4Lite] | type[Wishbone]] = {Bus.AXI4LITE: Axi4Lite, Bus.WISHBONE: Wishbone}


def operand_words(spec: GemmSpec, a: npt.NDArray[Any], b: npt.NDArray[Any]) -> tuple[Words, Words]:
    """Words of the memories of A and B in order: (words, 64-bit parts), low part first."""
    array = spec.array
    rows, steps = array.schedule.a_block
    first = tile_words(a, rows, steps, array.mac.a.width)
    second = tile_words(b.T, array.cols, array.mac.lanes, array.mac.b.width)
    return (first.reshape(-1, first.shape[-1]), second.reshape(-1, second.shape[-1]))


def bus_words(words: Words, window: Window) -> npt.NDArray[np.uint32]:
    """Split memory words into bus words, (words, lanes), low bits first."""
    return np.ascontiguousarray(words).view("<u4")[:, : window.lanes]


class EngineDriver:
    """Loads the memories, starts the engine, waits, and reads C.

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
            raise RtlError(f"Reading register {register} was refused")
        return value

    def put(self, register: str, value: int) -> bool:
        """Write a register. Returns whether the write was accepted."""
        return self.bus.write(self.map.offset(register), value)

    def load(self, a: npt.NDArray[Any], b: npt.NDArray[Any]) -> None:
        """Write codes of A, (M, K), and of B, (K, N), into the memories."""
        for name, words in zip("AB", operand_words(self.spec, a, b), strict=True):
            window = self.map.window(name)
            for place, row in enumerate(bus_words(words, window).tolist()):
                base = self.map.base(window) + window.stride * place
                for lane, value in enumerate(row):
                    if not self.bus.write(base + BUS_BYTES * lane, value):
                        raise RtlError(f"Writing word {place} of {window.name} was refused")

    def start(self, m: int, k: int, n: int, *, hold: bool = False) -> bool:
        """Set the sizes and start. Returns whether it started. ``hold`` keeps the sums."""
        control = self.map.field("CONTROL", "start").mask
        control |= hold * self.map.field("CONTROL", "hold").mask
        return all(
            [self.put("M", m), self.put("K", k), self.put("N", n), self.put("CONTROL", control)]
        )

    def wait(self, cycles: int) -> None:
        """Poll until the engine is no longer busy."""
        last = self.bus.cycle + cycles
        while self.get("STATUS") & self.map.field("STATUS", "busy").mask:
            if self.bus.cycle > last:
                raise RtlError(f"Engine did not finish in {cycles} cycles")
            self.bus.idle(8)

    def errors(self) -> tuple[str, ...]:
        """Names of the fields of ERROR that are set."""
        value = self.get("ERROR")
        (register,) = (known for known in self.map.registers if known.name == "ERROR")
        return tuple(field.name for field in register.fields if value & field.mask)

    def result(self, m: int, n: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Read the codes and flags of C."""
        array, window = self.spec.array, self.map.window("C")
        across = array.tiles(1, n)
        lanes = window.lanes + window.lanes % 2
        raw = np.zeros((m * across, lanes), np.uint32)
        for place in range(m * across):
            base = self.map.base(window) + window.stride * place
            for lane in range(window.lanes):
                value = self.bus.read(base + BUS_BYTES * lane)
                if value is None:
                    raise RtlError(f"Reading word {place} of C was refused")
                raw[place, lane] = value
        bits = self._bits(raw.view("<u8"), window.width)
        slots = array.cols * array.slot_width
        codes, flags = (
            self._values(bits[:, low : low + array.cols * width], width, m, n)
            for low, width in ((0, array.slot_width), (slots, array.flag_bits))
        )
        return codes & ((1 << array.result_width) - 1), flags

    def _values(self, bits: npt.NDArray[np.uint8], width: int, m: int, n: int) -> npt.NDArray[Any]:
        """Unpack numbers of ``width`` bits into a matrix."""
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

    def matmul(self, a: npt.NDArray[Any], b: npt.NDArray[Any]) -> ArrayProduct:
        """``C = A @ B`` of codes, (M, K) and (K, N).

        Raises
        ------
        SpecError
            If they are not such codes or do not fit the memories. Nothing is written then.
        RtlError
            If the engine fails.
        """
        mac = self.spec.array.mac
        a, b = (
            as_codes(x, fmt, f"Operand {name}")
            for name, x, fmt in (("a", a, mac.a), ("b", b, mac.b))
        )
        require(
            a.ndim == b.ndim == 2 and a.shape[1:] == b.shape[:1],
            "Operand shapes",
            "(M, K) and (K, N)",
            (a.shape, b.shape),
        )
        (m, k), n = a.shape, b.shape[1]
        limit = self.spec.cycles(m, k, n)
        self.load(a, b)
        if not self.start(m, k, n):
            raise RtlError("Engine did not start")
        self.wait(limit + BUS_BITS)
        if self.errors() or not self.get("STATUS") & self.map.field("STATUS", "done").mask:
            raise RtlError(f"Engine did not finish; errors: {', '.join(self.errors()) or 'none'}")
        codes, flags = self.result(m, n)
        return ArrayProduct(codes, flags, self.get("CYCLES"))
