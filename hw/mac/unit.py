# SPDX-License-Identifier: Apache-2.0
"""What every MAC has around its data path: ports, registers, valid and last, clock enable."""

from collections import Counter

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from hw.emit.netlist import instantiate
from hw.mac.carry_save import Resolver, state_width
from hw.mac.stages import delayed, place_stages
from hw.spec import MacSpec

#: What each port means, for the manifest and the port sheet.
DESCRIPTIONS = {
    "clk": "clock, rising edge",
    "rst": "synchronous reset, active high",
    "en": "clock enable: everything holds while it is 0",
    "i_valid": "an operand pair is present and is accumulated",
    "i_first": "the sum and its flags are cleared before this pair",
    "i_last": "this pair ends the sum",
    "i_a": "operand codes of a, lane 0 in the low bits",
    "i_b": "operand codes of b, lane 0 in the low bits",
    "o_valid": "the sum of the pairs up to the last one is on o_data, for one cycle",
    "o_data": "accumulator",
    "o_flags": "flags of the sum: bit 0 plus infinity, bit 1 minus infinity, both NaN; "
    "a single bit is NaN",
}


def mac_members(spec: MacSpec, *, enable: bool, width: int) -> dict[str, Member]:
    """Members of the signature of a MAC.

    ``enable`` adds the clock enable ``en``, ``width`` are the bits of ``o_data``.
    """
    members = {"en": In(1)} if enable else {}
    members |= {
        "i_valid": In(1),
        "i_first": In(1),
        "i_last": In(1),
        "i_a": In(spec.lanes * spec.a.width),
        "i_b": In(spec.lanes * spec.b.width),
        "o_valid": Out(1),
        "o_data": Out(width),
    }
    if spec.flag_bits:
        members["o_flags"] = Out(spec.flag_bits)
    return members


class MacUnit(wiring.Component):
    """``o_data`` and ``o_flags`` take what `next_sum` makes of them and of an operand pair a lane.

    Latency is ``spec.latency`` cycles, throughput one operand pair a lane and cycle. A reset clears
    what is in flight; the accumulator keeps its contents until the next ``i_first``.

    Parameters
    ----------
    spec
        What is built.
    enable
        Whether the unit has a clock enable ``en``.
    resolve
        Whether a sum is resolved on its way to ``o_data``; else this is the accumulator itself,
        `state_width` wide, valid after ``spec.loop_latency`` cycles.
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

    #: Whether the accumulator takes no part in the reset. It needs none, as long as nothing of an
    #: unknown one is left behind `i_first`.
    reset_less = False
    #: Whether a cycle without a pair adds zero, so that no register of the loop has to hold.
    adds_zero = False

    @property
    def stage_points(self) -> tuple[str, ...]:
        """Places for pipeline registers, the most useful first; the last one is ``operand``."""
        raise NotImplementedError

    @property
    def step_points(self) -> tuple[str, ...]:
        """As `stage_points`, for registers before an adder through which sums pass."""
        return self.stage_points

    def next_sum(
        self, m: Module, old: Value, a: Value, b: Value, first: Value, stages: Counter[str]
    ):
        """Next accumulator and the flags that this step raises, None without flags.

        ``old`` is the accumulator, ``a`` and ``b`` are codes of all lanes; ``stages`` says how many
        registers go where, some of them inside the adder if sums pass by
        (`hw.mac.stages.ADDER_POINTS`). The flags are as old as the operands, the accumulator is due
        when all registers are passed.
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
        """Accumulator, flags and valid bit of the loop: the outputs, unless a stage follows."""
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
