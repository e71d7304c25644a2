# SPDX-License-Identifier: Apache-2.0
"""What every MAC has around its data path: ports, frame of a sum, registers, clock enable."""

from collections import Counter

from amaranth import *
from amaranth.lib import wiring

from hw.emit.hierarchy import place
from hw.mac.resolver import Resolver
from hw.mac.saved import kept_bits
from hw.mac.signature import mac_members
from hw.mac.stages import delayed, place_stages
from hw.spec import MacSpec

__all__ = ["MacUnit"]


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
        `kept_bits` wide, valid after ``spec.loop_latency`` cycles.
    """

    def __init__(self, spec: MacSpec, *, enable: bool = False, resolve: bool = True):
        self._spec = spec
        self._enable = enable
        self._resolve = resolve and spec.latency > spec.loop_latency
        width = spec.acc.width if resolve else kept_bits(spec)
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

    def next_sum(self, m: Module, old: Value, a: Value, b: Value, first: Value,
                 stages: Counter[str]):
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
        data = Signal(kept_bits(self._spec), name="kept_data", reset_less=self.reset_less)
        flags = Signal(flag_bits, name="kept_flags", reset_less=self.reset_less)
        valid = self.o_valid
        result = Cat(data, flags)
        if self._resolve:
            valid = Signal(name="kept_valid")
            resolver = Resolver(self._spec)
            place(m, platform, resolver, name="resolver")
            m.d.sync += self.o_valid.eq(valid)
            m.d.comb += [resolver.en.eq(self.en if self._enable else 1), resolver.i.eq(result)]
            result = resolver.o
        m.d.comb += self.o_data.eq(result[:len(self.o_data)])
        if flag_bits:
            m.d.comb += self.o_flags.eq(result[-flag_bits:])
        return data, flags, valid
