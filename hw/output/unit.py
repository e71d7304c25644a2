# SPDX-License-Identifier: Apache-2.0
"""The output stage as a component, with ports and register."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from hw.arith.encode import encode_float, encode_integer
from hw.arith.number import scaled, unpack_source
from hw.mac.stages import delayed
from hw.spec import OutputSpec, Scale

#: Meaning of the scale port.
SCALES = {
    Scale.POW2: "the sum is multiplied by 2 to this power; two's complement",
    Scale.FP32: "the sum is multiplied by this binary32 number",
}

_DESCRIPTIONS = {
    "clk": "clock, rising edge",
    "rst": "synchronous reset, active high",
    "en": "clock enable; while it is 0, all registers keep their values",
    "i_valid": "i_data is valid",
    "i_data": "sum, as stored in the accumulator",
    "i_flags": "flags of the sum: bit 0 plus infinity, bit 1 minus infinity, both NaN; "
    "if there is only one bit, it means NaN",
    "i_zero_point": "integer code that means zero",
    "o_valid": "o_data is valid",
    "o_data": "code of the result",
}


def descriptions(spec: OutputSpec) -> dict[str, str]:
    """Meaning of each port, for the manifest and the port sheet."""
    return _DESCRIPTIONS | ({"i_scale": SCALES[spec.scale]} if spec.scale_bits else {})


def output_members(spec: OutputSpec, *, enable: bool) -> dict[str, Member]:
    """Ports of an output stage; with ``enable`` it has ``en`` instead of the valid ports."""
    members = {"en" if enable else "i_valid": In(1), "i_data": In(spec.source.width)}
    options = {
        "i_flags": spec.flag_bits,
        "i_scale": spec.scale_bits,
        "i_zero_point": spec.zero_point_bits,
    }
    members |= {name: In(bits) for name, bits in options.items() if bits}
    return members | ({} if enable else {"o_valid": Out(1)}) | {"o_data": Out(spec.to.width)}


class Output(wiring.Component):
    """Converts the sum ``i_data`` to a code ``o_data`` of the format ``spec.to``, rounding once.

    Latency is ``spec.latency`` cycles, throughput one sum per cycle. A reset discards the sum in
    flight. See `hw.spec.OutputSpec` for the arithmetic.

    Parameters
    ----------
    spec
        Description of the output stage.
    enable
        Whether the unit has a clock enable ``en``. It then has no valid ports.
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
