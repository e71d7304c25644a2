# SPDX-License-Identifier: Apache-2.0
"""Accesses over AXI4-Lite and Wishbone to a compiled model, one at a time, with pauses."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from hw.spec import Bus
from sim.rtl.model import Model
from sim.rtl.tools import RtlError

__all__ = ["BUSES", "Axi4Lite", "BusDriver", "Wishbone"]

#: Cycles after which an access has failed.
PATIENCE = 1000
OKAY, SLVERR = 0, 2


class BusDriver(Protocol):
    """What drives a bus; ``cycle`` counts clock cycles."""

    cycle: int

    def write(self, address: int, value: int, strobe: int = 0xF) -> bool:
        """Write to a byte address; whether the write was done."""

    def read(self, address: int) -> int | None:
        """Read from a byte address; None if the read was refused."""

    def idle(self, cycles: int = 1) -> None:
        """Let time pass."""


class _Clock:
    """Steps a model and counts."""

    def __init__(self, model: Model, *, pause: float = 0, seed: int = 0) -> None:
        self.cycle = 0
        self._model, self._pause, self._random = model, pause, np.random.default_rng(seed)

    @property
    def irq(self) -> int:
        """The interrupt line, now."""
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
        """Whether nothing new is offered or taken in this cycle."""
        return self._pause > 0 and bool(self._random.random() < self._pause)

    def _step(self, inputs: Mapping[str, int]) -> dict[str, int]:
        """One cycle; the outputs just before its end."""
        rows = {name: np.array([value], np.uint64) for name, value in inputs.items()}
        found = self._model.run(rows, cycles=1, outputs=self._outputs)
        self.cycle += 1
        return {name: int(row[0]) for name, row in found.items()}

    _outputs: tuple[str, ...] = ()


class Axi4Lite(_Clock):
    """Manager of AXI4-Lite; holds what it offers until it is taken, checks that answers stay."""

    _outputs = tuple(f"s_axil_{name}" for name in (
        "awready", "wready", "bvalid", "bresp", "arready", "rvalid", "rresp", "rdata"))

    def write(self, address: int, value: int, strobe: int = 0xF) -> bool:
        """Write to a byte address; whether the write was done."""
        offers = {"aw": {"awaddr": address}, "w": {"wdata": value, "wstrb": strobe}}
        return self._access(offers, "b")["bresp"] == OKAY

    def read(self, address: int) -> int | None:
        """Read from a byte address; None if the read was refused."""
        answer = self._access({"ar": {"araddr": address}}, "r")
        return answer["rdata"] if answer["rresp"] == OKAY else None

    def _access(self, offers: dict[str, dict[str, int]], answer: str) -> dict[str, int]:
        """Offer on some channels until all is taken, and take one answer."""
        shown: dict[str, dict[str, int]] = {}
        waiting: dict[str, int] | None = None
        for _ in range(PATIENCE):
            shown |= {name: values for name, values in offers.items()
                      if name not in shown and not self._pauses()}
            ready = not self._pauses()
            inputs = {f"s_axil_{answer}ready": int(ready)}
            for name, values in shown.items():
                inputs |= {f"s_axil_{key}": value for key, value in values.items()}
                inputs[f"s_axil_{name}valid"] = 1
            found = {name.removeprefix("s_axil_"): value
                     for name, value in self._step(inputs).items()}
            offered = {key: found[key] for key in found
                       if key in ("bresp", "rresp", "rdata") and key[0] == answer}
            if found[f"{answer}valid"]:
                if waiting not in (None, offered) or offers:
                    raise RtlError(f"AXI4-Lite {answer} must wait and stay, and does not")
                waiting = offered
                if ready:
                    return offered
            taken = [name for name in shown if found[f"{name}ready"]]
            for name in taken:
                del shown[name], offers[name]
        raise RtlError(f"AXI4-Lite {answer} must answer in {PATIENCE} cycles, and does not")


class Wishbone(_Clock):
    """Host of Wishbone with classic cycles."""

    _outputs = ("s_wb_ack", "s_wb_err", "s_wb_dat_r")

    def write(self, address: int, value: int, strobe: int = 0xF) -> bool:
        """Write to a byte address; whether the write was done."""
        found = self._access({"s_wb_adr": address >> 2, "s_wb_we": 1, "s_wb_dat_w": value,
                              "s_wb_sel": strobe})
        return bool(found["s_wb_ack"])

    def read(self, address: int) -> int | None:
        """Read from a byte address; None if the read was refused."""
        found = self._access({"s_wb_adr": address >> 2, "s_wb_sel": 0xF})
        return found["s_wb_dat_r"] if found["s_wb_ack"] else None

    def _access(self, asked: dict[str, int]) -> dict[str, int]:
        """One access, with pauses in front of it."""
        while self._pauses():
            self.idle()
        for _ in range(PATIENCE):
            found = self._step(asked | {"s_wb_cyc": 1, "s_wb_stb": 1})
            if found["s_wb_ack"] and found["s_wb_err"]:
                raise RtlError("Wishbone must answer with ack or with err, not with both")
            if found["s_wb_ack"] or found["s_wb_err"]:
                return found
        raise RtlError(f"Wishbone must answer in {PATIENCE} cycles, and does not")


#: Driver of each bus.
BUSES: dict[Bus, type[Axi4Lite] | type[Wishbone]] = {
    Bus.AXI4LITE: Axi4Lite, Bus.WISHBONE: Wishbone}
