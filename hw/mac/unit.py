# SPDX-License-Identifier: Apache-2.0
"""What all MACs share: ports, registers, valid and last, clock enable."""

from collections import Counter

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from hw.emit.netlist import instantiate
from hw.mac.carry_save import Resolver, state_width
from hw.mac.stages import delayed, place_stages
from hw.spec import MacSpec

#: Meaning of each port, for the manifest and the port sheet.
DESCRIPTIONS = {
    "clk": "clock, rising edge",
    "rst": "synchronous reset, active high",
    "en": "clock enable; while it is 0, all registers keep their values",
    "i_valid": "the operand pair is valid and is accumulated",
    "i_first": "this pair starts a new sum; the old sum and its flags are cleared",
    "i_last": "this pair ends the sum",
    "i_a": "operand codes of a, lane 0 in the low bits",
    "i_b": "operand codes of b, lane 0 in the low bits",
    "i_a_scale": "scale of the block of a; read with the last beat of the block",
    "i_b_scale": "scale of the block of b; read with the last beat of the block",
    "o_valid": "o_data is the final sum; 1 for one cycle",
    "o_data": "accumulator",
    "o_flags": "flags of the sum: bit 0 plus infinity, bit 1 minus infinity, both NaN; "
    "if there is only one bit, it means NaN",
}


def mac_members(spec: MacSpec, *, enable: bool, width: int) -> dict[str, Member]:
    """Ports of a MAC.

    ``enable`` adds the clock enable ``en``; ``width`` is the width of ``o_data``.
    """
    members = {"en": In(1)} if enable else {}
    members |= {
        "i_valid": In(1),
        "i_first": In(1),
        "i_last": In(1),
        "i_a": In(spec.lanes * spec.a.width),
        "i_b": In(spec.lanes * spec.b.width),
    }
    if spec.blocks and spec.blocks.scale:
        members |= {f"i_{side}_scale": In(spec.blocks.scale.width) for side in "ab"}
    members |= {"o_valid": Out(1), "o_data": Out(width)}
    if spec.flag_bits:
        members["o_flags"] = Out(spec.flag_bits)
    return members


class MacUnit(wiring.Component):
    """A MAC; `next_sum` computes the new accumulator from the old one and the operands.

    Latency is ``spec.latency`` cycles, throughput one operand pair per lane and cycle. A reset
    discards everything in flight; the accumulator keeps its contents until the next ``i_first``.

    Parameters
    ----------
    spec
        Description of the unit.
    enable
        Whether the unit has a clock enable ``en``.
    resolve
        Whether ``o_data`` is the resolved sum. If not, it is the accumulator as stored, with
        `state_width` bits, valid after ``spec.loop_latency`` cycles.
    """

    def __init__(self, spec: MacSpec, *, enable: bool = False, resolve: bool = True):
        self._spec = spec
        self._enable = enable
        self._resolve = resolve and spec.latency > spec.loop_latency
        width = spec.acc.width if resolve else state_width(spec)
        super().__init__(mac_members(spec, enable=enable, width=width))

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        kept = not self._resolve and self._spec.latency > self._spec.loop_latency
        return self._spec.name + ("_kept" if kept else "") + ("_en" if self._enable else "")

    #: Whether the accumulator has no reset. It needs none if `i_first` clears all of it.
    reset_less = False
    #: Whether a cycle without a valid pair adds zero; the accumulator then needs no enable.
    adds_zero = False

    @property
    def stage_points(self) -> tuple[str, ...]:
        """Places for pipeline registers, the most useful first; the last one is ``operand``."""
        raise NotImplementedError

    @property
    def step_points(self) -> tuple[str, ...]:
        """As `stage_points`, for registers before the adder in a `MacStep`."""
        return self.stage_points

    def next_sum(
        self, m: Module, old: Value, a: Value, b: Value, first: Value, stages: Counter[str]
    ):
        """New accumulator, and the flags set by this step (None without flags).

        ``old`` is the accumulator; ``a`` and ``b`` are the codes of all lanes. ``stages`` is the
        number of registers at each place, including those inside the adder
        (`hw.mac.stages.ADDER_POINTS`). These registers delay the accumulator but not the flags.
        """
        raise NotImplementedError

    def elaborate(self, platform):
        m = Module()
        spec = self._spec
        stages = place_stages(spec.pipeline, self.stage_points)
        a = self.i_a & self.i_valid.replicate(len(self.i_a)) if self.adds_zero else self.i_a
        a = delayed(m, a, stages["operand"], name="a")
        b = delayed(m, self.i_b, stages["operand"], name="b")
        valid = delayed(m, self.i_valid, spec.pipeline, name="valid", reset_less=False)
        first = self.i_first & self.i_valid if self.adds_zero else self.i_first
        first = delayed(m, first, spec.pipeline, name="first")
        last = delayed(m, self.i_last, spec.pipeline, name="last")
        kept_data, kept_flags, kept_valid = self._registers(m, platform)
        data, flags = self.next_sum(m, kept_data, a, b, first, stages)
        if spec.flag_bits:
            flags = delayed(m, flags, spec.pipeline - stages["operand"], name="flags")
            if self.adds_zero:
                flags = flags & valid.replicate(len(flags))
        with m.If(valid | self.adds_zero):
            m.d.sync += kept_data.eq(data)
            if spec.flag_bits:
                m.d.sync += kept_flags.eq(Mux(first, 0, kept_flags) | flags)
        m.d.sync += kept_valid.eq(valid & last)
        return EnableInserter(self.en)(m) if self._enable else m

    def _registers(self, m: Module, platform) -> tuple[Value, Value, Value]:
        """Accumulator, flags and valid bit of the loop.

        They drive the outputs, directly or through a `Resolver`.
        """
        flag_bits = self._spec.flag_bits
        data = Signal(state_width(self._spec), name="kept_data", reset_less=self.reset_less)
        flags = Signal(flag_bits, name="kept_flags", reset_less=self.reset_less)
        valid = self.o_valid
        result = Cat(data, flags)
        if self._resolve:
            valid = Signal(name="kept_valid")
            resolver = Resolver(self._spec)
            instantiate(m, platform, resolver, name="resolver")
            m.d.sync += self.o_valid.eq(valid)
            m.d.comb += [resolver.en.eq(self.en if self._enable else 1), resolver.i.eq(result)]
            result = resolver.o
        m.d.comb += self.o_data.eq(result[: len(self.o_data)])
        if flag_bits:
            m.d.comb += self.o_flags.eq(result[-flag_bits:])
        return data, flags, valid


class AlwaysValid(wiring.Component):
    """The MAC ``unit`` with ``i_valid`` tied to 1 instead of a port; latency is the unit's."""

    def __init__(self, unit: wiring.Component):
        self._unit = unit
        super().__init__(
            {name: member for name, member in unit.signature.members.items() if name != "i_valid"}
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"{self._unit.module_name}_always_valid"

    def elaborate(self, platform):
        m = Module()
        instantiate(m, platform, self._unit, name="mac")
        m.d.comb += self._unit.i_valid.eq(1)
        for name, member in self.signature.members.items():
            outer, inner = getattr(self, name), getattr(self._unit, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        return m
