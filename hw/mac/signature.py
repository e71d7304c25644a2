# SPDX-License-Identifier: Apache-2.0
"""The ports that every MAC has, whatever its formats and its accumulator."""

from amaranth.lib.wiring import In, Member, Out

from hw.spec import MacSpec

__all__ = ["DESCRIPTIONS", "mac_members"]

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
