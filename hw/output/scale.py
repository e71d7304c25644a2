# SPDX-License-Identifier: Apache-2.0
"""The scale of an output stage: a power of two, or a factor with which the product is exact."""

from dataclasses import replace

from amaranth import *

from hw.arith.multiply import multiply_magnitudes
from hw.mac.product import special_product
from hw.output.source import Number, unpack_code
from hw.spec import OutputSpec

__all__ = ["scaled"]


def scaled(m: Module, spec: OutputSpec, number: Number, scale: Value) -> Number:
    """``number`` times ``scale``, a code of ``spec.scale_format``; combinational."""
    if spec.scale_format.is_integer:
        return replace(number, exp=number.exp + scale.as_signed(), leads=False)
    # A number has what makes a product special, as an operand of a MAC has.
    factor = unpack_code(m, spec.scale_format, scale, name="scale")
    nan, inf = special_product(m, number, factor, name="scaled")
    return Number(number.sign ^ factor.sign,
                  multiply_magnitudes(m, number.sig, factor.sig, name="scaled_sig"),
                  number.exp + factor.exp, number.lsb + factor.lsb, False, nan, inf)
