# SPDX-License-Identifier: Apache-2.0
"""Products of operand codes, as bits in columns or as magnitudes, ready for an accumulator."""

from collections.abc import Iterable
from dataclasses import dataclass

from amaranth import *

from hw.arith.add import extend, ripple_add
from hw.arith.columns import Columns
from hw.arith.decode import decode, special_product
from hw.arith.multiply import array_rows, booth_rows, inferred_row, multiply_magnitudes
from hw.arith.round import drop_bits
from hw.arith.shift import shift_left
from hw.mac.stages import delayed
from hw.spec import Format, MacSpec, Multiplier


@dataclass(frozen=True, slots=True)
class Product:
    """Exact product ``(-1)**sign * sig * 2**(exp - base + spec.product_lsb)``.

    ``sig`` is 0 if an operand is special. The product is then NaN if ``nan`` is set, else an
    infinity; ``nan`` and ``inf`` may both be set. ``flags`` holds the same facts, encoded for a
    fixed-point sum.
    """

    sign: Value
    sig: Value
    exp: Value
    base: int
    nan: Value
    inf: Value
    flags: Value


def extreme_units(spec: MacSpec, lanes: int) -> int:
    """Largest magnitude of a sum of ``lanes`` products, in units of ``2**product_lsb``."""
    return lanes * max(
        abs(x * y)
        for x in (spec.a.min_units, spec.a.max_units)
        for y in (spec.b.min_units, spec.b.max_units)
    )


def split_lanes(codes: Value, width: int, lanes: int) -> list[Value]:
    """Code of each lane, lane 0 first."""
    return [codes[lane * width : (lane + 1) * width] for lane in range(lanes)]


def lane_pairs(spec: MacSpec, a: Value, b: Value) -> Iterable[tuple[Value, Value]]:
    """Codes of each lane's operands."""
    return zip(
        split_lanes(a, spec.a.width, spec.lanes),
        split_lanes(b, spec.b.width, spec.lanes),
        strict=True,
    )


def multiply(m: Module, spec: MacSpec, a: Value, b: Value, *, name: str) -> Product:
    """Decode a pair of codes and multiply them exactly; combinational."""
    x, y = (
        decode(m, fmt, code, name=f"{name}_{side}")
        for fmt, code, side in ((spec.a, a, "a"), (spec.b, b, "b"))
    )
    sign = Signal(name=f"{name}_sign")
    sig_x = Signal(len(x.sig), name=f"{name}_a_masked")
    m.d.comb += [
        sign.eq(x.sign ^ y.sign),
        sig_x.eq(x.sig & ~(x.hidden | y.hidden).replicate(len(x.sig))),
    ]
    sig = multiply_magnitudes(
        m, sig_x, y.sig, multiplier=spec.resolved_multiplier, name=f"{name}_sig"
    )
    exp = _add_exponents(m, x.exp, y.exp, name=f"{name}_exp")
    nan, inf = special_product(m, x, y, name=name)
    # Encoded as in `hw.spec.Flag`; a single bit means NaN.
    flags = Cat(nan | (inf & ~sign), nan | (inf & sign))[: spec.flag_bits]
    return Product(sign, sig, exp, x.base + y.base, nan, inf, flags)


def _add_exponents(m: Module, x: Value, y: Value, *, name: str) -> Value:
    """``x + y`` in full; if one operand has no exponent bits, the exponent of the other.

    Exponents are so short that a ripple-carry adder is as fast as any other.
    """
    if not (len(x) and len(y)):
        return Cat(x, y)
    width = max(len(x), len(y))
    return Cat(*ripple_add(m, extend(x, width), extend(y, width), Const(0), name=name))


def fill_columns(
    m: Module, spec: MacSpec, columns: Columns, a: Value, b: Value, stages: dict[str, int]
) -> Value | None:
    """Add the products of all lanes to ``columns``; return the flags that they raise, if any."""
    if spec.is_fused:
        add_integers(m, spec, columns, a, b)
        return None
    terms, flags = signed_magnitudes(m, spec, a, b, stages)
    for magnitude, sign in terms:
        columns.add_signed(magnitude, sign)
    return flags


def add_integers(m: Module, spec: MacSpec, columns: Columns, a: Value, b: Value) -> None:
    """Add the partial-product rows of every lane's integer product to ``columns``."""
    weight = spec.product_lsb - spec.acc.lsb_exp
    for lane, (x, y) in enumerate(lane_pairs(spec, a, b)):
        if spec.resolved_multiplier is Multiplier.ARRAY:
            array_rows(columns, x, y, weight=weight, x_signed=spec.a.signed, y_signed=spec.b.signed)
            continue
        x, y = (_signed(code, fmt) for code, fmt in ((x, spec.a), (y, spec.b)))
        longer, shorter = (x, y) if len(x) >= len(y) else (y, x)
        rows = inferred_row if spec.resolved_multiplier is Multiplier.INFERRED else booth_rows
        rows(m, columns, longer, shorter, name=f"lane{lane}", weight=weight)


def signed_magnitudes(
    m: Module, spec: MacSpec, a: Value, b: Value, stages: dict[str, int]
) -> tuple[list[tuple[Value, Value]], Value]:
    """Magnitude in units of ``2**acc.lsb_exp`` and sign of each lane's product, and the flags."""
    lanes = [
        multiply(m, spec, x, y, name=f"lane{lane}")
        for lane, (x, y) in enumerate(lane_pairs(spec, a, b))
    ]
    flags = Signal(spec.flag_bits)
    for product in lanes:
        flags = flags | product.flags
    return [
        _align_product(m, spec, product, stages, name=f"lane{lane}")
        for lane, product in enumerate(lanes)
    ], flags


def _align_product(
    m: Module, spec: MacSpec, product: Product, stages: dict[str, int], *, name: str
) -> tuple[Value, Value]:
    """Magnitude and sign of one product, rounded if the accumulator's lsb is coarser."""
    sig, exp, sign = (
        delayed(m, value, stages["product"], name=f"{name}_{part}")
        for part, value in (("sig", product.sig), ("exp", product.exp), ("sign", product.sign))
    )
    magnitude = shift_left(
        m,
        sig,
        exp,
        base=product.base,
        width=extreme_units(spec, lanes=1).bit_length(),
        name=f"{name}_aligned",
    )
    coarser = spec.acc.lsb_exp - spec.product_lsb
    if coarser > 0:
        magnitude = drop_bits(m, magnitude, coarser, spec.acc.rounding, name=f"{name}_rounded")
    elif coarser < 0:
        magnitude = Cat(Const(0, -coarser), magnitude)
    return (
        delayed(m, magnitude, stages["term"], name=f"{name}_term"),
        delayed(m, sign, stages["term"], name=f"{name}_term_sign"),
    )


def _signed(code: Value, fmt: Format) -> Value:
    """Integer code as two's complement."""
    return code if fmt.signed else Cat(code, Const(0, 1))
