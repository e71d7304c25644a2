# SPDX-License-Identifier: Apache-2.0
"""Output stage with its ports and its register."""

from amaranth import *
from amaranth.lib import wiring

from hw.mac.stages import delayed
from hw.output.floating import encode_float
from hw.output.integers import encode_integer
from hw.output.scale import scaled
from hw.output.signature import output_members
from hw.output.source import unpack_source
from hw.spec import OutputSpec

__all__ = ["Output"]


class Output(wiring.Component):
    """``o_data`` becomes the code in ``spec.to`` of the sum ``i_data``, rounded once.

    Latency is ``spec.latency`` cycles, throughput one sum a cycle. A reset drops the sum in flight.
    See `hw.spec.OutputSpec` for the arithmetic.

    Parameters
    ----------
    spec
        What is built.
    enable
        Whether the unit has a clock enable ``en``. It then has no valid: what sets ``en`` knows.
    """

    def __init__(self, spec: OutputSpec, *, enable: bool = False):
        self._spec = spec
        self._enable = enable
        super().__init__(output_members(spec, enable=enable))

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return self._spec.name + ("_en" if self._enable else "")

    def elaborate(self, platform):
        m = Module()
        spec = self._spec
        number = unpack_source(m, spec, self.i_data, self.i_flags if spec.flag_bits else None)
        if spec.scale_bits:
            number = scaled(m, spec, number, self.i_scale)
        if spec.to.is_integer:
            code = encode_integer(m, spec, number, self.i_zero_point if spec.zero_point else None)
        else:
            code = encode_float(m, spec, number)
        m.d.comb += self.o_data.eq(delayed(m, code, spec.latency, name="data"))
        if self._enable:
            return EnableInserter(self.en)(m)
        m.d.comb += self.o_valid.eq(delayed(m, self.i_valid, spec.latency, name="valid",
                                            reset_less=False))
        return m
