# SPDX-License-Identifier: Apache-2.0
"""The ports of an output stage."""

from amaranth.lib.wiring import In, Member, Out

from hw.spec import OutputSpec, Scale

__all__ = ["SCALES", "descriptions", "output_members"]

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
    options = {"i_flags": spec.flag_bits, "i_scale": spec.scale_bits,
               "i_zero_point": spec.zero_point_bits}
    members |= {name: In(bits) for name, bits in options.items() if bits}
    return members | ({} if enable else {"o_valid": Out(1)}) | {"o_data": Out(spec.to.width)}
