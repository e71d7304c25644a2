# SPDX-License-Identifier: Apache-2.0
"""A MAC that is given an operand pair in every cycle."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw.emit.hierarchy import place

__all__ = ["AlwaysValid"]


class AlwaysValid(wiring.Component):
    """The MAC ``unit`` with ``i_valid`` tied to 1 instead of a port; latency is the unit's."""

    def __init__(self, unit: wiring.Component):
        self._unit = unit
        super().__init__({name: member for name, member in unit.signature.members.items()
                          if name != "i_valid"})

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"{self._unit.module_name}_always_valid"

    def elaborate(self, platform):
        m = Module()
        place(m, platform, self._unit, name="mac")
        m.d.comb += self._unit.i_valid.eq(1)
        for name, member in self.signature.members.items():
            outer, inner = getattr(self, name), getattr(self._unit, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        return m
