# SPDX-License-Identifier: Apache-2.0
"""Writes the rows of C to the result memory, and detects the last one."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.spec import GemmSpec


class Writer(wiring.Component):
    """Generates the address of each row of C in the result memory; accepts a row per cycle.

    Rows beyond M are dropped.

    Members
    -------
    start, m, n, across
        Start; the sizes, and the number of tiles in a row of tiles.
    valid, last
        There is a row of C; it is the last one of a tile.
    w_en, w_addr
        Write to the result memory.
    done
        The row is the last one of the product.
    """

    def __init__(self, spec: GemmSpec):
        self._spec = spec
        super().__init__(
            {
                "start": In(1),
                "m": In(spec.size_bits),
                "n": In(spec.size_bits),
                "across": In(spec.size_bits + 1),
                "valid": In(1),
                "last": In(1),
                "w_en": Out(1),
                "w_addr": Out(range(spec.depth_c)),
                "done": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"writer_{self._spec.tiling}_{self._spec.depths}"

    def elaborate(self, platform):
        m = Module()
        bits, cols = self._spec.size_bits, self._spec.array.cols
        n_left, first = Signal(bits), Signal.like(self.w_addr, name="first")
        # Rows of C left, and the same count at the start of the current row of tiles.
        m_left, m_tile = Signal(bits), Signal(bits)
        last_n = n_left <= cols
        m.d.comb += [
            self.w_en.eq(self.valid & (m_left != 0)),
            self.done.eq(
                self.valid & self.last & last_n & (m_tile <= self._spec.array.schedule.height)
            ),
        ]
        with m.If(self.start):
            m.d.sync += [
                m_left.eq(self.m),
                m_tile.eq(self.m),
                n_left.eq(self.n),
                self.w_addr.eq(0),
                first.eq(0),
            ]
        with m.Elif(self.valid):
            rest = Mux(m_left == 0, 0, m_left - 1)
            m.d.sync += [m_left.eq(rest), self.w_addr.eq(self.w_addr + self.across)]
            with m.If(self.last):
                following = Mux(last_n, self.w_addr, first) + 1
                m.d.sync += [
                    self.w_addr.eq(following),
                    first.eq(following),
                    n_left.eq(Mux(last_n, self.n, n_left - cols)),
                    m_left.eq(Mux(last_n, rest, m_tile)),
                    m_tile.eq(Mux(last_n, rest, m_tile)),
                ]
        return m
