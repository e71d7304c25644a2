# SPDX-License-Identifier: Apache-2.0
"""Output stage with its ports and its register."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from hw.mac.stages import delayed
from hw.output.encode import encode_float, encode_integer
from hw.output.number import scaled, unpack_source
from hw.spec import OutputSpec, Scale

#: What the port that scales means.
SCALES = {
    Scale.POW2: "the sum is multiplied by two to this power, two's complement",
    Scale.FP32: "the sum is multiplied by this binary32 number",
}

_DESCRIPTIONS = {
    "clk": "clock, rising edge",
    "rst": "synchronous reset, active high",
    "en": "clock enable: everything holds while it is 0",
    "i_valid": "a sum is present",
    "i_data": "sum: the accumulator as it is",
    "i_flags": "flags of the sum: bit 0 plus infinity, bit 1 minus infinity, both NaN; "
    "a single bit is NaN",
    "i_zero_point": "integer code that stands for zero",
    "o_valid": "a code is on o_data",
    "o_data": "code of the result",
}


def descriptions(spec: OutputSpec) -> dict[str, str]:
    """What each port means, for the manifest and the port sheet."""
    return _DESCRIPTIONS | ({"i_scale": SCALES[spec.scale]} if spec.scale_bits else {})


def output_members(spec: OutputSpec, *, enable: bool) -> dict[str, Member]:
    """Members of the signature of an output stage; with ``enable`` it has ``en``, but no valid."""
    members = {"en" if enable else "i_valid": In(1), "i_data": In(spec.source.width)}
    options = {
        "i_flags": spec.flag_bits,
        "i_scale": spec.scale_bits,
        "i_zero_point": spec.zero_point_bits,
    }
    members |= {name: In(bits) for name, bits in options.items() if bits}
    return members | ({} if enable else {"o_valid": Out(1)}) | {"o_data": Out(spec.to.width)}


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
        m.d.comb += self.o_valid.eq(
            delayed(m, self.i_valid, spec.latency, name="valid", reset_less=False)
        )
        return m
