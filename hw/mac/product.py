# SPDX-License-Identifier: Apache-2.0
"""One lane up to the exact product, shared by every accumulator that takes signed magnitudes."""

from collections.abc import Iterable
from dataclasses import dataclass

from amaranth import *

from hw.arith.add import extend, ripple_add
from hw.arith.decode import Operand, decode
from hw.arith.multiply import multiply_magnitudes
from hw.spec import MacSpec

__all__ = ["Product", "lane_pairs", "multiply", "special_product", "split_lanes"]


@dataclass(frozen=True, slots=True)
class Product:
    """Exact product ``(-1)**sign * sig * 2**(exp - base + spec.product_lsb)``.

    ``sig`` is 0 where an operand is special. The product then is NaN if ``nan`` is set, else an
    infinity; ``inf`` may be set beside ``nan``. ``flags`` says the same to a fixed-point sum.
    """

    sign: Value
    sig: Value
    exp: Value
    base: int
    nan: Value
    inf: Value
    flags: Value


def split_lanes(codes: Value, width: int, lanes: int) -> list[Value]:
    """Code of each lane, lane 0 first."""
    return [codes[lane * width:(lane + 1) * width] for lane in range(lanes)]


def lane_pairs(spec: MacSpec, a: Value, b: Value) -> Iterable[tuple[Value, Value]]:
    """Codes of each lane's operands."""
    return zip(split_lanes(a, spec.a.width, spec.lanes), split_lanes(b, spec.b.width, spec.lanes),
               strict=True)


def multiply(m: Module, spec: MacSpec, a: Value, b: Value, *, name: str) -> Product:
    """Decode a pair of codes and multiply them exactly; combinational."""
    x, y = (decode(m, fmt, code, name=f"{name}_{side}")
            for fmt, code, side in ((spec.a, a, "a"), (spec.b, b, "b")))
    sign = Signal(name=f"{name}_sign")
    sig_x = Signal(len(x.sig), name=f"{name}_a_masked")
    m.d.comb += [
        sign.eq(x.sign ^ y.sign),
        sig_x.eq(x.sig & ~(x.hidden | y.hidden).replicate(len(x.sig))),
    ]
    sig = multiply_magnitudes(m, sig_x, y.sig, multiplier=spec.rows, name=f"{name}_sig")
    exp = _add_exponents(m, x.exp, y.exp, name=f"{name}_exp")
    nan, inf = special_product(m, x, y, name=name)
    # In the encoding of `hw.spec.Flag`; a single bit is NaN.
    flags = Cat(nan | (inf & ~sign), nan | (inf & sign))[:spec.flag_bits]
    return Product(sign, sig, exp, x.base + y.base, nan, inf, flags)


def _add_exponents(m: Module, x: Value, y: Value, *, name: str) -> Value:
    """``x + y`` in full; of an operand without exponent bits the other one's is left.

    So few bits that a chain is as fast as any other adder.
    """
    if not (len(x) and len(y)):
        return Cat(x, y)
    width = max(len(x), len(y))
    return Cat(*ripple_add(m, extend(x, width), extend(y, width), Const(0), name=name))


def special_product(m: Module, x: Operand, y: Operand, *, name: str) -> tuple[Value, Value]:
    """Whether a product is NaN, and whether an operand is infinite."""
    nan, inf = Signal(name=f"{name}_nan"), Signal(name=f"{name}_inf")
    m.d.comb += [
        nan.eq(x.nan | y.nan | (x.inf & y.zero) | (y.inf & x.zero)),
        inf.eq(x.inf | y.inf),
    ]
    return nan, inf
