# SPDX-License-Identifier: Apache-2.0
"""What every MAC has around its data path: ports, frame of a sum, registers, clock enable."""

from amaranth import *
from amaranth.lib import wiring

from hw.mac.product import split_lanes
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
    """

    def __init__(self, spec: MacSpec, *, enable: bool = False):
        self._spec = spec
        self._enable = enable
        super().__init__(mac_members(spec, enable=enable))

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return self._spec.name + ("_en" if self._enable else "")

    @property
    def stage_points(self) -> tuple[str, ...]:
        """Places for pipeline registers, the most useful first; the last one is ``operand``."""
        raise NotImplementedError

    def next_sum(self, m: Module, a: Value, b: Value, first: Value, stages: dict[str, int]):
        """Next accumulator and the flags that this step raises, None without flags.

        ``a`` and ``b`` are codes of all lanes; ``stages`` says how many registers go where. The
        flags are as old as the operands, the accumulator is due when all registers are passed.
        """
        raise NotImplementedError

    def elaborate(self, platform):
        m = Module()
        spec = self._spec
        stages = place_stages(spec.pipeline, self.stage_points)
        a = delayed(m, self.i_a, stages["operand"], name="a")
        b = delayed(m, self.i_b, stages["operand"], name="b")
        valid = delayed(m, self.i_valid, spec.pipeline, name="valid", reset_less=False)
        first = delayed(m, self.i_first, spec.pipeline, name="first")
        last = delayed(m, self.i_last, spec.pipeline, name="last")
        # Nothing but the accumulator waits for a valid pair, so all else stays outside.
        data, flags = self.next_sum(m, a, b, first, stages)
        if spec.flag_bits:
            flags = delayed(m, flags, spec.pipeline - stages["operand"], name="flags")
        with m.If(valid):
            m.d.sync += self.o_data.eq(data)
            if spec.flag_bits:
                m.d.sync += self.o_flags.eq(Mux(first, 0, self.o_flags) | flags)
        m.d.sync += self.o_valid.eq(valid & last)
        return EnableInserter(self.en)(m) if self._enable else m

    def operand_pairs(self, a: Value, b: Value):
        """Codes of each lane's operands."""
        spec = self._spec
        return zip(split_lanes(a, spec.a.width, spec.lanes),
                   split_lanes(b, spec.b.width, spec.lanes), strict=True)
