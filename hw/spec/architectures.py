# SPDX-License-Identifier: Apache-2.0
"""How a MAC adds and multiplies: same results from circuits of other size and delay."""

from enum import Enum

__all__ = ["Adder", "Multiplier"]


class Adder(Enum):
    """Adder of the accumulate loop."""

    RIPPLE = "ripple"  #: One carry chain: smallest.
    PREFIX = "prefix"  #: Parallel prefix: delay grows with the logarithm of the width.
    #: Sum and carry are kept apart, so that the loop has no carry chain; added once a sum is done.
    CARRY_SAVE = "carry-save"
    INFERRED = "inferred"  #: Verilog's ``+``, for the carry chains of FPGAs.


class Multiplier(Enum):
    """Rows of partial products."""

    DEFAULT = "default"  #: Booth for integers that are summed as they are, else array.
    ARRAY = "array"  #: One AND gate a bit; Baugh-Wooley where operands are signed.
    BOOTH = "booth"  #: Radix 4: half as many rows, each of more gates.
    INFERRED = "inferred"  #: Verilog's ``*``, for the DSP blocks of FPGAs.
