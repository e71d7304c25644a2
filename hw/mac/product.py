# SPDX-License-Identifier: Apache-2.0
"""One lane up to the exact product, shared by every accumulator that takes signed magnitudes."""

from dataclasses import dataclass

from amaranth import *

from hw.arith.decode import Operand, decode
from hw.arith.multiply import multiply_magnitudes
from hw.spec import MacSpec

__all__ = ["Product", "flag_product", "multiply", "split_lanes"]


@dataclass(frozen=True, slots=True)
class Product:
    """Exact product ``(-1)**sign * sig * 2**(exp - base + spec.product_lsb)``.

    ``sig`` is 0 where an operand is special; ``flags`` then says what the product is.
    """

    sign: Value
    sig: Value
    exp: Value
    base: int
    flags: Value


def split_lanes(codes: Value, width: int, lanes: int) -> list[Value]:
    """Code of each lane, lane 0 first."""
    return [codes[lane * width:(lane + 1) * width] for lane in range(lanes)]


def multiply(m: Module, spec: MacSpec, a: Value, b: Value, *, name: str) -> Product:
    """Decode a pair of codes and multiply them exactly; combinational."""
    x, y = (decode(m, fmt, code, name=f"{name}_{side}")
            for fmt, code, side in ((spec.a, a, "a"), (spec.b, b, "b")))
    sign = Signal(name=f"{name}_sign")
    exp = Signal(max(len(x.exp), len(y.exp)) + bool(len(x.exp) and len(y.exp)), name=f"{name}_exp")
    sig_x = Signal(len(x.sig), name=f"{name}_a_masked")
    m.d.comb += [
        sign.eq(x.sign ^ y.sign),
        exp.eq(x.exp + y.exp),
        sig_x.eq(x.sig & ~(x.nan | x.inf | y.nan | y.inf).replicate(len(x.sig))),
    ]
    sig = multiply_magnitudes(m, sig_x, y.sig, name=f"{name}_sig")
    return Product(sign, sig, exp, x.base + y.base, flag_product(m, spec, x, y, sign, name=name))


def flag_product(m: Module, spec: MacSpec, x: Operand, y: Operand, sign: Value, *,
                 name: str) -> Value:
    """Flags that a product raises, in the encoding of ``hw.spec.Flag``; a single bit is NaN."""
    nan, inf = Signal(name=f"{name}_nan"), Signal(name=f"{name}_inf")
    m.d.comb += [
        nan.eq(x.nan | y.nan | (x.inf & y.zero) | (y.inf & x.zero)),
        inf.eq(x.inf | y.inf),
    ]
    return Cat(nan | (inf & ~sign), nan | (inf & sign))[:spec.flag_bits]
