# SPDX-License-Identifier: Apache-2.0
"""From start to done, and the interrupt."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.spec.registers import BUS_BITS

__all__ = ["Control"]


class Control(wiring.Component):
    """Runs a product when its sizes have been checked, counts the cycles, raises the interrupt.

    Parameters
    ----------
    errors
        Number of bits that tell errors.

    Members
    -------
    start, hold
        The write that starts; never while ``busy``. The sums are to stay in the array.
    checked, wrong
        The sizes have been checked, in this cycle; they are refused.
    run
        The product begins.
    ended
        Its last row has come, or, if it holds, its last beat has gone.
    holds, held
        Whether this product holds; whether the array holds sums of a product before.
    busy
        Between ``start`` and the end.
    cycles
        From ``start`` to the first cycle that is not busy.
    done, errors, done_enable, error_enable, irq
        What has been, what of it interrupts, and the interrupt.
    """

    def __init__(self, errors: int):
        super().__init__({
            "start": In(1), "hold": In(1), "holds": Out(1), "held": Out(1),
            "checked": In(1), "wrong": In(1), "run": Out(1), "ended": In(1),
            "busy": Out(1), "cycles": Out(BUS_BITS), "done": In(1), "errors": In(errors),
            "done_enable": In(1), "error_enable": In(1), "irq": Out(1),
        })

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return "gemm_control"

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.run.eq(self.checked & ~self.wrong),
            self.irq.eq(self.done & self.done_enable | self.errors.any() & self.error_enable),
        ]
        with m.If(self.start):
            m.d.sync += [self.busy.eq(1), self.cycles.eq(1), self.holds.eq(self.hold)]
        with m.Elif(self.busy):
            m.d.sync += [self.busy.eq(~(self.ended | (self.checked & self.wrong))),
                         self.cycles.eq(self.cycles + 1)]
            with m.If(self.ended):
                m.d.sync += self.held.eq(self.holds)
        return m
