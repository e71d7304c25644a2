# SPDX-License-Identifier: Apache-2.0
"""Drives the inputs that stand beside the rows of a stream which the design sends."""

import cocotb
from cocotb.triggers import FallingEdge

from tests.cocotb.stream_monitor import StreamMonitor

__all__ = ["BesideDriver"]


class BesideDriver:
    """Shows the values of a row on falling edges until the row is offered, then those of the next.

    ``rows`` holds a value by port for each row; behind the last one the ports keep their values.
    """

    def __init__(self, dut, name: str, monitor: StreamMonitor):
        self._dut = dut
        self._valid = getattr(dut, f"{name}_tvalid")
        self._monitor = monitor
        self.rows: list[dict[str, int]] = []
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        while True:
            # The monitor counts a transfer behind this edge, in the cycle in which it happens.
            row = len(self._monitor.transfers) + bool(self._valid.value)
            if row < len(self.rows):
                for port, value in self.rows[row].items():
                    getattr(self._dut, port).value = value
            await FallingEdge(self._dut.clk)
