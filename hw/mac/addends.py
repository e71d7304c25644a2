# SPDX-License-Identifier: Apache-2.0
"""What a fixed-point accumulator adds in a step: rows of integers, or aligned signed magnitudes."""

from amaranth import *

from hw.arith.columns import Columns
from hw.arith.multiply import array_rows, booth_rows, inferred_row
from hw.arith.round import drop_bits
from hw.arith.shift import shift_left
from hw.mac.product import Product, lane_pairs, multiply
from hw.mac.stages import delayed
from hw.spec import Format, MacSpec, Multiplier

__all__ = ["add_integers", "fill_columns", "signed_magnitudes"]


def fill_columns(m: Module, spec: MacSpec, columns: Columns, a: Value, b: Value,
                 stages: dict[str, int]) -> Value | None:
    """Add the products of all lanes to ``columns``; gives the flags that they raise, if any."""
    if spec.is_fused:
        add_integers(m, spec, columns, a, b)
        return None
    terms, flags = signed_magnitudes(m, spec, a, b, stages)
    for magnitude, sign in terms:
        columns.add_signed(magnitude, sign)
    return flags


def add_integers(m: Module, spec: MacSpec, columns: Columns, a: Value, b: Value) -> None:
    """Add the rows of every lane's product of integers to ``columns``."""
    weight = spec.product_lsb - spec.acc.lsb
    for lane, (x, y) in enumerate(lane_pairs(spec, a, b)):
        if spec.rows is Multiplier.ARRAY:
            array_rows(columns, x, y, weight=weight, x_signed=spec.a.signed, y_signed=spec.b.signed)
            continue
        x, y = (_signed(code, fmt) for code, fmt in ((x, spec.a), (y, spec.b)))
        longer, shorter = (x, y) if len(x) >= len(y) else (y, x)
        rows = inferred_row if spec.rows is Multiplier.INFERRED else booth_rows
        rows(m, columns, longer, shorter, name=f"lane{lane}", weight=weight)


def signed_magnitudes(m: Module, spec: MacSpec, a: Value, b: Value,
                      stages: dict[str, int]) -> tuple[list[tuple[Value, Value]], Value]:
    """Each lane's product as a magnitude in units of ``2**acc.lsb`` and a sign; the flags."""
    lanes = [multiply(m, spec, x, y, name=f"lane{lane}")
             for lane, (x, y) in enumerate(lane_pairs(spec, a, b))]
    flags = Signal(spec.flag_bits)
    for product in lanes:
        flags = flags | product.flags
    return [_align(m, spec, product, stages, name=f"lane{lane}")
            for lane, product in enumerate(lanes)], flags


def _align(m: Module, spec: MacSpec, product: Product, stages: dict[str, int], *,
           name: str) -> tuple[Value, Value]:
    """Magnitude and sign of one product, rounded if the accumulator's lsb is coarser."""
    sig, exp, sign = (delayed(m, value, stages["product"], name=f"{name}_{part}")
                      for part, value in (("sig", product.sig), ("exp", product.exp),
                                          ("sign", product.sign)))
    extreme = max(abs(x * y) for x in (spec.a.min_units, spec.a.max_units)
                  for y in (spec.b.min_units, spec.b.max_units))
    magnitude = shift_left(m, sig, exp, base=product.base, width=extreme.bit_length(),
                           name=f"{name}_aligned")
    coarser = spec.acc.lsb - spec.product_lsb
    if coarser > 0:
        magnitude = drop_bits(m, magnitude, coarser, spec.acc.rounding, name=f"{name}_rounded")
    elif coarser < 0:
        magnitude = Cat(Const(0, -coarser), magnitude)
    return (delayed(m, magnitude, stages["term"], name=f"{name}_term"),
            delayed(m, sign, stages["term"], name=f"{name}_term_sign"))


def _signed(code: Value, fmt: Format) -> Value:
    """Integer code as two's complement."""
    return code if fmt.signed else Cat(code, Const(0, 1))
