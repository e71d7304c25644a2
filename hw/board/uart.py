# SPDX-License-Identifier: Apache-2.0
"""Serial line: 8 data bits, low bit first, no parity, one stop bit; idle is high."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

DATA_BITS = 8
#: Start bit, data bits, stop bit.
FRAME_BITS = DATA_BITS + 2


class Receiver(wiring.Component):
    """Receives bytes, sampling each bit in its middle.

    A start bit that is high again in its middle is ignored. After a missing stop bit the line must
    go high before the next start bit, so a break counts as one wrong byte.

    Parameters
    ----------
    divider
        Clock cycles per bit, at least 4.

    Members
    -------
    rx
        The line; asynchronous.
    data, valid
        A byte, for one cycle.
    wrong
        The byte had no stop bit.
    """

    rx: In(1)
    data: Out(DATA_BITS)
    valid: Out(1)
    wrong: Out(1)

    def __init__(self, divider: int):
        self._divider = divider
        super().__init__()

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"uart_receiver_{self._divider}"

    def elaborate(self, platform):
        m = Module()
        line, count = Signal(init=1), Signal(range(self._divider))
        left = Signal(range(FRAME_BITS + 1))
        broken = Signal()
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)
        m.d.sync += self.valid.eq(0)
        with m.If(count != 0):
            m.d.sync += count.eq(count - 1)
        with m.Elif(left == 0):
            m.d.sync += broken.eq(broken & ~line)
            with m.If(~line & ~broken):
                m.d.sync += [left.eq(FRAME_BITS), count.eq(self._divider // 2 - 1)]
        with m.Else():
            m.d.sync += [left.eq(left - 1), count.eq(self._divider - 1)]
            with m.If(left == FRAME_BITS):
                with m.If(line):
                    m.d.sync += [left.eq(0), count.eq(0)]
            with m.Elif(left == 1):
                # From here on, the next start bit may come.
                m.d.sync += [count.eq(0), self.valid.eq(1), self.wrong.eq(~line), broken.eq(~line)]
            with m.Else():
                m.d.sync += self.data.eq(Cat(self.data[1:], line))
        return m


class Transmitter(wiring.Component):
    """Sends a byte in ``10 * divider`` cycles, without a gap before the next one.

    Parameters
    ----------
    divider
        Clock cycles per bit.

    Members
    -------
    tx
        The line.
    data, valid, ready
        Bytes to send.
    """

    tx: Out(1, init=1)
    data: In(DATA_BITS)
    valid: In(1)
    ready: Out(1)

    def __init__(self, divider: int):
        self._divider = divider
        super().__init__()

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"uart_transmitter_{self._divider}"

    def elaborate(self, platform):
        m = Module()
        count, left = Signal(range(self._divider)), Signal(range(FRAME_BITS + 1))
        bits = Signal(DATA_BITS + 1, init=(2 << DATA_BITS) - 1)
        m.d.comb += self.ready.eq((left == 0) | ((left == 1) & (count == 0)))
        with m.If(count != 0):
            m.d.sync += count.eq(count - 1)
        with m.Elif(left != 0):
            m.d.sync += [
                left.eq(left - 1),
                count.eq(self._divider - 1),
                self.tx.eq(bits[0]),
                bits.eq(Cat(bits[1:], 1)),
            ]
        with m.If(self.ready & self.valid):
            m.d.sync += [
                left.eq(FRAME_BITS),
                count.eq(self._divider - 1),
                self.tx.eq(0),
                bits.eq(Cat(self.data, 1)),
            ]
        return m
